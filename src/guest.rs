//! The guest's world: joins loader, system calls and translator, and runs the program until it ends.

use crate::core_file::{Death, Started};
use crate::log_file::LogFile;
use crate::options::{Options, Tier};
use crate::programs::Files;
use crate::roll::{Place, Registers, Roll};
use crate::start::{self, Launch};
use crate::{fault, own_file, process, report};
use backend::{Engine, Log, Profile};
use frontend::{A64, features};
use ir::{CodeWatcher, ControlWords, CpuState, Guard, GuestRange, Layout, Lock, Rank, Stop, Vcpu};
use loader::{Identity, LoadError, Loaded, MachineInfo, Program, ProgramFile, Randomness, Request, StackStrings};
use std::io::{self, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use syscalls::{After, Delivery, NewProcess, NewThread, Process, Reexec};

/// What a signal frame needs of the stack on arm64 without SVE (AT_MINSIGSTKSZ): siginfo (128), ucontext (4560), frame
/// record (16), and 16 to align it.
const MIN_SIGNAL_STACK_BYTES: u64 = 4720;
/// What IC IVAU names: a line of the instruction cache.
const CODE_LINE_BYTES: u64 = 64;
/// Stack of a host thread: for emu's own functions, since the guest brings its stacks along.
const HOST_STACK_BYTES: usize = 2 << 20;

/// Everything that runs a program.
struct World {
    name: String,
    engine: Arc<Engine<A64>>,
    process: Arc<Process>,
    log: Log,
    /// Where statistics go, if they are wanted.
    stats: Option<Lock<Box<dyn Write + Send + Sync>>>,
    /// The files that were loaded, once they are.
    images: OnceLock<Vec<Loaded>>,
    /// For a core file.
    started: OnceLock<Started>,
    roll: Arc<Roll>,
    dying: Dying,
}

/// Held by the thread that says why the guest dies, so that it is said once.
type Dying = Arc<Lock<()>>;

/// Keeps other threads out of the engine while the process forks.
struct RestWhileForking {
    engine: Arc<Engine<A64>>,
    roll: Arc<Roll>,
    dying: Dying,
}

impl syscalls::ForkHooks for RestWhileForking {
    fn around(&self, fork: &mut dyn FnMut() -> bool) {
        let _dying = self.dying.lock();
        self.roll.around_fork(|| {
            let mut is_child = false;
            self.engine.around_fork(&mut || {
                is_child = fork();
                is_child
            });
            is_child
        });
    }

    fn stop_threads(&self) {
        self.engine.stop_worker();
    }

    fn before_sharing(&self) {
        self.engine.start_worker();
    }
}

/// Makes threads in the world that it will have been told.
struct HostThreads(Arc<OnceLock<Arc<World>>>);

impl syscalls::ThreadHost for HostThreads {
    fn start(&self, thread: NewThread) -> io::Result<()> {
        let world = Arc::clone(self.0.get().ok_or(io::ErrorKind::Unsupported)?);
        std::thread::Builder::new().stack_size(HOST_STACK_BYTES).spawn(move || world.run_thread(thread))?;
        Ok(())
    }

    fn lend(&self, process: NewProcess) -> io::Result<()> {
        let world = Arc::clone(self.0.get().ok_or(io::ErrorKind::Unsupported)?);
        std::thread::Builder::new().stack_size(HOST_STACK_BYTES).spawn(move || world.run_process(process))?;
        Ok(())
    }
}

/// Runs the program. Comes back only if that cannot be begun, with an exit status of emu's own.
pub fn run(mut launch: Launch, options: &Options) -> i32 {
    let name = launch.path.display().to_string();
    let mut randomness = Randomness::of_the_kernel(process::has_fixed_addresses(options.personality));
    if let Some(seed) = options.seed {
        randomness.seed(seed);
    }
    let stack_bytes = process::stack_bytes(options.stack_limit());
    let layout = Layout::new(options.va_bits, stack_bytes, randomness.layout);
    let world = match World::new(&mut launch, options, name, layout) {
        Ok(world) => world,
        Err(reason) => {
            report::say(reason);
            return start::STATUS_USAGE;
        }
    };
    let program = match world.load(launch, layout, randomness) {
        Ok(program) => program,
        Err(error) => {
            let status = start::fail(&error);
            // A program that another has started dies as on Linux.
            if options.reexec && error.kills() {
                world.process.die(libc::SIGSEGV);
            }
            return status;
        }
    };
    world.process.memory().start_brk(program.brk_start);
    world.process.set_sigreturn_code(program.sigreturn);
    let mut cpu = Vcpu::default();
    cpu.pc = program.entry;
    cpu.x[CpuState::SP] = program.sp.0;
    let started = Started { exe: program.image.path.clone(), auxv: program.auxv, argv: program.argv };
    let _ = world.started.set(started);
    let _ = world.images.set([program.image].into_iter().chain(program.interpreter).collect());
    // The stack that the process was given may be small, and is the guest's to limit.
    let ran = backend::HostStack::new(HOST_STACK_BYTES).map(|mut stack| stack.run(|| world.run(&mut cpu)));
    let (Err(error) | Ok(Err(error))) = ran;
    report::say(format_args!("{}: {}", world.name, report::plain(&error)));
    start::STATUS_CANNOT_RUN
}

/// The engine asks the process, once that is known, what may be executed; the process tells the engine what has changed.
fn engine(options: &Options, log: Log, known: Arc<OnceLock<Arc<Process>>>) -> Arc<Engine<A64>> {
    let may_fetch = move |addr| known.get().is_some_and(|process| process.memory().is_executable(addr));
    let defaults = backend::Config::default();
    let config = backend::Config {
        tier: engine_tier(options.tier),
        emit_threshold: options.emit_threshold.unwrap_or(defaults.emit_threshold),
        threshold: options.threshold.unwrap_or(defaults.threshold),
        count: options.stats,
        profile: Profile { map: options.perf_map, dump: options.jit_dump },
        log,
        // Unless somebody wants to see the calls.
        answers: (!options.strace).then_some(syscalls::answer),
        ..defaults
    };
    if let Some((failure, time)) = options.inject {
        backend::inject(failure, time);
    }
    Engine::new(config, Arc::new(may_fetch))
}

impl World {
    fn new(launch: &mut Launch, options: &Options, name: String, layout: Layout) -> Result<Arc<Self>, String> {
        let log_file = LogFile::open(options)?;
        let log = engine_log(options, &log_file);
        let strace = options.strace.then(|| log_file.writer());
        let stats = options.stats.then(|| Lock::new(Rank::Statistics, log_file.writer()));

        // Before the engine handles those of faults.
        let ignored_signals = syscalls::ignored_signals();
        let known: Arc<OnceLock<Arc<Process>>> = Arc::default();
        let engine = engine(options, log.clone(), Arc::clone(&known));
        backend::on_sent_signal(syscalls::on_signal);
        let watcher: Arc<dyn CodeWatcher> = Arc::<Engine<A64>>::clone(&engine);
        let dying: Dying = Arc::new(Lock::new(Rank::Dying, ()));
        let roll: Arc<Roll> = Arc::default();
        let emu_fd = launch.emu.take().map(IntoRawFd::into_raw_fd);
        let exe_fd = launch.file.as_ref().and_then(|file| process::duplicate_out_of_the_way(file.file().as_raw_fd()));
        let exe_fd = exe_fd.map(IntoRawFd::into_raw_fd);
        let exe = match exe_fd {
            Some(_) => PathBuf::new(),
            None => std::fs::canonicalize(&launch.path).unwrap_or_else(|_| launch.path.clone()),
        };
        let reexec = Reexec {
            emu: launch.emu_path.clone(),
            emu_fd,
            log_fd: log_file.shared_descriptor(),
            copy: own_file::copy,
            options: options.inherited(),
            is_registered: options.registered,
            programs: Box::new(Files { sysroot: launch.sysroot.clone() }),
        };
        let whole: Arc<OnceLock<Arc<Self>>> = Arc::default();
        let rest = RestWhileForking { engine: Arc::clone(&engine), roll: Arc::clone(&roll), dying: Arc::clone(&dying) };
        let process = Process::new(
            syscalls::Config {
                sysroot: launch.sysroot.clone(),
                uname_release: options.uname_release.clone(),
                exe,
                exe_fd,
                comm: launch.comm.clone(),
                reexec: Some(reexec),
                strace,
                fork_hooks: Some(Box::new(rest)),
                threads: Some(Box::new(HostThreads(Arc::clone(&whole)))),
                layout,
                limits: options.limits.clone(),
                personality: options.personality,
                ignored_signals,
                private_fds: [log_file.descriptor(), emu_fd, exe_fd].into_iter().flatten().collect(),
            },
            watcher,
        );
        let _ = known.set(Arc::clone(&process));
        let (images, started) = (OnceLock::new(), OnceLock::new());
        let world = Arc::new(Self { name, engine, process, log, stats, images, started, roll, dying });
        let _ = whole.set(Arc::clone(&world));
        Ok(world)
    }

    fn load(&self, launch: Launch, layout: Layout, randomness: Randomness) -> Result<Program, LoadError> {
        let Launch { file, is_borrowed, path, argv, envp, execfn, sysroot, .. } = launch;
        let strings = StackStrings { execfn, argv, envp };
        let machine = MachineInfo {
            hwcap: [features::HWCAP, features::HWCAP2, features::HWCAP3],
            min_signal_stack_bytes: MIN_SIGNAL_STACK_BYTES,
            flags: 0,
            extra_auxv: Vec::new(),
        };
        let load = |file: &ProgramFile| {
            let mut memory = self.process.memory();
            loader::load(
                &mut memory,
                &Request {
                    file,
                    strings: &strings,
                    sysroot: sysroot.as_ref().map(|sysroot| sysroot as _),
                    layout,
                    machine: &machine,
                    identity: Identity::of_this_process(),
                    randomness,
                },
            )
        };
        let file = file.map(ManuallyDrop::new);
        let program = match &file {
            Some(file) => {
                let kept = [file.file().as_raw_fd()];
                start::despite_full_table(&path, &kept, || load(file))
            }
            None => start::despite_full_table(&path, &[], || load(&loader::open(&path)?)),
        };
        if !is_borrowed {
            drop(file.map(ManuallyDrop::into_inner));
        }
        program
    }

    /// Runs the program's first thread. Comes back only if it cannot be begun.
    fn run(&self, cpu: &mut Vcpu) -> io::Result<std::convert::Infallible> {
        let mut code = backend::Thread::new(&self.engine)?;
        self.follow(cpu, &mut code, &mut syscalls::Thread::new(Arc::clone(&self.process)));
        self.process.rest()
    }

    /// Runs another thread, on a host thread of its own, until it ends.
    fn run_thread(&self, thread: NewThread) {
        let Ok(mut code) = backend::Thread::new(&self.engine) else { return };
        let Some((cpu, mut kernel)) = thread.begin() else { return };
        let mut cpu = Vcpu::new(*cpu);
        self.follow(&mut cpu, &mut code, &mut kernel);
        // In the child of a fork it is the first thread.
        if self.process.on_first_thread() {
            self.process.rest();
        }
    }

    /// Lends the calling host thread to a process that shares this one's memory.
    fn run_process(&self, process: NewProcess) {
        // Without a `Thread`, or without the process, whoever waits for its id is told.
        if let Ok(mut code) = backend::Thread::new(&self.engine) {
            let _ = process.run(&mut |cpu, kernel| self.follow(cpu, &mut code, kernel));
        }
    }

    /// A thread's way through the program, until it ends while others go on.
    fn follow(&self, cpu: &mut Vcpu, code: &mut backend::Thread<A64>, kernel: &mut syscalls::Thread) {
        kernel.attach(cpu.share_words());
        // A process that shares memory is alone, and leaves what it writes there behind.
        let place = if kernel.process().is_sharing() { None } else { Some(self.roll.enter(cpu)) };
        let place = place.as_ref();
        loop {
            match code.run(cpu) {
                Stop::Svc => {
                    cpu.pc = cpu.pc.offset(4);
                    match kernel.syscall(cpu) {
                        After::Continue => {}
                        After::Exit(status) => {
                            show(place, kernel, cpu);
                            let _last = self.finish(kernel.process());
                            self.process.exit(status);
                        }
                        After::Killed(signal) => self.die(kernel, None, signal, cpu, place),
                        After::Share => {
                            // Nothing interrupts it until the new process has begun a program.
                            show(place, kernel, cpu);
                            kernel.share(cpu, &mut |cpu, kernel| self.follow(cpu, code, kernel));
                            if let Some(place) = place {
                                place.hide();
                            }
                            self.engine.catch_up();
                        }
                        After::Exec => {
                            self.leave_memory(kernel.process());
                            kernel.become_program(cpu);
                        }
                        After::ThreadEnded => return,
                    }
                }
                Stop::CodeChanged => {
                    self.process.memory().code_changed(GuestRange::new(cpu.stop.addr.untagged(), CODE_LINE_BYTES));
                    cpu.pc = cpu.pc.offset(4);
                }
                Stop::Safepoint => {
                    // A process made meanwhile is not the one that dies.
                    if cpu.words().take_reasons() & ControlWords::PARK != 0 && self.roll.is_dying() {
                        show(place, kernel, cpu);
                        self.process.rest();
                    }
                    if let Delivery::Die(signal) = kernel.deliver(cpu) {
                        self.die(kernel, None, signal, cpu, place);
                    }
                }
                stop => {
                    let Some(fault) = fault::of(stop, cpu, self.process.memory()) else { continue };
                    if let Delivery::Die(signal) = kernel.fault(cpu, fault) {
                        self.die(kernel, Some(stop), signal, cpu, place);
                    }
                }
            }
        }
    }

    /// Dies of `signal`, with a report if a fault is the reason.
    fn die(
        &self,
        kernel: &syscalls::Thread,
        stop: Option<Stop>,
        signal: i32,
        cpu: &CpuState,
        place: Option<&Place<'_>>,
    ) -> ! {
        kernel.be_deaf();
        show(place, kernel, cpu);
        if place.is_some_and(|place| !place.is_first_to_die()) {
            self.process.rest();
        }
        let death = Death { process: kernel.process(), started: self.started.get(), siginfo: kernel.death(signal) };
        let core = death.plan_core();
        let alone = || vec![Registers::of(cpu, process::thread_id(), kernel.mask())];
        // First, for a thread that forks has to finish that.
        let threads = core.as_ref().map(|_| place.map_or_else(alone, Place::collect)).unwrap_or_default();
        let _last = self.finish(kernel.process());
        if let Some(stop) = stop {
            report::death(&self.name, self.images.get().map_or(&[], Vec::as_slice), stop, signal, cpu);
        }
        if let Some(core) = core {
            death.leave_core(&core, &threads);
        }
        self.process.die(signal)
    }

    /// Has the compiler's thread at rest before it ends with the process, if others go on in the memory: it has locks.
    fn leave_memory(&self, process: &Process) {
        if process.may_be_survived() {
            self.engine.stop_worker();
        }
    }

    /// Ends what must be written before the process does. While the result lives no process is forked, whose child would
    /// find the log's lock taken; a process that shares memory with another leaves both to that.
    fn finish(&self, process: &Process) -> Option<Guard<'_, ()>> {
        self.leave_memory(process);
        if process.is_sharing() {
            return None;
        }
        let dying = self.dying.lock();
        self.finish_log();
        Some(dying)
    }

    /// The last thing before the process ends.
    fn finish_log(&self) {
        if let Some(place) = &self.stats {
            let mut text = format!("emu: statistics of {}, process {}\n", self.name, std::process::id());
            let lines = self.engine.final_stats().lines();
            let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
            for (name, value) in lines {
                text += &format!("emu: {name:<width$} {value}\n");
            }
            let _ = place.lock().write_all(text.as_bytes());
        }
        // Whether the log can be written is nothing that should change how the guest ends.
        let _ = self.log.sink.lock().flush();
    }
}

/// Shows the registers of a thread that may wait for another by which the process dies.
fn show(place: Option<&Place<'_>>, kernel: &syscalls::Thread, cpu: &CpuState) {
    if let Some(place) = place {
        place.show(cpu, kernel.mask());
    }
}

fn engine_tier(tier: Tier) -> backend::Tier {
    match tier {
        Tier::Eval => backend::Tier::Eval,
        Tier::Jit => backend::Tier::Jit,
        Tier::Emit => backend::Tier::Emit,
        Tier::Auto => backend::Tier::Auto,
    }
}

fn engine_log(options: &Options, file: &LogFile) -> Log {
    let items = options.log;
    let sink: Box<dyn Write + Send> = if items.any() { file.writer() } else { Box::new(io::sink()) };
    Log {
        in_asm: items.in_asm,
        clif: items.clif,
        out_asm: items.out_asm,
        exec: items.exec,
        sink: Arc::new(Lock::new(Rank::Log, sink)),
    }
}
