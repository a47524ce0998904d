//! Whole regions, tier 0 against tier 1: random programs of many blocks (`harness/control_flow.rs`), entered at random
//! blocks, with faults on the way that are repaired as a signal handler would. At every stop all registers must be what
//! `Eval` has there, and so must memory be at the end.
//!
//! `EMU_TEST_SEED` and `EMU_TEST_COUNT` choose the programs: the seed of the first, and how many. A failure names the
//! seed of its program.
//!
//! The host fault handler knows one code cache, so each way of running has a process of its own.
#![allow(unsafe_code)] // Guest memory for the programs.

mod harness;

use backend::{Config, Holding, Tier};
use frontend::A64;
use harness::child::End;
use harness::control_flow::{self as flow, ALIAS, DATA_REACH, Program, STACK_BYTES};
use harness::machine::Machine;
use harness::random::Random;
use harness::registers::{Registers, copy, detail, listed, random_state};
use ir::{CodeWatcher, ControlWords, CpuState, GuestAddr, GuestRange, Stop, Vcpu, Words};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const CODE_BYTES: u64 = 64 << 10;
const PAGE: u64 = ir::PAGE_BYTES;
/// Stops after which a run is given up; both runs must have come as far.
const MAX_STOPS: usize = 300;
/// Time for one program, of which a few milliseconds are needed.
const PROGRAM_SECONDS: u32 = 60;
/// States and entries that each program is run with.
const STARTS: usize = 3;

/// One way to run: what of `Config` differs, and how.
struct Way {
    name: &'static str,
    tier: Tier,
    threshold: u32,
    region_insns: usize,
    /// Programs in a usual run.
    count: u64,
    /// How often each program is run from each start.
    rounds: usize,
    /// Another thread asks for safepoints; at each the tier may change.
    safepoints: bool,
    /// Where regions hold registers.
    holding: Holding,
}

const JIT: Way = Way {
    name: "jit",
    tier: Tier::Jit,
    threshold: 1,
    region_insns: 100,
    count: 1500,
    rounds: 2,
    safepoints: false,
    holding: Holding::Usual,
};
const AUTO: Way = Way { tier: Tier::Auto, rounds: 4, ..JIT };

const WAYS: &[Way] = &[
    Way { region_insns: 400, ..JIT },
    Way { name: "jit_20", region_insns: 20, holding: Holding::Always, ..JIT },
    Way { name: "jit_5", region_insns: 5, ..JIT },
    Way { name: "auto_1", region_insns: 200, ..AUTO },
    Way { name: "auto_2", threshold: 2, region_insns: 5, ..AUTO },
    Way { name: "auto_7", threshold: 7, region_insns: 20, holding: Holding::Always, ..AUTO },
    Way { name: "auto_30", threshold: 30, region_insns: 400, ..AUTO },
    Way { name: "safepoints", count: 700, rounds: 6, safepoints: true, holding: Holding::Always, ..JIT },
    Way { name: "without_holding", count: 700, holding: Holding::Never, ..JIT },
];

/// Guest memory, each part far from anything else, so that random offsets do not reach emu's own memory.
struct Memory {
    /// Not writable here; programs and the test write it `ALIAS` higher.
    code: u64,
    stack: u64,
    /// The outermost pages cannot be written, and not be accessed.
    data: u64,
}

fn map(at: u64, bytes: u64, prot: i32, fd: i32) {
    let kind = if fd < 0 { libc::MAP_PRIVATE | libc::MAP_ANONYMOUS } else { libc::MAP_SHARED };
    let flags = kind | libc::MAP_FIXED_NOREPLACE | libc::MAP_NORESERVE;
    // SAFETY: a mapping where there is none.
    let got = unsafe { libc::mmap(at as *mut _, bytes as usize, prot, flags, fd, 0) };
    assert_eq!(got as u64, at, "guest memory");
}

fn protect(at: u64, prot: i32) {
    // SAFETY: a page of the test's own.
    assert_eq!(unsafe { libc::mprotect(at as *mut _, PAGE as usize, prot) }, 0);
}

