//! The dispatcher: one guest thread's way through decoded blocks and compiled code.

use crate::abi::control_block::{CODE_CHANGED, ControlBlock, Sample};
use crate::abi::counts;
use crate::abi::frame::FaultFrame;
use crate::abi::helpers;
use crate::abi::layout;
use crate::abi::trampoline::{self, CodePtr};
use crate::baseline::Emitter;
use crate::block::BlockKey;
use crate::bug::{self, Doing};
use crate::codecache::generation::{Generation, Recovered};
use crate::config::Tier;
use crate::engine::Engine;
use crate::inject;
use crate::interp::near::NearBlocks;
use crate::interp::tier0::HotBlock;
use ir::eval::Known;
use ir::memory::{Fault, SI_KERNEL};
use ir::{CpuState, Frontend, GuestAddr, Stop, Vcpu, Words, eval};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Host stack that guest calls may use, in bytes. Whoever makes a thread sees to it that there is more: emu's own
/// functions need the greater part.
const CALL_STACK_BYTES: u64 = 256 << 10;

/// One guest thread's way through the engine. Stays on the host thread that made it.
pub struct Thread<F: Frontend> {
    engine: Arc<Engine<F>>,
    control: Arc<ControlBlock>,
    /// Those that the control has.
    words: Option<Words>,
    near: NearBlocks<F>,
    /// Where the code lies that this thread runs.
    generation: Option<Arc<Generation>>,
    emitter: Emitter,
    /// The engine knows that the guest uses tags.
    untags: bool,
    /// What the host had at the last fault.
    fault_frame: Box<FaultFrame>,
}

impl<F: Frontend> Thread<F> {
    /// A thread of the engine's address space.
    pub fn new(engine: &Arc<Engine<F>>) -> std::io::Result<Self> {
        let control = Arc::new(ControlBlock::new(engine.config.count));
        control.lookup(false)?;
        engine.code().add_thread(&control);
        let emitter = Emitter::new(engine.config.emitted_uses);
        let (engine, fault_frame) = (Arc::clone(engine), Box::default());
        let near = NearBlocks::default();
        Ok(Self { engine, control, words: None, near, generation: None, emitter, untags: false, fault_frame })
    }

    /// Runs the guest from `cpu.pc` until something is to be done about it. `cpu.pc` is then the instruction that
    /// stopped.
    pub fn run(&mut self, cpu: &mut Vcpu) -> Stop {
        cpu.backend[layout::HELPERS] = helpers::TABLE.address();
        cpu.backend[layout::COUNTS] = self.control.counts.address();
        cpu.backend[layout::PREFETCH] = trampoline::prefetch_stubs();
        cpu.backend[layout::EXIT] = trampoline::exit_stub();
        cpu.backend[layout::FAULT_FRAME] = self.fault_frame.address();
        cpu.backend[layout::SLOTS] = self.generation.as_ref().map_or(0, |g| g.memory.slots_base());
        self.open_guard(cpu);
        if !self.words.as_ref().is_some_and(|words| words.are_of(cpu)) {
            self.control.attach(cpu.share_words());
            self.words = Some(cpu.share_words());
        }
        bug::runs(cpu.as_mut_ptr());
        bug::does(Doing::Tier0);
        let started = self.clock();
        eval::fp::enter_guest_fp(cpu);
        let answers = self.engine.config.answers;
        let stop = loop {
            match self.step(cpu) {
                Ok(()) => {}
                Err(Stop::Svc) if answers.is_some_and(|answers| answers(cpu)) => cpu.pc = cpu.pc.offset(4),
                Err(stop) => break stop,
            }
        };
        eval::fp::leave_guest_fp(cpu);
        bug::does(Doing::Else);
        self.spent(counts::RUN_NS, started);
        stop
    }

    /// The time, if times are counted.
    fn clock(&self) -> Option<Instant> {
        self.engine.config.count.then(Instant::now)
    }

    fn spent(&self, counter: usize, since: Option<Instant>) {
        if let Some(since) = since {
            self.control.counts.add(counter, since.elapsed().as_nanos() as u64);
        }
    }

    /// Lets generated code run. A safepoint asked for before is seen by looking at its word afterwards.
    fn open_guard(&self, cpu: &Vcpu) {
        let limit = trampoline::stack_pointer().saturating_sub(CALL_STACK_BYTES);
        let guard = &cpu.words().stack_guard;
        // It mostly is open, and stores in order are slow.
        if guard.load(Ordering::Relaxed) != limit {
            guard.store(limit, Ordering::SeqCst);
        }
    }

