//! The dispatcher and what all threads share: decoded blocks, regions, and the links between regions. Invariants:
//! a slot is in `incoming` of its target as long as its region lives in the code cache, and points to code exactly
//! while a region with that entry is alive; whatever the generation counter covers is found again after it changed.

use crate::cache::{CodeMemory, Slot};
use crate::compile::{CompileError, Compiled, Compiler};
use crate::emitter::Emitter;
use crate::helpers;
use crate::layout;
use crate::lookup::Lookup;
use crate::region::Region;
use crate::tier0::{self, FetchFault, HotBlock, pages_of};
use crate::trampoline::{self, CodePtr};
use crate::worker::Worker;
use ir::{CodeWatcher, CpuState, Frontend, GuestAddr, GuestRange, Stop, eval, memory};
use std::collections::HashMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// FPCR.FZ: flush denormals to zero.
pub const FPCR_FZ: u32 = 1 << 24;

/// Which tiers run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Tier {
    /// Tier 0 only.
    Eval,
    /// Tier 1 only: everything is compiled on first sight.
    Jit,
    /// Every block is emitted on first sight.
    Emit,
    /// Tier 0 first, tier 1 for what is hot.
    #[default]
    Auto,
}

/// What to log (`-d`), and where.
#[derive(Clone)]
pub struct Log {
    /// Guest instructions of every block decoded.
    pub in_asm: bool,
    /// CLIF of every region compiled.
    pub clif: bool,
    /// Host instructions of every region compiled.
    pub out_asm: bool,
    /// Every block or region entered from the dispatcher.
    pub exec: bool,
    /// Where it goes.
    pub sink: Arc<Mutex<Box<dyn Write + Send>>>,
}

impl Log {
    /// Logs nothing.
    #[must_use]
    pub fn none() -> Self {
        let sink: Box<dyn Write + Send> = Box::new(std::io::sink());
        Self { in_asm: false, clif: false, out_asm: false, exec: false, sink: Arc::new(Mutex::new(sink)) }
    }

    fn write(&self, text: std::fmt::Arguments<'_>) {
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        // A full disk or a closed pipe must not stop the guest.
        let _ = sink.write_fmt(text);
    }
}

/// Settings of an [`Engine`].
#[derive(Clone)]
pub struct Config {
    /// Which tiers run.
    pub tier: Tier,
    /// Runs of a block in tier 0 before tier 1 takes it.
    pub threshold: u32,
    /// Most instructions of a region.
    pub region_insns: usize,
    /// Size of the code cache. When it is full everything in it is forgotten.
    pub code_bytes: usize,
    /// What to log.
    pub log: Log,
}

impl Default for Config {
    fn default() -> Self {
        Self { tier: Tier::Auto, threshold: 500, region_insns: 200, code_bytes: 128 << 20, log: Log::none() }
    }
}

/// What has been done so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    /// Blocks decoded.
    pub blocks: u64,
    /// Instructions decoded.
    pub decoded_insns: u64,
    /// Regions compiled.
    pub regions: u64,
    /// Guest instructions compiled.
    pub compiled_insns: u64,
    /// Bytes of host code.
    pub code_bytes: u64,
    /// Time spent compiling.
    pub compile_ns: u64,
    /// How often the code cache was full and emptied.
    pub flushes: u64,
}

/// A compiled region, for as long as its code is in the cache.
struct RegionRecord {
    entry: GuestAddr,
    code: CodePtr,
    bytes: u32,
    ranges: Vec<GuestRange>,
    locations: Vec<(u32, GuestAddr)>,
    alive: bool,
}

struct Shared<F: Frontend> {
    blocks: HashMap<GuestAddr, Arc<HotBlock<F>>>,
    blocks_by_page: HashMap<u64, Vec<GuestAddr>>,
    /// In the order of their code.
    regions: Vec<RegionRecord>,
    by_entry: HashMap<GuestAddr, usize>,
    regions_by_page: HashMap<u64, Vec<usize>>,
    incoming: HashMap<GuestAddr, Vec<Slot>>,
    lookups: Vec<std::sync::Weak<Lookup>>,
    stats: Stats,
}

