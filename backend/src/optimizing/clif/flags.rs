//! NZCV while a block is built: kept as the operation that set it, computed only where it is read, so that a compare
//! and the branch that reads it become one host compare and branch.

use super::Builder;
use super::conditions::Tested;
use crate::deopt::source::low;
use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::types::{F32, I32, I64};
use cranelift_codegen::ir::{InstBuilder, Value};
use ir::eval::int::cond_holds;
use ir::{Cond, CpuState, FlagKind, LazyFlags, Nzcv};
use std::mem::offset_of;

/// What is known of the flags.
#[derive(Clone, Copy, Debug)]
pub(super) enum Flags {
    /// Only that memory holds them.
    InMemory,
    /// The operation that set them (operands as `LazyFlags` has them), and their packed value if a branch has told it.
    Lazy { kind: FlagKind, a: Value, b: Value, stored: Stored, known: Option<u32> },
    /// Those of an operation if `holds`, else `nzcv` (a packed constant).
    Conditional { holds: Value, before: Option<Before>, kind: FlagKind, a: Value, b: Value, nzcv: u32, dirty: bool },
    /// A floating-point comparison.
    Fp { a: Value, b: Value, dirty: bool },
}

/// What memory has of flags.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored {
    /// `LazyFlags::a` is the first operand.
    pub a: bool,
    /// `LazyFlags::b` is the second operand.
    pub b: bool,
    /// `LazyFlags` are the flags, in whatever form.
    pub all: bool,
}

impl Stored {
    const NOTHING: Self = Self { a: false, b: false, all: false };
    const ALL: Self = Self { a: false, b: false, all: true };
}

/// A condition, and the operation whose flags it was a condition of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    pub cond: Cond,
    pub kind: FlagKind,
    pub a: Value,
    pub b: Value,
}

/// Whether the flags depend on the second operand.
pub(super) fn b_matters(kind: FlagKind) -> bool {
    matches!(kind, FlagKind::Add32 | FlagKind::Add64 | FlagKind::Sub32 | FlagKind::Sub64)
}

/// The flags of an operation that has set Z, packed, if that tells the others.
fn flags_if_equal(kind: FlagKind) -> Option<u32> {
    match kind {
        FlagKind::Sub32 | FlagKind::Sub64 => Some(0b0110 << 28),
        FlagKind::Logic32 | FlagKind::Logic64 => Some(0b0100 << 28),
        _ => None,
    }
}

/// What there should be few of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cost {
    /// In a region: loops have more instructions than the host takes at once.
    Instructions,
    /// On ways out of it, where guest registers are stored too, more than the host can store at once.
    Stores,
}

/// Whether the first operand is one of 32 bits, zero-extended.
fn is_of_32_bits(kind: FlagKind) -> bool {
    matches!(kind, FlagKind::Add32 | FlagKind::Sub32 | FlagKind::Logic32)
}

impl Flags {
    /// Memory now holds them too.
    pub(super) fn set_clean(&mut self) {
        match self {
            Self::InMemory => {}
            Self::Lazy { stored, .. } => stored.all = true,
            Self::Conditional { dirty, .. } | Self::Fp { dirty, .. } => *dirty = false,
        }
    }

    /// What is known where two ways meet that come from the same operation.
    pub(super) fn merged(self, other: Self) -> Self {
        match (self, other) {
            (Self::Lazy { kind, a, b, stored, known }, Self::Lazy { a: c, stored: also, known: or, .. }) => {
                assert_eq!(a, c, "the flags are those of one operation");
                let both = Stored { a: stored.a && also.a, b: stored.b && also.b, all: stored.all && also.all };
                Self::Lazy { kind, a, b, stored: both, known: known.filter(|_| known == or) }
            }
            // On one of the ways it is known which of the two they are.
            (Self::Lazy { stored, .. }, mut flags @ Self::Conditional { .. })
            | (mut flags @ Self::Conditional { .. }, Self::Lazy { stored, .. }) => {
                if let Self::Conditional { dirty, .. } = &mut flags {
                    *dirty |= !stored.all;
                }
                flags
            }
            (mut flags, Self::Conditional { dirty: more, .. } | Self::Fp { dirty: more, .. }) => {
                if let Self::Conditional { dirty, .. } | Self::Fp { dirty, .. } = &mut flags {
                    *dirty |= more;
                }
                flags
            }
            (flags, _) => flags,
        }
    }
}

const A: i32 = (offset_of!(CpuState, flags) + offset_of!(LazyFlags, a)) as i32;
const B: i32 = (offset_of!(CpuState, flags) + offset_of!(LazyFlags, b)) as i32;
const WORD: i32 = (offset_of!(CpuState, flags) + offset_of!(LazyFlags, word)) as i32;
const ABOVE: i32 = (offset_of!(CpuState, flags) + offset_of!(LazyFlags, above)) as i32;

