//! Integer operations by lanes, pairs of lanes and across lanes. None where there is no expansion: a helper is called.

use super::facts::{every, sign_bit};
use super::host::{Binary, Half, Host, Shift};
use super::narrow;
use super::shuffles::{self, Byte};
use ir::{Arr, Lane, Vec1, Vec2, Vec3};

/// Whether an operation on two lanes that are zero gives zero, lane by lane.
const fn keeps_zero(op: Vec2) -> bool {
    matches!(
        op,
        Vec2::And
            | Vec2::Orr
            | Vec2::Eor
            | Vec2::Bic
            | Vec2::Add
            | Vec2::Sub
            | Vec2::Mul
            | Vec2::Cmgt
            | Vec2::Cmhi
            | Vec2::Cmtst
            | Vec2::Smax
            | Vec2::Smin
            | Vec2::Umax
            | Vec2::Umin
            | Vec2::Sabd
            | Vec2::Uabd
            | Vec2::Shadd
            | Vec2::Uhadd
            | Vec2::Shsub
            | Vec2::Uhsub
            | Vec2::Sqadd
            | Vec2::Uqadd
            | Vec2::Sqsub
            | Vec2::Uqsub
    )
}

/// An operand of a lane-wise operation that makes zeros of zeros. If it is the only one that may have anything above a
/// half it is cleared there: once for all operations that use it, and none has to clear its result.
pub(super) fn clear_operand<H: Host>(h: &mut H, arr: Arr, operand: H::V, others: &[H::V]) -> H::V {
    let unclear = arr.bits() == 64 && h.significant_bits(operand) > 64;
    if unclear && others.iter().all(|&other| other == operand || h.significant_bits(other) <= 64) {
        return h.clear_above(arr, operand);
    }
    operand
}

/// `result` of a lane-wise operation that makes zeros of zeros, cleared above `arr`.
pub(super) fn clear_unless_zero<H: Host>(h: &mut H, arr: Arr, operands: &[H::V], result: H::V) -> H::V {
    let used = operands.iter().map(|&operand| h.significant_bits(operand)).max().unwrap_or(128);
    if used <= arr.bits() { h.note_zero_above(arr.bits(), result) } else { h.clear_above(arr, result) }
}

pub(super) fn complement<H: Host>(h: &mut H, a: H::V) -> H::V {
    let ones = h.constant(u128::MAX);
    h.binary(Binary::Xor, Lane::B, a, ones)
}

/// The host's operation that does the same, if it has it for the lane.
fn alike(op: Vec2, lane: Lane) -> Option<Binary> {
    let is_narrow = matches!(lane, Lane::B | Lane::H);
    Some(match op {
        Vec2::And => Binary::And,
        Vec2::Orr => Binary::Or,
        Vec2::Eor => Binary::Xor,
        Vec2::Bic => Binary::AndNot,
        Vec2::Add => Binary::Add,
        Vec2::Sub => Binary::Sub,
        Vec2::Mul if matches!(lane, Lane::H | Lane::S) => Binary::Mul,
        Vec2::Urhadd if is_narrow => Binary::Average,
        Vec2::Cmeq => Binary::Eq,
        Vec2::Cmgt => Binary::Gt,
        Vec2::Cmge => Binary::Ge,
        Vec2::Cmhi => Binary::Hi,
        Vec2::Cmhs => Binary::Hs,
        _ => return None,
    })
}

pub(crate) fn vec2<H: Host>(h: &mut H, op: Vec2, arr: Arr, a: H::V, b: H::V) -> Option<H::V> {
    if arr.lane == Lane::Q {
        return None;
    }
    if !keeps_zero(op) {
        if let Some(result) = vec2_long(h, op, arr, a, b).or_else(|| narrow::vec2(h, op, arr, a, b)) {
            return Some(result);
        }
        let result = by_lanes(h, op, arr, a, b)?;
        let result = h.note_vec2(op, arr, [a, b], result);
        return Some(h.clear_above(arr, result));
    }
    let (a, b) = (clear_operand(h, arr, a, &[b]), clear_operand(h, arr, b, &[a]));
    let result = by_lanes(h, op, arr, a, b)?;
    Some(clear_unless_zero(h, arr, &[a, b], result))
}

