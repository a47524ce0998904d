//! Scalar floating point against vectors from an oracle: result bits and FPSR, for each operation under changing
//! FPCR. `fp/vectors.c` made `fp/vectors.txt`; `EMU_FP_VECTORS` names a larger file from the same program.

use ir::eval::fp;
use ir::{CpuState, Fp1, Fp2, FpInt, FpSize, Rounding};

const VECTORS: &str = include_str!("fp/vectors.txt");

struct Case<'a> {
    text: &'a str,
    operation: &'a str,
    size: FpSize,
    fpcr: u64,
    operands: [u64; 3],
    result: u64,
    fpsr: u64,
}

fn parse(line: &str) -> Case<'_> {
    let mut words = line.split(' ');
    let operation = words.next().expect("operation");
    let size = match words.next() {
        Some("h") => FpSize::H,
        Some("s") => FpSize::S,
        Some("d") => FpSize::D,
        other => panic!("size {other:?} in {line:?}"),
    };
    let numbers: Vec<u64> = words.map(|word| u64::from_str_radix(word, 16).expect("hexadecimal")).collect();
    let [fpcr, a, b, c, result, fpsr] = numbers[..] else { panic!("{line:?} has not eight words") };
    Case { text: line, operation, size, fpcr, operands: [a, b, c], result, fpsr }
}

fn fp1_named(name: &str) -> Option<Fp1> {
    Fp1::ALL.iter().copied().find(|op| format!("{op:?}").eq_ignore_ascii_case(name))
}

fn fp2_named(name: &str) -> Option<Fp2> {
    Fp2::ALL.iter().copied().find(|op| format!("{op:?}").eq_ignore_ascii_case(name))
}

fn size_named(name: &str) -> FpSize {
    match name {
        "h" => FpSize::H,
        "s" => FpSize::S,
        _ => FpSize::D,
    }
}

fn mask(holds: bool, size: FpSize) -> u64 {
    if holds { u64::MAX >> (64 - size.bits()) } else { 0 }
}

/// `fcvtzs.w.3`, `scvtf.x`: the integer's bits and how it converts.
fn integer_conversion(base: &str, width: &str, fbits: Option<&str>) -> (FpInt, u32) {
    let bits = if width == "w" { 32 } else { 64 };
    let fbits = fbits.map_or(0, |n| n.parse().expect("fraction bits"));
    let rounding = match base.as_bytes()[4] {
        b'n' => Rounding::N,
        b'p' => Rounding::P,
        b'm' => Rounding::M,
        b'z' => Rounding::Z,
        b'a' => Rounding::A,
        _ => Rounding::Current,
    };
    let signed = base.ends_with('s') || base == "scvtf";
    (FpInt { rounding, signed, fbits }, bits)
}

fn run(cpu: &mut CpuState, case: &Case<'_>) -> u64 {
    let (size, [a, b, c]) = (case.size, case.operands);
    if let Some(op) = fp1_named(case.operation) {
        return fp::fp1(cpu, op, size, a);
    }
    if let Some(op) = fp2_named(case.operation) {
        return fp::fp2(cpu, op, size, a, b);
    }
    let mut parts = case.operation.split('.');
    let (base, second, third) = (parts.next().unwrap_or(""), parts.next(), parts.next());
    match (base, second) {
        ("fmadd", _) => fp::mul_add(cpu, size, c, a, b),
        ("frecpe", _) => fp::recpe(cpu, size, a),
        ("frsqrte", _) => fp::rsqrte(cpu, size, a),
        ("frecpx", _) => fp::recpx(cpu, size, a),
        ("frecps", _) => fp::recps(cpu, size, a, b),
        ("frsqrts", _) => fp::rsqrts(cpu, size, a, b),
        ("fmulx", _) => fp::mulx(cpu, size, a, b),
        ("fabd", _) => fp::abd(cpu, size, a, b),
        ("fcmeq", _) => mask(fp::cmeq(cpu, size, a, b), size),
        ("fcmge", _) => mask(fp::cmge(cpu, size, a, b), size),
        ("fcmgt", _) => mask(fp::cmgt(cpu, size, a, b), size),
        ("facge", _) => mask(fp::acge(cpu, size, a, b), size),
        ("facgt", _) => mask(fp::acgt(cpu, size, a, b), size),
        ("fcmp", _) => u64::from(fp::compare(cpu, size, false, a, b).0),
        ("fcmpe", _) => u64::from(fp::compare(cpu, size, true, a, b).0),
        ("fcvtxn", _) => fp::convert_odd(cpu, a),
        ("fcvt", Some(to)) => fp::convert(cpu, size, size_named(to), a),
        ("fjcvtzs", _) => {
            let (value, exact) = fp::to_int_js(cpu, a);
            value | u64::from(exact) << 32
        }
        ("scvtf" | "ucvtf", Some(width)) => {
            let (how, bits) = integer_conversion(base, width, third);
            fp::from_int(cpu, how, size, bits, a)
        }
        (_, Some(width)) => {
            let (how, bits) = integer_conversion(base, width, third);
            fp::to_int(cpu, how, size, bits, a)
        }
        _ => panic!("no such operation: {}", case.text),
    }
}

