//! Which host registers hold which guest registers. Guest registers are written to memory at once, unless they will be
//! overwritten before anybody looks; so a host register can be given up at any time, the least recently used first.

use super::Emitter;
use super::asm::{Gpr, MAP_0F, Mem, Op, R8, R15, RAX, Rm, Xmm};
use super::value::{Val, Vector};
use crate::abi::layout;
use ir::RegSet;

/// The registers of the pools: rbx, rsi and r8 to r14, xmm6 to xmm15. Regions expect rbp back unchanged from what they
/// call.
const GPRS: u16 = 0x7f48;
const XMMS: u16 = 0xffc0;

/// The numbers of the bits that are set.
fn bits(mut set: u32) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let bit = (set != 0).then(|| set.trailing_zeros() as u8);
        set &= set.wrapping_sub(1);
        bit
    })
}

/// What one file of host registers holds.
#[derive(Default, Clone)]
struct Bank {
    /// Guest registers whose value each host register is.
    owners: [u32; 16],
    /// Those that are some guest register's.
    owned: u16,
    /// In use by the current instruction.
    locked: u16,
    /// When each was last used.
    used: [u32; 16],
    clock: u32,
}

impl Bank {
    fn touch(&mut self, r: u8) {
        self.clock += 1;
        self.used[usize::from(r)] = self.clock;
        self.locked |= 1 << r;
    }

    /// A register to use: a free one, or the one whose guest register was used longest ago.
    fn pick(&self, pool: u16, held: u16) -> Option<u8> {
        let allowed = pool & !(self.locked | held);
        let free = allowed & !self.owned;
        if free != 0 {
            return Some(free.trailing_zeros() as u8);
        }
        bits(allowed.into()).min_by_key(|&r| self.used[usize::from(r)])
    }

    fn own(&mut self, n: u8, r: u8) {
        self.owners[usize::from(r)] |= 1 << n;
        self.owned |= 1 << r;
    }

    fn disown(&mut self, n: u8, r: u8) {
        self.owners[usize::from(r)] &= !(1 << n);
        if self.owners[usize::from(r)] == 0 {
            self.owned &= !(1 << r);
        }
    }

    /// Gives up a register; gives the guest registers it was.
    fn evict(&mut self, r: u8) -> u32 {
        self.owned &= !(1 << r);
        std::mem::take(&mut self.owners[usize::from(r)])
    }
}

/// The state of the host registers.
pub(super) struct Registers {
    x: Bank,
    v: Bank,
    /// What each guest register holds, if it is known.
    x_value: [Option<Val>; 32],
    v_value: [Option<Xmm>; 32],
    /// Host registers with zeros in bits 63 to 32.
    narrow: u16,
    /// Bits from here up are zero, by host vector register: 32, 64 or 128.
    width: [u8; 16],
    /// Guest registers that are newer than memory.
    unsaved: RegSet,
    /// Registers the block reads before it writes them.
    pub read_first: RegSet,
}

impl Default for Registers {
    fn default() -> Self {
        Self {
            x: Bank::default(),
            v: Bank::default(),
            x_value: [None; 32],
            v_value: [None; 32],
            narrow: 0,
            width: [128; 16],
            unsaved: RegSet::default(),
            read_first: RegSet::default(),
        }
    }
}

impl Registers {
    pub fn clear(&mut self) {
        *self = Self::default();
    }
    pub fn unlock(&mut self) {
        self.x.locked = 0;
        self.v.locked = 0;
    }
    pub fn is_narrow(&self, r: Gpr) -> bool {
        self.narrow >> r.0 & 1 != 0
    }
    pub fn set_narrow(&mut self, r: Gpr, narrow: bool) {
        self.narrow = self.narrow & !(1 << r.0) | u16::from(narrow) << r.0;
    }
    /// Bits from `width` up are zero.
    pub fn width(&self, r: Xmm) -> u8 {
        self.width[usize::from(r.0)]
    }
    pub fn set_width(&mut self, r: Xmm, width: u8) {
        self.width[usize::from(r.0)] = width;
    }
    pub fn lock(&mut self, r: Gpr) {
        self.x.locked |= 1 << r.0;
    }
    pub fn lock_xmm(&mut self, r: Xmm) {
        self.v.locked |= 1 << r.0;
    }
    /// All guest registers are in memory.
    pub fn is_saved(&self) -> bool {
        self.unsaved.is_empty()
    }
}

