//! Keeps integers that the guest carries around a loop in vector registers in general ones, once a region's CLIF is
//! complete: where the low lane of a block's vector parameter is wanted as an integer, and is one at the end of the
//! ways there, the block gets the integer as a parameter too. Else each turn would move it to a vector and back, one
//! after the other. Vector parameters that nothing wants any more are dropped.

use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::types::{F32X4, F64X2, I32, I32X4, I64, I64X2};
use cranelift_codegen::ir::{
    Block, BlockArg, Endianness, Function, Inst, InstBuilder, InstructionData, MemFlagsData, Opcode, Type, Value,
    ValueDef,
};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Most operations that are done on integers besides those on vectors, to get one low lane.
const MOST_OPERATIONS: u32 = 4;
/// Most steps from a low lane to what it is made of.
const MOST_STEPS: u32 = 16;

/// The low bits of a vector, as many as are given: 32 or 64.
type Low = (Value, u32);

/// What the low bits of a vector are made of.
enum Part {
    /// An integer, extended with zeros or cut off.
    Integer(Value),
    Constant(u64),
    /// The low bits of another vector, extended with zeros or cut off.
    Other(Low),
    /// An operation on the same bits of two vectors.
    Operation(Opcode, [Value; 2]),
    /// A block's parameter.
    Parameter,
    Unknown,
}

/// An edge: the branch, and which of its destinations.
pub(super) type Edge = (Inst, usize);

/// An instruction that takes the low bits of a vector as an integer.
struct Extraction {
    inst: Inst,
    low: Low,
}

/// Makes the parameters described above.
pub(super) fn scalarize_vector_phis(func: &mut Function) {
    let extractions = extractions(func);
    if extractions.is_empty() {
        return;
    }
    let edges = incoming(func);
    let wanted = wanted(func, &extractions, &edges);
    if wanted.is_empty() {
        return;
    }
    let mut lanes = Lanes { func, integers: HashMap::new() };
    lanes.add_parameters(&wanted, &edges);
    for extraction in &extractions {
        lanes.replace_extraction(extraction);
    }
    lanes.replace_copies();
    drop_dead(lanes.func, &edges);
}

/// Instructions that take a low lane as an integer: as a number's bits, or directly.
fn extractions(func: &Function) -> Vec<Extraction> {
    let dfg = &func.dfg;
    let mut found = Vec::new();
    for block in func.layout.blocks() {
        for inst in func.layout.block_insts(block) {
            let lane = match dfg.insts[inst] {
                InstructionData::LoadNoOffset { opcode: Opcode::Bitcast, arg, .. } => dfg.resolve_aliases(arg),
                InstructionData::BinaryImm8 { opcode: Opcode::Extractlane, .. } => dfg.first_result(inst),
                _ => continue,
            };
            let ty = dfg.value_type(dfg.first_result(inst));
            if let (I32 | I64, Some(vector)) = (ty, low_lane(func, lane)) {
                found.push(Extraction { inst, low: (vector, ty.bits()) });
            }
        }
    }
    found
}

/// The vector of which a value is the lowest lane.
fn low_lane(func: &Function, value: Value) -> Option<Value> {
    match func.dfg.insts[func.dfg.value_def(value).inst()?] {
        InstructionData::BinaryImm8 { opcode: Opcode::Extractlane, arg, imm: 0 } => Some(func.dfg.resolve_aliases(arg)),
        _ => None,
    }
}

/// By block, the edges that lead to it.
pub(super) fn incoming(func: &Function) -> HashMap<Block, Vec<Edge>> {
    let dfg = &func.dfg;
    let mut edges: HashMap<Block, Vec<Edge>> = HashMap::new();
    for block in func.layout.blocks() {
        for inst in func.layout.block_insts(block) {
            let calls = dfg.insts[inst].branch_destination(&dfg.jump_tables, &dfg.exception_tables);
            for (n, call) in calls.iter().enumerate() {
                edges.entry(call.block(&dfg.value_lists)).or_default().push((inst, n));
            }
        }
    }
    edges
}

