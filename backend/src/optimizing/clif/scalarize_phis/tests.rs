use super::*;
use cranelift_codegen::ir::AbiParam;
use cranelift_codegen::ir::types::{F32, I8X16};
use cranelift_codegen::isa::TargetIsa;
use cranelift_codegen::{settings, verify_function};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};

fn vector_of(fb: &mut FunctionBuilder<'_>, integer: Value) -> Value {
    let low = fb.ins().ireduce(I32, integer);
    let lanes = fb.ins().scalar_to_vector(I32X4, low);
    cast(fb, I8X16, lanes)
}

fn cast(fb: &mut FunctionBuilder<'_>, ty: Type, value: Value) -> Value {
    fb.ins().bitcast(ty, MemFlagsData::new().with_endianness(Endianness::Little), value)
}

fn low_of(fb: &mut FunctionBuilder<'_>, vector: Value) -> Value {
    let lanes = cast(fb, F32X4, vector);
    let number = fb.ins().extractlane(lanes, 0);
    let low = fb.ins().bitcast(I32, MemFlagsData::new(), number);
    fb.ins().uextend(I64, low)
}

/// A loop that keeps a vector, whose low lane it adds to a sum. `next` makes that of the next turn of this turn's
/// and the sum; `last` what is returned of both.
fn kept(
    next: impl Fn(&mut FunctionBuilder<'_>, Value, Value) -> Value,
    last: impl Fn(&mut FunctionBuilder<'_>, Value, Value) -> Value,
) -> Function {
    let mut func = Function::new();
    func.signature.params.push(AbiParam::new(I64));
    func.signature.returns.push(AbiParam::new(I64));
    let mut context = FunctionBuilderContext::new();
    let mut fb = FunctionBuilder::new(&mut func, &mut context);
    let (entry, turn, end) = (fb.create_block(), fb.create_block(), fb.create_block());
    fb.append_block_params_for_function_params(entry);
    let (vector, sum) = (fb.append_block_param(turn, I8X16), fb.append_block_param(turn, I64));
    fb.switch_to_block(entry);
    let param = fb.block_params(entry)[0];
    let first = fb.ins().load(I8X16, MemFlagsData::new(), param, 0);
    fb.ins().jump(turn, &[first.into(), param.into()]);
    fb.switch_to_block(turn);
    let low = low_of(&mut fb, vector);
    let new_sum = fb.ins().iadd(sum, low);
    let new_vector = next(&mut fb, vector, new_sum);
    fb.ins().brif(new_sum, turn, &[new_vector.into(), new_sum.into()], end, &[]);
    fb.switch_to_block(end);
    let result = last(&mut fb, vector, new_sum);
    fb.ins().return_(&[result]);
    fb.seal_all_blocks();
    scalarize_vector_phis(fb.func);
    let isa = cranelift_native::builder().unwrap().finish(settings::Flags::new(settings::builder())).unwrap();
    verify_function(&func, &*isa as &dyn TargetIsa).unwrap();
    func
}

/// The types of the loop's parameters.
fn parameters(func: &Function) -> Vec<Type> {
    let turn = func.layout.blocks().nth(1).unwrap();
    func.dfg.block_params(turn).iter().map(|&param| func.dfg.value_type(param)).collect()
}

#[test]
fn what_is_made_of_integers_is_kept_as_one() {
    let func = kept(|fb, _, sum| vector_of(fb, sum), |_, _, sum| sum);
    assert_eq!(parameters(&func), [I64, I64]);
}

#[test]
fn operations_on_lanes_become_operations_on_integers() {
    let func = kept(
        |fb, vector, sum| {
            let other = vector_of(fb, sum);
            let (a, b) = (cast(fb, I32X4, vector), cast(fb, I32X4, other));
            let difference = fb.ins().isub(a, b);
            cast(fb, I8X16, difference)
        },
        |_, _, sum| sum,
    );
    assert_eq!(parameters(&func), [I64, I64]);
    let is_vector = |inst: Inst| func.dfg.inst_results(inst).iter().any(|&v| func.dfg.value_type(v).is_vector());
    let turn = func.layout.blocks().nth(1).unwrap();
    assert!(!func.layout.block_insts(turn).any(is_vector));
}

#[test]
fn a_vector_that_is_wanted_as_such_stays_too() {
    let stored = |fb: &mut FunctionBuilder<'_>, vector, sum| {
        fb.ins().store(MemFlagsData::new(), vector, sum, 0);
        sum
    };
    let func = kept(|fb, _, sum| vector_of(fb, sum), stored);
    assert_eq!(parameters(&func), [I8X16, I64, I64]);
}

#[test]
fn what_is_computed_as_a_vector_stays_one() {
    let func = kept(
        |fb, vector, sum| {
            let low = fb.ins().ireduce(I32, sum);
            let number = fb.ins().bitcast(F32, MemFlagsData::new(), low);
            let (lanes, all) = (cast(fb, F32X4, vector), fb.ins().splat(F32X4, number));
            let product = fb.ins().fmul(lanes, all);
            cast(fb, I8X16, product)
        },
        |_, _, sum| sum,
    );
    assert_eq!(parameters(&func), [I8X16, I64]);
}
