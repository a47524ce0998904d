//! The instruction vectors of `tests/vectors`, each in both tiers: what an oracle says an instruction does is what emu
//! does. `tests/vectors/README.md` defines the format; this file reads it, and must not know how they are made.
#![allow(unsafe_code)] // Maps the scratch memory and the code page at the addresses that the vectors name.
#![allow(missing_docs, reason = "tests")]

mod harness;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use frontend::A64;
use frontend::table::{Class, rows};
use harness::known;
use harness::machine::Machine;
use ir::{CodeWatcher, CpuState, Frontend, GuestAddr, GuestRange, Nzcv, Stop, Vcpu};

const SCRATCH: u64 = 0x1000_0000_0000;
const SCRATCH_BYTES: usize = 0x2_0000;
const CODE: u64 = SCRATCH + 0x8_0000;
const CODE_BYTES: usize = 4096;
const BRK: u32 = 0xd420_0000;
const SP: u64 = SCRATCH + 0x8000;

struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn integer(&mut self, width: u32) -> u64 {
        let special: [u64; 8] = match width {
            64 => [0, 1, u64::MAX, 1 << 63, u64::MAX >> 1, 1 << 31, 0x7fff_ffff, 0xffff_ffff],
            32 => [0, 1, 0xffff_ffff, 0x8000_0000, 0x7fff_ffff, 0x8000, 0x7fff, 0xffff],
            16 => [0, 1, 0xffff, 0x8000, 0x7fff, 0x80, 0x7f, 0xff],
            _ => [0, 1, 0xff, 0x80, 0x7f, 2, 0xfe, 0x40],
        };
        let r = self.next();
        let rest = r >> 8;
        let value = match r & 7 {
            0 => special[(rest % 8) as usize],
            1 => rest & 63,
            2 => (rest & 63).wrapping_neg(),
            3 => 1 << (rest % u64::from(width)),
            _ => self.next(),
        };
        value & (u64::MAX >> (64 - width))
    }

    fn floating(&mut self, width: u32) -> u64 {
        let (special, fraction_bits, bias): ([u64; 9], u32, u64) = match width {
            64 => {
                let nans = [0x7ff0_0000_0000_0000, 0x7ff8_0000_0000_1234, 0x7ff0_0000_0000_5678];
                let numbers = [0x3ff0_0000_0000_0000, 0x7fef_ffff_ffff_ffff];
                let small = [0, 1, 0x000f_ffff_ffff_ffff, 0x0010_0000_0000_0000];
                (nine(small, numbers, nans), 52, 1023)
            }
            32 => {
                let nans = [0x7f80_0000, 0x7fc0_1234, 0x7f80_5678];
                (nine([0, 1, 0x007f_ffff, 0x0080_0000], [0x3f80_0000, 0x7f7f_ffff], nans), 23, 127)
            }
            _ => (nine([0, 1, 0x03ff, 0x0400], [0x3c00, 0x7bff], [0x7c00, 0x7e12, 0x7c56]), 10, 15),
        };
        let r = self.next();
        let rest = r >> 8;
        let sign = (r >> 3 & 1) << (width - 1);
        match r & 7 {
            0 | 1 => sign | special[(rest % 9) as usize],
            2 => self.next() & (u64::MAX >> (64 - width)),
            _ => {
                let fraction = self.next() & ((1 << fraction_bits) - 1);
                sign | (bias - 8 + rest % 16) << fraction_bits | fraction
            }
        }
    }

    fn vector(&mut self) -> u128 {
        type Make = fn(&mut SplitMix64, u32) -> u64;
        let view: (u32, Make) = match self.next() & 7 {
            0 => (64, Self::integer),
            1 => (32, Self::integer),
            2 => (16, Self::integer),
            3 => (8, Self::integer),
            4 => (64, Self::floating),
            5 => (32, Self::floating),
            6 => (16, Self::floating),
            _ => (64, |random, _| random.next()),
        };
        let (width, make) = view;
        (0..128 / width).fold(0, |value, lane| value | u128::from(make(self, width)) << (lane * width))
    }
}

/// Zero and subnormals up to the least normal, one and the greatest finite, infinity and NaNs.
fn nine(small: [u64; 4], numbers: [u64; 2], nans: [u64; 3]) -> [u64; 9] {
    let mut all = [0; 9];
    all[..4].copy_from_slice(&small);
    all[4..6].copy_from_slice(&numbers);
    all[6..].copy_from_slice(&nans);
    all
}

