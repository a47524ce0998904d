//! The guest's threads: how they begin, what identifies them, and how they end. Each is a thread of the host's, which
//! [`ThreadHost`] provides, so that the kernel schedules them, counts them and names them as it would natively. It must
//! not know how guest code is run, nor processes.

use crate::fork::{
    CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID, CLONE_FILES, CLONE_FS, CLONE_INTO_CGROUP, CLONE_NEWIPC, CLONE_NEWNS,
    CLONE_NEWPID, CLONE_NEWUSER, CLONE_PARENT_SETTID, CLONE_PIDFD, CLONE_SYSVSEM, CLONE_VFORK, CloneRequest,
    NAMESPACES, start_child,
};
use crate::host::{self, Args, Outcome};
use crate::process::{After, Context, Process, Thread, ThreadState};
use crate::share::NewProcess;
use crate::signals::{self, AltStack, BLOCKABLE, OWNED};
use crate::user;
use ir::{CpuState, Errno, Lock, Rank, memory};
use linux_raw_sys::general::{FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS, ROBUST_LIST_LIMIT, robust_list_head};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

/// Makes host threads for the guest's.
pub trait ThreadHost: Send + Sync {
    /// Starts a host thread that runs `thread`: it calls [`NewThread::begin`] once nothing can fail any more, and then
    /// goes on as the guest thread that it gets. If it drops `thread` instead, clone(2) gives EAGAIN.
    fn start(&self, thread: NewThread) -> std::io::Result<()>;
    /// Starts a host thread that does nothing but call [`NewProcess::run`].
    fn lend(&self, process: NewProcess) -> std::io::Result<()>;
}

/// A guest thread before its first instruction, on its way to its host thread.
pub struct NewThread {
    cpu: Box<CpuState>,
    thread: Thread,
    /// What it shares with no other thread, though host threads do.
    unshared: u64,
    /// Where its id is stored before clone(2) returns.
    tid_at: [Option<u64>; 2],
    /// Where a descriptor of it is.
    pidfd_at: Option<u64>,
    started: Sender<Outcome>,
}

impl NewThread {
    /// Makes the calling host thread the guest's thread. None if the kernel refuses; the host thread then ends.
    #[must_use]
    pub fn begin(self) -> Option<(Box<CpuState>, Thread)> {
        let tid = self.settle();
        self.started.send(tid).ok()?;
        tid.ok()?;
        self.thread.state.port.open();
        host::sigmask(libc::SIG_SETMASK, Some(self.thread.state.port.mask() & !OWNED)).ok()?;
        self.thread.state.port.release_held();
        Some((self.cpu, self.thread))
    }

    /// What can fail. Gives the thread's id.
    fn settle(&self) -> Outcome {
        // Who made it had blocked all signals, but libc unblocks 32 in each new thread.
        host::sigmask(libc::SIG_SETMASK, Some(BLOCKABLE))?;
        let tid = host::call3(libc::SYS_gettid, 0, 0, 0)?;
        // Of these the kernel may want none.
        unshare(self.unshared & NAMESPACES)?;
        if let Some(at) = self.pidfd_at {
            // Before it has a table of descriptors of its own.
            let fd = host::call3(libc::SYS_pidfd_open, tid, libc::PIDFD_THREAD.into(), 0)?;
            if let Err(error) = user::write(at, &(fd as u32)) {
                let _ = host::call3(libc::SYS_close, fd, 0, 0);
                return Err(error);
            }
        }
        unshare(self.unshared & !NAMESPACES)?;
        register_robust_list(0);
        for at in self.tid_at.into_iter().flatten() {
            // As in the kernel, a wild pointer does not stop the thread.
            let _ = user::write(at, &(tid as u32));
        }
        Ok(tid)
    }
}

fn unshare(what: u64) -> Outcome {
    if what == 0 { Ok(0) } else { host::call3(libc::SYS_unshare, what, 0, 0) }
}

/// What the process knows of its threads.
pub(crate) struct Threads {
    /// Those that have not called exit(2), or are being made.
    live: AtomicUsize,
    /// Held while a process is made: one at a time.
    pub(crate) forking: Lock<()>,
}