impl Memory {
    fn new() -> Self {
        let base = 0x1000_0000_0000;
        let memory = Self { code: base, stack: base + 4 * ALIAS, data: base + 8 * ALIAS };
        // SAFETY: names a new file.
        let fd = unsafe { libc::memfd_create(c"code".as_ptr(), 0) };
        // SAFETY: the file was made here.
        assert_eq!(unsafe { libc::ftruncate(fd, CODE_BYTES as i64) }, 0);
        map(memory.code, CODE_BYTES, libc::PROT_READ, fd);
        map(memory.code + ALIAS, CODE_BYTES, libc::PROT_READ | libc::PROT_WRITE, fd);
        map(memory.stack, 2 * STACK_BYTES, libc::PROT_READ | libc::PROT_WRITE, -1);
        map(memory.data, 2 * DATA_REACH, libc::PROT_READ | libc::PROT_WRITE, -1);
        memory
    }

    fn close_pages(&self) {
        protect(self.data, libc::PROT_READ);
        protect(self.data + 2 * DATA_REACH - PAGE, libc::PROT_NONE);
    }

    /// Makes the page of an address usable, if it is one of those that come and go.
    fn open_page(&self, addr: u64) -> bool {
        let is_edge = [self.data, self.data + 2 * DATA_REACH - PAGE].contains(&(addr & !(PAGE - 1)));
        if is_edge {
            protect(addr & !(PAGE - 1), libc::PROT_READ | libc::PROT_WRITE);
        }
        is_edge
    }

    fn open_pages(&self) {
        self.open_page(self.data);
        self.open_page(self.data + 2 * DATA_REACH - PAGE);
    }

    fn all(&self) -> [Vec<u8>; 3] {
        self.open_pages();
        [(self.data, 2 * DATA_REACH), (self.stack, 2 * STACK_BYTES), (self.code, CODE_BYTES)].map(|(start, bytes)| {
            let mut content = vec![0; bytes as usize];
            ir::memory::read_bytes(GuestAddr(start), &mut content).expect("guest memory is readable");
            content
        })
    }

    fn code_range(&self) -> GuestRange {
        GuestRange::new(GuestAddr(self.code), CODE_BYTES)
    }
}

/// What a run begins with.
struct Start {
    cpu: CpuState,
    data: Vec<u8>,
    stack: Vec<u8>,
}

fn start(random: &mut Random, program: &Program, memory: &Memory) -> Start {
    let mut cpu = random_state(random, memory.data + PAGE, 2 * (DATA_REACH - PAGE));
    if random.below(4) != 0 {
        // Flush-to-zero computes by helpers: the rest shall be tested more.
        let fpcr = cpu.fpcr & !(1 << 24);
        ir::eval::fp::restore_saved(&mut cpu, u64::from(fpcr), 0);
    }
    let block = |random: &mut Random| {
        let index = random.below(program.blocks.len() as u64) as usize;
        memory.code + 4 * program.blocks[index] as u64
    };
    cpu.x[flow::DATA as usize] = memory.data + DATA_REACH;
    cpu.x[flow::FUEL as usize] = 1 + random.below(flow::MAX_FUEL);
    cpu.x[flow::LINK as usize] = block(random);
    cpu.x[CpuState::SP] = memory.stack + STACK_BYTES;
    cpu.pc = GuestAddr(block(random));
    let data = (0..2 * DATA_REACH / 16).flat_map(|_| random.vector().to_le_bytes()).collect();
    // What is taken from the stack without having been put there is the address of a block too.
    let stack = (0..2 * STACK_BYTES / 8).flat_map(|_| block(random).to_le_bytes()).collect();
    Start { cpu, data, stack }
}

/// One tier with its engine.
fn machine(way: &Way, memory: &Memory) -> Machine {
    // A small code cache, so that it fills up now and then.
    let config = Config {
        tier: way.tier,
        threshold: way.threshold,
        region_insns: way.region_insns,
        // In proportion, as in regions with wider limits.
        callee_insns: 40.max(way.region_insns / 5),
        code_bytes: 4 << 20,
        holding: way.holding,
        ..Config::default()
    };
    Machine::new(way.name, config, memory.code_range())
}

/// A stop and the registers there.
#[derive(PartialEq, Debug)]
struct Event {
    stop: Stop,
    pc: GuestAddr,
    detail: (u64, i32, i32),
    registers: Registers,
}

/// FPSR's cumulative floating-point exceptions.
const FP_EXCEPTIONS: u64 = 0x9f;

/// Everything the guest can see.
#[derive(PartialEq)]
struct Outcome {
    events: Vec<Event>,
    memory: [Vec<u8>; 3],
}

