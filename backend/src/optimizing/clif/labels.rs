//! Values that must be found where generated code faults, and how they follow from others. Cranelift's optimizer makes
//! copies of cheap values and joins operations, so what carries a label is found when it is done, by what it computes.

use crate::deopt::source::{Operation, Source, low};
use cranelift_codegen::ir::{
    DataFlowGraph, Function, InstructionData, Opcode, RelSourceLoc, Type, Value, ValueLabel, ValueLabelAssignments,
    ValueLabelStart,
};
use std::collections::{HashMap, HashSet};

/// So many operations are looked through.
const MOST_STEPS: u32 = 14;

/// So many in a constant, as a MOVZ and three MOVK.
const MOST_IN_CONSTANT: u32 = 4;

/// What a value is. Operands are numbers of others.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Meaning {
    /// It is computed where it stands: a parameter, or the result of an operation with an effect.
    Value(Value),
    Constant(u64),
    /// The sum of another and a constant, in so many bits.
    Offset(u32, u32, u64),
    /// An operation of so many bits.
    Two(Opcode, u32, u32, u32),
    /// An operation that changes the number of bits, from the first to the second.
    One(Opcode, u32, u32, u32),
}

/// Values with labels, and what these follow from. A label is a number of a value.
#[derive(Default)]
pub(crate) struct Labels {
    numbers: HashMap<Meaning, u32>,
    meanings: Vec<(Meaning, u32)>,
    /// The value that is the address of the region's entry, with that.
    entry: Option<(Value, u64)>,
    /// By label, others of the same value.
    same: HashMap<u32, Vec<u32>>,
    /// By label that is not of a value of its own, the other.
    other: HashMap<u32, u32>,
    labels: HashMap<u32, Vec<ValueLabel>>,
    /// Numbers of values that have turned out to be others. Cranelift forgets which.
    completed: HashSet<u32>,
}

/// The constant that a value is, at most so many operations on others away.
fn constant(dfg: &DataFlowGraph, value: Value, steps: u32) -> Option<u64> {
    let inst = dfg.value_def(value).inst()?;
    let bits = dfg.value_type(value).bits();
    if bits > 64 {
        return None;
    }
    let of = |arg: Value, steps: u32| constant(dfg, dfg.resolve_aliases(arg), steps);
    match dfg.insts[inst] {
        InstructionData::UnaryImm { opcode: Opcode::Iconst, imm } => Some(low(bits, imm.bits() as u64)),
        InstructionData::Unary { opcode: Opcode::Uextend | Opcode::Ireduce, arg } => {
            Some(low(bits, of(arg, steps.checked_sub(1)?)?))
        }
        InstructionData::Binary { opcode, args: [a, b] } => {
            let (operation, steps) = (operation(opcode)?, steps.checked_sub(1)?);
            // Where one is constant it is mostly the second.
            let b = of(b, steps)?;
            Some(operation.result(bits, of(a, steps)?, b))
        }
        _ => None,
    }
}

/// What an operation of CLIF does, if sources know it.
pub(super) fn operation(opcode: Opcode) -> Option<Operation> {
    Some(match opcode {
        Opcode::Iadd => Operation::Add,
        Opcode::Isub => Operation::Sub,
        Opcode::Band => Operation::And,
        Opcode::Bor => Operation::Or,
        Opcode::Bxor => Operation::Xor,
        Opcode::Ishl => Operation::Shl,
        Opcode::Ushr => Operation::Shr,
        Opcode::Sshr => Operation::Sar,
        _ => return None,
    })
}

