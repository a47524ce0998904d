//! The ways out of a block, to others of the region and out of it.

use super::flags::Cost;
use super::state::Known;
use super::{Builder, MOST_COMPARED, TargetHash, is_fixed, trusted};
use crate::abi::layout;
use crate::abi::slot::Slot;
use crate::optimizing::region::{Context, Graph, MOST_CALLED, Plan, is_back_edge};
use cranelift_codegen::ir::InstBuilder;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{Block, BlockArg, BlockCall, JumpTableData, Opcode, Value};
use cranelift_frontend::FunctionBuilder;
use ir::{CpuState, GuestAddr, RegSet, Stop};
use std::collections::HashSet;
use std::mem::offset_of;

/// The blocks of a region and the ways between them and out.
pub(super) struct Edges {
    /// By node.
    pub blocks: Vec<Block>,
    /// By node, how many ways to it have not been built.
    pub unsealed: Vec<usize>,
    /// What is known at the end of a block's only predecessor, once that has been built.
    pub known_at: Vec<Option<Known>>,
    /// By context, where its code goes on outside of the region, if it does: with code and guest address as parameters.
    outside: Vec<Option<Block>>,
    /// Blocks of unlikely ways.
    pub cold: HashSet<Block>,
    /// Link slots and their targets; None once there were no more slots.
    pub exits: Option<Vec<(Slot, GuestAddr)>>,
}

impl Edges {
    pub fn new(fb: &mut FunctionBuilder<'_>, graph: &Graph, plan: &Plan) -> Self {
        let blocks: Vec<Block> = plan.predecessors.iter().map(|_| fb.create_block()).collect();
        for (&block, &holds_flags) in blocks.iter().zip(&plan.holds_flags) {
            if holds_flags {
                fb.append_block_param(block, I64);
            }
        }
        let mut unsealed = plan.predecessors.clone();
        // The entry's other way is from outside.
        unsealed[0] += 1;
        Self {
            known_at: vec![None; blocks.len()],
            blocks,
            unsealed,
            outside: vec![None; graph.contexts.len()],
            cold: HashSet::new(),
            exits: Some(Vec::new()),
        }
    }
}

impl Builder<'_, '_> {
    /// The context of the current node.
    pub(super) fn context(&self) -> usize {
        self.graph.context[self.current]
    }

    /// Goes to a guest address, inside the region or out of it. Ends the block.
    pub(super) fn leave_to(&mut self, target: GuestAddr) {
        self.leave_in(self.context(), target);
    }

    /// Goes to a guest address in a context, inside the region or out of it. Ends the block.
    pub(super) fn leave_in(&mut self, context: usize, target: GuestAddr) {
        self.ended = true;
        self.flush_checks();
        let Some(index) = self.graph.node(context, target) else { return self.exit_in(context, target) };
        // The turns of a replayed loop leave memory as it was when the loop began: that must be exact.
        let begins_replay = self.plan.replayed[index] && index != self.current;
        let taken = if begins_replay { RegSet::default() } else { self.plan.dirty_in[index] };
        self.store_registers(self.now.dirty.without(taken));
        self.now.dirty = self.now.dirty.intersection(taken);
        let known = self.now.known();
        let mut number = None;
        if index > self.current && self.plan.predecessors[index] == 1 {
            self.edges.known_at[index] = Some(known);
        } else if self.plan.flags_known[index] {
            let merged = self.edges.known_at[index].map_or(known, |before| before.merged(known));
            self.edges.known_at[index] = Some(merged);
        } else if self.plan.flags_by_edge[index] {
            number = self.say_flags(index);
        } else if self.plan.flags_in[index] && !(index == self.current && self.plan.replayed[index]) {
            self.store_flags(Cost::Instructions);
            // The safepoint need not store them again.
            self.now.flags.set_clean();
        }
        if is_back_edge(self.current, index) {
            self.safepoint(target);
        }
        self.load_for(index);
        let block = self.edges.blocks[index];
        let number: Vec<BlockArg> = number.into_iter().map(BlockArg::from).collect();
        self.fb.ins().jump(block, &number);
        self.seal_one(index);
    }

    /// Whether the first of two ways leads to what should stand nearer by: back to the start of a loop rather than
    /// out of it, and in the order of the region's blocks.
    pub(super) fn is_nearer(&self, one: GuestAddr, other: GuestAddr) -> bool {
        let node = |target| self.graph.node(self.context(), target).unwrap_or(usize::MAX);
        node(one) < node(other)
    }

