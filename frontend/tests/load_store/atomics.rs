//! Exclusive, ordered and atomic accesses.

use crate::machine::{Machine, number_at};
use ir::{GuestAddr, Stop};

/// LD<op> and SWP with the size in bytes, Rs = x0, Rt = x2, Rn = x1.
fn atomic(o3_opc: u32, bytes: u32) -> u32 {
    bytes.trailing_zeros() << 30 | 0x3820_0022 | o3_opc << 12
}

#[test]
fn read_modify_write() {
    const ADD: u32 = 0;
    const CLR: u32 = 1;
    const EOR: u32 = 2;
    const SET: u32 = 3;
    const SMAX: u32 = 4;
    const SMIN: u32 = 5;
    const UMAX: u32 = 6;
    const UMIN: u32 = 7;
    const SWP: u32 = 8;
    // Operation, bytes, memory, register, memory afterwards. The register's high bits are noise.
    let cases: &[(u32, u32, u64, u64, u64)] = &[
        (ADD, 1, 0xff, 0xabcd_0002, 0x01),
        (ADD, 2, 0xfff0, 0x1_0020, 0x0010),
        (ADD, 4, 0xffff_ffff, 0x7_0000_0001, 0),
        (ADD, 8, u64::MAX, 3, 2),
        (CLR, 4, 0xff00_ff00, 0x0ff0_0ff0, 0xf000_f000),
        (CLR, 8, u64::MAX, 0xff, !0xff),
        (EOR, 2, 0xff00, 0x0ff0, 0xf0f0),
        (EOR, 8, 5, 3, 6),
        (SET, 1, 0x81, 0x18, 0x99),
        (SET, 8, 1 << 63, 1, 1 << 63 | 1),
        (SMAX, 1, 0x80, 0xffff_ff7f, 0x7f),
        (SMAX, 4, 0x8000_0000, 0x7fff_ffff, 0x7fff_ffff),
        (SMAX, 8, 5, u64::MAX, 5),
        (SMIN, 2, 0x7fff, 0x8000, 0x8000),
        (SMIN, 4, 1, 0xffff_ffff, 0xffff_ffff),
        (SMIN, 8, 5, 1 << 63, 1 << 63),
        (UMAX, 1, 0x80, 0x7f, 0x80),
        (UMAX, 4, 0x7fff_ffff, 0x8000_0000, 0x8000_0000),
        (UMAX, 8, 5, u64::MAX, u64::MAX),
        (UMIN, 2, 0x8000, 0x1_7fff, 0x7fff),
        (UMIN, 8, 5, 1 << 63, 5),
        (SWP, 1, 0x12, 0xff34, 0x34),
        (SWP, 2, 0x1234, 0xf_5678, 0x5678),
        (SWP, 4, 0x1234_5678, 0xf_0000_0001, 1),
        (SWP, 8, 1, u64::MAX, u64::MAX),
    ];
    // Plain, release, acquire, both.
    for &(op, bytes, memory, register, expected) in cases {
        for order in 0..4 {
            let mut m = Machine::new();
            let size = bytes as usize;
            (m.cpu.x[0], m.cpu.x[1]) = (register, m.at(64));
            m.write(m.at(64), &memory.to_le_bytes()[..size]);
            m.run(atomic(op, bytes) | order << 22).unwrap();
            assert_eq!(m.cpu.x[2], memory, "old value, operation {op}, {bytes} bytes");
            assert_eq!(m.read(m.at(64), size), expected.to_le_bytes()[..size], "operation {op}, {bytes} bytes");
            assert_eq!(m.read(m.at(64 + u64::from(bytes)), 1), [(7 * (64 + bytes) + 1) as u8], "the next byte");
        }
    }
    assert_eq!((atomic(ADD, 4), atomic(SWP, 2) | 3 << 22), (0xb820_0022, 0x78e0_8022)); // ldadd; swpalh
}

#[test]
fn a_discarded_result_still_changes_memory() {
    let mut m = Machine::new();
    (m.cpu.x[0], m.cpu.x[1]) = (2, m.at(64));
    m.write(m.at(64), &40u64.to_le_bytes());
    m.run(0xf820_003f).unwrap(); // stadd x0, [x1]
    assert_eq!(m.read_u64(m.at(64)), 42);
}

