//! Beginning and ending processes: clone(2) as fork, exit, and what the kernel keeps of a thread's identity. Threads,
//! and children that share memory for real, are not here yet. It must not know execve.

use crate::host::{self, Args, Outcome};
use crate::process::{After, Context};
use crate::user;
use ir::{CpuState, Errno};

const CLONE_VM: u64 = 0x100;
const CLONE_SIGHAND: u64 = 0x800;
const CLONE_PIDFD: u64 = 0x1000;
const CLONE_VFORK: u64 = 0x4000;
const CLONE_THREAD: u64 = 0x1_0000;
const CLONE_SETTLS: u64 = 0x8_0000;
const CLONE_PARENT_SETTID: u64 = 0x10_0000;
const CLONE_CHILD_CLEARTID: u64 = 0x20_0000;
const CLONE_CHILD_SETTID: u64 = 0x100_0000;

/// Flags whose work is done here, in whichever process it belongs to.
const OURS: u64 = CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID;

/// exit implements Linux syscall exit(2). With one thread the process ends.
pub(crate) fn exit(context: &mut Context<'_>, args: Args) -> Outcome {
    exit_group(context, args)
}

/// exit_group implements Linux syscall exit_group(2).
pub(crate) fn exit_group(context: &mut Context<'_>, args: Args) -> Outcome {
    context.after = After::Exit(args[0] as i32 & 0xff);
    Ok(0)
}

/// set_tid_address implements Linux syscall set_tid_address(2).
pub(crate) fn set_tid_address(context: &mut Context<'_>, args: Args) -> Outcome {
    context.thread.clear_tid_at = args[0];
    host::call3(libc::SYS_gettid, 0, 0, 0)
}

/// A call that libraries do without when an older kernel does not have it.
pub(crate) fn unavailable(_: &mut Context<'_>, _: Args) -> Outcome {
    Err(Errno(libc::ENOSYS))
}

/// clone implements Linux syscall clone(2) for processes. AArch64's order of arguments is flags, stack, parent's
/// tid, TLS, child's tid. A child that asks to share memory until execve (vfork, posix_spawn) gets a copy, and the
/// parent waits for it as it should.
pub(crate) fn clone(context: &mut Context<'_>, args: Args) -> Outcome {
    let [flags, stack, parent_tid, tls, child_tid, _] = args;
    let vfork = flags & (CLONE_VM | CLONE_VFORK) == CLONE_VM | CLONE_VFORK;
    if flags & CLONE_VM != 0 && !vfork || flags & CLONE_THREAD != 0 {
        let what = if flags & CLONE_THREAD != 0 { "threads are" } else { "sharing memory with a child is" };
        context.process.report_once(220, &format!("system call 220 (clone): {what} not implemented"));
        return Err(Errno(libc::ENOSYS));
    }
    if flags & CLONE_PIDFD != 0 && flags & CLONE_PARENT_SETTID != 0 {
        return Err(Errno(libc::EINVAL));
    }
    // A child with a copy of memory cannot share the table of handlers.
    let host_flags = flags & !(OURS | CLONE_VM | CLONE_SIGHAND);
    let pid = fork(context, host_flags, parent_tid)?;
    if pid != 0 {
        if flags & CLONE_PARENT_SETTID != 0 {
            let _ = user::write(parent_tid, &(pid as u32));
        }
        return Ok(pid);
    }
    start_child(context.cpu, flags, stack, tls);
    let tid = host::call3(libc::SYS_gettid, 0, 0, 0)? as u32;
    if flags & CLONE_CHILD_SETTID != 0 {
        let _ = user::write(child_tid, &tid);
    }
    if flags & CLONE_PARENT_SETTID != 0 {
        let _ = user::write(parent_tid, &tid);
    }
    context.thread.clear_tid_at = if flags & CLONE_CHILD_CLEARTID != 0 { child_tid } else { 0 };
    Ok(0)
}

fn start_child(cpu: &mut CpuState, flags: u64, stack: u64, tls: u64) {
    if stack != 0 {
        cpu.x[CpuState::SP] = stack;
    }
    if flags & CLONE_SETTLS != 0 {
        cpu.tpidr_el0 = tls;
    }
    cpu.exclusive_addr = CpuState::NO_EXCLUSIVE;
}

/// Forks with every lock of emu's in order. Plain forks go through libc, which puts its own in order too.
fn fork(context: &Context<'_>, host_flags: u64, pidfd_at: u64) -> Outcome {
    let process = context.process;
    if let Some(hooks) = &process.config.fork_hooks {
        hooks.before();
    }
    let result = process.quiet(|| {
        if host_flags == libc::SIGCHLD as u64 {
            host::fork()
        } else {
            let pidfd_at = if host_flags & CLONE_PIDFD != 0 { pidfd_at } else { 0 };
            host::call(libc::SYS_clone, [host_flags, 0, pidfd_at, 0, 0, 0])
        }
    });
    if let Some(hooks) = &process.config.fork_hooks {
        hooks.after(result == Ok(0));
    }
    result
}
