//! Tier 0: basic blocks decoded once into lifters and arguments, and the loop that performs them with `ir::Eval`.

use crate::abi::slot::Slot;
use crate::block::BlockKey;
use crate::block::{Block, Words};
use ir::eval::Known;
use ir::{CpuState, Eval, Frontend, Guard, GuestAddr, Lock, PAGE_BYTES, Rank, Stop, memory};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// Longest block, in instructions. A longer run of straight code is several blocks.
const MAX_INSNS: usize = 64;
/// The same in bytes.
pub const MOST_BLOCK_BYTES: u64 = 4 * MAX_INSNS as u64;

/// A block as tier 0 runs it.
pub struct HotBlock<F: Frontend> {
    /// Where it is.
    pub key: BlockKey,
    /// The decoded instructions, which tier 1 takes too.
    pub block: Arc<Block<F::Insn>>,
    /// The instructions of `block`, which are found faster here.
    insns: Arc<[F::Insn]>,
    /// Where its computed branch (BR, BLR) went, if it ends with one.
    targets: Option<Box<Lock<Vec<GuestAddr>>>>,
    /// How often it has run in tier 0.
    pub count: AtomicU32,
    /// It was hot once, but only as part of a loop that has been compiled from another entry.
    pub cooled: AtomicBool,
    /// The compiler has refused the region here.
    pub refused: AtomicBool,
    /// Code that begins here, or 0.
    pub code: AtomicU64,
    /// The slot that counts down the runs of its emitted code, plus 1; 0 if there is none.
    counter: AtomicU32,
    /// The guest has changed its instructions, or the cache was emptied: look again what is at this place.
    pub dead: AtomicBool,
}

/// As many targets of a computed branch as are remembered.
const MOST_TARGETS: usize = 64;

/// A fetch that the guest may not make, as the stop to report.
#[derive(Clone, Copy, Debug)]
pub struct FetchFault {
    stop: Stop,
    detail: ir::StopDetail,
}

impl FetchFault {
    /// Puts it into the registers.
    pub fn report(self, cpu: &mut CpuState) -> Stop {
        cpu.stop = self.detail;
        self.stop
    }
}

const SEGV_ACCERR: i32 = 2;

/// Decodes the block at `start`; `insns` is room to work in.
pub fn decode<F: Frontend>(
    start: GuestAddr,
    may_fetch: &(dyn Fn(GuestAddr) -> bool + Send + Sync),
    insns: &mut Vec<F::Insn>,
) -> Result<Arc<Block<F::Insn>>, FetchFault> {
    if !start.is_aligned(4) {
        let detail = ir::StopDetail { addr: start, ..Default::default() };
        return Err(FetchFault { stop: Stop::Misaligned, detail });
    }
    insns.clear();
    let mut flow = ir::Flow::Next;
    let mut checked_page = None;
    let mut words = Words::new();
    while insns.len() < MAX_INSNS {
        let pc = start.offset(4 * insns.len() as i64);
        let fetched = memory::load_u32(pc);
        let allowed = checked_page == Some(pc.page()) || fetched.is_err() || may_fetch(pc);
        checked_page = Some(pc.page());
        let word = match fetched {
            Ok(word) if allowed => word,
            // The block ends before the page that cannot be fetched; the fault is the next block's.
            _ if !insns.is_empty() => break,
            Ok(_) => {
                let detail = ir::StopDetail { addr: pc, signal: libc::SIGSEGV, code: SEGV_ACCERR, is_write: false };
                return Err(FetchFault { stop: Stop::Fault, detail });
            }
            Err(fault) => {
                let detail = ir::StopDetail { addr: pc, signal: fault.signal, code: fault.code, is_write: false };
                return Err(FetchFault { stop: Stop::Fault, detail });
            }
        };
        let insn = F::decode(word, pc);
        flow = F::flow(&insn, pc);
        words.push(word);
        insns.push(insn);
        if flow.ends_block() {
            break;
        }
    }
    Ok(Arc::new(Block { start, insns: insns.as_slice().into(), words, flow }))
}

/// Whether the guest could fetch the same block now.
pub fn is_unchanged<I>(block: &Block<I>, may_fetch: &(dyn Fn(GuestAddr) -> bool + Send + Sync)) -> bool {
    let mut pages = pages_of(block.start, block.next());
    let pcs = block.words.iter().zip((0..).step_by(4).map(|offset| block.start.offset(offset)));
    pages.all(|page| may_fetch(GuestAddr(page * PAGE_BYTES).max(block.start)))
        && pcs.into_iter().all(|(&word, pc)| memory::load_u32(pc) == Ok(word))
}

