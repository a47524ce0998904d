//! Checks of floating-point results, put off. The host's results are Arm's but for NaNs, and its flags are but for
//! Underflow of results that are exactly the smallest normal number: it judges tininess after rounding, Arm before. So
//! each result is to be checked, and a doubtful one made again by the function that `Eval` uses.
//!
//! Results wait for that as long as only operations like them use them: a NaN makes the result of each such operation
//! a NaN, which is checked then, and what is the smallest normal number is right, only the flag may be missing.
//! `settle` checks all that wait. If one is doubtful all are made again, out of line, in their order, from operands
//! made again. What the registers hold afterwards are other SSA values.
//!
//! A comparison waits too: a branch on its flags that follows finds NaNs by the way, where it goes the less likely way.
//!
//! Invariants: `Ops` takes no operand that waits, but for operations that may wait themselves (`exact`). Nothing waits
//! where control goes apart, at a checkpoint (what comes before it is not performed again, and must have raised its
//! flags even if its result is gone), or where FPSR or FPCR is accessed.

use super::Builder;
use super::vector::{lanes_type, numbers_type};
use crate::inject::{self, Failure};
use crate::lower::callee::Callee;
use crate::lower::facts::{min_normal, sign_bit};
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::types::F64;
use cranelift_codegen::ir::{Block, InstBuilder, InstructionData, Opcode, Value};
use ir::{Arr, FpSize, Lane, Vec2};
use std::collections::HashMap;

/// So many results wait at most: the way out of line makes all of them again.
const MOST_PENDING: usize = 8;

/// A result and how to make it again.
pub(super) struct Pending {
    /// The result as other operations take it.
    pub value: Value,
    /// The number, or the lanes as numbers, to be checked.
    pub checked: Value,
    /// A NaN is handed on to results of the same arrangement only.
    pub arr: Arr,
    /// The smallest normal number is doubtful.
    pub tiny: bool,
    /// What gives the exact result,
    pub callee: Callee,
    /// of these operands.
    pub operands: Vec<Value>,
    /// Another result that waits is a NaN if this one is.
    pub is_covered: bool,
}

/// A comparison of numbers that may have to raise Invalid.
#[derive(Clone, Copy)]
pub(super) struct Comparison {
    pub size: FpSize,
    /// Quiet NaNs raise it too.
    pub signal_quiet: bool,
    pub operands: [Value; 2],
}

/// What waits, and what has waited.
#[derive(Default)]
pub(super) struct Checks {
    deferred: Vec<Pending>,
    comparison: Option<Comparison>,
    /// Results of the current guest block that have been checked, with what replaces them.
    exact: HashMap<Value, Value>,
    /// What vector registers hold that is made of a result that waits.
    held: [Option<Value>; 32],
}

/// One test for some results.
enum Test {
    /// NaNs in either number.
    Nan(Value, Value),
    /// NaNs and the smallest normal number.
    NanOrTiny(Value),
    /// The smallest normal number in a lane.
    TinyLane(Value),
    /// Whether the numbers have no bit in common but their sign and that of the smallest normal number: so it is if one
    /// of them is that number, and seldom else. If so, each is tested.
    Tiny(Vec<Value>),
}

impl Builder<'_, '_> {
    /// Lets the check of a result wait. Its operands have come through `resolved`, `exact` or `lanes_operand`.
    pub(super) fn defer(&mut self, result: Pending) -> Value {
        for other in &mut self.checks.deferred {
            other.is_covered |= result.operands.contains(&other.value);
        }
        let value = result.value;
        self.checks.deferred.push(result);
        if self.checks.deferred.len() == MOST_PENDING {
            self.flush_checks();
        }
        self.resolved(value)
    }

    /// What waits of a value, or of the number that a vector has been made of.
    fn waits(&self, value: Value) -> Option<&Pending> {
        let scalar = self.facts.scalars.get(&value);
        self.checks.deferred.iter().find(|p| p.value == value || scalar == Some(&p.value))
    }

    /// What has replaced a value since it was made, if it has been checked.
    pub(super) fn resolved(&mut self, value: Value) -> Value {
        if let Some(&exact) = self.checks.exact.get(&value) {
            return exact;
        }
        let Some(&exact) = self.facts.scalars.get(&value).and_then(|scalar| self.checks.exact.get(scalar)) else {
            return value;
        };
        let vector =
            if self.fb.func.dfg.value_type(exact) == F64 { self.f64_to_vec(exact) } else { self.f32_to_vec(exact) };
        self.checks.exact.insert(value, vector);
        vector
    }