impl Outcome {
    /// Forgives what docs/design/floating-point.md owns up to: an operation moved out of a loop that skips it leaves its
    /// exceptions in FPSR. One that is missing is not forgiven. (No program reads FPSR.)
    fn without_early_exceptions(mut self, expected: &Outcome) -> Self {
        for (event, expected) in self.events.iter_mut().zip(&expected.events) {
            event.registers.fpsr &= expected.registers.fpsr | !FP_EXCEPTIONS;
        }
        self
    }
}

/// Asks for safepoints at random times, in any state that it is shown.
struct Requests {
    shown: Arc<Mutex<Option<Words>>>,
    over: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Requests {
    fn new(wanted: bool) -> Self {
        let (shown, over) = (Arc::<Mutex<Option<Words>>>::default(), Arc::new(AtomicBool::new(false)));
        let (words, stop) = (Arc::clone(&shown), Arc::clone(&over));
        let thread = wanted.then(|| {
            std::thread::spawn(move || {
                let mut random = Random(1);
                while !stop.load(Ordering::Relaxed) {
                    if let Some(words) = &*words.lock().expect("nobody panics") {
                        words.safepoint.store(ControlWords::WANTED | 1, Ordering::Relaxed);
                    }
                    for _ in 0..random.below(3000) {
                        std::hint::spin_loop();
                    }
                }
            })
        });
        Self { shown, over, thread }
    }

    fn show(&self, words: Option<Words>) {
        if self.thread.is_some() {
            *self.shown.lock().expect("nobody panics") = words;
        }
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Bench {
    memory: Memory,
    eval: Machine,
    other: Machine,
    requests: Requests,
    /// The words that the engines may know.
    present: Vec<u32>,
    safepoints: u64,
    /// Stops of all runs in tier 0, and what they took from X27: to see that programs do something.
    stops: u64,
    fuel: u64,
}

impl Bench {
    fn new(way: &Way) -> Self {
        let memory = Memory::new();
        let eval = machine(&Way { tier: Tier::Eval, ..*way }, &memory);
        let other = machine(way, &memory);
        Self {
            memory,
            eval,
            other,
            requests: Requests::new(way.safepoints),
            present: Vec::new(),
            safepoints: 0,
            stops: 0,
            fuel: 0,
        }
    }

    /// Puts the program in its place. What was compiled of it stays if it is there already, as it should be.
    fn write_code(&mut self, program: &Program) {
        let mut bytes: Vec<u8> = program.words.iter().flat_map(|w| w.to_le_bytes()).collect();
        bytes.resize(CODE_BYTES as usize, 0);
        let mut now = vec![0; bytes.len()];
        ir::memory::read_bytes(GuestAddr(self.memory.code), &mut now).expect("the code is readable");
        if now != bytes || self.present != program.words {
            ir::memory::write_bytes(GuestAddr(self.memory.code + ALIAS), &bytes).expect("its alias is writable");
            self.code_changed(self.memory.code_range());
            self.present.clone_from(&program.words);
        }
    }

    fn code_changed(&self, range: GuestRange) {
        self.eval.engine.code_changed(range);
        self.other.engine.code_changed(range);
    }

    /// Runs to the end. `switch` says at each safepoint whether to go on in tier 0.
    fn run(&mut self, program: &Program, start: &Start, compiled: bool, switch: &mut Random) -> Outcome {
        self.write_code(program);
        self.memory.open_pages();
        ir::memory::write_bytes(GuestAddr(self.memory.data), &start.data).expect("the data is writable");
        ir::memory::write_bytes(GuestAddr(self.memory.stack), &start.stack).expect("the stack is writable");
        self.memory.close_pages();
        let mut cpu = Vcpu::new(copy(&start.cpu));
        cpu.pc = start.cpu.pc;
        if compiled {
            self.requests.show(Some(cpu.share_words()));
        }
        let mut events: Vec<Event> = Vec::new();
        let mut in_tier_0 = !compiled;
        loop {
            let machine = if in_tier_0 { &mut self.eval } else { &mut self.other };
            let stop = machine.thread.run(&mut cpu);
            if stop == Stop::Safepoint {
                cpu.words().take_reasons();
                self.safepoints += 1;
                in_tier_0 = switch.below(4) == 0;
                continue;
            }
            let event = Event { stop, pc: cpu.pc, detail: detail(stop, &cpu), registers: Registers::of(&cpu) };
            let again = events.last().is_some_and(|last| (last.stop, last.pc) == (stop, cpu.pc));
            let is_end = stop == Stop::Breakpoint && event.detail.2 == flow::END;
            events.push(event);
            if is_end || events.len() == MAX_STOPS || !self.memory.code_range().contains(cpu.pc) {
                break;
            }
            self.repair(stop, &mut cpu, again);
        }
        if compiled {
            self.requests.show(None);
        }
        Outcome { events, memory: self.memory.all() }
    }

    /// Does what a signal handler or the kernel might do about a stop, so that the program can go on.
    fn repair(&self, stop: Stop, cpu: &mut CpuState, again: bool) {
        let word = ir::memory::load_u32(cpu.pc).expect("the code is readable");
        let base = (word >> 5 & 31) as usize;
        match stop {
            Stop::Svc => self.memory.close_pages(),
            Stop::CodeChanged => self.code_changed(GuestRange::new(cpu.stop.addr, 64)),
            Stop::Fault if !again && self.memory.open_page(cpu.stop.addr.0) => return,
            Stop::Fault if !again && base < 24 => {
                cpu.x[base] = self.memory.data + DATA_REACH + 64;
                return;
            }
            Stop::Misaligned if !again && base < 24 => {
                cpu.x[base] &= !15;
                return;
            }
            _ => {}
        }
        cpu.pc = cpu.pc.offset(4);
    }

    /// What differs between tier 0 and the way under test, if anything does.
    fn compare(&mut self, way: &Way, program: &Program, starts: &[Start]) -> Option<String> {
        let mut switch = Random(7);
        let expected: Vec<Outcome> = starts.iter().map(|start| self.run(program, start, false, &mut switch)).collect();
        for (start, outcome) in starts.iter().zip(&expected) {
            let left = outcome.events.last().map_or(0, |event| event.registers.x[flow::FUEL as usize]);
            self.fuel += start.cpu.x[flow::FUEL as usize].wrapping_sub(left);
            self.stops += outcome.events.len() as u64;
        }
        for round in 0..way.rounds {
            for (i, (start, expected)) in starts.iter().zip(&expected).enumerate() {
                let got = self.run(program, start, true, &mut switch).without_early_exceptions(expected);
                if got != *expected {
                    return Some(format!("round {round}, start {i}: {}", self.difference(expected, &got)));
                }
            }
            if way.tier == Tier::Auto {
                // Time for the background thread to compile some of what was asked for.
                std::thread::sleep(Duration::from_micros(500 + 500 * round as u64));
            }
        }
        None
    }

    fn difference(&self, expected: &Outcome, got: &Outcome) -> String {
        let mut lines = Vec::new();
        let offset = |pc: GuestAddr| pc.0.wrapping_sub(self.memory.code);
        let first = (0..).find(|&i| expected.events.get(i) != got.events.get(i) || i >= expected.events.len());
        match first.map(|i| (i, expected.events.get(i), got.events.get(i))) {
            Some((i, Some(a), Some(b))) => {
                lines.push(format!("stop {i} at {:#x}", offset(a.pc)));
                if (a.stop, a.pc, a.detail) != (b.stop, b.pc, b.detail) {
                    let show = |e: &Event| format!("{:?} at {:#x}, {:x?}", e.stop, offset(e.pc), e.detail);
                    lines.push(format!("eval {}; compiled {}", show(a), show(b)));
                }
                lines.extend(a.registers.differences(&b.registers));
            }
            Some((i, a, b)) if a.is_some() || b.is_some() => {
                lines.push(format!("{} stops, not {}, the same {i}", got.events.len(), expected.events.len()));
            }
            _ => {}
        }
        for (name, (a, b)) in ["data", "stack", "code"].iter().zip(expected.memory.iter().zip(&got.memory)) {
            let differing = a.iter().zip(b).enumerate().filter(|(_, (a, b))| a != b).take(8);
            lines.extend(differing.map(|(i, (a, b))| format!("{name}[{i:#x}]: eval {a:#x}, compiled {b:#x}")));
        }
        lines.join("\n  ")
    }

    /// Takes words out of a failing program as long as it fails.
    fn shrink(&mut self, way: &Way, mut program: Program, starts: &[Start]) -> (Program, String) {
        let mut report = String::from("it did not fail again");
        for index in 0..program.words.len() {
            if program.removable[index] {
                let shorter = program.without(index);
                if let Some(difference) = self.compare(way, &shorter, starts) {
                    (program, report) = (shorter, difference);
                }
            }
        }
        (program, report)
    }
}

fn listing(program: &Program, code: u64) -> String {
    let mut lines = Vec::new();
    for (index, &word) in program.words.iter().enumerate() {
        if let Some(block) = program.blocks.iter().position(|&start| start == index) {
            lines.push(format!("block {block}:"));
        }
        if word != 0xd503_201f {
            lines.push(format!("  {:4x}  {}", 4 * index, listed::<A64>(word, code + 4 * index as u64)));
        }
    }
    lines.join("\n")
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn check_way(way: &Way) -> Result<(), String> {
    let first = number("EMU_TEST_SEED").unwrap_or(1);
    let count = number("EMU_TEST_COUNT").unwrap_or(way.count);
    let mut bench = Bench::new(way);
    for seed in first..first + count {
        println!("seed {seed}");
        // A program that does not end kills the process.
        // SAFETY: only sets a timer.
        unsafe { libc::alarm(PROGRAM_SECONDS) };
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let program = flow::program(&mut random, bench.memory.code);
        assert!(4 * program.words.len() as u64 <= CODE_BYTES);
        let starts: Vec<Start> = (0..STARTS).map(|_| start(&mut random, &program, &bench.memory)).collect();
        if let Some(difference) = bench.compare(way, &program, &starts) {
            let (program, again) = bench.shrink(way, program, &starts);
            let starts: Vec<String> = starts
                .iter()
                .map(|s| format!("{:#x}, fuel {}", s.cpu.pc.0 - bench.memory.code, s.cpu.x[flow::FUEL as usize]))
                .collect();
            return Err(format!(
                "{}, EMU_TEST_SEED={seed} EMU_TEST_COUNT=1: {difference}\nshrunk: {again}\nstarts at {}\n{}",
                way.name,
                starts.join("; "),
                listing(&program, bench.memory.code)
            ));
        }
    }
    let stats = bench.other.engine.stats();
    let (stops, fuel, safepoints) = (bench.stops, bench.fuel, bench.safepoints);
    println!("{count} programs, {stops} stops, {fuel} steps backwards, {safepoints} safepoints, {stats:?}");
    println!("{} registers recovered at faults", stats.recovered());
    assert!(!(way.holding == Holding::Never) || stats.recovered() == 0, "nothing is held");
    // All ways hold some, but few programs may fault just there.
    let expects_some = count >= 700 && way.tier == Tier::Jit && !(way.holding == Holding::Never);
    assert!(!expects_some || stats.recovered() > 0, "no register was recovered at a fault");
    assert!(stats.regions > 0, "nothing was compiled");
    assert!(!way.safepoints || bench.safepoints > 0, "no safepoint was seen");
    Ok(())
}

const WAY_VARIABLE: &str = "EMU_TEST_WAY";

/// One way of running, in a process that `in_child` has started for it.
#[test]
#[ignore = "the other tests of this file run it, each in a way of its own"]
fn one_way() {
    let name = std::env::var(WAY_VARIABLE).expect("EMU_TEST_WAY names the way");
    let way = WAYS.iter().find(|way| way.name == name).expect("a way");
    if let Err(report) = check_way(way) {
        println!("{report}");
        panic!("tiers differ");
    }
}

fn in_child(name: &str) {
    let mut command = Command::new(std::env::current_exe().expect("a test has a file"));
    command.args(["--exact", "one_way", "--ignored", "--nocapture"]).env(WAY_VARIABLE, name);
    let limit = Duration::from_secs(600);
    let outcome = harness::run(&mut command, limit);
    let (stdout, stderr) = (outcome.stdout_text(), outcome.stderr_text());
    let lines: Vec<&str> = stdout.lines().filter(|line| !line.starts_with("seed ")).collect();
    let last = stdout.lines().rfind(|line| line.starts_with("seed ")).unwrap_or("no seed");
    println!("{}", lines.join("\n"));
    assert!(outcome.status == End::Exited(0), "{name}: {} at {last}\n{}\n{stderr}", outcome.status, lines.join("\n"));
}

macro_rules! ways {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            in_child(stringify!($name));
        }
    )*};
}

ways! { jit jit_20 jit_5 auto_1 auto_2 auto_7 auto_30 safepoints without_holding }