    /// Leaves the region for a known address, through a link slot. Ends the block.
    pub(super) fn exit_to(&mut self, target: GuestAddr) {
        self.exit_in(self.context(), target);
    }

    /// Leaves the region for a known address in a context. Ends the block.
    pub(super) fn exit_in(&mut self, context: usize, target: GuestAddr) {
        self.flush_checks();
        self.store_dirty();
        let (code, pc) = self.linked(target);
        self.exit_through(context, code, pc);
    }

    /// Goes on in code outside of the region. The code is that of a function that the context's call has entered: it
    /// returns to the region, if that contains the call. Ends the block.
    pub(super) fn exit_through(&mut self, context: usize, code: Value, pc: Value) {
        if context == 0 {
            self.fb.ins().return_call_indirect(self.signatures.exit, code, &[pc]);
            return;
        }
        let outside = self.edges.outside[context].expect("the plan knows the contexts that are left");
        self.fb.ins().jump(outside, &[code.into(), pc.into()]);
    }

    /// Makes the blocks in which contexts go on outside of the region.
    pub(super) fn declare_outside(&mut self) {
        for context in (1..self.edges.outside.len()).filter(|&context| self.plan.is_left[context]) {
            let block = self.cold_block();
            self.fb.append_block_param(block, I64);
            self.fb.append_block_param(block, I64);
            self.edges.outside[context] = Some(block);
        }
    }

    /// Builds the call by which a context, that of a call of the current node, goes on outside.
    pub(super) fn go_outside(&mut self, context: usize) {
        let Some(block) = self.edges.outside[context] else { return };
        self.switch_to(block);
        let &[code, pc] = self.fb.block_params(block) else { unreachable!("it was made with two") };
        self.call_code(code, pc, self.graph.contexts[context].back);
    }

    /// Goes to a computed address: to the blocks of the region that it has been seen to be by a jump table, elsewhere
    /// by the lookup table. Ends the block.
    pub(super) fn jump_computed(&mut self, target: Value) {
        let (plan, graph, context) = (self.plan, self.graph, self.context());
        let seen = graph.computed[self.current].iter();
        let cases: Vec<(usize, GuestAddr)> = seen.filter_map(|&at| Some((graph.node(context, at)?, at))).collect();
        if cases.is_empty() {
            return self.exit_indirect(target);
        }
        if cases.iter().any(|&(index, _)| plan.flags_in[index]) {
            self.store_flags(Cost::Instructions);
            self.now.flags.set_clean();
        }
        if cases.len() <= MOST_COMPARED {
            return self.jump_compared(target, &cases);
        }
        let elsewhere = self.fb.create_block();
        let ways: Vec<Block> = cases.iter().map(|_| self.fb.create_block()).collect();
        let starts: Vec<GuestAddr> = cases.iter().map(|&(_, start)| start).collect();
        let by_offset = self.offset_of_target(target, &starts);
        let is_exact = by_offset.is_some();
        let (index, indices, entries) = by_offset.unwrap_or_else(|| self.hash_of_target(target, &starts));
        let mut table = vec![elsewhere; entries];
        for (&index, &way) in indices.iter().zip(&ways) {
            table[index] = way;
        }
        let pool = &mut self.fb.func.dfg.value_lists;
        let default = BlockCall::new(elsewhere, [], pool);
        let calls: Vec<BlockCall> = table.iter().map(|&block| BlockCall::new(block, [], pool)).collect();
        let jump_table = self.fb.create_jump_table(JumpTableData::new(default, &calls));
        self.fb.ins().br_table(index, jump_table);
        let (dirty, flags) = (self.now.dirty, self.now.flags);
        for (&start, &way) in starts.iter().zip(&ways) {
            self.fb.seal_block(way);
            self.switch_to(way);
            if !is_exact {
                let go = self.fb.create_block();
                let expected = self.pc_value(start);
                let same = self.fb.ins().icmp(IntCC::Equal, target, expected);
                self.fb.ins().brif(same, go, &[], elsewhere, &[]);
                self.fb.seal_block(go);
                self.switch_to(go);
            }
            (self.now.dirty, self.now.flags) = (dirty, flags);
            self.leave_to(start);
        }
        self.fb.seal_block(elsewhere);
        self.switch_to(elsewhere);
        (self.now.dirty, self.now.flags) = (dirty, flags);
        self.exit_indirect(target);
    }

