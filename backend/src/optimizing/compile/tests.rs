//! What leans on Cranelift's insides: would another version still do so?

use super::*;
use crate::abi::layout;
use crate::abi::trampoline;
use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::immediates::V128Imm;
use cranelift_codegen::ir::types::{F32, F32X4, F64, F64X2, I8X16, I32, I64};
use cranelift_codegen::ir::{Endianness, InstBuilder, MemFlagsData, SigRef, Type, Value};
use ir::GuestAddr;
use ir::Vcpu;

/// More values than there are registers.
const VALUES: i32 = 20;

/// Changes every general register that a region may change. The result is the argument, doubled.
const CLOBBER: [u8; 39] = [
    0x48, 0x8d, 0x04, 0x3f, // lea rax, [rdi + rdi]
    0x31, 0xdb, // xor ebx, ebx
    0x31, 0xc9, 0x31, 0xd2, 0x31, 0xf6, 0x31, 0xff, // xor of ecx, edx, esi, edi
    0x45, 0x31, 0xc0, 0x45, 0x31, 0xc9, 0x45, 0x31, 0xd2, 0x45, 0x31, 0xdb, // of r8d to r11d
    0x45, 0x31, 0xe4, 0x45, 0x31, 0xed, 0x45, 0x31, 0xf6, // of r12d to r14d
    0x0f, 0x57, 0xc0, // xorps xmm0, xmm0
    0xc3, // ret
];
/// Returns the argument.
const IDENTITY: [u8; 4] = [0x48, 0x89, 0xf8, 0xc3];

struct Function<'a> {
    fb: FunctionBuilder<'a>,
    sig: SigRef,
    argument: Value,
}

impl Function<'_> {
    /// Xn.
    fn x(&mut self, n: i32) -> Value {
        let cpu = self.fb.ins().get_pinned_reg(I64);
        self.fb.ins().load(I64, MemFlagsData::trusted(), cpu, layout::x(n as usize))
    }

    fn registers(&mut self) -> Vec<Value> {
        (0..VALUES).map(|n| self.x(n)).collect()
    }

    /// The sum of the values, and `more`.
    fn sum(&mut self, values: &[Value], more: Value) -> Value {
        values.iter().fold(more, |sum, &value| self.fb.ins().iadd(sum, value))
    }

    fn call(&mut self, code: CodePtr, argument: Value) -> Value {
        let code = self.fb.ins().iconst(I64, code.0 as i64);
        let call = self.fb.ins().call_indirect(self.sig, code, &[argument]);
        self.fb.inst_results(call)[0]
    }

    fn go_on(&mut self, code: CodePtr, argument: Value) {
        let code = self.fb.ins().iconst(I64, code.0 as i64);
        self.fb.ins().return_call_indirect(self.sig, code, &[argument]);
    }
}

fn compile(compiler: &mut Compiler, build: impl FnOnce(&mut Function)) -> (CodePtr, String) {
    compiler.module.clear_context(&mut compiler.context);
    compiler.context.func.signature = region_signature();
    let mut fb = FunctionBuilder::new(&mut compiler.context.func, &mut compiler.builder_context);
    let block = fb.create_block();
    fb.append_block_params_for_function_params(block);
    fb.switch_to_block(block);
    fb.seal_block(block);
    let argument = fb.block_params(block)[0];
    let sig = fb.import_signature(region_signature());
    let mut function = Function { fb, sig, argument };
    build(&mut function);
    function.fb.finalize(compiler.isa.frontend_config());
    compiler.context.set_disasm(true);
    compiler.generate(&mut Labels::default()).unwrap();
    let (code, _) = compiler.place(&[]).unwrap();
    let asm = compiler.context.compiled_code().unwrap().vcode.clone().unwrap();
    (code, asm)
}

fn run(code: CodePtr) -> u64 {
    let mut cpu = Vcpu::default();
    cpu.backend[layout::EXIT] = trampoline::exit_stub();
    for n in 0..32 {
        cpu.x[n] = 1000 + n as u64;
    }
    cpu.pc = GuestAddr(7);
    trampoline::enter_region(&mut cpu, code)
}

