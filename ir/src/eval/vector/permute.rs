//! Moves of lanes and bytes: ZIP, UZP, TRN, REV, EXT, TBL.

use super::lanes::clip;
use super::{lane, set_lane};
use crate::{Arr, Lane};

/// Result lane i is lane `source(i)` of b:a, of which each has `arr.count` lanes.
fn gather(arr: Arr, a: u128, b: u128, source: impl Fn(u8) -> u8) -> u128 {
    (0..arr.count).fold(0, |result, i| {
        let from = source(i);
        let value = if from < arr.count { lane(arr.lane, from, a) } else { lane(arr.lane, from - arr.count, b) };
        set_lane(arr.lane, i, result, value)
    })
}

/// ZIP1 (`part` 0) and ZIP2 (1).
#[must_use]
pub fn zip(part: u8, arr: Arr, a: u128, b: u128) -> u128 {
    gather(arr, a, b, |i| part * arr.count / 2 + i / 2 + i % 2 * arr.count)
}

/// UZP1 (`part` 0) and UZP2 (1).
#[must_use]
pub fn uzp(part: u8, arr: Arr, a: u128, b: u128) -> u128 {
    gather(arr, a, b, |i| 2 * i + part)
}

/// TRN1 (`part` 0) and TRN2 (1).
#[must_use]
pub fn trn(part: u8, arr: Arr, a: u128, b: u128) -> u128 {
    gather(arr, a, b, |i| i / 2 * 2 + part + i % 2 * arr.count)
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
    let (index, fallback) = (index.to_le_bytes(), fallback.to_le_bytes());
    let byte = |i: usize| {
        let at = usize::from(index[i]);
        table.get(at / 16).map_or(fallback[i], |register| register.to_le_bytes()[at % 16])
    };
    clip(arr, u128::from_le_bytes(std::array::from_fn(byte)))
}
