//! What the system and the process say they are: uname(2) and prctl(2).

use crate::host::{self, Args, Outcome};
use crate::process::Context;
use crate::{tags, user};
use ir::Errno;
use linux_raw_sys::prctl;

/// Bytes of each field of `struct new_utsname`, the same on both sides.
const FIELD_BYTES: usize = 65;
/// Index of the release and machine fields.
const RELEASE: usize = 2;
const MACHINE: usize = 4;

/// uname implements Linux syscall uname(2): the host's, but for the machine and what `-r` says.
pub(crate) fn uname(context: &mut Context<'_>, args: Args) -> Outcome {
    let mut names = [0u8; 6 * FIELD_BYTES];
    host::call3(libc::SYS_uname, names.as_mut_ptr() as u64, 0, 0)?;
    let linux32 = context.process.persona.is_linux32();
    set(&mut names, MACHINE, if linux32 { b"armv8l" } else { b"aarch64" });
    if let Some(release) = &context.process.config.uname_release {
        set(&mut names, RELEASE, release.as_bytes());
    }
    if context.process.persona.is_uname26() {
        let shown = as_2_6(&names[RELEASE * FIELD_BYTES..][..FIELD_BYTES]);
        set(&mut names, RELEASE, &shown);
    }
    user::write_bytes(args[0], &names)?;
    Ok(0)
}

/// A release as a kernel of version 2.6: 6.18.4-x is 2.6.78-x (`override_release`).
fn as_2_6(release: &[u8]) -> Vec<u8> {
    let text = release.split(|&byte| byte == 0).next().unwrap_or_default();
    let is_number = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    let numbers = text.iter().take_while(|byte| is_number(byte)).count();
    let second = text[..numbers].split(|&byte| byte == b'.').nth(1).and_then(|part| std::str::from_utf8(part).ok());
    let patch_level: u32 = second.and_then(|part| part.parse().ok()).unwrap_or(0);
    [format!("2.6.{}", patch_level.saturating_add(60)).as_bytes(), &text[numbers..]].concat()
}

fn set(names: &mut [u8], index: usize, text: &[u8]) {
    let field = &mut names[index * FIELD_BYTES..][..FIELD_BYTES];
    field.fill(0);
    let shown = text.len().min(FIELD_BYTES - 1);
    field[..shown].copy_from_slice(&text[..shown]);
}

/// prctl implements Linux syscall prctl(2). What sets or asks the processor's state answers as an AArch64 machine
/// without the feature does; seccomp and PR_SET_MDWE would be applied to emu itself.
pub(crate) fn prctl(context: &mut Context<'_>, args: Args) -> Outcome {
    match args[0] as u32 {
        prctl::PR_SET_PDEATHSIG..=prctl::PR_SET_DUMPABLE
        | prctl::PR_GET_KEEPCAPS
        | prctl::PR_SET_KEEPCAPS
        | prctl::PR_GET_TIMING
        | prctl::PR_SET_NAME
        | prctl::PR_GET_NAME
        | prctl::PR_GET_SECCOMP
        | prctl::PR_CAPBSET_READ
        | prctl::PR_CAPBSET_DROP
        | prctl::PR_GET_SECUREBITS..=prctl::PR_GET_TIMERSLACK
        | prctl::PR_TASK_PERF_EVENTS_DISABLE
        | prctl::PR_TASK_PERF_EVENTS_ENABLE
        | prctl::PR_MCE_KILL
        | prctl::PR_MCE_KILL_GET
        | prctl::PR_SET_CHILD_SUBREAPER..=prctl::PR_GET_NO_NEW_PRIVS
        | prctl::PR_SET_THP_DISABLE
        | prctl::PR_GET_THP_DISABLE
        | prctl::PR_CAP_AMBIENT
        | prctl::PR_GET_SPECULATION_CTRL
        | prctl::PR_SET_SPECULATION_CTRL
        | prctl::PR_SET_IO_FLUSHER
        | prctl::PR_GET_IO_FLUSHER
        | prctl::PR_SCHED_CORE
        | prctl::PR_SET_MEMORY_MERGE
        | prctl::PR_GET_MEMORY_MERGE
        | prctl::PR_SET_VMA
        | prctl::PR_SET_PTRACER => host::call(libc::SYS_prctl, args),
        prctl::PR_SET_TAGGED_ADDR_CTRL => tags::set_control(context, args),
        prctl::PR_GET_TAGGED_ADDR_CTRL => tags::get_control(context, args),
        _ => Err(Errno(libc::EINVAL)),
    }
}

#[cfg(test)]
mod tests {
    use super::as_2_6;

    #[test]
    fn a_new_release_is_shown_as_an_old_one() {
        assert_eq!(as_2_6(b"6.18.4-generic\0\0"), b"2.6.78-generic");
        assert_eq!(as_2_6(b"5.0.0\0"), b"2.6.60");
        assert_eq!(as_2_6(b"odd\0"), b"2.6.60odd");
    }
}
