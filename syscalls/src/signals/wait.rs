//! Calls that wait for signals, or for something else under a mask of their own. It must not know what is waited for.

use super::{OWNED, UNSTOPPABLE, after_wait};
use crate::host::{self, Args, Outcome};
use crate::process::Context;
use crate::user;
use ir::Errno;

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
    let port = &context.thread.port;
    let before = port.mask();
    // What is held and comes meanwhile is judged by the mask of the wait.
    if let Some(mask) = mask {
        port.set_mask(mask & !UNSTOPPABLE);
        port.release_held();
    }
    let host_mask = mask.map(|mask| mask & !OWNED);
    let (number, args) = call(host_mask.as_ref().map_or(0, |mask| std::ptr::from_ref(mask) as u64));
    let outcome = match mask {
        Some(_) if port.has_signal() => Err(Errno(libc::EINTR)),
        _ => context.guest_call(number, args),
    };
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
    const SYS_IO_PGETEVENTS: i64 = 333;
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
    if let Some(info) = context.thread.port.take_held(set) {
        if args[1] != 0 {
            user::write(args[1], &info)?;
        }
        return Ok(u64::from(info[0] as u32));
    }
    context.guest_call(libc::SYS_rt_sigtimedwait, args)
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