/// The registers by the names that the vectors use; vectors and general registers alike fit in 128 bits.
type State = BTreeMap<String, u128>;

fn state_of(seed: u64) -> State {
    let mut random = SplitMix64(seed);
    let mut state = State::new();
    for n in 0..31 {
        state.insert(format!("x{n}"), random.integer(64).into());
    }
    state.insert("sp".into(), SP.into());
    state.insert("nzcv".into(), ((random.next() >> 60) << 28).into());
    let r = random.next();
    state.insert("fpcr".into(), if r & 1 == 1 { r >> 32 & 0x03c0_0000 } else { 0 }.into());
    let r = random.next();
    state.insert("fpsr".into(), if r & 3 == 0 { r >> 32 & 0x0800_009f } else { 0 }.into());
    for n in 0..32 {
        state.insert(format!("v{n}"), random.vector());
    }
    state
}

/// One line of a file.
struct Vector {
    row: String,
    word: u32,
    before: State,
    result: String,
    line: String,
}

fn parse(line: &str) -> Option<Vector> {
    let (left, result) = line.split_once(" -> ")?;
    let mut words = left.split(' ');
    let row = words.next()?.to_owned();
    let word = u32::from_str_radix(words.next()?, 16).ok()?;
    let mut before = state_of(u64::from_str_radix(words.next()?, 16).ok()?);
    for word in words {
        let (name, value) = word.split_once('=')?;
        // An override of something that is no register would be lost silently.
        *before.get_mut(name)? = u128::from_str_radix(value, 16).ok()?;
    }
    Some(Vector { row, word, before, result: result.to_owned(), line: line.to_owned() })
}

fn vectors() -> Vec<Vector> {
    let mut all = Vec::new();
    let mut paths: Vec<_> = std::fs::read_dir(harness::root().join("tests/vectors"))
        .expect("the vectors are in the repository")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    paths.sort();
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("a text file");
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            all.push(parse(line).unwrap_or_else(|| panic!("{}: not understood: {line}", path.display())));
        }
    }
    all
}

/// The scratch memory and the code page, at the addresses that the vectors name.
struct Memory {
    pristine: Vec<u8>,
}