/// The result may have anything above `arr`.
fn by_lanes<H: Host>(h: &mut H, op: Vec2, arr: Arr, x: H::V, y: H::V) -> Option<H::V> {
    let lane = arr.lane;
    if let Some(op) = alike(op, lane) {
        return Some(h.binary(op, lane, x, y));
    }
    Some(match op {
        Vec2::Orn => {
            let y = complement(h, y);
            h.binary(Binary::Or, lane, x, y)
        }
        Vec2::Mul if lane == Lane::B => multiply_bytes(h, x, y),
        Vec2::Cmtst => {
            let both = h.binary(Binary::And, lane, x, y);
            let zero = h.constant(0);
            h.binary(Binary::Ne, lane, both, zero)
        }
        Vec2::Smax | Vec2::Smin | Vec2::Umax | Vec2::Umin => extreme(h, op, lane, x, y),
        Vec2::Sabd | Vec2::Uabd => difference(h, op == Vec2::Sabd, lane, x, y),
        Vec2::Shadd | Vec2::Uhadd => {
            let (differing, common) = (h.binary(Binary::Xor, lane, x, y), h.binary(Binary::And, lane, x, y));
            let half = half(h, op == Vec2::Shadd, lane, differing);
            h.binary(Binary::Add, lane, common, half)
        }
        Vec2::Srhadd | Vec2::Urhadd => {
            let (differing, either) = (h.binary(Binary::Xor, lane, x, y), h.binary(Binary::Or, lane, x, y));
            let half = half(h, op == Vec2::Srhadd, lane, differing);
            h.binary(Binary::Sub, lane, either, half)
        }
        Vec2::Shsub | Vec2::Uhsub => {
            let (differing, borrowed) = (h.binary(Binary::Xor, lane, x, y), h.binary(Binary::AndNot, lane, y, x));
            let half = half(h, op == Vec2::Shsub, lane, differing);
            h.binary(Binary::Sub, lane, half, borrowed)
        }
        Vec2::Sqadd | Vec2::Uqadd | Vec2::Sqsub | Vec2::Uqsub if matches!(lane, Lane::B | Lane::H) => {
            saturating(h, op, arr, x, y)
        }
        Vec2::Sqrdmulh if lane == Lane::H => {
            // Only the square of the least number saturates: it wraps to that number, which nothing else gives.
            let x = h.clear_above(arr, x);
            let product = h.binary(Binary::MulHighRound, lane, x, y);
            let least = h.constant(every(lane, sign_bit(lane)));
            let has_wrapped = h.binary(Binary::Eq, lane, product, least);
            h.saturated_if_any(has_wrapped);
            h.binary(Binary::Xor, lane, product, has_wrapped)
        }
        Vec2::Addp | Vec2::Smaxp | Vec2::Umaxp | Vec2::Sminp | Vec2::Uminp if arr.count > 1 => {
            pairwise(h, op, arr, x, y)
        }
        Vec2::Zip1 | Vec2::Zip2 | Vec2::Uzp1 | Vec2::Uzp2 | Vec2::Trn1 | Vec2::Trn2 if arr.count > 1 => {
            shuffles::permute(h, op, arr, x, y)
        }
        _ => return None,
    })
}

fn half<H: Host>(h: &mut H, signed: bool, lane: Lane, a: H::V) -> H::V {
    h.shift(if signed { Shift::SignedRight } else { Shift::Right }, lane, 1, a)
}

/// The greater or lesser lanes: `op` is SMAX, UMAX, SMIN or UMIN.
fn extreme<H: Host>(h: &mut H, op: Vec2, lane: Lane, x: H::V, y: H::V) -> H::V {
    if lane == Lane::D {
        let is_signed = matches!(op, Vec2::Smax | Vec2::Smin);
        let is_greater = h.binary(if is_signed { Binary::Gt } else { Binary::Hi }, lane, x, y);
        let (yes, no) = if matches!(op, Vec2::Smax | Vec2::Umax) { (x, y) } else { (y, x) };
        return h.select(is_greater, yes, no);
    }
    let op = match op {
        Vec2::Smax => Binary::Smax,
        Vec2::Smin => Binary::Smin,
        Vec2::Umax => Binary::Umax,
        _ => Binary::Umin,
    };
    h.binary(op, lane, x, y)
}

/// How far lanes are apart: that fits them, without a sign.
fn difference<H: Host>(h: &mut H, signed: bool, lane: Lane, x: H::V, y: H::V) -> H::V {
    let (most, least) = if signed { (Vec2::Smax, Vec2::Smin) } else { (Vec2::Umax, Vec2::Umin) };
    let (most, least) = (extreme(h, most, lane, x, y), extreme(h, least, lane, x, y));
    h.binary(Binary::Sub, lane, most, least)
}