impl Builder<'_, '_> {
    /// Stores the flags if they are newer than memory.
    pub(super) fn store_flags(&mut self, cost: Cost) {
        match self.now.flags {
            Flags::Lazy { stored, known: Some(packed), .. } if !stored.all => {
                self.store_word(LazyFlags::word_of(Nzcv(packed)));
            }
            Flags::Lazy { kind, a, b, stored, .. } if !stored.all => {
                let word = self.word_and_b(kind, b, stored.b);
                if stored.a {
                    self.store_word(word);
                } else if let Some(both) = self.word_below(kind, a, word, cost) {
                    self.store_state(both, WORD);
                } else {
                    let where_a_is = self.store_a(kind, a);
                    self.store_word(word | where_a_is);
                }
            }
            Flags::Conditional { holds, kind, a, b, nzcv, dirty: true, .. } => {
                let word = self.word_and_b(kind, b, false);
                let otherwise = LazyFlags::word_of(Nzcv(nzcv));
                let (ty, word) = match self.word_below(kind, a, word, cost) {
                    Some(both) => (I64, both),
                    None => {
                        let where_a_is = self.store_a(kind, a);
                        (I32, self.fb.ins().iconst(I32, i64::from(word | where_a_is)))
                    }
                };
                let otherwise = self.fb.ins().iconst(ty, i64::from(otherwise));
                let word = self.fb.ins().select(holds, word, otherwise);
                self.store_state(word, WORD);
            }
            Flags::Fp { a, b, dirty: true } => {
                let is_single = self.fb.func.dfg.value_type(a) == F32;
                let kind = if is_single { FlagKind::Fp32 } else { FlagKind::Fp64 };
                self.store_state(a, A);
                let word = match self.constant_number(b).and_then(|b| LazyFlags::word_with(kind, b)) {
                    Some(word) => word,
                    None => {
                        self.store_state(b, B);
                        kind as u32
                    }
                };
                self.store_word(word);
            }
            _ => {}
        }
    }

    fn store_word(&mut self, word: u32) {
        let word = self.fb.ins().iconst(I32, i64::from(word));
        self.store_state(word, WORD);
    }

    /// What `LazyFlags::word` is for an operation. Stores the second operand unless that is in it, or stored.
    fn word_and_b(&mut self, kind: FlagKind, b: Value, is_stored: bool) -> u32 {
        if !b_matters(kind) {
            return kind as u32;
        }
        let (base, bits) = self.bits_kept(b);
        let constant = self.constant(base).map(|constant| low(bits, constant));
        if let Some(word) = constant.and_then(|b| LazyFlags::word_with(kind, b)) {
            return word;
        }
        if !is_stored {
            self.store_state(b, B);
        }
        kind as u32
    }

    /// Stores the first operand. Gives what the word says of that.
    fn store_a(&mut self, kind: FlagKind, a: Value) -> u32 {
        if is_of_32_bits(kind) {
            let low = self.fb.ins().ireduce(I32, a);
            self.store_state(low, ABOVE);
            return LazyFlags::A_ABOVE;
        }
        self.store_state(a, A);
        0
    }

    /// `LazyFlags::word` with the first operand above it, for one store of both; None if the operand is too large, or
    /// two stores cost less.
    fn word_below(&mut self, kind: FlagKind, a: Value, word: u32, cost: Cost) -> Option<Value> {
        let word = word | LazyFlags::A_ABOVE;
        let (base, bits) = self.bits_kept(a);
        if let Some(constant) = self.constant(base) {
            let above = u32::try_from(low(bits, constant)).ok()?;
            return Some(self.iconst(u64::from(above) << 32 | u64::from(word)));
        }
        // Host instructions extend the sign of what they have in them.
        let is_low = is_of_32_bits(kind) || self.significant_bits(a) <= 32;
        if !is_low || (word as i32) < 0 || cost == Cost::Instructions {
            return None;
        }
        let above = self.fb.ins().rotl_imm_s(a, 32);
        Some(self.fb.ins().bor_imm_s(above, i64::from(word)))
    }

    /// Stores operands of flags.
    pub(super) fn store_operands(&mut self, a: Option<Value>, b: Option<Value>) {
        for (value, offset) in [(a, A), (b, B)] {
            if let Some(value) = value {
                self.store_state(value, offset);
            }
        }
    }

