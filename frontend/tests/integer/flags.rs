//! What sets the flags, and what reads the carry.

use crate::{cpu, result, step};

const N: u32 = 8;
const Z: u32 = 4;
const C: u32 = 2;
const V: u32 = 1;
const MIN: u64 = 1 << 63;
const MAX: u64 = MIN - 1;
const MIN32: u64 = 1 << 31;
const ONES: u64 = u64::MAX;
const ONES32: u64 = 0xffff_ffff;

#[test]
fn adds_and_subs() {
    let adds_x = |a, b| result(0xab02_0020, a, b, 0, 0);
    assert_eq!(adds_x(MAX, 1), (MIN, N | V));
    assert_eq!(adds_x(ONES, 1), (0, Z | C));
    assert_eq!(adds_x(MIN, MIN), (0, Z | C | V));
    assert_eq!(adds_x(0, 0), (0, Z));
    let adds_w = |a, b| result(0x2b02_0020, a, b, 0, 0);
    assert_eq!(adds_w(MIN32 - 1, 1), (MIN32, N | V));
    assert_eq!(adds_w(ONES32 | 5 << 32, 1 | 7 << 32), (0, Z | C));
    let subs_x = |a, b| result(0xeb02_0020, a, b, 0, 0);
    assert_eq!(subs_x(0, 1), (ONES, N));
    assert_eq!(subs_x(1, 1), (0, Z | C));
    assert_eq!(subs_x(MIN, 1), (MAX, C | V));
    assert_eq!(subs_x(0, MIN), (MIN, N | V));
    assert_eq!(subs_x(0, 0), (0, Z | C));
    let subs_w = |a, b| result(0x6b02_0020, a, b, 0, 0);
    assert_eq!(subs_w(MIN32, 1), (MIN32 - 1, C | V));
    assert_eq!(subs_w(1 << 32, 1), (ONES32, N));
}

#[test]
fn with_carry() {
    let adcs_x = |a, b, nzcv| result(0xba02_0020, a, b, 0, nzcv);
    assert_eq!(adcs_x(ONES, 0, C), (0, Z | C));
    assert_eq!(adcs_x(ONES, ONES, C), (ONES, N | C));
    assert_eq!(adcs_x(MAX, 0, C), (MIN, N | V));
    assert_eq!(adcs_x(MAX, 0, N | Z | V), (MAX, 0));
    let sbcs_x = |a, b, nzcv| result(0xfa02_0020, a, b, 0, nzcv);
    assert_eq!(sbcs_x(0, 0, 0), (ONES, N));
    assert_eq!(sbcs_x(0, 0, C), (0, Z | C));
    assert_eq!(sbcs_x(MIN, 0, 0), (MAX, C | V));
    assert_eq!(sbcs_x(5, ONES, 0), (5, 0));
    assert_eq!(result(0x3a02_0020, ONES32, 0, 0, C), (0, Z | C), "ADCS W");
    assert_eq!(result(0x7a02_0020, 0, 0, 0, 0), (ONES32, N), "SBCS W");
    assert_eq!(result(0x9a02_0020, 1, 2, 0, N | C), (4, N | C), "ADC leaves the flags");
    assert_eq!(result(0x5a02_0020, 1, 2, 0, V), (0xffff_fffe, V), "SBC W");
}

#[test]
fn logical() {
    assert_eq!(result(0x6a02_0020, MIN32 | 1, MIN32, 0, C | V), (MIN32, N), "ANDS W clears C and V");
    assert_eq!(result(0xea22_0020, 6, 7, 0, C | V), (0, Z), "BICS X");
    assert_eq!(result(0x7201_0020, ONES, 0, 0, 0), (MIN32, N), "ANDS W0, W1, #0x80000000");
}

#[test]
fn conditional_compare() {
    let ccmp_eq = |a, b, nzcv| result(0xfa42_0025, a, b, 0, nzcv).1;
    assert_eq!(ccmp_eq(3, 3, Z), Z | C);
    assert_eq!(ccmp_eq(3, 3, N | C | V), 5, "the immediate when the condition fails");
    assert_eq!(ccmp_eq(0, 1, Z), N);
    // CCMN W1, #31, #8, HI
    assert_eq!(result(0x3a5f_8828, ONES32 - 30, 0, 0, C).1, Z | C);
    assert_eq!(result(0x3a5f_8828, ONES32 - 30, 0, 0, C | Z).1, 8);
    assert_eq!(result(0x3a5f_8828, MIN32 - 1, 0, 0, C).1, N | V);
    // CCMP W1, #1, #15, AL
    assert_eq!(result(0x7a41_e82f, 0, 0, 0, 0).1, N);
}

#[test]
fn rmif() {
    // RMIF X1, #4, #15: N Z C V are bits 7 to 4.
    assert_eq!(result(0xba02_042f, 0x95, 0, 0, 0).1, 9);
    // RMIF X1, #63, #5: Z is bit 1 of the value, V bit 63; N and C stay.
    assert_eq!(result(0xba1f_8425, 0b10, 0, 0, N | C).1, N | Z | C);
    assert_eq!(result(0xba1f_8425, MIN, 0, 0, Z).1, V);
}

#[test]
fn setf() {
    let setf8 = |value| result(0x3a00_082d, value, 0, 0, C).1;
    assert_eq!(setf8(0xff00), Z | C | V);
    assert_eq!(setf8(0x80), N | C | V);
    assert_eq!(setf8(0x180), N | C);
    assert_eq!(setf8(0x7f), C);
    assert_eq!(result(0x3a00_482d, 0x1_8000, 0, 0, 0).1, N, "SETF16");
    assert_eq!(result(0x3a00_482d, 0xffff_0000, 0, 0, 0).1, Z | V, "SETF16");
}

#[test]
fn flag_formats() {
    for nzcv in 0..16u32 {
        let [z, c, v] = [Z, C, V].map(|flag| nzcv & flag != 0);
        let pack = |n, z, c, v| u32::from(n) * N + u32::from(z) * Z + u32::from(c) * C + u32::from(v) * V;
        assert_eq!(result(0xd500_401f, 0, 0, 0, nzcv).1, nzcv ^ C, "CFINV");
        assert_eq!(result(0xd500_405f, 0, 0, 0, nzcv).1, pack(false, z || v, c && !v, false), "AXFLAG");
        assert_eq!(result(0xd500_403f, 0, 0, 0, nzcv).1, pack(!c && !z, z && c, c || z, !c && z), "XAFLAG");
    }
}

#[test]
fn nzcv_register() {
    let mut cpu = cpu(u64::MAX, 0, 0, 6);
    step(&mut cpu, 0xd53b_4200).expect("MRS X0, NZCV");
    assert_eq!(cpu.x[0], 0x6000_0000);
    step(&mut cpu, 0xd51b_4201).expect("MSR NZCV, X1");
    step(&mut cpu, 0xd53b_4200).expect("MRS X0, NZCV");
    assert_eq!(cpu.x[0], 0xf000_0000);
}
