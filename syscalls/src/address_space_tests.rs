use super::*;
use crate::testing::{Guest, Recorder, failed, guest_parts};
use crate::{Config, user};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{OnceLock, Weak};

const RW: Prot = Prot(3);
const RX: Prot = Prot(5);
const ANON: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;

fn space() -> (AddressSpace, Arc<Recorder>) {
    ir::memory::install_handler();
    let watcher = Arc::new(Recorder::default());
    (AddressSpace::new(watcher.clone(), Layout::default()), watcher)
}

fn request(addr: u64, bytes: u64, prot: Prot, flags: i32) -> MapRequest {
    MapRequest { addr: GuestAddr(addr), bytes, prot, flags: ANON | flags, fd: -1, offset: 0 }
}

fn range(start: GuestAddr, bytes: u64) -> GuestRange {
    GuestRange::new(start, bytes)
}

/// Memory of emu's own: the host kernel knows it, the record does not.
fn host_page() -> GuestAddr {
    let prot = libc::PROT_READ | libc::PROT_WRITE;
    let at = GuestRange { start: GuestAddr(0), end: GuestAddr(PAGE_BYTES) };
    let page = GuestAddr(host_mmap(at, prot, ANON).unwrap());
    user::write(page.0, &0x1234u64).unwrap();
    page
}

fn is_untouched(page: GuestAddr) -> bool {
    user::read::<u64>(page.0) == Ok(0x1234)
}

#[test]
fn emus_memory_is_not_replaced() {
    let (space, _) = space();
    let page = host_page();
    let fixed = request(page.0, PAGE_BYTES, RW, libc::MAP_FIXED);
    assert_eq!(space.map(fixed), Err(Errno(libc::ENOMEM)));
    // With guest pages on both sides the free pages taken on the way are given back.
    let wide = request(page.0 - 4 * PAGE_BYTES, 9 * PAGE_BYTES, RW, libc::MAP_FIXED);
    assert_eq!(space.map(wide), Err(Errno(libc::ENOMEM)));
    assert_eq!(space.unmap(range(page, PAGE_BYTES)), Ok(()));
    assert_eq!(space.protect(range(page, PAGE_BYTES), Prot::NONE), Err(Errno(libc::ENOMEM)));
    let guest = space.map(request(0, PAGE_BYTES, RW, 0)).unwrap();
    let moved = space.remap(guest, PAGE_BYTES, PAGE_BYTES, libc::MREMAP_FIXED | libc::MREMAP_MAYMOVE, page);
    assert_eq!(moved, Err(Errno(libc::ENOMEM)));
    let stolen = space.remap(page, PAGE_BYTES, PAGE_BYTES, libc::MREMAP_FIXED | libc::MREMAP_MAYMOVE, guest);
    assert_eq!(stolen, Err(Errno(libc::EFAULT)));
    assert!(is_untouched(page));
    assert!(guest_parts(&space, range(guest, PAGE_BYTES)).1);
}

#[test]
fn advice_leaves_emus_memory_alone() {
    let mut guest = Guest::new(Config::default());
    let page = host_page();
    let result = guest.call("madvise", &[page.0, PAGE_BYTES, libc::MADV_DONTNEED as u64]);
    assert_eq!(result, failed(libc::ENOMEM));
    assert!(is_untouched(page));
}

#[test]
fn the_guests_own_memory_is_replaced() {
    let (space, _) = space();
    let start = space.map(request(0, 4 * PAGE_BYTES, RW, 0)).unwrap();
    user::write(start.0 + PAGE_BYTES, &1u64).unwrap();
    space.unmap(range(start.offset(2 * 4096), PAGE_BYTES)).unwrap();
    let again = space.map(request(start.0, 4 * PAGE_BYTES, RW, libc::MAP_FIXED));
    assert_eq!(again, Ok(start));
    assert_eq!(user::read::<u64>(start.0 + PAGE_BYTES), Ok(0));
    let taken = request(start.0, PAGE_BYTES, RW, libc::MAP_FIXED_NOREPLACE);
    assert_eq!(space.map(taken), Err(Errno(libc::EEXIST)));
}

#[test]
fn executable_is_the_guests_affair() {
    let (space, watcher) = space();
    let start = space.map(request(0, 2 * PAGE_BYTES, RX, 0)).unwrap();
    assert!(space.is_executable(start));
    let unreadable = space.map(request(0, PAGE_BYTES, Prot::EXEC, 0)).unwrap();
    assert!(user::read::<u64>(unreadable.0).is_ok(), "emu reads code");
    watcher.0.lock().clear();
    space.protect(range(start, PAGE_BYTES), RW).unwrap();
    assert!(!space.is_executable(start));
    assert!(space.is_executable(start.offset(4096)));
    space.protect(range(start, PAGE_BYTES), RX).unwrap();
    space.unmap(range(start, 2 * PAGE_BYTES)).unwrap();
    assert!(!space.is_executable(start));
    let told = watcher.0.lock();
    // Also when it becomes executable again: another thread's news of what was there may be still to come.
    assert_eq!(*told, [range(start, PAGE_BYTES), range(start, PAGE_BYTES), range(start, 2 * PAGE_BYTES)]);
}

/// Asks something of the address space whenever it is told something, as the engine does.
#[derive(Default)]
struct Curious(OnceLock<Weak<AddressSpace>>, AtomicUsize);

