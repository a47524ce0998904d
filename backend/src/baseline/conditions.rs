//! Evaluates conditions: makes the host's flags tell whether something is true, and branches or selects on them. Uses
//! scratch registers only, so that it can stand anywhere.

use super::Emitter;
use super::asm::{Alu, Cc, Gpr, Label, MAP_0F, Op, RAX, RCX, RDX, Rm, Shift, Xmm};
use super::exits::Cold;
use super::flags::{A, B, Flags, SAHF, SET_OVERFLOW, WORD, state};
use super::value::{Src, Truth, Val};
use ir::{Compare, Cond, FlagKind, FpSize, Width};

/// What the host's flags must satisfy for a condition to hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Test {
    Known(bool),
    Is(Cc),
    Both(Cc, Cc),
    Either(Cc, Cc),
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

impl Emitter {
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

    pub(super) fn compare_operands(&mut self, wide: bool, a: Val, b: Val) {
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

    pub(super) fn add_operands(&mut self, wide: bool, a: Val, b: Val) {
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

    pub(super) fn test_flags(&mut self, cond: Cond, flags: Flags) -> Test {
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

    /// Packed flags in eax become the host's, as after a subtraction. Uses rcx and RDX.
    pub(super) fn host_flags_from_packed(&mut self) {
        // N and Z from 31 and 30 to 15 and 14 (S and Z in AH), the inverted C from 29 to 8, V from 28 to 0.
        self.asm.mov(false, RCX, RAX);
        self.asm.mov(false, RDX, RAX);
        self.asm.shift_imm(Shift::Shr, false, RAX, 16);
        self.asm.alu_imm(Alu::And, false, RAX, 0xc000);
        self.asm.shift_imm(Shift::Shr, false, RCX, 21);
        self.asm.alu_imm(Alu::And, false, RCX, 0x100);
        self.asm.alu_imm(Alu::Xor, false, RCX, 0x100);
        self.asm.alu(Alu::Or, false, RAX, RCX);
        self.asm.shift_imm(Shift::Shr, false, RDX, 28);
        self.asm.alu_imm(Alu::And, false, RDX, 1);
        self.asm.alu(Alu::Or, false, RAX, RDX);
        self.asm.raw(&SET_OVERFLOW);
        self.asm.raw(&SAHF);
    }

    /// Flags of unknown kind in memory become the host's, as after a subtraction: mostly they are of one.
    fn host_flags_from_memory(&mut self) {
        let (at, back) = (self.asm.label(), self.asm.label());
        let (not_64, done) = (self.asm.label(), self.asm.label());
        self.asm.mov(false, RAX, state(WORD));
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
    pub(super) fn branch_if(&mut self, test: Test, to: Label) {
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

    /// The same for a place a few instructions on.
    pub(super) fn branch_if_short(&mut self, test: Test, to: Label) {
        match test {
            Test::Known(true) => self.asm.jmp_short(to),
            Test::Known(false) => {}
            Test::Is(cc) => self.asm.jcc_short(cc, to),
            Test::Both(one, other) => {
                let not = self.asm.label();
                self.asm.jcc_short(one.inverted(), not);
                self.asm.jcc_short(other, to);
                self.asm.bind(not);
            }
            Test::Either(one, other) => {
                self.asm.jcc_short(one, to);
                self.asm.jcc_short(other, to);
            }
        }
    }

    pub(super) fn branch_unless(&mut self, test: Test, to: Label) {
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

    pub(super) fn ucomis(&mut self, size: FpSize, a: Xmm, b: impl Into<Rm>) {
        let prefix = if size == FpSize::D { 0x66 } else { 0 };
        self.sse(Op(prefix, MAP_0F, 0x2e), a, b);
    }
}