/// SQADD and the like of lanes B and H. What is above the arrangement must not saturate.
fn saturating<H: Host>(h: &mut H, op: Vec2, arr: Arr, x: H::V, y: H::V) -> H::V {
    let (x, y) = (h.clear_above(arr, x), h.clear_above(arr, y));
    let (saturating, wrapping) = match op {
        Vec2::Sqadd => (Binary::AddSigned, Binary::Add),
        Vec2::Uqadd => (Binary::AddUnsigned, Binary::Add),
        Vec2::Sqsub => (Binary::SubSigned, Binary::Sub),
        _ => (Binary::SubUnsigned, Binary::Sub),
    };
    let (result, wrapped) = (h.binary(saturating, arr.lane, x, y), h.binary(wrapping, arr.lane, x, y));
    let differing = h.binary(Binary::Xor, arr.lane, result, wrapped);
    h.saturated_if_any(differing);
    result
}

fn multiply_bytes<H: Host>(h: &mut H, x: H::V, y: H::V) -> H::V {
    let low_bytes = h.constant(every(Lane::H, 0xff));
    let even = h.binary(Binary::Mul, Lane::H, x, y);
    let even = h.binary(Binary::And, Lane::H, even, low_bytes);
    let (x, y) = (h.shift(Shift::Right, Lane::H, 8, x), h.shift(Shift::Right, Lane::H, 8, y));
    let odd = h.binary(Binary::Mul, Lane::H, x, y);
    let odd = h.shift(Shift::Left, Lane::H, 8, odd);
    h.binary(Binary::Or, Lane::H, even, odd)
}

fn pairwise<H: Host>(h: &mut H, op: Vec2, arr: Arr, a: H::V, b: H::V) -> H::V {
    let lane = arr.lane;
    if op == Vec2::Addp && matches!(lane, Lane::H | Lane::S) {
        if arr.is_full() {
            return h.add_pairs(lane, a, b);
        }
        let joined = shuffles::join_halves(h, a, b);
        return h.add_pairs(lane, joined, joined);
    }
    let [even, odd] = shuffles::even_and_odd(h, arr, false, a, b);
    let result = match op {
        Vec2::Addp => h.binary(Binary::Add, lane, even, odd),
        Vec2::Smaxp => extreme(h, Vec2::Smax, lane, even, odd),
        Vec2::Umaxp => extreme(h, Vec2::Umax, lane, even, odd),
        Vec2::Sminp => extreme(h, Vec2::Smin, lane, even, odd),
        _ => extreme(h, Vec2::Umin, lane, even, odd),
    };
    clear_unless_zero(h, arr, &[even, odd], result)
}

/// Products and absolute differences of 64-bit operands, lanes twice as wide.
fn vec2_long<H: Host>(h: &mut H, op: Vec2, arr: Arr, a: H::V, b: H::V) -> Option<H::V> {
    if arr.bits() != 64 || arr.lane == Lane::D {
        return None;
    }
    Some(match op {
        Vec2::Smull | Vec2::Umull => h.multiply_long(arr.lane, op == Vec2::Smull, a, b),
        Vec2::Sabdl | Vec2::Uabdl => {
            // Computed for whole vectors, so that the instruction for the other half has it too.
            let ((whole_a, half), (whole_b, other)) = (h.whole(a), h.whole(b));
            let (a, b, half) = if half == other { (whole_a, whole_b, half) } else { (a, b, Half::Low) };
            let narrow = difference(h, op == Vec2::Sabdl, arr.lane, a, b);
            h.widen(arr.lane, false, half, narrow)
        }
        _ => return None,
    })
}

pub(crate) fn vec1<H: Host>(h: &mut H, op: Vec1, arr: Arr, a: H::V) -> Option<H::V> {
    let lane = arr.lane;
    let result = match op {
        Vec1::Not => {
            let result = complement(h, a);
            h.clear_above(arr, result)
        }
        Vec1::Neg => {
            let zero = h.constant(0);
            let result = h.binary(Binary::Sub, lane, zero, a);
            clear_unless_zero(h, arr, &[a], result)
        }
        Vec1::Abs => {
            let result = h.abs(lane, a);
            clear_unless_zero(h, arr, &[a], result)
        }
        Vec1::Cnt if lane == Lane::B => {
            let result = h.count_bits(a);
            clear_unless_zero(h, arr, &[a], result)
        }
        Vec1::Rev16 | Vec1::Rev32 | Vec1::Rev64 => shuffles::reverse(h, op, arr, a),
        Vec1::Sxtl | Vec1::Uxtl if arr.bits() == 64 && lane != Lane::D => {
            let (whole, half) = h.whole(a);
            h.widen(lane, op == Vec1::Sxtl, half, whole)
        }
        Vec1::Xtn | Vec1::Sqxtn | Vec1::Uqxtn | Vec1::Sqxtun => narrow::vec1(h, op, arr, a)?,
        Vec1::Saddlp | Vec1::Uaddlp if arr.count > 1 && lane != Lane::D => {
            let result = add_pairs_long(h, lane, op == Vec1::Saddlp, a);
            clear_unless_zero(h, arr, &[a], result)
        }
        Vec1::Addv | Vec1::Smaxv | Vec1::Umaxv | Vec1::Sminv | Vec1::Uminv | Vec1::Saddlv | Vec1::Uaddlv
            if lane != Lane::Q =>
        {
            let result = vec1_across(h, op, arr, a)?;
            h.note_across(op, arr, a, result)
        }
        _ => return None,
    };
    Some(result)
}