/// What a request for compilation came to.
enum Attempt {
    /// The region's entry.
    Done(CodePtr),
    /// The code cache has no room.
    CacheFull,
    /// The region stays in tier 0, at least as it is now.
    Impossible,
}

/// May the guest fetch instructions at this address?
pub type MayFetch = Arc<dyn Fn(GuestAddr) -> bool + Send + Sync>;

/// All that threads share.
pub struct Engine<F: Frontend> {
    config: Config,
    may_fetch: MayFetch,
    memory: Mutex<Option<Arc<CodeMemory>>>,
    /// Locked before `shared`, and until what it has compiled is published.
    compiler: Mutex<Option<Compiler>>,
    worker: Worker,
    /// The background thread found the code cache full: the next thread in the dispatcher empties it.
    full: AtomicBool,
    /// Counts up whenever blocks or regions go.
    generation: AtomicU64,
    shared: Mutex<Shared<F>>,
}

impl<F: Frontend> Engine<F> {
    /// An engine for one address space. Installs the fault handler; Cranelift waits for the first hot block.
    #[must_use]
    pub fn new(config: Config, may_fetch: MayFetch) -> Arc<Self> {
        trampoline::install_fault_handler();
        Arc::new(Self {
            config,
            may_fetch,
            memory: Mutex::new(None),
            compiler: Mutex::new(None),
            worker: Worker::default(),
            full: AtomicBool::new(false),
            generation: AtomicU64::new(0),
            shared: Mutex::new(Shared {
                blocks: HashMap::new(),
                blocks_by_page: HashMap::new(),
                regions: Vec::new(),
                by_entry: HashMap::new(),
                regions_by_page: HashMap::new(),
                incoming: HashMap::new(),
                lookups: Vec::new(),
                stats: Stats::default(),
            }),
        })
    }

    fn shared(&self) -> MutexGuard<'_, Shared<F>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has been done so far.
    pub fn stats(&self) -> Stats {
        self.shared().stats
    }

    /// The block at `pc`, decoded now if it has not been.
    fn block(&self, shared: &mut Shared<F>, pc: GuestAddr) -> Result<Arc<HotBlock<F>>, FetchFault> {
        if let Some(block) = shared.blocks.get(&pc) {
            return Ok(Arc::clone(block));
        }
        let decoded = tier0::decode::<F>(pc, &*self.may_fetch)?;
        if self.config.log.in_asm {
            self.log_guest_code(&decoded);
        }
        shared.stats.blocks += 1;
        shared.stats.decoded_insns += decoded.insns.len() as u64;
        let block = Arc::new(HotBlock::new(decoded));
        for page in block.pages() {
            shared.blocks_by_page.entry(page).or_default().push(pc);
        }
        shared.blocks.insert(pc, Arc::clone(&block));
        Ok(block)
    }

    fn log_guest_code(&self, block: &crate::region::Block<F::Insn>) {
        let mut text = String::new();
        for i in 0..block.insns.len() {
            let pc = block.start.offset(4 * i as i64);
            let word = ir::memory::load_u32(pc).unwrap_or(0);
            text += &format!("{:#018x}:  {word:08x}  {}\n", pc.0, F::disassemble(word, pc));
        }
        self.config.log.write(format_args!("IN:\n{text}\n"));
    }

