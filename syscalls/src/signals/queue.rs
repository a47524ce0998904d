//! Calls that send a signal with a siginfo of the caller's. It must not know what becomes of a signal.

use super::pending::disguise;
use super::slot::{SigInfo, code_of};
use super::{OWNED, bit, signal_number};
use crate::host::{self, Args, Outcome};
use crate::process::Context;
use crate::user;

/// rt_sigqueueinfo implements Linux syscall rt_sigqueueinfo(2).
pub(crate) fn rt_sigqueueinfo(context: &mut Context<'_>, args: Args) -> Outcome {
    queue(context, libc::SYS_rt_sigqueueinfo, args, 1)
}

/// rt_tgsigqueueinfo implements Linux syscall rt_tgsigqueueinfo(2).
pub(crate) fn rt_tgsigqueueinfo(context: &mut Context<'_>, args: Args) -> Outcome {
    queue(context, libc::SYS_rt_tgsigqueueinfo, args, 2)
}

/// pidfd_send_signal implements Linux syscall pidfd_send_signal(2).
pub(crate) fn pidfd_send_signal(context: &mut Context<'_>, args: Args) -> Outcome {
    queue(context, libc::SYS_pidfd_send_signal, args, 1)
}

/// Makes host system call `number`, whose arguments are a signal at `at` and a siginfo behind it. A thread may send itself
/// what a fault would, as programs do that have caught one and want to die of it: emu must not take it for one.
fn queue(context: &Context<'_>, number: i64, mut args: Args, at: usize) -> Outcome {
    let is_faults = signal_number(args[at]).is_ok_and(|signal| OWNED & bit(signal) != 0);
    if !is_faults || args[at + 1] == 0 {
        return context.guest_call(number, args);
    }
    let mut info: SigInfo = user::read(args[at + 1])?;
    if code_of(&info) <= 0 {
        return context.guest_call(number, args);
    }
    // The kernel is to say whether the caller may send such a code to whom it is for: by signal 0, which is none.
    let mut probe = info;
    disguise(&mut probe);
    (probe[0], probe[1]) = (0, info[1]);
    let signal = std::mem::replace(&mut args[at], 0);
    args[at + 1] = probe.as_ptr() as u64;
    host::call(number, args)?;
    disguise(&mut info);
    (args[at], args[at + 1]) = (signal, info.as_ptr() as u64);
    context.guest_call(number, args)
}
