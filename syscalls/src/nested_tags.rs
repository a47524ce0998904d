//! Tags of pointers that stand in structures which calls of the host's kernel take from memory: the kernel gets copies
//! without tags, and what it writes to those goes back to the guest's. What emu reads itself needs none of that
//! (`user.rs`). It must not know tags in arguments.

use crate::host::{Args, Outcome};
use crate::tags::untagged;
use crate::user;
use zerocopy::IntoBytes;

/// More than that the kernel refuses, or does not look at.
const MOST_ITEMS: u64 = libc::UIO_MAXIOV as u64;
/// `struct iovec`: base, length.
const IOVEC_WORDS: usize = 2;
/// `struct futex_waitv`: value, address, flags.
const WAIT_WORDS: usize = 3;
/// `struct msghdr`: name, its length, iovecs, their number, control data, their length, flags.
const MESSAGE_WORDS: usize = 7;
/// `struct mmsghdr`: with the number of bytes.
const LONG_MESSAGE_WORDS: usize = 8;
/// `struct sigevent`
const EVENT_WORDS: usize = 8;
/// `struct sock_fprog`: length, filter. `struct xattr_args`: value, size.
const PAIR_WORDS: usize = 2;

/// What one call gets in place of the guest's structures, for as long as it takes.
#[derive(Default)]
pub(crate) struct Copies {
    kept: Vec<Vec<u64>>,
    messages: Option<Messages>,
}

/// Messages that the kernel writes to.
struct Messages {
    guests: u64,
    copy: Vec<u64>,
    words: usize,
}

impl Copies {
    /// Puts copies in place of those arguments of call `number` that lead to structures with pointers. Where something
    /// cannot be read, the kernel will say so.
    pub(crate) fn take(number: u16, args: &mut Args) -> Self {
        const SIGEV_THREAD: u64 = libc::SIGEV_THREAD as u64;
        const SOL_SOCKET: u64 = libc::SOL_SOCKET as u64;
        const FILTERS: [u64; 2] = [libc::SO_ATTACH_FILTER as u64, libc::SO_ATTACH_REUSEPORT_CBPF as u64];
        let mut copies = Self::default();
        match number {
            // readv, writev, preadv, pwritev, vmsplice, preadv2, pwritev2, process_madvise
            65 | 66 | 69 | 70 | 75 | 286 | 287 | 440 => copies.array(args, 1, IOVEC_WORDS, 0),
            // process_vm_readv, process_vm_writev
            270 | 271 => {
                copies.array(args, 1, IOVEC_WORDS, 0);
                copies.array(args, 3, IOVEC_WORDS, 0);
            }
            // futex_waitv
            449 => copies.array(args, 0, WAIT_WORDS, 1),
            // sendmsg, recvmsg
            211 | 212 => copies.messages(&mut args[1], 1, MESSAGE_WORDS),
            // sendmmsg, recvmmsg
            243 | 269 => {
                let count = u64::from(args[2] as u32).min(MOST_ITEMS);
                copies.messages(&mut args[1], count, LONG_MESSAGE_WORDS);
            }
            // mq_notify: the message, which otherwise is a number
            184 => copies.one(&mut args[1], EVENT_WORDS, 0, |event| event[1] >> 32 == SIGEV_THREAD),
            208 if args[1] == SOL_SOCKET && FILTERS.contains(&args[2]) => {
                copies.one(&mut args[3], PAIR_WORDS, 1, |_| true);
            }
            // setxattrat, getxattrat
            463 | 464 if args[5] == 8 * PAIR_WORDS as u64 => copies.one(&mut args[4], PAIR_WORDS, 0, |_| true),
            _ => {}
        }
        copies
    }

    fn keep(&mut self, words: Vec<u64>) -> u64 {
        let at = words.as_ptr() as u64;
        self.kept.push(words);
        at
    }

    /// A structure whose word `pointer` is one if `is_pointer` says so.
    fn one(&mut self, arg: &mut u64, words: usize, pointer: usize, is_pointer: impl Fn(&[u64]) -> bool) {
        if let Some(mut copy) = read(*arg, words)
            && is_pointer(&copy)
        {
            copy[pointer] = untagged(copy[pointer]);
            *arg = self.keep(copy);
        }
    }

    /// An array at argument `at`, of as many structures as the next argument says.
    fn array(&mut self, args: &mut Args, at: usize, words: usize, pointer: usize) {
        let count = args[at + 1];
        self.items(&mut args[at], count, words, pointer);
    }

    fn items(&mut self, arg: &mut u64, count: u64, words: usize, pointer: usize) {
        if count > MOST_ITEMS {
            return;
        }
        let Some(mut copy) = read(*arg, words * count as usize) else { return };
        for item in copy.chunks_exact_mut(words) {
            item[pointer] = untagged(item[pointer]);
        }
        *arg = self.keep(copy);
    }

    fn messages(&mut self, arg: &mut u64, count: u64, words: usize) {
        let Some(mut copy) = read(*arg, words * count as usize) else { return };
        for message in copy.chunks_exact_mut(words) {
            message[0] = untagged(message[0]);
            message[2] = untagged(message[2]);
            message[4] = untagged(message[4]);
            let iovecs = message[3];
            self.items(&mut message[2], iovecs, IOVEC_WORDS, 0);
        }
        let guests = std::mem::replace(arg, copy.as_ptr() as u64);
        self.messages = Some(Messages { guests, copy, words });
    }

    /// Gives the guest what the call has written.
    pub(crate) fn give_back(self, outcome: Outcome) {
        let (Some(Messages { guests, copy, words }), Ok(result)) = (self.messages, outcome) else { return };
        let done = if words == LONG_MESSAGE_WORDS { result as usize } else { 1 };
        for (index, message) in copy.chunks_exact(words).take(done).enumerate() {
            let at = |word: usize| guests.wrapping_add(8 * (index * words + word) as u64);
            let _ = user::write(at(1), &(message[1] as u32));
            let _ = user::write(at(5), &message[5]);
            let _ = user::write(at(6), &(message[6] as u32));
            if let Some(&bytes) = message.get(MESSAGE_WORDS) {
                let _ = user::write(at(MESSAGE_WORDS), &(bytes as u32));
            }
        }
    }
}

fn read(from: u64, words: usize) -> Option<Vec<u64>> {
    let mut copy = vec![0u64; words];
    user::read_bytes(from, copy.as_mut_bytes()).ok()?;
    Some(copy)
}
