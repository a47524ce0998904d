//! What the operations of `Ops` pass around: values that are not in a register before they must be.

use super::Emitter;
use super::asm::{Alu, Gpr, Mem, RAX, RDI, Xmm};
use ir::{Compare, Cond, FpSize, GuestAddr, Width};

/// A 64-bit integer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Val {
    /// A constant.
    Imm(u64),
    /// A guest address that moves with the block.
    Pc(GuestAddr),
    /// In a register of the pool.
    Reg(Gpr),
    /// A sum as an x86 address; of `narrow` ones only the low 32 bits count.
    Sum { base: Option<Gpr>, index: Option<(Gpr, u8)>, disp: i32, narrow: bool },
    /// A difference or conjunction that perhaps only the flags are wanted of.
    Late { op: Alu, width: Width, a: Gpr, b: Src },
    /// One bit of a register, in its place.
    Bit(Gpr, u8),
}

/// Second operand of arithmetic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Src {
    Reg(Gpr),
    Imm(i32),
}

/// A truth value, computed where it is used.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Truth {
    Compare { op: Compare, width: Width, a: Val, b: Val },
    Flags { cond: Cond, flags: super::flags::Flags },
}

/// 128 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Vector {
    Imm(u128),
    Reg(Xmm),
}

/// A scalar floating-point number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Number {
    /// In the low lane; what is above is anything.
    Reg(Xmm),
    /// As bits; only the low ones count. Halves always are.
    Bits(Val),
}

/// An argument of a helper.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Arg {
    Val(Val),
    Vector(Vector),
    Number(FpSize, Number),
}

impl From<u64> for Arg {
    fn from(value: u64) -> Self {
        Self::Val(Val::Imm(value))
    }
}
impl From<Val> for Arg {
    fn from(value: Val) -> Self {
        Self::Val(value)
    }
}
impl From<Vector> for Arg {
    fn from(value: Vector) -> Self {
        Self::Vector(value)
    }
}

impl Val {
    pub const ZERO: Self = Self::Imm(0);

    pub fn is_imm(self) -> Option<u64> {
        if let Self::Imm(value) = self { Some(value) } else { None }
    }

    /// The host registers it is made of.
    pub fn registers(self) -> [Option<Gpr>; 2] {
        match self {
            Self::Imm(_) | Self::Pc(_) => [None, None],
            Self::Reg(r) | Self::Bit(r, _) | Self::Late { a: r, b: Src::Imm(_), .. } => [Some(r), None],
            Self::Sum { base, index, .. } => [base, index.map(|(r, _)| r)],
            Self::Late { a, b: Src::Reg(b), .. } => [Some(a), Some(b)],
        }
    }
}

impl Emitter {
    /// Distance of a guest address from the block's, if an instruction can hold it.
    pub(super) fn pc_distance(&self, addr: GuestAddr) -> Option<i32> {
        i32::try_from(addr.0.wrapping_sub(self.start.0) as i64).ok()
    }