fn sum_of_registers() -> u64 {
    (0..VALUES as u64).map(|n| 1000 + n).sum()
}

#[test]
fn values_outlive_calls_that_preserve_nothing() {
    let generation = Generation::new(1 << 22).unwrap();
    let clobber = generation.memory.append(CLOBBER.len(), |_| &CLOBBER).unwrap();
    let mut compiler = Compiler::new(generation).unwrap();
    let (code, _) = compile(&mut compiler, |f| {
        let values = f.registers();
        let argument = f.argument;
        let doubled = f.call(clobber, argument);
        let sum = f.sum(&values, doubled);
        let sum = f.fb.ins().iadd(sum, argument);
        f.go_on(CodePtr(trampoline::exit_stub()), sum);
    });
    assert_eq!(run(code), sum_of_registers() + 7 + 14);
}

#[test]
fn tail_calls_leave_the_stack_as_it_was() {
    let generation = Generation::new(1 << 22).unwrap();
    let clobber = generation.memory.append(CLOBBER.len(), |_| &CLOBBER).unwrap();
    let identity = generation.memory.append(IDENTITY.len(), |_| &IDENTITY).unwrap();
    let mut compiler = Compiler::new(generation).unwrap();
    // A large frame in use when the tail call is made.
    let (inner, _) = compile(&mut compiler, |f| {
        let values = f.registers();
        let argument = f.argument;
        let doubled = f.call(clobber, argument);
        let sum = f.sum(&values, doubled);
        f.go_on(identity, sum);
    });
    let (outer, _) = compile(&mut compiler, |f| {
        let values = f.registers();
        let argument = f.argument;
        let first = f.call(inner, argument);
        let second = f.call(inner, first);
        let sum = f.sum(&values, second);
        f.go_on(CodePtr(trampoline::exit_stub()), sum);
    });
    let inner = |argument| sum_of_registers() + 2 * argument;
    assert_eq!(run(outer), sum_of_registers() + inner(inner(7)));
}

#[test]
fn frames_save_no_registers() {
    let generation = Generation::new(1 << 22).unwrap();
    let clobber = generation.memory.append(CLOBBER.len(), |_| &CLOBBER).unwrap();
    let mut compiler = Compiler::new(generation).unwrap();
    let (_, asm) = compile(&mut compiler, |f| {
        let values = f.registers();
        let sum = f.sum(&values, f.argument);
        let product = values.iter().fold(sum, |product, &value| f.fb.ins().imul(product, value));
        f.go_on(clobber, product);
    });
    let used = ["%rbx", "%r12", "%r13", "%r14"].iter().any(|register| asm.contains(register));
    assert!(used, "the code needs more registers:\n{asm}");
    let (prologue, _) = asm.split_once("block0").unwrap();
    assert!(!prologue.contains("%rbx") && !prologue.contains("%r1"), "nothing is saved:\n{asm}");
}

/// Numbers in the lowest lanes of V0 to V2, with ones above, and what is made of them in V3.
const NUMBERS: [f64; 3] = [2.5, 0.375, 9.0];

/// Where a number comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum From {
    /// The lowest lane of a vector.
    Vector,
    Memory,
    /// A sum of numbers from memory.
    Sum,
}

impl From {
    const ALL: [Self; 3] = [Self::Vector, Self::Memory, Self::Sum];

    fn value(self, f: &mut Function, ty: Type, n: usize) -> Value {
        let cpu = f.fb.ins().get_pinned_reg(I64);
        let flags = MemFlagsData::trusted();
        if self == Self::Vector {
            let vector = f.fb.ins().load(I8X16, flags, cpu, layout::v(n));
            let lanes = f.cast(if ty == F32 { F32X4 } else { F64X2 }, vector);
            return f.fb.ins().extractlane(lanes, 0);
        }
        let number = f.fb.ins().load(ty, flags, cpu, layout::v(n));
        if self == Self::Memory {
            return number;
        }
        let zero = f.fb.ins().load(ty, flags, cpu, layout::v(4));
        f.fb.ins().fadd(zero, number)
    }
}

