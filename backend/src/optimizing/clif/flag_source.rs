//! Finds out how the flags follow from the registers that memory holds, by looking at how their operands were computed.

use super::Builder;
use super::flags::{Before, Cost, Flags, b_matters};
use super::labels::operation;
use crate::deopt::source::{FlagSource, Operation, Source, low};
use cranelift_codegen::ir::types::F32;
use cranelift_codegen::ir::{Opcode, Value};
use ir::{FlagKind, RegSet};

/// Operations between registers and a value that are looked through.
const MOST_STEPS: u32 = 4;

impl Builder<'_, '_> {
    /// At a checkpoint: where the flags are, unless memory holds them. Stores what does not follow from registers.
    /// Memory holds all registers but those of `dirty`.
    pub(super) fn source_of_flags(&mut self) -> Option<FlagSource> {
        match self.now.flags {
            Flags::Lazy { stored, known: Some(packed), .. } if !stored.all => {
                let (a, b) = (Source::Constant(packed.into()), Source::Constant(0));
                Some(FlagSource::Operation { kind: FlagKind::Packed, a, b })
            }
            Flags::Lazy { kind, a, b, mut stored, known } if !stored.all => {
                let source_a = if stored.a { Some(Source::StoredA) } else { self.source(a, MOST_STEPS) };
                let source_b = match b_matters(kind) {
                    true if stored.b => Some(Source::StoredB),
                    true => self.source(b, MOST_STEPS),
                    false => Some(Source::Constant(0)),
                };
                let (stores_a, stores_b) = (source_a.is_none(), source_b.is_none());
                self.store_operands(stores_a.then_some(a), stores_b.then_some(b));
                (stored.a, stored.b) = (stored.a || stores_a, stored.b || stores_b);
                self.now.flags = Flags::Lazy { kind, a, b, stored, known };
                let (a, b) = (source_a.unwrap_or(Source::StoredA), source_b.unwrap_or(Source::StoredB));
                Some(FlagSource::Operation { kind, a, b })
            }
            Flags::Conditional { before: Some(before), kind, a, b, nzcv, dirty: true, .. } => {
                let source = self.source_of_conditional(before, kind, a, b, nzcv);
                if source.is_none() {
                    self.store_flags(Cost::Instructions);
                    self.now.flags.set_clean();
                }
                source
            }
            Flags::Fp { a, b, dirty: true } => {
                let source = self.source_of_comparison(a, b);
                if source.is_none() {
                    self.store_flags(Cost::Instructions);
                    self.now.flags.set_clean();
                }
                source
            }
            _ => {
                self.store_flags(Cost::Instructions);
                self.now.flags.set_clean();
                None
            }
        }
    }

    fn source_of_comparison(&self, a: Value, b: Value) -> Option<FlagSource> {
        let is_single = self.fb.func.dfg.value_type(a) == F32;
        let kind = if is_single { FlagKind::Fp32 } else { FlagKind::Fp64 };
        Some(FlagSource::Operation { kind, a: self.source_of_number(a)?, b: self.source_of_number(b)? })
    }

    /// How a number follows from the vector registers in memory, if it does: it is in one of them, or constant.
    fn source_of_number(&self, number: Value) -> Option<Source> {
        let dfg = &self.fb.func.dfg;
        let bits = dfg.value_type(number).bits();
        for (n, held) in self.now.fp_cache.iter().enumerate() {
            let is_in_memory = self.now.dirty.v >> n & 1 == 0;
            if let Some((_, value)) = *held
                && is_in_memory
                && dfg.resolve_aliases(value) == dfg.resolve_aliases(number)
            {
                let whole = Source::V(n as u8);
                return Some(whole.low(bits));
            }
        }
        Some(Source::Constant(self.constant_number(number)?))
    }

    /// The bits of a number, if it is constant.
    pub(super) fn constant_number(&self, number: Value) -> Option<u64> {
        let dfg = &self.fb.func.dfg;
        let inst = dfg.value_def(number).inst()?;
        if dfg.insts[inst].opcode() != Opcode::Bitcast {
            return None;
        }
        let (base, known) = self.bits_kept(dfg.inst_args(inst)[0]);
        Some(low(known, self.constant(base)?))
    }

