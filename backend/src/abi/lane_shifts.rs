//! USHL and SSHL with AVX2, for the helper: each lane is shifted by an amount of its own. CLIF has no such shift, and
//! vectorized loops are full of them: Arm shifts vectors right by a variable in no other way.
//!
//! Unsafe because the test calls what needs AVX2.
#![allow(unsafe_code)]
// The System V ABI passes __m128i in an XMM register; the lint knows Rust's layout only.
#![allow(improper_ctypes_definitions)]

use ir::{Arr, Lane, Vec2};
use std::arch::x86_64::{
    __m128i, _mm_and_si128, _mm_blendv_epi8, _mm_cmpgt_epi64, _mm_cvtsi32_si128, _mm_move_epi64, _mm_or_si128,
    _mm_set_epi64x, _mm_set1_epi32, _mm_set1_epi64x, _mm_setzero_si128, _mm_sll_epi32, _mm_sllv_epi32, _mm_sllv_epi64,
    _mm_sra_epi32, _mm_srai_epi32, _mm_srav_epi32, _mm_srl_epi32, _mm_srlv_epi32, _mm_srlv_epi64, _mm_sub_epi32,
    _mm_sub_epi64, _mm_xor_si128,
};

/// A shift of all lanes as one integer, if it is one of these and the host can.
pub fn encode(op: Vec2, arr: Arr) -> Option<u64> {
    let is_shift = matches!(op, Vec2::Ushl | Vec2::Sshl) && arr.lane != Lane::Q;
    let signed = u64::from(op == Vec2::Sshl);
    (is_shift && std::arch::is_x86_feature_detected!("avx2"))
        .then(|| arr.lane as u64 | signed << 2 | u64::from(arr.bits()) << 8)
}

/// Performs what `encode` has given; zeros above the arrangement.
#[target_feature(enable = "avx2")]
pub extern "C" fn shift(code: u64, a: __m128i, amounts: __m128i) -> __m128i {
    let signed = code >> 2 & 1 != 0;
    let result = match code & 3 {
        0 => shift_words::<8>(signed, a, amounts),
        1 => shift_words::<16>(signed, a, amounts),
        2 => shift_words::<32>(signed, a, amounts),
        _ => shift_doublewords(signed, a, amounts),
    };
    match code >> 8 {
        128 => result,
        64 => _mm_move_epi64(result),
        bits => _mm_and_si128(result, _mm_set_epi64x(0, (u64::MAX >> (64 - bits)) as i64)),
    }
}

/// Lanes of up to 32 bits: those at the same place in each word at once. The host shifts everything out by 32 or more,
/// and a negative amount counts as that.
#[target_feature(enable = "avx2")]
#[inline]
fn shift_words<const BITS: i32>(signed: bool, a: __m128i, amounts: __m128i) -> __m128i {
    let mask = _mm_set1_epi32((u32::MAX >> (32 - BITS)) as i32);
    let unused = _mm_cvtsi32_si128(32 - BITS);
    let mut result = _mm_setzero_si128();
    for from in (0..32).step_by(BITS as usize) {
        // The lane at the top of its word, then at the bottom, extended; and its amount, the lane's low byte.
        let top = _mm_sll_epi32(a, _mm_cvtsi32_si128(32 - BITS - from));
        let lanes = if signed { _mm_sra_epi32(top, unused) } else { _mm_srl_epi32(top, unused) };
        let amount = _mm_srai_epi32::<24>(_mm_sll_epi32(amounts, _mm_cvtsi32_si128(24 - from)));
        let left = _mm_sllv_epi32(lanes, amount);
        let right_by = _mm_sub_epi32(_mm_setzero_si128(), amount);
        let shifted = if signed {
            let is_right = _mm_srai_epi32::<31>(amount);
            _mm_blendv_epi8(left, _mm_srav_epi32(lanes, right_by), is_right)
        } else {
            // One of them is zero, or the amount is.
            _mm_or_si128(left, _mm_srlv_epi32(lanes, right_by))
        };
        let placed = _mm_sll_epi32(_mm_and_si128(shifted, mask), _mm_cvtsi32_si128(from));
        result = _mm_or_si128(result, placed);
    }
    result
}

#[target_feature(enable = "avx2")]
#[inline]
fn shift_doublewords(signed: bool, a: __m128i, amounts: __m128i) -> __m128i {
    let sign = _mm_set1_epi64x(0x80);
    let low = _mm_and_si128(amounts, _mm_set1_epi64x(0xff));
    let amount = _mm_sub_epi64(_mm_xor_si128(low, sign), sign);
    let left = _mm_sllv_epi64(a, amount);
    let right_by = _mm_sub_epi64(_mm_setzero_si128(), amount);
    if !signed {
        return _mm_or_si128(left, _mm_srlv_epi64(a, right_by));
    }
    // An arithmetic shift is a logical one of what is not negative.
    let negative = _mm_cmpgt_epi64(_mm_setzero_si128(), a);
    let right = _mm_xor_si128(_mm_srlv_epi64(_mm_xor_si128(a, negative), right_by), negative);
    let is_right = _mm_cmpgt_epi64(_mm_setzero_si128(), amount);
    _mm_blendv_epi8(left, right, is_right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ir::CpuState;
    use ir::eval::vector;
    use std::arch::x86_64::{_mm_cvtsi128_si64, _mm_unpackhi_epi64};

    #[target_feature(enable = "avx2")]
    fn shifted(op: Vec2, arr: Arr, a: u128, amounts: u128) -> u128 {
        let [a, amounts] = [a, amounts].map(|value| _mm_set_epi64x((value >> 64) as i64, value as i64));
        let result = shift(encode(op, arr).expect("the host can"), a, amounts);
        let high = _mm_cvtsi128_si64(_mm_unpackhi_epi64(result, result)) as u64;
        u128::from(_mm_cvtsi128_si64(result) as u64) | u128::from(high) << 64
    }

    /// All amounts for several values, against the operation's definition in `Eval`.
    #[target_feature(enable = "avx2")]
    fn check_all() {
        let mut cpu = CpuState::default();
        let values = [0x8000_0001_7fff_ff80_0123_4567_89ab_cdef, u128::MAX, 1, 0x8080_8080_8080_8080_ff00_ff00];
        for lane in [Lane::B, Lane::H, Lane::S, Lane::D] {
            for arr in [Arr::vector(lane, true), Arr::vector(lane, false), Arr::scalar(lane)] {
                for (op, value) in [Vec2::Ushl, Vec2::Sshl].into_iter().flat_map(|op| values.map(|value| (op, value))) {
                    for first in 0..=255u8 {
                        // Each byte is another amount: those above a lane's lowest byte must not matter.
                        let amounts = u128::from_le_bytes(std::array::from_fn(|i| first.wrapping_add(37 * i as u8)));
                        let expected = vector::vec2(&mut cpu, op, arr, value, amounts);
                        assert_eq!(shifted(op, arr, value, amounts), expected, "{op:?} {arr:?} {value:x} {amounts:x}");
                    }
                }
            }
        }
    }

    #[test]
    fn all_amounts() {
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the host has AVX2.
            unsafe { check_all() };
        }
    }
}
