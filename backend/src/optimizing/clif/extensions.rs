//! Drops extensions of values that are extended already, once a region's CLIF is complete: only then is it known what
//! comes into a block by a loop's back-edge. Cranelift would keep each as a move, and a register for it.

use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::{BlockArg, Function, Inst, InstructionData, Opcode, Value};

/// Drops zero-extensions and sign-extensions of the low bits of values that have nothing above them.
pub(super) fn drop_needless(func: &mut Function) {
    let extensions = extensions_of_low_bits(func);
    if extensions.is_empty() {
        return;
    }
    let known = significant_bits(func);
    for (inst, whole, bits) in extensions {
        if known[whole] <= bits {
            let result = func.dfg.first_result(inst);
            func.dfg.clear_results(inst);
            func.dfg.change_to_alias(result, whole);
            func.layout.remove_inst(inst);
        }
    }
}

/// Instructions that take the low bits of a value and extend them to what it was, the value, and how many bits it may
/// have for that to change nothing.
fn extensions_of_low_bits(func: &Function) -> Vec<(Inst, Value, u8)> {
    let dfg = &func.dfg;
    let mut found = Vec::new();
    for block in func.layout.blocks() {
        for inst in func.layout.block_insts(block) {
            let opcode = dfg.insts[inst].opcode();
            if !matches!(opcode, Opcode::Uextend | Opcode::Sextend) {
                continue;
            }
            let narrow = dfg.resolve_aliases(dfg.inst_args(inst)[0]);
            let Some(reduction) = dfg.value_def(narrow).inst() else { continue };
            if dfg.insts[reduction].opcode() != Opcode::Ireduce {
                continue;
            }
            let whole = dfg.resolve_aliases(dfg.inst_args(reduction)[0]);
            if dfg.value_type(whole) == dfg.value_type(dfg.first_result(inst)) {
                let bits = dfg.value_type(narrow).bits() as u8 - u8::from(opcode == Opcode::Sextend);
                found.push((inst, whole, bits));
            }
        }
    }
    found
}

/// From which bit on each value is zero whenever it is computed; roughly, so that loops need few rounds.
fn significant_bits(func: &Function) -> SecondaryMap<Value, u8> {
    let dfg = &func.dfg;
    // Nothing is known to be set until something sets it.
    let mut known: SecondaryMap<Value, u8> = SecondaryMap::with_capacity(dfg.num_values());
    for &param in func.layout.entry_block().map_or(&[][..], |entry| dfg.block_params(entry)) {
        known[param] = 64;
    }
    let mut changed = true;
    while changed {
        changed = false;
        for block in func.layout.blocks() {
            for inst in func.layout.block_insts(block) {
                for &result in dfg.inst_results(inst) {
                    let bits = bits_of_result(func, &known, inst, result);
                    changed |= bits > known[result];
                    known[result] = bits;
                }
                for call in dfg.insts[inst].branch_destination(&dfg.jump_tables, &dfg.exception_tables) {
                    let params = dfg.block_params(call.block(&dfg.value_lists));
                    for (&param, arg) in params.iter().zip(call.args(&dfg.value_lists)) {
                        let bits = match arg {
                            BlockArg::Value(arg) => known[dfg.resolve_aliases(arg)],
                            _ => 64,
                        };
                        if bits > known[param] {
                            known[param] = bits;
                            changed = true;
                        }
                    }
                }
            }
        }
    }
    known
}

fn bits_of_result(func: &Function, known: &SecondaryMap<Value, u8>, inst: Inst, result: Value) -> u8 {
    let dfg = &func.dfg;
    let all = dfg.value_type(result).bits().min(64);
    let args = dfg.inst_args(inst);
    let of = |n: usize| u32::from(known[dfg.resolve_aliases(args[n])]);
    let shift = || constant_of(func, args[1]).map(|amount| amount as u32 & (all - 1));
    let bits = bits_computed(dfg.insts[inst].opcode(), all, constant_of(func, result), of, shift);
    // Few steps, so that what grows in a loop is soon as large as it gets.
    let coarse = match bits {
        0..=7 => 7,
        8 => 8,
        9..=16 => 16,
        17..=31 => 31,
        32 => 32,
        _ => 64,
    };
    coarse.min(all as u8)
}

