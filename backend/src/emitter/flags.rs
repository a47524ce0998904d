//! NZCV while a block is emitted: kept as the operation that set it, evaluated where it is read. Evaluations use scratch
//! registers only, so that they can stand anywhere.

use super::Emitter;
use super::asm::{Alu, Cc, Gpr, MAP_0F, Mem, Op, R15, RAX, RCX, Shift, Xmm};
use super::exits::Cold;
use super::value::{Src, Truth, Val};
use crate::helpers::Helper;
use ir::{Compare, Cond, CpuState, FlagKind, FlagOp, FpSize, LazyFlags, Width};
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

/// What the host's flags must satisfy for a condition to hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Test {
    Known(bool),
    Is(Cc),
    Both(Cc, Cc),
    Either(Cc, Cc),
}

pub(super) const A: i32 = (offset_of!(CpuState, flags) + offset_of!(LazyFlags, a)) as i32;
pub(super) const B: i32 = (offset_of!(CpuState, flags) + offset_of!(LazyFlags, b)) as i32;
pub(super) const KIND: i32 = (offset_of!(CpuState, flags) + offset_of!(LazyFlags, kind)) as i32;

const LAHF: [u8; 1] = [0x9f];
const SAHF: [u8; 1] = [0x9e];
const CMC: [u8; 1] = [0xf5];
/// `add al, 0x7f`: overflows if AL is 1, not if it is 0.
const SET_OVERFLOW: [u8; 2] = [0x04, 0x7f];

fn state(offset: i32) -> Mem {
    Mem::Base(R15, offset)
}

/// The host condition after a subtraction.
fn after_sub(cond: Cond) -> Test {
    Test::Is(match cond {
        Cond::Eq => Cc::E,
        Cond::Ne => Cc::Ne,
        Cond::Cs => Cc::Ae,
        Cond::Cc => Cc::B,
        Cond::Mi => Cc::S,
        Cond::Pl => Cc::Ns,
        Cond::Vs => Cc::O,
        Cond::Vc => Cc::No,
        Cond::Hi => Cc::A,
        Cond::Ls => Cc::Be,
        Cond::Ge => Cc::Ge,
        Cond::Lt => Cc::L,
        Cond::Gt => Cc::G,
        Cond::Le => Cc::Le,
        Cond::Al | Cond::Nv => return Test::Known(true),
    })
}

/// After an addition: the carry is not inverted.
fn after_add(cond: Cond) -> Test {
    match cond {
        Cond::Cs => Test::Is(Cc::B),
        Cond::Cc => Test::Is(Cc::Ae),
        Cond::Hi => Test::Both(Cc::B, Cc::Ne),
        Cond::Ls => Test::Either(Cc::Ae, Cc::E),
        _ => after_sub(cond),
    }
}

/// After a TEST: no carry, no overflow.
fn after_logic(cond: Cond) -> Test {
    match cond {
        Cond::Cs | Cond::Vs | Cond::Hi => Test::Known(false),
        Cond::Cc | Cond::Vc | Cond::Ls => Test::Known(true),
        _ => after_sub(cond),
    }
}

