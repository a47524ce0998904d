//! Small facts about lanes and formats that code generation asks for.

use ir::{Fp2, FpSize, Lane};

/// FPSR.QC: a result has saturated.
pub(crate) const FPSR_QC: u32 = 1 << 27;

/// 128 bits, every lane of which holds the low bits of `value`.
pub(crate) fn every(lane: Lane, value: u64) -> u128 {
    let bits = lane.bits().min(64);
    (0..128 / bits).fold(0, |all, i| all | u128::from(value & (u64::MAX >> (64 - bits))) << (i * bits))
}

/// The sign of a lane of 8 to 64 bits.
pub(crate) const fn sign_bit(lane: Lane) -> u64 {
    1 << (lane.bits() - 1)
}

/// The bits of 2^n, a normal number, as a single or a double.
pub(crate) const fn power_of_two(size: FpSize, n: i32) -> u64 {
    match size {
        FpSize::D => ((1023 + n) as u64) << 52,
        _ => ((127 + n) as u64) << 23,
    }
}

/// The format of a lane's numbers, if the host computes with them: halves it does not.
pub(crate) const fn float_size(lane: Lane) -> Option<FpSize> {
    match lane {
        Lane::S => Some(FpSize::S),
        Lane::D => Some(FpSize::D),
        _ => None,
    }
}

/// The bits of the smallest normal single or double. A result that is exactly this is doubtful: the host judges
/// tininess after rounding, Arm before.
pub(crate) const fn min_normal(lane: Lane) -> u64 {
    match lane {
        Lane::D => 1 << 52,
        _ => 1 << 23,
    }
}

/// Whether an operation on normal numbers may give a tiny result that is not exact. Sums are exact where they are tiny.
pub(crate) const fn may_be_tiny(op: Fp2) -> bool {
    matches!(op, Fp2::Fmul | Fp2::Fnmul | Fp2::Fdiv)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_of_lanes_and_formats() {
        assert_eq!(every(Lane::B, 0x180), 0x8080_8080_8080_8080_8080_8080_8080_8080);
        assert_eq!(every(Lane::H, 1), 0x0001_0001_0001_0001_0001_0001_0001_0001);
        assert_eq!(every(Lane::D, u64::MAX), u128::MAX);
        for n in [-40, 0, 31, 63] {
            assert_eq!(power_of_two(FpSize::D, n), 2f64.powi(n).to_bits());
            assert_eq!(power_of_two(FpSize::S, n), u64::from(2f32.powi(n).to_bits()));
        }
        assert_eq!(min_normal(Lane::D), f64::MIN_POSITIVE.to_bits());
        assert_eq!(min_normal(Lane::S), u64::from(f32::MIN_POSITIVE.to_bits()));
    }
}