/// A parameter's block and its place there.
pub(super) fn place(func: &Function, param: Value) -> (Block, usize) {
    match func.dfg.value_def(param) {
        ValueDef::Param(block, index) => (block, index),
        _ => unreachable!("it is a parameter"),
    }
}

/// The argument of an edge for a block's parameter.
pub(super) fn argument(func: &Function, (inst, n): Edge, index: usize) -> Option<Value> {
    let dfg = &func.dfg;
    let call = dfg.insts[inst].branch_destination(&dfg.jump_tables, &dfg.exception_tables)[n];
    match call.args(&dfg.value_lists).nth(index)? {
        BlockArg::Value(value) => Some(dfg.resolve_aliases(value)),
        _ => None,
    }
}

/// What the low bits of a vector are made of.
fn part(func: &Function, (vector, bits): Low) -> Part {
    let dfg = &func.dfg;
    let inst = match dfg.value_def(vector) {
        ValueDef::Result(inst, _) => inst,
        ValueDef::Param(block, _) if func.layout.entry_block() != Some(block) => return Part::Parameter,
        _ => return Part::Unknown,
    };
    let ty = dfg.value_type(vector);
    let of_scalar = |scalar: Value| {
        let scalar = dfg.resolve_aliases(scalar);
        let scalar_bits = dfg.value_type(scalar).bits();
        if dfg.value_type(scalar).is_int() {
            return Part::Integer(scalar);
        }
        if let Some(vector) = low_lane(func, scalar) {
            return Part::Other((vector, scalar_bits.min(bits)));
        }
        match dfg.value_def(scalar).inst().map(|inst| dfg.insts[inst]) {
            Some(InstructionData::LoadNoOffset { opcode: Opcode::Bitcast, arg, .. })
                if dfg.value_type(arg).is_int() =>
            {
                Part::Integer(dfg.resolve_aliases(arg))
            }
            _ => Part::Unknown,
        }
    };
    match dfg.insts[inst] {
        InstructionData::LoadNoOffset { opcode: Opcode::Bitcast, arg, .. } if dfg.value_type(arg).is_vector() => {
            Part::Other((dfg.resolve_aliases(arg), bits))
        }
        InstructionData::Unary { opcode: Opcode::ScalarToVector, arg } if ty.lane_bits() >= 32 => of_scalar(arg),
        InstructionData::UnaryConst { opcode: Opcode::Vconst, constant_handle } => {
            match dfg.constants.get(constant_handle).as_slice().first_chunk::<8>() {
                Some(&low) => Part::Constant(u64::from_le_bytes(low) & (u64::MAX >> (64 - bits))),
                None => Part::Unknown,
            }
        }
        InstructionData::TernaryImm8 { opcode: Opcode::Insertlane, args: [whole, lane], imm } => {
            let whole = dfg.resolve_aliases(whole);
            match (imm, ty.lane_bits()) {
                (0, lane_bits) if lane_bits >= bits => of_scalar(lane),
                (0, 32) if is_zero(func, whole) => of_scalar(lane),
                (imm, lane_bits) if u32::from(imm) * lane_bits >= bits => Part::Other((whole, bits)),
                _ => Part::Unknown,
            }
        }
        InstructionData::Binary { opcode, args } => {
            let is_wanted = match opcode {
                Opcode::Iadd | Opcode::Isub => ty.lane_bits() == bits,
                Opcode::Band | Opcode::Bor | Opcode::Bxor => true,
                _ => false,
            };
            if is_wanted && ty.is_vector() {
                Part::Operation(opcode, args.map(|arg| dfg.resolve_aliases(arg)))
            } else {
                Part::Unknown
            }
        }
        _ => Part::Unknown,
    }
}

/// Whether a vector is the constant zero.
pub(super) fn is_zero(func: &Function, vector: Value) -> bool {
    let dfg = &func.dfg;
    match dfg.value_def(vector).inst().map(|inst| dfg.insts[inst]) {
        Some(InstructionData::LoadNoOffset { opcode: Opcode::Bitcast, arg, .. }) => {
            is_zero(func, dfg.resolve_aliases(arg))
        }
        Some(InstructionData::UnaryConst { opcode: Opcode::Vconst, constant_handle }) => {
            dfg.constants.get(constant_handle).iter().all(|&byte| byte == 0)
        }
        _ => false,
    }
}

