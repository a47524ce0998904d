//! What all guest threads share: the code known, the compiler, and its thread.

pub mod dispatcher;
pub mod host_stack;
mod profile;
mod worker;

use crate::abi::mode::Mode;
use crate::abi::stats::Stats;
use crate::abi::trampoline::{self, CodePtr};
use crate::baseline::Emitter;
use crate::block::{Block, BlockKey};
use crate::bug::{self, Doing};
use crate::codecache::generation::{Generation, Kind};
use crate::codecache::map::CodeMap;
use crate::codecache::object::Compiled;
use crate::config::{Config, Holding, Tier};
use crate::engine::host_stack::HostStack;
use crate::engine::profile::Profiler;
use crate::engine::worker::Worker;
use crate::inject::{self, Failure};
use crate::interp::tier0::{self, FetchFault, HotBlock};
use crate::optimizing::compile::{CompileError, Compiler, Listing};
use crate::optimizing::region::{Limits, Region};
use ir::{CodeWatcher, Frontend, Guard, GuestAddr, GuestRange, Lock, Rank, eval};
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::sync::Arc;

/// A block that has run so many times less often than the entry is not taken into a region.
const COLDER: u32 = 16;
/// More work is done for a region when threads have been seen there so often.
const ENOUGH_SAMPLES: u32 = 5;
/// A code cache smaller than this is not worth having.
const LEAST_CODE_BYTES: usize = 2 << 20;
/// What compiling needs of a stack: Cranelift goes through trees of blocks by recursion.
const COMPILER_STACK_BYTES: usize = 4 << 20;

/// What compiles, made when first needed.
#[derive(Default)]
struct Workshop {
    compiler: Option<Compiler>,
    /// What it runs on, whichever thread compiles.
    stack: Option<HostStack>,
}

impl Workshop {
    fn shared() -> Arc<Lock<Self>> {
        Arc::new(Lock::new(Rank::Workshop, Self::default()))
    }
}

/// A region and what has been made of it.
type Made<I> = (Region<I>, Compiled, Listing);

/// What a request for compilation came to.
enum Attempt {
    /// The code.
    Done(CodePtr),
    /// The code cache has no room.
    CacheFull(Arc<Generation>),
    /// The region stays in tier 0, at least as it is now.
    Impossible,
}

/// May the guest fetch instructions at this address?
pub type MayFetch = Arc<dyn Fn(GuestAddr) -> bool + Send + Sync>;

/// All that threads share.
pub struct Engine<F: Frontend> {
    pub(crate) config: Config,
    may_fetch: MayFetch,
    /// Another one in its place when a thread has been killed that had it.
    compiler: Lock<Arc<Lock<Workshop>>>,
    worker: Worker,
    code: Lock<CodeMap<F>>,
    profiler: Lock<Profiler>,
}

impl<F: Frontend> Engine<F> {
    /// An engine for one address space. Installs the fault handler; Cranelift waits for the first hot block.
    #[must_use]
    pub fn new(config: Config, may_fetch: MayFetch) -> Arc<Self> {
        trampoline::install_fault_handler();
        let profiler = Lock::new(Rank::Profiler, Profiler::new(config.profile));
        Arc::new(Self {
            config,
            profiler,
            may_fetch,
            compiler: Lock::new(Rank::Compiler, Workshop::shared()),
            worker: Worker::of_this_process(),
            code: Lock::new(Rank::Code, CodeMap::default()),
        })
    }