    /// For a jump table: an index computed from a hash of the target, those of the targets that have been seen, and the
    /// number of entries. Others may have the same index.
    pub(super) fn hash_of_target(&mut self, target: Value, seen: &[GuestAddr]) -> (Value, Vec<usize>, usize) {
        let from = if is_fixed(self.entry) { GuestAddr(0) } else { self.entry };
        let hash = TargetHash::new(from, seen.iter().copied());
        let distance = if from == self.entry { self.fb.ins().isub(target, self.entry_pc) } else { target };
        let shifted = self.fb.ins().ushr_imm_s(distance, i64::from(hash.shift));
        let masked = self.fb.ins().band_imm_s(shifted, hash.entries() as i64 - 1);
        let index = self.fb.ins().ireduce(I32, masked);
        (index, seen.iter().map(|&start| hash.index(start)).collect(), hash.entries())
    }

    /// The same without any hash, for a target that is a known address and a scaled offset out of the guest's own jump
    /// table of bytes or halfwords: the offset is the index, so that no other target has it.
    pub(super) fn offset_of_target(&mut self, target: Value, seen: &[GuestAddr]) -> Option<(Value, Vec<usize>, usize)> {
        const MOST_ENTRIES: i64 = 512;
        let [one, other] = self.operands_of(Opcode::Iadd, target)?;
        let (from, scaled) = match self.known_pc(one) {
            Some(from) => (from, other),
            None => (self.known_pc(other)?, one),
        };
        let [offset, amount] = self.operands_of(Opcode::Ishl, scaled)?;
        let shift = self.shift_of(amount, 64)?;
        if !self.fits_in_16_bits(offset) || shift > 4 {
            return None;
        }
        // Offsets are within 32 bits, and so is what they are scaled to: different offsets are different targets.
        let offsets = seen.iter().map(|start| {
            let distance = start.0.wrapping_sub(from.0) as i64;
            (distance == distance >> shift << shift).then_some(distance >> shift)
        });
        let offsets: Vec<i64> = offsets.collect::<Option<_>>()?;
        let (least, most) = (*offsets.iter().min()?, *offsets.iter().max()?);
        // What is below the least becomes a large unsigned number, which is not in the table either.
        let first = if (0..16).contains(&least) { 0 } else { least };
        if least < -0x8000 || most > 0xffff || most - first >= MOST_ENTRIES {
            return None;
        }
        let low = self.fb.ins().ireduce(I32, offset);
        let index = if first == 0 { low } else { self.fb.ins().iadd_imm_s(low, -first) };
        let indices = offsets.iter().map(|offset| (offset - first) as usize).collect();
        Some((index, indices, (most - first) as usize + 1))
    }

    /// Whether a value is an extended byte or halfword.
    pub(super) fn fits_in_16_bits(&self, value: Value) -> bool {
        let dfg = &self.fb.func.dfg;
        let extends_few = dfg.value_def(value).inst().is_some_and(|inst| match dfg.insts[inst].opcode() {
            Opcode::Sextend => dfg.value_type(dfg.inst_args(inst)[0]).bits() <= 16,
            Opcode::Sload8 | Opcode::Sload16 => true,
            _ => false,
        });
        extends_few || self.significant_bits(value) <= 16
    }

    /// Goes to a computed address: compared with a few that it has been seen to be, then looked up. Ends the block.
    pub(super) fn jump_compared(&mut self, target: Value, cases: &[(usize, GuestAddr)]) {
        for &(_, start) in cases {
            self.leave_if_same(target, self.context(), start);
        }
        self.exit_indirect(target);
    }

    /// Leaves the region for a computed address, through the lookup table. Ends the block.
    pub(super) fn exit_indirect(&mut self, target: Value) {
        self.ended = true;
        self.store_dirty();
        let code = self.looked_up(target);
        self.exit_through(self.context(), code, target);
    }

    /// Calls a guest function at a known address: one that is in the region, or as `call_code` does. Ends the block.
    pub(super) fn call_to(&mut self, target: GuestAddr, back: GuestAddr) {
        self.ended = true;
        if let Some(context) = self.graph.callee[self.current] {
            return self.leave_in(context, target);
        }
        self.store_dirty();
        let (code, pc) = self.linked(target);
        self.call_code(code, pc, back);
    }

