//! Scalar floating-point instructions: decoding, operands and destinations. Words come from the GNU assembler, values
//! from the Arm ARM's pseudocode by hand; the arithmetic itself is tested in `ir`.

use frontend::A64;
use ir::{CpuState, Eval, Frontend, GuestAddr, Nzcv, Stop, eval::fp};

const N: u32 = 1 << 31;
const Z: u32 = 1 << 30;
const C: u32 = 1 << 29;
const V: u32 = 1 << 28;

const ONE: u64 = 0x3ff0_0000_0000_0000;
const TWO: u64 = 0x4000_0000_0000_0000;
const THREE: u64 = 0x4008_0000_0000_0000;
const SEVEN: u64 = 0x401c_0000_0000_0000;
const NEGATIVE: u64 = 1 << 63;
const NAN: u64 = 0x7ff8_0000_0000_0123;
const HIGH: u128 = 0xdead_beef_dead_beef << 64;

/// V1 = X1 = noise, X2 and V2 to V4 as given, the upper halves of the vectors set.
fn machine(d: [u64; 3], x2: u64) -> CpuState {
    let mut cpu = CpuState::new();
    cpu.v[1] = HIGH | 0x5555_5555_5555_5555;
    cpu.x[1] = 0x5555_5555_5555_5555;
    cpu.x[2] = x2;
    for (register, bits) in cpu.v[2..5].iter_mut().zip(d) {
        *register = HIGH | u128::from(bits);
    }
    cpu
}

fn execute(cpu: &mut CpuState, word: u32) -> Result<(), Stop> {
    let insn = A64::decode(word, GuestAddr(0x1000));
    fp::enter_guest_fp(cpu);
    let result = A64::lift(&insn, &mut Eval::new(cpu));
    fp::leave_guest_fp(cpu);
    result
}

/// V1 after the instruction.
fn v1(word: u32, d: [u64; 3], x2: u64) -> u128 {
    let mut cpu = machine(d, x2);
    assert_eq!(execute(&mut cpu, word), Ok(()), "{word:#010x}");
    cpu.v[1]
}

/// X1 after the instruction.
fn x1(word: u32, d: [u64; 3]) -> u64 {
    let mut cpu = machine(d, 0);
    assert_eq!(execute(&mut cpu, word), Ok(()), "{word:#010x}");
    cpu.x[1]
}

/// NZCV after the instruction.
fn nzcv(word: u32, before: u32, d: [u64; 3]) -> u32 {
    let mut cpu = machine(d, 0);
    cpu.set_nzcv(Nzcv(before));
    assert_eq!(execute(&mut cpu, word), Ok(()), "{word:#010x}");
    cpu.nzcv().0
}

#[test]
fn moves_copy_bits_and_clear_the_rest() {
    let noise = [0xfff4_0000_7fa0_0001, 0, 0];
    assert_eq!(v1(0x1e20_4041, noise, 0), 0x7fa0_0001, "fmov s1, s2");
    assert_eq!(x1(0x1e26_0041, noise), 0x7fa0_0001, "fmov w1, s2");
    assert_eq!(x1(0x9e66_0041, noise), noise[0], "fmov x1, d2");
    assert_eq!(v1(0x1e27_0041, noise, 0x1234_5678_9abc_def0), 0x9abc_def0, "fmov s1, w2");
    assert_eq!(v1(0x9e67_0041, noise, 0x1234_5678_9abc_def0), 0x1234_5678_9abc_def0, "fmov d1, x2");
    assert_eq!(x1(0x9eae_0041, noise), 0xdead_beef_dead_beef, "fmov x1, v2.d[1]");
    assert_eq!(v1(0x9eaf_0041, noise, 7), 7 << 64 | 0x5555_5555_5555_5555, "fmov v1.d[1], x2");
}

#[test]
fn immediates_expand() {
    assert_eq!(v1(0x1e2e_1001, [0; 3], 0), 0x3f80_0000, "fmov s1, #1.0");
    assert_eq!(v1(0x1e77_f001, [0; 3], 0), 0xc03f_0000_0000_0000, "fmov d1, #-31.0");
    assert_eq!(v1(0x1e68_1001, [0; 3], 0), 0x3fc0_0000_0000_0000, "fmov d1, #0.125");
}

#[test]
fn multiply_add_negates_operands() {
    // d1 = ±d4 + ±(d2 * d3) with d2 = 2, d3 = 3, d4 = 1.
    let d = [TWO, THREE, ONE];
    let five = 0x4014_0000_0000_0000u64;
    assert_eq!(v1(0x1f43_1041, d, 0), u128::from(SEVEN), "fmadd");
    assert_eq!(v1(0x1f43_9041, d, 0), u128::from(five | NEGATIVE), "fmsub");
    assert_eq!(v1(0x1f63_1041, d, 0), u128::from(SEVEN | NEGATIVE), "fnmadd");
    assert_eq!(v1(0x1f63_9041, d, 0), u128::from(five), "fnmsub");
    // A NaN keeps the sign that its operand had when it went in: the addend's is turned, the product's not at all.
    assert_eq!(v1(0x1f63_9041, [TWO, THREE, NAN], 0), u128::from(NAN | NEGATIVE), "fnmsub");
    assert_eq!(v1(0x1f43_9041, [TWO, NAN, ONE], 0), u128::from(NAN), "fmsub");
    assert_eq!(v1(0x1f43_9041, [NAN, TWO, ONE], 0), u128::from(NAN | NEGATIVE), "fmsub");
}