    pub(crate) fn code(&self) -> Guard<'_, CodeMap<F>> {
        self.code.lock()
    }

    /// Which compiler there is.
    fn workshop(&self) -> Guard<'_, Arc<Lock<Workshop>>> {
        let mut workshop = self.compiler.lock();
        if self.worker.has_lost() {
            *workshop = Workshop::shared();
        }
        workshop
    }

    /// What has been done so far.
    pub fn stats(&self) -> Stats {
        self.code().all_stats()
    }

    /// What has been done when the process ends: from now on no code is added.
    pub fn final_stats(&self) -> Stats {
        let mut code = self.code();
        code.end();
        code.all_stats()
    }

    /// The block at a place, decoded now if it has not been. `pc` is the place's address, or a misaligned one.
    pub(crate) fn block(
        &self,
        code: &mut CodeMap<F>,
        pc: GuestAddr,
        key: BlockKey,
    ) -> Result<Arc<HotBlock<F>>, FetchFault> {
        if let Some(block) = code.block(key)
            && pc.is_aligned(4)
        {
            return Ok(Arc::clone(block));
        }
        if pc.is_aligned(4)
            && let Some(block) = code.revalidate(key, |block| tier0::is_unchanged(block, &*self.may_fetch))
        {
            return Ok(block);
        }
        let decoded = tier0::decode::<F>(pc, &*self.may_fetch, &mut code.scratch)?;
        if self.config.log.in_asm {
            self.log_guest_code(&decoded);
        }
        let block = Arc::new(HotBlock::new(key, decoded));
        code.add_block(Arc::clone(&block));
        Ok(block)
    }

    fn log_guest_code(&self, block: &Block<F::Insn>) {
        let mut text = String::new();
        for i in 0..block.insns.len() {
            let pc = block.start.offset(4 * i as i64);
            let word = ir::memory::load_u32(pc).unwrap_or(0);
            text += &format!("{:#018x}:  {word:08x}  {}\n", pc.0, F::disassemble(word, pc));
        }
        self.config.log.write(format_args!("IN:\n{text}\n"));
    }

    /// Has the region at a place compiled: now, or later on the background thread.
    pub(crate) fn translate(self: &Arc<Self>, entry: BlockKey) -> Option<CodePtr> {
        let restored = self.code().restore(entry, |block| tier0::is_unchanged(block, &*self.may_fetch));
        if restored.is_some() {
            return restored;
        }
        if self.config.tier == Tier::Jit { self.compile_now(entry) } else { self.request(entry) }
    }

    /// Emits the block, emptying the cache if it must.
    pub(crate) fn emit(&self, emitter: &mut Emitter, block: &HotBlock<F>) -> Option<CodePtr> {
        let started = self.config.count.then(std::time::Instant::now);
        let mut generation = self.generation()?;
        if generation.memory.is_full() {
            self.empty(&generation);
            generation = self.generation()?;
        }
        let runs = if self.config.tier == Tier::Auto { self.config.threshold } else { u32::MAX };
        let mode = self.mode(block.key);
        let emitted = bug::guarded(Doing::Emitting, || {
            inject::panic_if_due(Failure::Emitter);
            emitter.emit::<F>(&block.block, &generation.memory, runs, mode)
        });
        let compiled = match emitted {
            Ok(Ok(compiled)) => compiled,
            given_up => {
                if let Err(reason) = given_up {
                    self.config.log.write(format_args!("emu: the emitter failed: {reason}\n"));
                    *emitter = Emitter::new(self.config.emitted_uses);
                }
                self.code().stats.refused += 1;
                self.config.log.write(format_args!("emu: block at {} is not emitted\n", block.key.pc()));
                return None;
            }
        };
        let (at, bytes) = (compiled.code, compiled.bytes);
        if self.config.log.out_asm {
            // As bytes: a disassembler of ours would be for this only.
            let hex: String = emitter.code().iter().map(|byte| format!("{byte:02x}")).collect();
            self.config.log.write(format_args!("OUT: block {}, {bytes} bytes at {:#x}\n{hex}\n", block.key.pc(), at.0));
        }
        let mut code = self.code();
        if !code.publish(&generation, block.key, std::slice::from_ref(&block.block), compiled, Kind::Baseline) {
            return None;
        }
        self.announce("block", block.key, &generation, at, bytes);
        code.stats.emitted += 1;
        code.stats.emitted_insns += block.insn_count();
        code.stats.emitted_bytes += u64::from(bytes);
        code.stats.emit_ns += started.map_or(0, |since| since.elapsed().as_nanos() as u64);
        Some(at)
    }

    /// The generation that code goes into now.
    fn generation(&self) -> Option<Arc<Generation>> {
        let mut code = self.code();
        if code.generation.is_none() {
            // Where address space is short (`ulimit -v`), a smaller one will do, and the compiler needs memory too.
            let most = usize::try_from(trampoline::address_space_limit() / 8).unwrap_or(usize::MAX);
            let sizes = std::iter::successors(Some(self.config.code_bytes), |bytes| Some(bytes / 4));
            let sizes = sizes.filter(|&bytes| bytes <= most.max(LEAST_CODE_BYTES));
            let mut sizes = sizes.take_while(|&bytes| bytes >= LEAST_CODE_BYTES);
            code.generation = sizes.find_map(|bytes| Generation::new(bytes).ok());
        }
        code.generation.clone()
    }

    /// Compiles the region at `entry` and links it.
    fn compile(&self, entry: BlockKey) -> Attempt {
        let started = std::time::Instant::now();
        let workshop = Arc::clone(&self.workshop());
        let mut workshop = workshop.lock();
        if self.code().is_refused(entry) {
            return Attempt::Impossible;
        }
        let Some(generation) = self.generation() else { return Attempt::Impossible };
        let made = self.make_region(&mut workshop, entry, &generation);
        let (region, compiled, listing) = match made {
            Ok(Some(made)) => made,
            Ok(None) => return Attempt::Impossible,
            Err(CompileError::CacheFull) => return Attempt::CacheFull(generation),
            Err(CompileError::Refused(reason)) => {
                let pc = entry.pc();
                self.config.log.write(format_args!("emu: region at {pc} stays in the tier below: {reason}\n"));
                self.code().refuse(entry);
                return Attempt::Impossible;
            }
        };
        self.log_listing(entry, &compiled, listing);
        let (at, insns, bytes) = (compiled.code, region.insn_count() as u64, compiled.bytes);
        let is_cut = region.is_cut || compiled.would_hold;
        let mut code = self.code();
        code.stats.compile_ns += started.elapsed().as_nanos() as u64;
        if !code.publish(&generation, entry, &region.blocks, compiled, Kind::Optimized) {
            return Attempt::Impossible;
        }
        self.announce("region", entry, &generation, at, bytes);
        code.set_wants_budget(entry, is_cut);
        code.stats.regions += 1;
        code.stats.region_insns += insns;
        code.stats.region_bytes += u64::from(bytes);
        Attempt::Done(at)
    }

    /// Finds the region at `entry` and compiles it, on a stack of the compiler's own. A panic gives up the region; the
    /// compiler may be in any state then, and is made anew.
    fn make_region(
        &self,
        workshop: &mut Workshop,
        entry: BlockKey,
        generation: &Arc<Generation>,
    ) -> Result<Option<Made<F::Insn>>, CompileError> {
        let Workshop { compiler, stack } = workshop;
        if stack.is_none() {
            *stack = HostStack::new(COMPILER_STACK_BYTES).ok();
        }
        let Some(stack) = stack else { return Ok(None) };
        bug::works_at(entry.pc().0);
        let made = bug::guarded(Doing::Compiling, || {
            stack.run(|| {
                let Some(region) = self.region_at(entry) else { return Ok(None) };
                if compiler.is_none() {
                    *compiler = Some(Compiler::new(Arc::clone(generation)).map_err(CompileError::Refused)?);
                }
                let Some(compiler) = compiler.as_mut() else { return Ok(None) };
                compiler.turn_to(generation);
                let mut mode = self.mode(entry);
                if mode.holding == Holding::Usual && self.code().has_raised_budget(entry) {
                    mode.holding = Holding::Always;
                }
                inject::panic_if_due(Failure::Compiler);
                let wanted = (self.config.log.clif, self.config.log.out_asm);
                compiler
                    .compile::<F>(&region, mode, wanted)
                    .map(|(compiled, listing)| Some((region, compiled, listing)))
            })
        });
        made.unwrap_or_else(|reason| {
            // What it holds may be in any state too.
            let _ = bug::guarded(Doing::Compiling, || drop(compiler.take()));
            Err(CompileError::Refused(reason))
        })
    }

    fn log_listing(&self, entry: BlockKey, compiled: &Compiled, listing: Listing) {
        let log = &self.config.log;
        if let Some(clif) = listing.clif {
            log.write(format_args!("CLIF of region {}:\n{clif}\n", entry.pc()));
        }
        if let Some(asm) = listing.host_asm {
            let (pc, at) = (entry.pc(), compiled.code.0);
            log.write(format_args!("OUT: region {pc}, {} bytes at {at:#x}\n{asm}\n", compiled.bytes));
        }
    }

    /// Tells profilers of new code. Whoever publishes it does so with the lock of the code held: what is counted has
    /// been announced, and nothing else.
    fn announce(&self, kind: &str, entry: BlockKey, generation: &Generation, code: CodePtr, bytes: u32) {
        let mut profiler = self.profiler.lock();
        if profiler.is_on() {
            profiler.announce(kind, entry.pc(), code.0, &generation.memory.copy(code, bytes));
        }
    }

    fn mode(&self, entry: BlockKey) -> Mode {
        let Config { count, holding, .. } = self.config;
        Mode { flushing: entry.flushing(), count, holding, untags: eval::tags_met() }
    }

    /// The region to compile at `entry`: blocks that have run; in tier 1 only, all that can be decoded.
    fn region_at(&self, entry: BlockKey) -> Option<Region<F::Insn>> {
        let on_sight = self.config.tier == Tier::Jit;
        let code = RefCell::new(self.code());
        let known = |pc| {
            let key = entry.at(pc);
            if on_sight || key == entry {
                return self.block(&mut code.borrow_mut(), pc, key).ok().map(|b| Arc::clone(&b.block));
            }
            let code = code.borrow();
            let seen = code.block_run(key, self.config.threshold / COLDER, self.config.threshold);
            seen.map(|b| Arc::clone(&b.block))
        };
        let computed = |pc| code.borrow().block(entry.at(pc)).map(|block| block.seen_targets()).unwrap_or_default();
        let limits = Limits { insns: self.config.region_insns, callee_insns: self.config.callee_insns };
        let limits = if code.borrow().has_raised_budget(entry) { limits.wider() } else { limits };
        Region::discover(entry.pc(), limits, known, computed)
    }

    /// Compiles now, emptying the cache if it must.
    fn compile_now(&self, entry: BlockKey) -> Option<CodePtr> {
        for _ in 0..2 {
            match self.compile(entry) {
                Attempt::Done(code) => return Some(code),
                Attempt::Impossible => return None,
                Attempt::CacheFull(full) => self.empty(&full),
            }
        }
        None
    }

    /// Has the background thread compile, or compiles now if there can be none.
    fn request(self: &Arc<Self>, entry: BlockKey) -> Option<CodePtr> {
        if self.worker.submit(entry, self.work()) { None } else { self.compile_now(entry) }
    }

    /// What the background thread does.
    fn work(self: &Arc<Self>) -> impl FnOnce() + Send + 'static {
        let engine = Arc::clone(self);
        move || {
            let mut seen = FxHashMap::default();
            engine.worker.serve(
                |keys| engine.hottest(keys),
                |key| engine.compile_behind(key),
                |is_first| engine.look_around(is_first, &mut seen),
            );
        }
    }

    /// Starts the background thread, if there is none, before another process goes on in this memory beside this one:
    /// that one may not start it.
    pub fn start_worker(self: &Arc<Self>) {
        if self.config.tier == Tier::Auto {
            self.worker.start_for_others(self.work());
        }
    }

    /// Has compiled what a process has asked for that had this memory for some time.
    pub fn catch_up(self: &Arc<Self>) {
        if self.worker.is_wanted() {
            self.start_worker();
        }
    }

    /// Index of the place whose block has run most.
    fn hottest(&self, keys: &[BlockKey]) -> usize {
        let code = self.code();
        keys.iter().enumerate().max_by_key(|&(_, &key)| code.heat(key)).map_or(0, |(index, _)| index)
    }

    /// What the background thread does with a request.
    fn compile_behind(&self, entry: BlockKey) {
        if self.code().block(entry).is_none() {
            // The guest has changed it, or the cache was emptied, since it was asked for.
            return;
        }
        if self.code().cool_down_if_covered(entry, self.config.threshold) {
            return;
        }
        let wider = self.extensible(entry);
        if let Some(wider) = wider {
            self.code().stats.extended += 1;
            self.compile_now(wider);
            if self.code().cool_down_if_covered(entry, self.config.threshold) {
                return;
            }
        }
        self.compile_now(entry);
    }

    /// What the background thread does when there are no requests: sees where threads are, and compiles a region again
    /// with wider limits in which it has `seen` them several times. Says whether it has.
    fn look_around(&self, is_first: bool, seen: &mut FxHashMap<BlockKey, u32>) -> bool {
        let mut code = self.code();
        let samples = code.samples();
        if is_first {
            // The code was another then.
            seen.clear();
            return false;
        }
        for entry in samples.into_iter().flat_map(|sample| code.regions_wanting_budget(sample)) {
            *seen.entry(entry).or_default() += 1;
        }
        let most = seen.iter().max_by_key(|&(_, &times)| times).filter(|&(_, &times)| times >= ENOUGH_SAMPLES);
        let Some((&entry, _)) = most else { return false };
        seen.remove(&entry);
        code.raise_budget(entry);
        code.stats.widened += 1;
        drop(code);
        self.compile_now(entry);
        // They may be in a loop of the old code, and never leave it.
        self.code().request_exit();
        true
    }

    /// The entry of a region that runs into `hot`, which leads back to it.
    fn extensible(&self, hot: BlockKey) -> Option<BlockKey> {
        let loops: Vec<GuestAddr> = self.region_at(hot)?.blocks.iter().map(|block| block.start).collect();
        self.code().extensible(hot, self.config.region_insns, |entry| loops.contains(&entry))
    }

    /// The guest uses tags in addresses: forgets all code that was made without knowing that.
    #[cold]
    pub(crate) fn ignore_tags(&self) {
        let mut code = self.code();
        if !std::mem::replace(&mut code.untags, true) {
            code.empty();
        }
    }

    /// Forgets all compiled code, if that is still the code of `full`.
    fn empty(&self, full: &Arc<Generation>) {
        let mut code = self.code();
        if code.generation.as_ref().is_some_and(|now| Arc::ptr_eq(now, full)) {
            code.empty();
        }
    }

    /// Stops the background thread, if there is one, so that the process has no thread but the guest's: the kernel
    /// refuses some calls otherwise. What waits for it waits until something else does.
    pub fn stop_worker(&self) {
        self.worker.stop();
    }

    /// Calls `fork`, which says whether it has returned in the child, with the background thread at rest and none of
    /// the engine's locks held by another thread.
    pub fn around_fork(&self, fork: &mut dyn FnMut() -> bool) {
        self.worker.around_fork(|| {
            let workshop = self.workshop();
            let _compiler = workshop.lock();
            let mut code = self.code();
            // A thread may still run the code of an earlier generation, and meet a fault there.
            let generations = code.generations();
            let _records: Vec<_> = generations.iter().map(|generation| generation.lock_for_fork(&code)).collect();
            let _profiler = self.profiler.lock();
            let _sink = self.config.log.sink.lock();
            let child = fork();
            if child {
                code.keep_only_thread(std::thread::current().id());
            }
            child
        });
    }
}

impl<F: Frontend> CodeWatcher for Engine<F> {
    fn code_changed(&self, range: GuestRange) {
        self.code().invalidate(range);
    }
}