impl Default for Threads {
    fn default() -> Self {
        Self { live: AtomicUsize::new(1), forking: Lock::new(Rank::Forking, ()) }
    }
}

impl Threads {
    /// Only the calling thread has come through a fork.
    pub(crate) fn only_one(&self) {
        self.live.store(1, Ordering::Release);
    }
}

impl Process {
    /// Whether the calling host thread is the process's first. The process would look dead if that ended, so it must
    /// [`Process::rest`] when its guest thread has ended.
    #[must_use]
    pub fn on_first_thread(&self) -> bool {
        host::call3(libc::SYS_gettid, 0, 0, 0) == host::call3(libc::SYS_getpid, 0, 0, 0)
    }

    /// Waits, deaf to signals, until another thread ends the process.
    pub fn rest(&self) -> ! {
        let _ = host::sigmask(libc::SIG_SETMASK, Some(u64::MAX));
        loop {
            let _ = host::call3(libc::SYS_pause, 0, 0, 0);
        }
    }
}

/// Makes a thread, for clone(2) and clone3(2).
pub(crate) fn start(context: &mut Context<'_>, request: &CloneRequest) -> Outcome {
    let flags = request.flags;
    let both = |these: u64| flags & these == these;
    if flags & (CLONE_NEWUSER | CLONE_NEWPID) != 0 || both(CLONE_NEWNS | CLONE_FS) || both(CLONE_NEWIPC | CLONE_SYSVSEM)
    {
        return Err(Errno(libc::EINVAL));
    }
    if request.set_tid != [0; 2] || flags & CLONE_INTO_CGROUP != 0 {
        // Who makes host threads cannot say such things.
        return Err(Errno(libc::EPERM));
    }
    let process = context.process;
    let Some(threads) = &process.config.threads else { return Err(Errno(libc::ENOSYS)) };
    let mut cpu = Box::new(context.cpu.for_new_thread());
    cpu.x[0] = 0;
    start_child(&mut cpu, request);
    let wanted = |flag: u64, at: u64| (flags & flag != 0).then_some(at);
    let mut thread = Thread::with_port(Arc::clone(context.process), context.thread.port.mask());
    thread.state.passes_tags = context.thread.passes_tags;
    thread.state.alt_stack = AltStack::NONE;
    thread.state.clear_tid_at = wanted(CLONE_CHILD_CLEARTID, request.child_tid).unwrap_or(0);
    // The new thread begins with everything blocked: it can take a signal only once it is the guest's.
    signals::block(&context.thread.port)?;
    let (started, tid) = channel();
    thread.state.vfork = (flags & CLONE_VFORK != 0).then(|| started.clone());
    let new = NewThread {
        cpu,
        thread,
        unshared: (CLONE_FS | CLONE_FILES | CLONE_SYSVSEM) & !flags | NAMESPACES & flags,
        tid_at: [wanted(CLONE_PARENT_SETTID, request.parent_tid), wanted(CLONE_CHILD_SETTID, request.child_tid)],
        pidfd_at: wanted(CLONE_PIDFD, request.pidfd),
        started,
    };
    process.threads.live.fetch_add(1, Ordering::AcqRel);
    // An error of either kind: there is no host thread, or it could not become the guest's.
    let started = threads.start(new).ok().and_then(|()| tid.recv().ok());
    let result = started.unwrap_or(Err(Errno(libc::EAGAIN)));
    if result.is_err() {
        process.threads.live.fetch_sub(1, Ordering::AcqRel);
    }
    if flags & CLONE_VFORK != 0 {
        // Until the thread drops the other end.
        while tid.recv().is_ok() {}
    }
    signals::unblock(&context.thread.port);
    result
}

/// exit implements Linux syscall exit(2). The last thread to end gives the process its status.
pub(crate) fn exit(context: &mut Context<'_>, args: Args) -> Outcome {
    // A signal for the process is another thread's from here on; one that this thread has taken comes first.
    signals::block(&context.thread.port)?;
    signals::give_up(&context.thread.port)?;
    context.after = if context.process.threads.live.fetch_sub(1, Ordering::AcqRel) == 1 {
        After::Exit(args[0] as i32 & 0xff)
    } else {
        leave(context.thread);
        After::ThreadEnded
    };
    Ok(0)
}