    /// An operand whose bits are looked at.
    pub(super) fn exact(&mut self, value: Value) -> Value {
        if self.waits(value).is_some() {
            self.flush_checks();
        }
        self.resolved(value)
    }

    /// An operand, as a vector, of a scalar operation that gives a NaN for a NaN and may wait. (What is a number
    /// already need only be `resolved`: it is of the right size.)
    pub(super) fn scalar_operand(&mut self, lane: Lane, value: Value) -> Value {
        self.operand_if(value, |p| p.value != value && p.arr.lane == lane)
    }

    /// The same of an operation by lanes.
    pub(super) fn lanes_operand(&mut self, arr: Arr, value: Value) -> Value {
        self.operand_if(value, |p| p.value == value && p.arr == arr)
    }

    /// Operands that have each come through `take`, which may have replaced those before.
    pub(super) fn each<const N: usize>(
        &mut self,
        operands: [Value; N],
        take: impl Fn(&mut Self, Value) -> Value,
    ) -> [Value; N] {
        let taken = operands.map(|operand| take(self, operand));
        taken.map(|operand| self.resolved(operand))
    }

    /// The operands of a lane-wise operation.
    pub(super) fn vec2_operands(&mut self, op: Vec2, arr: Arr, operands: [Value; 2]) -> [Value; 2] {
        match op {
            Vec2::Fadd | Vec2::Fsub | Vec2::Fmul | Vec2::Fnmul | Vec2::Fdiv if arr.count == 1 => {
                self.each(operands, |builder, operand| builder.scalar_operand(arr.lane, operand))
            }
            Vec2::Fadd | Vec2::Fsub | Vec2::Fmul | Vec2::Fnmul | Vec2::Fdiv | Vec2::Fabd => {
                self.each(operands, |builder, operand| builder.lanes_operand(arr, operand))
            }
            _ => self.each(operands, Self::exact),
        }
    }

    fn operand_if(&mut self, value: Value, may_wait: impl FnOnce(&Pending) -> bool) -> Value {
        let value = self.resolved(value);
        if self.waits(value).is_some_and(may_wait) { value } else { self.exact(value) }
    }

    /// Notes what a vector register holds now.
    pub(super) fn note_held(&mut self, register: usize, value: Value) {
        self.checks.held[register] = self.waits(value).map(|_| value);
    }

    /// What a vector register holds, if it is made of a result that waits.
    pub(super) fn held(&self, register: usize) -> Option<Value> {
        self.checks.held[register]
    }

    /// At the start of a guest block: nothing is known.
    pub(super) fn forget_checks(&mut self) {
        let Checks { deferred, comparison, .. } = &self.checks;
        assert!(deferred.is_empty() && comparison.is_none(), "results are checked before control goes on");
        self.checks = Checks::default();
    }

    /// Lets the check of a comparison wait. Its operands are exact.
    pub(super) fn defer_comparison(&mut self, comparison: Comparison) {
        self.settle_comparison();
        self.checks.comparison = Some(comparison);
    }

    /// The comparison that waits, if a condition is one on its flags. It waits no more.
    pub(super) fn take_comparison(&mut self, condition: Value) -> Option<(Comparison, FloatCC)> {
        let dfg = &self.fb.func.dfg;
        let inst = dfg.value_def(condition).inst()?;
        let InstructionData::FloatCompare { opcode: Opcode::Fcmp, args, cond } = dfg.insts[inst] else { return None };
        if matches!(cond, FloatCC::Ordered | FloatCC::Unordered) {
            return None;
        }
        let comparison = self.checks.comparison.take_if(|comparison| comparison.operands == args)?;
        Some((comparison, cond))
    }

    /// Checks the comparison that waits.
    fn settle_comparison(&mut self) {
        let Some(comparison) = self.checks.comparison.take() else { return };
        let (raise, done) = (self.cold_block(), self.fb.create_block());
        self.raise_if_unordered(comparison, raise, done);
        self.fb.ins().jump(done, &[]);
        self.fb.seal_block(done);
        self.switch_to(done);
    }

