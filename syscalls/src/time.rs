//! Clocks: clock_gettime(2) and gettimeofday(2), which programs call so often that the way into the host's kernel would
//! show. The host's C library asks its vDSO, and the kernel for the clocks that the vDSO leaves to it.
//! Unsafe because it calls the C library. Timers and sleeps are not here: they are the kernel's alone.
#![allow(unsafe_code)]

use crate::host::{self, Args, Outcome};
use crate::process::Context;
use crate::user;
use ir::{CpuState, Errno};

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

/// Answers clock_gettime(2) of the clocks that are asked most, without the way through the table, if all is well with it:
/// X0 is the result then. Else it changes nothing, and the call takes that way.
pub fn answer(cpu: &mut CpuState) -> bool {
    const CLOCK_GETTIME: u32 = 113;
    let clock = cpu.x[0] as i32;
    if cpu.x[8] as u32 != CLOCK_GETTIME || !matches!(clock, libc::CLOCK_REALTIME | libc::CLOCK_MONOTONIC) {
        return false;
    }
    let answered = now(clock).and_then(|time| user::write(cpu.x[1], &time)).is_ok();
    if answered {
        cpu.x[0] = 0;
    }
    answered
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

#[cfg(test)]
mod tests {
    use super::answer;
    use crate::testing::at;
    use ir::CpuState;

    #[test]
    fn only_what_is_well_is_answered_at_once() {
        let mut time = [u64::MAX; 2];
        let asked = |number: u64, clock: u64, to: u64| {
            let mut cpu = CpuState::new();
            (cpu.x[8], cpu.x[0], cpu.x[1]) = (number, clock, to);
            let answered = answer(&mut cpu);
            assert_eq!(cpu.x[0], if answered { 0 } else { clock });
            answered
        };
        ir::memory::install_handler();
        let place = at(&mut time);
        assert!(asked(113, 1, place));
        // The kernel looks at W8 and W0.
        assert!(asked(113 | 1 << 32, 1 | 1 << 40, place));
        assert!(!asked(169, 1, place));
        assert!(!asked(113, 99, place));
        assert!(!asked(113, 1, 8));
        assert!(time[1] < 1_000_000_000);
    }
}