    fn source_of_conditional(
        &self,
        before: Before,
        kind: FlagKind,
        a: Value,
        b: Value,
        nzcv: u32,
    ) -> Option<FlagSource> {
        let source = |value| self.source(value, MOST_STEPS);
        let operation = |kind, a, b| {
            let b = if b_matters(kind) { source(b)? } else { Source::Constant(0) };
            Some(Box::new(FlagSource::Operation { kind, a: source(a)?, b }))
        };
        Some(FlagSource::Conditional {
            cond: before.cond,
            before: operation(before.kind, before.a, before.b)?,
            then: operation(kind, a, b)?,
            otherwise: nzcv,
        })
    }

    /// How a value follows from registers in memory, if it does.
    fn source(&self, value: Value, steps: u32) -> Option<Source> {
        let (base, bits) = self.bits_kept(value);
        let whole = self.fb.func.dfg.value_type(base).bits();
        if base == self.entry_pc {
            return Some(Source::Constant(self.entry.0).low(bits));
        }
        if let Some(constant) = self.constant(base) {
            return Some(Source::Constant(low(bits, constant)));
        }
        for (n, register) in self.registers_in_memory() {
            let (other, known) = self.bits_kept(register);
            if other == base && known >= bits {
                return Some(Source::X(n).low(bits));
            }
        }
        let steps = steps.checked_sub(1)?;
        if let Some(source) = self.source_by_result(base, bits, steps) {
            return Some(source);
        }
        let dfg = &self.fb.func.dfg;
        let inst = dfg.value_def(base).inst()?;
        let args = dfg.inst_args(inst);
        let opcode = dfg.insts[inst].opcode();
        if opcode == Opcode::Sextend {
            let from = dfg.value_type(args[0]).bits();
            return Some(Source::SignExtended(from, whole, Box::new(self.source(args[0], steps)?)).low(bits));
        }
        let operation = operation(opcode)?;
        let operands = Box::new([self.source(args[0], steps)?, self.source(args[1], steps)?]);
        Some(Source::Operation(operation, whole, operands).low(bits))
    }

    /// How a value follows from a register that it has been counted up or down into.
    fn source_by_result(&self, value: Value, bits: u32, steps: u32) -> Option<Source> {
        let dfg = &self.fb.func.dfg;
        self.registers_in_memory().find_map(|(n, register)| {
            let (result, known) = self.bits_kept(register);
            let inst = dfg.value_def(result).inst()?;
            let inverse = match dfg.insts[inst].opcode() {
                Opcode::Iadd => Operation::Sub,
                Opcode::Isub => Operation::Add,
                _ => return None,
            };
            let args = dfg.inst_args(inst);
            let (counted, width) = self.bits_kept(args[0]);
            if counted != value || width < bits || known < bits {
                return None;
            }
            let step = self.source(args[1], steps)?;
            Some(Source::Operation(inverse, bits, Box::new([Source::X(n), step])))
        })
    }

    /// General registers whose value is known and in memory.
    pub(super) fn registers_in_memory(&self) -> impl Iterator<Item = (u8, Value)> {
        let RegSet { x: dirty, .. } = self.now.dirty;
        let known = self.now.x_now.iter().zip(0u8..);
        known.filter_map(move |(value, n)| (dirty >> n & 1 == 0).then_some((n, (*value)?)))
    }

    /// The value and the number of its low bits that are what is given, with zeros above.
    pub(super) fn bits_kept(&self, value: Value) -> (Value, u32) {
        let dfg = &self.fb.func.dfg;
        let mut value = dfg.resolve_aliases(value);
        let mut bits = dfg.value_type(value).bits();
        while let Some(inst) = dfg.value_def(value).inst()
            && matches!(dfg.insts[inst].opcode(), Opcode::Uextend | Opcode::Ireduce)
        {
            value = dfg.resolve_aliases(dfg.inst_args(inst)[0]);
            bits = bits.min(dfg.value_type(value).bits());
        }
        (value, bits)
    }
}
