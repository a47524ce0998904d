//! Shifts by a constant.

use super::facts::every;
use super::host::{Binary, Host, Shift};
use super::integer::{clear_operand, clear_unless_zero};
use super::{narrow, shuffles};
use ir::{Arr, Lane, Vec1, VecShift};

/// A shift to the right, by as much as a lane has bits at most.
fn right<H: Host>(h: &mut H, signed: bool, lane: Lane, amount: u8, a: H::V) -> H::V {
    let bits = lane.bits() as u8;
    match (signed, amount) {
        (_, 0) => a,
        (true, _) => h.shift(Shift::SignedRight, lane, amount.min(bits - 1), a),
        (false, _) if amount < bits => h.shift(Shift::Right, lane, amount, a),
        (false, _) => h.constant(0),
    }
}

pub(crate) fn by_constant<H: Host>(h: &mut H, op: VecShift, arr: Arr, amount: u8, a: H::V) -> Option<H::V> {
    let lane = arr.lane;
    if lane == Lane::Q {
        return None;
    }
    if let Some(result) = narrowing(h, op, arr, amount, a) {
        return Some(result);
    }
    let a = clear_operand(h, arr, a, &[]);
    let result = match op {
        VecShift::Shl => h.shift(Shift::Left, lane, amount, a),
        VecShift::Sshr | VecShift::Ushr => right(h, op == VecShift::Sshr, lane, amount, a),
        VecShift::Srshr | VecShift::Urshr if amount > 0 => {
            // The last bit shifted out rounds.
            let shifted = right(h, op == VecShift::Srshr, lane, amount, a);
            let rest = right(h, false, lane, amount - 1, a);
            let one = h.constant(every(lane, 1));
            let round = h.binary(Binary::And, lane, rest, one);
            h.binary(Binary::Add, lane, shifted, round)
        }
        _ => return None,
    };
    Some(clear_unless_zero(h, arr, &[a], result))
}

/// Of a full vector's lanes, to half as wide ones.
fn narrowing<H: Host>(h: &mut H, op: VecShift, arr: Arr, amount: u8, a: H::V) -> Option<H::V> {
    let lane = arr.lane;
    if !narrow::narrows(arr) || amount == 0 {
        return None;
    }
    match op {
        VecShift::Shrn => {
            let result = shuffles::pack(h, lane, amount, a);
            Some(if lane == Lane::H { h.note_narrowed(amount, a, result) } else { result })
        }
        VecShift::Rshrn => {
            let round = h.constant(every(lane, 1 << (amount - 1)));
            let sum = h.binary(Binary::Add, lane, a, round);
            Some(shuffles::pack(h, lane, amount, sum))
        }
        VecShift::Sqshrn | VecShift::Sqshrun | VecShift::Uqshrn if matches!(lane, Lane::H | Lane::S) => {
            let (signed, saturating) = match op {
                VecShift::Sqshrn => (true, Vec1::Sqxtn),
                VecShift::Sqshrun => (true, Vec1::Sqxtun),
                _ => (false, Vec1::Uqxtn),
            };
            let shifted = right(h, signed, lane, amount, a);
            narrow::saturating(h, saturating, lane, shifted)
        }
        _ => None,
    }
}