/// What the low bits of a vector are made of besides integers.
#[derive(Default)]
struct Made {
    parameters: Vec<Low>,
    operations: u32,
    steps: u32,
}

impl Made {
    /// None if not of integers and parameters in a few steps.
    fn of(func: &Function, low: Low) -> Option<Self> {
        let mut made = Self::default();
        made.add(func, low).then_some(made)
    }

    fn add(&mut self, func: &Function, low: Low) -> bool {
        self.steps += 1;
        if self.steps > MOST_STEPS {
            return false;
        }
        match part(func, low) {
            Part::Integer(_) | Part::Constant(_) => true,
            Part::Other(other) => self.add(func, other),
            Part::Operation(_, [a, b]) => {
                self.operations += 1;
                self.operations <= MOST_OPERATIONS && self.add(func, (a, low.1)) && self.add(func, (b, low.1))
            }
            Part::Parameter => {
                self.parameters.push(low);
                true
            }
            Part::Unknown => false,
        }
    }
}

/// Parameters that are wanted as integers and are made of integers.
fn wanted(func: &Function, extractions: &[Extraction], edges: &HashMap<Block, Vec<Edge>>) -> BTreeSet<Low> {
    let mut wanted = BTreeSet::new();
    let mut new: Vec<Low> = Vec::new();
    for extraction in extractions {
        let block = func.layout.inst_block(extraction.inst).expect("it is in the function");
        if !func.layout.is_cold(block)
            && let Some(made) = Made::of(func, extraction.low)
        {
            new.extend(made.parameters);
        }
    }
    while let Some(low) = new.pop() {
        if wanted.insert(low) {
            let (block, index) = place(func, low.0);
            let arguments = edges.get(&block).into_iter().flatten().filter_map(|&edge| argument(func, edge, index));
            let made = arguments.filter_map(|value| Made::of(func, (value, low.1)));
            new.extend(made.flat_map(|made| made.parameters));
        }
    }
    let order: HashMap<Block, usize> = func.layout.blocks().zip(0..).collect();
    loop {
        let is_good = |&low: &Low| is_made_of_integers(func, low, &wanted, edges, &order);
        let good: BTreeSet<Low> = wanted.iter().copied().filter(is_good).collect();
        if good.len() == wanted.len() {
            return good;
        }
        wanted = good;
    }
}

/// Whether a parameter is made of integers: on the ways back to its block, or on all if there are none, but for those
/// on which it stays as it is.
fn is_made_of_integers(
    func: &Function,
    (param, bits): Low,
    wanted: &BTreeSet<Low>,
    edges: &HashMap<Block, Vec<Edge>>,
    order: &HashMap<Block, usize>,
) -> bool {
    let (block, index) = place(func, param);
    let (mut any, mut loops, mut all_back, mut all) = (false, false, true, true);
    for &edge in edges.get(&block).into_iter().flatten() {
        let Some(value) = argument(func, edge, index) else { return false };
        if func.dfg.insts[edge.0].opcode() == Opcode::BrTable {
            return false;
        }
        let from = func.layout.inst_block(edge.0).expect("it is in the function");
        let is_back = order[&from] >= order[&block];
        loops |= is_back;
        if value == param {
            continue;
        }
        let made = Made::of(func, (value, bits));
        let is_made = made.is_some_and(|made| made.parameters.iter().all(|low| wanted.contains(low)));
        any |= is_made;
        all &= is_made;
        all_back &= is_made || !is_back;
    }
    any && all_back && (loops || all)
}

struct Lanes<'a> {
    func: &'a mut Function,
    /// By parameter and bits, the new one: 64 bits, zero from there on, so that it may be the same as that of a
    /// register.
    integers: HashMap<Low, Value>,
}

fn integer_type(bits: u32) -> Type {
    if bits == 32 { I32 } else { I64 }
}

