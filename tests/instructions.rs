//! Every row of the instruction table, tier 0 against compiled and emitted code: random words of the row on random registers must leave
//! the same registers, memory and stop, bit for bit. What `Eval` itself computes is checked against outside oracles
//! elsewhere; this checks that the compiler does the same.
#![allow(unsafe_code)] // A scratch page for guest code and one for guest data, shared with the emulated program.

use backend::{Config, Engine, Thread, Tier};
use frontend::A64;
use frontend::table::{FlowKind, Row, rows};
use ir::{CodeWatcher, CpuState, Frontend, GuestAddr, GuestRange, Stop};
use std::sync::Arc;

/// Words per row.
const WORDS: usize = 1000;
/// Words run as one sequence.
const SEQUENCE: usize = 10;
const BRK: u32 = 0xd420_0000;
const DATA_BYTES: usize = 8192;

/// splitmix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// Integers that matter more often than chance has them.
    fn integer(&mut self) -> u64 {
        match self.below(8) {
            0 => self.below(4),
            1 => self.below(4).wrapping_neg(),
            2 => 1 << self.below(64),
            3 => (1u64 << self.below(64)).wrapping_sub(1),
            4 => u64::from(self.next() as u32),
            5 => self.below(65),
            _ => self.next(),
        }
    }

    /// A vector whose lanes are likely to be zeros, infinities, NaNs, denormals, near-integers.
    fn vector(&mut self) -> u128 {
        const DOUBLES: [u64; 12] = [
            // A product of these is tiny before rounding only.
            0x3fef_ffff_ffff_ffff,
            0x0010_0000_0000_0000,
            0,
            1 << 63,
            0x7ff0_0000_0000_0000,
            0xfff0_0000_0000_0000,
            0x7ff8_0000_0000_0001,
            0xfff0_0000_0000_0001,
            0x3ff0_0000_0000_0000,
            0xc1e0_0000_0000_0000,
            0x000f_ffff_ffff_ffff,
            0x43df_ffff_ffff_ffff,
        ];
        const SINGLES: [u32; 12] = [
            0x3f7f_ffff,
            0x0080_0000,
            0,
            1 << 31,
            0x7f80_0000,
            0xff80_0000,
            0x7fc0_0001,
            0xff80_0001,
            0x3f80_0000,
            0xcf00_0000,
            0x007f_ffff,
            0x4eff_ffff,
        ];
        let mut half = || match self.below(6) {
            0 => DOUBLES[self.below(12) as usize],
            1 | 2 => {
                let pick = |r: u64| u64::from(SINGLES[(r % 12) as usize]);
                pick(self.next()) | pick(self.next()) << 32
            }
            3 => (self.next() as i64 as f64 / 1024.0).to_bits(),
            4 => self.integer(),
            _ => self.next(),
        };
        u128::from(half()) << 64 | u128::from(half())
    }
}

/// Guest memory of the test: a page of code and pages of data, each far from anything else, so that random offsets
/// from them do not reach emu's own memory, which lies near the top of the address space.
struct Pages {
    code: u64,
    data: u64,
}

impl Pages {
    fn new() -> Self {
        const ROOM: usize = 4 << 20;
        // SAFETY: a fresh anonymous mapping, of which two parts get permissions.
        unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED_NOREPLACE;
            let place = 0x1000_0000_0000u64;
            let base = libc::mmap(place as *mut _, 3 * ROOM, libc::PROT_NONE, flags, -1, 0) as u64;
            assert_eq!(base, place);
            let (code, data) = (base + ROOM as u64, base + 2 * ROOM as u64);
            for (start, bytes) in [(code, 4096), (data, DATA_BYTES)] {
                assert_eq!(libc::mprotect(start as *mut _, bytes, libc::PROT_READ | libc::PROT_WRITE), 0);
            }
            Self { code, data }
        }
    }

    fn write_code(&self, words: &[u32]) {
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        ir::memory::write_bytes(GuestAddr(self.code), &bytes).expect("the code page is writable");
    }

    fn data(&self) -> Vec<u8> {
        let mut bytes = vec![0; DATA_BYTES];
        ir::memory::read_bytes(GuestAddr(self.data), &mut bytes).expect("the data pages are readable");
        bytes
    }

    fn set_data(&self, bytes: &[u8]) {
        ir::memory::write_bytes(GuestAddr(self.data), bytes).expect("the data pages are writable");
    }
}

/// One tier with its engine.
struct Machine {
    name: &'static str,
    engine: Arc<Engine<A64>>,
    thread: Thread<A64>,
}