    fn step(&mut self, cpu: &mut Vcpu) -> Result<(), Stop> {
        if cpu.words().safepoint.load(Ordering::SeqCst) != 0 {
            // First the guard: it stays closed if a safepoint is asked for after the word was taken.
            self.open_guard(cpu);
            // Being here is all that those who have changed code want.
            if cpu.words().safepoint.fetch_and(!CODE_CHANGED, Ordering::SeqCst) & !CODE_CHANGED != 0 {
                return Err(Stop::Safepoint);
            }
        }
        let block = self.find(cpu)?;
        let result = self.run_block(cpu, &block);
        self.near.put(block);
        result
    }

    fn run_block(&mut self, cpu: &mut Vcpu, block: &Arc<HotBlock<F>>) -> Result<(), Stop> {
        let mut code = block.code.load(Ordering::SeqCst);
        if code == 0
            && let Some(tier) = self.due(block)
        {
            // The compiler does arithmetic of its own, which must neither see the guest's rounding mode nor raise
            // exceptions in its FPSR.
            eval::fp::leave_guest_fp(cpu);
            let started = self.clock();
            let translated = match tier {
                Tier::Emit => self.engine.emit(&mut self.emitter, block),
                _ => self.engine.translate(block.key),
            };
            code = translated.map_or(0, |code| code.0);
            self.spent(counts::TRANSLATE_NS, started);
            eval::fp::enter_guest_fp(cpu);
        }
        if code != 0 {
            return self.enter(cpu, block, CodePtr(code));
        }
        if self.engine.config.log.exec {
            self.engine.config.log.write(format_args!("Trace tier0 {}\n", cpu.pc));
        }
        self.control.counts.add(counts::TIER0_BLOCKS, 1);
        self.control.counts.add(counts::TIER0_INSNS, block.insn_count());
        let result = block.run(cpu);
        self.look_for_tags();
        result
    }

    /// After anything has been performed: code that ignores no tags is no good once there are some. The host stops it
    /// at each, and a monitor of an exclusive access that tier 0 has set would never be one that it knows.
    fn look_for_tags(&mut self) {
        if eval::tags_met() && !self.untags {
            self.untags = true;
            self.engine.ignore_tags();
        }
    }

    /// Counts a run in tier 0; gives the tier that should take the block now.
    fn due(&self, block: &HotBlock<F>) -> Option<Tier> {
        let config = &self.engine.config;
        let runs = block.tick();
        // The emitter knows nothing of flush-to-zero.
        let flushing = block.key.flushing();
        match config.tier {
            Tier::Eval => None,
            Tier::Jit => (!block.refused.load(Ordering::Relaxed)).then_some(Tier::Jit),
            Tier::Emit => (runs == 1 && !flushing).then_some(Tier::Emit),
            Tier::Auto if runs == config.threshold => Some(Tier::Jit),
            Tier::Auto => (runs == self.emit_threshold(block) && !flushing).then_some(Tier::Emit),
        }
    }

    /// Runs of a block in tier 0 before it is emitted. A computed branch stays longer, for only tier 0 sees where it
    /// goes.
    fn emit_threshold(&self, block: &HotBlock<F>) -> u32 {
        let runs = self.engine.config.emit_threshold;
        if block.is_computed() { runs.saturating_mul(8) } else { runs }
    }

    /// The block at `cpu.pc`, taken out of `near`: the caller puts it back.
    fn find(&mut self, cpu: &mut Vcpu) -> Result<Arc<HotBlock<F>>, Stop> {
        cpu.pc = cpu.pc.untagged();
        let key = BlockKey::new(cpu.pc, cpu.fpcr & CpuState::FPCR_FZ != 0);
        if cpu.pc.is_aligned(4)
            && let Some(block) = self.near.take(key)
        {
            return Ok(block);
        }
        inject::fail_thread_if_due();
        let engine = Arc::clone(&self.engine);
        let mut code = engine.code();
        self.adopt(cpu, code.generation.as_ref());
        engine.block(&mut code, cpu.pc, key).map_err(|fault| fault.report(cpu))
    }

    /// From now on this thread runs code of `generation`.
    fn adopt(&mut self, cpu: &mut Vcpu, generation: Option<&Arc<Generation>>) {
        let same = match (&self.generation, generation) {
            (Some(mine), Some(current)) => Arc::ptr_eq(mine, current),
            (None, None) => true,
            _ => false,
        };
        if !same {
            self.control.forget_all();
            self.generation = generation.cloned();
            cpu.backend[layout::SLOTS] = self.generation.as_ref().map_or(0, |g| g.memory.slots_base());
        }
    }