    /// Compiles the region at `entry` and links it.
    fn compile(&self, entry: GuestAddr) -> Attempt {
        let started = std::time::Instant::now();
        let mut compiler = self.compiler.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(region) = self.region_at(entry) else { return Attempt::Impossible };
        if compiler.is_none() {
            let Ok(memory) = CodeMemory::new(self.config.code_bytes) else { return Attempt::Impossible };
            *self.memory.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&memory));
            *compiler = Compiler::new(memory).ok();
        }
        let Some(compiler) = compiler.as_mut() else { return Attempt::Impossible };
        let log = &self.config.log;
        let (compiled, listing) = match compiler.compile::<F>(&region, (log.clif, log.out_asm)) {
            Ok(done) => done,
            Err(CompileError::CacheFull) => return Attempt::CacheFull,
            Err(CompileError::Refused(reason)) => {
                log.write(format_args!("emu: region at {entry} stays in tier 0: {reason}\n"));
                return Attempt::Impossible;
            }
        };
        if let Some(clif) = listing.clif {
            log.write(format_args!("CLIF of region {entry}:\n{clif}\n"));
        }
        if let Some(asm) = listing.host_asm {
            log.write(format_args!("OUT: region {entry}, {} bytes at {:#x}\n{asm}\n", compiled.bytes, compiled.code.0));
        }
        let code = compiled.code;
        let Some(memory) = self.memory.lock().unwrap_or_else(PoisonError::into_inner).clone() else {
            return Attempt::Impossible;
        };
        let mut shared = self.shared();
        shared.stats.compile_ns += started.elapsed().as_nanos() as u64;
        if shared.publish(&memory, &region, compiled) { Attempt::Done(code) } else { Attempt::Impossible }
    }

    /// The region to compile at `entry`: blocks that have run; in tier 1 only, all that can be decoded.
    fn region_at(&self, entry: GuestAddr) -> Option<Region<F::Insn>> {
        let on_sight = self.config.tier == Tier::Jit;
        let mut shared = self.shared();
        Region::discover(entry, self.config.region_insns, |pc| {
            if on_sight || pc == entry {
                return self.block(&mut shared, pc).ok().map(|b| Arc::clone(&b.block));
            }
            let seen = shared.blocks.get(&pc).filter(|b| b.count.load(Ordering::Relaxed) > 0);
            seen.map(|b| Arc::clone(&b.block))
        })
    }

    /// Compiles now, emptying the cache if it must. Only from a thread in the dispatcher.
    fn compile_now(&self, entry: GuestAddr) -> Option<CodePtr> {
        match self.compile(entry) {
            Attempt::Done(code) => Some(code),
            Attempt::Impossible => None,
            Attempt::CacheFull => {
                self.flush();
                match self.compile(entry) {
                    Attempt::Done(code) => Some(code),
                    Attempt::Impossible | Attempt::CacheFull => None,
                }
            }
        }
    }

    /// The code cache, made when it is first wanted.
    fn code_memory(&self) -> Option<Arc<CodeMemory>> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.is_none() {
            *memory = CodeMemory::new(self.config.code_bytes).ok();
        }
        memory.clone()
    }

    /// Emits the block, emptying the cache if it must. Only from a thread in the dispatcher.
    fn emit_now(&self, emitter: &mut Emitter, block: &HotBlock<F>) -> Option<CodePtr> {
        let memory = self.code_memory()?;
        if memory.is_full() {
            self.flush();
            memory.reset();
        }
        let started = std::time::Instant::now();
        let mut shared = self.shared();
        let emitted = emitter.emit::<F>(&block.block, &memory, u32::MAX).ok()?;
        let code = emitted.code;
        if self.config.log.out_asm {
            // As bytes: a disassembler of ours would be for this only.
            let hex: String = emitter.code().iter().map(|byte| format!("{byte:02x}")).collect();
            let (entry, bytes) = (block.block.start, emitted.bytes);
            self.config.log.write(format_args!("OUT: block {entry}, {bytes} bytes at {:#x}\n{hex}\n", code.0));
        }
        let compiled = Compiled { code, bytes: emitted.bytes, exits: emitted.exits, locations: emitted.locations };
        let published = shared.publish(&memory, &Region { blocks: vec![Arc::clone(&block.block)] }, compiled);
        shared.stats.compile_ns += started.elapsed().as_nanos() as u64;
        published.then_some(code)
    }

    /// Has the background thread compile, or compiles now if there can be none.
    fn request(self: &Arc<Self>, entry: GuestAddr) -> Option<CodePtr> {
        let engine = Arc::clone(self);
        let body = move || {
            engine.worker.serve(|entry| {
                if engine.shared().cool_down_if_covered(entry) {
                    return;
                }
                if matches!(engine.compile(entry), Attempt::CacheFull) {
                    engine.full.store(true, Ordering::Release);
                }
            });
        };
        if self.worker.submit(entry, body) { None } else { self.compile_now(entry) }
    }

    /// Brings the background thread to rest: a fork may follow.
    pub fn pause_compiler(&self) {
        self.worker.pause();
    }

    /// Lets it go on, in the parent or in the child of the fork.
    pub fn resume_compiler(&self, in_child: bool) {
        self.worker.resume(in_child);
    }

    /// Forgets all compiled code. Only from a thread that is not in generated code, while no other is.
    fn flush(&self) {
        let mut compiler = self.compiler.lock().unwrap_or_else(PoisonError::into_inner);
        let mut shared = self.shared();
        shared.stats.flushes += 1;
        shared.regions.clear();
        shared.by_entry.clear();
        shared.regions_by_page.clear();
        shared.incoming.clear();
        for block in shared.blocks.values() {
            block.code.store(0, Ordering::Release);
            // What is still hot comes back by the same way.
            block.count.store(0, Ordering::Relaxed);
        }
        for lookup in shared.lookups.iter().filter_map(std::sync::Weak::upgrade) {
            lookup.clear();
        }
        if let Some(compiler) = compiler.as_mut() {
            compiler.flush();
        }
        self.generation.fetch_add(1, Ordering::AcqRel);
    }
}

