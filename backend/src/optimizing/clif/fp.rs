//! Scalar floating point in CLIF. The host's arithmetic gives Arm's results except for NaNs: when a result is one,
//! the exact function that `Eval` uses computes it again, out of line (`deferred.rs`). It computes everything that
//! flushing to zero may change while FPCR.FZ is set. Numbers are F32 or F64; halves are I16.

use super::Builder;
use super::deferred::{Comparison, Pending};
use crate::abi::layout;
use crate::lower::callee::{self, Callee};
use crate::lower::facts::may_be_tiny;
use crate::lower::host::Host;
use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::types::{F32, F32X4, F64, F64X2, I16, I32, I64};
use cranelift_codegen::ir::{Block, InstBuilder, MemFlagsData, Type, Value};
use ir::{Arr, Cond, Fp1, Fp2, FpSize, Lane, VReg};

pub(super) fn fp_type(size: FpSize) -> Type {
    match size {
        FpSize::H => I16,
        FpSize::S => F32,
        FpSize::D => F64,
    }
}

fn int_bits(size: FpSize) -> Type {
    match size {
        FpSize::H => I16,
        FpSize::S => I32,
        FpSize::D => I64,
    }
}

/// A condition that holds if another does and if there is a NaN.
fn or_unordered(condition: FloatCC) -> FloatCC {
    match condition {
        FloatCC::Equal => FloatCC::UnorderedOrEqual,
        FloatCC::OrderedNotEqual => FloatCC::NotEqual,
        FloatCC::LessThan => FloatCC::UnorderedOrLessThan,
        FloatCC::LessThanOrEqual => FloatCC::UnorderedOrLessThanOrEqual,
        FloatCC::GreaterThan => FloatCC::UnorderedOrGreaterThan,
        FloatCC::GreaterThanOrEqual => FloatCC::UnorderedOrGreaterThanOrEqual,
        FloatCC::Ordered => unreachable!("nothing is left to be asked"),
        others => others,
    }
}

impl Builder<'_, '_> {
    /// Operands of a floating-point operation, such that Cranelift takes the operation for one whose result it cannot
    /// know. It would compute one of constants itself, or once for all places and turns of a loop; but the rounding
    /// mode may change in between, and the operation raises flags each time.
    pub(super) fn unfolded<const N: usize>(&mut self, mut operands: [Value; N]) -> [Value; N] {
        if operands.iter().all(|&operand| self.is_constant(operand)) {
            let ty = self.fb.func.dfg.value_type(operands[0]);
            self.store_state(operands[0], layout::operand(0));
            // What is loaded is not known to be what has been stored.
            self.fb.ins().sequence_point();
            operands[0] = self.load_state(ty, layout::operand(0));
        }
        operands
    }

    /// Whether a value is the same wherever it is computed in the region.
    fn is_constant(&mut self, value: Value) -> bool {
        let dfg = &self.fb.func.dfg;
        let value = dfg.resolve_aliases(value);
        let Some(inst) = dfg.value_def(value).inst() else { return value == self.entry_pc };
        if let Some(&known) = self.facts.constants.get(&value) {
            return known;
        }
        let opcode = dfg.insts[inst].opcode();
        let operands = dfg.inst_args(inst).to_vec();
        let is_constant =
            !opcode.can_load() && !opcode.is_call() && operands.into_iter().all(|operand| self.is_constant(operand));
        self.facts.constants.insert(value, is_constant);
        is_constant
    }

    pub(super) fn read_fp(&mut self, size: FpSize, r: VReg) -> Value {
        if let Some((cached, value)) = self.now.fp_cache[usize::from(r.0)]
            && cached == size
        {
            return value;
        }
        let vector = self.read_v(r);
        let vector = self.scalar_operand(size.lane(), vector);
        let value = match size {
            FpSize::D => self.vec_to_f64(vector),
            FpSize::S => self.vec_to_f32(vector),
            FpSize::H => {
                let bits = self.build_lane(Lane::H, 0, vector);
                self.fb.ins().ireduce(I16, bits)
            }
        };
        // So that the flags of a comparison are known to follow from the register.
        if !self.is_cold {
            self.now.fp_cache[usize::from(r.0)] = Some((size, value));
        }
        value
    }

    pub(super) fn write_fp(&mut self, size: FpSize, r: VReg, value: Value) {
        let vector = match size {
            FpSize::D => self.f64_to_vec(value),
            FpSize::S => self.f32_to_vec(value),
            FpSize::H => {
                let zero = self.vconst(0);
                let bits = self.fb.ins().uextend(I64, value);
                self.build_set_lane(Lane::H, 0, zero, bits)
            }
        };
        self.write_v(r, vector);
        self.now.fp_cache[usize::from(r.0)] = Some((size, value));
    }

