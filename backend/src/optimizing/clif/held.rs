//! Registers that a checkpoint does not store, because their values can be found when an access faults (`deopt/value.rs`).
//! Labels on values tell where the register allocator has put them. Cranelift computes a value as late as it can: at an
//! access it has either that, or what it will be computed from. Behind the last access at which a value is needed, a
//! store uses it, or what it follows from, so that the host has it until then. When the machine code is finished, these
//! stores are left out (`peephole`).

use super::{Builder, FlagsAt, Labels, trusted};
use crate::abi::layout;
use crate::deopt::source::{FlagSource, Operation, Source};
use crate::deopt::value::Register;
use crate::optimizing::checkpoint::Step;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{Inst, InstBuilder, Opcode, Value};
use cranelift_frontend::Variable;
use ir::RegSet;
use std::collections::BTreeMap;

/// What is held at the accesses that a checkpoint covers.
#[derive(Default)]
pub(crate) struct Segment {
    /// Registers, and where their values are.
    pub registers: Vec<(Register, Source)>,
    /// What has been loaded.
    pub loads: Vec<(Register, Source)>,
}

/// What a checkpoint must have in memory, or hold: that is decided at the end of the segment, when it is known what
/// values are used later.
pub(super) struct Undecided {
    /// Stores go before it.
    at: Inst,
    /// The address of the state there, if it is known.
    cpu: Option<Value>,
    x: Vec<(u8, Value)>,
    v: Vec<(u8, Value)>,
    /// Registers in memory, and their values.
    in_memory: Vec<(u8, Value)>,
}

/// How state is found when an access faults: checkpoints, and what they hold.
pub(super) struct Deopt {
    /// Where the flags of the last checkpoint are.
    pub flags: FlagsAt,
    pub flag_sources: Vec<FlagSource>,
    /// All that is held; the last is that of the last checkpoint.
    pub segments: Vec<Segment>,
    /// What the last checkpoint may have to store.
    undecided: Option<Undecided>,
    /// The block has had a checkpoint.
    has_segment: bool,
    pub labels: Labels,
    /// Accesses of the segment: registers not needed there, and where what is kept until then is used.
    accesses: Vec<(RegSet, Inst)>,
    /// What is kept in the segment, until which of its accesses.
    kept_alive: BTreeMap<Value, usize>,
    /// What the current instruction loads is held.
    pub is_logged: bool,
    /// The checkpoint before covers the current instruction's accesses.
    pub is_covered: bool,
}

impl Deopt {
    pub fn new(labels: Labels) -> Self {
        Self {
            flags: FlagsAt::Memory,
            flag_sources: Vec::new(),
            segments: Vec::new(),
            undecided: None,
            has_segment: false,
            labels,
            accesses: Vec::new(),
            kept_alive: BTreeMap::new(),
            is_logged: false,
            is_covered: false,
        }
    }

    /// No checkpoint covers what a guest block begins with.
    pub fn begin_block(&mut self) {
        self.flags = FlagsAt::Memory;
        self.has_segment = false;
    }

    /// Registers of the checkpoint that are not needed at an access: nor do its flags follow from them.
    pub fn redone(&self, step: &Step) -> RegSet {
        match self.flags {
            FlagsAt::Source(number) => step.redone.without(self.flag_sources[number as usize].registers()),
            FlagsAt::Memory | FlagsAt::Edge => step.redone,
        }
    }

    /// A new flag source.
    pub fn number_of(&mut self, source: FlagSource) -> u32 {
        self.flag_sources.push(source);
        self.flag_sources.len() as u32 - 1
    }

    fn segment(&mut self) -> &mut Segment {
        self.segments.last_mut().expect("a checkpoint has begun one")
    }

    /// What is held now, for `Location`.
    pub fn held_here(&self) -> Option<(usize, usize)> {
        let last = self.segments.last().filter(|_| self.has_segment)?;
        Some((self.segments.len() - 1, last.loads.len()))
    }
}

impl Builder<'_, '_> {
    /// At a checkpoint that wants these dirty registers to be known.
    pub(super) fn begin_segment(&mut self, wanted: RegSet) {
        self.deopt.segments.push(Segment::default());
        self.deopt.has_segment = true;
        if wanted.is_empty() {
            return;
        }
        let numbers = |set: u32| (0..32u8).filter(move |n| set >> n & 1 != 0);
        let x = numbers(wanted.x).map(|n| (n, self.value_of(self.x[usize::from(n)]))).collect();
        let v = numbers(wanted.v).map(|n| (n, self.value_of(self.v[usize::from(n)]))).collect();
        let in_memory = self.registers_in_memory().collect();
        let at = self.fb.ins().nop();
        self.deopt.undecided = Some(Undecided { at, cpu: self.cpu, x, v, in_memory });
    }