impl<F: Frontend> Shared<F> {
    /// Makes a compiled region known and links it both ways; not if the guest has changed its code meanwhile.
    fn publish(&mut self, memory: &CodeMemory, region: &Region<F::Insn>, compiled: Compiled) -> bool {
        let unchanged = region
            .blocks
            .iter()
            .all(|block| self.blocks.get(&block.start).is_some_and(|now| Arc::ptr_eq(&now.block, block)));
        if !unchanged {
            return false;
        }
        let entry = region.entry();
        self.stats.regions += 1;
        self.stats.compiled_insns += region.insn_count() as u64;
        self.stats.code_bytes += u64::from(compiled.bytes);
        let index = self.regions.len();
        let ranges: Vec<GuestRange> =
            region.blocks.iter().map(|b| GuestRange { start: b.start, end: b.next() }).collect();
        for range in &ranges {
            for page in pages_of(range.start, range.end) {
                let regions = self.regions_by_page.entry(page).or_default();
                if regions.last() != Some(&index) {
                    regions.push(index);
                }
            }
        }
        self.by_entry.insert(entry, index);
        for &(slot, target) in &compiled.exits {
            self.incoming.entry(target).or_default().push(slot);
            if let Some(&to) = self.by_entry.get(&target) {
                let to = if to == index { compiled.code } else { self.regions[to].code };
                memory.link(slot, to);
            }
        }
        for &slot in self.incoming.get(&entry).into_iter().flatten() {
            memory.link(slot, compiled.code);
        }
        if let Some(block) = self.blocks.get(&entry) {
            block.code.store(compiled.code.0, Ordering::Release);
        }
        self.regions.push(RegionRecord {
            entry,
            code: compiled.code,
            bytes: compiled.bytes,
            ranges,
            locations: compiled.locations,
            alive: true,
        });
        true
    }

    /// Whether a region compiled since `entry` was asked for runs that block too: the blocks of a loop become hot
    /// together. Then the block starts counting again, once; if it is entered from elsewhere it comes back.
    fn cool_down_if_covered(&mut self, entry: GuestAddr) -> bool {
        let here = self.regions_by_page.get(&(entry.0 / ir::PAGE_BYTES));
        let covered = here.into_iter().flatten().any(|&index| {
            let region = &self.regions[index];
            region.alive && region.ranges.iter().any(|range| range.start == entry)
        });
        let Some(block) = self.blocks.get(&entry) else { return false };
        if !covered || block.cooled.swap(true, Ordering::Relaxed) {
            return false;
        }
        block.count.store(0, Ordering::Relaxed);
        true
    }

    /// Takes out of use what was made from `range`. Code stays in the cache until the next flush.
    fn invalidate(&mut self, memory: Option<&CodeMemory>, range: GuestRange) -> bool {
        let mut changed = false;
        let pages: Vec<u64> = if range.bytes() / ir::PAGE_BYTES > self.blocks_by_page.len() as u64 {
            self.blocks_by_page.keys().chain(self.regions_by_page.keys()).copied().collect()
        } else {
            pages_of(range.start, range.end).collect()
        };
        for page in pages {
            let mut dead = Vec::new();
            if let Some(starts) = self.blocks_by_page.get_mut(&page) {
                starts.retain(|start| {
                    let Some(block) = self.blocks.get(start) else { return false };
                    let hit = range.overlaps(GuestRange { start: *start, end: block.block.next() });
                    if hit {
                        dead.push(*start);
                    }
                    !hit
                });
            }
            changed |= !dead.is_empty();
            for start in dead {
                self.blocks.remove(&start);
            }
            for index in self.regions_by_page.get(&page).cloned().unwrap_or_default() {
                if self.regions[index].alive && self.regions[index].ranges.iter().any(|r| r.overlaps(range)) {
                    self.retire(memory, index);
                    changed = true;
                }
            }
        }
        changed
    }

