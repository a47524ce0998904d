//! Moves of lanes and bytes: ZIP, UZP, TRN, REV, EXT, TBL.

use super::lanes::{Element, by_lane, clip};
use crate::{Arr, Lane};

/// Which lanes of two operands make the result's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pick {
    Zip,
    Uzp,
    Trn,
}

#[inline(always)]
fn pick_lanes<T: Element>(how: Pick, part: usize, a: &T::Lanes, b: &T::Lanes) -> T::Lanes {
    let mut result = T::unpack(0);
    let half = T::COUNT / 2;
    for i in 0..half {
        match how {
            Pick::Zip => (result[2 * i], result[2 * i + 1]) = (a[half * part + i], b[half * part + i]),
            Pick::Uzp => (result[i], result[half + i]) = (a[2 * i + part], b[2 * i + part]),
            Pick::Trn => (result[2 * i], result[2 * i + 1]) = (a[2 * i + part], b[2 * i + part]),
        }
    }
    result
}

fn pick(how: Pick, part: usize, lane: Lane, a: u128, b: u128) -> u128 {
    by_lane!(lane, U::pack(pick_lanes::<U>(how, part, &U::unpack(a), &U::unpack(b))))
}

/// ZIP1 (`part` 0) and ZIP2 (1).
#[must_use]
pub fn zip(part: usize, arr: Arr, a: u128, b: u128) -> u128 {
    if arr.is_full() {
        return pick(Pick::Zip, part, arr.lane, a, b);
    }
    // The low halves interleaved are both results, one above the other.
    let both = pick(Pick::Zip, 0, arr.lane, a, b);
    clip(arr, both >> (64 * part))
}

/// UZP1 (`part` 0) and UZP2 (1).
#[must_use]
pub fn uzp(part: usize, arr: Arr, a: u128, b: u128) -> u128 {
    if arr.is_full() {
        return pick(Pick::Uzp, part, arr.lane, a, b);
    }
    let joined = clip(arr, a) | b << 64;
    clip(arr, pick(Pick::Uzp, part, arr.lane, joined, joined))
}

/// TRN1 (`part` 0) and TRN2 (1).
#[must_use]
pub fn trn(part: usize, arr: Arr, a: u128, b: u128) -> u128 {
    clip(arr, pick(Pick::Trn, part, arr.lane, a, b))
}

/// REV16, REV32, REV64: reverses the lanes within each container.
#[must_use]
pub fn rev(container: Lane, arr: Arr, a: u128) -> u128 {
    let bytes = a.to_le_bytes();
    let flip = (container.bytes() - arr.lane.bytes()) as usize;
    clip(arr, u128::from_le_bytes(std::array::from_fn(|i| bytes[i ^ flip])))
}

/// EXT: bytes from `index` of b:a.
#[must_use]
pub fn ext(arr: Arr, index: u8, a: u128, b: u128) -> u128 {
    let bits = arr.bits();
    let shift = 8 * u32::from(index);
    let above = b.checked_shl(bits - shift.min(bits)).unwrap_or(0);
    clip(arr, clip(arr, a) >> shift | above)
}

/// TBL and TBX: byte i is byte `index[i]` of the table, or of `fallback` at i when out of range.
#[must_use]
pub fn table(arr: Arr, table: &[u128], index: u128, fallback: u128) -> u128 {
    let mut bytes = [0; 64];
    let used = 16 * table.len().min(4);
    for (to, register) in bytes.chunks_exact_mut(16).zip(table) {
        to.copy_from_slice(&register.to_le_bytes());
    }
    let index = index.to_le_bytes();
    let mut result = fallback.to_le_bytes();
    for i in 0..16 {
        let at = usize::from(index[i]);
        if at < used {
            result[i] = bytes[at];
        }
    }
    clip(arr, u128::from_le_bytes(result))
}
