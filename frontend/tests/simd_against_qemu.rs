//! Advanced SIMD and scalar floating-point instructions, random words of every row on random and special registers:
//! `Eval` against QEMU. Needs aarch64-linux-gnu-gcc and qemu-aarch64, so it runs only when asked for (`--ignored`);
//! `QEMU_CPU` chooses the model, `ROWS` is a prefix of row names, `WORDS` says how many words of each, `SEED` begins
//! another sequence.

use frontend::{
    A64,
    table::{self, Row},
};
use ir::{CpuState, Eval, Frontend, GuestAddr, Stop, eval::fp};
use std::{
    collections::BTreeMap,
    io::{Read, Write},
    process::{Command, Stdio},
};

const RECORD_BYTES: usize = 800;

/// A generator of numbers (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[(self.next() % from.len() as u64) as usize]
    }
}

const DOUBLES: &[u64] = &[
    0,
    1 << 63,
    0x3ff0 << 48,
    0xbff0 << 48,
    0x7ff0 << 48,
    0xfff0 << 48,
    0x7ff8 << 48,
    0x7ff4 << 48,
    0xfff8_0000_0000_1234,
    0x7ff0_0000_0000_0001,
    1,
    0x000f_ffff_ffff_ffff,
    0x0010_0000_0000_0000,
    0x7fef_ffff_ffff_ffff,
    0x3fe0 << 48,
    0xbfe0_0000_0000_0001,
    0x4330_0000_0000_0001,
    0x41e0 << 48,
    0xc1e0 << 48,
    0x43e0 << 48,
    0xc3e0 << 48,
    0x43f0 << 48,
    0x4004_0000_0000_0000,
    0x3ff8 << 48,
    0x47ef_ffff_f000_0000,
    0x36a0 << 48,
    0x380f_ffff_ffff_ffff,
    0xb810 << 48,
];
const SINGLES: &[u64] = &[
    0,
    1 << 31,
    0x3f80_0000,
    0xbf80_0000,
    0x7f80_0000,
    0xff80_0000,
    0x7fc0_0000,
    0x7fa0_0000,
    0xffc0_1234,
    0x7f80_0001,
    1,
    0x007f_ffff,
    0x0080_0000,
    0x7f7f_ffff,
    0x3f00_0000,
    0xbf00_0001,
    0x4b00_0001,
    0x4f00_0000,
    0xcf00_0000,
    0x5f00_0000,
    0xdf00_0000,
    0x5f80_0000,
    0x4020_0000,
    0x3fc0_0000,
    0x477f_e000,
    0x477f_f000,
    0x3380_0000,
    0x387f_c000,
    0xb880_0000,
];
const HALVES: &[u64] = &[0, 0x8000, 0x3c00, 0xbc00, 0x7c00, 0xfc00, 0x7e00, 0x7d00, 0xfe12, 1, 0x3ff, 0x400, 0x7bff];

fn vector(random: &mut Random) -> u128 {
    let lane_bits = random.pick(&[8u32, 16, 32, 64, 32, 64]);
    let ones = u64::MAX >> (64 - lane_bits);
    let sign = 1u64 << (lane_bits - 1);
    let kind = random.next() % 4;
    (0..128 / lane_bits).fold(0, |v, i| {
        let lane = match kind {
            0 => random.next(),
            1 => random.pick(&[0, 1, ones, sign, sign - 1, sign + 1, ones - 1, 2, sign >> 1]),
            2 => match lane_bits {
                64 => random.pick(DOUBLES),
                32 => random.pick(SINGLES),
                16 => random.pick(HALVES),
                _ => (random.next() % 19).wrapping_sub(9),
            },
            // Numbers near 1, whose sums and products are inexact; amounts of shifts.
            _ => match lane_bits {
                64 => random.next() & 0x800f_ffff_ffff_ffff | (1018 + random.next() % 12) << 52,
                32 => random.next() & 0x807f_ffff | (122 + random.next() % 12) << 23,
                _ => (random.next() % 150).wrapping_sub(75),
            },
        };
        v | u128::from(lane & ones) << (i * lane_bits)
    })
}

