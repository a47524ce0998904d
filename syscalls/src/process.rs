//! What the kernel would keep about the guest's process and each of its threads, and the way in: [`Thread::syscall`]
//! looks the number up in the table and does what the row says. It must not know any one call.

use crate::address_space::AddressSpace;
use crate::descriptors;
use crate::exec::Reexec;
use crate::host::{self, Args, Outcome};
use crate::limits::{self, Limits};
use crate::nested_tags::Copies;
use crate::new_program::{self, Ready};
use crate::persona::Persona;
use crate::share::NewProcess;
use crate::signals::{
    self, AltStack, Delivery, Fault, FaultRecord, OWNED, Port, ProcessSignals, SigInfo, SignalActions,
};
use crate::strace::{Line, Strace};
use crate::sysroot::Sysroot;
use crate::table::{self, Action, Row};
use crate::tags;
use crate::thread::{self, ThreadHost, Threads};
use crate::user;
use ir::{CodeWatcher, CpuState, Errno, GuestAddr, Layout, Lock, Rank, Vcpu, Words, lock};
use std::collections::BTreeSet;
use std::ffi::{CStr, CString, OsString};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, OnceLock};

/// What must happen around a fork so that emu's other threads leave a usable child.
pub trait ForkHooks: Send + Sync {
    /// Calls `fork` once, with background threads at rest and with those of emu's locks held that other threads might
    /// hold, but for this crate's. It returns twice, and says whether it has returned in the child, where only the
    /// calling thread exists.
    fn around(&self, fork: &mut dyn FnMut() -> bool);
    /// Ends threads that are not the guest's, until there is something for them to do.
    fn stop_threads(&self);
    /// Called before a process begins that goes on beside this one in the same memory.
    fn before_sharing(&self);
}

/// What the process is started with.
#[derive(Default)]
pub struct Config {
    /// Directory in which absolute paths are looked up first (`-L`).
    pub sysroot: Option<Sysroot>,
    /// Kernel release that uname(2) gives, when not the host's (`-r`).
    pub uname_release: Option<String>,
    /// The guest program's absolute path: what /proc/self/exe gives without [`Config::exe_fd`].
    pub exe: PathBuf,
    /// The guest program's file; one of [`Config::private_fds`].
    pub exe_fd: Option<i32>,
    /// What the kernel would name the process: see comm in proc(5).
    pub comm: CString,
    /// How to run other guest programs. Without it execve(2) leaves them to the host's kernel.
    pub reexec: Option<Reexec>,
    /// Where `-strace` writes.
    pub strace: Option<Box<dyn std::io::Write + Send + Sync>>,
    /// File descriptors that are emu's: the guest cannot close them.
    pub private_fds: Vec<i32>,
    /// Called around fork(2).
    pub fork_hooks: Option<Box<dyn ForkHooks>>,
    /// Signals that were ignored when emu began, as [`crate::ignored_signals`] gives them: bit 0 is signal 1.
    pub ignored_signals: u64,
    /// Where things go in the guest's address space.
    pub layout: Layout,
    /// Limits on memory that the guest program which started this one had set, by RLIMIT_*: soft, hard.
    pub limits: Vec<(u32, [u64; 2])>,
    /// What that program had set with personality(2); the host's if none has.
    pub personality: Option<u32>,
    /// Makes the guest's threads. Without it there are none: clone(2) gives ENOSYS for them.
    pub threads: Option<Box<dyn ThreadHost>>,
}

/// What the caller does after a system call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum After {
    /// Go on at `CpuState::pc`; the result is in X0.
    Continue,
    /// The process has ended with this status: flush what is to be flushed and call [`Process::exit`].
    Exit(i32),
    /// The process dies of this signal: say so and call [`Process::die`].
    Killed(i32),
    /// A process is to be made that shares memory: call [`Thread::share`].
    Share,
    /// The host is to be asked for another program in this one's place: call [`Thread::become_program`].
    Exec,
    /// The thread has ended and others go on: let its host thread end, or if that is the process's first
    /// ([`Process::on_first_thread`]) call [`Process::rest`].
    ThreadEnded,
}

