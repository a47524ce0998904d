//! Results of floating-point operations that compiled code checks late (`backend/src/optimizing/clif/pending.rs`):
//! whatever looks at one must find Arm's result. The host's NaNs differ from Arm's in sign, in which operand is handed
//! on, and with FPCR.DN; and it judges tininess after rounding. Expected values are worked out by hand from the Arm
//! ARM's FPProcessNaNs, FPDefaultNaN and FPRound.
#![allow(unsafe_code)] // A page for guest code and one for guest data.

use backend::{Config, Engine, Thread, Tier};
use frontend::A64;
use ir::{CodeWatcher, CpuState, GuestAddr, GuestRange, Stop, Vcpu};
use std::sync::Arc;

const PAGE: u64 = ir::PAGE_BYTES;
const BRK: u32 = 0xd420_0000;
const ONE: u64 = 0x3ff0_0000_0000_0000;
const MIN_NORMAL: u64 = 0x0010_0000_0000_0000;
/// (1 - 2^-52) times (1 + 2^-52) smallest normal numbers is less than one of them by so little that it is rounded to
/// it whatever the exponent's range: tiny before rounding only.
const FACTOR: u64 = 0x3fef_ffff_ffff_fffe;
const ABOVE_MIN_NORMAL: u64 = MIN_NORMAL + 1;
const SIGN: u64 = 1 << 63;
const UNDERFLOW: u64 = 1 << 3;

/// A page of code and then one of data.
struct Guest {
    code: u64,
    machines: Vec<(Tier, Arc<Engine<A64>>, Thread<A64>)>,
}

impl Guest {
    fn new() -> Self {
        // SAFETY: a fresh anonymous mapping.
        let code = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            libc::mmap(std::ptr::null_mut(), 2 * PAGE as usize, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) as u64
        };
        assert_ne!(code as i64, -1);
        let range = GuestRange::new(GuestAddr(code), PAGE);
        let machines = [Tier::Eval, Tier::Emit, Tier::Jit]
            .map(|tier| {
                let config = Config { tier, ..Config::default() };
                let engine = Engine::<A64>::new(config, Arc::new(move |pc| range.contains(pc)));
                let thread = Thread::new(&engine).expect("memory for the lookup table");
                (tier, engine, thread)
            })
            .into();
        Self { code, machines }
    }

    fn data(&self) -> u64 {
        self.code + PAGE
    }

    /// Runs the words and a BRK in each tier, and shows the state where they stop.
    fn run(&mut self, words: &[u32], fpcr: u64, v: &[(usize, u64)], check: impl Fn(Tier, Stop, &CpuState)) {
        let bytes: Vec<u8> = words.iter().chain(&[BRK]).flat_map(|w| w.to_le_bytes()).collect();
        ir::memory::write_bytes(GuestAddr(self.code), &bytes).expect("the code page is writable");
        for (tier, engine, thread) in &mut self.machines {
            engine.code_changed(GuestRange::new(GuestAddr(self.code), PAGE));
            ir::memory::write_bytes(GuestAddr(self.code + PAGE), &[0; 64]).expect("the data page is writable");
            let mut cpu = Vcpu::default();
            ir::eval::fp::restore_saved(&mut cpu, fpcr, 0);
            for &(register, value) in v {
                cpu.v[register] = value.into();
            }
            cpu.x[9] = self.code + PAGE;
            cpu.pc = GuestAddr(self.code);
            let stop = thread.run(&mut cpu);
            check(*tier, stop, &cpu);
        }
    }
}

/// Operands of a product that is a NaN: V1, V2, FPCR, and the product.
const NANS: &[(&str, u64, u64, u64, u64)] = &[
    // The host's default NaN is negative.
    ("default", 0x7ff0_0000_0000_0000, 0, 0, 0x7ff8_0000_0000_0000),
    // The host takes the first operand, Arm a signalling one.
    ("signalling", 0x7ff8_0000_0000_0001, 0xfff0_0000_0000_0123, 0, 0xfff8_0000_0000_0123),
    // FPCR.DN.
    ("DN", 0xfff8_0000_0000_0001, ONE, 1 << 25, 0x7ff8_0000_0000_0000),
];

/// What makes the NaN in D0; V5 is 1, and all else may be overwritten.
const MAKERS: &[(&str, &[u32])] = &[
    ("fmul d0, d1, d2", &[0x1e62_0820]),
    ("and used by others", &[0x1e62_0820, 0x1e65_2806, 0x1f45_00c7]), // fadd d6, d0, d5; fmadd d7, d6, d5, d0
    ("and its register reused", &[0x1e62_0826, 0x1e65_28c0, 0x1e65_0800]), // fmul d6; fadd d0, d6, d5; fmul d0, d0, d5
    ("fmul v0.2d, v1.2d, v2.2d", &[0x6e62_dc20]),
    ("and used by vectors", &[0x6e62_dc20, 0x4e65_d406, 0x4e65_cc06]), // fadd v6.2d, v0.2d, v5.2d; fmla v6.2d, v0.2d, v5.2d
];