fn record(word: u32, random: &mut Random, floating: bool) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(RECORD_BYTES);
    bytes.extend(word.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend((random.next() & 0xf000_0000).to_le_bytes());
    let fpcr =
        if floating { random.pick(&[0, 0, 0, 1u64 << 22, 2 << 22, 3 << 22, 1 << 24, 1 << 25, 3 << 24]) } else { 0 };
    // QEMU 7.2 says that FJCVTZS of a flushed denormal is exact; the pseudocode and later versions say that it is not.
    let fpcr = if row.name == "FJCVTZS" { fpcr & !(1 << 24) } else { fpcr };
    bytes.extend(fpcr.to_le_bytes());
    bytes.extend(0u64.to_le_bytes());
    (0..32).for_each(|_| bytes.extend(random.next().to_le_bytes()));
    (0..32).for_each(|_| bytes.extend(vector(random).to_le_bytes()));
    bytes
}

struct Record<'a>(&'a [u8]);

impl Record<'_> {
    fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.0[at..at + 4].try_into().expect("four bytes"))
    }
    fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.0[at..at + 8].try_into().expect("eight bytes"))
    }
    fn v(&self, i: usize) -> u128 {
        let at = 288 + 16 * i;
        u128::from_le_bytes(self.0[at..at + 16].try_into().expect("sixteen bytes"))
    }
}