/// The guest's process. Threads share it.
pub struct Process {
    pub(crate) config: Arc<Config>,
    pub(crate) strace: Option<Arc<Strace>>,
    pub(crate) actions: Arc<SignalActions>,
    pub(crate) signals: Arc<ProcessSignals>,
    pub(crate) limits: Limits,
    pub(crate) persona: Persona,
    pub(crate) threads: Threads,
    memory: Arc<AddressSpace>,
    sigreturn_code: OnceLock<GuestAddr>,
    reported: Arc<Lock<BTreeSet<u64>>>,
    /// Another process has the same memory.
    is_sharing: bool,
    /// Other processes have been given it that may be there yet when this one is not.
    pub(crate) has_lent: AtomicBool,
}

impl Process {
    /// A process with nothing mapped.
    #[must_use]
    pub fn new(mut config: Config, watcher: Arc<dyn CodeWatcher>) -> Arc<Self> {
        name_process(&config.comm);
        // Before the guest gives signal 33 an action.
        host::settle_threads();
        let strace = config.strace.take().map(|out| Arc::new(Strace::new(out)));
        let actions = SignalActions::new(config.ignored_signals);
        let memory = AddressSpace::new(watcher, config.layout);
        let limits = Limits::new(&config.limits, &memory);
        let persona = Persona::new(config.personality);
        actions.catch_cores(limits::soft_core_limit() != 0);
        let signals = ProcessSignals::new(actions.ignored());
        signals.be_home();
        Arc::new(Self {
            config: Arc::new(config),
            strace,
            actions: Arc::new(actions),
            signals,
            limits,
            persona,
            threads: Threads::default(),
            memory: Arc::new(memory),
            sigreturn_code: OnceLock::new(),
            reported: Arc::new(Lock::new(Rank::Reported, BTreeSet::new())),
            is_sharing: false,
            has_lent: AtomicBool::new(false),
        })
    }

    /// A process in the same memory, with the same signal actions or a copy of them.
    pub(crate) fn sharing(&self, same_actions: bool) -> Arc<Self> {
        let actions = if same_actions { Arc::clone(&self.actions) } else { Arc::new(self.actions.copy()) };
        Arc::new(Self {
            config: Arc::clone(&self.config),
            strace: self.strace.clone(),
            signals: self.signals.copy(actions.ignored()),
            actions,
            limits: self.limits.copy(),
            persona: self.persona.copy(),
            threads: Threads::default(),
            memory: Arc::clone(&self.memory),
            sigreturn_code: self.sigreturn_code.clone(),
            reported: Arc::clone(&self.reported),
            is_sharing: true,
            has_lent: AtomicBool::new(false),
        })
    }

    /// Whether another process has this one's memory: what belongs to the memory is not this one's to end.
    #[must_use]
    pub fn is_sharing(&self) -> bool {
        self.is_sharing
    }

    /// Whether other processes may go on in this memory when this one has ended or become another program.
    #[must_use]
    pub fn may_be_survived(&self) -> bool {
        self.is_sharing || self.has_lent.load(Ordering::Relaxed)
    }

    /// The guest's address space. `&mut process.memory()` is a [`ir::GuestMemory`].
    #[must_use]
    pub fn memory(&self) -> &AddressSpace {
        &self.memory
    }

    /// Says where the code is that handlers return to: __kernel_rt_sigreturn of the vDSO.
    pub fn set_sigreturn_code(&self, at: GuestAddr) {
        let _ = self.sigreturn_code.set(at);
    }

    pub(crate) fn sigreturn_code(&self) -> GuestAddr {
        self.sigreturn_code.get().copied().unwrap_or_default()
    }

    /// What a program that this one starts must be told beyond `Reexec::options`: what this one has set for those that
    /// come after it. As options of emu's.
    pub(crate) fn inherited_options(&self) -> Vec<OsString> {
        let mut words = Vec::new();
        for (resource, [soft, hard]) in self.limits.set_by_the_guest() {
            words.extend(["--limit".into(), format!("{resource}={soft}:{hard}").into()]);
        }
        if let Some(persona) = self.persona.of_the_next_program() {
            words.extend(["--personality".into(), format!("{persona:#x}").into()]);
        }
        words
    }

    /// Ends the process with `status`, without running anything more of emu's.
    pub fn exit(&self, status: i32) -> ! {
        host::exit_group(status)
    }

    /// Ends the process by `signal`, so that emu's own wait status says so. Only for signals whose default action is to
    /// kill.
    pub fn die(&self, signal: i32) -> ! {
        host::die(signal)
    }