    /// Calls a guest function at a computed address: one that is in the region, or as `call_code` does. Ends the block.
    pub(super) fn call_indirect_to(&mut self, target: Value, back: GuestAddr) {
        self.ended = true;
        let graph = self.graph;
        for (context, function) in graph.callees(self.current) {
            self.leave_if_same(target, context, function);
        }
        self.store_dirty();
        let code = self.called_code(target);
        self.call_code(code, target, back);
    }

    /// Goes to a guest address in a context if that is the computed one, and on here if not.
    pub(super) fn leave_if_same(&mut self, computed: Value, context: usize, target: GuestAddr) {
        let (go, other) = self.compare_target(computed, target);
        let (dirty, flags) = (self.now.dirty, self.now.flags);
        self.switch_to(go);
        self.leave_in(context, target);
        (self.now.dirty, self.now.flags) = (dirty, flags);
        self.switch_to(other);
    }

    /// Ends the block by comparing a computed guest address with a known one: new blocks for the same and for another.
    pub(super) fn compare_target(&mut self, computed: Value, known: GuestAddr) -> (Block, Block) {
        let (same, other) = (self.fb.create_block(), self.fb.create_block());
        let expected = self.pc_value(known);
        let is_same = self.fb.ins().icmp(IntCC::Equal, computed, expected);
        self.fb.ins().brif(is_same, same, &[], other, &[]);
        self.fb.seal_block(same);
        self.fb.seal_block(other);
        (same, other)
    }

    /// The code for a computed function: compared with those that this call has been seen to call, if they are few,
    /// then looked up.
    pub(super) fn called_code(&mut self, target: Value) -> Value {
        let graph = self.graph;
        let seen = &graph.called[self.current];
        if seen.len() > MOST_CALLED {
            return self.looked_up(target);
        }
        let inside: Vec<GuestAddr> = graph.callees(self.current).map(|(_, function)| function).collect();
        let seen: Vec<GuestAddr> = seen.iter().copied().filter(|function| !inside.contains(function)).collect();
        if seen.is_empty() {
            return self.looked_up(target);
        }
        let done = self.fb.create_block();
        let code = self.fb.append_block_param(done, I64);
        for function in seen {
            let (hit, miss) = self.compare_target(target, function);
            self.switch_to(hit);
            let (linked, _) = self.linked(function);
            self.fb.ins().jump(done, &[linked.into()]);
            self.switch_to(miss);
        }
        let found = self.looked_up(target);
        self.fb.ins().jump(done, &[found.into()]);
        self.fb.seal_block(done);
        self.switch_to(done);
        code
    }

    /// A guest return: to behind the call if that is in the region, else to the host frame of the guest's caller, which
    /// looks whether it is meant. Ends the block.
    pub(super) fn return_to(&mut self, target: Value) {
        self.ended = true;
        let context = self.context();
        if context != 0 {
            let Context { back, parent, .. } = self.graph.contexts[context];
            if self.plan.returns_surely[self.current] {
                return self.leave_in(parent, back);
            }
            self.leave_if_same(target, parent, back);
        }
        self.store_dirty();
        self.fb.ins().return_(&[target]);
    }

    /// Code and guest address of a direct exit; the code comes from a new link slot.
    pub(super) fn linked(&mut self, target: GuestAddr) -> (Value, Value) {
        let slot = self.memory.take_slot();
        match (&mut self.edges.exits, slot) {
            (Some(exits), Some(slot)) => exits.push((slot, target)),
            (exits, _) => *exits = None,
        }
        let slot_offset = 8 * slot.map_or(0, |slot| slot.0 as i32);
        let pc = self.pc_value(target);
        let base = self.load_state(I64, layout::backend_word(layout::SLOTS));
        (self.fb.ins().load(I64, trusted(), base, slot_offset), pc)
    }

    /// The code for a computed address. What is not in the lookup table leaves.
    pub(super) fn looked_up(&mut self, target: Value) -> Value {
        let table = self.load_state(I64, layout::backend_word(layout::LOOKUP));
        // Entries are 16 bytes and instructions 4: bits 2 and up of the address select the entry. Shifted last, so that
        // it is part of addresses.
        let selected = self.fb.ins().band_imm_s(target, (layout::LOOKUP_ENTRIES as i64 - 1) << 2);
        let offset = self.fb.ins().ishl_imm_s(selected, 2);
        let entry = self.fb.ins().iadd(table, offset);
        let tag = self.fb.ins().load(I64, trusted(), entry, 0);
        let miss = self.fb.ins().icmp(IntCC::NotEqual, tag, target);
        self.side_exit(miss, |b| {
            b.store_state(target, offset_of!(CpuState, pc) as i32);
            b.exit_with(layout::EXIT_LOOKUP);
        });
        self.fb.ins().load(I64, trusted(), entry, 8)
    }