    fn retire(&mut self, memory: Option<&CodeMemory>, index: usize) {
        let region = &mut self.regions[index];
        region.alive = false;
        let entry = region.entry;
        if self.by_entry.get(&entry) == Some(&index) {
            self.by_entry.remove(&entry);
        }
        if let Some(memory) = memory {
            for &slot in self.incoming.get(&entry).into_iter().flatten() {
                memory.link(slot, trampoline::unlinked_stub());
            }
        }
        if let Some(block) = self.blocks.get(&entry) {
            block.code.store(0, Ordering::Release);
        }
        self.lookups.retain(|lookup| match lookup.upgrade() {
            Some(lookup) => {
                lookup.remove(entry);
                true
            }
            None => false,
        });
    }

    /// The guest instruction whose code lies at a host address.
    fn guest_pc(&self, host_pc: u64) -> Option<GuestAddr> {
        let after = self.regions.partition_point(|region| region.code.0 <= host_pc);
        let region = &self.regions[after.checked_sub(1)?];
        let offset = host_pc - region.code.0;
        if offset >= u64::from(region.bytes) {
            return None;
        }
        let after = region.locations.partition_point(|&(start, _)| u64::from(start) <= offset);
        Some(region.locations[after.checked_sub(1)?].1)
    }
}

impl<F: Frontend> CodeWatcher for Engine<F> {
    fn code_changed(&self, range: GuestRange) {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if self.shared().invalidate(memory.as_deref(), range) {
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
    }
}

const NEAR_ENTRIES: usize = 1 << 13;

/// One guest thread's way through the engine.
pub struct Thread<F: Frontend> {
    engine: Arc<Engine<F>>,
    lookup: Arc<Lookup>,
    /// Direct-mapped cache of blocks, valid for `generation`.
    near: Vec<Option<Arc<HotBlock<F>>>>,
    generation: u64,
    emitter: Emitter,
}

impl<F: Frontend> Thread<F> {
    /// A thread of the engine's address space.
    pub fn new(engine: &Arc<Engine<F>>) -> std::io::Result<Self> {
        let lookup = Arc::new(Lookup::new()?);
        engine.shared().lookups.push(Arc::downgrade(&lookup));
        Ok(Self {
            engine: Arc::clone(engine),
            lookup,
            near: (0..NEAR_ENTRIES).map(|_| None).collect(),
            generation: engine.generation.load(Ordering::Acquire),
            emitter: Emitter::default(),
        })
    }

    /// Runs the guest from `cpu.pc` until something is to be done about it. `cpu.pc` is then the instruction that
    /// stopped.
    pub fn run(&mut self, cpu: &mut CpuState) -> Stop {
        cpu.backend[layout::HELPERS] = helpers::TABLE.address();
        cpu.backend[layout::LOOKUP] = self.lookup.address();
        eval::fp::enter_guest_fp(cpu);
        let stop = loop {
            if let Err(stop) = self.step(cpu) {
                break stop;
            }
        };
        eval::fp::leave_guest_fp(cpu);
        stop
    }

    fn step(&mut self, cpu: &mut CpuState) -> Result<(), Stop> {
        if cpu.safepoint.load(Ordering::Relaxed) != 0 {
            return Err(Stop::Safepoint);
        }
        if self.engine.full.swap(false, Ordering::AcqRel) {
            self.engine.flush();
        }
        let (place, block) = self.find(cpu)?;
        let result = self.run_block(cpu, &block);
        self.near[place] = Some(block);
        result
    }