impl Machine {
    fn new(name: &'static str, tier: Tier, pages: &Pages) -> Self {
        let code = GuestRange::new(GuestAddr(pages.code), 4096);
        let engine = Engine::new(Config { tier, ..Config::default() }, Arc::new(move |pc| code.contains(pc)));
        let thread = Thread::new(&engine).expect("memory for the lookup table");
        Self { name, engine, thread }
    }

    /// Runs the words on the page: every stop but the last word's BRK is recorded and stepped over.
    fn run(&mut self, pages: &Pages, start: &CpuState, words: usize) -> Outcome {
        self.engine.code_changed(GuestRange::new(GuestAddr(pages.code), 4096));
        let mut cpu = copy(start);
        cpu.pc = GuestAddr(pages.code);
        let end = GuestAddr(pages.code + 4 * words as u64);
        let mut stops = Vec::new();
        loop {
            let stop = self.thread.run(&mut cpu);
            let detail = match stop {
                Stop::Fault => (cpu.stop.addr.0, cpu.stop.signal, cpu.stop.code),
                Stop::Misaligned | Stop::CodeChanged => (cpu.stop.addr.0, 0, 0),
                Stop::Breakpoint | Stop::Undefined => (0, 0, cpu.stop.code),
                Stop::Svc | Stop::Safepoint => (0, 0, 0),
            };
            stops.push((stop, cpu.pc, detail));
            let inside = GuestAddr(pages.code) <= cpu.pc && cpu.pc < end && cpu.pc.is_aligned(4);
            if !inside || stops.len() > 4 * words + 4 {
                break;
            }
            cpu.pc = cpu.pc.offset(4);
        }
        Outcome {
            x: cpu.x,
            v: cpu.v,
            nzcv: cpu.nzcv().0,
            fpcr: cpu.fpcr,
            fpsr: ir::eval::fp::saved_fpsr(&cpu),
            tpidr: cpu.tpidr_el0,
            exclusive: (cpu.exclusive_addr, cpu.exclusive_addr != CpuState::NO_EXCLUSIVE),
            stops,
            data: pages.data(),
        }
    }
}

fn copy(cpu: &CpuState) -> CpuState {
    let mut new = CpuState::new();
    new.x = cpu.x;
    new.v = cpu.v;
    new.flags = cpu.flags;
    new.fpcr = cpu.fpcr;
    new.mxcsr = cpu.mxcsr;
    new.tpidr_el0 = cpu.tpidr_el0;
    new
}

/// Everything the guest can see afterwards.
#[derive(PartialEq, Debug)]
struct Outcome {
    x: [u64; 32],
    v: [u128; 32],
    nzcv: u32,
    fpcr: u32,
    fpsr: u64,
    tpidr: u64,
    exclusive: (u64, bool),
    stops: Vec<(Stop, GuestAddr, (u64, i32, i32))>,
    data: Vec<u8>,
}

impl Outcome {
    /// Where two outcomes differ: one line each.
    fn differences(&self, other: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        for n in 0..32 {
            if self.x[n] != other.x[n] {
                lines.push(format!("x{n}: eval {:#x}, compiled {:#x}", self.x[n], other.x[n]));
            }
            if self.v[n] != other.v[n] {
                lines.push(format!("v{n}: eval {:#034x}, compiled {:#034x}", self.v[n], other.v[n]));
            }
        }
        let mut field = |name, a: String, b: String| {
            if a != b {
                lines.push(format!("{name}: eval {a}, compiled {b}"));
            }
        };
        field("nzcv", format!("{:#x}", self.nzcv), format!("{:#x}", other.nzcv));
        field("fpcr", format!("{:#x}", self.fpcr), format!("{:#x}", other.fpcr));
        field("fpsr", format!("{:#x}", self.fpsr), format!("{:#x}", other.fpsr));
        field("tpidr", format!("{:#x}", self.tpidr), format!("{:#x}", other.tpidr));
        field("exclusive", format!("{:?}", self.exclusive), format!("{:?}", other.exclusive));
        field("stops", format!("{:x?}", self.stops), format!("{:x?}", other.stops));
        for (i, (a, b)) in self.data.iter().zip(&other.data).enumerate().filter(|(_, (a, b))| a != b).take(8) {
            lines.push(format!("data[{i:#x}]: eval {a:#x}, compiled {b:#x}"));
        }
        lines
    }
}