    pub(super) fn read_v(&mut self, r: VReg) -> Value {
        assert!(self.now.loaded.v >> r.0 & 1 != 0, "what a block reads has been loaded");
        self.held(usize::from(r.0)).unwrap_or_else(|| self.fb.use_var(self.v[usize::from(r.0)]))
    }

    pub(super) fn write_v(&mut self, r: VReg, value: Value) {
        self.fb.def_var(self.v[usize::from(r.0)], value);
        self.now.dirty.v |= 1 << r.0;
        self.now.loaded.v |= 1 << r.0;
        self.now.fp_cache[usize::from(r.0)] = None;
        self.note_held(usize::from(r.0), value);
    }

    /// From the low bits of an I64.
    pub(super) fn number_from_bits(&mut self, size: FpSize, bits: Value) -> Value {
        let low = self.reduced(int_bits(size), bits);
        if size == FpSize::H { low } else { self.fb.ins().bitcast(fp_type(size), MemFlagsData::new(), low) }
    }

    /// To an I64, zero-extended.
    pub(super) fn number_bits(&mut self, size: FpSize, value: Value) -> Value {
        let low = match self.bits_of_number(value) {
            _ if size == FpSize::H => value,
            Some(bits) => bits,
            None => self.fb.ins().bitcast(int_bits(size), MemFlagsData::new(), value),
        };
        self.widen(low)
    }

    /// `result`, or if it is doubtful, what the helper makes of the same operands.
    pub(super) fn unless_doubtful_scalar(
        &mut self,
        size: FpSize,
        result: Value,
        tiny: bool,
        callee: Callee,
        operands: &[Value],
    ) -> Value {
        self.defer(Pending {
            value: result,
            checked: result,
            arr: Arr::scalar(size.lane()),
            tiny,
            callee,
            operands: operands.to_vec(),
            is_covered: false,
        })
    }

    /// Calls a helper that gives a number of the operands' size.
    pub(super) fn fp_helper(&mut self, size: FpSize, callee: Callee, operands: &[Value]) -> Value {
        let operands: Vec<Value> = operands.iter().map(|&operand| self.helper_operand(size, operand)).collect();
        self.call_for_number(size, callee, &operands)
    }

    /// A number as `call_helper` takes it.
    pub(super) fn helper_operand(&mut self, size: FpSize, number: Value) -> Value {
        if size == FpSize::H { self.widen(number) } else { number }
    }

    /// Calls a helper whose result is a number's bits.
    pub(super) fn call_for_number(&mut self, size: FpSize, callee: Callee, operands: &[Value]) -> Value {
        if size == FpSize::H {
            let bits = self.call(callee, operands);
            return self.number_from_bits(size, bits);
        }
        let args = self.args(callee, operands);
        self.call_helper_as(fp_type(size), callee.helper, &args)
    }

    pub(super) fn build_fp1(&mut self, op: Fp1, size: FpSize, a: Value) -> Value {
        let callee = callee::fp1(op, size);
        let keeps_bits = matches!(op, Fp1::Fabs | Fp1::Fneg);
        if size == FpSize::H || self.mode.flushing && !keeps_bits {
            return self.fp_helper(size, callee, &[a]);
        }
        match op {
            Fp1::Fabs => self.fb.ins().fabs(a),
            Fp1::Fneg => self.fb.ins().fneg(a),
            Fp1::Fsqrt => {
                let result = self.fb.ins().sqrt(a);
                self.unless_doubtful_scalar(size, result, false, callee, &[a])
            }
            _ => self.build_round_integral(op, size, a).unwrap_or_else(|| self.fp_helper(size, callee, &[a])),
        }
    }

    pub(super) fn build_fp2(&mut self, op: Fp2, size: FpSize, a: Value, b: Value) -> Value {
        let callee = callee::fp2(op, size);
        if size == FpSize::H || self.mode.flushing {
            return self.fp_helper(size, callee, &[a, b]);
        }
        let ins = self.fb.ins();
        let result = match op {
            Fp2::Fadd => ins.fadd(a, b),
            Fp2::Fsub => ins.fsub(a, b),
            Fp2::Fmul => ins.fmul(a, b),
            Fp2::Fdiv => ins.fdiv(a, b),
            Fp2::Fnmul => {
                let product = ins.fmul(a, b);
                self.fb.ins().fneg(product)
            }
            Fp2::Fmax | Fp2::Fmin | Fp2::Fmaxnm | Fp2::Fminnm => {
                let unordered = ins.fcmp(FloatCC::Unordered, a, b);
                let greatest = matches!(op, Fp2::Fmax | Fp2::Fmaxnm);
                return self.unless(
                    unordered,
                    fp_type(size),
                    |builder| builder.scalar_extreme(size, greatest, a, b),
                    |builder| builder.fp_helper(size, callee, &[a, b]),
                );
            }
        };
        self.unless_doubtful_scalar(size, result, may_be_tiny(op), callee, &[a, b])
    }