impl Lanes<'_> {
    fn add_parameters(&mut self, wanted: &BTreeSet<Low>, edges: &HashMap<Block, Vec<Edge>>) {
        let mut by_block: BTreeMap<Block, Vec<(usize, Low)>> = BTreeMap::new();
        for &low in wanted {
            let (block, index) = place(self.func, low.0);
            let integer = self.func.dfg.append_block_param(block, I64);
            self.integers.insert(low, integer);
            by_block.entry(block).or_default().push((index, low));
        }
        for (block, params) in by_block {
            for &edge in edges.get(&block).into_iter().flatten() {
                for &(index, (_, bits)) in &params {
                    let vector = argument(self.func, edge, index).expect("`wanted` has looked at it");
                    let low = self.low_before(edge.0, (vector, bits));
                    let integer = if bits == 64 { low } else { self.before(edge.0).ins().uextend(I64, low) };
                    let dfg = &mut self.func.dfg;
                    let calls =
                        dfg.insts[edge.0].branch_destination_mut(&mut dfg.jump_tables, &mut dfg.exception_tables);
                    calls[edge.1].append_argument(integer, &mut dfg.value_lists);
                }
            }
        }
    }

    /// The low bits as an integer, before an instruction.
    fn low_before(&mut self, inst: Inst, low: Low) -> Value {
        if self.is_integer(low) { self.build(inst, low) } else { self.extract(inst, low) }
    }

    /// Whether low bits can be had as an integer, without taking them from a vector.
    fn is_integer(&self, low: Low) -> bool {
        Made::of(self.func, low).is_some_and(|made| made.parameters.iter().all(|low| self.integers.contains_key(low)))
    }

    fn build(&mut self, inst: Inst, low: Low) -> Value {
        let ty = integer_type(low.1);
        let made = match part(self.func, low) {
            Part::Parameter => self.integers[&low],
            Part::Integer(integer) => integer,
            Part::Other(other) => self.build(inst, other),
            Part::Constant(constant) => self.before(inst).ins().iconst(ty, constant as i64),
            Part::Operation(opcode, operands) => {
                let [a, b] = operands.map(|operand| self.build(inst, (operand, low.1)));
                let mut cursor = self.before(inst);
                let ins = cursor.ins();
                match opcode {
                    Opcode::Iadd => ins.iadd(a, b),
                    Opcode::Isub => ins.isub(a, b),
                    Opcode::Band => ins.band(a, b),
                    Opcode::Bor => ins.bor(a, b),
                    Opcode::Bxor => ins.bxor(a, b),
                    _ => unreachable!("`part` names no other"),
                }
            }
            Part::Unknown => unreachable!("`is_integer` has been asked"),
        };
        match self.func.dfg.value_type(made).bits().cmp(&low.1) {
            Ordering::Less => self.before(inst).ins().uextend(ty, made),
            Ordering::Equal => made,
            Ordering::Greater => self.before(inst).ins().ireduce(ty, made),
        }
    }

    fn extract(&mut self, inst: Inst, (vector, bits): Low) -> Value {
        let flags = MemFlagsData::new().with_endianness(Endianness::Little);
        let mut cursor = self.before(inst);
        let lanes = cursor.ins().bitcast(if bits == 32 { F32X4 } else { F64X2 }, flags, vector);
        let number = cursor.ins().extractlane(lanes, 0);
        cursor.ins().bitcast(integer_type(bits), MemFlagsData::new(), number)
    }

    fn before(&mut self, inst: Inst) -> FuncCursor<'_> {
        let location = self.func.srcloc(inst);
        FuncCursor::new(self.func).at_inst(inst).with_srcloc(location)
    }

    fn replace_extraction(&mut self, extraction: &Extraction) {
        if self.is_integer(extraction.low) {
            let integer = self.build(extraction.inst, extraction.low);
            self.replace(extraction.inst, integer);
        }
    }

    /// Copies of the low lanes of parameters, with zeros above, are made of the integers: mostly for ways out.
    fn replace_copies(&mut self) {
        let mut copies = Vec::new();
        for block in self.func.layout.blocks() {
            for inst in self.func.layout.block_insts(block) {
                let dfg = &self.func.dfg;
                if let InstructionData::TernaryImm8 { opcode: Opcode::Insertlane, args: [whole, lane], imm: 0 } =
                    dfg.insts[inst]
                    && is_zero(self.func, dfg.resolve_aliases(whole))
                    && let Some(mut vector) = low_lane(self.func, dfg.resolve_aliases(lane))
                {
                    let bits = dfg.value_type(lane).bits();
                    while let Part::Other((other, same)) = part(self.func, (vector, bits))
                        && same == bits
                    {
                        vector = other;
                    }
                    if self.integers.contains_key(&(vector, bits)) {
                        copies.push((inst, (vector, bits)));
                    }
                }
            }
        }
        for (inst, low) in copies {
            let ty = self.func.dfg.value_type(self.func.dfg.first_result(inst));
            let integer = self.build(inst, low);
            let flags = MemFlagsData::new().with_endianness(Endianness::Little);
            let mut cursor = self.before(inst);
            let lanes = cursor.ins().scalar_to_vector(if low.1 == 32 { I32X4 } else { I64X2 }, integer);
            let copy = cursor.ins().bitcast(ty, flags, lanes);
            self.replace(inst, copy);
        }
    }

    fn replace(&mut self, inst: Inst, value: Value) {
        let dfg = &mut self.func.dfg;
        let result = dfg.first_result(inst);
        dfg.clear_results(inst);
        dfg.change_to_alias(result, value);
        self.func.layout.remove_inst(inst);
    }
}

