//! Moves of lanes and bytes: which byte of the result comes from where, and how such a move is made of the host's.

use super::facts::every;
use super::host::{Binary, Host};
use ir::{Arr, Lane, Vec1, Vec2};

/// Where a byte of a shuffle comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Byte {
    /// Byte 0 to 15 of the first operand.
    A(u8),
    /// Byte 0 to 15 of the second operand.
    B(u8),
    Zero,
}

impl Byte {
    /// Of a first operand and a second behind it.
    pub const fn of_pair(at: usize) -> Self {
        if at < 16 { Self::A(at as u8) } else { Self::B((at - 16) as u8) }
    }
}

/// ZIP, UZP and TRN: where byte `at` of the result comes from, within the arrangement.
pub(crate) fn permuted(op: Vec2, arr: Arr, at: usize) -> Byte {
    let bytes = arr.lane.bytes() as usize;
    let half = usize::from(arr.count) / 2;
    let lane = at / bytes;
    // Which operand, and which lane of it.
    let (operand, from) = match op {
        Vec2::Zip1 => (lane % 2, lane / 2),
        Vec2::Zip2 => (lane % 2, half + lane / 2),
        Vec2::Uzp1 => (lane / half, lane % half * 2),
        Vec2::Uzp2 => (lane / half, lane % half * 2 + 1),
        Vec2::Trn1 => (lane % 2, lane / 2 * 2),
        _ => (lane % 2, lane / 2 * 2 + 1),
    };
    Byte::of_pair(operand * 16 + from * bytes + at % bytes)
}

/// ZIP, UZP and TRN of at least two lanes; zeros above.
pub(crate) fn permute<H: Host>(h: &mut H, op: Vec2, arr: Arr, a: H::V, b: H::V) -> H::V {
    if arr.is_full() {
        return h.shuffle(a, b, std::array::from_fn(|i| permuted(op, arr, i)));
    }
    if matches!(op, Vec2::Zip1 | Vec2::Zip2) {
        // One instruction of the host gives both.
        let both = Arr { lane: arr.lane, count: (16 / arr.lane.bytes()) as u8 };
        let zipped = h.shuffle(a, b, std::array::from_fn(|i| permuted(Vec2::Zip1, both, i)));
        return if op == Vec2::Zip1 { h.clear_above(arr, zipped) } else { high_half(h, zipped) };
    }
    let used = (arr.bits() / 8) as usize;
    let joined = if a == b { a } else { join_halves(h, a, b) };
    let bytes = |i| match permuted(op, arr, i) {
        Byte::B(at) if a != b => Byte::A(8 + at),
        Byte::A(at) | Byte::B(at) => Byte::A(at),
        Byte::Zero => Byte::Zero,
    };
    let result = h.shuffle(joined, joined, std::array::from_fn(|i| if i < used { bytes(i) } else { Byte::Zero }));
    h.note_zero_above(arr.bits(), result)
}

/// The even lanes of a pair of vectors, and the odd ones: what pairwise operations compute with. Beyond the arrangement
/// they are zero, or the same again if they are `repeated`.
pub(crate) fn even_and_odd<H: Host>(h: &mut H, arr: Arr, repeated: bool, a: H::V, b: H::V) -> [H::V; 2] {
    if arr.is_full() {
        return [Vec2::Uzp1, Vec2::Uzp2].map(|op| permute(h, op, arr, a, b));
    }
    let used = (arr.bits() / 8) as usize;
    let joined = join_halves(h, a, b);
    [Vec2::Uzp1, Vec2::Uzp2].map(|op| {
        let bytes = |i| match permuted(op, arr, i % used) {
            _ if i >= used && !repeated => Byte::Zero,
            Byte::B(at) => Byte::A(8 + at),
            byte => byte,
        };
        let result = h.shuffle(joined, joined, std::array::from_fn(bytes));
        if repeated { result } else { h.note_zero_above(arr.bits(), result) }
    })
}

/// The low halves of two vectors, one above the other.
pub(crate) fn join_halves<H: Host>(h: &mut H, low: H::V, high: H::V) -> H::V {
    h.shuffle(low, high, std::array::from_fn(|i| Byte::of_pair(if i < 8 { i } else { i + 8 })))
}

/// The high half, moved down.
pub(crate) fn high_half<H: Host>(h: &mut H, a: H::V) -> H::V {
    let result = h.shuffle(a, a, std::array::from_fn(|i| if i < 8 { Byte::A(8 + i as u8) } else { Byte::Zero }));
    h.note_zero_above(64, result)
}

/// REV16, REV32 and REV64.
pub(crate) fn reverse<H: Host>(h: &mut H, op: Vec1, arr: Arr, a: H::V) -> H::V {
    let container = match op {
        Vec1::Rev16 => Lane::H,
        Vec1::Rev32 => Lane::S,
        _ => Lane::D,
    };
    let flip = (container.bytes() - arr.lane.bytes()) as u8;
    let result = h.shuffle(a, a, std::array::from_fn(|i| Byte::A(i as u8 ^ flip)));
    h.clear_above(arr, result)
}