    fn enter(&mut self, cpu: &mut Vcpu, block: &HotBlock<F>, code: CodePtr) -> Result<(), Stop> {
        if self.engine.config.log.exec {
            self.engine.config.log.write(format_args!("Trace code {}\n", cpu.pc));
        }
        if self.generation.is_none() {
            // The block was found before anything had been compiled.
            let engine = Arc::clone(&self.engine);
            self.adopt(cpu, engine.code().generation.as_ref());
            return Ok(());
        }
        let Ok(lookup) = self.control.lookup(block.key.flushing()) else {
            // No memory for a table: tier 0 needs none.
            return block.run(cpu);
        };
        cpu.backend[layout::LOOKUP] = lookup.address();
        self.control.remember(block.key, code);
        if block.dead.load(Ordering::SeqCst) || block.code.load(Ordering::SeqCst) != code.0 {
            // Changed, retired or replaced meanwhile, perhaps before the table had it.
            self.control.forget(block.key);
            return Ok(());
        }
        let started = self.clock();
        bug::does(Doing::Code);
        let exit = trampoline::enter_region(cpu, code);
        bug::does(Doing::Tier0);
        // A branch ignores tags too.
        cpu.pc = cpu.pc.untagged();
        self.spent(counts::CODE_NS, started);
        self.control.counts.left(exit);
        match exit {
            layout::EXIT_UNLINKED | layout::EXIT_LOOKUP => Ok(()),
            layout::EXIT_HOT => {
                eval::fp::leave_guest_fp(cpu);
                self.engine.translate(block.key.at(cpu.pc));
                eval::fp::enter_guest_fp(cpu);
                Ok(())
            }
            layout::EXIT_SAFEPOINT => {
                self.control.give_sample(Sample { at: block.key.at(cpu.pc), link: GuestAddr(cpu.x[30]) });
                self.open_guard(cpu);
                Ok(())
            }
            layout::EXIT_FAULT => {
                let host_pc = cpu.backend[layout::FAULT_PC];
                let generation = self.generation.as_ref().expect("the thread is in its code");
                let recovered = generation.recover(cpu, host_pc, &self.fault_frame);
                let recovered =
                    recovered.expect("only guest accesses fault in generated code, and each has a source location");
                self.control.counts.add(counts::RECOVERED, recovered.values);
                // Of an address that is none the host does not say which it is.
                let fault = cpu.stop;
                let fault =
                    Fault { addr: fault.addr, signal: fault.signal, code: fault.code, is_write: fault.is_write };
                self.run_again(cpu, recovered)?;
                self.run_to_fault(cpu, (fault.code != SI_KERNEL).then_some(Known::Faults(fault)))
            }
            code => match stop_of(code) {
                // The details are tier 0's to find: code and its helpers may have taken a tag off the address.
                Stop::Misaligned | Stop::Fault => self.run_to_fault(cpu, None),
                stop => Err(stop),
            },
        }
    }

    /// After a fault in generated code: performs what has been performed of the block again, but for its accesses.
    fn run_again(&mut self, cpu: &mut Vcpu, recovered: Recovered) -> Result<(), Stop> {
        if recovered.performed == 0 {
            return Ok(());
        }
        let block = self.find(cpu)?;
        let result = block.run_knowing(cpu, recovered.performed, &mut Known::performed(recovered.loaded));
        self.near.put(block);
        result
    }

    /// After a fault in generated code, whose registers are those of a checkpoint before: performs what came since
    /// again in tier 0, up to the same fault. Another thread may have mapped the page meanwhile; then this ends at the
    /// next stop. An access that is misaligned stops there too. `known` is the fault, if it is known.
    fn run_to_fault(&mut self, cpu: &mut Vcpu, mut known: Option<Known>) -> Result<(), Stop> {
        loop {
            let block = self.find(cpu)?;
            // The fault is in the checkpoint's block. Further on it would be another access that it is taken for.
            let result = match known.take() {
                Some(mut known) => block.run_knowing(cpu, usize::MAX, &mut known),
                None => block.run(cpu),
            };
            self.near.put(block);
            result?;
            if eval::tags_met() && !self.untags {
                // That was all that there is to it.
                self.look_for_tags();
                return Ok(());
            }
            if cpu.words().safepoint.load(Ordering::SeqCst) != 0 {
                return Ok(());
            }
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

impl<F: Frontend> Drop for Thread<F> {
    fn drop(&mut self) {
        bug::forget_registers();
        self.engine.code().remove_thread(&self.control);
    }
}
