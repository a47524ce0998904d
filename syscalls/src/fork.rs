//! Beginning and ending processes: clone(2), clone3(2) and exit_group(2). Threads are made in `thread.rs`, processes that
//! share memory in `share.rs`. It must not know execve.

use crate::descriptors::FIRST_OWN_DESCRIPTOR;
use crate::host::{self, Args, Outcome};
use crate::process::Thread;
use crate::process::{After, Context};
use crate::share::NewProcess;
use crate::signals::AltStack;
use crate::{libc_fork, limits, signals, thread, user};
use ir::{CpuState, Errno, PAGE_BYTES, Vcpu};
use linux_raw_sys::general::{self as kernel, clone_args};
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use zerocopy::IntoBytes;

const CSIGNAL: u64 = kernel::CSIGNAL as u64;
pub(crate) const CLONE_VM: u64 = kernel::CLONE_VM as u64;
pub(crate) const CLONE_FS: u64 = kernel::CLONE_FS as u64;
pub(crate) const CLONE_FILES: u64 = kernel::CLONE_FILES as u64;
pub(crate) const CLONE_SIGHAND: u64 = kernel::CLONE_SIGHAND as u64;
pub(crate) const CLONE_PIDFD: u64 = kernel::CLONE_PIDFD as u64;
pub(crate) const CLONE_VFORK: u64 = kernel::CLONE_VFORK as u64;
pub(crate) const CLONE_NEWNS: u64 = kernel::CLONE_NEWNS as u64;
pub(crate) const CLONE_NEWIPC: u64 = kernel::CLONE_NEWIPC as u64;
pub(crate) const CLONE_NEWUSER: u64 = kernel::CLONE_NEWUSER as u64;
pub(crate) const CLONE_NEWPID: u64 = kernel::CLONE_NEWPID as u64;
const CLONE_PARENT: u64 = kernel::CLONE_PARENT as u64;
pub(crate) const CLONE_THREAD: u64 = kernel::CLONE_THREAD as u64;
pub(crate) const CLONE_SYSVSEM: u64 = kernel::CLONE_SYSVSEM as u64;
const CLONE_SETTLS: u64 = kernel::CLONE_SETTLS as u64;
pub(crate) const CLONE_PARENT_SETTID: u64 = kernel::CLONE_PARENT_SETTID as u64;
pub(crate) const CLONE_CHILD_CLEARTID: u64 = kernel::CLONE_CHILD_CLEARTID as u64;
const CLONE_DETACHED: u64 = kernel::CLONE_DETACHED as u64;
pub(crate) const CLONE_CHILD_SETTID: u64 = kernel::CLONE_CHILD_SETTID as u64;
pub(crate) const CLONE_CLEAR_SIGHAND: u64 = kernel::CLONE_CLEAR_SIGHAND;
pub(crate) const CLONE_INTO_CGROUP: u64 = kernel::CLONE_INTO_CGROUP;
/// A flag of clone3(2) alone: it stands among those of the signal in clone(2).
pub(crate) const CLONE_NEWTIME: u64 = kernel::CLONE_NEWTIME as u64;
pub(crate) const NAMESPACES: u64 = (kernel::CLONE_NEWNS
    | kernel::CLONE_NEWCGROUP
    | kernel::CLONE_NEWUTS
    | kernel::CLONE_NEWIPC
    | kernel::CLONE_NEWUSER
    | kernel::CLONE_NEWPID
    | kernel::CLONE_NEWNET) as u64;

/// Flags whose work is done here, in whichever process it belongs to.
const OURS: u64 = CLONE_VM
    | CLONE_SIGHAND
    | CLONE_VFORK
    | CLONE_SETTLS
    | CLONE_PARENT_SETTID
    | CLONE_CHILD_CLEARTID
    | CLONE_CHILD_SETTID
    | CLONE_CLEAR_SIGHAND;

/// What clone(2) and clone3(2) ask for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CloneRequest {
    /// CLONE_* without the signal.
    pub flags: u64,
    /// What the parent gets when the child ends.
    pub exit_signal: u64,
    /// The child's stack pointer; 0 for the parent's.
    pub stack: u64,
    /// TPIDR_EL0, with CLONE_SETTLS.
    pub tls: u64,
    /// Where CLONE_PARENT_SETTID stores.
    pub parent_tid: u64,
    /// Where CLONE_CHILD_SETTID stores, and CLONE_CHILD_CLEARTID clears.
    pub child_tid: u64,
    /// Where CLONE_PIDFD stores.
    pub pidfd: u64,
    /// Wanted ids in nested namespaces: address and number.
    pub set_tid: [u64; 2],
    /// The control group, with CLONE_INTO_CGROUP.
    pub cgroup: u64,
}

