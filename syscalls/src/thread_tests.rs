use super::*;
use crate::Config;
use crate::testing::{Guest, at, failed};
use ir::GuestAddr;
use std::sync::mpsc::Receiver;

const THREAD: u64 = 0x100 | 0x200 | 0x400 | 0x800 | 0x1_0000 | 0x4_0000;

/// Starts threads that say the registers they begin with, and end when asked; or none.
struct Threads {
    works: bool,
    told: Sender<Box<CpuState>>,
}

impl ThreadHost for Threads {
    fn start(&self, thread: NewThread) -> std::io::Result<()> {
        if !self.works {
            return Err(std::io::ErrorKind::WouldBlock.into());
        }
        let told = self.told.clone();
        std::thread::spawn(move || {
            let Some((mut cpu, mut thread)) = thread.begin() else { return };
            told.send(Box::new(cpu.for_new_thread())).unwrap();
            cpu.x[8] = 93;
            assert_eq!(thread.syscall(&mut cpu), After::ThreadEnded);
        });
        Ok(())
    }

    fn lend(&self, _: NewProcess) -> std::io::Result<()> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
}

fn guest(works: bool) -> (Guest, Receiver<Box<CpuState>>) {
    let (told, begun) = channel();
    let threads: Option<Box<dyn ThreadHost>> = Some(Box::new(Threads { works, told }));
    (Guest::new(Config { threads, ..Config::default() }), begun)
}

#[test]
fn a_thread_begins_as_it_was_asked_to() {
    let (mut guest, begun) = guest(true);
    let (mut parent_tid, mut child_tid) = (0u32, u32::MAX);
    guest.cpu.pc = GuestAddr(0x1234);
    guest.cpu.v[3] = 7 << 64;
    guest.cpu.tpidr_el0 = 1;
    let flags = THREAD | 0x8_0000 | 0x10_0000 | 0x20_0000;
    let tid = guest.call("clone", &[flags, 0x5000, at(&mut parent_tid), 0x6000, at(&mut child_tid)]);
    assert!(tid > 0);
    assert_eq!(i64::from(parent_tid), tid);
    assert_ne!(guest.call("gettid", &[]), tid);
    let cpu = begun.recv().unwrap();
    assert_eq!((cpu.x[0], cpu.x[CpuState::SP], cpu.tpidr_el0), (0, 0x5000, 0x6000));
    assert_eq!((cpu.pc, cpu.v[3], cpu.x[8]), (GuestAddr(0x1234), 7 << 64, 220));
    // CLONE_CHILD_CLEARTID: the word goes to 0 with a futex wake.
    let word = at(&mut child_tid);
    while user::read::<u32>(word) != Ok(0) {
        guest.call("futex", &[word, 0, u64::from(u32::MAX), 0]);
    }
    // The last one ends the process.
    assert_eq!(guest.call_after("exit", &[4]).1, After::Exit(4));
}

#[test]
fn without_a_host_thread_there_is_none() {
    let (mut guest, _begun) = guest(false);
    assert_eq!(guest.call("clone", &[THREAD]), failed(libc::EAGAIN));
    assert_eq!(guest.call("clone", &[THREAD & !0x100]), failed(libc::EINVAL));
    assert_eq!(guest.call("clone", &[THREAD & !0x800]), failed(libc::EINVAL));
    assert_eq!(guest.call("clone", &[THREAD | 0x1000_0000]), failed(libc::EINVAL));
    assert_eq!(guest.call("clone", &[THREAD | 0x2000_0000]), failed(libc::EINVAL));
    // None of them counts.
    assert_eq!(guest.call_after("exit", &[0]).1, After::Exit(0));
    let mut without = Guest::new(Config::default());
    assert_eq!(without.call("clone", &[THREAD]), failed(libc::ENOSYS));
}

