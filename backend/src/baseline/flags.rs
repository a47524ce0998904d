//! NZCV while a block is emitted: kept as the operation that set it, evaluated where it is read. Evaluations use
//! scratch registers only, so that they can stand anywhere.

use super::Emitter;
use super::asm::{Alu, Cc, Gpr, Mem, R15, RAX, RCX, RDX, Shift, Xmm};
use super::conditions::Test;
use super::value::{Truth, Val};
use crate::abi::helpers::Helper;
use ir::{Cond, CpuState, FlagKind, FlagOp, FpSize, LazyFlags, Width};
use std::mem::offset_of;

/// What is known of the flags.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Flags {
    /// Only that memory holds them.
    InMemory,
    /// Memory holds them in this kind.
    Spilled(FlagKind),
    /// An operation with operands as `LazyFlags` has them, but for bits 63 to 32 of 32-bit kinds, which are anything.
    Lazy { kind: FlagKind, a: Val, b: Val },
    /// The host's: AH as LAHF gives it after a subtraction, AL is the overflow flag.
    Host(Gpr),
    /// A comparison of numbers.
    Fp { size: FpSize, a: Xmm, b: Xmm },
}

pub(super) const A: i32 = (offset_of!(CpuState, flags) + offset_of!(LazyFlags, a)) as i32;
pub(super) const B: i32 = (offset_of!(CpuState, flags) + offset_of!(LazyFlags, b)) as i32;
pub(super) const WORD: i32 = (offset_of!(CpuState, flags) + offset_of!(LazyFlags, word)) as i32;
pub(super) const ABOVE: i32 = (offset_of!(CpuState, flags) + offset_of!(LazyFlags, above)) as i32;

const LAHF: [u8; 1] = [0x9f];
pub(super) const SAHF: [u8; 1] = [0x9e];
pub(super) const CMC: [u8; 1] = [0xf5];
/// `add al, 0x7f`: overflows if AL is 1, not if it is 0.
pub(super) const SET_OVERFLOW: [u8; 2] = [0x04, 0x7f];

pub(super) fn state(offset: i32) -> Mem {
    Mem::Base(R15, offset)
}

impl Emitter {
    /// Host registers that the flags are made of.
    pub(super) fn flag_gprs(&self) -> u16 {
        let bit = |r: Option<Gpr>| r.map_or(0, |r| 1u16 << r.0);
        match self.flags {
            Flags::Lazy { a, b, .. } => a.registers().into_iter().chain(b.registers()).fold(0, |all, r| all | bit(r)),
            Flags::Host(r) => bit(Some(r)),
            _ => 0,
        }
    }

    pub(super) fn flag_xmms(&self) -> u16 {
        if let Flags::Fp { a, b, .. } = self.flags { 1 << a.0 | 1 << b.0 } else { 0 }
    }

    /// Frees the registers that the flags are made of.
    pub(super) fn spill_flags(&mut self) {
        let was_saved = self.flags_saved;
        self.store_flags();
        self.flags = match self.flags {
            Flags::Lazy { kind, .. } => Flags::Spilled(kind),
            Flags::Host(_) if !was_saved => Flags::Spilled(FlagKind::Packed),
            // A conditional comparison stores flags of one kind or another.
            Flags::Host(_) | Flags::Fp { .. } => Flags::InMemory,
            known => known,
        };
    }

    /// Stores the flags if they are newer than memory. Uses rax, rcx and rdx.
    pub(super) fn store_flags(&mut self) {
        if std::mem::replace(&mut self.flags_saved, true) {
            return;
        }
        let kind = match self.flags {
            Flags::InMemory | Flags::Spilled(_) => return,
            Flags::Lazy { kind, a, b } => {
                self.store_state(8, A, a);
                if matches!(kind, FlagKind::Add32 | FlagKind::Add64 | FlagKind::Sub32 | FlagKind::Sub64) {
                    self.store_state(8, B, b);
                }
                kind
            }
            Flags::Host(r) => {
                // N 15 and Z 14 go to 31 and 30, the inverted C from 8 to 29, V from 0 to 28.
                self.asm.mov(false, RAX, r);
                self.asm.alu_imm(Alu::Xor, false, RAX, 0x100);
                self.asm.mov(false, RCX, RAX);
                self.asm.alu_imm(Alu::And, false, RCX, 0xc000);
                self.asm.shift_imm(Shift::Shl, false, RCX, 16);
                self.asm.mov(false, RDX, RAX);
                self.asm.alu_imm(Alu::And, false, RDX, 0x100);
                self.asm.shift_imm(Shift::Shl, false, RDX, 21);
                self.asm.alu(Alu::Or, false, RCX, RDX);
                self.asm.alu_imm(Alu::And, false, RAX, 1);
                self.asm.shift_imm(Shift::Shl, false, RAX, 28);
                self.asm.alu(Alu::Or, false, RAX, RCX);
                self.asm.store(8, state(A), RAX);
                FlagKind::Packed
            }
            Flags::Fp { size, a, b } => {
                self.store_number(size, state(A), a);
                self.store_number(size, state(B), b);
                if size == FpSize::S { FlagKind::Fp32 } else { FlagKind::Fp64 }
            }
        };
        self.asm.store_imm(4, state(WORD), kind as i32);
    }

    pub(super) fn set_flags_to(&mut self, flags: Flags) {
        self.flags = flags;
        self.flags_saved = false;
    }