    /// Checks all that waits.
    pub(super) fn flush_checks(&mut self) {
        self.settle_comparison();
        if self.checks.deferred.is_empty() {
            return;
        }
        let deferred = std::mem::take(&mut self.checks.deferred);
        let (again, done) = (self.cold_block(), self.fb.create_block());
        for result in &deferred {
            let ty = self.fb.func.dfg.value_type(result.value);
            self.fb.append_block_param(done, ty);
        }
        inject::panic_if_due(Failure::Deferred);
        assert!(!self.is_cold, "results are checked where they were made");
        for (lane, test) in self.tests(&deferred) {
            let next = self.fb.create_block();
            match test {
                Test::Tiny(numbers) => {
                    let suspicious = self.cold_block();
                    let doubtful = self.share_min_normal(lane, &numbers);
                    self.fb.ins().brif(doubtful, suspicious, &[], next, &[]);
                    self.fb.seal_block(suspicious);
                    self.switch_to(suspicious);
                    for number in numbers {
                        let other = self.cold_block();
                        let doubtful = self.is_doubtful(lane, number);
                        self.fb.ins().brif(doubtful, again, &[], other, &[]);
                        self.fb.seal_block(other);
                        self.switch_to(other);
                    }
                    self.fb.ins().jump(next, &[]);
                }
                Test::Nan(a, b) => {
                    let doubtful = self.is_unordered(a, b);
                    self.fb.ins().brif(doubtful, again, &[], next, &[]);
                }
                Test::TinyLane(number) => {
                    let at_edge = self.lanes_at_edge(lane, number);
                    let doubtful = self.fb.ins().vany_true(at_edge);
                    self.fb.ins().brif(doubtful, again, &[], next, &[]);
                }
                Test::NanOrTiny(number) => {
                    let doubtful = self.is_doubtful(lane, number);
                    self.fb.ins().brif(doubtful, again, &[], next, &[]);
                }
            }
            self.fb.seal_block(next);
            self.switch_to(next);
        }
        let values: Vec<_> = deferred.iter().map(|result| result.value.into()).collect();
        self.fb.ins().jump(done, &values);
        self.fb.seal_block(again);
        self.switch_to(again);
        self.make_again(&deferred, done);
        self.fb.seal_block(done);
        self.switch_to(done);
        for (index, result) in deferred.iter().enumerate() {
            let exact = self.fb.block_params(done)[index];
            self.checks.exact.insert(result.value, exact);
            if self.is_vector(exact) {
                self.facts.low_bits.insert(exact, result.arr.bits());
            }
        }
        self.replace_held();
    }

    /// Makes all results again and goes to `done` with them.
    fn make_again(&mut self, deferred: &[Pending], done: Block) {
        let mut made: HashMap<Value, Value> = HashMap::new();
        let mut results = Vec::with_capacity(deferred.len());
        for result in deferred {
            let mut args: Vec<Value> = result.callee.selectors().iter().map(|&s| self.iconst(s)).collect();
            args.extend(result.operands.iter().map(|operand| *made.get(operand).unwrap_or(operand)));
            let ty = self.fb.func.dfg.value_type(result.value);
            let exact = self.call_helper_as(ty, result.callee.helper, &args);
            made.insert(result.value, exact);
            results.push(exact.into());
        }
        self.fb.ins().jump(done, &results);
    }

    /// Gives the registers what has replaced their values.
    fn replace_held(&mut self) {
        let held = std::mem::take(&mut self.checks.held);
        for (n, held) in held.into_iter().enumerate() {
            if let Some(value) = held {
                let exact = self.resolved(value);
                self.fb.def_var(self.v[n], exact);
            }
        }
        for cached in self.now.fp_cache.iter_mut().flatten() {
            cached.1 = self.checks.exact.get(&cached.1).copied().unwrap_or(cached.1);
        }
    }

    /// The tests that find all that is doubtful.
    fn tests(&self, deferred: &[Pending]) -> Vec<(Lane, Test)> {
        let mut tests = Vec::new();
        for (lane, lanes) in [(Lane::S, false), (Lane::D, false), (Lane::S, true), (Lane::D, true)] {
            let alike = |p: &&Pending| p.arr.lane == lane && self.is_vector(p.checked) == lanes;
            let alike: Vec<&Pending> = deferred.iter().filter(alike).collect();
            let mut nans: Vec<Value> = alike.iter().filter(|p| !p.is_covered).map(|p| p.checked).collect();
            let (squares, tiny): (Vec<Value>, Vec<Value>) = alike
                .iter()
                .filter(|p| p.tiny)
                .map(|p| p.checked)
                .partition(|&number| !lanes && self.is_square(number));
            // The more numbers, the more often they share no bit by chance: three doubles once in a thousand times,
            // four once in thirty, and then the branch is mispredicted.
            let most = if lane == Lane::D { 3 } else { 2 };
            let mut both = squares;
            // Parts of about the same size.
            let parts = tiny.len().div_ceil(most).max(1);
            for some in tiny.chunks(tiny.len().div_ceil(parts).max(1)) {
                let is_covered = |number: &&Value| !nans.contains(number);
                match some {
                    [a, b] if lanes || [a, b].into_iter().any(|n| is_covered(&n)) => {
                        tests.push((lane, Test::Tiny(vec![*a, *b])))
                    }
                    [_, _, _, ..] => tests.push((lane, Test::Tiny(some.to_vec()))),
                    [number] if lanes && is_covered(&number) => tests.push((lane, Test::TinyLane(*number))),
                    _ => both.extend(some),
                }
            }
            nans.retain(|number| !both.contains(number));
            tests.extend(both.into_iter().map(|number| (lane, Test::NanOrTiny(number))));
            tests.extend(nans.chunks(2).map(|some| (lane, Test::Nan(some[0], some[some.len() - 1]))));
        }
        tests
    }