fn run_qemu(model: &str, input: Vec<u8>) -> Vec<u8> {
    let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let program = directory.join("execute");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/qemu/execute.c");
    let built = Command::new("aarch64-linux-gnu-gcc").args(["-O1", "-static", "-o"]).arg(&program).arg(source).status();
    assert!(built.expect("aarch64-linux-gnu-gcc is installed").success());
    let mut child = Command::new("qemu-aarch64")
        .args(["-cpu", model])
        .arg(&program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("qemu-aarch64 is installed");
    let mut stdin = child.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let mut output = Vec::new();
    child.stdout.take().expect("piped").read_to_end(&mut output).expect("its output can be read");
    writer.join().expect("no panic").expect("it reads its input");
    assert!(child.wait().expect("it ends").success());
    output
}

/// What differs between `Eval` and QEMU; none if nothing does.
fn difference(before: &Record, after: &Record, floating: bool) -> Option<String> {
    let word = before.u32(0);
    let insn = A64::decode(word, GuestAddr(0));
    let mut cpu = CpuState::new();
    cpu.set_nzcv(ir::Nzcv(before.u64(8) as u32));
    (0..31).for_each(|i| cpu.x[i] = before.u64(32 + 8 * i));
    (0..32).for_each(|i| cpu.v[i] = before.v(i));
    if floating {
        fp::restore_saved(&mut cpu, before.u64(16), 0);
        fp::enter_guest_fp(&cpu);
    }
    let stopped = A64::lift(&insn, &mut Eval { cpu: &mut cpu }) == Err(Stop::Undefined);
    let fpsr = if floating {
        let fpsr = fp::read_fpsr(&cpu);
        fp::leave_guest_fp(&mut cpu);
        fpsr
    } else {
        u64::from(cpu.fpsr)
    };
    let mut text = String::new();
    // QEMU's `max` model has FEAT_FP16: conversions with fraction bits of halves, FMOV of halves (which QEMU 7.2 accepts
    // with op = 1 too).
    let immh = word >> 19 & 15;
    if stopped && (immh >> 1 == 1 || immh == 0 && word & 0xfc00 == 0xfc00) {
        return None;
    }
    if stopped != (after.u32(4) != 0) {
        text += &format!(" undefined: {stopped}, QEMU {}", after.u32(4) != 0);
        return Some(text);
    }
    for i in 0..31 {
        if cpu.x[i] != after.u64(32 + 8 * i) {
            text += &format!(" x{i} {:#x}, QEMU {:#x}", cpu.x[i], after.u64(32 + 8 * i));
        }
    }
    for i in 0..32 {
        if cpu.v[i] != after.v(i) {
            text += &format!(" v{i} {:#034x}, QEMU {:#034x}", cpu.v[i], after.v(i));
        }
    }
    if u64::from(cpu.nzcv().0) != after.u64(8) {
        text += &format!(" NZCV {:#x}, QEMU {:#x}", cpu.nzcv().0, after.u64(8));
    }
    if fpsr != after.u64(24) {
        text += &format!(" FPSR {fpsr:#x}, QEMU {:#x}", after.u64(24));
    }
    if text.is_empty() {
        return None;
    }
    let (n, m, d) = (word >> 5 & 31, word >> 16 & 31, word & 31);
    for (name, r) in [("d", d), ("n", n), ("m", m)] {
        text += &format!("\n    {name} v{r} {:#034x}", before.v(r as usize));
    }
    text += &format!(" FPCR {:#x}", before.u64(16));
    Some(text)
}

#[test]
#[ignore = "needs a cross compiler and QEMU"]
fn advanced_simd_and_floating_point_agree_with_qemu() {
    let setting = |name: &str| std::env::var(name).ok();
    let words = setting("WORDS").and_then(|n| n.parse().ok()).unwrap_or(200);
    let prefix = setting("ROWS").unwrap_or_default();
    let mut random = Random(setting("SEED").and_then(|n| n.parse().ok()).unwrap_or(1));
    let is_floating =
        |row: &Row| row.name.starts_with('F') || row.name.contains("CVTF") || row.name.starts_with("URSQRTE");
    let with_floating = setting("FLOATING").is_none_or(|v| v != "0");
    let rows: Vec<&Row> = table::rows()
        .filter(|row| {
            let class = format!("{:?}", row.class);
            (class.starts_with("Simd") || class == "Fp") && !row.name.starts_with("LD") && !row.name.starts_with("ST")
        })
        .filter(|row| row.name.starts_with(&prefix) && (with_floating || !is_floating(row)))
        .collect();
    let mut input = Vec::new();
    for row in &rows {
        for _ in 0..words {
            let word = row.random_word(random.next() as u32);
            input.extend(record(word, &mut random, is_floating(row)));
        }
    }
    let output = run_qemu("max", input.clone());
    assert_eq!(output.len(), input.len());
    let mut failures: BTreeMap<&str, (u32, String)> = BTreeMap::new();
    for (i, (before, after)) in input.chunks(RECORD_BYTES).zip(output.chunks(RECORD_BYTES)).enumerate() {
        let row = rows[i / words];
        if let Some(text) = difference(&Record(before), &Record(after), is_floating(row)) {
            let word = Record(before).u32(0);
            let entry = failures.entry(row.name).or_insert_with(|| {
                (
                    0,
                    format!(
                        "{word:08x} {} {}:{text}",
                        A64::name(&A64::decode(word, GuestAddr(0))),
                        A64::disassemble(word, GuestAddr(0))
                    ),
                )
            });
            entry.0 += 1;
        }
    }
    for (name, (count, text)) in &failures {
        println!("{name}: {count} of {words}, first {text}");
    }
    assert!(failures.is_empty(), "{} rows differ", failures.len());
}

/// Words of the whole encoding space of Advanced SIMD and floating point: the same are unallocated, and the others do
/// the same. The model is an Armv8.0 one, so that later extensions do not count.
#[test]
#[ignore = "needs a cross compiler and QEMU"]
fn unallocated_encodings_agree_with_qemu() {
    let mut random = Random(2);
    let mut input = Vec::new();
    for _ in 0..200_000 {
        let word = random.next() as u32 & 0xf1ff_ffff | 0x0e00_0000;
        input.extend(record(word, &mut random, true));
    }
    let output = run_qemu("cortex-a57", input.clone());
    let mut failures: BTreeMap<String, (u32, String)> = BTreeMap::new();
    for (before, after) in input.chunks(RECORD_BYTES).zip(output.chunks(RECORD_BYTES)) {
        let word = Record(before).u32(0);
        let name = A64::name(&A64::decode(word, GuestAddr(0)));
        // Later than Armv8.0.
        let later = ["SQRDMLAH", "SQRDMLSH", "SDOT", "UDOT"].iter().any(|n| name.starts_with(n));
        if later && Record(after).u32(4) != 0 {
            continue;
        }
        if let Some(text) = difference(&Record(before), &Record(after), true) {
            let shown = A64::disassemble(word, GuestAddr(0));
            let mnemonic = format!("{name} {}", shown.split_whitespace().next().unwrap_or_default());
            failures.entry(mnemonic).or_insert_with(|| (0, format!("{word:08x} {shown}:{text}"))).0 += 1;
        }
    }
    for (name, (count, text)) in &failures {
        println!("{name}: {count} words, first {text}");
    }
    assert!(failures.is_empty(), "{} instructions differ", failures.len());
}
