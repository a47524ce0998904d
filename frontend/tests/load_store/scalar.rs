//! General registers and scalar SIMD&FP registers: addressing modes, extension, writeback, precise faults.

use crate::machine::{Machine, number_at};
use frontend::A64;
use ir::{Frontend, GuestAddr, Stop};

#[test]
fn addressing_modes() {
    let minus_16 = (-16i64) as u64;
    // Instruction, base's offset in the page, x2, offset accessed, base's offset afterwards.
    let cases: &[(u32, u64, u64, u64, u64)] = &[
        (0xf940_0420, 256, 0, 264, 256),                     // ldr x0, [x1, #8]
        (0xf85f_8020, 256, 0, 248, 256),                     // ldur x0, [x1, #-8]
        (0xf85f_8820, 256, 0, 248, 256),                     // ldtr x0, [x1, #-8]
        (0xf841_0420, 256, 0, 256, 272),                     // ldr x0, [x1], #16
        (0xf85f_0c20, 256, 0, 240, 240),                     // ldr x0, [x1, #-16]!
        (0xf862_6820, 256, minus_16, 240, 256),              // ldr x0, [x1, x2]
        (0xf862_7820, 256, 5, 296, 256),                     // ldr x0, [x1, x2, lsl #3]
        (0xf862_5820, 256, 0xffff_ffff_0000_0005, 296, 256), // ldr x0, [x1, w2, uxtw #3]
        (0xf862_c820, 256, 0x1234_5678_ffff_fff0, 240, 256), // ldr x0, [x1, w2, sxtw]
        (0xf862_e820, 256, minus_16, 240, 256),              // ldr x0, [x1, x2, sxtx]
        (0xf862_7820, 256, 0x2000_0000_0000_0001, 264, 256), // the shift drops bits
    ];
    for &(word, base, x2, accessed, after) in cases {
        let mut m = Machine::new();
        (m.cpu.x[1], m.cpu.x[2]) = (m.at(base), x2);
        m.run(word).unwrap();
        assert_eq!(u128::from(m.cpu.x[0]), number_at(accessed, 8), "{word:#x}");
        assert_eq!(m.cpu.x[1], m.at(after), "{word:#x}");
        assert_eq!(m.cpu.x[2], x2);
    }
}

#[test]
fn number_31_is_sp_as_base_and_zr_as_data() {
    let mut m = Machine::new();
    m.cpu.x[31] = m.at(64);
    m.run(0xf940_0be0).unwrap(); // ldr x0, [sp, #16]
    assert_eq!(u128::from(m.cpu.x[0]), number_at(80, 8));
    m.run(0xa9bf_7fe0).unwrap(); // stp x0, xzr, [sp, #-16]!
    assert_eq!(m.cpu.x[31], m.at(48));
    assert_eq!(m.read_u64(m.at(48)), m.cpu.x[0]);
    assert_eq!(m.read_u64(m.at(56)), 0);
    m.cpu.x[1] = m.at(128);
    m.run(0xb900_003f).unwrap(); // str wzr, [x1]
    assert_eq!(m.read(m.at(128), 4), [0; 4]);
    m.run(0xf840_843f).unwrap(); // ldr xzr, [x1], #8
    assert_eq!((m.cpu.x[1], m.cpu.x[31]), (m.at(136), m.at(48)));
}

#[test]
fn literals() {
    let mut m = Machine::new();
    m.cpu.pc = GuestAddr(m.at(0x104));
    m.run(0x5800_0080).unwrap(); // ldr x0, .+16
    assert_eq!(u128::from(m.cpu.x[0]), number_at(0x114, 8));
    m.write(m.at(0x114), &[0, 0, 0, 0x80]);
    m.run(0x9800_0080).unwrap(); // ldrsw x0, .+16
    assert_eq!(m.cpu.x[0], 0xffff_ffff_8000_0000);
    m.run(0x9c00_0080).unwrap(); // ldr q0, .+16
    assert_eq!(m.cpu.v[0], number_at(0x118, 12) << 32 | 0x8000_0000);
    m.run(0x58ff_ff80).unwrap(); // ldr x0, .-16
    assert_eq!(u128::from(m.cpu.x[0]), number_at(0xf4, 8));
}