    /// Whether a number is a product of a number with itself.
    pub(super) fn is_square(&self, value: Value) -> bool {
        let dfg = &self.fb.func.dfg;
        let product = dfg.value_def(value).inst().filter(|&inst| dfg.insts[inst].opcode() == Opcode::Fmul);
        product.is_some_and(|inst| dfg.inst_args(inst)[0] == dfg.inst_args(inst)[1])
    }

    fn is_vector(&self, value: Value) -> bool {
        self.fb.func.dfg.value_type(value).is_vector()
    }

    fn is_unordered(&mut self, a: Value, b: Value) -> Value {
        let unordered = self.fb.ins().fcmp(FloatCC::Unordered, a, b);
        if self.is_vector(a) { self.fb.ins().vany_true(unordered) } else { unordered }
    }

    /// Whether a number, or a lane of a vector, is a NaN or the smallest normal number.
    fn is_doubtful(&mut self, lane: Lane, result: Value) -> Value {
        if self.is_vector(result) {
            let nan = self.fb.ins().fcmp(FloatCC::Unordered, result, result);
            let at_edge = self.lanes_at_edge(lane, result);
            let doubtful = self.fb.ins().bor(nan, at_edge);
            return self.fb.ins().vany_true(doubtful);
        }
        let magnitude = if self.is_square(result) {
            result
        } else {
            // A mask that comes from a vector stays in a register; FABS makes its own each time.
            let positive = self.every_lane(lane, !sign_bit(lane));
            let positive = self.cast(numbers_type(lane), positive);
            let positive = self.fb.ins().extractlane(positive, 0);
            self.fb.ins().band(result, positive)
        };
        let edge = match lane {
            Lane::D => self.fb.ins().f64const(f64::MIN_POSITIVE),
            _ => self.fb.ins().f32const(f32::MIN_POSITIVE),
        };
        self.fb.ins().fcmp(FloatCC::UnorderedOrEqual, magnitude, edge)
    }

    fn lanes_at_edge(&mut self, lane: Lane, numbers: Value) -> Value {
        let bits = self.cast(lanes_type(lane), numbers);
        let positive = self.every_lane(lane, !sign_bit(lane));
        let magnitude = self.fb.ins().band(bits, positive);
        let edge = self.every_lane(lane, min_normal(lane));
        self.fb.ins().icmp(IntCC::Equal, magnitude, edge)
    }

    /// Whether numbers, lane by lane, have no bit in common but their sign and that of the smallest normal number.
    fn share_min_normal(&mut self, lane: Lane, numbers: &[Value]) -> Value {
        let others = !(sign_bit(lane) | min_normal(lane));
        if self.is_vector(numbers[0]) {
            let lanes: Vec<Value> = numbers.iter().map(|&number| self.cast(lanes_type(lane), number)).collect();
            let common = self.every_lane(lane, others);
            let common = lanes.into_iter().fold(common, |a, b| self.fb.ins().band(a, b));
            let zero = self.every_lane(lane, 0);
            let none = self.fb.ins().icmp(IntCC::Equal, common, zero);
            return self.fb.ins().vany_true(none);
        }
        let both = numbers[1..].iter().fold(numbers[0], |a, &b| self.fb.ins().band(a, b));
        let common = if lane == Lane::S {
            let bits = self.number_bits(FpSize::S, both);
            self.fb.ins().band_imm_s(bits, (others & 0xffff_ffff) as i64)
        } else {
            // Rotated, the mask is a constant that the host's instruction can hold.
            let bits = self.number_bits(FpSize::D, both);
            let rotated = self.fb.ins().rotl_imm_s(bits, 12);
            self.fb.ins().band_imm_s(rotated, others.rotate_left(12) as i64)
        };
        self.fb.ins().icmp_imm_s(IntCC::Equal, common, 0)
    }
}