    fn value_of(&mut self, variable: Variable) -> Value {
        let value = self.fb.use_var(variable);
        self.fb.func.dfg.resolve_aliases(value)
    }

    /// After an access of a segment, at which some registers are not needed.
    pub(super) fn passed_access(&mut self, redone: RegSet) {
        if self.deopt.undecided.is_some() || !self.deopt.kept_alive.is_empty() {
            let after = self.fb.ins().nop();
            self.deopt.accesses.push((redone, after));
        }
    }

    /// After the last access of a segment. `used` are registers whose values are used later.
    pub(super) fn end_segment(&mut self, used: RegSet) {
        self.decide(used);
        self.use_kept_alive();
    }

    /// What the checkpoint of the segment that ends stores, and what it holds.
    fn decide(&mut self, used: RegSet) {
        let Some(undecided) = self.deopt.undecided.take() else { return };
        let known = self.now.loaded.union(self.now.dirty).intersection(used);
        let numbers = |set: u32| (0..32usize).filter(move |n| set >> n & 1 != 0);
        let anchors: Vec<Value> = numbers(known.x).map(|n| self.value_of(self.x[n])).collect();
        let mut decided = Vec::with_capacity(undecided.x.len() + undecided.v.len());
        for &(n, value) in &undecided.x {
            let source = self.fixed(value, &undecided.in_memory).or_else(|| self.derived(value, &anchors));
            let source = source.or_else(|| self.place_of(value));
            decided.push((Register::X(n), value, source));
        }
        for &(n, value) in &undecided.v {
            let source = self.place_of_vector(value);
            decided.push((Register::V(n), value, source));
        }
        let mut stored = Vec::new();
        for (register, value, source) in decided {
            if let Some(source) = source {
                let is_needed = |(redone, _): &(RegSet, Inst)| register.set().intersection(*redone).is_empty();
                if let Some(last) = self.deopt.accesses.iter().rposition(is_needed) {
                    self.keep_source(&source, last);
                }
                self.deopt.segment().registers.push((register, source));
                continue;
            }
            let (variable, offset) = self.variable_of(register);
            stored.push((value, offset));
            if self.value_of(variable) == value {
                self.now.dirty = self.now.dirty.without(register.set());
            }
        }
        let mut cursor = FuncCursor::new(self.fb.func).at_inst(undecided.at);
        if !stored.is_empty() {
            let cpu = undecided.cpu.unwrap_or_else(|| cursor.ins().get_pinned_reg(I64));
            for (value, offset) in stored {
                cursor.ins().store(trusted(), value, cpu, offset);
            }
        }
        cursor.remove_inst();
    }

    /// The variable of a register, and where that is in the `CpuState`.
    fn variable_of(&self, register: Register) -> (Variable, i32) {
        match register {
            Register::X(n) => (self.x[usize::from(n)], layout::x(usize::from(n))),
            Register::V(n) => (self.v[usize::from(n)], layout::v(usize::from(n))),
            Register::FlagsByEdge | Register::Loaded => unreachable!("it is no variable"),
        }
    }

    /// Keeps what a source follows from until an access of the segment.
    fn keep_source(&mut self, source: &Source, access: usize) {
        match source {
            Source::Labelled(_, Some(other)) | Source::Low(_, other) | Source::SignExtended(_, _, other) => {
                self.keep_source(other, access);
            }
            &Source::Labelled(label, None) => {
                let value = self.deopt.labels.value(label).expect("it follows from nothing else");
                let until = self.deopt.kept_alive.entry(self.fb.func.dfg.resolve_aliases(value)).or_default();
                *until = access.max(*until);
            }
            Source::Operation(_, _, operands) => operands.iter().for_each(|operand| self.keep_source(operand, access)),
            Source::Constant(_) | Source::X(_) | Source::V(_) | Source::StoredA | Source::StoredB | Source::Host(_) => {
            }
        }
    }

    /// Holds the number that the way to the block has given.
    pub(super) fn hold_flags_by_edge(&mut self) {
        let number = self.fb.block_params(self.edges.blocks[self.current])[0];
        let source = self.whole(number);
        self.deopt.segment().registers.push((Register::FlagsByEdge, source));
    }

    /// A value has been loaded: it is held, if need be.
    pub(super) fn log_load(&mut self, value: Value) {
        if self.deopt.is_logged {
            let source = self.whole(value);
            self.deopt.segment().loads.push((Register::Loaded, source));
        }
    }

    /// Where a value is that is computed where it stands. It is kept until the segment's end.
    fn whole(&mut self, value: Value) -> Source {
        let source = Source::Labelled(self.label_of(value), None);
        self.keep_source(&source, usize::MAX);
        source
    }