/// Where the NaN shows.
enum Seen {
    X0,
    V3,
    /// In the first doubleword of the data.
    Memory,
}

#[test]
fn a_nan_is_exact_wherever_it_shows() {
    let same = |nan: u64| nan;
    type Change = fn(u64) -> u64;
    let escapes: &[(&str, &[u32], Seen, Change)] = &[
        ("str d0, [x9]", &[0xfd00_0120], Seen::Memory, same),
        ("str q0, [x9]", &[0x3d80_0120], Seen::Memory, same),
        ("stp d0, d0, [x9]", &[0x6d00_0120], Seen::Memory, same),
        ("st1 {v0.d}[0], [x9]", &[0x0d00_8520], Seen::Memory, same),
        ("fmov x0, d0", &[0x9e66_0000], Seen::X0, same),
        ("umov x0, v0.d[0]", &[0x4e08_3c00], Seen::X0, same),
        ("fmov d3, d0", &[0x1e60_4003], Seen::V3, same),
        ("mov v3.16b, v0.16b", &[0x4ea0_1c03], Seen::V3, same),
        ("dup v3.2d, v0.d[0]", &[0x4e08_0403], Seen::V3, same),
        ("ins v3.d[0], v0.d[0]", &[0x6e08_0403], Seen::V3, same),
        ("ext v3.16b, v0.16b, v0.16b, #0", &[0x6e00_0003], Seen::V3, same),
        ("zip1 v3.2d, v0.2d, v0.2d", &[0x4ec0_3803], Seen::V3, same),
        ("fneg d3, d0", &[0x1e61_4003], Seen::V3, |nan| nan ^ SIGN),
        ("fabs d3, d0", &[0x1e60_c003], Seen::V3, |nan| nan & !SIGN),
        ("fneg v3.2d, v0.2d", &[0x6ee0_f803], Seen::V3, |nan| nan ^ SIGN),
        ("fcsel d3, d0, d0, eq", &[0x1e60_0c03], Seen::V3, same),
        ("fmax d3, d5, d0", &[0x1e60_48a3], Seen::V3, same),
        ("fmin v3.2d, v5.2d, v0.2d", &[0x4ee0_f4a3], Seen::V3, same),
        ("fmaxnmp d3, v0.2d, of NaNs", &[0x4e08_0400, 0x7e70_c803], Seen::V3, same),
        ("fadd d3, d5, d0", &[0x1e60_28a3], Seen::V3, same),
        ("fadd v3.2d, v5.2d, v0.2d", &[0x4e60_d4a3], Seen::V3, same),
        ("fsqrt d3, d0", &[0x1e61_c003], Seen::V3, same),
        ("fcvtzs x0, d0", &[0x9e78_0000], Seen::X0, |_| 0),
        ("fcmp d0, d0; cset x0, vs", &[0x1e60_2000, 0x9a9f_77e0], Seen::X0, |_| 1),
        ("fccmp d0, d0, #0, al; cset x0, vs", &[0x1e60_e400, 0x9a9f_77e0], Seen::X0, |_| 1),
        ("fcmeq d3, d0, d0", &[0x5e60_e403], Seen::V3, |_| 0),
        // Another block: b; cbz xzr; bl; br.
        ("b", &[0x1400_0001, 0x9e66_0000], Seen::X0, same),
        ("cbz xzr", &[0xb400_005f, BRK, 0x9e66_0000], Seen::X0, same),
        ("bl", &[0x9400_0001, 0x9e66_0000], Seen::X0, same),
        ("adr x4; br x4", &[0x1000_0044, 0xd61f_0080, 0x9e66_0000], Seen::X0, same),
        // The product is made before what follows changes the mode: FPCR.DN on, and off.
        ("msr fpcr", &[0xd2a0_4004, 0xd51b_4404, 0x9e66_0000], Seen::X0, same),
        ("msr fpcr, xzr", &[0xd51b_441f, 0x9e66_0000], Seen::X0, same),
        ("mrs fpsr", &[0xd53b_4424, 0x9e66_0000], Seen::X0, same),
        // Loads of the data, which is zero, between.
        ("ldr x4, [x9]", &[0xf940_0124, 0x9e66_0000], Seen::X0, same),
    ];
    let mut guest = Guest::new();
    let data = guest.data();
    for &(kind, a, b, fpcr, nan) in NANS {
        for &(maker, made) in MAKERS {
            for (escape, words, seen, change) in escapes {
                let program = [made, words].concat();
                guest.run(&program, fpcr, &[(1, a), (2, b), (5, ONE)], |tier, stop, cpu| {
                    let name = format!("{kind} NaN, {maker}; {escape}; {tier:?}");
                    assert_eq!(stop, Stop::Breakpoint, "{name}");
                    let got = match seen {
                        Seen::X0 => cpu.x[0],
                        Seen::V3 => cpu.v[3] as u64,
                        Seen::Memory => ir::memory::load_u64(GuestAddr(data)).expect("the data is readable"),
                    };
                    assert_eq!(got, change(nan), "{name}: {got:#x}, not {:#x}", change(nan));
                    if !words.contains(&0x4e08_0400) {
                        assert_eq!(cpu.v[0] as u64, nan, "{name}: in V0 afterwards");
                    }
                });
            }
        }
    }
}

