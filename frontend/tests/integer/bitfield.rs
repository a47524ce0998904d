//! SBFM, BFM and UBFM, all immediates, against the description bit by bit (Arm ARM, "Copies any number of bits ...").

use crate::{assert_undefined, cpu, step};

const VALUES: [u64; 4] = [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210, u64::MAX, 0x8000_0001_8000_0001];
const OLD: u64 = 0xdead_dead_dead_dead;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Signed,
    Insert,
    Unsigned,
}

/// Bits `from ..= imms` of the source go to the bottom if imms >= immr; else bits 0 ..= imms go up to bit
/// `width - immr`. Below them are zeros (the old bits for BFM), above them the sign, the old bits, or zeros.
fn expected(kind: Kind, width: u32, immr: u32, imms: u32, source: u64) -> u64 {
    let (first, to, count) = if imms >= immr { (immr, 0, imms - immr + 1) } else { (0, width - immr, imms + 1) };
    let mut result = 0;
    for bit in 0..width {
        let old = kind == Kind::Insert && OLD >> bit & 1 != 0;
        let is_set = if bit < to {
            old
        } else if bit < to + count {
            source >> (first + bit - to) & 1 != 0
        } else {
            old || kind == Kind::Signed && source >> imms & 1 != 0
        };
        result |= u64::from(is_set) << bit;
    }
    result
}

#[test]
fn all_immediates() {
    for (kind, opc) in [(Kind::Signed, 0), (Kind::Insert, 1), (Kind::Unsigned, 2)] {
        for sf in [0, 1] {
            let width = 32 << sf;
            for immr in 0..64 {
                for imms in 0..64 {
                    let word = sf << 31 | opc << 29 | 0b10_0110 << 23 | sf << 22 | immr << 16 | imms << 10 | 1 << 5;
                    if immr >= width || imms >= width {
                        assert_undefined(word);
                        continue;
                    }
                    for value in VALUES {
                        let mut cpu = cpu(value, 0, 0, 0);
                        assert_eq!(step(&mut cpu, word), Ok(()));
                        let expected = expected(kind, width, immr, imms, value);
                        assert_eq!(cpu.x[0], expected, "{word:#010x} of {value:#x}");
                    }
                }
            }
        }
    }
}