    fn scalar_extreme(&mut self, size: FpSize, greatest: bool, a: Value, b: Value) -> Value {
        let ty = if size == FpSize::S { F32X4 } else { F64X2 };
        let (a, b) = (self.fb.ins().scalar_to_vector(ty, a), self.fb.ins().scalar_to_vector(ty, b));
        let picked = self.pick_extreme(size.lane(), greatest, a, b);
        let picked = self.cast(ty, picked);
        self.fb.ins().extractlane(picked, 0)
    }

    pub(super) fn build_mul_add(&mut self, size: FpSize, addend: Value, a: Value, b: Value) -> Value {
        let callee = callee::fp_mul_add(size);
        if size == FpSize::H || !self.has_fma || self.mode.flushing {
            return self.fp_helper(size, callee, &[addend, a, b]);
        }
        let result = self.fb.ins().fma(a, b, addend);
        self.unless_doubtful_scalar(size, result, true, callee, &[addend, a, b])
    }

    /// Sets the flags.
    pub(super) fn build_fp_compare(&mut self, size: FpSize, signal_quiet: bool, a: Value, b: Value) {
        if size == FpSize::H || self.mode.flushing {
            let packed = self.compare_helper(size, signal_quiet, a, b);
            return self.set_packed_flags(packed);
        }
        // A NaN may raise Invalid, and comparisons of the host's may be dropped or repeated: the helper settles it, once.
        self.defer_comparison(Comparison { size, signal_quiet, operands: [a, b] });
        self.set_fp_flags(a, b);
    }

    /// Sets the flags if a condition holds for those before, else to `nzcv`.
    pub(super) fn build_fp_compare_if(
        &mut self,
        cond: Cond,
        size: FpSize,
        signal_quiet: bool,
        [a, b]: [Value; 2],
        nzcv: u8,
    ) {
        if size == FpSize::H || self.mode.flushing {
            return self.flags_if(cond, nzcv, |ops| ops.compare_helper(size, signal_quiet, a, b));
        }
        // Only then: the host's comparison raises Invalid too.
        self.flags_if(cond, nzcv, |builder| {
            let (raise, done) = (builder.cold_block(), builder.fb.create_block());
            builder.raise_if_unordered(Comparison { size, signal_quiet, operands: [a, b] }, raise, done);
            builder.fb.ins().jump(done, &[]);
            builder.fb.seal_block(done);
            builder.switch_to(done);
            builder.packed_of_numbers(a, b)
        });
    }

    /// Ends the block: goes to `raise` if a comparison finds a NaN, else to `done`. Then builds the former as far as
    /// that Invalid has been raised.
    pub(super) fn raise_if_unordered(&mut self, comparison: Comparison, raise: Block, done: Block) {
        let Comparison { size, signal_quiet, operands: [a, b] } = comparison;
        let unordered = self.fb.ins().fcmp(FloatCC::Unordered, a, b);
        self.fb.ins().brif(unordered, raise, &[], done, &[]);
        self.fb.seal_block(raise);
        self.switch_to(raise);
        self.compare_helper(size, signal_quiet, a, b);
    }

    /// Ends the block: goes to `likely` or, if `condition` holds for the operands of a comparison that waits no more, to
    /// `unlikely`. Only on that way, and if there is a NaN, is more than one comparison done.
    pub(super) fn branch_on_comparison(
        &mut self,
        comparison: Comparison,
        condition: FloatCC,
        unlikely: Block,
        likely: Block,
    ) {
        let [a, b] = comparison.operands;
        let perhaps = or_unordered(condition);
        let after_nan = if perhaps == condition { unlikely } else { likely };
        let is_cold = self.fb.func.layout.is_cold(unlikely);
        let other = if is_cold { self.cold_block() } else { self.fb.create_block() };
        let raise = self.cold_block();
        let perhaps = self.fb.ins().fcmp(perhaps, a, b);
        self.fb.ins().brif(perhaps, other, &[], likely, &[]);
        self.fb.seal_block(other);
        self.switch_to(other);
        self.raise_if_unordered(comparison, raise, unlikely);
        self.fb.ins().jump(after_nan, &[]);
    }

    pub(super) fn compare_helper(&mut self, size: FpSize, signal_quiet: bool, a: Value, b: Value) -> Value {
        let (a, b) = (self.helper_operand(size, a), self.helper_operand(size, b));
        self.call(callee::fp_compare(size, signal_quiet), &[a, b])
    }
}