#[test]
fn a_nan_is_exact_where_code_stops() {
    let stops =
        [("brk", BRK, Stop::Breakpoint), ("svc", 0xd400_0001, Stop::Svc), ("ldr x0, [xzr]", 0xf940_03e0, Stop::Fault)];
    let mut guest = Guest::new();
    for &(kind, a, b, fpcr, nan) in NANS {
        for &(maker, made) in MAKERS {
            for (name, word, expected) in stops {
                // SP is null.
                let program = [made, &[word]].concat();
                guest.run(&program, fpcr, &[(1, a), (2, b), (5, ONE)], |tier, stop, cpu| {
                    let name = format!("{kind} NaN, {maker}; {name}; {tier:?}");
                    assert_eq!(stop, expected, "{name}");
                    assert_eq!(cpu.v[0] as u64, nan, "{name}: {:#x}", cpu.v[0]);
                });
            }
        }
    }
}

#[test]
fn flags_of_a_comparison_are_exact_at_a_fault() {
    // fadd d0, d1, d1; fadd d3, d2, d2; the same of single numbers.
    const DOUBLE: [u32; 2] = [0x1e61_2820, 0x1e62_2843];
    const SINGLE: [u32; 2] = [0x1e21_2820, 0x1e22_2843];
    let comparisons: &[(&str, [u32; 2], u32, [u32; 3])] = &[
        ("fcmp d0, d3", DOUBLE, 0x1e63_2000, [0x2, 0x8, 0x6]),
        ("fcmp d3, d0", DOUBLE, 0x1e60_2060, [0x8, 0x2, 0x6]),
        ("fcmp d0, #0.0", DOUBLE, 0x1e60_2008, [0x2, 0x2, 0x2]),
        ("fcmp s0, s3", SINGLE, 0x1e23_2000, [0x2, 0x8, 0x6]),
        ("fcmp s3, s0", SINGLE, 0x1e20_2060, [0x8, 0x2, 0x6]),
        ("fcmp s0, #0.0", SINGLE, 0x1e20_2008, [0x2, 0x2, 0x2]),
    ];
    // str xzr, [x9]; fadd d0 and d3 again, or nothing; ldr x0, [sp]. SP is null.
    let [store, fault] = [0xf900_013f, 0xf940_03e0];
    let mut guest = Guest::new();
    for &(name, sums, compare, expected) in comparisons {
        let number = |n: f64| if sums == DOUBLE { n.to_bits() } else { u64::from((n as f32).to_bits()) };
        for (changed, between) in [(false, &[][..]), (true, &[0x1e61_2820, 0x1e61_2823])] {
            let program = [&sums[..], &[compare, store], between, &[fault]].concat();
            for ((one, other), nzcv) in [(2.0, 1.0), (1.0, 2.0), (1.0, 1.0)].into_iter().zip(expected) {
                guest.run(&program, 0, &[(1, number(one)), (2, number(other))], |tier, stop, cpu| {
                    let name = format!("{name}, {one} and {other}, changed afterwards: {changed}; {tier:?}");
                    assert_eq!(stop, Stop::Fault, "{name}");
                    assert_eq!(cpu.flags.nzcv().0 >> 28, nzcv, "{name}");
                });
            }
        }
    }
}

