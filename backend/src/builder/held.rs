//! Registers that a loop's first checkpoint does not store, because their values are kept until the end of the turn and
//! can be found when an access faults (`recovery.rs`). They are kept because the safepoint at the turn's end would
//! store them, to no purpose, if it left. A label on the value tells where the register allocator has put it.

use super::Builder;
use crate::layout;
use crate::recovery::Register;
use cranelift_codegen::ir::{InstBuilder, RelSourceLoc, Value, ValueLabel, ValueLabelAssignments, ValueLabelStart};
use ir::RegSet;

/// A value that is held, and the register that it is of.
pub(crate) type Held = (Register, Value);

/// The registers of a set.
fn registers(set: RegSet) -> impl Iterator<Item = Register> {
    let x = (0..32).filter(move |n| set.x >> n & 1 != 0).map(Register::X);
    x.chain((0..32).filter(move |n| set.v >> n & 1 != 0).map(Register::V))
}

impl Builder<'_, '_> {
    /// At the start of a block: the values that it holds.
    pub(super) fn begin_held(&mut self) {
        self.held_from = self.held.len();
        for register in registers(self.plan.holds[self.current]) {
            let value = self.value_now(register);
            self.held.push((register, value));
        }
        if self.plan.holds_flags[self.current] {
            let number = self.fb.block_params(self.blocks[self.current])[0];
            self.held.push((Register::FlagsByEdge, number));
        }
    }

    /// A value has been loaded: it is held, if need be.
    pub(super) fn log_load(&mut self, value: Value) {
        if self.is_logged {
            self.held.push((Register::Loaded, value));
        }
    }

    /// At the safepoint on the way back, where that is unlikely to go: uses what the turn has held, so that it is kept.
    pub(super) fn use_held(&mut self) {
        for number in self.held_from..self.held.len() {
            let (_, value) = self.held[number];
            self.store_state(value, layout::operand(0));
            // The alias analysis would drop it for the next.
            self.fb.ins().sequence_point();
        }
    }

    fn value_now(&mut self, register: Register) -> Value {
        match register {
            Register::X(n) => self.fb.use_var(self.x[usize::from(n)]),
            Register::V(n) => self.fb.use_var(self.v[usize::from(n)]),
            Register::FlagsByEdge | Register::Loaded => unreachable!("it is no variable"),
        }
    }

    /// Labels what is held, each value with its number in `held`. Once the CLIF is complete.
    pub(super) fn label_held(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let dfg = &mut self.fb.func.dfg;
        dfg.collect_debug_info();
        for (number, &(_, value)) in self.held.iter().enumerate() {
            let value = dfg.resolve_aliases(value);
            let start = ValueLabelStart { from: RelSourceLoc::new(0), label: ValueLabel::from_u32(number as u32) };
            let labels = dfg.values_labels.get_or_insert_default();
            match labels.entry(value).or_insert_with(|| ValueLabelAssignments::Starts(Vec::new())) {
                ValueLabelAssignments::Starts(starts) => starts.push(start),
                ValueLabelAssignments::Alias { .. } => unreachable!("no label is an alias"),
            }
        }
    }
}