pub(super) fn x_slot(n: u8) -> Mem {
    Mem::Base(R15, layout::x(usize::from(n)))
}
pub(super) fn v_slot(n: u8) -> Mem {
    Mem::Base(R15, layout::v(usize::from(n)))
}

impl Emitter {
    /// A register of the pool for a new value, locked for this instruction.
    pub(super) fn new_gpr(&mut self) -> Gpr {
        let mut pick = self.regs.x.pick(GPRS, self.flag_gprs());
        if pick.is_none() {
            self.spill_flags();
            pick = self.regs.x.pick(GPRS, 0);
        }
        let Some(r) = pick else {
            self.refused = true;
            return R8;
        };
        for n in bits(self.regs.x.evict(r)) {
            if self.regs.unsaved.x >> n & 1 != 0 {
                self.asm.store(8, x_slot(n), Gpr(r));
                self.regs.unsaved.x &= !(1 << n);
            }
            self.regs.x_value[usize::from(n)] = None;
        }
        self.regs.x.touch(r);
        self.regs.set_narrow(Gpr(r), false);
        Gpr(r)
    }

    /// The same for vectors.
    pub(super) fn new_xmm(&mut self) -> Xmm {
        let mut pick = self.regs.v.pick(XMMS, self.flag_xmms());
        if pick.is_none() {
            self.spill_flags();
            pick = self.regs.v.pick(XMMS, 0);
        }
        let Some(r) = pick else {
            self.refused = true;
            return Xmm(6);
        };
        for n in bits(self.regs.v.evict(r)) {
            if self.regs.unsaved.v >> n & 1 != 0 {
                self.store_xmm(v_slot(n), Xmm(r));
                self.regs.unsaved.v &= !(1 << n);
            }
            self.regs.v_value[usize::from(n)] = None;
        }
        self.regs.v.touch(r);
        self.regs.set_width(Xmm(r), 128);
        Xmm(r)
    }

    /// Aligned.
    pub(super) fn store_xmm(&mut self, to: Mem, from: Xmm) {
        self.sse(Op(0, MAP_0F, 0x29), from, to);
    }

    pub(super) fn read_x(&mut self, n: u8) -> Val {
        if let Some(value) = self.regs.x_value[usize::from(n)] {
            if let Val::Reg(r) = value {
                self.regs.x.touch(r.0);
            }
            return value;
        }
        let r = self.new_gpr();
        self.asm.mov(true, r, x_slot(n));
        self.own_x(n, r);
        Val::Reg(r)
    }

    fn own_x(&mut self, n: u8, r: Gpr) {
        self.regs.x.own(n, r.0);
        self.regs.x_value[usize::from(n)] = Some(Val::Reg(r));
    }

    fn disown_x(&mut self, n: u8) {
        if let Some(Val::Reg(r)) = self.regs.x_value[usize::from(n)].take() {
            self.regs.x.disown(n, r.0);
        }
        self.regs.unsaved.x &= !(1 << n);
    }

    pub(super) fn write_x(&mut self, n: u8, value: Val) {
        let keep = matches!(value, Val::Imm(_) | Val::Pc(_));
        let value = if keep { value } else { Val::Reg(self.reg(value)) };
        self.disown_x(n);
        if let Val::Reg(r) = value {
            self.own_x(n, r);
        } else {
            self.regs.x_value[usize::from(n)] = Some(value);
        }
        if self.now.dead.x >> n & 1 != 0 {
            self.regs.unsaved.x |= 1 << n;
            return;
        }
        self.store_state(8, layout::x(usize::from(n)), value);
    }

    /// Stores a value to a field of `CpuState`. May use rax.
    pub(super) fn store_state(&mut self, bytes: u8, offset: i32, value: Val) {
        let at = Mem::Base(R15, offset);
        match value {
            Val::Reg(r) => self.asm.store(bytes, at, r),
            Val::Imm(value) if bytes == 4 || i32::try_from(value as i64).is_ok() => {
                self.asm.store_imm(bytes, at, value as i32);
            }
            _ => {
                self.put(RAX, value);
                self.asm.store(bytes, at, RAX);
            }
        }
    }