    /// From now on the flags are those of an operation.
    pub(super) fn set_lazy_flags(&mut self, kind: FlagKind, a: Value, b: Value) {
        self.now.flags = Flags::Lazy { kind, a, b, stored: Stored::NOTHING, known: None };
    }

    /// From now on the flags are `packed`.
    pub(super) fn set_packed_flags(&mut self, packed: Value) {
        self.set_lazy_flags(FlagKind::Packed, packed, packed);
    }

    /// From now on the flags are those of an operation if `cond` holds, else `nzcv` (four bits).
    pub(super) fn set_flags_of_compare_if(&mut self, cond: Cond, kind: FlagKind, a: Value, b: Value, nzcv: u8) {
        let holds = self.condition(cond);
        let before = match self.now.flags {
            Flags::Lazy { kind, a, b, .. } => Some(Before { cond, kind, a, b }),
            _ => None,
        };
        self.now.flags = Flags::Conditional { holds, before, kind, a, b, nzcv: u32::from(nzcv) << 28, dirty: true };
    }

    /// From now on the flags are those of comparing two numbers.
    pub(super) fn set_fp_flags(&mut self, a: Value, b: Value) {
        self.now.flags = Flags::Fp { a, b, dirty: true };
    }

    /// The flags in memory, whatever their kind, packed. Does not change what is known.
    fn packed_from_memory(&mut self) -> Value {
        // A small switch on the kind would be many blocks; memory flags are read rarely (a region that begins
        // between a comparison and its use), so the arithmetic is left to the helper behind MRS NZCV.
        let reg = self.iconst(ir::SysReg::Nzcv as u64);
        self.call_helper(crate::abi::helpers::Helper::ReadSysreg, &[reg])
    }

    /// NZCV, packed.
    pub(super) fn packed_flags(&mut self) -> Value {
        match self.now.flags {
            Flags::InMemory => {
                let packed = self.packed_from_memory();
                self.now.flags =
                    Flags::Lazy { kind: FlagKind::Packed, a: packed, b: packed, stored: Stored::ALL, known: None };
                packed
            }
            Flags::Lazy { kind: FlagKind::Packed, a, .. } => a,
            Flags::Fp { a, b, .. } => self.packed_of_numbers(a, b),
            Flags::Conditional { holds, kind, a, b, nzcv, .. } => {
                let packed = self.packed_of(kind, a, b);
                let otherwise = self.iconst(u64::from(nzcv));
                self.fb.ins().select(holds, packed, otherwise)
            }
            Flags::Lazy { kind, a, b, .. } => self.packed_of(kind, a, b),
        }
    }

    /// NZCV of comparing two numbers, packed.
    pub(super) fn packed_of_numbers(&mut self, a: Value, b: Value) -> Value {
        let [less, equal, greater, unordered] = [0b1000, 0b0110, 0b0010, 0b0011].map(|f| self.iconst(f << 28));
        let above = self.fb.ins().fcmp(FloatCC::GreaterThan, a, b);
        let packed = self.fb.ins().select(above, greater, less);
        let level = self.fb.ins().fcmp(FloatCC::UnorderedOrEqual, a, b);
        let packed = self.fb.ins().select(level, equal, packed);
        let nan = self.fb.ins().fcmp(FloatCC::Unordered, a, b);
        self.fb.ins().select(nan, unordered, packed)
    }

    /// NZCV of an operation, packed.
    fn packed_of(&mut self, kind: FlagKind, a: Value, b: Value) -> Value {
        let flags = [Cond::Mi, Cond::Eq, Cond::Cs, Cond::Vs].map(|cond| self.condition_of(kind, a, b, cond));
        self.pack(flags)
    }

    /// The flags after a branch of the current instruction's on a condition, where it holds or where it does not.
    pub(super) fn flags_after_branch(&self, condition: Value, holds: bool) -> Flags {
        let Some(Tested { value, cond, pc }) = self.now.tested else { return self.now.flags };
        if value != condition || pc != self.pc {
            return self.now.flags;
        }
        let is_equal = cond == if holds { Cond::Eq } else { Cond::Ne };
        match self.now.flags {
            Flags::Lazy { kind, a, b, stored, .. } if is_equal => {
                Flags::Lazy { kind, a, b, stored, known: flags_if_equal(kind) }
            }
            // The constant would have led the other way: they are the operation's.
            Flags::Conditional { kind, a, b, nzcv, dirty, .. } if cond_holds(cond, Nzcv(nzcv)) != holds => {
                let stored = Stored { all: !dirty, ..Stored::NOTHING };
                Flags::Lazy { kind, a, b, stored, known: flags_if_equal(kind).filter(|_| is_equal) }
            }
            other => other,
        }
    }
}