fn random_state(random: &mut Random, pages: &Pages) -> CpuState {
    let mut cpu = CpuState::new();
    for (n, x) in cpu.x.iter_mut().enumerate() {
        // Every other register points into the data, mostly aligned; the rest are numbers.
        *x = match (n % 2, random.below(8)) {
            (0, 0) => pages.data + random.below(DATA_BYTES as u64),
            (0, 1) => pages.data + (DATA_BYTES as u64 - 64 + random.below(80)),
            (0, _) => pages.data + 16 * random.below(DATA_BYTES as u64 / 16),
            _ => random.integer(),
        };
    }
    cpu.v = std::array::from_fn(|_| random.vector());
    cpu.set_nzcv(ir::Nzcv(random.next() as u32));
    cpu.tpidr_el0 = random.next();
    // Rounding mode and default NaN; flush-to-zero now and then.
    let fpcr = match random.below(4) {
        0 => (random.below(4) << 22 | random.below(2) << 25) as u32,
        1 if random.below(4) == 0 => 1 << 24,
        _ => 0,
    };
    ir::eval::fp::restore_saved(&mut cpu, u64::from(fpcr), 0);
    cpu
}

/// A word whose result is not a function of the registers: the counter moves between two runs.
fn reads_counter(word: u32) -> bool {
    // MRS of CNTVCT_EL0 (S3_3_C14_C0_2) and CNTVCTSS_EL0 (.._6).
    matches!(word & 0xffff_ffe0, 0xd53b_e040 | 0xd53b_e0c0)
}

fn check_row(
    row: &Row,
    random: &mut Random,
    pages: &Pages,
    eval: &mut Machine,
    compiled: &mut Machine,
) -> Option<String> {
    let length = if row.flow == FlowKind::Next { SEQUENCE } else { 1 };
    for _ in 0..WORDS / length {
        let mut words: Vec<u32> = Vec::new();
        while words.len() < length {
            let word = row.random_word(random.next() as u32);
            if !reads_counter(word) {
                words.push(word);
            }
        }
        let start = random_state(random, pages);
        let data: Vec<u8> = (0..DATA_BYTES / 16).flat_map(|_| random.vector().to_le_bytes()).collect();
        let mut run = |words: &[u32]| {
            let mut code = words.to_vec();
            code.push(BRK);
            pages.write_code(&code);
            pages.set_data(&data);
            let expected = eval.run(pages, &start, words.len());
            pages.set_data(&data);
            let got = compiled.run(pages, &start, words.len());
            (expected, got)
        };
        let (expected, got) = run(&words);
        if expected == got {
            continue;
        }
        // Report the shortest failing prefix.
        let failing = (1..=words.len()).find(|&n| {
            let (expected, got) = run(&words[..n]);
            expected != got
        });
        let words = &words[..failing.unwrap_or(words.len())];
        let (expected, got) = run(words);
        let listing: Vec<String> = words
            .iter()
            .enumerate()
            .map(|(i, &w)| format!("  {w:08x}  {}", A64::disassemble(w, GuestAddr(pages.code + 4 * i as u64))))
            .collect();
        return Some(format!(
            "{}, {}:\n{}\n  fpcr {:#x}\n  {}",
            row.name,
            compiled.name,
            listing.join("\n"),
            start.fpcr,
            expected.differences(&got).join("\n  ")
        ));
    }
    None
}

#[test]
fn every_row_compiles_to_what_eval_does() {
    let only = std::env::var("EMU_TEST_ROW").ok();
    let pages = Pages::new();
    let mut eval = Machine::new("eval", Tier::Eval, &pages);
    let mut others = [Machine::new("jit", Tier::Jit, &pages), Machine::new("emit", Tier::Emit, &pages)];
    let only_machine = std::env::var("EMU_TEST_TIER").ok();
    let mut failures = Vec::new();
    let mut count = 0;
    for row in rows() {
        // A row that always reads the counter has no two runs alike.
        let is_other = only.as_ref().is_some_and(|name| !row.name.contains(name.as_str()));
        if is_other || reads_counter(row.pattern.value) {
            continue;
        }
        count += 1;
        // A seed of its own for each row, so that rows do not disturb each other.
        let seed = row.name.bytes().fold(0u64, |h, b| h.wrapping_mul(31).wrapping_add(u64::from(b)));
        for other in &mut others {
            if only_machine.as_ref().is_none_or(|name| other.name == name) {
                failures.extend(check_row(row, &mut Random(seed), &pages, &mut eval, other));
            }
        }
    }
    assert!(count > 0, "no row selected");
    assert!(failures.is_empty(), "{} differ, of {count} rows:\n{}", failures.len(), failures.join("\n\n"));
}
