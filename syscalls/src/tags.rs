//! Tags in the top bytes of pointers, which system calls refuse until the thread has said that it uses them
//! (Documentation/arch/arm64/tagged-address-abi.rst). It must not know any one call but by its arguments' types.

use crate::host::{Args, Outcome};
use crate::process::Context;
use crate::table::{Arg, Row};
use ir::Errno;
use linux_raw_sys::prctl::PR_TAGGED_ADDR_ENABLE;

const EINVAL: Errno = Errno(libc::EINVAL);
/// The other bits are MTE's, which there is not.
const ENABLE: u64 = PR_TAGGED_ADDR_ENABLE as u64;

/// Calls whose addresses may not have tags (brk's new end, mmap's hint).
const WITHOUT: [u16; 2] = [214, 222];
const MREMAP: u16 = 216;
/// Calls with arguments that are addresses or numbers, as other arguments say: fcntl, ioctl, prctl, semctl, keyctl.
const EITHER: [u16; 5] = [25, 29, 167, 191, 219];
/// Where clone has the child's stack and TLS: what the registers are to be.
const CLONE: u16 = 220;
const CLONES_REGISTERS: [usize; 2] = [1, 3];

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
    for (index, (arg, value)) in row.args.iter().zip(args).enumerate() {
        let is_address = match arg {
            // Where to, which is a hint as mmap's.
            Arg::Ptr if row.number == MREMAP => index == 0,
            Arg::Ptr if row.number == CLONE => !CLONES_REGISTERS.contains(&index),
            Arg::Ptr | Arg::Path | Arg::Str | Arg::Buf | Arg::OutBuf | Arg::Argv | Arg::SigSet | Arg::TimeSpec => true,
            Arg::Hex => EITHER.contains(&row.number),
            _ => false,
        };
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
        for name in ["mmap", "brk"] {
            take_from(by_name(name).unwrap(), &mut args);
            assert_eq!(args[0], TAG | 4096, "{name}");
        }
        take_from(by_name("mremap").unwrap(), &mut args);
        assert_eq!([args[0], args[4]], [4096, TAG | 4096]);
        args[0] = TAG | 4096;
        take_from(by_name("clone").unwrap(), &mut args);
        assert_eq!(args[..5], [TAG | 4096, TAG | 4096, 4096, TAG | 4096, 4096]);
        args = [TAG | 4096; 6];
        take_from(by_name("write").unwrap(), &mut args);
        assert_eq!(args[..3], [TAG | 4096, 4096, TAG | 4096]);
    }

    /// As `send` and `receive` say, with a message that has a tag in each pointer.
    fn message_goes_through(send: &str, receive: &str) {
        let mut guest = Guest::new(crate::Config::default());
        assert_eq!(guest.call("prctl", &[55, 1, 0, 0, 0]), 0);
        let mut ends = [0u32; 2];
        assert_eq!(guest.call("socketpair", &[1, 2, 0, at(&mut ends) | TAG]), 0);
        let [sender, receiver] = ends.map(u64::from);
        let many = send == "sendmmsg";
        let (mut out, mut back) = (*b"text", [0u8; 9]);
        let mut vector = [at(&mut out) | TAG, 4];
        let mut message = [0, 0, at(&mut vector) | TAG, 1, 0, 0, 0, 99];
        let at_message = at(&mut message) | TAG;
        let sent = if many { [sender, at_message, 1, 0] } else { [sender, at_message, 0, 0] };
        assert_eq!(guest.call(send, &sent), if many { 1 } else { 4 });
        assert_eq!(message[7], if many { 4 } else { 99 });
        let mut control = [0u64; 8];
        vector = [at(&mut back) | TAG, 9];
        let mut name = [0u64; 14];
        message = [at(&mut name) | TAG, 77, at(&mut vector) | TAG, 1, at(&mut control) | TAG, 64, 77, 99];
        let received = if many { [receiver, at_message, 1, 0] } else { [receiver, at_message, 0, 0] };
        assert_eq!(guest.call(receive, &received), if many { 1 } else { 4 });
        assert_eq!(&back[..5], b"text\0");
        // What the kernel writes to the message, in the guest's.
        assert_eq!([message[1], message[2] >> 56, message[5], message[6] & 0xffff], [0, TAG >> 56, 0, 0]);
        assert_eq!(message[7], if many { 4 } else { 99 });
    }

    #[test]
    fn messages_have_tags() {
        message_goes_through("sendmsg", "recvmsg");
        message_goes_through("sendmmsg", "recvmmsg");
    }

    #[test]
    fn structures_have_tags() {
        let mut guest = Guest::new(crate::Config::default());
        let mut ends = [0u32; 2];
        assert_eq!(guest.call("pipe2", &[at(&mut ends), 0]), 0);
        let [reader, writer] = ends.map(u64::from);
        let mut text = *b"text";
        let mut vector = [at(&mut text) | TAG, 4];
        assert_eq!(guest.call("writev", &[writer, at(&mut vector), 1]), failed(libc::EFAULT));
        assert_eq!(guest.call("prctl", &[55, 1, 0, 0, 0]), 0);
        assert_eq!(guest.call("writev", &[writer, at(&mut vector) | TAG, 1]), 4);
        assert_eq!(guest.call("readv", &[reader, at(&mut vector), 1]), 4);
        assert_eq!(guest.call("writev", &[writer, at(&mut vector), 1025]), failed(libc::EINVAL));
        assert_eq!(guest.call("writev", &[writer, 8, 1]), failed(libc::EFAULT));
        let mut other = *b"mine";
        let mut remote = [at(&mut other) | TAG, 4];
        let pid = u64::from(std::process::id());
        let args = [pid, at(&mut vector), 1, at(&mut remote), 1, 0];
        assert_eq!(guest.call("process_vm_readv", &args), 4);
        assert_eq!(&text, b"mine");
        let mut word = 5u32;
        let mut wait = [4, at(&mut word) | TAG, 2];
        assert_eq!(guest.call("futex_waitv", &[at(&mut wait), 1, 0, 0, 0]), failed(libc::EAGAIN));
        // F_GETLK
        let mut lock = [0u64; 4];
        assert_eq!(guest.call("fcntl", &[reader, 5, at(&mut lock) | TAG]), 0);
        // FIONREAD
        assert_eq!(guest.call("ioctl", &[reader, 0x541b, at(&mut word) | TAG]), 0);
        assert_eq!(word, 0);
        // What emu reads itself: pselect6's mask.
        let (mut mask, mut no_time) = (0u64, [0u64; 2]);
        let mut pair = [at(&mut mask) | TAG, 8];
        let args = [0, 0, 0, 0, at(&mut no_time) | TAG, at(&mut pair) | TAG];
        assert_eq!(guest.call("pselect6", &args), 0);
    }

    #[test]
    fn memory_is_locked_by_tagged_addresses() {
        let mut guest = Guest::new(crate::Config::default());
        let args = [0, 4096, 3, libc::MAP_PRIVATE as u64 | libc::MAP_ANONYMOUS as u64, u64::MAX, 0];
        let place = guest.call("mmap", &args) as u64;
        for name in ["mlock", "mlock2", "munlock"] {
            assert_eq!(guest.call(name, &[place | TAG, 4096, 0]), 0, "{name}");
        }
    }
}