impl Memory {
    fn new() -> Self {
        for (address, bytes) in [(SCRATCH, SCRATCH_BYTES), (CODE, CODE_BYTES)] {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
            // SAFETY: a fresh mapping that replaces none.
            let map = unsafe { libc::mmap(address as *mut _, bytes, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
            assert_eq!(map as u64, address, "the vectors' memory is free in this process");
        }
        let mut random = SplitMix64(0);
        let pristine: Vec<u8> = (0..SCRATCH_BYTES / 8).flat_map(|_| random.next().to_le_bytes()).collect();
        ir::memory::write_bytes(GuestAddr(SCRATCH), &pristine).expect("the scratch memory is writable");
        let code: Vec<u8> = (0..CODE_BYTES / 4).flat_map(|_| BRK.to_le_bytes()).collect();
        ir::memory::write_bytes(GuestAddr(CODE), &code).expect("the code page is writable");
        Self { pristine }
    }

    /// What an instruction has changed, as the vectors write it; and undoes it.
    fn take_changes(&self) -> Vec<String> {
        let mut now = vec![0; SCRATCH_BYTES];
        ir::memory::read_bytes(GuestAddr(SCRATCH), &mut now).expect("the scratch memory is readable");
        if now == self.pristine {
            return Vec::new();
        }
        let mut parts = Vec::new();
        let mut last = None;
        for (offset, byte) in now.iter().enumerate().filter(|&(offset, byte)| *byte != self.pristine[offset]) {
            if last.is_none_or(|last| last + 1 != offset) {
                parts.push(format!("m+{offset:x}="));
            }
            let part = parts.last_mut().expect("pushed above");
            write!(part, "{byte:02x}").expect("writing to a string");
            last = Some(offset);
        }
        ir::memory::write_bytes(GuestAddr(SCRATCH), &self.pristine).expect("the scratch memory is writable");
        parts
    }
}

fn cpu_of(state: &State) -> CpuState {
    let word = |name: &str| state[name] as u64;
    let mut cpu = CpuState::new();
    for n in 0..31 {
        cpu.x[n] = word(&format!("x{n}"));
    }
    cpu.x[31] = word("sp");
    cpu.v = std::array::from_fn(|n| state[&format!("v{n}")]);
    cpu.set_nzcv(Nzcv(word("nzcv") as u32));
    ir::eval::fp::restore_saved(&mut cpu, word("fpcr"), word("fpsr"));
    cpu.pc = GuestAddr(CODE);
    cpu
}

fn state_from(cpu: &CpuState) -> State {
    let mut state = State::new();
    for n in 0..31 {
        state.insert(format!("x{n}"), cpu.x[n].into());
    }
    state.insert("sp".into(), cpu.x[31].into());
    state.insert("nzcv".into(), cpu.nzcv().0.into());
    state.insert("fpcr".into(), cpu.fpcr.into());
    state.insert("fpsr".into(), ir::eval::fp::saved_fpsr(cpu).into());
    for n in 0..32 {
        state.insert(format!("v{n}"), cpu.v[n]);
    }
    state
}

/// What the vector's instruction does on a machine, as a vector's result is written.
fn performed(machine: &mut Machine, vector: &Vector, memory: &Memory) -> BTreeSet<String> {
    ir::memory::write_bytes(GuestAddr(CODE), &vector.word.to_le_bytes()).expect("the code page is writable");
    machine.engine.code_changed(GuestRange::new(GuestAddr(CODE), CODE_BYTES as u64));
    let mut cpu = Vcpu::new(cpu_of(&vector.before));
    let mut stop = machine.thread.run(&mut cpu);
    // Such stops come after the instruction, and it is not over: the BRK behind it is.
    while matches!(stop, Stop::CodeChanged | Stop::Safepoint) && cpu.pc != GuestAddr(CODE) {
        stop = machine.thread.run(&mut cpu);
    }
    let after = state_from(&cpu);
    let mut parts: BTreeSet<String> = memory.take_changes().into_iter().collect();
    if stop == Stop::Undefined && cpu.pc == GuestAddr(CODE) {
        parts.insert("undefined".into());
    } else if cpu.pc == GuestAddr(CODE) {
        parts.insert(format!("stop={stop:?}"));
    } else if cpu.pc != GuestAddr(CODE + 4) || stop != Stop::Breakpoint {
        parts.insert(format!("pc={:x}", cpu.pc.0));
    }
    let changed = after.iter().filter(|(name, value)| vector.before[*name] != **value);
    parts.extend(changed.map(|(name, value)| format!("{name}={value:x}")));
    if parts.is_empty() {
        parts.insert("nothing".into());
    }
    parts
}

fn check(vector: &Vector, machine: &mut Machine, memory: &Memory) -> Result<(), String> {
    let expected: BTreeSet<String> = vector.result.split(' ').map(str::to_owned).collect();
    let got = performed(machine, vector, memory);
    if got == expected {
        return Ok(());
    }
    let list = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(" ");
    Err(format!(
        "{} ({}), {}:\n  expected {}\n  got      {}",
        vector.line,
        A64::disassemble(vector.word, GuestAddr(CODE)),
        machine.name,
        list(&expected),
        list(&got)
    ))
}

#[test]
fn instructions_do_what_the_oracle_says() {
    let only = std::env::var("EMU_TEST_ROW").ok();
    let memory = Memory::new();
    let code = GuestRange::new(GuestAddr(CODE), CODE_BYTES as u64);
    let mut machines = vec![Machine::eval(code)];
    machines.extend(Machine::compiled(code));
    let mut of_row: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for vector in vectors() {
        if only.as_ref().is_some_and(|name| !vector.row.contains(name.as_str())) {
            continue;
        }
        let failures = of_row.entry(vector.row.clone()).or_default();
        failures.extend(machines.iter_mut().filter_map(|machine| check(&vector, machine, &memory).err()));
    }
    let mut reports = Vec::new();
    for (row, failures) in &of_row {
        let shown = failures.iter().take(3).map(String::as_str).collect::<Vec<_>>().join("\n");
        let result = if failures.is_empty() { Ok(()) } else { Err(format!("{} failures\n{shown}", failures.len())) };
        reports.extend(known::judge(&format!("vectors::{row}"), result).err());
    }
    assert!(reports.is_empty(), "{} of {} rows:\n{}", reports.len(), of_row.len(), reports.join("\n"));
}

/// Only system instructions are without vectors: `tests/vectors/README.md` says why.
#[test]
fn every_row_has_vectors() {
    let covered: BTreeSet<String> = vectors().into_iter().map(|vector| vector.row).collect();
    let missing: Vec<&str> =
        rows().filter(|row| row.class != Class::System && !covered.contains(row.name)).map(|row| row.name).collect();
    assert!(missing.is_empty(), "tests/vectors/generate --rows {}", missing.join(","));
}