/// Runs a case in a guest environment of its own.
fn outcome(case: &Case<'_>) -> (u64, u64) {
    let mut cpu = CpuState::new();
    fp::restore_saved(&mut cpu, case.fpcr, 0);
    fp::enter_guest_fp(&cpu);
    let result = run(&mut cpu, case);
    fp::leave_guest_fp(&mut cpu);
    (result, fp::saved_fpsr(&cpu))
}

#[test]
fn operations_agree_with_the_vectors() {
    let larger = std::env::var("EMU_FP_VECTORS").map(|path| std::fs::read_to_string(path).expect("EMU_FP_VECTORS"));
    let text = larger.as_deref().unwrap_or(VECTORS);
    let (mut cases, mut wrong) = (0, Vec::new());
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let case = parse(line);
        cases += 1;
        let (result, fpsr) = outcome(&case);
        if (result, fpsr) != (case.result, case.fpsr) {
            wrong.push(format!("{}: got {result:x} {fpsr:x}", case.text));
        }
    }
    assert!(cases > 1000, "only {cases} cases");
    assert!(wrong.is_empty(), "{} of {cases} cases differ:\n{}", wrong.len(), wrong[..wrong.len().min(60)].join("\n"));
}

#[test]
fn control_registers_keep_what_is_implemented() {
    let mut cpu = CpuState::new();
    fp::enter_guest_fp(&cpu);
    fp::write_fpcr(&mut cpu, u64::MAX);
    let fpcr = fp::read_fpcr(&cpu);
    fp::write_fpsr(&mut cpu, u64::MAX);
    let all = fp::read_fpsr(&cpu);
    fp::write_fpsr(&mut cpu, 0x10);
    let inexact = fp::read_fpsr(&cpu);
    fp::leave_guest_fp(&mut cpu);
    assert_eq!(fpcr, 0x07c0_0000);
    assert_eq!(all, 0x0800_009f);
    assert_eq!(inexact, 0x10);
    assert_eq!(fp::saved_fpsr(&cpu), 0x10);
}

#[test]
fn host_instructions_follow_the_guests_rounding_mode() {
    let mut cpu = CpuState::new();
    // 1 / 3 in double precision ends in ...5 (5.33) or, rounded up, ...6; FPCR.RMode is nearest, +inf, -inf, zero.
    let third = |cpu: &mut CpuState, rmode: u64| {
        fp::enter_guest_fp(cpu);
        fp::write_fpcr(cpu, rmode << 22);
        let result = fp::fp2(cpu, Fp2::Fdiv, FpSize::D, 0x3ff0_0000_0000_0000, 0x4008_0000_0000_0000);
        fp::leave_guest_fp(cpu);
        result
    };
    assert_eq!(third(&mut cpu, 0), 0x3fd5_5555_5555_5555);
    assert_eq!(third(&mut cpu, 1), 0x3fd5_5555_5555_5556);
    assert_eq!(third(&mut cpu, 2), 0x3fd5_5555_5555_5555);
    assert_eq!(third(&mut cpu, 3), 0x3fd5_5555_5555_5555);
    assert_eq!(fp::saved_fpsr(&cpu), 0x10);
}

/// The pseudocode by hand: FPToFixedJS clears Z for a positive denormal that was flushed, and for minus zero.
#[test]
fn fjcvtzs_of_a_flushed_denormal_is_not_exact() {
    let mut cpu = CpuState::new();
    assert_eq!(fp::to_int_js(&mut cpu, 0), (0, true));
    assert_eq!(fp::to_int_js(&mut cpu, 1 << 63), (0, false));
    assert_eq!(fp::saved_fpsr(&cpu), 0);
    fp::restore_saved(&mut cpu, 1 << 24, 0);
    assert_eq!(fp::to_int_js(&mut cpu, 1), (0, false));
    assert_eq!(fp::saved_fpsr(&cpu), 0x80);
}
