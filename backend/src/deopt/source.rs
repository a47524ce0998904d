//! Where the flags of a checkpoint are. A region does not store them before each access: its table of locations says
//! how they follow from the registers, which are in memory at the checkpoint. Only a fault asks for them.
//!
//! Knows nothing of how code is built: `optimizing/clif/flag_source.rs` makes the sources.

use crate::abi::frame::{FaultFrame, Place};
use ir::eval::int::cond_holds;
use ir::{Cond, CpuState, FlagKind, LazyFlags, RegSet};

/// A 64-bit value, from what is in memory at a checkpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// It is always the same.
    Constant(u64),
    /// Register Xn; 31 is SP.
    X(u8),
    /// The low 64 bits of register Vn.
    V(u8),
    /// What `LazyFlags::a` holds.
    StoredA,
    /// What `LazyFlags::b` holds.
    StoredB,
    /// The low bits of another, as many as are given.
    Low(u32, Box<Source>),
    /// An operation on others. Operands and result are the low `bits` bits.
    Operation(Operation, u32, Box<[Source; 2]>),
    /// The low bits of another, sign-extended from the first number of bits to the second.
    SignExtended(u32, u32, Box<Source>),
    /// Where the host has it at the access that faults.
    Host(Place),
    /// While code is built: the value with this label if the host has that at the access, else the other.
    Labelled(u32, Option<Box<Source>>),
}

/// An operation on two values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Sum.
    Add,
    /// Difference.
    Sub,
    /// Bitwise and.
    And,
    /// Bitwise or.
    Or,
    /// Bitwise exclusive or.
    Xor,
    /// Shift to the left. The amount counts modulo the width, as for the other shifts.
    Shl,
    /// Logical shift to the right.
    Shr,
    /// Arithmetic shift to the right.
    Sar,
}

impl Operation {
    /// The result, of operands of which only the low `bits` bits count.
    pub fn result(self, bits: u32, a: u64, b: u64) -> u64 {
        let (a, b) = (low(bits, a), low(bits, b));
        let amount = b as u32 % bits;
        let result = match self {
            Self::Add => a.wrapping_add(b),
            Self::Sub => a.wrapping_sub(b),
            Self::And => a & b,
            Self::Or => a | b,
            Self::Xor => a ^ b,
            Self::Shl => a << amount,
            Self::Shr => a >> amount,
            Self::Sar => ((sign_extended(bits, a) as i64) >> amount) as u64,
        };
        low(bits, result)
    }
}

/// The low `bits` bits.
pub fn low(bits: u32, value: u64) -> u64 {
    value & (u64::MAX >> (64 - bits))
}

/// Bit `bits - 1` in it and all above.
fn sign_extended(bits: u32, value: u64) -> u64 {
    ((value << (64 - bits)) as i64 >> (64 - bits)) as u64
}

impl Source {
    /// The value, when a fault has saved what the host had.
    #[must_use]
    pub fn value(&self, cpu: &CpuState, saved: &FaultFrame) -> u64 {
        match self {
            Self::Host(place) => saved.value(*place) as u64,
            Self::Labelled(..) => unreachable!("labels are replaced when code has been built"),
            Self::Constant(value) => *value,
            Self::X(n) => cpu.x[usize::from(*n)],
            Self::V(n) => cpu.v[usize::from(*n)] as u64,
            Self::StoredA => cpu.flags.a,
            Self::StoredB => cpu.flags.b,
            Self::Low(bits, source) => low(*bits, source.value(cpu, saved)),
            Self::SignExtended(from, to, source) => low(*to, sign_extended(*from, source.value(cpu, saved))),
            Self::Operation(operation, bits, operands) => {
                let [a, b] = [&operands[0], &operands[1]].map(|operand| operand.value(cpu, saved));
                operation.result(*bits, a, b)
            }
        }
    }
}

impl Source {
    /// The low bits of it.
    #[must_use]
    pub fn low(self, bits: u32) -> Self {
        if bits < 64 { Self::Low(bits, Box::new(self)) } else { self }
    }

    /// Registers that it follows from.
    fn registers(&self) -> RegSet {
        match self {
            Self::X(n) => RegSet { x: 1 << n, v: 0 },
            Self::V(n) => RegSet { x: 0, v: 1 << n },
            Self::Low(_, source) | Self::SignExtended(_, _, source) => source.registers(),
            Self::Operation(_, _, operands) => operands[0].registers().union(operands[1].registers()),
            Self::Labelled(_, otherwise) => otherwise.as_ref().map_or(RegSet::default(), |source| source.registers()),
            Self::Constant(_) | Self::StoredA | Self::StoredB | Self::Host(_) => RegSet::default(),
        }
    }

