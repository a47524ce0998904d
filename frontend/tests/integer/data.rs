//! Data processing that leaves the flags alone.

use crate::{PC, assert_undefined, cpu, result, step};

const MIN: u64 = 1 << 63;
const ONES: u64 = u64::MAX;
const VALUE: u64 = 0x0123_4567_89ab_cdef;

fn x0(word: u32, x1: u64, x2: u64, x3: u64) -> u64 {
    result(word, x1, x2, x3, 0).0
}

#[test]
fn division() {
    assert_eq!(x0(0x9ac2_0c20, MIN, ONES, 0), MIN, "SDIV X, MIN / -1");
    assert_eq!(x0(0x9ac2_0c20, 7u64.wrapping_neg(), 2, 0), 3u64.wrapping_neg(), "SDIV rounds to zero");
    assert_eq!(x0(0x9ac2_0c20, 7, 0, 0), 0, "SDIV by zero");
    assert_eq!(x0(0x1ac2_0c20, 0x8000_0000, 0xffff_ffff, 0), 0x8000_0000, "SDIV W, MIN / -1");
    assert_eq!(x0(0x1ac2_0c20, 0xffff_fff9, 2, 0), 0xffff_fffd, "SDIV W");
    assert_eq!(x0(0x9ac2_0820, ONES, 10, 0), 1_844_674_407_370_955_161, "UDIV X");
    assert_eq!(x0(0x1ac2_0820, 1 << 32 | 9, 1 << 32 | 3, 0), 3, "UDIV W");
    assert_eq!(x0(0x1ac2_0820, 9, 1 << 32, 0), 0, "UDIV W by zero");
}

#[test]
fn multiplication() {
    assert_eq!(x0(0x9b42_7c20, ONES, ONES, 0), 0, "SMULH of -1 and -1");
    assert_eq!(x0(0x9b42_7c20, MIN, 2, 0), ONES, "SMULH");
    assert_eq!(x0(0x9bc2_7c20, ONES, ONES, 0), ONES - 1, "UMULH");
    assert_eq!(x0(0x9b22_0c20, 0xffff_ffff, 5, 100), 95, "SMADDL");
    assert_eq!(x0(0x9ba2_8c20, 0xffff_ffff, 2, 1), 1u64.wrapping_sub(0x1_ffff_fffe), "UMSUBL");
    assert_eq!(x0(0x1b02_7c20, 0x1_0001, 0x1_0001, 0), 0x2_0001, "MUL W");
    assert_eq!(x0(0x9b02_8c20, 3, 5, 7), 8u64.wrapping_neg(), "MSUB");
}

#[test]
fn extract_and_rotate() {
    assert_eq!(x0(0x93c2_2020, 0xaa, VALUE, 0), 0xaa01_2345_6789_abcd, "EXTR X0, X1, X2, #8");
    assert_eq!(x0(0x93c2_0020, 0xaa, VALUE, 0), VALUE, "EXTR #0 is the low register");
    assert_eq!(x0(0x1382_7c20, 0xffff_ffff_4000_0000, 0x8000_0000, 0), 0x8000_0001, "EXTR W0, W1, W2, #31");
    assert_eq!(x0(0x1381_1020, 0xf_1234_5678, 0, 0), 0x8123_4567, "ROR W0, W1, #4");
    assert_eq!(x0(0x1ac2_2c20, 0xf_0000_0001, 33, 0), 0x8000_0000, "RORV W by 33");
    assert_eq!(x0(0x1ac2_2020, 3, 32, 0), 3, "LSLV W by 32");
    assert_eq!(x0(0x9ac2_2820, MIN, 127, 0), ONES, "ASRV X by 127");
}

#[test]
fn conditional_select() {
    // LT is N != V.
    assert_eq!(result(0x9a82_b020, 1, 2, 0, 0b1000).0, 1, "CSEL LT");
    assert_eq!(result(0x9a82_b020, 1, 2, 0, 0b1001).0, 2, "CSEL LT");
    assert_eq!(result(0x1a82_0020, ONES, 2, 0, 0b0100).0, 0xffff_ffff, "CSEL W clears the upper half");
    assert_eq!(result(0x1a82_0020, 1, ONES, 0, 0).0, 0xffff_ffff, "CSEL W clears the upper half");
    // CSET W0, NE is CSINC W0, WZR, WZR, EQ.
    assert_eq!(result(0x1a9f_07e0, 0, 0, 0, 0).0, 1);
    assert_eq!(result(0x1a9f_07e0, 0, 0, 0, 0b0100).0, 0);
    assert_eq!(result(0xda82_2020, 0, 5, 0, 0).0, !5, "CSINV CS");
    assert_eq!(result(0x5a82_4420, 0, 5, 0, 0).0, 0xffff_fffb, "CSNEG W MI");
}

