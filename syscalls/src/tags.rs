//! Tags in the top bytes of pointers, which system calls refuse until the thread has said that it uses them
//! (Documentation/arch/arm64/tagged-address-abi.rst). It must not know any one call but by its arguments' types.

use crate::host::{Args, Outcome};
use crate::process::Context;
use crate::table::{Arg, Row};
use ir::Errno;

const EINVAL: Errno = Errno(libc::EINVAL);
/// PR_TAGGED_ADDR_ENABLE; the other bits are MTE's, which there is not.
const ENABLE: u64 = 1;

/// Calls whose addresses may not have tags (mmap's and mremap's hints, brk's new end).
const WITHOUT: [u16; 3] = [214, 216, 222];

/// PR_SET_TAGGED_ADDR_CTRL of prctl(2).
pub(crate) fn set_control(context: &mut Context<'_>, args: Args) -> Outcome {
    if args[1] & !ENABLE != 0 || args[2..5] != [0; 3] {
        return Err(EINVAL);
    }
    context.thread.passes_tags = args[1] & ENABLE != 0;
    Ok(0)
}

/// PR_GET_TAGGED_ADDR_CTRL of prctl(2).
pub(crate) fn get_control(context: &Context<'_>, args: Args) -> Outcome {
    if args[1..5] != [0; 4] {
        return Err(EINVAL);
    }
    Ok(u64::from(context.thread.passes_tags))
}

/// An address without its tag.
pub(crate) fn untagged(addr: u64) -> u64 {
    addr & ((addr << 8) as i64 >> 8) as u64
}

/// Takes the tags from the arguments that are addresses. Not from those that are only read from memory.
pub(crate) fn take_from(row: &Row, args: &mut Args) {
    if WITHOUT.contains(&row.number) {
        return;
    }
    for (arg, value) in row.args.iter().zip(args) {
        let is_address = matches!(
            arg,
            Arg::Ptr | Arg::Path | Arg::Str | Arg::Buf | Arg::OutBuf | Arg::Argv | Arg::SigSet | Arg::TimeSpec
        );
        if is_address {
            *value = untagged(*value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::by_name;
    use crate::testing::{Guest, at, failed};

    const TAG: u64 = 0x5a << 56;

    #[test]
    fn tags_are_taken_once_the_thread_says_so() {
        let mut guest = Guest::new(crate::Config::default());
        let mut name = [0u8; 390];
        let tagged = at(&mut name) | TAG;
        let mut control = |value: u64, other: u64| guest.call("prctl", &[55, value, other, 0, 0]);
        assert_eq!(control(2, 0), failed(libc::EINVAL));
        assert_eq!(control(1, 1), failed(libc::EINVAL));
        assert_eq!(guest.call("uname", &[tagged]), failed(libc::EFAULT));
        assert_eq!(guest.call("prctl", &[55, 1, 0, 0, 0]), 0);
        assert_eq!(guest.call("prctl", &[56, 0, 0, 0, 0]), 1);
        assert_eq!(guest.call("uname", &[tagged]), 0);
        assert_eq!(guest.call("prctl", &[55, 0, 0, 0, 0]), 0);
        assert_eq!(guest.call("uname", &[tagged]), failed(libc::EFAULT));
    }

    #[test]
    fn addresses_to_map_keep_theirs() {
        let mut args = [TAG | 4096; 6];
        for name in ["mmap", "mremap", "brk"] {
            take_from(by_name(name).unwrap(), &mut args);
            assert_eq!(args[0], TAG | 4096, "{name}");
        }
        take_from(by_name("write").unwrap(), &mut args);
        assert_eq!(args[..3], [TAG | 4096, 4096, TAG | 4096]);
    }
}
