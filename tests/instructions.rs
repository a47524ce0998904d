//! Every row of the instruction table, tier 0 against compiled and emitted code: random words of the row, and of many
//! rows that use each other's results, on random registers must leave the same registers, memory and stop, bit for bit.
//! What `Eval` itself computes is checked against outside oracles elsewhere; this checks that the compiler does the
//! same.
#![allow(unsafe_code)] // A scratch page for guest code and one for guest data, shared with the emulated program.

mod harness;

use frontend::A64;
use frontend::table::{Class, FlowKind, Row, rows};
use harness::machine::Machine;
use harness::random::Random;
use harness::registers::{Registers, copy, detail, listed, random_state, reads_counter};
use ir::{CodeWatcher, CpuState, FlagKind, GuestAddr, GuestRange, LazyFlags, Nzcv, Stop, Vcpu};
use std::sync::{Mutex, PoisonError};

/// Where the pages lie.
const PLACE: u64 = 0x1000_0000_0000;
/// Held by the test that runs: random stores of one may come to the pages of another.
static RUNNING: Mutex<()> = Mutex::new(());
/// Words per row.
const WORDS: usize = 1000;
/// Words run as one sequence.
const SEQUENCE: usize = 10;
const BRK: u32 = 0xd420_0000;
const DATA_BYTES: usize = 8192;

/// Guest memory of the test: a page of code and pages of data, each far from anything else, so that random offsets
/// from them do not reach emu's own memory, which lies near the top of the address space.
struct Pages {
    code: u64,
    data: u64,
}