#[test]
fn structures_of_clone3_are_checked() {
    let mut guest = Guest::new(Config::default());
    let mut call = |words: &mut [u64], bytes: u64| guest.call("clone3", &[at(words), bytes]);
    assert_eq!(call(&mut [0; 11], 63), failed(libc::EINVAL));
    assert_eq!(call(&mut [0; 11], 4097), failed(libc::E2BIG));
    assert_eq!(call(&mut [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 96), failed(libc::E2BIG));
    // CSIGNAL and CLONE_DETACHED have no place in the flags, nor bits that there are not.
    for flags in [17, 0x40_0000, 1 << 33, 1 << 63, 0x800 | 1 << 32] {
        assert_eq!(call(&mut [flags, 0, 0, 0, 0, 0, 0, 0], 64), failed(libc::EINVAL), "{flags:#x}");
    }
    assert_eq!(call(&mut [0, 0, 0, 0, 65, 0, 0, 0], 64), failed(libc::EINVAL));
    assert_eq!(call(&mut [0, 0, 0, 0, 17, 4096, 0, 0], 64), failed(libc::EINVAL));
    assert_eq!(call(&mut [0, 0, 0, 0, 17, 0, 4096, 0], 64), failed(libc::EINVAL));
    assert_eq!(call(&mut [0, 0, 0, 0, 17, u64::MAX, 2, 0], 64), failed(libc::EINVAL));
    // The kernel reads the wanted ids.
    assert_eq!(call(&mut [0, 0, 0, 0, 17, 0, 0, 0, 8, 1, 0], 88), failed(libc::EFAULT));
    assert_eq!(guest.call("clone3", &[8, 88]), failed(libc::EFAULT));
}

/// `struct robust_list_head`, and entries of a link and a futex.
#[repr(C)]
struct List {
    head: [u64; 3],
    entries: [[u64; 2]; 3],
}

const TID: u32 = 1234;

fn list(futexes: [u64; 3]) -> Box<List> {
    let mut list = Box::new(List { head: [0, 8, 0], entries: futexes.map(|futex| [0, futex]) });
    let places: Vec<u64> = list.entries.iter_mut().map(at).collect();
    let end = at(&mut list.head);
    list.head[0] = places[0];
    list.entries[0][0] = places[1];
    list.entries[1][0] = places[2];
    list.entries[2][0] = end;
    list
}

fn release(list: &mut List) -> Result<(), Errno> {
    ir::memory::install_handler();
    release_robust_list(at(list), TID)
}

/// As kernel/futex/core.c has it: the owner's id goes, FUTEX_OWNER_DIED comes, FUTEX_WAITERS stays.
#[test]
fn locks_of_the_dead_are_marked() {
    let mut list = list([u64::from(TID), 99, u64::from(TID | 0x8000_0000)]);
    assert_eq!(release(&mut list), Ok(()));
    assert_eq!(list.entries.map(|entry| entry[1]), [0x4000_0000, 99, 0xc000_0000]);
}

#[test]
fn the_list_may_have_tags() {
    const TAG: u64 = 0x5a << 56;
    ir::memory::install_handler();
    let mut list = list([u64::from(TID); 3]);
    list.head[0] |= TAG;
    list.entries.iter_mut().for_each(|entry| entry[0] |= TAG);
    user::take_tags(true);
    let result = release_robust_list(at(&mut list.head), TID);
    user::take_tags(false);
    assert_eq!((result, list.head[1]), (Ok(()), 8));
    assert_eq!(list.entries.map(|entry| entry[1]), [0x4000_0000; 3]);
}

#[test]
fn a_lock_being_taken_is_marked_once() {
    let mut list = list([u64::from(TID); 3]);
    list.head[0] = at(&mut list.head);
    list.head[2] = at(&mut list.entries[1]);
    assert_eq!(release(&mut list), Ok(()));
    assert_eq!(list.entries.map(|entry| entry[1]), [u64::from(TID), 0x4000_0000, u64::from(TID)]);
}

#[test]
fn wild_lists_are_left() {
    let mut circle = list([1, 2, 3]);
    circle.entries[2][0] = at(&mut circle.entries[0]);
    assert_eq!(release(&mut circle), Ok(()));
    for wild in [8, 1 << 63, u64::MAX, u64::MAX - 7] {
        let mut list = list([u64::from(TID); 3]);
        list.entries[0][0] = wild;
        assert!(release(&mut list).is_err());
        assert_eq!(list.entries[0][1], 0x4000_0000);
    }
    // Distances from the entry to the futex.
    for wild in [1, 1 << 63, u64::MAX] {
        let mut list = list([u64::from(TID); 3]);
        list.head[1] = wild;
        assert!(release(&mut list).is_err());
        assert_eq!(list.entries[0][1], u64::from(TID));
    }
    assert_eq!(release_robust_list(8, TID), Err(user::EFAULT));
}