/// Drops parameters that nothing needs, and instructions that compute what nothing needs.
fn drop_dead(func: &mut Function, edges: &HashMap<Block, Vec<Edge>>) {
    let is_needed = needed(func, edges);
    let blocks: Vec<Block> = func.layout.blocks().collect();
    for block in blocks {
        let insts: Vec<Inst> = func.layout.block_insts(block).collect();
        for inst in insts {
            let results = func.dfg.inst_results(inst);
            if has_no_effect(func, inst) && !results.iter().any(|result| is_needed.contains(result)) {
                func.layout.remove_inst(inst);
            }
        }
    }
    let entry = func.layout.entry_block();
    let others = func.layout.blocks().filter(|&block| Some(block) != entry);
    let params = others.flat_map(|block| func.dfg.block_params(block).iter().copied());
    let dead: Vec<Value> = params.filter(|param| !is_needed.contains(param)).collect();
    for param in dead {
        let (block, index) = place(func, param);
        func.dfg.remove_block_param(param);
        for &(inst, n) in edges.get(&block).into_iter().flatten() {
            let dfg = &mut func.dfg;
            let calls = dfg.insts[inst].branch_destination_mut(&mut dfg.jump_tables, &mut dfg.exception_tables);
            calls[n].remove(index, &mut dfg.value_lists);
        }
    }
}

fn has_no_effect(func: &Function, inst: Inst) -> bool {
    let opcode = func.dfg.insts[inst].opcode();
    !(opcode.can_load()
        || opcode.can_store()
        || opcode.can_trap()
        || opcode.is_call()
        || opcode.is_branch()
        || opcode.is_terminator()
        || opcode.other_side_effects())
}

/// The values that instructions with effects need.
fn needed(func: &Function, edges: &HashMap<Block, Vec<Edge>>) -> HashSet<Value> {
    let dfg = &func.dfg;
    let mut new = Vec::new();
    for block in func.layout.blocks() {
        for inst in func.layout.block_insts(block).filter(|&inst| !has_no_effect(func, inst)) {
            new.extend(dfg.inst_args(inst).iter().map(|&arg| dfg.resolve_aliases(arg)));
        }
    }
    let mut needed = HashSet::new();
    while let Some(value) = new.pop() {
        if !needed.insert(value) {
            continue;
        }
        match dfg.value_def(value) {
            ValueDef::Result(inst, _) => new.extend(dfg.inst_args(inst).iter().map(|&arg| dfg.resolve_aliases(arg))),
            ValueDef::Param(block, index) => {
                let edges = edges.get(&block).into_iter().flatten();
                new.extend(edges.filter_map(|&edge| argument(func, edge, index)));
            }
            ValueDef::Union(..) => {}
        }
    }
    needed
}

#[cfg(test)]
mod tests;
