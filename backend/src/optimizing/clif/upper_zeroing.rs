//! Drops merges of numbers with zeros, once a region's CLIF is complete. A number that the guest writes to a vector
//! register has zeros above it. CLIF says nothing of what is above a number, so `scalar_to_vec` puts it into a vector
//! of zeros. But the host's instructions load numbers with zeros above, and what is above a result they take from the
//! first operand: mostly there are zeros above already, and the number is the vector.
//!
//! CLIF has no operation that says so. What comes nearest is a `bitcast`, which does nothing where Cranelift compiles
//! it for x86-64, but is not valid from a number to a vector, which is larger. So this is done after verification. The
//! tests in `optimizing/compile.rs` would notice another Cranelift that does otherwise.

use super::scalarize_phis::{argument, incoming, is_zero, place};
use cranelift_codegen::ir::types::{F32, F32X4, F64, F64X2};
use cranelift_codegen::ir::{
    Block, Endianness, Function, Inst, InstBuilder, InstructionData, MemFlagsData, Opcode, Value, ValueDef,
};
use std::collections::HashMap;

/// A value, and from which bit on its register is to be zero.
type Low = (Value, u32);

/// When a register is zero from some bit on.
enum Zeros {
    Always,
    Never,
    /// If all of these are.
    All(Vec<Low>),
    /// If either is: the operation takes the bits above from one operand, and which that is may be chosen.
    Either([Low; 2]),
}

/// Makes merges of numbers that have zeros above into nothing. The function is not valid any more, but is compiled
/// right.
pub(crate) fn drop_redundant_upper_zeroing(func: &mut Function) {
    let merges = merges(func);
    if merges.is_empty() {
        return;
    }
    let known = known(func, merges.iter().map(|&(_, low)| low).collect());
    let is_clean = |low: &Low| known[low].1;
    for (&(value, _), (zeros, result_is_clean)) in &known {
        if let (true, Zeros::Either([first, _])) = (result_is_clean, zeros)
            && !is_clean(first)
        {
            let inst = func.dfg.value_def(value).inst().expect("an operation has made it");
            func.dfg.inst_args_mut(inst).swap(0, 1);
        }
    }
    for (inst, low) in merges {
        if is_clean(&low) {
            let ty = func.dfg.value_type(func.dfg.first_result(inst));
            let flags = MemFlagsData::new().with_endianness(Endianness::Little);
            func.replace(inst).bitcast(ty, flags, low.0);
        }
    }
}

/// Instructions that put a number into a vector of zeros, and the number.
fn merges(func: &Function) -> Vec<(Inst, Low)> {
    let insts = func.layout.blocks().flat_map(|block| func.layout.block_insts(block));
    insts.filter_map(|inst| Some((inst, merged(func, inst)?))).collect()
}

/// The number that an instruction puts into a vector of zeros.
fn merged(func: &Function, inst: Inst) -> Option<Low> {
    let dfg = &func.dfg;
    match dfg.insts[inst] {
        InstructionData::TernaryImm8 { opcode: Opcode::Insertlane, args: [whole, lane], imm: 0 }
            if matches!(dfg.value_type(whole), F32X4 | F64X2) && is_zero(func, dfg.resolve_aliases(whole)) =>
        {
            Some((dfg.resolve_aliases(lane), dfg.value_type(lane).bits()))
        }
        _ => None,
    }
}

/// Of registers, and of all that they depend on: when they are zero, and whether they are.
fn known(func: &Function, mut new: Vec<Low>) -> HashMap<Low, (Zeros, bool)> {
    let edges = incoming(func);
    let mut known: HashMap<Low, (Zeros, bool)> = HashMap::new();
    let mut users: HashMap<Low, Vec<Low>> = HashMap::new();
    // All are, but for those that cannot be, and what depends on those.
    let mut wrong = Vec::new();
    while let Some(low) = new.pop() {
        if known.contains_key(&low) {
            continue;
        }
        let zeros = zeros(func, &edges, low);
        let operands = match &zeros {
            Zeros::Always => &[][..],
            Zeros::Never => {
                wrong.push(low);
                &[]
            }
            Zeros::All(lows) => lows,
            Zeros::Either(lows) => lows,
        };
        for &operand in operands {
            users.entry(operand).or_default().push(low);
        }
        new.extend(operands);
        known.insert(low, (zeros, true));
    }
    while let Some(low) = wrong.pop() {
        known.get_mut(&low).expect("it is in there").1 = false;
        let is = |low: &Low| known[low].1;
        wrong.extend(users.get(&low).into_iter().flatten().filter(|&user| match &known[user] {
            (Zeros::All(_), true) => true,
            (Zeros::Either([a, b]), true) => !is(a) && !is(b),
            _ => false,
        }));
    }
    known
}

