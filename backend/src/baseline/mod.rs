//! The third implementation of `Ops`: one pass from a guest basic block to x86-64 code, for blocks too warm to
//! interpret and too cold for Cranelift. This file owns the block under construction and the entry point; its children
//! say how each operation is emitted. Code is independent of where the code cache and the guest lie: guest addresses
//! are computed from the block's own, helpers are found through `CpuState`, and what is in the cache at its distance
//! from the code.
//!
//! Registers: r15 is the `CpuState`, rdi the block's guest address, rax, rcx, rdx and xmm0 to xmm5 are scratch, the
//! pool is that of `registers.rs`, and rbp is left alone. Invariants: when an instruction that can fault or stop runs,
//! memory holds every guest register and the flags; values are never changed once made, so that code out of line may
//! use them.

mod asm;
mod conditions;
mod exits;
mod expansion;
mod flags;
mod fp;
mod host;
mod int;
mod memory;
mod ops;
mod registers;
mod shared;
mod value;
mod vector;

use crate::abi::counts;
use crate::abi::mode::Mode;
use crate::abi::slot::Slot;
use crate::block::Block;
use crate::codecache::memory::CodeMemory;
use crate::codecache::object::Compiled;
use crate::config::Extensions;
use crate::deopt::location::DeoptLocation;
use asm::{Asm, Label};
use exits::Cold;
use expansion::Node;
use flags::Flags;
use ir::{Flow, Footprint, Frontend, GuestAddr, RegSet};
use registers::{Places, Registers};
use shared::Shared;

/// The block stays in tier 0: the host registers did not suffice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Refused;

/// What is known of an instruction from those behind it.
#[derive(Clone, Copy, Default)]
struct After {
    /// Registers overwritten before anything needs them in memory.
    dead: RegSet,
    /// The flags are.
    dead_flags: bool,
}

/// Emits blocks one after the other; what it allocates is used again.
pub(crate) struct Emitter {
    asm: Asm,
    host: Extensions,
    regs: Registers,
    flags: Flags,
    flags_saved: bool,
    after: Vec<After>,
    now: After,
    cold: Vec<Cold>,
    exits: Vec<(Slot, GuestAddr)>,
    locations: Vec<DeoptLocation>,
    /// For one-block loops: where they go back to, and what is in registers there.
    head: Option<Label>,
    places: Places,
    slots: Vec<Slot>,
    /// Of the last expansion.
    nodes: Vec<Node>,
    /// Distance of slot 0 from the start of the code cache.
    slots_start: u32,
    shared: Shared,
    start: GuestAddr,
    pc: GuestAddr,
    mode: Mode,
    ended: bool,
    refused: bool,
}

impl Emitter {
    /// Emits code that uses these extensions of the host.
    pub fn new(host: Extensions) -> Self {
        let mut emitter = Self {
            asm: Asm::default(),
            host,
            regs: Registers::default(),
            flags: Flags::InMemory,
            flags_saved: true,
            after: Vec::new(),
            now: After::default(),
            cold: Vec::new(),
            exits: Vec::new(),
            locations: Vec::new(),
            head: None,
            places: Places::default(),
            slots: Vec::new(),
            nodes: Vec::new(),
            slots_start: 0,
            shared: Shared::default(),
            start: GuestAddr(0),
            pc: GuestAddr(0),
            mode: Mode::default(),
            ended: false,
            refused: false,
        };
        emitter.shared = emitter.make_shared();
        emitter
    }

    /// Emits `block` and places it in the code cache, which must not be full. Slots are taken one at a time: the first
    /// counts the runs that are left until the code leaves with `EXIT_HOT`.
    pub fn emit<F: Frontend>(
        &mut self,
        block: &Block<F::Insn>,
        memory: &CodeMemory,
        runs: u32,
        mode: Mode,
    ) -> Result<Compiled, Refused> {
        self.mode = mode;
        self.begin::<F>(block);
        let counter = memory.take_counter(runs).ok_or(Refused)?;
        // Both ways out of a conditional branch, or a call and the way back, at most.
        self.slots.clear();
        let ways = match block.flow {
            Flow::Branch(_) | Flow::Call(_) => 2,
            Flow::Indirect | Flow::Return => 0,
            _ => 1,
        };
        for _ in 0..ways {
            self.slots.push(memory.take_slot().ok_or(Refused)?);
        }
        self.shared.place(memory.shared(&self.shared.code).ok_or(Refused)?);
        self.slots_start = memory.slot_offset(Slot(0));
        self.entry(memory.slot_offset(counter), block.successors().contains(&Some(block.start)));
        if mode.count {
            self.count(counts::EMITTED_INSNS, block.insns.len() as i32);
        }
        for (i, insn) in block.insns.iter().enumerate() {
            self.pc = block.start.offset(4 * i as i64);
            self.now = self.after[i];
            let Ok(()) = F::lift(insn, self);
            self.end_instruction();
        }
        if !self.ended {
            self.leave_to(block.next());
        }
        self.emit_cold();
        if self.refused {
            return Err(Refused);
        }
        self.asm.finish();
        let code = memory.append(self.asm.code.len(), |start| self.asm.settle(start)).ok_or(Refused)?;
        Ok(Compiled {
            code,
            bytes: self.asm.offset(),
            exits: self.exits.clone(),
            counter: Some(counter),
            locations: self.locations.clone(),
            flag_sources: Vec::new(),
            deopt_values: Vec::new(),
            sources: Vec::new(),
            would_hold: false,
        })
    }

    /// The code last emitted.
    pub fn code(&self) -> &[u8] {
        &self.asm.code
    }

    fn begin<F: Frontend>(&mut self, block: &Block<F::Insn>) {
        self.asm.clear();
        self.regs.clear();
        self.flags = Flags::InMemory;
        self.flags_saved = true;
        self.cold.clear();
        self.exits.clear();
        self.locations.clear();
        self.head = None;
        self.start = block.start;
        self.pc = block.start;
        self.ended = false;
        self.refused = false;
        self.look_ahead::<F>(block);
    }

    /// Finds backwards which writes are overwritten before anything needs them, and what the block reads first.
    fn look_ahead<F: Frontend>(&mut self, block: &Block<F::Insn>) {
        self.after.clear();
        self.after.resize(block.insns.len(), After::default());
        let mut after = After::default();
        let mut reads = RegSet::default();
        for (i, insn) in block.insns.iter().enumerate().rev() {
            self.after[i] = after;
            let mut f = Footprint::default();
            let Ok(()) = F::lift(insn, &mut f);
            reads = f.reads.union(reads.without(f.writes));
            after = if f.needs_state {
                After::default()
            } else {
                After { dead: after.dead.union(f.writes), dead_flags: after.dead_flags || f.writes_flags }
            };
        }
        self.regs.read_first = reads;
    }

    fn end_instruction(&mut self) {
        self.regs.unlock();
    }

    /// From here on a fault is the current guest instruction's.
    fn mark_location(&mut self) {
        if self.locations.last().is_none_or(|last| last.pc != self.pc) {
            self.locations.push(DeoptLocation { offset: self.asm.offset(), flags: 0, pc: self.pc, performed: 0 });
        }
    }
}