/// Sums of adjacent lanes, twice as wide, of lanes B to S.
fn add_pairs_long<H: Host>(h: &mut H, lane: Lane, signed: bool, a: H::V) -> H::V {
    if lane != Lane::S || signed {
        return h.add_pairs_long(lane, signed, a);
    }
    let low = h.constant(every(Lane::D, 0xffff_ffff));
    let (even, odd) = (h.binary(Binary::And, Lane::D, a, low), h.shift(Shift::Right, Lane::D, 32, a));
    h.binary(Binary::Add, Lane::D, even, odd)
}

fn vec1_across<H: Host>(h: &mut H, op: Vec1, arr: Arr, a: H::V) -> Option<H::V> {
    let lane = arr.lane;
    Some(match op {
        Vec1::Addv => across(h, arr, a, |h, x, y| h.binary(Binary::Add, lane, x, y)),
        Vec1::Smaxv => across(h, arr, a, |h, x, y| extreme(h, Vec2::Smax, lane, x, y)),
        Vec1::Umaxv => across(h, arr, a, |h, x, y| extreme(h, Vec2::Umax, lane, x, y)),
        Vec1::Sminv => across(h, arr, a, |h, x, y| extreme(h, Vec2::Smin, lane, x, y)),
        Vec1::Uminv => across(h, arr, a, |h, x, y| extreme(h, Vec2::Umin, lane, x, y)),
        _ if arr.count == 1 || lane == Lane::D => return None,
        _ => {
            if op == Vec1::Uaddlv
                && lane == Lane::B
                && let Some(sums) = h.sum_bytes(a)
            {
                // One for each half; as halfwords they are a vector of two lanes.
                let count = arr.count / 8;
                let sum = across(h, Arr { lane: Lane::D, count }, sums, |h, x, y| h.binary(Binary::Add, Lane::D, x, y));
                return Some(h.note_zero_above(16, sum));
            }
            let sums = add_pairs_long(h, lane, op == Vec1::Saddlv, a);
            let wide = Arr { lane: lane.wider(), count: arr.count / 2 };
            across(h, wide, sums, |h, x, y| h.binary(Binary::Add, wide.lane, x, y))
        }
    })
}

/// Folds all lanes into the lowest, halves first; zeros above it.
pub(super) fn across<H: Host>(h: &mut H, arr: Arr, a: H::V, mut fold: impl FnMut(&mut H, H::V, H::V) -> H::V) -> H::V {
    let (mut lanes, mut bits) = (a, arr.bits());
    while bits > arr.lane.bits() {
        bits /= 2;
        let upper = if bits == 64 {
            h.shuffle(lanes, lanes, std::array::from_fn(|i| Byte::A(8 + i as u8 % 8)))
        } else {
            h.shift(Shift::Right, Lane::D, bits as u8, lanes)
        };
        lanes = fold(h, lanes, upper);
    }
    h.clear_above(Arr::scalar(arr.lane), lanes)
}

pub(crate) fn vec3<H: Host>(h: &mut H, op: Vec3, arr: Arr, a: H::V, b: H::V, c: H::V) -> Option<H::V> {
    let lane = arr.lane;
    Some(match op {
        Vec3::Bsl => {
            let result = h.select(a, b, c);
            clear_unless_zero(h, arr, &[b, c], result)
        }
        Vec3::Mla | Vec3::Mls if matches!(lane, Lane::B | Lane::H | Lane::S) => {
            let product = if lane == Lane::B { multiply_bytes(h, b, c) } else { h.binary(Binary::Mul, lane, b, c) };
            let result = h.binary(if op == Vec3::Mla { Binary::Add } else { Binary::Sub }, lane, a, product);
            clear_unless_zero(h, arr, &[a, b, c], result)
        }
        _ => return None,
    })
}