#[test]
fn loaded_integers_are_extended() {
    // Memory holds 80 91 a2 b3 c4 d5 e6 f7.
    let cases: &[(u32, u64)] = &[
        (0x3940_0020, 0x80),                  // ldrb w0, [x1]
        (0x39c0_0020, 0xffff_ff80),           // ldrsb w0, [x1]
        (0x3980_0020, 0xffff_ffff_ffff_ff80), // ldrsb x0, [x1]
        (0x7940_0020, 0x9180),                // ldrh w0, [x1]
        (0x79c0_0020, 0xffff_9180),           // ldrsh w0, [x1]
        (0x7980_0020, 0xffff_ffff_ffff_9180), // ldrsh x0, [x1]
        (0xb940_0020, 0xb3a2_9180),           // ldr w0, [x1]
        (0xb980_0020, 0xffff_ffff_b3a2_9180), // ldrsw x0, [x1]
    ];
    for &(word, expected) in cases {
        let mut m = Machine::new();
        m.cpu.x[1] = m.at(33);
        m.write(m.at(33), &[0x80, 0x91, 0xa2, 0xb3, 0xc4, 0xd5, 0xe6, 0xf7]);
        m.run(word).unwrap();
        assert_eq!(m.cpu.x[0], expected, "{word:#x}");
    }
    let mut m = Machine::new();
    m.cpu.x[1] = m.at(33);
    m.write(m.at(33), &[0x80, 0x91, 0xa2, 0xb3, 0xc4, 0xd5, 0xe6, 0x77]);
    m.run(0x6940_0820).unwrap(); // ldpsw x0, x2, [x1]
    assert_eq!((m.cpu.x[0], m.cpu.x[2]), (0xffff_ffff_b3a2_9180, 0x77e6_d5c4));
    m.run(0x2940_0820).unwrap(); // ldp w0, w2, [x1]
    assert_eq!((m.cpu.x[0], m.cpu.x[2]), (0xb3a2_9180, 0x77e6_d5c4));
}

#[test]
fn vector_loads_clear_the_rest() {
    // ldr b0, h0, s0, d0, q0, [x1]
    for (word, bytes) in [(0x3d40_0020, 1), (0x7d40_0020, 2), (0xbd40_0020, 4), (0xfd40_0020, 8), (0x3dc0_0020, 16)] {
        let mut m = Machine::new();
        m.cpu.x[1] = m.at(77);
        m.run(word).unwrap();
        assert_eq!(m.cpu.v[0], number_at(77, bytes), "{bytes} bytes");
    }
    let mut m = Machine::new();
    (m.cpu.x[1], m.cpu.x[2]) = (m.at(32), 3);
    m.run(0x3ce2_7820).unwrap(); // ldr q0, [x1, x2, lsl #4]
    assert_eq!(m.cpu.v[0], number_at(80, 16));
}

#[test]
fn vector_pairs() {
    let mut m = Machine::new();
    m.cpu.x[1] = m.at(32);
    m.run(0xacc1_0420).unwrap(); // ldp q0, q1, [x1], #32
    assert_eq!((m.cpu.v[0], m.cpu.v[1], m.cpu.x[1]), (number_at(32, 16), number_at(48, 16), m.at(64)));
    m.cpu.x[1] = m.at(256);
    m.run(0xadbf_0420).unwrap(); // stp q0, q1, [x1, #-32]!
    assert_eq!(m.cpu.x[1], m.at(224));
    assert_eq!(m.read(m.at(224), 32), m.read(m.at(32), 32));
}

/// CONSTRAINED UNPREDICTABLE; the outcomes are QEMU's.
#[test]
fn a_base_that_is_loaded_or_stored() {
    let mut m = Machine::new();
    m.cpu.x[1] = m.at(32);
    m.run(0xf840_8421).unwrap(); // ldr x1, [x1], #8
    assert_eq!(m.cpu.x[1], m.at(40));
    m.run(0xf840_8c21).unwrap(); // ldr x1, [x1, #8]!
    assert_eq!(m.cpu.x[1], m.at(48));
    m.run(0xf800_8421).unwrap(); // str x1, [x1], #8
    assert_eq!(m.cpu.x[1], m.at(56));
    assert_eq!(m.read_u64(m.at(48)), m.at(48));
    m.run(0xa8c1_0420).unwrap(); // ldp x0, x1, [x1], #16
    assert_eq!((u128::from(m.cpu.x[0]), m.cpu.x[1]), (number_at(56, 8), m.at(72)));
    m.run(0xa940_0020).unwrap(); // ldp x0, x0, [x1]
    assert_eq!(u128::from(m.cpu.x[0]), number_at(72, 8));
}