impl CodeWatcher for Curious {
    fn code_changed(&self, _: GuestRange) {
        let space = self.0.get().and_then(Weak::upgrade).unwrap();
        assert!(space.state.try_lock().is_some(), "the watcher would wait for itself");
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn the_watcher_is_told_with_no_lock_held() {
    ir::memory::install_handler();
    let watcher = Arc::new(Curious::default());
    let space = Arc::new(AddressSpace::new(watcher.clone(), Layout::default()));
    watcher.0.set(Arc::downgrade(&space)).unwrap();
    let is_told = |times: usize, what: &str| assert_eq!(watcher.1.swap(0, Ordering::Relaxed), times, "{what}");
    let start = space.map(request(0, 2 * PAGE_BYTES, RX, 0)).unwrap();
    is_told(1, "map");
    let page = range(start, PAGE_BYTES);
    space.contents_changed(page, false);
    is_told(1, "contents_changed");
    space.code_changed(page);
    is_told(1, "code_changed");
    space.protect(page, RW).unwrap();
    is_told(1, "protect");
    let moved =
        space.remap(start.offset(4096), PAGE_BYTES, 64 * PAGE_BYTES, libc::MREMAP_MAYMOVE, GuestAddr(0)).unwrap();
    assert!(watcher.1.swap(0, Ordering::Relaxed) > 0, "remap");
    space.unmap(range(moved, 64 * PAGE_BYTES)).unwrap();
    is_told(1, "unmap");
}

#[test]
fn remapping_moves_the_record() {
    let (space, watcher) = space();
    let start = space.map(request(0, 2 * PAGE_BYTES, RX, 0)).unwrap();
    watcher.0.lock().clear();
    let blocked = space.map(request(start.0 + 2 * PAGE_BYTES, PAGE_BYTES, RW, libc::MAP_FIXED_NOREPLACE));
    let moved = space.remap(start, 2 * PAGE_BYTES, 64 * PAGE_BYTES, libc::MREMAP_MAYMOVE, GuestAddr(0)).unwrap();
    assert!(blocked.is_err() || moved != start);
    assert!(space.is_executable(moved.offset(63 * 4096)));
    assert_eq!(watcher.0.lock()[0], range(start, 2 * PAGE_BYTES));
    let shrunk = space.remap(moved, 64 * PAGE_BYTES, PAGE_BYTES, 0, GuestAddr(0));
    assert_eq!(shrunk, Ok(moved));
    assert!(!space.is_executable(moved.offset(4096)));
}

#[test]
fn bad_arguments_are_refused() {
    let (space, _) = space();
    assert_eq!(space.map(request(0, 0, RW, 0)), Err(Errno(libc::EINVAL)));
    assert_eq!(space.map(request(0, u64::MAX, RW, 0)), Err(Errno(libc::ENOMEM)));
    assert_eq!(space.map(request(0, 1 << 60, RW, libc::MAP_FIXED)), Err(Errno(libc::ENOMEM)));
    assert_eq!(space.map(request(u64::MAX - 4095, 8192, RW, libc::MAP_FIXED)), Err(Errno(libc::ENOMEM)));
    assert_eq!(space.map(request(4097, 4096, RW, libc::MAP_FIXED)), Err(Errno(libc::EINVAL)));
    let odd = GuestRange { start: GuestAddr(1), end: GuestAddr(4096) };
    assert_eq!(space.unmap(odd), Err(Errno(libc::EINVAL)));
    assert_eq!(space.protect(odd, RW), Err(Errno(libc::EINVAL)));
    let wild = range(GuestAddr(0xffff_ffff_ffff_f000), 4096);
    assert_eq!(space.unmap(wild), Err(Errno(libc::EINVAL)));
    assert_eq!(space.protect(wild, RW), Err(Errno(libc::ENOMEM)));
    assert_eq!(space.remap(GuestAddr(4096), u64::MAX, 1, 0, GuestAddr(0)), Err(Errno(libc::EFAULT)));
    let page = space.map(request(0, PAGE_BYTES, RW, 0)).unwrap();
    assert_eq!(space.remap(page, u64::MAX, 1, 0, GuestAddr(0)), Err(Errno(libc::EINVAL)));
}

#[test]
fn brk_grows_and_shrinks() {
    let (space, _) = space();
    // A program's last page, after which brk starts.
    let program = space.map(request(0x2000_0000, PAGE_BYTES, RW, libc::MAP_FIXED_NOREPLACE)).unwrap();
    let start = program.offset(4096);
    space.start_brk(program.offset(0xff0));
    assert_eq!(space.brk(GuestAddr(0)), start);
    assert_eq!(space.brk(GuestAddr(u64::MAX)), start);
    assert_eq!(space.brk(start.offset(-1)), start);
    let end = start.offset(10_000);
    assert_eq!(space.brk(end), end);
    user::write(end.0 - 8, &7u64).unwrap();
    assert!(user::read::<u64>(start.0 + 3 * PAGE_BYTES).is_err(), "beyond the heap");
    assert_eq!(space.brk(start.offset(1)), start.offset(1));
    assert_eq!(space.brk(end), end);
    assert_eq!(user::read::<u64>(end.0 - 8), Ok(0), "what comes back is zero");
    // A mapping in the way stops it.
    let wall = request(start.0 + 16 * PAGE_BYTES, PAGE_BYTES, RW, libc::MAP_FIXED);
    assert!(space.map(wall).is_ok());
    assert_eq!(space.brk(start.offset(20 * 4096)), end);
    // A page before it.
    assert_eq!(space.brk(start.offset(16 * 4096)), end);
    assert_eq!(space.brk(start.offset(15 * 4096)), start.offset(15 * 4096));
    // So do sizes that no machine has.
    assert_eq!(space.brk(GuestAddr(1 << 46)), start.offset(15 * 4096));
}
