//! The code cache when it fills up: everything is forgotten and compiled again, and the guest does not notice.
#![allow(unsafe_code)] // A mapping for guest code.

use backend::{Config, Engine, Thread, Tier};
use frontend::A64;
use ir::{GuestAddr, GuestRange, Stop, Vcpu};
use std::sync::Arc;

const BLOCKS: u32 = 60_000;

/// ADD X0, X0, #imm
fn add_x0(imm: u32) -> u32 {
    0x9100_0000 | imm << 10
}

#[test]
fn a_full_cache_is_flushed_and_refilled() {
    // Blocks of two instructions, `add x0, x0, #(i % 4096)` and `b` to the next block; then SUBS X1, X1, #1; B.NE to
    // the start; BRK.
    let mut words: Vec<u32> = (0..BLOCKS).flat_map(|i| [add_x0(i % 4096), 0x1400_0001]).collect();
    let back = -(words.len() as i32 + 1);
    words.extend([0xf100_0421, 0x5400_0001 | (back as u32 & 0x7_ffff) << 5, 0xd420_0000]);
    let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    // SAFETY: a fresh anonymous mapping.
    let place = unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        libc::mmap(std::ptr::null_mut(), bytes.len(), libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) as u64
    };
    assert_ne!(place as i64, -1);
    ir::memory::write_bytes(GuestAddr(place), &bytes).unwrap();

    let code = GuestRange::new(GuestAddr(place), bytes.len() as u64);
    for tier in [Tier::Jit, Tier::Emit] {
        fill(tier, code, bytes.len() as u64);
    }
}

/// Runs the code twice through.
fn fill(tier: Tier, code: GuestRange, bytes: u64) {
    let config = Config { tier, region_insns: 2, code_bytes: 2 << 20, ..Config::default() };
    let engine = Engine::<A64>::new(config, Arc::new(move |pc| code.contains(pc)));
    let mut thread = Thread::new(&engine).expect("memory for the lookup table");
    let mut cpu = Vcpu::default();
    cpu.pc = code.start;
    cpu.x[1] = 2;
    assert_eq!(thread.run(&mut cpu), Stop::Breakpoint);

    let once: u64 = (0..u64::from(BLOCKS)).map(|i| i % 4096).sum();
    assert_eq!(cpu.x[0], 2 * once);
    assert_eq!(cpu.pc, code.start.offset(bytes as i64 - 4));
    let stats = engine.stats();
    assert!(stats.flushes > 1, "the cache must have been full: {stats:?}");
    assert!(stats.regions + stats.emitted > u64::from(BLOCKS), "blocks must have been compiled again: {stats:?}");
}
