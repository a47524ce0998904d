//! What floating point takes in CLIF beside its instructions: ways out of line, and effects that must stay.

use super::Builder;
use super::vector::lanes_type;
use crate::abi::layout;
use crate::lower::facts;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use ir::Lane;

impl Builder<'_, '_> {
    /// What `slow` gives if `bad`, out of line; else what `fast` does. Both give a value of type `ty`.
    pub(super) fn unless(
        &mut self,
        bad: Value,
        ty: Type,
        fast: impl FnOnce(&mut Self) -> Value,
        slow: impl FnOnce(&mut Self) -> Value,
    ) -> Value {
        let (cold, likely, done) = (self.cold_block(), self.fb.create_block(), self.fb.create_block());
        let value = self.fb.append_block_param(done, ty);
        self.fb.ins().brif(bad, cold, &[], likely, &[]);
        self.fb.seal_block(cold);
        self.fb.seal_block(likely);
        self.switch_to(cold);
        let slow = slow(self);
        self.fb.ins().jump(done, &[slow.into()]);
        self.switch_to(likely);
        let fast = fast(self);
        self.fb.ins().jump(done, &[fast.into()]);
        self.fb.seal_block(done);
        self.switch_to(done);
        value
    }

    /// Every lane of `value`, as integers of the lane's size.
    pub(super) fn every_lane(&mut self, lane: Lane, value: u64) -> Value {
        let constant = self.vconst(facts::every(lane, value));
        self.cast(lanes_type(lane), constant)
    }

    /// Keeps an operation that may only raise a flag: it must happen even if nobody uses its result.
    pub(super) fn keep(&mut self, result: Value) {
        self.store_state(result, layout::backend_word(layout::RESULT));
    }

    /// The greater or lesser lanes, as integers: no comparison of floating point, which would raise flags for NaNs
    /// and does not tell zeros apart. Bits order as the numbers do, the other way round when both are negative.
    pub(super) fn pick_extreme(&mut self, lane: Lane, greatest: bool, x: Value, y: Value) -> Value {
        let ty = lanes_type(lane);
        let (x, y) = (self.cast(ty, x), self.cast(ty, y));
        let zero = self.vconst(0);
        let zero = self.cast(ty, zero);
        let both = self.fb.ins().band(x, y);
        let both_negative = self.fb.ins().icmp(IntCC::SignedGreaterThan, zero, both);
        let above = self.fb.ins().icmp(IntCC::SignedGreaterThan, x, y);
        let greater = self.fb.ins().bxor(above, both_negative);
        let (x, y) = if greatest { (x, y) } else { (y, x) };
        self.fb.ins().bitselect(greater, x, y)
    }
}