#[test]
fn flags_of_a_comparison_of_what_a_block_begins_with_are_exact_at_a_fault() {
    // fcmp d1, d2; str xzr, [x9]; fadd d1, d1, d2 and fadd d2, d1, d2, or nothing; ldr x0, [sp]. SP is null.
    let [compare, store, fault] = [0x1e62_2020, 0xf900_013f, 0xf940_03e0];
    let mut guest = Guest::new();
    for between in [&[][..], &[0x1e62_2821], &[0x1e62_2822], &[0x1e62_2821, 0x1e62_2822]] {
        let program = [&[compare, store], between, &[fault]].concat();
        for ((one, other), nzcv) in
            [(2f64, 1f64), (1.0, 2.0), (1.0, 1.0), (f64::NAN, 1.0)].into_iter().zip([2, 8, 6, 3])
        {
            guest.run(&program, 0, &[(1, one.to_bits()), (2, other.to_bits())], |tier, stop, cpu| {
                let name = format!("{one} and {other}, {between:x?}, {tier:?}");
                assert_eq!(stop, Stop::Fault, "{name}");
                assert_eq!(cpu.flags.nzcv().0 >> 28, nzcv, "{name}");
            });
        }
    }
}

/// A number or NaN, whether it is a NaN, and whether it signals.
const COMPARED: [(u64, bool, bool); 5] = [
    (ONE, false, false),
    (0x4000_0000_0000_0000, false, false),
    (0x8000_0000_0000_0000, false, false),
    (0x7ff8_0000_0000_0001, true, false),
    (0xfff0_0000_0000_0001, true, true),
];

/// FCMP or FCMPE of D1 and D2; its flags, and whether it raises Invalid, for each two of `COMPARED`.
fn comparisons() -> impl Iterator<Item = (u32, u64, u64, u32, bool)> {
    let operands = COMPARED.into_iter().flat_map(|a| COMPARED.map(|b| (a, b)));
    operands.flat_map(|((a, a_is_nan, a_signals), (b, b_is_nan, b_signals))| {
        [false, true].map(|signals| {
            let nzcv = match f64::from_bits(a).partial_cmp(&f64::from_bits(b)) {
                Some(std::cmp::Ordering::Less) => 0b1000,
                Some(std::cmp::Ordering::Equal) => 0b0110,
                Some(std::cmp::Ordering::Greater) => 0b0010,
                None => 0b0011,
            };
            let is_invalid = a_signals || b_signals || signals && (a_is_nan || b_is_nan);
            (if signals { 0x1e62_2030 } else { 0x1e62_2020 }, a, b, nzcv, is_invalid)
        })
    })
}

/// Whether a condition holds: the Arm ARM's ConditionHolds.
fn holds(cond: u32, nzcv: u32) -> bool {
    let [n, z, c, v] = [3, 2, 1, 0].map(|bit| nzcv >> bit & 1 != 0);
    let base = match cond >> 1 {
        0 => z,
        1 => c,
        2 => n,
        3 => v,
        4 => c && !z,
        5 => n == v,
        6 => n == v && !z,
        _ => return true,
    };
    base != (cond & 1 != 0)
}

