//! Calls that wait for signals, or for something else under a mask of their own. It must not know what is waited for.

use super::pending::reveal;
use super::port::Port;
use super::slot::SigInfo;
use super::{OWNED, UNSTOPPABLE, after_wait, bit};
use crate::host::{self, Args, Outcome};
use crate::process::Context;
use crate::user;
use ir::Errno;
use linux_raw_sys::general::__NR_io_pgetevents;

const SYS_IO_PGETEVENTS: i64 = __NR_io_pgetevents as i64;
const EINVAL: Errno = Errno(libc::EINVAL);

/// The mask that a caller passes by address and size; None if it passes none.
pub(crate) fn read_mask(at: u64, bytes: u64) -> Result<Option<u64>, Errno> {
    match at {
        0 => Ok(None),
        _ if bytes != 8 => Err(EINVAL),
        at => Ok(Some(user::read(at)?)),
    }
}

/// Makes the call that `call` says, given the address of the host's form of `mask`, or 0.
pub(crate) fn wait_under(
    context: &mut Context<'_>,
    mask: Option<u64>,
    call: impl FnOnce(u64) -> (i64, Args),
) -> Outcome {
    let Some(mask) = mask.map(|mask| mask & !UNSTOPPABLE) else {
        let (number, args) = call(0);
        return context.guest_call(number, args);
    };
    let port = &context.thread.port;
    let before = port.mask();
    // What emu keeps is the kernel's for this once, so that it is judged by the mask of the wait, if the wait has to wait.
    let kept = port.held() & before;
    // What comes meanwhile too.
    port.set_mask(mask);
    let host_mask = mask & (!OWNED | kept | port.shown());
    let (number, args) = call(&raw const host_mask as u64);
    let wait = || context.guest_call(number, args);
    let outcome = if kept != 0 { port.watching(kept, wait) } else { wait() };
    context.thread.port.set_mask(before);
    after_wait(context.thread, mask, outcome)
}

/// ppoll implements Linux syscall ppoll(2).
pub(crate) fn ppoll(context: &mut Context<'_>, mut args: Args) -> Outcome {
    let mask = read_mask(args[3], args[4])?;
    wait_under(context, mask, |mask| {
        args[3] = mask;
        (libc::SYS_ppoll, args)
    })
}

/// pselect6 implements Linux syscall pselect6(2), whose last argument leads to the mask's address and size.
pub(crate) fn pselect6(context: &mut Context<'_>, mut args: Args) -> Outcome {
    let mask = read_indirect(args[5])?;
    let mut pair = [0, 8];
    wait_under(context, mask, |mask| {
        pair[0] = mask;
        args[5] = pair.as_ptr() as u64;
        (libc::SYS_pselect6, args)
    })
}

/// io_pgetevents implements Linux syscall io_pgetevents(2).
pub(crate) fn io_pgetevents(context: &mut Context<'_>, mut args: Args) -> Outcome {
    let mask = read_indirect(args[5])?;
    let mut pair = [0, 8];
    wait_under(context, mask, |mask| {
        pair[0] = mask;
        args[5] = pair.as_ptr() as u64;
        (SYS_IO_PGETEVENTS, args)
    })
}

fn read_indirect(at: u64) -> Result<Option<u64>, Errno> {
    if at == 0 {
        return Ok(None);
    }
    let [mask, bytes] = user::read::<[u64; 2]>(at)?;
    read_mask(mask, bytes)
}

/// rt_sigsuspend implements Linux syscall rt_sigsuspend(2).
pub(crate) fn rt_sigsuspend(context: &mut Context<'_>, args: Args) -> Outcome {
    if args[1] != 8 {
        return Err(EINVAL);
    }
    let mask = user::read(args[0])?;
    wait_under(context, Some(mask), |mask| (libc::SYS_rt_sigsuspend, [mask, 8, 0, 0, 0, 0]))
}

/// rt_sigtimedwait implements Linux syscall rt_sigtimedwait(2).
pub(crate) fn rt_sigtimedwait(context: &mut Context<'_>, args: Args) -> Outcome {
    if args[3] != 8 {
        return Err(EINVAL);
    }
    let set: u64 = user::read(args[0])?;
    let port = &context.thread.port;
    let signal = port.awaiting(set, || match port.take_held(set) {
        Some(info) => {
            if args[1] != 0 {
                user::write(args[1], &info)?;
            }
            Ok(u64::from(info[0] as u32))
        }
        // If one comes before the kernel waits, its handler has all this done again.
        None => context.guest_call(libc::SYS_rt_sigtimedwait, args),
    })?;
    if OWNED & bit(signal as i32) != 0 && args[1] != 0 {
        let mut info: SigInfo = user::read(args[1])?;
        reveal(&mut info);
        user::write(args[1], &info)?;
    }
    Ok(signal)
}

/// signalfd4 implements Linux syscall signalfd4(2).
pub(crate) fn signalfd4(context: &mut Context<'_>, args: Args) -> Outcome {
    let fd = host::call(libc::SYS_signalfd4, args)?;
    context.thread.port.shows(user::read(args[1])?);
    Ok(fd)
}

/// Makes host system call `number` for the guest: see [`host::guest_call`].
pub(crate) fn guest_call(port: &Port, number: i64, args: Args) -> Outcome {
    let call = || host::guest_call(number, args, port.flag());
    let shown = port.shown();
    if shown != 0 && may_ask_signalfd(number) { port.watching(shown, call) } else { call() }
}

/// Whether a call may ask a signalfd what is pending.
fn may_ask_signalfd(number: i64) -> bool {
    matches!(
        number,
        libc::SYS_read
            | libc::SYS_readv
            | libc::SYS_poll
            | libc::SYS_ppoll
            | libc::SYS_pselect6
            | libc::SYS_epoll_pwait
            | libc::SYS_epoll_pwait2
            | libc::SYS_io_getevents
            | SYS_IO_PGETEVENTS
            | libc::SYS_io_uring_enter
    )
}

/// rt_sigpending implements Linux syscall rt_sigpending(2).
pub(crate) fn rt_sigpending(context: &mut Context<'_>, args: Args) -> Outcome {
    let bytes = args[1];
    if bytes > 8 {
        return Err(EINVAL);
    }
    let mut pending = 0u64;
    host::call3(libc::SYS_rt_sigpending, &raw mut pending as u64, 8, 0)?;
    pending |= context.thread.port.held();
    user::write_bytes(args[0], &pending.to_ne_bytes()[..bytes as usize])?;
    Ok(0)
}