impl CloneRequest {
    /// Flags for the host's kernel when the child shares memory: all but those whose work is done here. The registers are
    /// emu's matter, and some of the handlers are emu's own.
    pub(crate) fn host_flags(&self) -> u64 {
        self.flags & !(CLONE_SETTLS | CLONE_CLEAR_SIGHAND)
    }

    /// Whether the child begins with the default in place of each handler.
    pub(crate) fn clears_handlers(&self) -> bool {
        self.flags & CLONE_CLEAR_SIGHAND != 0
    }

    /// Whether it asks for something that clone(2) has not.
    pub(crate) fn needs_clone3(&self) -> bool {
        self.host_flags() > u64::from(u32::MAX) || self.flags & CLONE_NEWTIME != 0 || self.set_tid != [0; 2]
    }

    /// What clone3(2) of the host takes, with the host stack of the child.
    pub(crate) fn for_host(&self, stack: u64, stack_size: u64) -> clone_args {
        let [set_tid, set_tid_size] = self.set_tid;
        let Self { pidfd, child_tid, parent_tid, exit_signal, cgroup, .. } = *self;
        let flags = self.host_flags();
        clone_args {
            flags,
            pidfd,
            child_tid,
            parent_tid,
            exit_signal,
            stack,
            stack_size,
            tls: 0,
            set_tid,
            set_tid_size,
            cgroup,
        }
    }
}

/// exit_group implements Linux syscall exit_group(2).
pub(crate) fn exit_group(context: &mut Context<'_>, args: Args) -> Outcome {
    context.after = After::Exit(args[0] as i32 & 0xff);
    Ok(0)
}

/// A call that libraries do without when an older kernel does not have it.
pub(crate) fn unavailable(_: &mut Context<'_>, _: Args) -> Outcome {
    Err(Errno(libc::ENOSYS))
}

/// clone implements Linux syscall clone(2). AArch64's order of arguments is flags, stack, parent's tid, TLS, child's
/// tid; only the low half of the flags counts.
pub(crate) fn clone(context: &mut Context<'_>, args: Args) -> Outcome {
    let [flags, stack, parent_tid, tls, child_tid, _] = args;
    let flags = flags & 0xffff_ffff;
    if flags & CLONE_PIDFD != 0 && flags & (CLONE_PARENT_SETTID | CLONE_DETACHED) != 0 {
        return Err(Errno(libc::EINVAL));
    }
    let request = CloneRequest {
        flags: flags & !(CSIGNAL | CLONE_DETACHED),
        exit_signal: flags & CSIGNAL,
        stack,
        tls,
        parent_tid,
        child_tid,
        pidfd: parent_tid,
        ..CloneRequest::default()
    };
    make(context, &request)
}

/// clone3 implements Linux syscall clone3(2).
pub(crate) fn clone3(context: &mut Context<'_>, args: Args) -> Outcome {
    let request = read_request(args[0], args[1])?;
    let CloneRequest { flags, exit_signal, .. } = request;
    let unknown = !(0xffff_ffff | CLONE_CLEAR_SIGHAND | CLONE_INTO_CGROUP) | CLONE_DETACHED | CSIGNAL & !CLONE_NEWTIME;
    let both = |these: u64| flags & these == these;
    if flags & unknown != 0
        || both(CLONE_SIGHAND | CLONE_CLEAR_SIGHAND)
        || exit_signal > signals::COUNT as u64
        || exit_signal != 0 && flags & (CLONE_THREAD | CLONE_PARENT) != 0
        || request.stack > context.process.config.layout.end
        || both(CLONE_PIDFD | CLONE_PARENT_SETTID) && request.pidfd == request.parent_tid
    {
        return Err(Errno(libc::EINVAL));
    }
    make(context, &request)
}

