//! epoll, whose event structure is packed on x86-64 and padded on AArch64. The other polls are the same on both.

use crate::host::{self, Args, Outcome};
use crate::process::Context;
use crate::signals;
use crate::user;
use ir::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// `struct epoll_event` of AArch64.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
pub(crate) struct GuestEvent {
    events: u32,
    pad: u32,
    data: u64,
}

const _: () = assert!(size_of::<GuestEvent>() == 16);
const _: () = assert!(size_of::<libc::epoll_event>() == 12);

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
    let (events, most) = (args[1], args[2] as i32);
    // The kernel's limit on the room for the guest's larger structures; the host checks it for its own.
    if most <= 0 || most > i32::MAX / size_of::<GuestEvent>() as i32 {
        return Err(Errno(libc::EINVAL));
    }
    let ready = signals::wait_under(context, mask, |mask| {
        (args[4], args[5]) = (mask, 8);
        (number, args)
    })?;
    // The host's are packed and leave room: the last is moved to its place first.
    for index in (0..ready).rev() {
        let [kinds, low, high]: [u32; 3] = user::read(events.wrapping_add(12 * index))?;
        let guest = GuestEvent { events: kinds, pad: 0, data: u64::from(high) << 32 | u64::from(low) };
        user::write(events.wrapping_add(16 * index), &guest)?;
    }
    Ok(ready)
}