impl<F: Frontend> HotBlock<F> {
    /// Prepares a block for running.
    pub fn new(key: BlockKey, block: Arc<Block<F::Insn>>) -> Self {
        Self {
            key,
            insns: Arc::clone(&block.insns),
            targets: matches!(block.flow, ir::Flow::Indirect | ir::Flow::IndirectCall)
                .then(|| Box::new(Lock::new(Rank::Targets, Vec::new()))),
            block,
            count: AtomicU32::new(0),
            cooled: AtomicBool::new(false),
            refused: AtomicBool::new(false),
            code: AtomicU64::new(0),
            counter: AtomicU32::new(0),
            dead: AtomicBool::new(false),
        }
    }

    /// Performs the block. `cpu.pc` ends at the next instruction to run, or at the one that stopped.
    pub fn run(&self, cpu: &mut CpuState) -> Result<(), Stop> {
        let start = self.key.pc();
        let (last, body) = self.insns.split_last().expect("a block has an instruction");
        let mut eval = Eval::new(cpu);
        for (index, insn) in body.iter().enumerate() {
            let (lifter, args) = F::lifter(insn);
            if let Err(stop) = lifter(&mut eval, args) {
                cpu.pc = start.offset(4 * index as i64);
                return Err(stop);
            }
        }
        // The last one overwrites this if it branches.
        eval.cpu.pc = start.offset(4 * self.insns.len() as i64);
        let (lifter, args) = F::lifter(last);
        lifter(&mut eval, args).inspect_err(|_| {
            cpu.pc = start.offset(4 * (self.insns.len() as i64 - 1));
        })?;
        self.saw_target(cpu.pc);
        Ok(())
    }

    /// [`HotBlock::run`] of the first instructions, so many at most, with something known of their accesses.
    pub fn run_knowing(&self, cpu: &mut CpuState, insns: usize, known: &mut Known) -> Result<(), Stop> {
        let start = self.key.pc();
        for (pc, insn) in (0..).step_by(4).map(|offset| start.offset(offset)).zip(self.insns.iter().take(insns)) {
            let (lifter, args) = F::lifter(insn);
            // What branches overwrites it; only the last one does.
            cpu.pc = pc.offset(4);
            lifter(&mut Eval { cpu, known: Some(&mut *known) }, args).inspect_err(|_| cpu.pc = pc)?;
        }
        Ok(())
    }

    /// The slot that counts down the runs of its emitted code.
    pub fn counter(&self) -> Option<Slot> {
        self.counter.load(Ordering::Relaxed).checked_sub(1).map(Slot)
    }

    /// Its code has such a slot, or none any more.
    pub fn set_counter(&self, slot: Option<Slot>) {
        self.counter.store(slot.map_or(0, |slot| slot.0 + 1), Ordering::Relaxed);
    }

    /// It has no code any more. It has been seen to run, which regions want to know.
    pub fn become_hot_anew(&self) {
        self.count.store(1, Ordering::Relaxed);
        self.set_counter(None);
    }

    /// Whether it ends with a computed branch, whose targets are worth knowing.
    pub fn is_computed(&self) -> bool {
        self.targets.is_some()
    }

    /// Where its computed branch has gone so far.
    pub fn seen_targets(&self) -> Vec<GuestAddr> {
        self.lock_targets().map(|seen| seen.clone()).unwrap_or_default()
    }

    /// None if another thread is at them, or was when this process was forked: a fork cannot take the locks of all blocks.
    fn lock_targets(&self) -> Option<Guard<'_, Vec<GuestAddr>>> {
        const TRIES: usize = 100;
        let targets = self.targets.as_ref()?;
        (0..TRIES).find_map(|_| {
            let guard = targets.try_lock();
            if guard.is_none() {
                std::hint::spin_loop();
            }
            guard
        })
    }

    /// Remembers where its computed branch has gone.
    fn saw_target(&self, target: GuestAddr) {
        if let Some(mut targets) = self.lock_targets()
            && targets.len() < MOST_TARGETS
            && !targets.contains(&target)
        {
            targets.push(target);
        }
    }

    /// Number of instructions.
    pub fn insn_count(&self) -> u64 {
        self.insns.len() as u64
    }

    /// One more run; gives the number of runs so far.
    pub fn tick(&self) -> u32 {
        // A lost update among threads only delays compilation.
        let count = self.count.load(Ordering::Relaxed).saturating_add(1);
        self.count.store(count, Ordering::Relaxed);
        count
    }
}

/// Numbers of the pages that `start..end` touches.
pub fn pages_of(start: GuestAddr, end: GuestAddr) -> RangeInclusive<u64> {
    start.0 / PAGE_BYTES..=end.0.wrapping_sub(1).max(start.0) / PAGE_BYTES
}