/// Reads `struct clone_args`, of which there are versions of 64, 80 and 88 bytes.
fn read_request(at: u64, bytes: u64) -> Result<CloneRequest, Errno> {
    /// As many nested namespaces as there may be (MAX_PID_NS_LEVEL).
    const MOST_IDS: u64 = 32;
    const KNOWN_BYTES: usize = size_of::<clone_args>();
    if bytes > PAGE_BYTES {
        return Err(Errno(libc::E2BIG));
    }
    if bytes < u64::from(kernel::CLONE_ARGS_SIZE_VER0) {
        return Err(Errno(libc::EINVAL));
    }
    let mut known = [0u64; KNOWN_BYTES / 8];
    let mut later = vec![0; (bytes as usize).saturating_sub(KNOWN_BYTES)];
    user::read_bytes(at, &mut known.as_mut_bytes()[..KNOWN_BYTES.min(bytes as usize)])?;
    user::read_bytes(at.wrapping_add(KNOWN_BYTES as u64), &mut later)?;
    if later.iter().any(|&byte| byte != 0) {
        return Err(Errno(libc::E2BIG));
    }
    let [flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_bytes, tls, set_tid, set_tid_count, cgroup] =
        known;
    if (set_tid == 0) != (set_tid_count == 0) || (stack == 0) != (stack_bytes == 0) {
        return Err(Errno(libc::EINVAL));
    }
    // In the version of 88 bytes.
    let has_cgroup = flags & CLONE_INTO_CGROUP == 0 || bytes >= KNOWN_BYTES as u64 && cgroup <= i32::MAX as u64;
    if set_tid_count > MOST_IDS || !has_cgroup {
        return Err(Errno(libc::EINVAL));
    }
    // What the host's kernel is told.
    let [pidfd, child_tid, parent_tid, set_tid] = [pidfd, child_tid, parent_tid, set_tid].map(|at| user::place(at).0);
    let stack = stack.checked_add(stack_bytes).ok_or(Errno(libc::EINVAL))?;
    let set_tid = [set_tid, set_tid_count];
    Ok(CloneRequest { flags, exit_signal, stack, tls, parent_tid, child_tid, pidfd, set_tid, cgroup })
}

/// Makes a thread or a process.
fn make(context: &mut Context<'_>, request: &CloneRequest) -> Outcome {
    let flags = request.flags;
    let needs = |these: u64, those: u64| flags & these == 0 || flags & those != 0;
    if !needs(CLONE_THREAD, CLONE_SIGHAND) || !needs(CLONE_SIGHAND, CLONE_VM) {
        return Err(Errno(libc::EINVAL));
    }
    if flags & CLONE_THREAD != 0 {
        return thread::start(context, request);
    }
    if flags & CLONE_VM != 0 { make_sharing(context, request) } else { make_process(context, request) }
}

/// Makes a process that shares memory. With CLONE_VFORK the caller's host thread lends the child its storage while it
/// sleeps, else another one does.
fn make_sharing(context: &mut Context<'_>, request: &CloneRequest) -> Outcome {
    let flags = request.flags;
    let Some(threads) = &context.process.config.threads else { return Err(Errno(libc::ENOSYS)) };
    signals::block(&context.thread.port)?;
    let process = context.process.sharing(flags & CLONE_SIGHAND != 0);
    let mut thread = Thread::with_port(process, context.thread.port.mask());
    thread.state.passes_tags = context.thread.passes_tags;
    thread.state.alt_stack = if flags & CLONE_VFORK != 0 { context.thread.alt_stack } else { AltStack::NONE };
    let mut cpu = Vcpu::new(context.cpu.for_new_thread());
    cpu.x[0] = 0;
    start_child(&mut cpu, request);
    if flags & CLONE_VFORK != 0 {
        context.thread.new_process = Some(Box::new(NewProcess::new(cpu, thread, *request, None)));
        context.after = After::Share;
        return Ok(0);
    }
    if let Some(hooks) = &context.process.config.fork_hooks {
        hooks.before_sharing();
    }
    context.process.has_lent.store(true, Ordering::Relaxed);
    let (started, id) = channel();
    let new = NewProcess::new(cpu, thread, *request, Some(started));
    let result = match threads.lend(new) {
        Ok(()) => id.recv().unwrap_or(Err(Errno(libc::EAGAIN))),
        Err(_) => Err(Errno(libc::EAGAIN)),
    };
    signals::unblock(&context.thread.port);
    result
}

