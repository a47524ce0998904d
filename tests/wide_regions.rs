//! A region in which much time goes by is compiled again with wider limits, while the guest runs in it.
#![allow(unsafe_code)] // A mapping for guest code.

use backend::{Config, Engine, Thread};
use frontend::A64;
use ir::{CpuState, GuestAddr, GuestRange, Stop};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// More than a function may have that is taken into its caller's region, but for wider limits.
const ADDITIONS: u64 = 60;
const CALLS: u64 = 100_000;
const LIMIT: Duration = Duration::from_secs(60);

/// X1 times a call of a function that adds 1 to X0 again and again.
fn program() -> Vec<u32> {
    let mut words = vec![
        0x9400_0004, // bl function   start
        0xf100_0421, // subs x1, x1, #1
        0x54ff_ffc1, // b.ne start
        0xd420_0000, // brk #0
    ];
    words.extend([0x9100_0400; ADDITIONS as usize]); // add x0, x0, #1
    words.push(0xd65f_03c0); // ret
    words
}

#[test]
fn a_hot_loop_takes_in_a_longer_function() {
    let bytes: Vec<u8> = program().iter().flat_map(|word| word.to_le_bytes()).collect();
    // SAFETY: a fresh anonymous mapping.
    let place = unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        libc::mmap(std::ptr::null_mut(), bytes.len(), libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) as u64
    };
    assert_ne!(place as i64, -1);
    ir::memory::write_bytes(GuestAddr(place), &bytes).unwrap();
    let code = GuestRange::new(GuestAddr(place), bytes.len() as u64);

    let engine = Engine::<A64>::new(Config::default(), Arc::new(move |pc| code.contains(pc)));
    let mut thread = Thread::new(&engine).expect("memory for the lookup table");
    let (mut cpu, started) = (CpuState::new(), Instant::now());
    // Once more, so that the wide region runs.
    let mut turns_left = 2;
    while turns_left > 0 {
        assert!(started.elapsed() < LIMIT, "no region got wider: {:?}", engine.stats());
        (cpu.pc, cpu.x[0], cpu.x[1]) = (code.start, 0, CALLS);
        assert_eq!(thread.run(&mut cpu), Stop::Breakpoint);
        assert_eq!((cpu.x[0], cpu.pc), (CALLS * ADDITIONS, code.start.offset(12)));
        // It is counted before it is compiled.
        let stats = engine.stats();
        turns_left -= u32::from(stats.widened > 0 && stats.region_insns > 2 * ADDITIONS);
    }
}
