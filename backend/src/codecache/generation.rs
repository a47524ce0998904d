//! Everything compiled between two times that the code cache was emptied: its memory, and what is known of each piece of
//! code in it, which a thread that has met a fault asks without any other lock. Invariant: code is never taken from
//! under a thread; a generation's memory goes when the last thread has left it.

use crate::abi::frame::FaultFrame;
use crate::abi::layout;
use crate::abi::trampoline::CodePtr;
use crate::block::BlockKey;
use crate::codecache::memory::CodeMemory;
use crate::deopt::location::DeoptLocation;
use crate::deopt::source::{FlagSource, Source};
use crate::deopt::value::{self, DeoptValue};
use ir::{CpuState, Guard, GuestRange, Lock, Rank};
use std::ops::Range;
use std::sync::Arc;

/// What made a piece of code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The emitter, of one block.
    Baseline,
    /// The optimising tier.
    Optimized,
}

/// A piece of compiled code.
pub struct CodeObject {
    pub kind: Kind,
    pub entry: BlockKey,
    pub bytes: u32,
    pub insns: u32,
    /// What it was made from: the block at its entry, and others.
    pub first: GuestRange,
    pub others: Box<[GuestRange]>,
    /// Its part of `Objects::locations`.
    pub locations: Range<u32>,
    /// Where the flags of its checkpoints are.
    pub flag_sources: Box<[FlagSource]>,
    /// Its exits' numbers in `CodeMap::links`.
    pub links: Range<u32>,
    /// Registers of its checkpoints that are not in memory, by offset, ascending.
    pub deopt_values: Box<[DeoptValue]>,
    /// What some of those follow from.
    pub sources: Box<[Source]>,
    /// It may be entered.
    pub alive: bool,
    /// How often its entry was compiled again to take in more blocks.
    pub extended: u8,
}

impl CodeObject {
    pub fn ranges(&self) -> impl Iterator<Item = &GuestRange> {
        std::iter::once(&self.first).chain(&*self.others)
    }
}

/// What is known after a fault beside the registers.
pub struct Recovered {
    /// How many values were not in memory.
    pub values: u64,
    /// As many instructions from the checkpoint have been performed.
    pub performed: usize,
    /// What they have loaded, but for loads behind the last store.
    pub loaded: Vec<u128>,
}

/// The objects of a generation by address. New code stands behind what is there, or nearly so.
#[derive(Default)]
pub struct Objects {
    /// Where the code of each begins, ascending.
    pub starts: Vec<u64>,
    pub list: Vec<CodeObject>,
    /// Ascending for each object.
    pub locations: Vec<DeoptLocation>,
}

impl Objects {
    pub fn insert(&mut self, code: CodePtr, object: CodeObject) {
        let at = self.starts.partition_point(|&start| start < code.0);
        self.starts.insert(at, code.0);
        self.list.insert(at, object);
    }

    pub fn get(&self, code: u64) -> Option<&CodeObject> {
        if code == 0 {
            return None;
        }
        self.starts.binary_search(&code).ok().map(|i| &self.list[i])
    }

    pub fn get_mut(&mut self, code: u64) -> Option<&mut CodeObject> {
        if code == 0 {
            return None;
        }
        self.starts.binary_search(&code).ok().map(|i| &mut self.list[i])
    }
}

/// Everything compiled between two times that the code cache was emptied.
pub struct Generation {
    /// Its memory.
    pub memory: CodeMemory,
    objects: Lock<Objects>,
}

impl Generation {
    /// An empty one.
    pub fn new(code_bytes: usize) -> std::io::Result<Arc<Self>> {
        let objects = Lock::new(Rank::Objects, Objects::default());
        Ok(Arc::new(Self { memory: CodeMemory::new(code_bytes)?, objects }))
    }

    /// Keeps other threads out of the objects, which one that has met a fault looks at without any other lock. `code` is
    /// the lock of the code known, without which nobody does this to several generations.
    pub fn lock_for_fork<C>(&self, code: &Guard<'_, C>) -> Guard<'_, Objects> {
        self.objects.lock_beside(code)
    }

    pub fn objects(&self) -> Guard<'_, Objects> {
        self.objects.lock()
    }

    /// After a fault at a host address: makes `cpu` what it was at the checkpoint from which tier 0 takes over. None
    /// if no code there may fault.
    pub fn recover(&self, cpu: &mut CpuState, host_pc: u64, saved: &FaultFrame) -> Option<Recovered> {
        let objects = self.objects();
        let last = objects.starts.partition_point(|&start| start <= host_pc).checked_sub(1)?;
        let object = &objects.list[last];
        let offset = host_pc - objects.starts[last];
        let locations = &objects.locations[object.locations.start as usize..object.locations.end as usize];
        let after = locations.partition_point(|location| u64::from(location.offset) <= offset);
        let location = locations[after.checked_sub(1)?];
        if offset >= u64::from(object.bytes) {
            return None;
        }
        cpu.pc = location.pc;
        let first = object.deopt_values.partition_point(|deopt_value| u64::from(deopt_value.offset) < offset);
        let here = object.deopt_values[first..].partition_point(|deopt_value| u64::from(deopt_value.offset) == offset);
        let deopt_values = &object.deopt_values[first..first + here];
        let loaded = value::recover(saved, cpu, deopt_values, &object.sources);
        let performed = usize::from(location.performed);
        let recovered = Recovered { values: deopt_values.len() as u64, performed, loaded };
        // The flags last: they follow from registers.
        let by_edge = cpu.backend[layout::FLAGS_BY_EDGE] as u32;
        let number = if location.flags == DeoptLocation::FLAGS_BY_EDGE { by_edge } else { location.flags };
        if let Some(index) = (number as usize).checked_sub(1) {
            cpu.flags = object.flag_sources[index].flags(cpu, saved);
        }
        Some(recovered)
    }
}