#[test]
fn compare_and_swap() {
    let mut m = Machine::new();
    (m.cpu.x[1], m.cpu.x[2]) = (m.at(64), 99);
    m.write(m.at(64), &7u64.to_le_bytes());
    m.cpu.x[0] = 8;
    m.run(0xc8a0_7c22).unwrap(); // cas x0, x2, [x1]: fails
    assert_eq!((m.cpu.x[0], m.read_u64(m.at(64))), (7, 7));
    m.run(0xc8a0_7c22).unwrap(); // succeeds
    assert_eq!((m.cpu.x[0], m.read_u64(m.at(64))), (7, 99));
    // Only the low byte is compared, and the old value arrives zero-extended.
    (m.cpu.x[0], m.cpu.x[2]) = (0xffff_ff63, 0x1ff);
    m.run(0x08a0_7c22).unwrap(); // casb w0, w2, [x1]
    assert_eq!((m.cpu.x[0], m.read_u64(m.at(64))), (99, 255));
}

#[test]
fn compare_and_swap_pairs() {
    let mut m = Machine::new();
    m.cpu.x[1] = m.at(64);
    m.write(m.at(64), &[1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
    m.cpu.x[4..8].copy_from_slice(&[1, 3, 10, 20]);
    m.run(0x4824_7c26).unwrap(); // casp x4, x5, x6, x7, [x1]: fails
    assert_eq!(m.cpu.x[4..6], [1, 2]);
    assert_eq!((m.read_u64(m.at(64)), m.read_u64(m.at(72))), (1, 2));
    m.run(0x4824_7c26).unwrap(); // succeeds
    assert_eq!(m.cpu.x[4..6], [1, 2]);
    assert_eq!((m.read_u64(m.at(64)), m.read_u64(m.at(72))), (10, 20));

    m.cpu.x[4..8].copy_from_slice(&[0xf_0000_000a, 0xf_0000_0000, 0xf_0000_0005, 0xf_0000_0006]);
    m.run(0x0824_7c26).unwrap(); // casp w4, w5, w6, w7, [x1]
    assert_eq!(m.cpu.x[4..6], [10, 0]);
    assert_eq!((m.read_u64(m.at(64)), m.read_u64(m.at(72))), (6 << 32 | 5, 20));

    // The pair of 30 is (x30, xzr).
    m.cpu.x[30] = 6 << 32 | 5;
    m.write(m.at(72), &[0; 8]);
    let sp = m.cpu.x[31];
    m.run(0x483e_7c26).unwrap(); // casp x30, xzr, x6, x7, [x1]
    assert_eq!((m.read_u64(m.at(64)), m.read_u64(m.at(72))), (0xf_0000_0005, 0xf_0000_0006));
    assert_eq!((m.cpu.x[30], m.cpu.x[31]), (6 << 32 | 5, sp));
}

#[test]
fn ordered_accesses() {
    let mut m = Machine::new();
    m.cpu.x[1] = m.at(64);
    m.write(m.at(64), &[0x80, 0x91, 0xa2, 0xb3, 0xc4, 0xd5, 0xe6, 0xf7]);
    // Each loads x0: ldar x0; ldarb w0; ldlar w0; ldapr w0; all at [x1].
    for (word, expected) in [
        (0xc8df_fc20, 0xf7e6_d5c4_b3a2_9180),
        (0x08df_fc20, 0x80),
        (0x88df_7c20, 0xb3a2_9180),
        (0xb8bf_c020, 0xb3a2_9180),
    ] {
        m.run(word).unwrap();
        assert_eq!(m.cpu.x[0], expected, "{word:#x}");
    }
    m.cpu.x[1] = m.at(65);
    m.run(0xd95f_f020).unwrap(); // ldapur x0, [x1, #-1]
    assert_eq!(m.cpu.x[0], 0xf7e6_d5c4_b3a2_9180);
    m.run(0x19df_f020).unwrap(); // ldapursb w0, [x1, #-1]
    assert_eq!(m.cpu.x[0], 0xffff_ff80);
    m.cpu.x[1] = m.at(60);
    m.run(0x9980_4020).unwrap(); // ldapursw x0, [x1, #4]
    assert_eq!(m.cpu.x[0], 0xffff_ffff_b3a2_9180);

    (m.cpu.x[0], m.cpu.x[1]) = (0x1122_3344_5566_7788, m.at(64));
    m.run(0x889f_fc20).unwrap(); // stlr w0, [x1]
    assert_eq!(m.read_u64(m.at(64)), 0xf7e6_d5c4_5566_7788);
    m.run(0x5900_2020).unwrap(); // stlurh w0, [x1, #2]
    assert_eq!(m.read_u64(m.at(64)), 0xf7e6_d5c4_7788_7788);
    m.run(0x889f_7c20).unwrap(); // stllr w0, [x1]
    assert_eq!(m.read_u64(m.at(64)), 0xf7e6_d5c4_5566_7788);
}

#[test]
fn misaligned_accesses_stop() {
    // Instruction and a base offset that is misaligned for it, at [x1].
    let cases: &[(u32, u64)] = &[
        (0xc8df_fc20, 68), // ldar x0
        (0x889f_fc20, 66), // stlr w0
        (0x88df_7c20, 65), // ldlar w0
        (0xb8bf_c020, 66), // ldapr w0
        (0xd95f_f020, 64), // ldapur x0, [x1, #-1]
        (0x5900_2020, 63), // stlurh w0, [x1, #2]
        (0xc85f_7c20, 68), // ldxr x0
        (0x887f_0820, 68), // ldxp w0, w2
        (0xc87f_0820, 72), // ldxp x0, x2
        (0xc8a0_7c22, 65), // cas x0, x2
        (0x4824_7c26, 72), // casp x4, x5, x6, x7
        (0x0824_7c26, 68), // casp w4, w5, w6, w7
        (0xb820_0022, 66), // ldadd w0, w2
        (0x78e0_8022, 65), // swpalh w0, w2
    ];
    for &(word, offset) in cases {
        let mut m = Machine::new();
        m.cpu.x[1] = m.at(offset);
        let (x, memory) = (m.cpu.x, m.read(m.at(0), 128));
        assert_eq!(m.run(word), Err(Stop::Misaligned), "{word:#x}");
        let at = match word {
            0xd95f_f020 => m.at(offset - 1),
            0x5900_2020 => m.at(offset + 2),
            _ => m.at(offset),
        };
        assert_eq!(m.cpu.stop.addr, GuestAddr(at), "{word:#x}");
        assert_eq!((m.cpu.x, m.read(m.at(0), 128)), (x, memory), "{word:#x}");
    }
}

#[test]
fn exclusives() {
    let mut m = Machine::new();
    m.cpu.x[1] = m.at(64);
    m.run(0xc85f_7c20).unwrap(); // ldxr x0, [x1]
    assert_eq!(u128::from(m.cpu.x[0]), number_at(64, 8));
    m.cpu.x[0] = 5;
    m.run(0xc803_7c20).unwrap(); // stxr w3, x0, [x1]
    assert_eq!((m.cpu.x[3], m.read_u64(m.at(64))), (0, 5));
    m.cpu.x[0] = 6;
    m.run(0xc803_7c20).unwrap(); // the monitor is open now
    assert_eq!((m.cpu.x[3], m.read_u64(m.at(64))), (1, 5));

    m.run(0x887f_0820).unwrap(); // ldxp w0, w2, [x1]
    assert_eq!((m.cpu.x[0], m.cpu.x[2]), (5, 0));
    (m.cpu.x[0], m.cpu.x[2]) = (0xf_0000_0001, 0xf_0000_0002);
    m.run(0x8823_0820).unwrap(); // stxp w3, w0, w2, [x1]
    assert_eq!((m.cpu.x[3], m.read_u64(m.at(64))), (0, 2 << 32 | 1));

    m.run(0xc87f_0820).unwrap(); // ldxp x0, x2, [x1]
    assert_eq!((m.cpu.x[0], u128::from(m.cpu.x[2])), (2 << 32 | 1, number_at(72, 8)));
    (m.cpu.x[0], m.cpu.x[2]) = (u64::MAX, 1);
    m.run(0xc823_8820).unwrap(); // stlxp w3, x0, x2, [x1]
    assert_eq!((m.cpu.x[3], m.read_u64(m.at(64)), m.read_u64(m.at(72))), (0, u64::MAX, 1));
}
