//! The access stubs across a page boundary: the fault names the first byte that cannot be accessed, the signal and
//! `si_code` are the kernel's, and a store that faults changes nothing.

use crate::pages::Pages;
use ir::{
    GuestAddr,
    memory::{self, Fault},
};

const SEGV_MAPERR: i32 = 1;
const SEGV_ACCERR: i32 = 2;
const BUS_ADRERR: i32 = 2;

fn load(bytes: usize, addr: GuestAddr) -> Result<u128, Fault> {
    match bytes {
        1 => memory::load_u8(addr).map(u128::from),
        2 => memory::load_u16(addr).map(u128::from),
        4 => memory::load_u32(addr).map(u128::from),
        8 => memory::load_u64(addr).map(u128::from),
        _ => memory::load_u128(addr),
    }
}

fn store(bytes: usize, addr: GuestAddr, value: u128) -> Result<(), Fault> {
    match bytes {
        1 => memory::store_u8(addr, value as u8),
        2 => memory::store_u16(addr, value as u16),
        4 => memory::store_u32(addr, value as u32),
        8 => memory::store_u64(addr, value as u64),
        _ => memory::store_u128(addr, value),
    }
}

/// Swap, add and compare-and-swap at an address.
fn atomics(addr: GuestAddr) -> [Result<u128, Fault>; 13] {
    [
        memory::swap_u8(addr, 1).map(u128::from),
        memory::swap_u16(addr, 1).map(u128::from),
        memory::swap_u32(addr, 1).map(u128::from),
        memory::swap_u64(addr, 1).map(u128::from),
        memory::add_u8(addr, 1).map(u128::from),
        memory::add_u16(addr, 1).map(u128::from),
        memory::add_u32(addr, 1).map(u128::from),
        memory::add_u64(addr, 1).map(u128::from),
        memory::cas_u8(addr, 1, 2).map(u128::from),
        memory::cas_u16(addr, 1, 2).map(u128::from),
        memory::cas_u32(addr, 1, 2).map(u128::from),
        memory::cas_u64(addr, 1, 2).map(u128::from),
        memory::cas_u128(addr, 1, 2),
    ]
}

#[test]
fn accesses_up_to_the_boundary_work() {
    let pages = Pages::new(libc::PROT_NONE);
    for bytes in [1, 2, 4, 8, 16] {
        let addr = pages.end().offset(-(bytes as i64));
        let expected = (0..bytes).fold(0, |number, i| number | ((256 - bytes + i) as u128) << (8 * i));
        assert_eq!(load(bytes, addr), Ok(expected));
        store(bytes, addr, !expected).unwrap();
        assert_eq!(pages.read(addr, bytes), (!expected).to_le_bytes()[..bytes]);
        store(bytes, addr, expected).unwrap();
    }
}

#[test]
fn accesses_across_a_readable_boundary_work() {
    let pages = Pages::new(libc::PROT_READ | libc::PROT_WRITE);
    for bytes in [2, 4, 8, 16] {
        for before in 1..bytes as i64 {
            let addr = pages.end().offset(-before);
            store(bytes, addr, 0x1011_1213_1415_1617_1819_1a1b_1c1d_1e1f).unwrap();
            let expected = pages.read(addr, bytes);
            assert_eq!(load(bytes, addr).unwrap().to_le_bytes()[..bytes], expected);
        }
    }
}

#[test]
fn faults_name_the_first_inaccessible_byte() {
    let pages = Pages::new(libc::PROT_NONE);
    let fault = Fault { addr: pages.end(), signal: libc::SIGSEGV, code: SEGV_ACCERR, is_write: false };
    for bytes in [1, 2, 4, 8, 16] {
        for before in 0..bytes as i64 {
            let addr = pages.end().offset(-before);
            let content = pages.read(addr, before as usize);
            assert_eq!(load(bytes, addr), Err(fault), "{bytes} bytes, {before} before the boundary");
            assert_eq!(store(bytes, addr, 0), Err(fault.of_store()), "{bytes} bytes, {before} before the boundary");
            assert_eq!(pages.read(addr, before as usize), content);
        }
    }
    for result in atomics(pages.end()) {
        assert_eq!(result, Err(fault));
    }
}

#[test]
fn read_only_pages_can_be_loaded() {
    let pages = Pages::new(libc::PROT_READ);
    let fault = Fault { addr: pages.end(), signal: libc::SIGSEGV, code: SEGV_ACCERR, is_write: false };
    for bytes in [1, 2, 4, 8, 16] {
        load(bytes, pages.end()).unwrap();
        assert_eq!(store(bytes, pages.end(), 0), Err(fault.of_store()));
    }
    // Reading alone would have done.
    for result in atomics(pages.end()) {
        assert_eq!(result, Err(fault.of_store()));
    }
}

#[test]
fn pages_beyond_a_file_raise_bus_errors() {
    let pages = Pages::beyond_a_file();
    let fault = Fault { addr: pages.end(), signal: libc::SIGBUS, code: BUS_ADRERR, is_write: false };
    for bytes in [1, 2, 4, 8, 16] {
        let addr = pages.end().offset(1 - bytes as i64);
        assert_eq!(load(bytes, pages.end()), Err(fault));
        assert_eq!(store(bytes, pages.end(), 0), Err(fault.of_store()));
        if bytes > 1 {
            assert_eq!(load(bytes, addr), Err(fault), "across the boundary");
        }
    }
}

#[test]
fn unmapped_addresses_have_their_own_code() {
    memory::install_handler();
    let addr = GuestAddr(0x10);
    let fault = Fault { addr, signal: libc::SIGSEGV, code: SEGV_MAPERR, is_write: false };
    for bytes in [1, 2, 4, 8, 16] {
        assert_eq!(load(bytes, addr), Err(fault));
        assert_eq!(store(bytes, addr, 0), Err(fault.of_store()));
    }
    for result in atomics(addr) {
        assert_eq!(result, Err(fault));
    }
}

#[test]
fn copies_stop_at_the_boundary() {
    let pages = Pages::new(libc::PROT_NONE);
    let fault = Fault { addr: pages.end(), signal: libc::SIGSEGV, code: SEGV_ACCERR, is_write: false };
    let from = pages.end().offset(-10);
    let mut content = [0xaa; 20];
    assert_eq!(memory::read_bytes(from, &mut content[..10]), Ok(()));
    assert_eq!(content[..10], [246, 247, 248, 249, 250, 251, 252, 253, 254, 255]);
    assert_eq!(memory::read_bytes(from, &mut content), Err(fault));
    assert_eq!(content[10..], [0xaa; 10]);
    assert_eq!(memory::write_bytes(from, &[1; 10]), Ok(()));
    assert_eq!(memory::write_bytes(from, &[2; 11]), Err(fault.of_store()));
    assert_eq!(memory::read_bytes(pages.end(), &mut []), Ok(()), "nothing is accessed");
}
