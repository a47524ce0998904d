//! epoll, whose event structure is packed on x86-64 and padded on AArch64. The other polls are the same on both.

use crate::host::{self, Args, Outcome};
use crate::process::Context;
use crate::signals;
use crate::user;
use ir::Errno;

/// `struct epoll_event` of AArch64.
#[repr(C)]
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct GuestEvent {
    events: u32,
    pad: u32,
    data: u64,
}

const _: () = assert!(size_of::<GuestEvent>() == 16);
const _: () = assert!(size_of::<libc::epoll_event>() == 12);

/// Most events fetched at once: giving fewer than asked for is always allowed.
const MOST_EVENTS: i32 = 1024;

/// epoll_ctl implements Linux syscall epoll_ctl(2).
pub(crate) fn epoll_ctl(_: &mut Context<'_>, mut args: Args) -> Outcome {
    if args[1] as i32 == libc::EPOLL_CTL_DEL {
        return host::call(libc::SYS_epoll_ctl, args);
    }
    let guest: GuestEvent = user::read(args[3])?;
    let mut event = libc::epoll_event { events: guest.events, u64: guest.data };
    args[3] = &raw mut event as u64;
    host::call(libc::SYS_epoll_ctl, args)
}

/// epoll_pwait implements Linux syscall epoll_pwait(2).
pub(crate) fn epoll_pwait(context: &mut Context<'_>, args: Args) -> Outcome {
    wait(context, libc::SYS_epoll_pwait, args)
}

/// epoll_pwait2 implements Linux syscall epoll_pwait2(2).
pub(crate) fn epoll_pwait2(context: &mut Context<'_>, args: Args) -> Outcome {
    wait(context, libc::SYS_epoll_pwait2, args)
}

fn wait(context: &mut Context<'_>, number: i64, mut args: Args) -> Outcome {
    let mask = signals::read_mask(args[4], args[5])?;
    let (to, most) = (args[1], args[2] as i32);
    if most <= 0 {
        return Err(Errno(libc::EINVAL));
    }
    let most = most.min(MOST_EVENTS);
    let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; most as usize];
    args[1] = events.as_mut_ptr() as u64;
    args[2] = most as u64;
    let ready = signals::wait_under(context, mask, |mask| {
        (args[4], args[5]) = (mask, 8);
        (number, args)
    })?;
    for (index, event) in events.iter().take(ready as usize).enumerate() {
        let guest = GuestEvent { events: event.events, pad: 0, data: event.u64 };
        user::write(to.wrapping_add(16 * index as u64), &guest)?;
    }
    Ok(ready)
}