impl Function<'_> {
    fn cast(&mut self, ty: Type, value: Value) -> Value {
        self.fb.ins().bitcast(ty, MemFlagsData::new().with_endianness(Endianness::Little), value)
    }

    /// V3 becomes a number and zeros.
    fn store_whole(&mut self, number: Value) {
        let lanes = if self.fb.func.dfg.value_type(number) == F32 { F32X4 } else { F64X2 };
        let zero = self.fb.func.dfg.constants.insert(V128Imm([0; 16]).into());
        let zero = self.fb.ins().vconst(I8X16, zero);
        let zero = self.cast(lanes, zero);
        let merged = self.fb.ins().insertlane(zero, number, 0);
        let whole = self.cast(I8X16, merged);
        let cpu = self.fb.ins().get_pinned_reg(I64);
        self.fb.ins().store(MemFlagsData::trusted(), whole, cpu, layout::v(3));
    }
}

/// V3 after code that makes it of V0 to V2, and the code.
fn v3(compiler: &mut Compiler, ty: Type, build: impl Fn(&mut Function) -> Value) -> (u128, String) {
    let (code, asm) = compile(compiler, |f| {
        let number = build(f);
        f.store_whole(number);
        let argument = f.argument;
        f.go_on(CodePtr(trampoline::exit_stub()), argument);
    });
    let mut cpu = Vcpu::default();
    cpu.backend[layout::EXIT] = trampoline::exit_stub();
    let bits = |number: f64| u128::from(if ty == F32 { (number as f32).to_bits().into() } else { number.to_bits() });
    for (n, number) in NUMBERS.into_iter().enumerate() {
        cpu.v[n] = u128::MAX << ty.bits() | bits(number);
    }
    trampoline::enter_region(&mut cpu, code);
    (cpu.v[3], asm)
}