/// What the kernel does when a thread ends, done while its host thread still runs: whoever waits for the word at
/// `clear_tid_at` may free the memory that the robust list is in.
fn leave(thread: &mut ThreadState) {
    if thread.robust_list != 0 {
        let tid = host::call3(libc::SYS_gettid, 0, 0, 0).unwrap_or(0);
        let _ = release_robust_list(thread.robust_list, tid as u32);
        register_robust_list(0);
    }
    if thread.clear_tid_at != 0 && user::write(thread.clear_tid_at, &0u32).is_ok() {
        wake_one(thread.clear_tid_at);
    }
}

/// set_tid_address implements Linux syscall set_tid_address(2).
pub(crate) fn set_tid_address(context: &mut Context<'_>, args: Args) -> Outcome {
    context.thread.clear_tid_at = args[0];
    host::call3(libc::SYS_gettid, 0, 0, 0)
}

/// Set in a pointer to an entry: its futex is a priority-inheriting one.
const ROBUST_PI: u64 = 1;

/// set_robust_list implements Linux syscall set_robust_list(2). The kernel gets it too, in place of the host library's,
/// which emu does not use: it follows the list when the process is killed.
pub(crate) fn set_robust_list(context: &mut Context<'_>, args: Args) -> Outcome {
    let result = host::call(libc::SYS_set_robust_list, args)?;
    context.thread.robust_list = args[0];
    Ok(result)
}

/// Gives the kernel the calling thread's list; 0 for none.
pub(crate) fn register_robust_list(head: u64) {
    let _ = host::call3(libc::SYS_set_robust_list, head, size_of::<robust_list_head>() as u64, 0);
}

/// Marks the locks that thread `tid` holds as the kernel does (`exit_robust_list`). Ends early where the list cannot be
/// read.
fn release_robust_list(head: u64, tid: u32) -> Result<(), Errno> {
    let [first, offset, pending]: [u64; 3] = user::read(head)?;
    let mut entry = first;
    // The list may be a circle.
    for _ in 0..ROBUST_LIST_LIMIT {
        let at = entry & !ROBUST_PI;
        // The list's own pointers have the tag with which the guest has it; the head was given with or without.
        if user::place(at) == user::place(head) {
            break;
        }
        let next = user::read(at);
        if at != pending & !ROBUST_PI {
            release_robust(at.wrapping_add(offset), tid, entry & ROBUST_PI != 0, false)?;
        }
        entry = next?;
    }
    match pending & !ROBUST_PI {
        0 => Ok(()),
        at => release_robust(at.wrapping_add(offset), tid, pending & ROBUST_PI != 0, true),
    }
}

/// The same for one lock (`handle_futex_death`).
fn release_robust(futex: u64, tid: u32, inherits: bool, pending: bool) -> Result<(), Errno> {
    let at = user::place(futex);
    if !at.is_aligned(4) {
        return Err(Errno(libc::EINVAL));
    }
    let mut seen = memory::load_u32(at).map_err(|_| user::EFAULT)?;
    loop {
        if pending && !inherits && seen == 0 {
            wake_one(futex);
            return Ok(());
        }
        if seen & FUTEX_TID_MASK != tid {
            return Ok(());
        }
        let dead = seen & FUTEX_WAITERS | FUTEX_OWNER_DIED;
        let found = memory::cas_u32(at, seen, dead).map_err(|_| user::EFAULT)?;
        if found == seen {
            break;
        }
        seen = found;
    }
    if !inherits && seen & FUTEX_WAITERS != 0 {
        wake_one(futex);
    }
    Ok(())
}

fn wake_one(futex: u64) {
    let _ = host::call3(libc::SYS_futex, user::place(futex).0, libc::FUTEX_WAKE as u64, 1);
}

#[cfg(test)]
#[path = "thread_tests.rs"]
mod tests;