fn kind_of(op: FlagOp, width: Width) -> FlagKind {
    match (op, width) {
        (FlagOp::Add, Width::W) => FlagKind::Add32,
        (FlagOp::Add, Width::X) => FlagKind::Add64,
        (FlagOp::Sub, Width::W) => FlagKind::Sub32,
        (FlagOp::Sub, Width::X) => FlagKind::Sub64,
        (_, Width::W) => FlagKind::Logic32,
        (_, Width::X) => FlagKind::Logic64,
    }
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
                self.asm.mov(false, super::asm::RDX, RAX);
                self.asm.alu_imm(Alu::And, false, super::asm::RDX, 0x100);
                self.asm.shift_imm(Shift::Shl, false, super::asm::RDX, 21);
                self.asm.alu(Alu::Or, false, RCX, super::asm::RDX);
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
        self.asm.store_imm(4, state(KIND), kind as i32);
    }

    pub(super) fn set_flags_to(&mut self, flags: Flags) {
        self.flags = flags;
        self.flags_saved = false;
    }

    pub(super) fn emit_set_flags(&mut self, op: FlagOp, width: Width, a: Val, b: Val) {
        if matches!(op, FlagOp::Adc | FlagOp::Sbc) {
            return self.set_carry_flags(op, width, a, b);
        }
        let kind = kind_of(op, width);
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
    fn simple(&mut self, value: Val) -> Val {
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
        let saves = !self.now.dead_flags;
        let test = self.test_flags(cond, self.flags);
        self.branch_unless(test, otherwise);
        if saves {
            self.store_state(8, A, a);
            self.store_state(8, B, b);
            self.asm.store_imm(4, state(KIND), kind_of(op, width) as i32);
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
        if saves {
            self.asm.store_imm(8, state(A), (u32::from(nzcv) << 28) as i32);
            self.asm.store_imm(4, state(KIND), FlagKind::Packed as i32);
        }
        let [n, z, c, v] = [3, 2, 1, 0].map(|bit| u64::from(nzcv >> bit & 1));
        self.asm.mov_imm(to, n << 15 | z << 14 | (c ^ 1) << 8 | v);
        self.asm.bind(done);
        self.flags = Flags::Host(to);
        self.flags_saved = saves;
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

    // --- tests ------------------------------------------------------------------------------------------------

    /// Makes the host's flags tell whether something is true.
    pub(super) fn test(&mut self, truth: Truth) -> Test {
        match truth {
            Truth::Flags { cond, flags } => self.test_flags(cond, flags),
            Truth::Compare { op, width, a, b } => self.test_compare(op, width, a, b),
        }
    }

    /// The value, in `scratch` if it is in no register yet.
    pub(super) fn into(&mut self, value: Val, scratch: Gpr) -> Gpr {
        if let Val::Reg(r) = value {
            return r;
        }
        self.put(scratch, value);
        scratch
    }

    fn small(wide: bool, value: Val) -> Option<i32> {
        let value = value.is_imm()?;
        if wide { i32::try_from(value as i64).ok() } else { Some(value as u32 as i32) }
    }

    fn compare_operands(&mut self, wide: bool, a: Val, b: Val) {
        let left = self.into(a, RAX);
        match Self::small(wide, b) {
            Some(0) => self.asm.test(wide, left, left),
            Some(value) => self.asm.alu_imm(Alu::Cmp, wide, left, value),
            None => {
                let right = self.into(b, RCX);
                self.asm.alu(Alu::Cmp, wide, left, right);
            }
        }
    }

    fn add_operands(&mut self, wide: bool, a: Val, b: Val) {
        self.put(RAX, a);
        match Self::small(wide, b) {
            Some(value) => self.asm.alu_imm(Alu::Add, wide, RAX, value),
            None => {
                let right = self.into(b, RCX);
                self.asm.alu(Alu::Add, wide, RAX, right);
            }
        }
    }

    fn test_compare(&mut self, op: Compare, width: Width, a: Val, b: Val) -> Test {
        if let (Val::Imm(a), Val::Imm(b)) = (a, b) {
            return Test::Known(ir::eval::int::compare(op, width, a, b));
        }
        let wide = width == Width::X;
        if b == Val::ZERO && matches!(op, Compare::Eq | Compare::Ne) {
            if let Val::Bit(r, bit) = a {
                self.asm.bt(true, r, bit);
                return Test::Is(if op == Compare::Ne { Cc::B } else { Cc::Ae });
            }
            self.test_value(wide, a);
        } else {
            self.compare_operands(wide, a, b);
        }
        Test::Is(match op {
            Compare::Eq => Cc::E,
            Compare::Ne => Cc::Ne,
            Compare::Ult => Cc::B,
            Compare::Ule => Cc::Be,
            Compare::Slt => Cc::L,
            Compare::Sle => Cc::Le,
        })
    }

    /// TEST of a value with itself; of a conjunction without computing it.
    fn test_value(&mut self, wide: bool, value: Val) {
        if let Val::Late { op: Alu::And, width, a, b } = value {
            let wide = wide && width == Width::X;
            match b {
                Src::Reg(b) => self.asm.test(wide, a, b),
                // Bits 63 to 32 count only if the mask reaches them.
                Src::Imm(mask) => self.asm.test_imm(wide && mask < 0, a, mask),
            }
            return;
        }
        let r = self.into(value, RAX);
        self.asm.test(wide, r, r);
    }

    fn test_flags(&mut self, cond: Cond, flags: Flags) -> Test {
        if matches!(cond, Cond::Al | Cond::Nv) {
            return Test::Known(true);
        }
        match flags {
            Flags::InMemory => {
                self.host_flags_from_memory();
                after_sub(cond)
            }
            Flags::Spilled(kind) => {
                self.asm.mov(true, RAX, state(A));
                let wide = matches!(kind, FlagKind::Add64 | FlagKind::Sub64 | FlagKind::Logic64);
                match kind {
                    FlagKind::Add32 | FlagKind::Add64 => {
                        self.asm.alu(Alu::Add, wide, RAX, state(B));
                        after_add(cond)
                    }
                    FlagKind::Sub32 | FlagKind::Sub64 => {
                        self.asm.alu(Alu::Cmp, wide, RAX, state(B));
                        after_sub(cond)
                    }
                    FlagKind::Logic32 | FlagKind::Logic64 => {
                        self.asm.test(wide, RAX, RAX);
                        after_logic(cond)
                    }
                    _ => self.test_packed(cond),
                }
            }
            Flags::Lazy { kind, a, b } => match kind {
                FlagKind::Add32 | FlagKind::Add64 => {
                    self.add_operands(kind == FlagKind::Add64, a, b);
                    after_add(cond)
                }
                FlagKind::Sub32 | FlagKind::Sub64 => {
                    self.compare_operands(kind == FlagKind::Sub64, a, b);
                    after_sub(cond)
                }
                FlagKind::Logic32 | FlagKind::Logic64 => {
                    let wide = kind == FlagKind::Logic64;
                    if let Val::Late { op: Alu::And, a, b: Src::Imm(mask), .. } = a {
                        // N is the bit at the top of the width, so the width counts here.
                        if !wide || mask < 0 {
                            self.asm.test_imm(wide, a, mask);
                        } else {
                            self.asm.test_imm(true, a, mask);
                        }
                    } else {
                        self.test_value(wide, a);
                    }
                    after_logic(cond)
                }
                _ => {
                    self.put(RAX, a);
                    self.test_packed(cond)
                }
            },
            Flags::Host(r) => {
                self.asm.mov(false, RAX, r);
                self.asm.raw(&SET_OVERFLOW);
                self.asm.raw(&SAHF);
                after_sub(cond)
            }
            Flags::Fp { size, a, b } => self.test_numbers(cond, size, a, b),
        }
    }

    /// The condition on packed flags in eax.
    fn test_packed(&mut self, cond: Cond) -> Test {
        let (bit, inverted) = match cond {
            Cond::Mi | Cond::Pl => (31, cond == Cond::Pl),
            Cond::Eq | Cond::Ne => (30, cond == Cond::Ne),
            Cond::Cs | Cond::Cc => (29, cond == Cond::Cc),
            Cond::Vs | Cond::Vc => (28, cond == Cond::Vc),
            _ => {
                self.host_flags_from_packed();
                return after_sub(cond);
            }
        };
        self.asm.bt(false, RAX, bit);
        Test::Is(if inverted { Cc::Ae } else { Cc::B })
    }

    /// Packed flags in eax become the host's, as after a subtraction. Uses rcx and rdx.
    pub(super) fn host_flags_from_packed(&mut self) {
        // N and Z from 31 and 30 to 15 and 14 (S and Z in AH), the inverted C from 29 to 8, V from 28 to 0.
        let rdx = super::asm::RDX;
        self.asm.mov(false, RCX, RAX);
        self.asm.mov(false, rdx, RAX);
        self.asm.shift_imm(Shift::Shr, false, RAX, 16);
        self.asm.alu_imm(Alu::And, false, RAX, 0xc000);
        self.asm.shift_imm(Shift::Shr, false, RCX, 21);
        self.asm.alu_imm(Alu::And, false, RCX, 0x100);
        self.asm.alu_imm(Alu::Xor, false, RCX, 0x100);
        self.asm.alu(Alu::Or, false, RAX, RCX);
        self.asm.shift_imm(Shift::Shr, false, rdx, 28);
        self.asm.alu_imm(Alu::And, false, rdx, 1);
        self.asm.alu(Alu::Or, false, RAX, rdx);
        self.asm.raw(&SET_OVERFLOW);
        self.asm.raw(&SAHF);
    }

    /// Flags of unknown kind in memory become the host's, as after a subtraction: mostly they are of one.
    fn host_flags_from_memory(&mut self) {
        let (at, back) = (self.asm.label(), self.asm.label());
        let (not_64, done) = (self.asm.label(), self.asm.label());
        self.asm.mov(false, RAX, state(KIND));
        self.asm.mov(true, RCX, state(A));
        self.asm.alu_imm(Alu::Cmp, false, RAX, FlagKind::Sub64 as i32);
        self.asm.jcc_short(Cc::Ne, not_64);
        self.asm.alu(Alu::Cmp, true, RCX, state(B));
        self.asm.jmp_short(done);
        self.asm.bind(not_64);
        self.asm.alu_imm(Alu::Cmp, false, RAX, FlagKind::Sub32 as i32);
        self.asm.jcc(Cc::Ne, at);
        self.asm.alu(Alu::Cmp, false, RCX, state(B));
        self.asm.bind(done);
        self.asm.bind(back);
        self.cold.push(Cold::FlagsFromMemory { at, back });
    }

    /// Less is N, equal Z and C, greater C, unordered C and V; UCOMIS has Z, P and C for unordered, C for less.
    fn test_numbers(&mut self, cond: Cond, size: FpSize, a: Xmm, b: Xmm) -> Test {
        let swaps = matches!(cond, Cond::Cs | Cond::Cc | Cond::Mi | Cond::Pl | Cond::Hi | Cond::Ls);
        let (first, second) = if swaps { (b, a) } else { (a, b) };
        self.ucomis(size, first, second);
        Test::Is(match cond {
            Cond::Eq => return Test::Both(Cc::Np, Cc::E),
            Cond::Ne => return Test::Either(Cc::P, Cc::Ne),
            Cond::Cs | Cond::Pl => Cc::Be,
            Cond::Cc | Cond::Mi => Cc::A,
            Cond::Vs => Cc::P,
            Cond::Vc => Cc::Np,
            Cond::Hi => Cc::B,
            Cond::Ls | Cond::Ge => Cc::Ae,
            Cond::Lt => Cc::B,
            Cond::Gt => Cc::A,
            Cond::Le => Cc::Be,
            Cond::Al | Cond::Nv => return Test::Known(true),
        })
    }

    /// Jumps if the test holds.
    pub(super) fn branch_if(&mut self, test: Test, to: super::asm::Label) {
        match test {
            Test::Known(true) => self.asm.jmp(to),
            Test::Known(false) => {}
            Test::Is(cc) => self.asm.jcc(cc, to),
            Test::Both(one, other) => {
                let not = self.asm.label();
                self.asm.jcc_short(one.inverted(), not);
                self.asm.jcc(other, to);
                self.asm.bind(not);
            }
            Test::Either(one, other) => {
                self.asm.jcc(one, to);
                self.asm.jcc(other, to);
            }
        }
    }

    pub(super) fn branch_unless(&mut self, test: Test, to: super::asm::Label) {
        let inverse = match test {
            Test::Known(value) => Test::Known(!value),
            Test::Is(cc) => Test::Is(cc.inverted()),
            Test::Both(one, other) => Test::Either(one.inverted(), other.inverted()),
            Test::Either(one, other) => Test::Both(one.inverted(), other.inverted()),
        };
        self.branch_if(inverse, to);
    }

    pub(super) fn emit_select(&mut self, truth: Truth, yes: Val, no: Val) -> Val {
        let narrow = self.is_narrow(yes) && self.is_narrow(no);
        let (yes, no) = match (yes, no) {
            (Val::Imm(_), Val::Imm(_)) => (yes, no),
            _ => (Val::Reg(self.reg(yes)), self.simple(no)),
        };
        let to = self.new_gpr();
        let test = self.test(truth);
        match (test, yes, no) {
            (Test::Known(holds), ..) => {
                self.put(to, if holds { yes } else { no });
            }
            (Test::Is(cc), Val::Imm(1), Val::Imm(0)) | (Test::Is(cc), Val::Imm(0), Val::Imm(1)) => {
                self.asm.setcc(if yes == Val::ZERO { cc.inverted() } else { cc }, to);
                self.asm.load_zero(1, to, to);
            }
            (test, Val::Imm(_), _) => {
                let done = self.asm.label();
                self.put(to, yes);
                self.branch_if(test, done);
                self.put(to, no);
                self.asm.bind(done);
            }
            (Test::Is(cc), Val::Reg(yes), _) => {
                self.put(to, no);
                self.asm.cmov(cc, to, yes);
            }
            (Test::Either(one, other), Val::Reg(yes), _) => {
                self.put(to, no);
                self.asm.cmov(one, to, yes);
                self.asm.cmov(other, to, yes);
            }
            (Test::Both(one, other), _, _) => {
                let done = self.asm.label();
                self.put(to, no);
                self.asm.jcc_short(one.inverted(), done);
                self.asm.jcc_short(other.inverted(), done);
                self.put(to, yes);
                self.asm.bind(done);
            }
            _ => unreachable!("yes is a constant or in a register"),
        }
        self.regs.set_narrow(to, narrow);
        Val::Reg(to)
    }

    pub(super) fn ucomis(&mut self, size: FpSize, a: Xmm, b: impl Into<super::asm::Rm>) {
        let prefix = if size == FpSize::D { 0x66 } else { 0 };
        self.sse(Op(prefix, MAP_0F, 0x2e), a, b);
    }
}