/// One lane in every lane of `arr`.
pub(crate) fn splat_lane<H: Host>(h: &mut H, arr: Arr, index: u8, a: H::V) -> H::V {
    if index == 0 && arr.count == 1 {
        return h.clear_above(arr, a);
    }
    let (bytes, used) = (arr.lane.bytes() as u8, (arr.bits() / 8) as usize);
    let from = |i: usize| if i < used { Byte::A(index * bytes + i as u8 % bytes) } else { Byte::Zero };
    let result = h.shuffle(a, a, std::array::from_fn(from));
    h.note_zero_above(arr.bits(), result)
}

/// EXT.
pub(crate) fn extract<H: Host>(h: &mut H, arr: Arr, index: u8, a: H::V, b: H::V) -> H::V {
    let index = usize::from(index);
    if arr.is_full() {
        return h.shuffle(a, b, std::array::from_fn(|i| Byte::of_pair(i + index)));
    }
    let joined = join_halves(h, a, b);
    let result =
        h.shuffle(joined, joined, std::array::from_fn(|i| if i < 8 { Byte::A((i + index) as u8) } else { Byte::Zero }));
    h.note_zero_above(64, result)
}

/// The half of each lane that begins at bit `from`, side by side in the low 64 bits, zeros above. The lanes are those
/// of a full vector.
pub(crate) fn pack<H: Host>(h: &mut H, lane: Lane, from: u8, a: H::V) -> H::V {
    let (a, from) =
        if from.is_multiple_of(8) { (a, from / 8) } else { (h.shift(super::host::Shift::Right, lane, from, a), 0) };
    let (wide, half) = (lane.bytes() as u8, lane.bytes() as u8 / 2);
    let bytes = std::array::from_fn(|i| {
        let i = i as u8;
        if i < 8 { Byte::A(i / half * wide + from + i % half) } else { Byte::Zero }
    });
    let result = h.shuffle(a, a, bytes);
    h.note_zero_above(64, result)
}

/// TBL and TBX: a shuffle where the index is a constant, else a look-up in each register of the table.
pub(crate) fn table<H: Host>(h: &mut H, arr: Arr, table: &[H::V], index: H::V, fallback: H::V) -> H::V {
    let result = match h.constant_of(index) {
        Some(index) => table_by_constant(h, table, index, fallback),
        None => table_by_bytes(h, table, index, fallback),
    };
    h.clear_above(arr, result)
}

fn table_by_bytes<H: Host>(h: &mut H, table: &[H::V], index: H::V, fallback: H::V) -> H::V {
    let mut found = None;
    for (n, &register) in table.iter().enumerate() {
        // Indices below this register wrap to large ones, which give zero.
        let local = if n == 0 {
            index
        } else {
            let base = h.constant(every(Lane::B, 16 * n as u64));
            h.binary(Binary::Sub, Lane::B, index, base)
        };
        let bytes = h.look_up(register, local);
        found = Some(match found {
            None => bytes,
            Some(before) => h.binary(Binary::Or, Lane::B, before, bytes),
        });
    }
    let found = found.unwrap_or(fallback);
    if h.constant_of(fallback) == Some(0) {
        return found;
    }
    // Where the index is outside nothing has been found: zero.
    let last = h.constant(every(Lane::B, 16 * table.len() as u64 - 1));
    let within = h.binary(Binary::Umin, Lane::B, index, last);
    let is_inside = h.binary(Binary::Eq, Lane::B, within, index);
    let others = h.binary(Binary::AndNot, Lane::B, fallback, is_inside);
    h.binary(Binary::Or, Lane::B, found, others)
}

fn table_by_constant<H: Host>(h: &mut H, table: &[H::V], index: u128, fallback: H::V) -> H::V {
    let index = index.to_le_bytes();
    let mut result = fallback;
    for (n, pair) in table.chunks(2).enumerate() {
        let (first, second) = (pair[0], pair[pair.len() - 1]);
        let (low, end) = (32 * n, 32 * n + 16 * pair.len());
        let inside = index.map(|i| low <= usize::from(i) && usize::from(i) < end);
        if inside == [false; 16] {
            continue;
        }
        let source = |i: usize| if inside[i] { Byte::of_pair(usize::from(index[i]) - low) } else { Byte::Zero };
        let found = h.shuffle(first, second, std::array::from_fn(source));
        result = if inside == [true; 16] {
            found
        } else {
            let either = |i: usize| if inside[i] { Byte::B(i as u8) } else { Byte::A(i as u8) };
            h.shuffle(result, found, std::array::from_fn(either))
        };
    }
    result
}