    /// Runs `call` while no other thread is changing anything here: a fork must not copy a lock that is held.
    pub(crate) fn lock_for_fork<T>(&self, call: impl FnOnce() -> T) -> T {
        let _reported = self.reported.lock();
        let _actions = self.actions.lock_for_fork();
        let _limits = self.limits.lock_for_fork();
        let _strace = self.strace.as_deref().map(Strace::lock_for_fork);
        self.memory.lock_for_fork(|| {
            let _error = lock::lock_standard_error();
            call()
        })
    }

    /// Says once per `number` that a call was refused.
    pub(crate) fn report_once(&self, number: u64, line: &str) {
        if self.reported.lock().insert(number) {
            host::complain(line);
        }
    }
}

/// Gives the process the name that the kernel would have given it: that of the program, not emu's.
fn name_process(comm: &CStr) {
    if !comm.is_empty() {
        let _ = host::call3(libc::SYS_prctl, libc::PR_SET_NAME as u64, comm.as_ptr() as u64, 0);
    }
}

/// A thread of the guest.
pub struct Thread {
    pub(crate) process: Arc<Process>,
    pub(crate) state: ThreadState,
}

/// What the kernel would keep about a thread.
pub(crate) struct ThreadState {
    /// Where the thread's id is cleared when it ends; 0 for nowhere.
    pub(crate) clear_tid_at: u64,
    /// The guest's `struct robust_list_head`; 0 for none.
    pub(crate) robust_list: u64,
    /// sigaltstack(2).
    pub(crate) alt_stack: AltStack,
    /// Where its signals arrive.
    pub(crate) port: Arc<Port>,
    /// The mask of a wait that a recorded signal has ended.
    pub(crate) temporary_mask: Option<u64>,
    /// What frames say of the last fault.
    pub(crate) fault_record: FaultRecord,
    /// The signal by which the process dies, if it is this thread's.
    pub(crate) died_of: Option<SigInfo>,
    /// System calls take tagged pointers (`tags.rs`).
    pub(crate) passes_tags: bool,
    /// What the thread waits for that has made this one with CLONE_VFORK: that this is dropped.
    pub(crate) vfork: Option<Sender<Outcome>>,
    /// What [`After::Share`] is about.
    pub(crate) new_process: Option<Box<NewProcess>>,
    /// The program of [`After::Exec`].
    pub(crate) ready: Option<Box<Ready>>,
    /// What `-strace` has to say of that.
    traced: Option<(Line, Option<&'static Row>)>,
}

/// What a handler works with.
pub(crate) struct Context<'a> {
    /// The process.
    pub process: &'a Arc<Process>,
    /// The calling thread.
    pub thread: &'a mut ThreadState,
    /// Its registers; PC is already past the SVC.
    pub cpu: &'a mut CpuState,
    /// Set by exit(2) and exit_group(2).
    pub after: After,
}

impl Context<'_> {
    /// Makes a call of the host's for the guest that a signal may come before or end: see [`host::guest_call`]. What it
    /// gives must be the handler's result, or nothing must have been done before.
    pub(crate) fn guest_call(&self, number: i64, args: Args) -> Outcome {
        signals::guest_call(&self.thread.port, number, args)
    }
}