#[test]
fn fnmul_negates_its_result_even_if_nan() {
    assert_eq!(v1(0x1e63_8841, [TWO, THREE, 0], 0), u128::from(0x4018_0000_0000_0000 | NEGATIVE));
    assert_eq!(v1(0x1e63_8841, [NAN, THREE, 0], 0), u128::from(NAN | NEGATIVE));
}

#[test]
fn comparisons_set_flags() {
    let fcmp = 0x1e63_2040;
    assert_eq!(nzcv(fcmp, V, [ONE, TWO, 0]), N);
    assert_eq!(nzcv(fcmp, V, [TWO, TWO, 0]), Z | C);
    assert_eq!(nzcv(fcmp, V, [0, NEGATIVE, 0]), Z | C);
    assert_eq!(nzcv(fcmp, V, [TWO, ONE, 0]), C);
    assert_eq!(nzcv(fcmp, 0, [NAN, ONE, 0]), C | V);
    let fcmpe_zero = 0x1e60_2058;
    assert_eq!(nzcv(fcmpe_zero, 0, [ONE | NEGATIVE, 0, 0]), N);
    let fccmp_eq = 0x1e63_0445;
    assert_eq!(nzcv(fccmp_eq, Z, [TWO, ONE, 0]), C);
    assert_eq!(nzcv(fccmp_eq, 0, [TWO, ONE, 0]), Z | V, "the immediate #5");
}

#[test]
fn only_signalling_comparisons_raise_invalid_for_a_quiet_nan() {
    for (word, fpsr) in [(0x1e63_2040, 0), (0x1e60_2058, 1)] {
        let mut cpu = machine([NAN, ONE, 0], 0);
        assert_eq!(execute(&mut cpu, word), Ok(()));
        assert_eq!(fp::saved_fpsr(&cpu), fpsr, "{word:#010x}");
    }
}

#[test]
fn fcsel_chooses() {
    for (flags, result) in [(Z, ONE), (0, NAN)] {
        let mut cpu = machine([ONE, NAN, 0], 0);
        cpu.set_nzcv(Nzcv(flags));
        assert_eq!(execute(&mut cpu, 0x1e63_0c41), Ok(()));
        assert_eq!(cpu.v[1], u128::from(result));
    }
}

#[test]
fn conversions_of_integers_and_fixed_point() {
    assert_eq!(x1(0x1e78_0041, [0xc004_0000_0000_0000, 0, 0]), 0xffff_fffe, "fcvtzs w1, d2 of -2.5");
    assert_eq!(x1(0x9e59_f041, [0x4004_0000_0000_0000, 0, 0]), 40, "fcvtzu x1, d2, #4 of 2.5");
    assert_eq!(v1(0x1e42_e041, [0; 3], 0xffff_ff80), 0xbfe0_0000_0000_0000, "scvtf d1, w2, #8 of -128");
    assert_eq!(v1(0x9e23_0041, [0; 3], u64::MAX), 0x5f80_0000, "ucvtf s1, x2");
    // 2^32 + 5, of which JavaScript keeps 5; inexact, so Z is clear.
    let mut cpu = machine([0x41f0_0000_0050_0000, 0, 0], 0);
    assert_eq!(execute(&mut cpu, 0x1e7e_0041), Ok(()));
    assert_eq!((cpu.x[1], cpu.nzcv().0, fp::saved_fpsr(&cpu)), (5, 0, 1), "fjcvtzs w1, d2");
}

#[test]
fn conversions_of_formats() {
    assert_eq!(v1(0x1e62_4041, [ONE | NEGATIVE, 0, 0], 0), 0xbf80_0000, "fcvt s1, d2");
    assert_eq!(v1(0x1e63_c041, [ONE, 0, 0], 0), 0x3c00, "fcvt h1, d2");
    assert_eq!(v1(0x1e66_4041, [0x4004_0000_0000_0000, 0, 0], 0), u128::from(THREE), "frinta d1, d2 of 2.5");
}

#[test]
fn what_is_unallocated_is_undefined() {
    let words = [
        (0x1ee2_2820, "fadd h0, h1, h2 without FEAT_FP16"),
        (0x1ee0_4020, "fmov h0, h1 without FEAT_FP16"),
        (0x1ee6_0020, "fmov w0, h1 without FEAT_FP16"),
        (0x1ea2_2820, "fadd of type 2"),
        (0x9e26_0020, "fmov x0, s1"),
        (0x1e66_0020, "fmov w0, d1"),
        (0x1eae_0020, "fmov w0, v1.d[1]"),
        (0x1e22_4020, "fcvt s0, s1"),
        (0x1e18_7c20, "fcvtzs w0, s1, #33"),
        (0x1e2e_1021, "fmov immediate with bits 9 to 5 not zero"),
        (0x9e7e_0020, "fjcvtzs to X"),
        (0x3e22_2820, "fadd with S set"),
    ];
    for (word, what) in words {
        let mut cpu = machine([0; 3], 0);
        assert_eq!(execute(&mut cpu, word), Err(Stop::Undefined), "{what}");
    }
}