/// From which bit on the result of an operation is zero: of `all` bits, if that is a constant, `constant`; `of` tells
/// the same of an operand, and `shift` the amount of a shift if it is constant.
pub(super) fn bits_computed(
    opcode: Opcode,
    all: u32,
    constant: Option<u64>,
    of: impl Fn(usize) -> u32,
    shift: impl Fn() -> Option<u32>,
) -> u32 {
    let bits = match opcode {
        Opcode::Iconst => constant.map_or(all, |value| 64 - value.leading_zeros()),
        Opcode::Icmp | Opcode::Fcmp => 1,
        Opcode::Uload8 => 8,
        Opcode::Uload16 => 16,
        Opcode::Uload32 => 32,
        Opcode::Clz | Opcode::Ctz | Opcode::Popcnt => 7,
        Opcode::Uextend | Opcode::Ireduce => of(0),
        Opcode::Band => of(0).min(of(1)),
        Opcode::Bor | Opcode::Bxor => of(0).max(of(1)),
        Opcode::Select => of(1).max(of(2)),
        Opcode::Ushr => of(0).saturating_sub(shift().unwrap_or(0)),
        Opcode::Ishl => shift().map_or(all, |amount| of(0) + amount),
        _ => all,
    };
    bits.min(all)
}

fn constant_of(func: &Function, value: Value) -> Option<u64> {
    match func.dfg.insts[func.dfg.value_def(value).inst()?] {
        InstructionData::UnaryImm { opcode: Opcode::Iconst, imm } => Some(imm.bits() as u64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cranelift_codegen::ir::immediates::Offset32;
    use cranelift_codegen::ir::types::{I32, I64};
    use cranelift_codegen::ir::{AbiParam, InstBuilder, MemFlagsData};
    use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};

    /// A loop that keeps `first` or the sum of what it keeps and a parameter, of 32 or 64 bits; how many extensions of
    /// its low half are left.
    fn left(first: impl Fn(&mut FunctionBuilder<'_>, Value) -> Value, wide: bool) -> usize {
        let mut func = Function::new();
        func.signature.params.push(AbiParam::new(I64));
        func.signature.returns.push(AbiParam::new(I64));
        let mut context = FunctionBuilderContext::new();
        let mut fb = FunctionBuilder::new(&mut func, &mut context);
        let (entry, turn, end) = (fb.create_block(), fb.create_block(), fb.create_block());
        fb.append_block_params_for_function_params(entry);
        let kept = fb.append_block_param(turn, I64);
        fb.switch_to_block(entry);
        let param = fb.block_params(entry)[0];
        let first = first(&mut fb, param);
        fb.ins().jump(turn, &[first.into()]);
        fb.switch_to_block(turn);
        let low = fb.ins().ireduce(I32, kept);
        let extended = fb.ins().uextend(I64, low);
        let next = if wide {
            fb.ins().iadd(extended, param)
        } else {
            let (a, b) = (fb.ins().ireduce(I32, extended), fb.ins().ireduce(I32, param));
            let sum = fb.ins().iadd(a, b);
            fb.ins().uextend(I64, sum)
        };
        fb.ins().brif(next, turn, &[next.into()], end, &[]);
        fb.switch_to_block(end);
        fb.ins().return_(&[extended]);
        fb.seal_all_blocks();
        drop_needless(fb.func);
        extensions_of_low_bits(fb.func).len()
    }

    #[test]
    fn an_extension_goes_if_all_that_comes_in_is_extended() {
        let loaded = |fb: &mut FunctionBuilder<'_>, at| fb.ins().uload32(MemFlagsData::new(), at, Offset32::new(0));
        assert_eq!(left(loaded, false), 0);
        assert_eq!(left(loaded, true), 1);
        assert_eq!(left(|_, param| param, false), 1);
    }
}
