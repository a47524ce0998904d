//! The exclusive monitor. A store succeeds only after a load of the same size from the same address, with nothing in
//! between that opens the monitor, while memory holds what was loaded.

use crate::pages::Pages;
use ir::{CpuState, Eval, GuestAddr, Ops, Stop, memory};

/// A monitored doubleword pair, all zero but for the first byte, 1.
struct Guest {
    cpu: CpuState,
    addr: u64,
    _pages: Pages,
}

impl Guest {
    fn new() -> Self {
        let pages = Pages::new(libc::PROT_NONE);
        memory::store_u128(pages.start, 1).unwrap();
        Self { cpu: CpuState::new(), addr: pages.start.0, _pages: pages }
    }

    fn eval(&mut self) -> Eval<'_> {
        Eval::new(&mut self.cpu)
    }

    fn memory(&self) -> u128 {
        memory::load_u128(GuestAddr(self.addr)).unwrap()
    }

    /// Loads single values of 1 to 8 bytes and pairs of 4 and 8, and stores 2 of the same size there, with `between`
    /// done in between. Gives the statuses.
    fn try_all_sizes(between: impl Fn(&mut Eval<'_>, u64)) -> [u64; 6] {
        [(1, false), (2, false), (4, false), (8, false), (4, true), (8, true)].map(|(bytes, pair)| {
            let mut guest = Self::new();
            let addr = guest.addr;
            let mut ops = guest.eval();
            let status = if pair {
                assert_eq!(ops.load_exclusive_pair(bytes, addr), Ok([1, 0]));
                between(&mut ops, addr);
                ops.store_exclusive_pair(bytes, addr, [2, 0]).unwrap()
            } else {
                assert_eq!(ops.load_exclusive(bytes, addr), Ok(1));
                between(&mut ops, addr);
                ops.store_exclusive(bytes, addr, 2).unwrap()
            };
            if status == 0 {
                assert_eq!(guest.memory(), 2);
            } else {
                assert_ne!(guest.memory() as u8, 2);
            }
            status
        })
    }
}

#[test]
fn stores_after_a_load() {
    assert_eq!(Guest::try_all_sizes(|_, _| ()), [0; 6]);
}

#[test]
fn stores_although_other_memory_is_accessed() {
    let statuses = Guest::try_all_sizes(|ops, addr| {
        let value = ops.load(ir::Access::plain(8), addr + 16).unwrap();
        ops.store(ir::Access::plain(8), addr + 24, value).unwrap();
    });
    assert_eq!(statuses, [0; 6]);
}

#[test]
fn fails_after_clrex() {
    assert_eq!(Guest::try_all_sizes(|ops, _| ops.clear_exclusive()), [1; 6]);
}

#[test]
fn fails_when_the_value_changed() {
    let statuses = Guest::try_all_sizes(|ops, addr| ops.store(ir::Access::plain(1), addr, 9).unwrap());
    assert_eq!(statuses, [1; 6]);
}

#[test]
fn a_pair_is_compared_whole() {
    for bytes in [4, 8] {
        let mut guest = Guest::new();
        let addr = guest.addr;
        let mut ops = guest.eval();
        ops.load_exclusive_pair(bytes, addr).unwrap();
        ops.store(ir::Access::plain(1), addr + 2 * u64::from(bytes) - 1, 9).unwrap();
        assert_eq!(ops.store_exclusive_pair(bytes, addr, [2, 3]), Ok(1));
    }
}

#[test]
fn fails_after_a_load_from_elsewhere() {
    let statuses = Guest::try_all_sizes(|ops, addr| {
        ops.load_exclusive(8, addr + 32).unwrap();
    });
    assert_eq!(statuses, [1; 6]);
}

#[test]
fn fails_when_sizes_differ() {
    for loaded in [1, 2, 4, 8] {
        for stored in [1, 2, 4, 8] {
            let mut guest = Guest::new();
            let addr = guest.addr;
            let mut ops = guest.eval();
            ops.load_exclusive(loaded, addr).unwrap();
            let status = ops.store_exclusive(stored, addr, 2).unwrap();
            assert_eq!(status, u64::from(loaded != stored), "loaded {loaded} bytes, stored {stored}");
            assert_eq!(guest.memory(), if status == 0 { 2 } else { 1 });
        }
    }
    let mut guest = Guest::new();
    let addr = guest.addr;
    let mut ops = guest.eval();
    ops.load_exclusive_pair(8, addr).unwrap();
    assert_eq!(ops.store_exclusive_pair(4, addr, [2, 3]), Ok(1));
    ops.load_exclusive(4, addr).unwrap();
    assert_eq!(ops.store_exclusive_pair(4, addr, [2, 3]), Ok(1));
    assert_eq!(guest.memory(), 1);
}

#[test]
fn a_store_opens_the_monitor_whether_it_succeeds_or_not() {
    let mut guest = Guest::new();
    let addr = guest.addr;
    let mut ops = guest.eval();
    ops.load_exclusive(8, addr).unwrap();
    assert_eq!(ops.store_exclusive(8, addr, 2), Ok(0));
    assert_eq!(ops.store_exclusive(8, addr, 3), Ok(1));
    ops.load_exclusive(8, addr).unwrap();
    assert_eq!(ops.store_exclusive(8, addr + 8, 4), Ok(1));
    assert_eq!(ops.store_exclusive(8, addr, 4), Ok(1));
    assert_eq!(guest.memory(), 2);
}

#[test]
fn a_fresh_thread_holds_nothing() {
    let mut guest = Guest::new();
    let addr = guest.addr;
    assert_eq!(guest.eval().store_exclusive(8, addr, 2), Ok(1));
    // Nothing is accessed, so that even a bad address only fails.
    assert_eq!(guest.eval().store_exclusive(8, 0, 2), Ok(1));
}

#[test]
fn bad_addresses_stop() {
    let mut guest = Guest::new();
    let addr = guest.addr;
    let mut ops = guest.eval();
    ops.load_exclusive(8, addr).unwrap();
    assert_eq!(ops.load_exclusive(8, addr + 4), Err(Stop::Misaligned));
    assert_eq!(ops.cpu.stop.addr, GuestAddr(addr + 4));
    assert_eq!(ops.load_exclusive_pair(8, addr + 8), Err(Stop::Misaligned));
    assert_eq!(ops.load_exclusive(8, 0), Err(Stop::Fault));
    assert_eq!(ops.cpu.stop.addr, GuestAddr(0));
    assert_eq!(ops.store_exclusive(8, addr + 1, 3), Err(Stop::Misaligned));
    assert_eq!(guest.memory(), 1);
}