    pub(super) fn read_v(&mut self, n: u8) -> Vector {
        let n = n & 31;
        if let Some(r) = self.regs.v_value[usize::from(n)] {
            self.regs.v.touch(r.0);
            return Vector::Reg(r);
        }
        let r = self.new_xmm();
        self.sse(Op(0, MAP_0F, 0x28), r, v_slot(n));
        self.own_v(n, r);
        Vector::Reg(r)
    }

    fn own_v(&mut self, n: u8, r: Xmm) {
        self.regs.v.own(n, r.0);
        self.regs.v_value[usize::from(n)] = Some(r);
    }

    pub(super) fn write_v(&mut self, n: u8, value: Vector) {
        let n = n & 31;
        let r = self.xmm(value);
        if let Some(old) = self.regs.v_value[usize::from(n)].take() {
            self.regs.v.disown(n, old.0);
        }
        self.regs.unsaved.v &= !(1 << n);
        self.own_v(n, r);
        if self.now.dead.v >> n & 1 != 0 {
            self.regs.unsaved.v |= 1 << n;
        } else {
            self.store_xmm(v_slot(n), r);
        }
    }

    /// Loads what the block reads first into registers: it is a loop. Gives what `rejoin` restores.
    pub(super) fn preload(&mut self) {
        let reads = self.regs.read_first;
        for n in bits(reads.x).take(GPRS.count_ones() as usize - 2) {
            self.read_x(n);
        }
        for n in bits(reads.v).take(XMMS.count_ones() as usize - 4) {
            self.read_v(n);
        }
        self.regs.unlock();
    }

    /// Where the guest registers are that are in host registers.
    pub(super) fn places(&self) -> Places {
        let mut places = Places { v: self.regs.v_value, ..Places::default() };
        for n in 0..32 {
            if let Some(Val::Reg(r)) = self.regs.x_value[n] {
                places.x[n] = Some(r);
            }
        }
        places
    }

    /// Puts guest registers, all of which are in memory, where `places` has them.
    pub(super) fn rejoin(&mut self, places: &Places) {
        debug_assert!(self.regs.is_saved(), "a block ends with exact state");
        let now = self.places();
        // Only what the loop's head counts on, and is not there already.
        let mut moves: Vec<(u8, Gpr, Option<Gpr>)> = (0..32u8)
            .filter_map(|n| places.x[usize::from(n)].map(|to| (n, to, now.x[usize::from(n)])))
            .filter(|&(_, to, from)| from != Some(to))
            .collect();
        while let Some((n, to, from)) = next_move(&mut moves) {
            match (from, self.regs.x_value[usize::from(n)]) {
                (Some(from), _) => self.asm.mov(true, to, from),
                (None, Some(value @ (Val::Imm(_) | Val::Pc(_)))) => self.put(to, value),
                (None, _) => self.asm.mov(true, to, x_slot(n)),
            }
        }
        let mut moves: Vec<(u8, Xmm, Option<Xmm>)> = (0..32u8)
            .filter_map(|n| places.v[usize::from(n)].map(|to| (n, to, now.v[usize::from(n)])))
            .filter(|&(_, to, from)| from != Some(to))
            .collect();
        while let Some((n, to, from)) = next_move(&mut moves) {
            let from = from.map_or(Rm::from(v_slot(n)), Rm::from);
            self.sse(Op(0, MAP_0F, 0x28), to, from);
        }
    }
}

/// Takes the next of parallel moves, each of a guest register's number, a target, and a source if that is a register:
/// one whose target is no other's source. Where they go in circles, one of them comes from memory.
fn next_move<R: Copy + PartialEq>(moves: &mut Vec<(u8, R, Option<R>)>) -> Option<(u8, R, Option<R>)> {
    let ready = moves.iter().position(|&(_, to, _)| moves.iter().all(|m| m.1 == to || m.2 != Some(to)));
    match ready {
        Some(i) => Some(moves.swap_remove(i)),
        None => {
            moves.first_mut()?.2 = None;
            next_move(moves)
        }
    }
}

/// Where guest registers are in the host's.
#[derive(Clone, Copy, Default)]
pub(super) struct Places {
    x: [Option<Gpr>; 32],
    v: [Option<Xmm>; 32],
}