impl Pages {
    fn new(place: u64) -> Self {
        const ROOM: usize = 4 << 20;
        // SAFETY: a fresh anonymous mapping, of which two parts get permissions.
        unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED_NOREPLACE;
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

    fn code_range(&self) -> GuestRange {
        GuestRange::new(GuestAddr(self.code), 4096)
    }

    fn set_data(&self, bytes: &[u8]) {
        ir::memory::write_bytes(GuestAddr(self.data), bytes).expect("the data pages are writable");
    }
}

/// Runs the words on the page: every stop but the last word's BRK is recorded and stepped over.
fn performed(machine: &mut Machine, pages: &Pages, start: &CpuState, words: usize) -> Outcome {
    machine.engine.code_changed(pages.code_range());
    let mut cpu = Vcpu::new(copy(start));
    cpu.pc = GuestAddr(pages.code);
    let end = GuestAddr(pages.code + 4 * words as u64);
    let mut stops = Vec::new();
    loop {
        let stop = machine.thread.run(&mut cpu);
        stops.push((stop, cpu.pc, detail(stop, &cpu)));
        let inside = GuestAddr(pages.code) <= cpu.pc && cpu.pc < end && cpu.pc.is_aligned(4);
        if !inside || stops.len() > 4 * words + 4 {
            break;
        }
        cpu.pc = cpu.pc.offset(4);
    }
    Outcome { registers: Registers::of(&cpu), stops, data: pages.data() }
}

/// Everything the guest can see afterwards.
#[derive(PartialEq, Debug)]
struct Outcome {
    registers: Registers,
    stops: Vec<(Stop, GuestAddr, (u64, i32, i32))>,
    data: Vec<u8>,
}

impl Outcome {
    /// Where two outcomes differ: one line each.
    fn differences(&self, other: &Self) -> Vec<String> {
        let mut lines = self.registers.differences(&other.registers);
        if self.stops != other.stops {
            lines.push(format!("stops: eval {:x?}, compiled {:x?}", self.stops, other.stops));
        }
        for (i, (a, b)) in self.data.iter().zip(&other.data).enumerate().filter(|(_, (a, b))| a != b).take(8) {
            lines.push(format!("data[{i:#x}]: eval {a:#x}, compiled {b:#x}"));
        }
        lines
    }
}

fn check_row(
    row: &Row,
    random: &mut Random,
    pages: &Pages,
    eval: &mut Machine,
    compiled: &mut Machine,
) -> Option<String> {
    let length = if row.flow == FlowKind::Next { SEQUENCE } else { 1 };
    (0..WORDS / length).find_map(|_| {
        let words: Vec<u32> = (0..length).map(|_| random_word(row, random)).collect();
        check_words(row.name, &words, true, random, pages, eval, compiled)
    })
}

/// A word of the row that does not read the counter.
fn random_word(row: &Row, random: &mut Random) -> u32 {
    loop {
        let word = row.random_word(random.next() as u32);
        if !reads_counter(word) {
            return word;
        }
    }
}

/// The same word with its registers among the first few, where the row leaves them open, so that instructions use each
/// other's results. The base of a load stays.
fn with_few_registers(row: &Row, word: u32, random: &mut Random) -> u32 {
    const FEW: u64 = 4;
    let places: &[u32] = if row.class == Class::LoadStore { &[0] } else { &[0, 5, 16] };
    places.iter().fold(word, |word, place| {
        let field = 31 << place;
        if row.pattern.mask & field != 0 {
            return word;
        }
        word & !field | (random.below(FEW) as u32) << place
    })
}

/// Runs words on random registers and memory, and says how the machines differ.
fn check_words(
    name: &str,
    words: &[u32],
    checks_fpsr: bool,
    random: &mut Random,
    pages: &Pages,
    eval: &mut Machine,
    compiled: &mut Machine,
) -> Option<String> {
    let start = random_state(random, pages.data, DATA_BYTES as u64);
    let data: Vec<u8> = (0..DATA_BYTES / 16).flat_map(|_| random.vector().to_le_bytes()).collect();
    let mut run = |words: &[u32]| {
        let mut code = words.to_vec();
        code.push(BRK);
        pages.write_code(&code);
        pages.set_data(&data);
        let expected = performed(eval, pages, &start, words.len());
        pages.set_data(&data);
        let mut got = performed(compiled, pages, &start, words.len());
        // What computes a number that nobody uses may be left out, and its exception flags with it.
        if !checks_fpsr {
            got.registers.fpsr = expected.registers.fpsr;
        }
        (expected, got)
    };
    let (expected, got) = run(words);
    if expected == got {
        return None;
    }
    // Report the shortest failing prefix.
    let failing = (1..=words.len()).find(|&n| {
        let (expected, got) = run(&words[..n]);
        expected != got
    });
    let words = &words[..failing.unwrap_or(words.len())];
    let (expected, got) = run(words);
    let listing: Vec<String> =
        words.iter().enumerate().map(|(i, &w)| format!("  {}", listed::<A64>(w, pages.code + 4 * i as u64))).collect();
    Some(format!(
        "{name}, {}:\n{}\n  fpcr {:#x}\n  {}",
        compiled.name,
        listing.join("\n"),
        start.fpcr,
        expected.differences(&got).join("\n  ")
    ))
}

#[test]
fn every_row_compiles_to_what_eval_does() {
    let _running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let only = std::env::var("EMU_TEST_ROW").ok();
    let pages = Pages::new(PLACE);
    let mut eval = Machine::eval(pages.code_range());
    let mut others = Machine::compiled(pages.code_range());
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

#[test]
fn rows_that_use_each_others_results_compile_to_what_eval_does() {
    const SEQUENCES: usize = 4000;
    const PAGES_APART: u64 = 1 << 32;
    let _running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let pages = Pages::new(PLACE + PAGES_APART);
    let mut eval = Machine::eval(pages.code_range());
    let mut others = Machine::compiled(pages.code_range());
    // Stores would write where they should not when their address has been computed of something else.
    let is_wanted = |row: &&Row| match row.class {
        Class::Branch | Class::System | Class::Atomics | Class::SimdLoadStore => false,
        Class::LoadStore => row.name.starts_with("LDR"),
        _ => true,
    };
    let wanted: Vec<&Row> = rows().filter(is_wanted).filter(|row| row.flow == FlowKind::Next).collect();
    let mut failures = Vec::new();
    for other in &mut others {
        let mut random = Random(1);
        failures.extend((0..SEQUENCES).find_map(|_| {
            let words: Vec<u32> = (0..SEQUENCE)
                .map(|_| {
                    let row = wanted[random.below(wanted.len() as u64) as usize];
                    let word = random_word(row, &mut random);
                    with_few_registers(row, word, &mut random)
                })
                .collect();
            check_words("mixed rows", &words, false, &mut random, &pages, &mut eval, other)
        }));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Flags in memory in all forms that generated code stores them in, where a block's first instruction reads them.
#[test]
fn flags_are_read_in_all_forms() {
    const PAGES_APART: u64 = 2 << 32;
    const JUNK: LazyFlags =
        LazyFlags { a: 0x5555_aaaa_7777_3333, b: 0x3333_7777_aaaa_5555, word: 0, above: 0x6666_9999 };
    let _running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let pages = Pages::new(PLACE + PAGES_APART);
    let mut eval = Machine::eval(pages.code_range());
    let mut others = Machine::compiled(pages.code_range());
    let of_operation = |kind: FlagKind, a: u64, b: u64| {
        let above = LazyFlags { word: kind as u32 | LazyFlags::A_ABOVE, b, above: a as u32, ..JUNK };
        let below = LazyFlags::word_with(kind, b).into_iter().flat_map(move |word| {
            [LazyFlags { a, word, ..JUNK }, LazyFlags { word: word | LazyFlags::A_ABOVE, above: a as u32, ..JUNK }]
        });
        below.chain([above]).filter(move |flags| a >> 32 == 0 || flags.word & LazyFlags::A_ABOVE == 0)
    };
    let values = [0, 1, 5, 0x7fff_ffff, 0x8000_0000, 0xffff_fffb, u64::MAX - 4, 1 << 63];
    let operands = values.iter().flat_map(|&a| [0, 1, 5, 6, 0x7f_ffff, (-5i64) as u64, (-6i64) as u64].map(|b| (a, b)));
    let operations = FlagKind::OPERATIONS.iter().flat_map(|&kind| operands.clone().map(move |(a, b)| (kind, a, b)));
    let operations =
        operations.map(|(kind, a, b)| if kind.is_narrow() { (kind, a, b & 0xffff_ffff) } else { (kind, a, b) });
    let operations = operations.map(|(kind, a, b)| (LazyFlags::new(kind, a, b), of_operation(kind, a, b).collect()));
    let packed = (0..16).map(|nzcv: u32| {
        let flags = LazyFlags::new(FlagKind::Packed, u64::from(nzcv << 28), 0);
        let above = LazyFlags { word: LazyFlags::A_ABOVE, above: nzcv << 28, ..JUNK };
        (flags, vec![above, LazyFlags { word: LazyFlags::word_of(Nzcv(nzcv << 28)), ..JUNK }])
    });
    // CSET X0 to X13 by one condition each, which one first being another for each form.
    let set = |first: u32| (0..14).map(move |n: u32| 0x9a9f_07e0 | (((first + n) % 14) ^ 1) << 12 | n).chain([BRK]);
    let mut first = 0;
    for (flags, forms) in operations.chain(packed) {
        let forms: Vec<LazyFlags> = forms;
        for form in forms.into_iter().chain([flags]) {
            let mut start = CpuState::new();
            first += 1;
            pages.write_code(&set(first).collect::<Vec<_>>());
            start.flags = flags;
            let expected = performed(&mut eval, &pages, &start, 14);
            start.flags = form;
            for other in &mut others {
                let got = performed(other, &pages, &start, 14);
                assert_eq!(expected.differences(&got), [""; 0], "{}: {flags:x?} as {form:x?}", other.name);
            }
        }
    }
}