    /// Writes a value to a register, which may be a scratch register. Makes no other changes.
    pub(super) fn put(&mut self, to: Gpr, value: Val) {
        match value {
            Val::Imm(value) => self.asm.mov_imm(to, value),
            Val::Pc(addr) => match self.pc_distance(addr) {
                Some(0) => self.asm.mov(true, to, RDI),
                Some(disp) => self.asm.lea(true, to, Mem::Base(RDI, disp)),
                None => {
                    self.asm.mov_imm(to, addr.0.wrapping_sub(self.start.0));
                    self.asm.alu(Alu::Add, true, to, RDI);
                }
            },
            Val::Reg(r) => {
                if r != to {
                    self.asm.mov(true, to, r);
                }
            }
            Val::Sum { base: None, index: Some((index, scale)), disp: 0, narrow } => {
                self.asm.mov(!narrow, to, index);
                if scale > 0 {
                    self.asm.shift_imm(super::asm::Shift::Shl, !narrow, to, scale);
                }
            }
            Val::Sum { base: Some(base), index: None, disp: 0, narrow } => self.asm.mov(!narrow, to, base),
            Val::Sum { base, index, disp, narrow } => {
                self.asm.lea(!narrow, to, Self::sum_operand(base, index, disp));
            }
            Val::Late { op, width, a, b } => {
                let wide = width == Width::X;
                match b {
                    // A mask that clears the upper half.
                    Src::Imm(mask) if op == Alu::And && mask >= 0 => {
                        self.asm.mov(false, to, a);
                        self.asm.alu_imm(Alu::And, false, to, mask);
                    }
                    Src::Imm(b) => {
                        self.asm.mov(wide, to, a);
                        self.asm.alu_imm(op, wide, to, b);
                    }
                    Src::Reg(b) if b == to => {
                        // Only scratch registers are written over; no value lives there.
                        debug_assert!(a == to || op == Alu::And, "values are in the pool");
                        self.asm.alu(op, wide, to, a);
                    }
                    Src::Reg(b) => {
                        self.asm.mov(wide, to, a);
                        self.asm.alu(op, wide, to, b);
                    }
                }
            }
            Val::Bit(r, bit) => {
                if bit < 31 {
                    self.asm.mov(false, to, r);
                    self.asm.alu_imm(Alu::And, false, to, 1 << bit);
                } else {
                    self.asm.mov_imm(to, 1 << bit);
                    self.asm.alu(Alu::And, true, to, r);
                }
            }
        }
    }

    fn sum_operand(base: Option<Gpr>, index: Option<(Gpr, u8)>, disp: i32) -> Mem {
        match (base, index) {
            (Some(base), None) => Mem::Base(base, disp),
            (base, Some((index, scale))) => Mem::Index(base, index, scale, disp),
            (None, None) => Mem::Fixed(disp),
        }
    }

    /// Whether bits 63 to 32 of the value are zero.
    pub(super) fn is_narrow(&self, value: Val) -> bool {
        match value {
            Val::Imm(value) => value <= u64::from(u32::MAX),
            Val::Pc(_) => false,
            Val::Reg(r) => self.regs.is_narrow(r),
            Val::Sum { narrow, .. } => narrow,
            Val::Late { width: Width::W, .. } => true,
            Val::Late { op, a, b, .. } => {
                op == Alu::And
                    && (self.regs.is_narrow(a)
                        || match b {
                            Src::Imm(mask) => mask >= 0,
                            Src::Reg(b) => self.regs.is_narrow(b),
                        })
            }
            Val::Bit(_, bit) => bit < 32,
        }
    }

    /// The value in a register of the pool.
    pub(super) fn reg(&mut self, value: Val) -> Gpr {
        if let Val::Reg(r) = value {
            return r;
        }
        let narrow = self.is_narrow(value);
        let to = self.new_gpr();
        self.put(to, value);
        self.regs.set_narrow(to, narrow);
        to
    }

    /// As an operand: a small constant, or a register.
    pub(super) fn src(&mut self, width: Width, value: Val) -> Src {
        if let Val::Imm(value) = value {
            let small = match width {
                Width::W => Some(value as u32 as i32),
                Width::X => i32::try_from(value as i64).ok(),
            };
            if let Some(small) = small {
                return Src::Imm(small);
            }
        }
        Src::Reg(self.reg(value))
    }

    pub(super) fn alu_src(&mut self, op: Alu, wide: bool, to: Gpr, from: Src) {
        match from {
            Src::Reg(r) => self.asm.alu(op, wide, to, r),
            Src::Imm(value) => self.asm.alu_imm(op, wide, to, value),
        }
    }

    /// The value as the address of an access. May use rax.
    pub(super) fn operand(&mut self, addr: Val) -> Mem {
        match addr {
            Val::Reg(r) => Mem::Base(r, 0),
            Val::Sum { base, index, disp, narrow: false } => Self::sum_operand(base, index, disp),
            Val::Imm(at) if i32::try_from(at as i64).is_ok() => Mem::Fixed(at as i32),
            Val::Pc(at) if self.pc_distance(at).is_some() => Mem::Base(RDI, self.pc_distance(at).unwrap_or_default()),
            _ => {
                self.put(RAX, addr);
                Mem::Base(RAX, 0)
            }
        }
    }
}