#[test]
fn what_is_above_a_number_is_not_kept() {
    let mut compiler = Compiler::new(Generation::new(1 << 24).unwrap()).unwrap();
    type Operation = (&'static str, fn(&mut Function, [Value; 3]) -> Value, fn([f64; 3]) -> f64);
    let has_fma = std::arch::is_x86_feature_detected!("fma");
    let operations: [Operation; 13] = [
        ("itself", |_, [a, ..]| a, |[a, ..]| a),
        ("fadd", |f, [a, b, _]| f.fb.ins().fadd(a, b), |[a, b, _]| a + b),
        ("fsub", |f, [a, b, _]| f.fb.ins().fsub(a, b), |[a, b, _]| a - b),
        ("fmul", |f, [a, b, _]| f.fb.ins().fmul(a, b), |[a, b, _]| a * b),
        ("fdiv", |f, [_, b, c]| f.fb.ins().fdiv(c, b), |[_, b, c]| c / b),
        ("sqrt", |f, [_, _, c]| f.fb.ins().sqrt(c), |[_, _, c]| c.sqrt()),
        ("fneg", |f, [a, ..]| f.fb.ins().fneg(a), |[a, ..]| -a),
        ("fabs", |f, [a, ..]| f.fb.ins().fabs(a), |[a, ..]| a),
        ("band", |f, [a, b, _]| f.fb.ins().band(a, b), |[a, b, _]| f64::from_bits(a.to_bits() & b.to_bits())),
        ("fma", |f, [a, b, c]| f.fb.ins().fma(a, b, c), |[a, b, c]| a.mul_add(b, c)),
        (
            "fma of the opposite",
            |f, [a, b, c]| {
                let minus = f.fb.ins().fneg(a);
                f.fb.ins().fma(minus, b, c)
            },
            |[a, b, c]| (-a).mul_add(b, c),
        ),
        (
            "select",
            |f, [a, b, _]| {
                let argument = f.argument;
                f.fb.ins().select(argument, a, b)
            },
            |[_, b, _]| b,
        ),
        (
            "minimum",
            |f, [a, b, _]| {
                let less = f.fb.ins().fcmp(FloatCC::LessThan, a, b);
                f.fb.ins().select(less, a, b)
            },
            |[a, b, _]| a.min(b),
        ),
    ];
    for ty in [F32, F64] {
        for (name, operation, expected) in operations {
            if name.starts_with("fma") && !has_fma {
                continue;
            }
            for a in From::ALL {
                for (b, c) in From::ALL.into_iter().flat_map(|b| From::ALL.map(|c| (b, c))) {
                    let (v3, asm) = v3(&mut compiler, ty, |f| {
                        let operands = [a.value(f, ty, 0), b.value(f, ty, 1), c.value(f, ty, 2)];
                        operation(f, operands)
                    });
                    // The numbers are such that singles give what doubles do, but for quotients and bits.
                    let as_singles = |[a, b, c]: [f64; 3]| match name {
                        "fdiv" => f64::from(c as f32 / b as f32),
                        "band" => f64::from(f32::from_bits((a as f32).to_bits() & (b as f32).to_bits())),
                        _ => expected([a, b, c]),
                    };
                    let expected = if ty == F32 {
                        u128::from((as_singles(NUMBERS) as f32).to_bits())
                    } else {
                        u128::from(expected(NUMBERS).to_bits())
                    };
                    assert_eq!(v3, expected, "{name} of {ty} {a:?}, {b:?}, {c:?}:\n{asm}");
                }
            }
        }
    }
}

#[test]
fn numbers_with_zeros_above_are_not_merged() {
    let mut compiler = Compiler::new(Generation::new(1 << 22).unwrap()).unwrap();
    let mut is_merged = |a: From, b: From, operation: fn(&mut Function, Value, Value) -> Value| {
        let (_, asm) = v3(&mut compiler, F64, |f| {
            let (a, b) = (a.value(f, F64, 0), b.value(f, F64, 1));
            operation(f, a, b)
        });
        // Only a merge needs a register of zeros.
        asm.contains("xor")
    };
    assert!(!is_merged(From::Sum, From::Sum, |f, a, b| f.fb.ins().fsub(a, b)));
    assert!(!is_merged(From::Sum, From::Vector, |f, a, b| f.fb.ins().fsub(a, b)));
    assert!(is_merged(From::Vector, From::Sum, |f, a, b| f.fb.ins().fsub(a, b)));
    assert!(!is_merged(From::Sum, From::Vector, |f, a, b| f.fb.ins().fmul(a, b)));
    assert!(!is_merged(From::Vector, From::Sum, |f, a, b| f.fb.ins().fmul(a, b)));
    assert!(is_merged(From::Vector, From::Vector, |f, a, b| f.fb.ins().fadd(a, b)));
}

#[test]
fn conversions_have_zeros_above() {
    let mut compiler = Compiler::new(Generation::new(1 << 22).unwrap()).unwrap();
    let mut check = |from: Type, to: Type, build: fn(&mut Function, Value) -> Value, expected: u64| {
        let (v3, asm) = v3(&mut compiler, from, |f| {
            let number = From::Vector.value(f, from, 2);
            build(f, number)
        });
        assert_eq!(v3, u128::from(expected), "{from} to {to}:\n{asm}");
    };
    check(F32, F64, |f, number| f.fb.ins().fpromote(F64, number), 9f64.to_bits());
    check(F64, F32, |f, number| f.fb.ins().fdemote(F32, number), 9f32.to_bits().into());
    check(F64, F64, |f, _| f.fb.ins().f64const(3.0), 3f64.to_bits());
    check(F32, F32, |f, _| f.fb.ins().f32const(3.0), 3f32.to_bits().into());
    check(
        F64,
        F64,
        |f, number| {
            let bits = f.fb.ins().bitcast(I64, MemFlagsData::new(), number);
            let bits = f.fb.ins().iadd_imm_s(bits, 1);
            f.fb.ins().bitcast(F64, MemFlagsData::new(), bits)
        },
        9f64.to_bits() + 1,
    );
    check(
        F64,
        F64,
        |f, number| {
            let bits = f.fb.ins().bitcast(I64, MemFlagsData::new(), number);
            f.fb.ins().fcvt_from_sint(F64, bits)
        },
        (9f64.to_bits() as f64).to_bits(),
    );
    check(
        F32,
        F32,
        |f, number| {
            let bits = f.fb.ins().bitcast(I32, MemFlagsData::new(), number);
            f.fb.ins().fcvt_from_sint(F32, bits)
        },
        (9f32.to_bits() as f32).to_bits().into(),
    );
}