    pub(super) fn emit_set_flags(&mut self, op: FlagOp, width: Width, a: Val, b: Val) {
        let Some(kind) = FlagKind::of(op, width) else {
            return self.set_carry_flags(op, width, a, b);
        };
        let (a, b) = if op == FlagOp::Logic {
            let a = match a {
                Val::Late { op: Alu::And, .. } => a,
                _ => self.simple(a),
            };
            (a, Val::ZERO)
        } else {
            (self.simple(a), self.simple(b))
        };
        self.set_flags_to(Flags::Lazy { kind, a, b });
    }

    /// A constant or a register.
    pub(super) fn simple(&mut self, value: Val) -> Val {
        if let Val::Imm(_) = value { value } else { Val::Reg(self.reg(value)) }
    }

    /// After the host's flags are those of a subtraction: keeps them.
    fn take_host_flags(&mut self, to: Gpr) {
        self.asm.raw(&LAHF);
        self.asm.setcc(Cc::O, RAX);
        self.asm.mov(false, to, RAX);
    }

    fn set_carry_flags(&mut self, op: FlagOp, width: Width, a: Val, b: Val) {
        let a = self.simple(a);
        let b = self.src(width, b);
        let to = self.new_gpr();
        self.borrow_in();
        self.put(RCX, a);
        if op == FlagOp::Adc {
            self.asm.raw(&CMC);
            self.alu_src(Alu::Adc, width == Width::X, RCX, b);
            self.asm.raw(&CMC);
        } else {
            self.alu_src(Alu::Sbb, width == Width::X, RCX, b);
        }
        self.take_host_flags(to);
        self.set_flags_to(Flags::Host(to));
    }

    pub(super) fn emit_add_with_carry(&mut self, width: Width, a: Val, b: Val, subtract: bool) -> Val {
        let a = self.simple(a);
        let b = self.src(width, b);
        let to = self.new_gpr();
        self.borrow_in();
        self.put(to, a);
        if !subtract {
            self.asm.raw(&CMC);
        }
        self.alu_src(if subtract { Alu::Sbb } else { Alu::Adc }, width == Width::X, to, b);
        self.regs.set_narrow(to, width == Width::W);
        Val::Reg(to)
    }

    /// The host's carry becomes the inverted C.
    fn borrow_in(&mut self) {
        match self.test_flags(Cond::Cs, self.flags) {
            Test::Known(true) => self.asm.raw(&[0xf8]),
            Test::Known(false) => self.asm.raw(&[0xf9]),
            Test::Is(Cc::Ae) => {}
            Test::Is(Cc::B) => self.asm.raw(&CMC),
            Test::Is(cc) => {
                self.asm.setcc(cc.inverted(), RAX);
                self.asm.bt(false, RAX, 0);
            }
            Test::Both(..) | Test::Either(..) => unreachable!("C is one flag wherever it is"),
        }
    }

    pub(super) fn emit_set_flags_if(&mut self, cond: Cond, op: FlagOp, width: Width, a: Val, b: Val, nzcv: u8) {
        let (a, b) = (self.simple(a), self.simple(b));
        let to = self.new_gpr();
        let (otherwise, done) = (self.asm.label(), self.asm.label());
        let saved = FlagKind::of(op, width).filter(|_| !self.now.dead_flags);
        let test = self.test_flags(cond, self.flags);
        self.branch_unless(test, otherwise);
        if let Some(kind) = saved {
            self.store_state(8, A, a);
            self.store_state(8, B, b);
            self.asm.store_imm(4, state(WORD), kind as i32);
        }
        if op == FlagOp::Add {
            self.add_operands(width == Width::X, a, b);
            self.asm.raw(&CMC);
        } else {
            self.compare_operands(width == Width::X, a, b);
        }
        self.take_host_flags(to);
        self.asm.jmp(done);
        self.asm.bind(otherwise);
        if saved.is_some() {
            self.asm.store_imm(8, state(A), (u32::from(nzcv) << 28) as i32);
            self.asm.store_imm(4, state(WORD), FlagKind::Packed as i32);
        }
        let [n, z, c, v] = [3, 2, 1, 0].map(|bit| u64::from(nzcv >> bit & 1));
        self.asm.mov_imm(to, n << 15 | z << 14 | (c ^ 1) << 8 | v);
        self.asm.bind(done);
        self.flags = Flags::Host(to);
        self.flags_saved = saved.is_some();
    }

    /// NZCV, packed.
    pub(super) fn emit_nzcv(&mut self) -> Val {
        if let Flags::Lazy { kind: FlagKind::Packed, a, .. } = self.flags {
            return a;
        }
        self.store_flags();
        let to = self.new_gpr();
        self.call_helper(Helper::ReadSysreg, &[(ir::SysReg::Nzcv as u64).into()]);
        self.asm.mov(true, to, RAX);
        self.regs.set_narrow(to, true);
        // The host register holds them as long as the flags are known to be it.
        if self.refused {
            return Val::ZERO;
        }
        self.flags = Flags::Lazy { kind: FlagKind::Packed, a: Val::Reg(to), b: Val::ZERO };
        self.flags_saved = true;
        Val::Reg(to)
    }

    pub(super) fn set_packed(&mut self, packed: Val) {
        let packed = self.simple(packed);
        self.set_flags_to(Flags::Lazy { kind: FlagKind::Packed, a: packed, b: Val::ZERO });
    }

    /// The condition on the flags as they are now.
    pub(super) fn truth_of(&mut self, cond: Cond) -> Truth {
        let (gprs, xmms) = (self.flag_gprs(), self.flag_xmms());
        for r in 0..16 {
            if gprs >> r & 1 != 0 {
                self.regs.lock(Gpr(r));
            }
            if xmms >> r & 1 != 0 {
                self.regs.lock_xmm(Xmm(r));
            }
        }
        Truth::Flags { cond, flags: self.flags }
    }
}
