//! Several guest threads in one engine, with a code cache so small that it is emptied often, while another host thread
//! says at random that code has changed: every thread computes what it would compute alone.
#![allow(unsafe_code)] // A mapping for guest code.

use backend::{Config, Engine, Stats, Thread, Tier};
use frontend::A64;
use ir::{CodeWatcher, GuestAddr, GuestRange, Stop, Vcpu};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// As many as fill the cache in each tier.
const FUNCTIONS: u32 = 6000;
const TURNS: u64 = 3;
const THREADS: usize = 3;

fn branch(op: u32, from: usize, to: usize) -> u32 {
    op | (to as i64 - from as i64) as u32 & 0x03ff_ffff
}

/// X1 times: X3 += 50 in a loop of its own, then a call of each function, which adds its number to X0. The function
/// gets there on one of two ways, as bit 0 of X0 says.
fn program() -> Vec<u32> {
    let functions = FUNCTIONS as usize;
    let body = functions + 8;
    let mut words = vec![
        0xd280_0642, // movz x2, #50    start
        0x9100_0463, // add x3, x3, #1  <-
        0xf100_0442, // subs x2, x2, #1
        0x54ff_ffc1, // b.ne <-
    ];
    for i in 0..functions {
        words.push(branch(0x9400_0000, words.len(), body + 4 * i));
    }
    let back = -(words.len() as i32 + 1);
    words.extend([0xf100_0421, 0x5400_0001 | (back as u32 & 0x7_ffff) << 5, 0xd420_0000]);
    words.resize(body, 0);
    for i in 0..functions as u32 {
        // tbz x0, #0, +8; nop; add; ret
        let add = 0x9100_0000 | (i % 4096) << 10;
        words.extend([0x3600_0040, 0xd503_201f, add, 0xd65f_03c0]);
    }
    words
}

fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// Runs the program once in each of the threads.
fn together(config: Config, code: GuestRange) -> backend::Stats {
    let engine = Engine::<A64>::new(config, Arc::new(move |pc| code.contains(pc)));
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let runners: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    let mut thread = Thread::new(&engine).expect("memory for the lookup table");
                    let mut cpu = Vcpu::default();
                    cpu.pc = code.start;
                    cpu.x[1] = TURNS;
                    assert_eq!(thread.run(&mut cpu), Stop::Breakpoint);
                    (cpu.x[0], cpu.x[1], cpu.x[3])
                })
            })
            .collect();
        scope.spawn(|| {
            let mut state = 42;
            while !ended.load(Ordering::SeqCst) {
                let start = code.start.offset((random(&mut state) % code.bytes()) as i64 & !3);
                let bytes = 4 << (random(&mut state) % 9);
                engine.code_changed(GuestRange::new(start, bytes));
                std::thread::sleep(Duration::from_micros(random(&mut state) % 300));
            }
        });
        let results: Vec<_> = runners.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        ended.store(true, Ordering::SeqCst);
        let once: u64 = (0..u64::from(FUNCTIONS)).map(|i| i % 4096).sum();
        for result in results {
            assert_eq!(result.expect("no thread panics"), (TURNS * once, 0, TURNS * 50));
        }
    });
    engine.stats()
}

#[test]
fn threads_share_a_small_cache_that_changes() {
    let bytes: Vec<u8> = program().iter().flat_map(|word| word.to_le_bytes()).collect();
    // SAFETY: a fresh anonymous mapping.
    let place = unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        libc::mmap(std::ptr::null_mut(), bytes.len(), libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) as u64
    };
    assert_ne!(place as i64, -1);
    ir::memory::write_bytes(GuestAddr(place), &bytes).unwrap();
    let code = GuestRange::new(GuestAddr(place), bytes.len() as u64);

    let base = Config { code_bytes: 2 << 20, region_insns: 30, ..Config::default() };
    for tier in [Tier::Eval, Tier::Jit, Tier::Emit] {
        // How much code is made depends on how often threads get to run what has changed.
        const MOST_RUNS: usize = 20;
        let is_enough = |stats: &Stats| stats.invalidations > 0 && (tier == Tier::Eval || stats.flushes > 0);
        let mut runs = (0..MOST_RUNS).map(|_| together(Config { tier, ..base.clone() }, code));
        assert!(runs.any(|stats| is_enough(&stats)), "{tier:?}: the cache must have been full once");
    }
    for (emit_threshold, threshold) in [(1, 2), (2, 1), (2, 4), (1, 1)] {
        let stats = together(Config { emit_threshold, threshold, ..base.clone() }, code);
        assert!(stats.invalidations > 0 && stats.emitted + stats.regions > 0, "{threshold}: {stats:?}");
    }
}
