//! A region in which much time goes by is compiled again with wider limits, while the guest runs in it, and holds
//! registers.
#![allow(unsafe_code)] // Mappings for guest code and data.

use backend::{Config, Engine, Thread};
use frontend::A64;
use ir::{GuestAddr, GuestRange, Stop, Vcpu};
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

/// A fresh mapping that begins with these words.
fn mapped(words: &[u32]) -> GuestRange {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    // SAFETY: a fresh anonymous mapping.
    let place = unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        libc::mmap(std::ptr::null_mut(), bytes.len(), libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) as u64
    };
    assert_ne!(place as i64, -1);
    ir::memory::write_bytes(GuestAddr(place), &bytes).expect("the mapping can be written");
    GuestRange::new(GuestAddr(place), bytes.len() as u64)
}

fn a_hot_loop_takes_in_a_longer_function() {
    let code = mapped(&program());
    let engine = Engine::<A64>::new(Config::default(), Arc::new(move |pc| code.contains(pc)));
    let mut thread = Thread::new(&engine).expect("memory for the lookup table");
    let (mut cpu, started) = (Vcpu::default(), Instant::now());
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

/// Adds what X0 points to to X3 to X15 and counts in X16, for ever: blocks of a region with more registers than one may
/// use that holds some from the start.
fn endless_loop() -> Vec<u32> {
    let mut words = vec![0xf940_0002]; // start: ldr x2, [x0]
    words.extend((3..=15).map(|n| 0x8b02_0000 | n << 5 | n)); // add xn, xn, x2
    words.extend([
        0xb400_0041, // cbz x1, over the next
        0x9100_0610, // add x16, x16, #1
        0xf900_0403, // str x3, [x0, #8]
    ]);
    words.push(0x1400_0000 | (words.len() as u32).wrapping_neg() & 0x03ff_ffff); // b start
    words
}

/// Whether a thread that stays in a loop was in the wide region at a fault that comes some turns after that was compiled.
fn is_in_the_new_code() -> bool {
    let (code, data) = (mapped(&endless_loop()), mapped(&[1, 0, 0, 0]));
    let engine = Engine::<A64>::new(Config::default(), Arc::new(move |pc| code.contains(pc)));
    let mut thread = Thread::new(&engine).expect("memory for the lookup table");
    let mut cpu = Vcpu::default();
    (cpu.pc, cpu.x[0], cpu.x[1]) = (code.start, data.start.0, 1);
    std::thread::scope(|scope| {
        let stop = scope.spawn(|| thread.run(&mut cpu));
        let started = Instant::now();
        let wait_until = |condition: &dyn Fn() -> bool| {
            while !condition() && started.elapsed() < LIMIT {
                std::thread::yield_now();
            }
        };
        wait_until(&|| engine.stats().widened > 0 && engine.stats().regions > 1);
        let turns = || ir::memory::load_u64(data.start.offset(8)).unwrap_or_default();
        let now = turns();
        wait_until(&|| turns() > now + 1_000_000);
        // SAFETY: a mapping of this test's.
        assert_eq!(unsafe { libc::mprotect(data.start.0 as *mut libc::c_void, 1, libc::PROT_NONE) }, 0);
        assert_eq!(stop.join().expect("no panic"), Stop::Fault);
    });
    assert!(cpu.x[3] > 0 && cpu.x[3..=16].iter().all(|&x| x == cpu.x[3]), "{:?}", &cpu.x[3..=16]);
    let stats = engine.stats();
    assert_eq!(stats.widened, 1, "{stats:?}");
    stats.recovered() > 0
}

fn a_thread_that_stays_in_a_loop_gets_into_the_new_code() {
    // The compiler's thread may be interrupted between having compiled and calling the other out of the old code.
    assert!((0..5).any(|_| is_in_the_new_code()), "no register was held at any fault");
}

/// One after the other: the host's fault handler knows the code of one engine.
#[test]
fn hot_regions_are_compiled_again() {
    a_hot_loop_takes_in_a_longer_function();
    a_thread_that_stays_in_a_loop_gets_into_the_new_code();
}
