//! Operations whose result lanes are half as wide: 64 bits of a full vector, zeros above.

use super::facts::every;
use super::host::{Binary, Half, Host};
use super::shuffles::pack;
use ir::{Arr, Lane, Vec1, Vec2};

/// Whether an arrangement is one of a full vector whose lanes have halves.
pub(super) const fn narrows(arr: Arr) -> bool {
    arr.is_full() && !matches!(arr.lane, Lane::B | Lane::Q)
}

/// XTN, SQXTN, UQXTN and SQXTUN of a full vector's lanes.
pub(super) fn vec1<H: Host>(h: &mut H, op: Vec1, arr: Arr, a: H::V) -> Option<H::V> {
    let lane = arr.lane;
    if !narrows(arr) {
        return None;
    }
    if op != Vec1::Xtn {
        return saturating(h, op, lane, a);
    }
    let result = pack(h, lane, 0, a);
    Some(if lane == Lane::H { h.note_narrowed(0, a, result) } else { result })
}

/// ADDHN and the like: the high half of each sum or difference.
pub(super) fn vec2<H: Host>(h: &mut H, op: Vec2, arr: Arr, a: H::V, b: H::V) -> Option<H::V> {
    let lane = arr.lane;
    let fold = match op {
        Vec2::Addhn | Vec2::Raddhn => Binary::Add,
        Vec2::Subhn | Vec2::Rsubhn => Binary::Sub,
        _ => return None,
    };
    if !narrows(arr) {
        return None;
    }
    let half_bits = lane.bits() / 2;
    let mut sums = h.binary(fold, lane, a, b);
    if matches!(op, Vec2::Raddhn | Vec2::Rsubhn) {
        let round = h.constant(every(lane, 1 << (half_bits - 1)));
        sums = h.binary(Binary::Add, lane, sums, round);
    }
    Some(pack(h, lane, half_bits as u8, sums))
}

/// SQXTN, UQXTN and SQXTUN of a full vector's lanes, which are H or S.
pub(super) fn saturating<H: Host>(h: &mut H, op: Vec1, lane: Lane, a: H::V) -> Option<H::V> {
    if !matches!(lane, Lane::H | Lane::S) {
        return None;
    }
    let packed = match op {
        Vec1::Sqxtn => h.pack_saturating(lane, true, a),
        Vec1::Sqxtun => h.pack_saturating(lane, false, a),
        _ => {
            let most = h.constant(every(lane, (1 << (lane.bits() / 2)) - 1));
            let clamped = h.binary(Binary::Umin, lane, a, most);
            pack(h, lane, 0, clamped)
        }
    };
    let back = h.widen(lane.narrower(), op == Vec1::Sqxtn, Half::Low, packed);
    let differing = h.binary(Binary::Xor, lane, back, a);
    h.saturated_if_any(differing);
    Some(packed)
}