#[test]
fn stack_pointer_or_zero() {
    let mut c = cpu(0x180, 0x1_0005, 0, 0);
    c.x[31] = 0x1000;
    step(&mut c, 0x8b21_8be0).expect("ADD X0, SP, W1, SXTB #2");
    assert_eq!(c.x[0], 0x1000 - 0x200);
    step(&mut c, 0xcb21_63ff).expect("SUB SP, SP, X1");
    assert_eq!(c.x[31], 0x1000 - 0x180);
    step(&mut c, 0xeb22_203f).expect("CMP X1, W2, UXTH discards the difference");
    assert_eq!((c.x[31], c.nzcv().0), (0xe80, 0x2000_0000));
    step(&mut c, 0xb240_003f).expect("ORR SP, X1, #1");
    assert_eq!(c.x[31], 0x181);
    c.x[0] = 0x40;
    step(&mut c, 0x9100_001f).expect("MOV SP, X0");
    assert_eq!(c.x[31], 0x40);
    step(&mut c, 0xaa1f_03e0).expect("MOV X0, XZR");
    assert_eq!(c.x[0], 0);
}

#[test]
fn moves_and_addresses() {
    assert_eq!(x0(0x1280_0000, 0, 0, 0), 0xffff_ffff, "MOVN W0, #0");
    assert_eq!(x0(0xf2f7_dde0, 0, 0, 0), 0xbeef_dead_dead_dead, "MOVK X0, #0xbeef, LSL #48");
    assert_eq!(x0(0x72a0_0020, 0, 0, 0), 0x1_dead, "MOVK W0, #1, LSL #16");
    assert_eq!(x0(0x70ff_ffe0, 0, 0, 0), PC.0 - 1, "ADR X0, . - 1");
    assert_eq!(x0(0xb000_0000, 0, 0, 0), 0x1_2345_7000, "ADRP one page on");
    assert_eq!(x0(0xaa01_03e0, ONES, 0, 0), ONES, "MOV X0, X1");
    assert_eq!(x0(0x2a01_03e0, ONES, 0, 0), 0xffff_ffff, "MOV W0, W1");
    assert_eq!(x0(0x9200_f020, ONES, 0, 0), 0x5555_5555_5555_5555, "AND with a bitmask");
}

#[test]
fn reversals_and_counts() {
    assert_eq!(x0(0xdac0_0c20, VALUE, 0, 0), 0xefcd_ab89_6745_2301, "REV X");
    assert_eq!(x0(0x5ac0_0820, VALUE, 0, 0), 0xefcd_ab89, "REV W");
    assert_eq!(x0(0xdac0_0820, VALUE, 0, 0), 0x6745_2301_efcd_ab89, "REV32");
    assert_eq!(x0(0xdac0_0420, VALUE, 0, 0), 0x2301_6745_ab89_efcd, "REV16");
    assert_eq!(x0(0xdac0_0020, 1, 0, 0), MIN, "RBIT");
    assert_eq!(x0(0xdac0_1420, ONES << 4, 0, 0), 59, "CLS");
    assert_eq!(x0(0x5ac0_1020, 1 << 40 | 1, 0, 0), 31, "CLZ W");
}

#[test]
fn crc32() {
    // Check values of the two codes over "123456789": eight bytes at once, then one.
    let digits = u64::from_le_bytes(*b"12345678");
    let first = x0(0x9ac2_4c20, 0xffff_ffff, digits, 0);
    assert_eq!(!x0(0x1ac2_4020, first, u64::from(b'9'), 0) as u32, 0xcbf4_3926, "CRC32X, CRC32B");
    let first = x0(0x1ac2_5820, 0xffff_ffff, digits, 0);
    let second = x0(0x1ac2_5820, first, digits >> 32, 0);
    assert_eq!(!x0(0x1ac2_5020, second, u64::from(b'9'), 0) as u32, 0xe306_9283, "CRC32CW, CRC32CB");
}

#[test]
fn unallocated() {
    // W forms with shifts of 32 and more, in every group.
    for base in [0x0a00, 0x2a00, 0x4a00, 0x6a00, 0x0b00, 0x2b00, 0x4b00, 0x6b00] {
        assert_undefined(base << 16 | 1 << 15);
        assert_eq!(crate::step(&mut cpu(0, 0, 0, 0), 0x8000_0000 | base << 16 | 1 << 15), Ok(()));
    }
    assert_undefined(0x8bc2_0020); // ADD X0, X1, X2, ROR #0
    assert_undefined(0x8b22_7420); // ADD X0, X1, X2, UXTX #5
    assert_undefined(0x8b62_6020); // ADD (extended) with opt = 01
    assert_undefined(0x5280_0000 | 2 << 21); // MOVZ W0, #0, LSL #32
    assert_undefined(0x1240_0000); // AND W with N = 1
    assert_undefined(0x9200_fc20); // AND X with imms = 111111, N = 0
    assert_undefined(0x9240_fc20); // AND X with imms = 111111, N = 1
    assert_undefined(0x9200_f820); // AND X with a run that fills its element
    assert_undefined(0x9300_0020); // SBFM X with N = 0
    assert_undefined(0x1340_0020); // SBFM W with N = 1
    assert_undefined(0x1300_8020); // SBFM W with imms = 32
    assert_undefined(0x1382_8020); // EXTR W with imms = 32
    assert_undefined(0x9100_0000 | 2 << 22); // ADDG's space
    assert_undefined(0x9ac2_3020); // PACGA
    assert_undefined(0x1ac2_4c20); // CRC32X with sf = 0
    assert_undefined(0x1b22_0c20); // SMADDL with sf = 0
    assert_undefined(0x5ac0_0c20); // REV64 with sf = 0
    assert_undefined(0xdac1_0020); // PACIA
}