    /// The same with places instead of labels, by a function that gives what a label stands for at an access; None if a
    /// value is nowhere.
    pub fn located(&self, of_label: &impl Fn(u32) -> Option<Self>) -> Option<Self> {
        let boxed = |source: &Self| Some(Box::new(source.located(of_label)?));
        Some(match self {
            Self::Labelled(label, otherwise) => match (of_label(*label), otherwise) {
                (Some(source), _) => source,
                (None, otherwise) => otherwise.as_ref()?.located(of_label)?,
            },
            Self::Low(bits, source) => Self::Low(*bits, boxed(source)?),
            Self::SignExtended(from, to, source) => Self::SignExtended(*from, *to, boxed(source)?),
            Self::Operation(operation, bits, operands) => {
                let operands = [operands[0].located(of_label)?, operands[1].located(of_label)?];
                Self::Operation(*operation, *bits, Box::new(operands))
            }
            other => other.clone(),
        })
    }
}

impl Source {
    /// Calls `visit` with the places where the host has what it follows from.
    pub fn places(&self, visit: &mut impl FnMut(Place)) {
        match self {
            Self::Host(place) => visit(*place),
            Self::Low(_, source) | Self::SignExtended(_, _, source) => source.places(visit),
            Self::Operation(_, _, operands) => operands.iter().for_each(|operand| operand.places(visit)),
            _ => {}
        }
    }
}

/// The flags of a checkpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FlagSource {
    /// Those of an operation, with operands as `LazyFlags` has them.
    Operation {
        /// The operation.
        kind: FlagKind,
        /// First operand.
        a: Source,
        /// Second operand.
        b: Source,
    },
    /// `then` if `cond` holds for the flags `before`, else `otherwise`.
    Conditional {
        /// The condition.
        cond: Cond,
        /// The flags that it is a condition of.
        before: Box<FlagSource>,
        /// The flags if it holds.
        then: Box<FlagSource>,
        /// The flags if it does not, packed.
        otherwise: u32,
    },
}

impl FlagSource {
    /// Registers that they follow from.
    pub fn registers(&self) -> RegSet {
        match self {
            Self::Operation { a, b, .. } => a.registers().union(b.registers()),
            Self::Conditional { before, then, .. } => before.registers().union(then.registers()),
        }
    }

    /// The flags.
    #[must_use]
    pub fn flags(&self, cpu: &CpuState, saved: &FaultFrame) -> LazyFlags {
        match self {
            Self::Operation { kind, a, b } => LazyFlags::new(*kind, a.value(cpu, saved), b.value(cpu, saved)),
            Self::Conditional { cond, before, then, otherwise } => {
                if cond_holds(*cond, before.flags(cpu, saved).nzcv()) {
                    then.flags(cpu, saved)
                } else {
                    LazyFlags::new(FlagKind::Packed, u64::from(*otherwise), 0)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(operation: Operation, bits: u32, a: Source, b: Source) -> Source {
        Source::Operation(operation, bits, Box::new([a, b]))
    }

    fn state() -> CpuState {
        let mut cpu = CpuState::new();
        cpu.x[1] = 0xffff_ffff_8000_0001;
        cpu.x[2] = 7;
        cpu.flags = LazyFlags::new(FlagKind::Packed, 40, 41);
        cpu
    }

    #[test]
    fn values_follow_from_registers_and_what_is_stored() {
        let (x1, x2) = (|| Source::X(1), || Source::X(2));
        let cases = [
            (Source::Constant(5), 5),
            (x1(), 0xffff_ffff_8000_0001),
            (Source::StoredA, 40),
            (Source::StoredB, 41),
            (operation(Operation::Add, 64, x1(), x2()), 0xffff_ffff_8000_0008),
            (operation(Operation::Add, 32, x1(), x2()), 0x8000_0008),
            (operation(Operation::Sub, 32, x2(), x1()), 0x8000_0006),
            (operation(Operation::And, 64, x1(), x2()), 1),
            (operation(Operation::Or, 8, x1(), x2()), 7),
            (operation(Operation::Xor, 32, x1(), x2()), 0x8000_0006),
            (operation(Operation::Shl, 32, x1(), Source::Constant(33)), 2),
            (operation(Operation::Shr, 32, x1(), Source::Constant(4)), 0x0800_0000),
            (operation(Operation::Sar, 32, x1(), Source::Constant(4)), 0xf800_0000),
            (operation(Operation::Sar, 64, x1(), Source::Constant(32)), u64::MAX),
            (Source::Low(32, Box::new(x1())), 0x8000_0001),
            (Source::SignExtended(32, 64, Box::new(x1())), 0xffff_ffff_8000_0001),
            (Source::SignExtended(3, 32, Box::new(x2())), 0xffff_ffff),
        ];
        for (source, expected) in cases {
            assert_eq!(source.value(&state(), &FaultFrame::default()), expected, "{source:?}");
        }
    }

    #[test]
    fn conditional_flags_follow_the_condition() {
        let compare = |n| FlagSource::Operation { kind: FlagKind::Sub64, a: Source::X(2), b: Source::Constant(n) };
        let flags = |cond| {
            let (before, then) = (Box::new(compare(7)), Box::new(compare(8)));
            FlagSource::Conditional { cond, before, then, otherwise: 0b0101 << 28 }
                .flags(&state(), &FaultFrame::default())
                .nzcv()
                .0
                >> 28
        };
        // 7 - 8 is negative with a borrow; 7 is equal to 7.
        assert_eq!(flags(Cond::Eq), 0b1000);
        assert_eq!(flags(Cond::Ne), 0b0101);
    }
}