    fn run_block(&mut self, cpu: &mut CpuState, block: &HotBlock<F>) -> Result<(), Stop> {
        let tier = self.engine.config.tier;
        if tier != Tier::Eval && cpu.fpcr & FPCR_FZ == 0 {
            let mut code = CodePtr(block.code.load(Ordering::Acquire));
            if code.0 == 0 && tier == Tier::Emit {
                if block.tick() == 1 {
                    // As with the compiler: what runs here must raise nothing in the guest's FPSR.
                    eval::fp::leave_guest_fp(cpu);
                    code = self.engine.emit_now(&mut self.emitter, block).unwrap_or(CodePtr(0));
                    eval::fp::enter_guest_fp(cpu);
                }
            } else if code.0 == 0 && (block.tick() == self.engine.config.threshold || tier == Tier::Jit) {
                // The compiler does arithmetic of its own, which must neither see the guest's rounding mode nor raise
                // exceptions in its FPSR.
                eval::fp::leave_guest_fp(cpu);
                let engine = &self.engine;
                let compiled = if tier == Tier::Jit { engine.compile_now(cpu.pc) } else { engine.request(cpu.pc) };
                code = compiled.unwrap_or(CodePtr(0));
                eval::fp::enter_guest_fp(cpu);
            }
            if code.0 != 0 {
                self.lookup.insert(cpu.pc, code);
                return self.enter(cpu, code);
            }
        }
        if self.engine.config.log.exec {
            self.engine.config.log.write(format_args!("Trace tier0 {}\n", cpu.pc));
        }
        block.run(cpu)
    }

    /// The block at `cpu.pc`, taken out of its place in `near`, and that place: the caller puts it back. (Sharing it
    /// instead would cost two atomic operations a block.)
    fn find(&mut self, cpu: &mut CpuState) -> Result<(usize, Arc<HotBlock<F>>), Stop> {
        let generation = self.engine.generation.load(Ordering::Acquire);
        if generation != self.generation {
            self.near.fill_with(|| None);
            self.generation = generation;
        }
        let pc = cpu.pc;
        let place = (pc.0 >> 2) as usize & (NEAR_ENTRIES - 1);
        if let Some(block) = self.near[place].take()
            && block.block.start == pc
        {
            return Ok((place, block));
        }
        match self.engine.block(&mut self.engine.shared(), pc) {
            Ok(block) => Ok((place, block)),
            Err(fault) => Err(fault.report(cpu)),
        }
    }

    fn enter(&mut self, cpu: &mut CpuState, code: CodePtr) -> Result<(), Stop> {
        if self.engine.config.log.exec {
            self.engine.config.log.write(format_args!("Trace tier1 {}\n", cpu.pc));
        }
        if cpu.backend[layout::SLOTS] == 0 {
            let memory = self.engine.memory.lock().unwrap_or_else(PoisonError::into_inner);
            cpu.backend[layout::SLOTS] = memory.as_ref().map_or(0, |m| m.slots_base());
        }
        match trampoline::enter_region(cpu, code) {
            layout::EXIT_UNLINKED | layout::EXIT_LOOKUP | layout::EXIT_HOT => Ok(()),
            layout::EXIT_SAFEPOINT => Err(Stop::Safepoint),
            layout::EXIT_FAULT => {
                let host_pc = cpu.backend[layout::FAULT_PC];
                cpu.pc = self
                    .engine
                    .shared()
                    .guest_pc(host_pc)
                    .expect("only guest accesses fault in generated code, and each has a source location");
                if cpu.stop.code == memory::SI_KERNEL {
                    // The host did not say which address it was. Registers are exact, so do it again and see.
                    return self.find(cpu)?.1.run_one(cpu);
                }
                Err(Stop::Fault)
            }
            code => Err(stop_of(code)),
        }
    }
}

/// The stop in an exit code.
fn stop_of(code: u64) -> Stop {
    const ALL: [Stop; 7] = [
        Stop::Fault,
        Stop::Svc,
        Stop::Undefined,
        Stop::Breakpoint,
        Stop::Misaligned,
        Stop::CodeChanged,
        Stop::Safepoint,
    ];
    *ALL.iter().find(|&&s| layout::EXIT_STOP | s as u64 == code).expect("generated code returns the codes of `layout`")
}
