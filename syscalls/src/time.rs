//! Clocks: clock_gettime(2) and gettimeofday(2), which programs call so often that the way into the host's kernel would
//! show. The host's C library asks its vDSO, and the kernel for the clocks that the vDSO leaves to it.
//! Unsafe because it calls the C library. Timers and sleeps are not here: they are the kernel's alone.
#![allow(unsafe_code)]

use crate::host::{self, Args, Outcome};
use crate::process::Context;
use crate::user;
use ir::Errno;

/// Seconds, and nanoseconds or microseconds: `struct timespec` and `struct timeval` on both sides.
type Time = [u64; 2];

/// The time of a clock in nanoseconds.
fn now(clock: i32) -> Result<Time, Errno> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one timespec.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } == 0 {
        return Ok([time.tv_sec as u64, time.tv_nsec as u64]);
    }
    Err(Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL)))
}

/// clock_gettime implements Linux syscall clock_gettime(2).
pub(crate) fn clock_gettime(_: &mut Context<'_>, args: Args) -> Outcome {
    let time = now(args[0] as i32)?;
    user::write(args[1], &time)?;
    Ok(0)
}

/// gettimeofday implements Linux syscall gettimeofday(2). The time zone is known to the kernel only.
pub(crate) fn gettimeofday(_: &mut Context<'_>, args: Args) -> Outcome {
    if args[0] == 0 || args[1] != 0 {
        return host::call(libc::SYS_gettimeofday, args);
    }
    let [seconds, nanoseconds] = now(libc::CLOCK_REALTIME)?;
    user::write(args[0], &[seconds, nanoseconds / 1000])?;
    Ok(0)
}
