//! unshare(2) and setns(2): the kernel does some of what they can do only for a process with one thread. It must not
//! know what emu has other threads for.

use crate::host::{Args, Outcome};
use crate::process::Context;

/// Makes host call `number` once no thread is left but the guest's.
fn alone(context: &Context<'_>, number: i64, args: Args) -> Outcome {
    if let Some(hooks) = &context.process.config.fork_hooks {
        hooks.stop_threads();
    }
    context.guest_call(number, args)
}

/// unshare implements Linux syscall unshare(2).
pub(crate) fn unshare(context: &mut Context<'_>, args: Args) -> Outcome {
    alone(context, libc::SYS_unshare, args)
}

/// setns implements Linux syscall setns(2).
pub(crate) fn setns(context: &mut Context<'_>, args: Args) -> Outcome {
    alone(context, libc::SYS_setns, args)
}