#[test]
fn a_comparison_raises_invalid_wherever_a_branch_goes() {
    let mut guest = Guest::new();
    for cond in 0..16 {
        let b_cond = |words: i32| 0x5400_0000 | (words as u32 & 0x7_ffff) << 5 | cond;
        // b.cond to movz x0, #2; else movz x0, #1; b over that.
        let apart = [b_cond(3), 0xd280_0020, 0x1400_0002, 0xd280_0040];
        for (compare, a, b, nzcv, is_invalid) in comparisons() {
            let way = if holds(cond, nzcv) { 2 } else { 1 };
            let check = |name: &str, tier, stop, cpu: &CpuState, x0| {
                let name = format!("{name} after {compare:x} of {a:x} and {b:x}, {cond}, {tier:?}");
                assert_eq!(stop, Stop::Breakpoint, "{name}");
                assert_eq!(cpu.x[0], x0, "{name}: the way");
                assert_eq!(ir::eval::fp::saved_fpsr(cpu) & 1 != 0, is_invalid, "{name}: Invalid");
            };
            let operands = [(1, a), (2, b), (3, ONE), (4, 0), (6, a)];
            let program = [&[compare], &apart[..]].concat();
            guest.run(&program, 0, &operands, |tier, stop, cpu| check("branch", tier, stop, cpu, way));
            // fmov d1, d3 between: what has been compared counts.
            let program = [&[compare, 0x1e60_4061], &apart[..]].concat();
            guest.run(&program, 0, &operands, |tier, stop, cpu| check("changed", tier, stop, cpu, way));
            // Another comparison, of D3 with D4, whose flags are tested instead: more.
            let program = [&[compare, 0x1e64_2060], &apart[..]].concat();
            let other = if holds(cond, 0b0010) { 2 } else { 1 };
            guest.run(&program, 0, &operands, |tier, stop, cpu| check("another", tier, stop, cpu, other));
            // fcmp d3, d4, which gives "greater", before, and the comparison only on a condition: fccmp or fccmpe.
            for (name, before) in [("if al", 14u32), ("if gt", 12), ("if le", 13)] {
                for otherwise in [0b0110, 0b1001] {
                    let compare_if = compare & !0xfc1f | 0x400 | before << 12 | (compare & 0x10) | otherwise;
                    let program = [&[0x1e64_2060, compare_if], &apart[..]].concat();
                    let is_compared = before != 13;
                    let expected = if is_compared { nzcv } else { otherwise };
                    let way = if holds(cond, expected) { 2 } else { 1 };
                    guest.run(&program, 0, &operands, |tier, stop, cpu| {
                        let name = format!("{name}, {compare_if:x} of {a:x} and {b:x}, {cond}, {tier:?}");
                        assert_eq!(stop, Stop::Breakpoint, "{name}");
                        assert_eq!(cpu.x[0], way, "{name}: the way");
                        assert_eq!(cpu.flags.nzcv().0 >> 28, expected, "{name}: the flags");
                        let invalid = ir::eval::fp::saved_fpsr(cpu) & 1 != 0;
                        assert_eq!(invalid, is_compared && is_invalid, "{name}: Invalid");
                    });
                }
            }
            // mrs x5, fpsr; str xzr, [x9] between.
            for (name, between) in [("mrs", 0xd53b_4425), ("str", 0xf900_013f)] {
                let program = [&[compare, between], &apart[..]].concat();
                guest.run(&program, 0, &operands, |tier, stop, cpu| {
                    check(name, tier, stop, cpu, way);
                    assert!(name != "mrs" || cpu.x[5] & 1 == u64::from(is_invalid), "FPSR as it was read");
                });
            }
            // A loop of at most two turns, of which the second compares 1 with itself. tbnz w0, #1, to the end;
            // add x0, x0, #1; the comparison; cset x5; fmov d1, d3; fmov d2, d3; b.cond to the start.
            let cset = 0x9a9f_07e5 | (cond ^ 1) << 12;
            let program = [0x3708_00e0, 0x9100_0400, compare, cset, 0x1e60_4061, 0x1e60_4062, b_cond(-6)];
            let turns = if holds(cond, nzcv) { 2 } else { 1 };
            guest.run(&program, 0, &operands, |tier, stop, cpu| check("loop", tier, stop, cpu, turns));
        }
    }
}

/// FMUL Dd, Dn, Dm, or of vectors of doublewords.
fn fmul(is_vector: bool, d: u32, n: u32, m: u32) -> u32 {
    let word = if is_vector { 0x6e60_dc00 } else { 0x1e60_0800 };
    word | m << 16 | n << 5 | d
}

#[test]
fn underflow_is_raised_for_whatever_rounds_up_to_the_smallest_normal_number() {
    let mut guest = Guest::new();
    for is_vector in [false, true] {
        for length in 1..=9u32 {
            // D0 to D8 are the numbers from D10 on, times D19.
            let words: Vec<u32> = (0..length).map(|n| fmul(is_vector, n, 10 + n, 19)).collect();
            let factors = |tiny: Option<u32>, other: u64| {
                let factor = move |n| if tiny == Some(n) { ABOVE_MIN_NORMAL } else { other };
                let mut v: Vec<(usize, u64)> = (0..length).map(|n| (10 + n as usize, factor(n))).collect();
                v.push((19, FACTOR));
                v
            };
            for other in [0, SIGN, ONE, 0x4000_0000_0000_0000, 0xc00f_ffff_ffff_fff1] {
                for tiny in (0..length).map(Some).chain([None]) {
                    for reads in [false, true] {
                        // MRS X0, FPSR
                        let program = if reads { [&words[..], &[0xd53b_4420]].concat() } else { words.clone() };
                        guest.run(&program, 0, &factors(tiny, other), |tier, stop, cpu| {
                            let name = format!("{length} products, {tiny:?} is tiny, others {other:#x}, {tier:?}");
                            assert_eq!(stop, Stop::Breakpoint, "{name}");
                            let fpsr = if reads { cpu.x[0] } else { ir::eval::fp::saved_fpsr(cpu) };
                            assert_eq!(fpsr & UNDERFLOW != 0, tiny.is_some(), "{name}: FPSR {fpsr:#x}");
                            if let Some(n) = tiny {
                                assert_eq!(cpu.v[n as usize], MIN_NORMAL.into(), "{name}");
                            }
                        });
                    }
                }
            }
        }
    }
}