/// A system call of our own.
pub(crate) type Handler = fn(&mut Context<'_>, Args) -> Outcome;

impl Thread {
    /// The first thread of `process`, to run on the calling host thread.
    #[must_use]
    pub fn new(process: Arc<Process>) -> Self {
        thread::register_robust_list(0);
        let mask = host::sigmask(libc::SIG_BLOCK, None).unwrap_or(0);
        let thread = Self::with_port(process, mask);
        // First, so that what is pending from before execve(2) arrives where it is held.
        thread.state.port.open();
        let _ = host::sigmask(libc::SIG_UNBLOCK, Some(OWNED));
        thread
    }

    /// A thread that has not begun, with the guest's mask `mask`.
    pub(crate) fn with_port(process: Arc<Process>, mask: u64) -> Self {
        let port = Port::new(mask, &process.signals);
        let state = ThreadState {
            clear_tid_at: 0,
            robust_list: 0,
            alt_stack: AltStack::default(),
            port,
            temporary_mask: None,
            fault_record: FaultRecord::default(),
            died_of: None,
            passes_tags: false,
            vfork: None,
            new_process: None,
            ready: None,
            traced: None,
        };
        Self { process, state }
    }

    /// Makes the process of [`After::Share`], which runs `body` for ever, and puts the result into the caller's X0. Comes
    /// back when the process has begun another program or ended.
    pub fn share(&mut self, cpu: &mut CpuState, body: &mut dyn FnMut(&mut Vcpu, &mut Thread)) {
        let result = self.state.new_process.take().map_or(Err(Errno(libc::EAGAIN)), |new| new.run(body));
        self.state.port.open();
        signals::unblock(&self.state.port);
        cpu.x[0] = result.unwrap_or_else(|Errno(error)| -i64::from(error) as u64);
    }

    /// Becomes the program of [`After::Exec`]. Comes back if that has failed, with the reason in X0.
    pub fn become_program(&mut self, cpu: &mut CpuState) {
        let result = new_program::become_program(self);
        if let (Some(strace), Some((line, row))) = (&self.process.strace, self.state.traced.take()) {
            strace.leave(line, row, result);
        }
        match result {
            Ok(value) => cpu.x[0] = value,
            Err(host::RESTART) => cpu.pc = cpu.pc.offset(-4),
            Err(Errno(error)) => cpu.x[0] = -i64::from(error) as u64,
        }
    }

    /// Has signals call the thread out of guest code by `words`.
    pub fn attach(&self, words: Words) {
        self.state.port.attach(words);
    }

    /// Delivers what signals are recorded. To be called at safepoints; the host's mask is the guest's again afterwards.
    pub fn deliver(&mut self, cpu: &mut CpuState) -> Delivery {
        user::take_tags(self.state.passes_tags);
        self.state.deliver(&self.process, cpu)
    }

    /// Delivers a fault at `CpuState::pc`, and then what else is recorded.
    pub fn fault(&mut self, cpu: &mut CpuState, fault: Fault) -> Delivery {
        user::take_tags(self.state.passes_tags);
        self.state.fault(&self.process, cpu, fault)
    }

    /// The thread's process.
    #[must_use]
    pub fn process(&self) -> &Arc<Process> {
        &self.process
    }

    /// Performs the system call whose number is in X8 and arguments in X0 to X5. The caller has moved PC past the SVC.
    pub fn syscall(&mut self, cpu: &mut CpuState) -> After {
        let process = &self.process;
        // The kernel looks at W8 only.
        let number = u64::from(cpu.x[8] as u32);
        let mut args: Args = [cpu.x[0], cpu.x[1], cpu.x[2], cpu.x[3], cpu.x[4], cpu.x[5]];
        let row = table::by_number(number);
        user::take_tags(self.state.passes_tags);
        let mut copies = None;
        if self.state.passes_tags
            && let Some(row) = row
        {
            tags::take_from(row, &mut args);
        }
        let traced = process.strace.as_ref().map(|strace| strace.enter(number, row, args));
        if let (true, Some(row)) = (self.state.passes_tags, row) {
            copies = Some(Copies::take(row.number, &mut args));
        }
        let mut context = Context { process, thread: &mut self.state, cpu, after: After::Continue };
        let is_emus = row.is_some_and(|row| descriptors::names_private(&process.config.private_fds, row, &args));
        let outcome = match row.map(|row| row.action) {
            _ if is_emus => Err(Errno(libc::EBADF)),
            Some(Action::Host(host_number)) => context.guest_call(host_number, args),
            Some(Action::Do(handler)) => handler(&mut context, args),
            Some(Action::Refuse) | None => refuse(&context, number, row.map(|row| row.name)),
        };
        let after = context.after;
        if let Some(copies) = copies {
            copies.give_back(outcome);
        }
        match outcome {
            Ok(_) if after == After::Exec => {
                self.state.traced = traced.map(|line| (line, row));
                return after;
            }
            Ok(value) => cpu.x[0] = value,
            Err(host::RESTART) => cpu.pc = cpu.pc.offset(-4),
            Err(Errno(error)) => cpu.x[0] = -i64::from(error) as u64,
        }
        if let (Some(strace), Some(line), After::Continue) = (&process.strace, traced, after) {
            strace.leave(line, row, outcome);
        }
        after
    }
}

impl Drop for ThreadState {
    fn drop(&mut self) {
        self.port.close();
    }
}

fn refuse(context: &Context<'_>, number: u64, name: Option<&str>) -> Outcome {
    let name = name.unwrap_or("unknown");
    let at = context.cpu.pc.offset(-4);
    context
        .process
        .report_once(number, &format!("system call {number} ({name}) is not implemented; the guest called it at {at}"));
    Err(Errno(libc::ENOSYS))
}
