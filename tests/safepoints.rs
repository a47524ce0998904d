//! A safepoint that is asked for is never lost, whatever the thread was doing: a signal handler on the thread asks for
//! each once the last has been answered, while the thread runs loops, calls and blocks that are still to be translated.
#![allow(unsafe_code)] // A signal handler, and memory for the program.

use backend::{Config, Engine, Thread, Tier};
use frontend::A64;
use ir::{CodeWatcher, ControlWords, GuestAddr, GuestRange, Stop, Vcpu};
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const REASON: u32 = 2;
const REQUESTS: u64 = 2000;
const LIMIT: Duration = Duration::from_secs(60);

/// The words of the thread that takes the signals.
static WORDS: AtomicPtr<ControlWords> = AtomicPtr::new(std::ptr::null_mut());
static ANSWERED: AtomicU64 = AtomicU64::new(0);

extern "C" fn ask(_signal: i32) {
    // SAFETY: null, or words that are shared for as long as the process lives.
    if let Some(words) = unsafe { WORDS.load(Ordering::SeqCst).as_ref() } {
        words.request_safepoint(REASON);
    }
}

/// A loop without calls, and one with a call and a computed branch, by turns.
fn program() -> Vec<u32> {
    vec![
        0xd280_0c81, // start: mov x1, #100
        0xf100_0421, // inner: subs x1, x1, #1
        0x54ff_ffe1, //   b.ne inner
        0xd280_0282, //   mov x2, #20
        0x9400_0007, // outer: bl function
        0x1000_0083, //   adr x3, next
        0xd61f_0060, //   br x3
        0xd420_0000, //   brk #0
        0xd503_201f, //   nop
        0xf100_0442, // next: subs x2, x2, #1
        0x17ff_fff6, //   b start
        0x9100_0400, // function: add x0, x0, #1
        0xd65f_03c0, //   ret
    ]
}

fn run(tier: Tier) {
    let words = program();
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    // SAFETY: a fresh anonymous mapping.
    let place = unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        libc::mmap(std::ptr::null_mut(), bytes.len(), libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) as u64
    };
    assert_ne!(place as i64, -1);
    ir::memory::write_bytes(GuestAddr(place), &bytes).expect("the mapping can be written");
    let code = GuestRange::new(GuestAddr(place), bytes.len() as u64);
    let engine = Engine::<A64>::new(Config { tier, ..Config::default() }, Arc::new(move |pc| code.contains(pc)));

    let mut cpu = Vcpu::default();
    let shared = cpu.share_words();
    WORDS.store((&raw const *shared).cast_mut(), Ordering::SeqCst);
    // The handler may look at them until the process ends.
    std::mem::forget(shared);
    ANSWERED.store(0, Ordering::SeqCst);
    // SAFETY: the calling thread's id.
    let runner = unsafe { libc::pthread_self() };
    let asker = std::thread::spawn(move || {
        for n in 0..REQUESTS {
            // SAFETY: the thread waits for this one.
            unsafe { libc::pthread_kill(runner, libc::SIGUSR1) };
            let asked = Instant::now();
            while ANSWERED.load(Ordering::SeqCst) <= n {
                assert!(asked.elapsed() < LIMIT, "{tier:?}: request {n} was lost");
                std::hint::spin_loop();
            }
        }
    });
    let mut thread = Thread::new(&engine).expect("memory for the lookup table");
    cpu.pc = code.start;
    for n in 1..=REQUESTS {
        assert_eq!(thread.run(&mut cpu), Stop::Safepoint);
        assert!(code.contains(cpu.pc));
        assert_eq!(cpu.words().take_reasons(), REASON);
        if n % 64 == 0 {
            engine.code_changed(code);
        }
        ANSWERED.store(n, Ordering::SeqCst);
    }
    asker.join().expect("no request is lost");
    assert!(cpu.x[0] > 0);
}

#[test]
fn no_request_is_lost() {
    let handler: extern "C" fn(i32) = ask;
    // SAFETY: the handler is async-signal-safe.
    unsafe { libc::signal(libc::SIGUSR1, handler as libc::sighandler_t) };
    for tier in [Tier::Eval, Tier::Emit, Tier::Jit, Tier::Auto] {
        run(tier);
    }
}