/// When a register is zero, as Cranelift compiles the operation that makes its value.
fn zeros(func: &Function, edges: &HashMap<Block, Vec<(Inst, usize)>>, (value, bits): Low) -> Zeros {
    let dfg = &func.dfg;
    let inst = match dfg.value_def(value) {
        ValueDef::Result(inst, _) => inst,
        ValueDef::Param(block, _) if func.layout.entry_block() != Some(block) => {
            let (block, index) = place(func, value);
            let arguments = edges.get(&block).into_iter().flatten().map(|&edge| argument(func, edge, index));
            let lows = arguments.map(|argument| Some((argument?, bits))).collect::<Option<_>>();
            return lows.map_or(Zeros::Never, Zeros::All);
        }
        _ => return Zeros::Never,
    };
    let all = |operands: &[Value]| Zeros::All(operands.iter().map(|&v| (dfg.resolve_aliases(v), bits)).collect());
    let ty = dfg.value_type(value);
    let args = dfg.inst_args(inst);
    if ty.is_vector() {
        return match (dfg.insts[inst], merged(func, inst)) {
            (_, Some((_, number_bits))) if number_bits <= bits => Zeros::Always,
            (InstructionData::LoadNoOffset { opcode: Opcode::Bitcast, arg, .. }, _)
                if dfg.value_type(arg).is_vector() =>
            {
                all(&[arg])
            }
            (InstructionData::Unary { opcode: Opcode::ScalarToVector, arg }, _)
                if dfg.value_type(arg).bits() <= bits =>
            {
                Zeros::Always
            }
            _ if is_zero(func, value) => Zeros::Always,
            _ => Zeros::Never,
        };
    }
    if !matches!(ty, F32 | F64) {
        return Zeros::Never;
    }
    match dfg.insts[inst].opcode() {
        // Loads, moves from general registers, and operations on a register that has been zeroed for them. No number
        // is handed on from a store to a load: a fence or a call always stands between.
        Opcode::Load | Opcode::F32const | Opcode::F64const | Opcode::Sqrt => Zeros::Always,
        Opcode::Fpromote | Opcode::Fdemote | Opcode::FcvtFromSint => Zeros::Always,
        Opcode::Bitcast if dfg.value_type(args[0]).is_int() => Zeros::Always,
        Opcode::Extractlane => match dfg.insts[inst] {
            InstructionData::BinaryImm8 { arg, imm: 0, .. } => all(&[arg]),
            _ => Zeros::Never,
        },
        Opcode::Fadd | Opcode::Fmul => {
            let [a, b] = [args[0], args[1]].map(|operand| dfg.resolve_aliases(operand));
            match (may_be_folded(func, a), may_be_folded(func, b)) {
                // What is folded becomes the second operand.
                (true, true) => Zeros::Always,
                (true, false) => all(&[b]),
                (false, true) => all(&[a]),
                (false, false) => Zeros::Either([(a, bits), (b, bits)]),
            }
        }
        Opcode::Fsub | Opcode::Fdiv | Opcode::Fneg | Opcode::Fabs => all(&args[..1]),
        Opcode::Fma => all(&args[..2]),
        Opcode::Band => all(args),
        Opcode::Select => all(&args[1..]),
        _ => Zeros::Never,
    }
}

/// Whether a value may be loaded by the instruction that uses it. Behind a guest access nothing is.
fn may_be_folded(func: &Function, value: Value) -> bool {
    let dfg = &func.dfg;
    let load = dfg.value_def(value).inst().filter(|&inst| dfg.insts[inst].opcode() == Opcode::Load);
    let next = load.and_then(|load| func.layout.next_inst(load));
    next.is_some_and(|next| dfg.insts[next].opcode() != Opcode::SequencePoint)
}
