//! Processes that share memory with the one that makes them (CLONE_VM without CLONE_THREAD): vfork(2), posix_spawn(3),
//! helpers of sanitizers. The child runs on a host stack of its own, in the same engine, and with the thread-local
//! storage of a host thread that sleeps in the kernel until the child has begun another program or ended. What the child
//! has on its stack by then is lost, with the memory that belongs to it. It must not know how guest code is run.
//!
//! Unsafe because a process begins on a stack made here.
#![allow(unsafe_code)]

use crate::fork::{CLONE_PIDFD, CLONE_VFORK, CloneRequest};
use crate::host::{self, Outcome};
use crate::process::Thread;
use crate::signals::{self, BLOCKABLE};
use ir::{Errno, Vcpu};
use std::sync::mpsc::Sender;

/// Host stack of the child: for emu's own functions, since the guest brings its stacks along.
const STACK_BYTES: u64 = 2 << 20;
/// Below it, against overflows.
const GUARD_BYTES: u64 = 64 << 10;

/// A process before its first instruction.
pub struct NewProcess {
    cpu: Vcpu,
    thread: Thread,
    request: CloneRequest,
    /// Who waits for its id, if that is not the host thread whose storage it takes.
    started: Option<Sender<Outcome>>,
}

/// What the child does, for ever.
type Body<'a> = &'a mut dyn FnMut(&mut Vcpu, &mut Thread);

struct Start<'a> {
    cpu: &'a mut Vcpu,
    thread: &'a mut Thread,
    started: Option<Sender<Outcome>>,
    clears_handlers: bool,
    body: Body<'a>,
}

impl NewProcess {
    pub(crate) fn new(cpu: Vcpu, thread: Thread, request: CloneRequest, started: Option<Sender<Outcome>>) -> Self {
        Self { cpu, thread, request, started }
    }

    /// Makes the process, which runs `body` with its registers and its thread. In the parent this comes back with the id
    /// once the child has begun another program or ended, and with all signals blocked.
    pub fn run(mut self, body: Body<'_>) -> Result<u64, Errno> {
        let stack = HostStack::new()?;
        let started = self.started.clone();
        let mut start = Start {
            cpu: &mut self.cpu,
            thread: &mut self.thread,
            started: self.started.take(),
            clears_handlers: self.request.clears_handlers(),
            body,
        };
        let request = CloneRequest { flags: self.request.flags | CLONE_VFORK, ..self.request };
        // What comes to the child before its port is open is not this thread's, nor is what comes to this thread before it
        // has its own again. Nothing faults meanwhile.
        host::sigmask(libc::SIG_SETMASK, Some(u64::MAX))?;
        // SAFETY: `begin` runs on the new stack while this thread sleeps, so that nothing of `start` is used by two.
        let result = unsafe { stack.clone_onto(&request, begin, (&raw mut start).cast()) };
        if let Some(started) = started {
            // If the child could not do so itself.
            let _ = started.send(result);
        }
        result
    }
}

/// The child's first function.
extern "C" fn begin(start: *mut u8) -> ! {
    // SAFETY: `run` passes a `Start` that lives until this process has begun another program or ended.
    let start = unsafe { &mut *start.cast::<Start<'_>>() };
    start.thread.state.port.open();
    let _ = host::sigmask(libc::SIG_SETMASK, Some(BLOCKABLE));
    if let Some(started) = start.started.take() {
        let _ = started.send(host::call3(libc::SYS_getpid, 0, 0, 0));
    }
    if start.clears_handlers {
        start.thread.process.actions.clear_handlers();
    }
    signals::unblock(&start.thread.state.port);
    (start.body)(start.cpu, start.thread);
    host::exit_group(0)
}

/// Memory for a host stack, above the guest's.
struct HostStack(u64);

impl HostStack {
    fn new() -> Result<Self, Errno> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
        let prot = (libc::PROT_READ | libc::PROT_WRITE) as u64;
        let bytes = GUARD_BYTES + STACK_BYTES;
        let base = host::call(libc::SYS_mmap, [0, bytes, prot, flags as u64, u64::MAX, 0])?;
        let stack = Self(base);
        host::call3(libc::SYS_mprotect, base, GUARD_BYTES, libc::PROT_NONE as u64)?;
        Ok(stack)
    }

    /// Makes a process as `request` says that begins with `entry(argument)` on this stack.
    ///
    /// # Safety
    /// The request has CLONE_VFORK, and `argument` is what `entry` takes.
    unsafe fn clone_onto(
        &self,
        request: &CloneRequest,
        entry: extern "C" fn(*mut u8) -> !,
        argument: *mut u8,
    ) -> Outcome {
        let base = self.0 + GUARD_BYTES;
        let top = base + STACK_BYTES - 16;
        // SAFETY: the two words are at the end of the mapping.
        unsafe { (top as *mut [u64; 2]).write([entry as *const () as u64, argument as u64]) };
        let args = request.for_host(base, top - base);
        // SAFETY: as the caller promises, and the stack holds what the child takes from it.
        let result =
            unsafe { host::clone_onto(libc::SYS_clone3, [&raw const args as u64, size_of_val(&args) as u64, 0, 0, 0]) };
        if result != Err(Errno(libc::ENOSYS)) || request.needs_clone3() {
            return result;
        }
        let at = if request.flags & CLONE_PIDFD != 0 { request.pidfd } else { request.parent_tid };
        let flags = request.host_flags() | request.exit_signal;
        // SAFETY: as above.
        unsafe { host::clone_onto(libc::SYS_clone, [flags, top, at, request.child_tid, 0]) }
    }
}

impl Drop for HostStack {
    fn drop(&mut self) {
        let _ = host::call3(libc::SYS_munmap, self.0, GUARD_BYTES + STACK_BYTES, 0);
    }
}