    /// Uses what the segment holds behind the last access at which that is needed, so that the host has it there: by
    /// stores that are left out when the machine code is finished (`peephole`).
    fn use_kept_alive(&mut self) {
        let (kept, accesses) = (std::mem::take(&mut self.deopt.kept_alive), std::mem::take(&mut self.deopt.accesses));
        for (number, &(_, at)) in accesses.iter().enumerate() {
            let is_last = number + 1 == accesses.len();
            let mut cursor = FuncCursor::new(self.fb.func).at_inst(at);
            for (&value, _) in kept.iter().filter(|&(_, &until)| until == number || is_last && until > number) {
                let cpu = cursor.ins().get_pinned_reg(I64);
                cursor.ins().store(trusted(), value, cpu, layout::backend_word(layout::KEEP_ALIVE));
                // The alias analysis would drop it for the next.
                cursor.ins().sequence_point();
            }
            cursor.remove_inst();
        }
    }

    /// Where an integer is that something uses later.
    fn place_of(&mut self, value: Value) -> Option<Source> {
        let number = self.deopt.labels.number(&self.fb.func.dfg, value)?;
        Some(self.deopt.labels.source(number))
    }

    /// The same of a vector.
    fn place_of_vector(&mut self, value: Value) -> Option<Source> {
        let mut value = self.fb.func.dfg.resolve_aliases(value);
        let mut labels = vec![self.label_of(value)];
        let mut source = None;
        loop {
            let dfg = &self.fb.func.dfg;
            if let Some(&scalar) = self.facts.scalars.get(&value) {
                let scalar = dfg.resolve_aliases(scalar);
                if self.has_place(scalar) {
                    let bits = dfg.value_type(scalar).bits();
                    source = Some(Source::Labelled(self.label_of(scalar), None).low(bits));
                    // A source is a number of 64 bits.
                    if bits == 64 {
                        source = Some(Source::Low(64, Box::new(source.expect("it has just been set"))));
                    }
                    break;
                }
            }
            let Some(inst) = dfg.value_def(value).inst() else { break };
            if dfg.insts[inst].opcode() == Opcode::Bitcast {
                value = dfg.resolve_aliases(dfg.inst_args(inst)[0]);
                if !dfg.value_type(value).is_vector() {
                    return None;
                }
                labels.push(self.label_of(value));
                continue;
            }
            if dfg.insts[inst].opcode().can_load() || dfg.insts[inst].opcode().is_call() {
                break;
            }
            return None;
        }
        for label in labels.into_iter().rev() {
            source = Some(Source::Labelled(label, source.map(Box::new)));
        }
        source
    }

    fn label_of(&mut self, value: Value) -> u32 {
        let value = self.fb.func.dfg.resolve_aliases(value);
        self.deopt.labels.of(self.fb.func.dfg.value_type(value), value)
    }

    /// Whether a value is computed where it stands.
    fn has_place(&self, value: Value) -> bool {
        let dfg = &self.fb.func.dfg;
        dfg.value_def(value).inst().is_none_or(|inst| {
            let opcode = dfg.insts[inst].opcode();
            opcode.can_load() || opcode.is_call()
        })
    }

    /// How a value follows from values that something uses later.
    fn derived(&mut self, value: Value, anchors: &[Value]) -> Option<Source> {
        if anchors.contains(&value) {
            return self.place_of(value);
        }
        let number = self.deopt.labels.number(&self.fb.func.dfg, value);
        for &anchor in anchors {
            let Some(other) = self.deopt.labels.number(&self.fb.func.dfg, anchor) else { continue };
            if let Some(difference) = number.and_then(|number| self.deopt.labels.difference(number, other)) {
                let (bits, difference) = difference;
                let operands = Box::new([self.deopt.labels.source(other), Source::Constant(difference)]);
                return Some(Source::Operation(Operation::Add, bits, operands));
            }
        }
        let (base, bits) = self.bits_kept(value);
        for &anchor in anchors {
            let (other, known) = self.bits_kept(anchor);
            if other == base
                && known >= bits
                && let Some(source) = self.place_of(anchor)
            {
                return Some(source.low(bits));
            }
        }
        None
    }

    /// A value that is always the same, or in a register in memory.
    fn fixed(&mut self, value: Value, in_memory: &[(u8, Value)]) -> Option<Source> {
        if let Some(constant) = self.deopt.labels.constant(&self.fb.func.dfg, value) {
            return Some(Source::Constant(constant));
        }
        let (base, bits) = self.bits_kept(value);
        let found = in_memory.iter().find(|&&(_, register)| {
            let (other, known) = self.bits_kept(register);
            other == base && known >= bits
        });
        found.map(|&(n, _)| Source::X(n).low(bits))
    }
}
