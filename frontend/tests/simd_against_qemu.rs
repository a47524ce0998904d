//! Advanced SIMD and scalar floating-point instructions, random words of every row on random and special registers:
//! `Eval` against QEMU.
//!
//! What runs always compares with digests of QEMU's results, `qemu/simd_digests.txt`. The rest needs
//! aarch64-linux-gnu-gcc and qemu-aarch64 and runs when asked for (`--ignored`): a comparison that says what differs
//! (`ROWS` is a prefix of row names, `WORDS` says how many words of each, `SEED` begins another sequence), one of the
//! whole encoding space, and, with `RECORD=1`, recording of the digests.

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

fn record(word: u32, random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(RECORD_BYTES);
    bytes.extend(word.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend((random.next() & 0xf000_0000).to_le_bytes());
    // Rounding modes, FZ, DN.
    let fpcr = random.pick(&[0, 0, 0, 1u64 << 22, 2 << 22, 3 << 22, 1 << 24, 1 << 25, 3 << 24]);
    // QEMU 7.2 says that FJCVTZS of a flushed denormal is exact; the pseudocode and later versions say that it is not.
    let is_fjcvtzs = word & 0xffff_fc00 == 0x1e7e_0000;
    let fpcr = if is_fjcvtzs { fpcr & !(1 << 24) } else { fpcr };
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

/// Registers after a record's word, or that it is undefined.
#[derive(PartialEq, Eq)]
struct Outcome {
    undefined: bool,
    x: [u64; 31],
    v: [u128; 32],
    nzcv: u64,
    fpsr: u64,
}

impl Outcome {
    fn of_qemu(after: &Record) -> Self {
        Self {
            undefined: after.u32(4) != 0,
            x: std::array::from_fn(|i| after.u64(32 + 8 * i)),
            v: std::array::from_fn(|i| after.v(i)),
            nzcv: after.u64(8),
            fpsr: after.u64(24),
        }
    }

    fn of_eval(before: &Record) -> Self {
        let insn = A64::decode(before.u32(0), GuestAddr(0));
        let mut cpu = CpuState::new();
        cpu.set_nzcv(ir::Nzcv(before.u64(8) as u32));
        cpu.x[..31].copy_from_slice(&std::array::from_fn::<_, 31, _>(|i| before.u64(32 + 8 * i)));
        cpu.v = std::array::from_fn(|i| before.v(i));
        fp::restore_saved(&mut cpu, before.u64(16), 0);
        fp::enter_guest_fp(&cpu);
        let stopped = A64::lift(&insn, &mut Eval::new(&mut cpu));
        fp::leave_guest_fp(&mut cpu);
        Self {
            undefined: stopped == Err(Stop::Undefined),
            x: std::array::from_fn(|i| cpu.x[i]),
            v: cpu.v,
            nzcv: u64::from(cpu.nzcv().0),
            fpsr: fp::saved_fpsr(&cpu),
        }
    }

    /// FNV-1a of everything, added to a digest.
    fn digest(&self, digest: u64) -> u64 {
        let words = [u64::from(self.undefined)];
        let registers = self.x.into_iter().chain(self.v.into_iter().flat_map(|v| [v as u64, (v >> 64) as u64]));
        let rest: Vec<u64> =
            if self.undefined { Vec::new() } else { registers.chain([self.nzcv, self.fpsr]).collect() };
        let bytes = words.into_iter().chain(rest).flat_map(u64::to_le_bytes);
        bytes.fold(digest, |digest, byte| (digest ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
    }
}

/// Whether QEMU 7.2's `max` model executes a word of one of our rows that is unallocated without FEAT_FP16 (conversions
/// with fraction bits of halves; FMOV of halves, even with op = 1, which is unallocated with FEAT_FP16 too; scalar
/// arithmetic of halves, but not FCVT) or without FEAT_BF16 (BFCVT).
fn needs_later_extension(word: u32) -> bool {
    let is_immediate = word & 0x8f80_0400 == 0x0f00_0400;
    let (immh, opcode) = (word >> 19 & 15, word >> 11 & 31);
    let is_fcvt = word & 0xff3e_7c00 == 0x1e22_4000;
    let is_half_scalar = word & 0x7ec0_0000 == 0x1ec0_0000 && !is_fcvt;
    let is_bfcvt = word & 0xffff_fc00 == 0x1e63_4000;
    let is_half_vector = is_immediate && (immh >> 1 == 1 && matches!(opcode, 28 | 31) || immh == 0 && opcode == 31);
    is_half_vector || is_half_scalar || is_bfcvt
}

/// What differs between `Eval` and QEMU; none if nothing does.
fn difference(before: &Record, after: &Record) -> Option<String> {
    let (eval, qemu) = (Outcome::of_eval(before), Outcome::of_qemu(after));
    let word = before.u32(0);
    if eval == qemu || eval.undefined && (qemu.undefined || needs_later_extension(word)) {
        return None;
    }
    if eval.undefined != qemu.undefined {
        return Some(format!(" undefined: {}, QEMU {}", eval.undefined, qemu.undefined));
    }
    let mut text = String::new();
    for i in 0..31 {
        if eval.x[i] != qemu.x[i] {
            text += &format!(" x{i} {:#x}, QEMU {:#x}", eval.x[i], qemu.x[i]);
        }
    }
    for i in 0..32 {
        if eval.v[i] != qemu.v[i] {
            text += &format!(" v{i} {:#034x}, QEMU {:#034x}", eval.v[i], qemu.v[i]);
        }
    }
    if eval.nzcv != qemu.nzcv {
        text += &format!(" NZCV {:#x}, QEMU {:#x}", eval.nzcv, qemu.nzcv);
    }
    if eval.fpsr != qemu.fpsr {
        text += &format!(" FPSR {:#x}, QEMU {:#x}", eval.fpsr, qemu.fpsr);
    }
    for (name, r) in [("d", word & 31), ("n", word >> 5 & 31), ("m", word >> 16 & 31)] {
        text += &format!("\n    {name} v{r} {:#034x}", before.v(r as usize));
    }
    Some(text + &format!(" FPCR {:#x}", before.u64(16)))
}

/// The rows that these tests are about.
fn simd_rows() -> impl Iterator<Item = &'static Row> {
    use table::Class as C;
    let classes = [C::SimdThree, C::SimdLong, C::SimdMisc, C::SimdShift, C::SimdPermute, C::SimdCrypto, C::Fp];
    table::rows().filter(move |row| classes.contains(&row.class))
}

const DIGEST_WORDS: usize = 64;

/// The records that a row's digest is about: the same whatever other rows there are.
fn digest_input(row: &Row) -> Vec<u8> {
    let seed = row.name.bytes().fold(0, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let mut random = Random(seed);
    let words = (0..DIGEST_WORDS).flat_map(|_| {
        let word = row.random_word(random.next() as u32);
        record(word, &mut random)
    });
    words.collect()
}

#[test]
fn simd_and_floating_point_give_what_qemu_gave() {
    let digests = include_str!("qemu/simd_digests.txt");
    let digests: BTreeMap<&str, &str> = digests.lines().filter_map(|line| line.split_once(' ')).collect();
    let mut wrong = Vec::new();
    for row in simd_rows() {
        let input = digest_input(row);
        let records = input.chunks(RECORD_BYTES).map(Record);
        let digest = records.fold(0, |digest, before| Outcome::of_eval(&before).digest(digest));
        if digests.get(row.name) != Some(&format!("{digest:016x}").as_str()) {
            wrong.push(row.name);
        }
    }
    assert!(wrong.is_empty(), "differ from QEMU (the ignored tests say how): {wrong:?}");
}

#[test]
#[ignore = "needs a cross compiler and QEMU, and writes the digests"]
fn record_digests() {
    if std::env::var_os("RECORD").is_none() {
        return;
    }
    let version = Command::new("qemu-aarch64").arg("-version").output().expect("qemu-aarch64 is installed").stdout;
    let version = String::from_utf8_lossy(&version);
    let version = version.lines().next().unwrap_or_default();
    let mut text = format!("# {DIGEST_WORDS} words of each row. {version}, -cpu max\n");
    let rows: Vec<&Row> = simd_rows().collect();
    let input: Vec<u8> = rows.iter().flat_map(|row| digest_input(row)).collect();
    let output = run_qemu("max", input.clone());
    let row_bytes = DIGEST_WORDS * RECORD_BYTES;
    for ((row, input), output) in rows.iter().zip(input.chunks(row_bytes)).zip(output.chunks(row_bytes)) {
        let mut digest = 0;
        for (before, after) in input.chunks(RECORD_BYTES).zip(output.chunks(RECORD_BYTES)) {
            let mut outcome = Outcome::of_qemu(&Record(after));
            outcome.undefined |= needs_later_extension(Record(before).u32(0));
            digest = outcome.digest(digest);
        }
        text += &format!("{} {digest:016x}\n", row.name);
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/qemu/simd_digests.txt");
    std::fs::write(path, text).expect("the digests can be written");
}

#[test]
#[ignore = "needs a cross compiler and QEMU"]
fn simd_and_floating_point_agree_with_qemu() {
    let setting = |name: &str| std::env::var(name).ok();
    let words = setting("WORDS").and_then(|n| n.parse().ok()).unwrap_or(200);
    let prefix = setting("ROWS").unwrap_or_default();
    let mut random = Random(setting("SEED").and_then(|n| n.parse().ok()).unwrap_or(1));
    let rows: Vec<&Row> = simd_rows().filter(|row| row.name.starts_with(&prefix)).collect();
    let mut input = Vec::new();
    for row in &rows {
        for _ in 0..words {
            let word = row.random_word(random.next() as u32);
            input.extend(record(word, &mut random));
        }
    }
    let output = run_qemu("max", input.clone());
    assert_eq!(output.len(), input.len());
    let mut failures: BTreeMap<&str, (u32, String)> = BTreeMap::new();
    for (i, (before, after)) in input.chunks(RECORD_BYTES).zip(output.chunks(RECORD_BYTES)).enumerate() {
        let row = rows[i / words];
        if let Some(text) = difference(&Record(before), &Record(after)) {
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
        input.extend(record(word, &mut random));
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
        if let Some(text) = difference(&Record(before), &Record(after)) {
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