#[test]
fn prefetches_change_nothing() {
    // prfm pldl1keep, [x1]; prfum [x1, #-1]; prfm [x1, x2]; prfm .+16; prfm pldl2strm, plil1keep, pstl3keep, #31, [x1]
    for word in [0xf980_0020, 0xf89f_f020, 0xf8a2_6820, 0xd800_0080, 0xf980_0023, 0xf980_0028, 0xf980_0034, 0xf980_003f]
    {
        let mut m = Machine::new();
        m.cpu.x[1] = 1;
        let before = m.cpu.x;
        m.run(word).unwrap();
        assert_eq!(m.cpu.x, before);
    }
}

#[test]
fn a_fault_changes_no_register() {
    // Instruction and the base's distance before the unmapped page.
    let cases: &[(u32, u64)] = &[
        (0xf841_0420, 7),  // ldr x0, [x1], #16
        (0xf800_8c20, 15), // str x0, [x1, #8]!
        (0xa8c1_0820, 8),  // ldp x0, x2, [x1], #16
        (0xad40_0420, 16), // ldp q0, q1, [x1]
        (0xacc1_0420, 31), // ldp q0, q1, [x1], #32
        (0x4cdf_2020, 48), // ld1 {v0.16b-v3.16b}, [x1], #64
        (0x4cc2_0820, 63), // ld4 {v0.4s-v3.4s}, [x1], x2
        (0x4ddf_a03f, 8),  // ld3 {v31.s, v0.s, v1.s}[2], [x1], #12
        (0x4d60_c43f, 2),  // ld2r {v31.8h, v0.8h}, [x1]
        (0x3dc0_0020, 1),  // ldr q0, [x1]
    ];
    for &(word, distance) in cases {
        let mut m = Machine::new();
        m.cpu.x[1] = m.end() - distance;
        let (x, v) = (m.cpu.x, m.cpu.v);
        assert_eq!(m.run(word), Err(Stop::Fault), "{word:#x}");
        assert_eq!(m.cpu.stop.addr, GuestAddr(m.end()), "{word:#x}");
        assert_eq!(m.cpu.stop.signal, libc::SIGSEGV);
        assert_eq!((m.cpu.x, m.cpu.v), (x, v), "{word:#x}");
    }
}

#[test]
fn unallocated_encodings() {
    let words = [
        0xf862_0820, // ldr x0, [x1, w2, uxtb]: option<1> is 0
        0x3ce2_8820, // ldr q0, [x1, w2, sxtb]
        0xf9c0_0020, // 64-bit load, signed to W
        0xb9c0_0020, // 32-bit load, signed to W
        0x7d80_0020, // SIMD&FP, size 1, opc 2
        0xf89f_0820, // LDTRSW of 64 bits
        0x3c40_0820, // unprivileged, SIMD&FP
        0x6840_0820, // LDNPSW
        0x6900_0820, // STPSW: MTE's STGP, which is not implemented
        0xe940_0820, // pair with opc 3
        0xec40_0820, // SIMD&FP pair with opc 3
        0xdc00_0080, // SIMD&FP literal with opc 3
        0xf820_0420, // LDRAA: PAuth is not implemented
        0xc8a0_7022, // CAS with Rt2 other than 31
        0x4825_7c26, // CASP with odd Rs
        0x4824_7c27, // CASP with odd Rt
        0x0820_7822, // CASP with Rt2 other than 31
        0xf820_9022, // SWP's neighbour: o3 1, opc 1
        0xb8a0_c020, // LDAPR with Rs other than 31
        0xd9c0_0020, // LDAPURS of 64 bits
        0x99c0_0020, // LDAPURSW to W
        0x0c40_8c20, // ld2 {v0.1d, v1.1d}
        0x0c40_0c20, // ld4 of 1D
        0x0c40_1020, // multiple structures, opcode 1
        0x0c41_7020, // multiple structures without post-index, Rm not 0
        0x0d40_4420, // lane H, size 1
        0x0d40_8820, // lane S, size 2
        0x0d40_9420, // lane D, S 1
        0x0d40_d020, // ld1r with S 1
        0x0d00_c020, // st1r
        0x0d41_0020, // single structure without post-index, Rm not 0
    ];
    for word in words {
        assert_eq!(A64::name(&A64::decode(word, GuestAddr(0))), "UDF", "{word:#x}");
    }
}