impl Labels {
    /// `entry` is the value that is the address of the region's entry, with that.
    pub(crate) fn new(entry: (Value, u64)) -> Self {
        Self { entry: Some(entry), ..Self::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.meanings.is_empty()
    }

    /// The number of a value computed where it stands.
    pub(crate) fn of(&mut self, ty: Type, value: Value) -> u32 {
        self.add(Meaning::Value(value), ty.bits())
    }

    fn add(&mut self, meaning: Meaning, bits: u32) -> u32 {
        *self.numbers.entry(meaning).or_insert_with(|| {
            self.meanings.push((meaning, bits));
            self.meanings.len() as u32 - 1
        })
    }

    /// The number of an integer; None if it cannot be computed from what is computed where it stands.
    pub(crate) fn number(&mut self, dfg: &DataFlowGraph, value: Value) -> Option<u32> {
        self.walk(dfg, value, MOST_STEPS, true)
    }

    /// The number of what a value means; of one that there is already, unless it is to be added.
    fn walk(&mut self, dfg: &DataFlowGraph, value: Value, steps: u32, adds: bool) -> Option<u32> {
        let value = dfg.resolve_aliases(value);
        let ty = dfg.value_type(value);
        let bits = ty.bits();
        if let Some(&number) = self.numbers.get(&Meaning::Value(value)) {
            return Some(number);
        }
        let find = |labels: &mut Self, meaning| match adds {
            true => Some(labels.add(meaning, bits)),
            false => labels.numbers.get(&meaning).copied(),
        };
        if !ty.is_int() || bits > 64 {
            return None;
        }
        if let Some(constant) =
            constant(dfg, value, MOST_IN_CONSTANT).or(self.entry.filter(|&(entry, _)| entry == value).map(|(_, at)| at))
        {
            return find(self, Meaning::Constant(constant));
        }
        let Some(inst) = dfg.value_def(value).inst() else { return find(self, Meaning::Value(value)) };
        let opcode = dfg.insts[inst].opcode();
        if opcode.can_load() || opcode.is_call() {
            return find(self, Meaning::Value(value));
        }
        let args = dfg.inst_args(inst);
        let steps = steps.checked_sub(1)?;
        match opcode {
            Opcode::Iadd | Opcode::Isub
                if let Some(by) = constant(dfg, dfg.resolve_aliases(args[1]), MOST_IN_CONSTANT) =>
            {
                let by = if opcode == Opcode::Iadd { by } else { by.wrapping_neg() };
                let base = self.walk(dfg, args[0], steps, adds)?;
                let (base, from) = match self.meanings[base as usize].0 {
                    Meaning::Constant(base) => return find(self, Meaning::Constant(low(bits, base.wrapping_add(by)))),
                    Meaning::Offset(same, base, from) if same == bits => (base, from),
                    _ => (base, 0),
                };
                match low(bits, from.wrapping_add(by)) {
                    0 => Some(base),
                    offset => find(self, Meaning::Offset(bits, base, offset)),
                }
            }
            Opcode::Uextend | Opcode::Sextend | Opcode::Ireduce => {
                let from = dfg.value_type(dfg.resolve_aliases(args[0])).bits();
                let other = self.walk(dfg, args[0], steps, adds)?;
                find(self, Meaning::One(opcode, from, bits, other))
            }
            _ => {
                operation(opcode)?;
                let (a, b) = (self.walk(dfg, args[0], steps, adds)?, self.walk(dfg, args[1], steps, adds)?);
                let commutes = matches!(opcode, Opcode::Iadd | Opcode::Band | Opcode::Bor | Opcode::Bxor);
                let (a, b) = if commutes && b < a { (b, a) } else { (a, b) };
                find(self, Meaning::Two(opcode, bits, a, b))
            }
        }
    }

    /// Where a value is.
    pub(crate) fn source(&self, number: u32) -> Source {
        let (meaning, bits) = self.meanings[number as usize];
        let boxed = |number: u32| Box::new(self.source(number));
        let otherwise = match meaning {
            Meaning::Constant(constant) => return Source::Constant(constant),
            Meaning::Value(_) => None,
            Meaning::Offset(bits, other, offset) => {
                let operands = Box::new([self.source(other), Source::Constant(offset)]);
                Some(Box::new(Source::Operation(Operation::Add, bits, operands)))
            }
            Meaning::Two(opcode, bits, a, b) => {
                let operation = operation(opcode).expect("it has been one");
                Some(Box::new(Source::Operation(operation, bits, Box::new([self.source(a), self.source(b)]))))
            }
            Meaning::One(Opcode::Sextend, from, to, other) => {
                Some(Box::new(Source::SignExtended(from, to, boxed(other))))
            }
            Meaning::One(_, from, to, other) => Some(Box::new(self.source(other).low(from.min(to)))),
        };
        Source::Labelled(number, otherwise).low(bits)
    }

    /// The value with this number, if it is computed where it stands.
    pub(crate) fn value(&self, number: u32) -> Option<Value> {
        match self.meanings[number as usize].0 {
            Meaning::Value(value) => Some(value),
            _ => None,
        }
    }

    /// How the value of a label follows from others, if that has turned out late.
    pub(crate) fn other(&self, number: u32) -> Option<Source> {
        self.other.get(&number).map(|&other| self.source(other))
    }

    /// A value as the sum of another and a constant, in so many bits, if it is that.
    pub(crate) fn difference(&self, number: u32, other: u32) -> Option<(u32, u64)> {
        let meaning = |number: u32| self.meanings[number as usize].0;
        let base = |number: u32, bits| match meaning(number) {
            Meaning::Offset(same, base, offset) if same == bits => (base, offset),
            _ => (number, 0),
        };
        let same = |number, other, bits| {
            let ((number, offset), (other, from)) = (base(number, bits), base(other, bits));
            (number == other).then(|| (bits, low(bits, offset.wrapping_sub(from))))
        };
        same(number, other, 64).or_else(|| match (meaning(number), meaning(other)) {
            (Meaning::One(Opcode::Uextend, 32, 64, number), Meaning::One(Opcode::Uextend, 32, 64, other)) => {
                same(number, other, 32)
            }
            _ => None,
        })
    }

    /// The constant that a value is.
    pub(crate) fn constant(&mut self, dfg: &DataFlowGraph, value: Value) -> Option<u64> {
        let number = self.number(dfg, value)?;
        match self.meanings[number as usize].0 {
            Meaning::Constant(constant) => Some(constant),
            _ => None,
        }
    }

    /// Values that have turned out to be others have their labels too.
    pub(crate) fn complete(&mut self, func: &Function) {
        for number in 0..self.meanings.len() as u32 {
            let Meaning::Value(value) = self.meanings[number as usize].0 else { continue };
            if self.completed.contains(&number) || func.dfg.resolve_aliases(value) == value {
                continue;
            }
            self.completed.insert(number);
            let value = func.dfg.resolve_aliases(value);
            let ty = func.dfg.value_type(value);
            let other = if ty.is_int() { self.number(&func.dfg, value) } else { Some(self.of(ty, value)) };
            if let Some(other) = other {
                self.same.entry(other).or_default().push(number);
                self.other.insert(number, other);
            }
        }
    }

    /// Puts the labels on the values of the optimized function that mean the same.
    pub(crate) fn attach(&mut self, func: &mut Function) {
        if self.is_empty() {
            return;
        }
        let mut found: Vec<(Value, u32)> = Vec::new();
        let (dfg, layout) = (&func.dfg, &func.layout);
        for block in layout.blocks() {
            let results = layout.block_insts(block).flat_map(|inst| dfg.inst_results(inst));
            for &value in dfg.block_params(block).iter().chain(results) {
                found.extend(self.walk(dfg, value, MOST_STEPS, false).map(|number| (value, number)));
            }
        }
        func.dfg.collect_debug_info();
        let labels = func.dfg.values_labels.get_or_insert_default();
        // A label of several values is on that alone which has been computed last.
        for (label, (value, number)) in (0..).zip(found) {
            let start = ValueLabelStart { from: RelSourceLoc::new(0), label: ValueLabel::from_u32(label) };
            labels.insert(value, ValueLabelAssignments::Starts(vec![start]));
            let all = std::iter::once(number).chain(self.same.get(&number).into_iter().flatten().copied());
            for number in all {
                self.labels.entry(number).or_default().push(ValueLabel::from_u32(label));
            }
        }
    }

    /// Cranelift's labels of values that are the one with this number.
    pub(crate) fn labels(&self, number: u32) -> &[ValueLabel] {
        self.labels.get(&number).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::frame::{FaultFrame, Place};
    use cranelift_codegen::ir::types::{I32, I64};
    use cranelift_codegen::ir::{AbiParam, InstBuilder, Signature, UserFuncName};
    use cranelift_codegen::isa::CallConv;
    use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
    use ir::CpuState;

    /// Calls `test` with a function under construction that has two parameters.
    fn with_function(test: impl FnOnce(&mut FunctionBuilder<'_>, [Value; 2])) {
        let mut signature = Signature::new(CallConv::SystemV);
        signature.params = vec![AbiParam::new(I64); 2];
        let mut func = Function::with_name_signature(UserFuncName::user(0, 0), signature);
        let mut context = FunctionBuilderContext::new();
        let mut fb = FunctionBuilder::new(&mut func, &mut context);
        let block = fb.create_block();
        fb.append_block_params_for_function_params(block);
        fb.switch_to_block(block);
        let params = [fb.block_params(block)[0], fb.block_params(block)[1]];
        test(&mut fb, params);
    }

    #[test]
    fn what_computes_the_same_has_one_number() {
        with_function(|fb, [x, y]| {
            let four = fb.ins().iadd_imm_s(x, 4);
            let twelve = fb.ins().iadd_imm_s(four, 8);
            let at_once = fb.ins().iadd_imm_s(x, 12);
            let by = fb.ins().iconst(I64, 12);
            let twice = fb.ins().iadd(at_once, by);
            let back = fb.ins().isub(twice, by);
            let (sum, muss) = (fb.ins().iadd(x, y), fb.ins().iadd(y, x));
            let (difference, other) = (fb.ins().isub(x, y), fb.ins().isub(y, x));
            let mut labels = Labels::default();
            let mut number = |value| labels.number(&fb.func.dfg, value).unwrap();
            assert_eq!(number(twelve), number(at_once));
            assert_eq!(number(back), number(at_once));
            assert_ne!(number(twice), number(at_once));
            assert_eq!(number(sum), number(muss));
            assert_ne!(number(difference), number(other));
        });
    }

    #[test]
    fn constants_and_the_entry_are_known() {
        with_function(|fb, [x, y]| {
            let two = fb.ins().iconst(I64, 2);
            let eight = fb.ins().ishl_imm_s(two, 2);
            let behind = fb.ins().iadd(x, eight);
            let narrow = fb.ins().ireduce(I32, two);
            let wide = fb.ins().uextend(I64, narrow);
            let mut labels = Labels::new((x, 0x40_0000));
            let mut constant = |value| labels.constant(&fb.func.dfg, value);
            assert_eq!(constant(behind), Some(0x40_0008));
            assert_eq!(constant(wide), Some(2));
            assert_eq!(constant(y), None);
        });
    }

    #[test]
    fn long_chains_are_given_up_soon() {
        with_function(|fb, [x, _]| {
            // Each is used twice by the next: there are 2^100 ways to the first.
            let last = (0..100).fold(x, |value, _| fb.ins().bxor(value, value));
            let mut labels = Labels::default();
            assert_eq!(labels.number(&fb.func.dfg, last), None);
        });
    }

    #[test]
    fn differences_of_sums_are_known() {
        with_function(|fb, [x, y]| {
            let less = fb.ins().iadd_imm_s(x, -32);
            let more = fb.ins().iadd_imm_s(x, 16);
            let narrow = fb.ins().ireduce(I32, x);
            let next = fb.ins().iadd_imm_s(narrow, -1);
            let (narrow, next) = (fb.ins().uextend(I64, narrow), fb.ins().uextend(I64, next));
            let mut labels = Labels::default();
            let [less, more, narrow, next, y] =
                [less, more, narrow, next, y].map(|value| labels.number(&fb.func.dfg, value).unwrap());
            assert_eq!(labels.difference(more, less), Some((64, 48)));
            assert_eq!(labels.difference(less, more), Some((64, 48u64.wrapping_neg())));
            assert_eq!(labels.difference(narrow, next), Some((32, 1)));
            assert_eq!(labels.difference(next, narrow), Some((32, 0xffff_ffff)));
            assert_eq!(labels.difference(y, more), None);
            assert_eq!(labels.difference(narrow, more), None);
        });
    }

    #[test]
    fn a_value_that_is_nowhere_follows_from_others() {
        with_function(|fb, [x, y]| {
            let shifted = fb.ins().ishl_imm_s(y, 3);
            let sum = fb.ins().iadd(x, shifted);
            let low = fb.ins().ireduce(I32, sum);
            let signed = fb.ins().sextend(I64, low);
            let unknown = fb.ins().popcnt(x);
            let mut labels = Labels::default();
            assert_eq!(labels.number(&fb.func.dfg, unknown), None);
            let [x, y, signed] = [x, y, signed].map(|value| labels.number(&fb.func.dfg, value).unwrap());
            let source = labels.source(signed);
            let in_registers = |label| {
                let number = if label == x { 1 } else { 2 };
                (label == x || label == y).then_some(Source::Host(Place::General(number)))
            };
            let saved = FaultFrame::default();
            saved.set_general(1, 0x7fff_fff0);
            saved.set_general(2, 3);
            let located = source.located(&in_registers).unwrap();
            // The sum of 0x7fff_fff0 and 24, as 32 bits with a sign.
            assert_eq!(located.value(&CpuState::new(), &saved), 0xffff_ffff_8000_0008);
            // Where the sum itself is, that is taken; where nothing is, there is no place.
            let all = |_| Some(Source::Host(Place::General(2)));
            assert_eq!(source.located(&all).unwrap().value(&CpuState::new(), &saved), 3);
            assert!(source.located(&|_| None).is_none());
        });
    }
}