    /// A guest call as a host call. Registers are in memory. The callee comes back with the guest address it returned
    /// to. If that is `back`, the guest goes on there with registers from memory; if not (longjmp, a switch of stacks),
    /// the address is handed on to our own caller.
    pub(super) fn call_code(&mut self, code: Value, pc: Value, back: GuestAddr) {
        let call = self.fb.ins().call_indirect(self.signatures.exit, code, &[pc]);
        let returned = self.fb.inst_results(call)[0];
        let elsewhere = if is_fixed(self.entry) {
            let expected = self.pc_value(back);
            self.fb.ins().icmp(IntCC::NotEqual, returned, expected)
        } else {
            // Compared so, only the region's entry is kept across the call.
            let distance = back.0.wrapping_sub(self.entry.0) as i64;
            let entry = self.fb.ins().iadd_imm_s(returned, distance.wrapping_neg());
            self.fb.ins().icmp(IntCC::NotEqual, entry, self.entry_pc)
        };
        self.side_exit(elsewhere, |b| {
            b.fb.ins().return_(&[returned]);
        });
        (self.now.dirty, self.now.loaded) = (RegSet::default(), RegSet::default());
        self.now.set_known(Known::NOTHING);
        self.leave_to(back);
    }

    /// Stops at the current instruction. Ends the block; state must have been written back or is stored here.
    pub(super) fn exit_stop(&mut self, stop: Stop) {
        self.store_dirty();
        let pc = self.pc_value(self.pc);
        self.store_state(pc, offset_of!(CpuState, pc) as i32);
        self.exit_with(layout::EXIT_STOP | stop as u64);
    }

    /// Leaves generated code. Ends the block.
    pub(super) fn exit_with(&mut self, code: u64) {
        let code = self.iconst(code);
        self.exit_with_value(code);
    }

    pub(super) fn exit_with_value(&mut self, code: Value) {
        let exit = self.load_state(I64, layout::backend_word(layout::EXIT));
        self.fb.ins().return_call_indirect(self.signatures.exit, exit, &[code]);
    }

    /// At the entry: leaves if a safepoint is wanted, and when guest calls have used up the host stack. Leaving drops
    /// all host frames, which hold nothing that is not in guest registers too.
    pub(super) fn entry_check(&mut self) {
        self.fb.ins().sequence_point();
        let sp = self.fb.ins().get_stack_pointer(I64);
        let guard = self.load_state(I64, layout::STACK_GUARD);
        let leave = self.fb.ins().icmp(IntCC::UnsignedLessThan, sp, guard);
        self.side_exit(leave, |b| {
            b.store_state(b.entry_pc, offset_of!(CpuState, pc) as i32);
            b.exit_with(layout::EXIT_SAFEPOINT);
        });
    }

    /// Leaves if a safepoint is wanted, for then the word is above all addresses; the guest goes on at `target`.
    pub(super) fn safepoint(&mut self, target: GuestAddr) {
        // Other threads write it: the alias analysis must not take an earlier look for this one.
        self.fb.ins().sequence_point();
        let word = self.load_state(I64, layout::SAFEPOINT);
        let cpu = self.cpu();
        let leave = self.fb.ins().icmp(IntCC::UnsignedLessThan, cpu, word);
        self.side_exit(leave, |b| {
            b.store_dirty();
            let pc = b.pc_value(target);
            b.store_state(pc, offset_of!(CpuState, pc) as i32);
            b.exit_with(layout::EXIT_SAFEPOINT);
        });
    }

    /// After a write of FPCR: this code is for one value of FZ.
    pub(super) fn leave_if_mode_changed(&mut self) {
        let fpcr = self.load_state(I32, offset_of!(CpuState, fpcr) as i32);
        let flushing = self.fb.ins().band_imm_s(fpcr, i64::from(CpuState::FPCR_FZ));
        let wrong = if self.mode.flushing { IntCC::Equal } else { IntCC::NotEqual };
        let changed = self.fb.ins().icmp_imm_s(wrong, flushing, 0);
        self.side_exit(changed, |b| {
            b.store_dirty();
            let next = b.pc_value(b.pc.offset(4));
            b.store_state(next, offset_of!(CpuState, pc) as i32);
            b.exit_with(layout::EXIT_LOOKUP);
        });
    }
}