fn make_process(context: &mut Context<'_>, request: &CloneRequest) -> Outcome {
    let CloneRequest { flags, parent_tid, child_tid, .. } = *request;
    signals::block(&context.thread.port)?;
    let forked = fork(context, request);
    if forked == Ok(0) {
        context.thread.port.begin_process();
        // What the parent's other threads wait for is theirs.
        context.thread.temporary_mask = None;
    }
    signals::unblock(&context.thread.port);
    let pid = forked?;
    if pid != 0 {
        if flags & CLONE_PARENT_SETTID != 0 {
            let _ = user::write(parent_tid, &(pid as u32));
        }
        return Ok(pid);
    }
    context.process.threads.only_one();
    context.process.memory().begin_in_child();
    // It may be the first of a namespace, or the first one's child.
    limits::follow_core_limit(context.process);
    if request.clears_handlers() {
        context.process.actions.clear_handlers();
    }
    thread::register_robust_list(0);
    context.thread.robust_list = 0;
    context.cpu.exclusive_addr = CpuState::NO_EXCLUSIVE;
    start_child(context.cpu, request);
    let tid = host::call3(libc::SYS_gettid, 0, 0, 0)? as u32;
    if flags & CLONE_CHILD_SETTID != 0 {
        let _ = user::write(child_tid, &tid);
    }
    context.thread.clear_tid_at = if flags & CLONE_CHILD_CLEARTID != 0 { child_tid } else { 0 };
    Ok(0)
}

/// Gives a child, thread or process, the registers that were asked for.
pub(crate) fn start_child(cpu: &mut CpuState, request: &CloneRequest) {
    if request.stack != 0 {
        cpu.x[CpuState::SP] = request.stack;
    }
    if request.flags & CLONE_SETTLS != 0 {
        cpu.tpidr_el0 = request.tls;
    }
}

/// Forks with every lock of emu's ([`ir::lock`] says in which order), and waits for what vfork(2) waits for with none held.
fn fork(context: &Context<'_>, request: &CloneRequest) -> Outcome {
    let process = context.process;
    let forking = process.threads.forking.lock();
    let release = if request.flags & CLONE_VFORK != 0 { Release::new() } else { None };
    let host_flags = request.flags & !OURS;
    let mut result = Err(Errno(libc::EAGAIN));
    let mut call = || {
        result = process.lock_for_fork(|| {
            let wanted = CloneRequest { flags: host_flags, ..*request };
            if process.config.fork_hooks.is_some() {
                ir::lock::check_fork();
            }
            libc_fork::fork(wanted.for_host(0, 0))
        });
        result == Ok(0)
    };
    match &process.config.fork_hooks {
        Some(hooks) => hooks.around(&mut call),
        None => {
            call();
        }
    }
    let pid = result;
    if let Some(release) = release {
        release.keep_one_end(pid == Ok(0));
        drop(forking);
        if pid.is_ok_and(|pid| pid != 0) {
            release.wait();
        }
    }
    pid
}

/// By what a parent learns that its vfork child has begun another program or ended: a pipe whose writing end only the
/// child holds, until either closes it.
struct Release {
    read: u64,
    write: u64,
}

impl Release {
    /// None without descriptors: then the parent does not wait, which it can do, having its memory for itself.
    fn new() -> Option<Self> {
        let mut ends = [0u32; 2];
        host::call3(libc::SYS_pipe2, ends.as_mut_ptr() as u64, libc::O_CLOEXEC as u64, 0).ok()?;
        let [read, write] = ends.map(|fd| {
            let fd = u64::from(fd);
            match host::call3(libc::SYS_fcntl, fd, libc::F_DUPFD_CLOEXEC as u64, FIRST_OWN_DESCRIPTOR as u64) {
                Ok(moved) => {
                    close(fd);
                    moved
                }
                Err(_) => fd,
            }
        });
        Some(Self { read, write })
    }

    fn keep_one_end(&self, child: bool) {
        close(if child { self.read } else { self.write });
    }

    fn wait(&self) {
        let mut byte = 0u8;
        while host::call3(libc::SYS_read, self.read, &raw mut byte as u64, 1) == Err(Errno(libc::EINTR)) {}
        close(self.read);
    }
}

fn close(fd: u64) {
    let _ = host::call3(libc::SYS_close, fd, 0, 0);
}
