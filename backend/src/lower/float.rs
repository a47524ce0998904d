//! Floating point by lanes. The host gives Arm's results and flags but for NaNs, and for results that are the smallest
//! normal number: what is doubtful the helper computes again, all lanes of it.
//! Lanes outside an arrangement hold copies of lanes inside it, so that they raise nothing of their own.

use super::callee;
use super::facts::{every, float_size, may_be_tiny, power_of_two, sign_bit};
use super::host::{Binary, Float, FloatCompare, Host};
use super::integer::across;
use super::shuffles::{Byte, even_and_odd};
use ir::{Arr, Fp1, FpInt, FpSize, Lane, Rounding, Vec1, Vec2, Vec3};

/// The operand with lanes outside the arrangement replaced by lanes inside it.
fn filled<H: Host>(h: &mut H, arr: Arr, a: H::V) -> H::V {
    let used = (arr.bits() / 8) as usize;
    if used == 16 {
        return a;
    }
    h.shuffle(a, a, std::array::from_fn(|i| Byte::A((i % used) as u8)))
}

fn magnitudes<H: Host>(h: &mut H, lane: Lane, a: H::V) -> H::V {
    let positive = h.constant(every(lane, !sign_bit(lane)));
    h.binary(Binary::And, lane, a, positive)
}

fn negated<H: Host>(h: &mut H, lane: Lane, a: H::V) -> H::V {
    let sign = h.constant(every(lane, sign_bit(lane)));
    h.binary(Binary::Xor, lane, a, sign)
}

pub(crate) fn vec2<H: Host>(h: &mut H, op: Vec2, arr: Arr, a: H::V, b: H::V) -> Option<H::V> {
    let (size, lane) = (float_size(arr.lane)?, arr.lane);
    if !h.computes_floats() {
        return None;
    }
    if let (1, Some(op)) = (arr.count, op.as_scalar()) {
        return Some(h.number2(op, size, a, b));
    }
    let arithmetic = match op {
        Vec2::Fadd | Vec2::Faddp => Some(Float::Add),
        Vec2::Fsub | Vec2::Fabd => Some(Float::Sub),
        Vec2::Fmul | Vec2::Fnmul => Some(Float::Mul),
        Vec2::Fdiv => Some(Float::Div),
        Vec2::Fmax | Vec2::Fmaxnm | Vec2::Fmin | Vec2::Fminnm => None,
        Vec2::Fmaxp | Vec2::Fmaxnmp | Vec2::Fminp | Vec2::Fminnmp => None,
        Vec2::Fcmeq | Vec2::Fcmge | Vec2::Fcmgt | Vec2::Facge | Vec2::Facgt => None,
        _ => return None,
    };
    let [mut x, mut y] = match op {
        Vec2::Faddp | Vec2::Fmaxp | Vec2::Fmaxnmp | Vec2::Fminp | Vec2::Fminnmp if arr.count > 1 => {
            even_and_odd(h, arr, true, a, b)
        }
        Vec2::Faddp | Vec2::Fmaxp | Vec2::Fmaxnmp | Vec2::Fminp | Vec2::Fminnmp => return None,
        _ => [a, b].map(|operand| filled(h, arr, operand)),
    };
    if let Some(arithmetic) = arithmetic {
        let result = h.float(arithmetic, lane, x, y);
        let result = match op {
            Vec2::Fnmul => negated(h, lane, result),
            Vec2::Fabd => magnitudes(h, lane, result),
            _ => result,
        };
        let tiny = op.as_scalar().is_some_and(may_be_tiny);
        return Some(h.checked(arr, result, tiny, callee::vec2(op, arr), &[a, b]));
    }
    if matches!(op, Vec2::Facge | Vec2::Facgt) {
        [x, y] = [x, y].map(|operand| magnitudes(h, lane, operand));
    }
    let unordered = h.float_compare(FloatCompare::Unordered, lane, x, y);
    Some(h.unless_any(unordered, callee::vec2(op, arr), &[a, b], |h| {
        let result = match op {
            Vec2::Fcmeq => h.float_compare(FloatCompare::Eq, lane, x, y),
            Vec2::Fcmge | Vec2::Facge => h.float_compare(FloatCompare::Ge, lane, x, y),
            Vec2::Fcmgt | Vec2::Facgt => h.float_compare(FloatCompare::Gt, lane, x, y),
            _ => {
                let greatest = matches!(op, Vec2::Fmax | Vec2::Fmaxnm | Vec2::Fmaxp | Vec2::Fmaxnmp);
                h.float_extreme(greatest, lane, x, y)
            }
        };
        h.clear_above(arr, result)
    }))
}

const fn rounding(op: Vec1) -> Option<Fp1> {
    Some(match op {
        Vec1::Frintn => Fp1::Frintn,
        Vec1::Frintp => Fp1::Frintp,
        Vec1::Frintm => Fp1::Frintm,
        Vec1::Frintz => Fp1::Frintz,
        Vec1::Frinta => Fp1::Frinta,
        Vec1::Frintx => Fp1::Frintx,
        Vec1::Frinti => Fp1::Frinti,
        _ => return None,
    })
}

pub(crate) fn vec1<H: Host>(h: &mut H, op: Vec1, arr: Arr, a: H::V) -> Option<H::V> {
    let lane = arr.lane;
    if matches!(op, Vec1::Fabs | Vec1::Fneg) {
        let result = if op == Vec1::Fabs { magnitudes(h, lane, a) } else { negated(h, lane, a) };
        return Some(h.clear_above(arr, result));
    }
    float_size(lane)?;
    if !h.computes_floats() {
        return None;
    }
    let callee = callee::vec1(op, arr);
    if let Some(op) = rounding(op) {
        if let Some(result) = h.round_numbers(op, arr, a) {
            return Some(result);
        }
        let x = filled(h, arr, a);
        let result = h.round(op, lane, x)?;
        return Some(h.checked(arr, result, false, callee, &[a]));
    }
    match op {
        Vec1::Fsqrt => {
            let x = filled(h, arr, a);
            let result = h.sqrt(lane, x);
            Some(h.checked(arr, result, false, callee, &[a]))
        }
        Vec1::Fcvtl if lane == Lane::S && arr.count == 2 => {
            let result = h.promote(a);
            Some(h.checked(arr.wider(), result, false, callee, &[a]))
        }
        Vec1::Fcvtn if lane == Lane::D && arr.is_full() => {
            let result = h.demote(a);
            let result = h.note_zero_above(64, result);
            Some(h.checked(arr.narrower(), result, true, callee, &[a]))
        }
        Vec1::Fmaxv | Vec1::Fminv | Vec1::Fmaxnmv | Vec1::Fminnmv if arr.count > 1 => {
            let x = filled(h, arr, a);
            let greatest = matches!(op, Vec1::Fmaxv | Vec1::Fmaxnmv);
            let unordered = h.float_compare(FloatCompare::Unordered, lane, x, x);
            Some(h.unless_any(unordered, callee, &[a], |h| {
                across(h, arr, x, |h, x, y| h.float_extreme(greatest, lane, x, y))
            }))
        }
        _ => None,
    }
}

pub(crate) fn vec3<H: Host>(h: &mut H, op: Vec3, arr: Arr, a: H::V, b: H::V, c: H::V) -> Option<H::V> {
    float_size(arr.lane)?;
    if op != Vec3::Fmla || !h.computes_floats() || !h.fuses() {
        return None;
    }
    let [addend, x, y] = [a, b, c].map(|operand| filled(h, arr, operand));
    let result = h.mul_add(arr.lane, addend, x, y);
    Some(h.checked(arr, result, true, callee::vec3(op, arr), &[a, b, c]))
}

pub(crate) fn to_int<H: Host>(h: &mut H, how: FpInt, arr: Arr, a: H::V) -> Option<H::V> {
    float_size(arr.lane)?;
    let truncates = how.rounding == Rounding::Z && how.fbits == 0 && h.computes_floats();
    if arr.count == 1 || truncates && arr.lane == Lane::D && how.signed {
        return h.numbers_to_int(how, arr, a);
    }
    if !truncates || arr.lane == Lane::D {
        return None;
    }
    // In range if the magnitude is below 2^31; unsigned ones need a clear sign too.
    let x = filled(h, arr, a);
    let outside = if how.signed {
        let magnitudes = magnitudes(h, Lane::S, x);
        let last = h.constant(every(Lane::S, power_of_two(FpSize::S, 31) - 1));
        h.binary(Binary::Gt, Lane::S, magnitudes, last)
    } else {
        let limit = h.constant(every(Lane::S, power_of_two(FpSize::S, 31)));
        h.binary(Binary::Hs, Lane::S, x, limit)
    };
    Some(h.unless_any(outside, callee::vec_fp_to_int(how, arr), &[a], |h| {
        let result = h.truncate(x);
        h.clear_above(arr, result)
    }))
}

pub(crate) fn from_int<H: Host>(h: &mut H, how: FpInt, arr: Arr, a: H::V) -> Option<H::V> {
    float_size(arr.lane)?;
    if arr.count == 1 || arr.lane == Lane::D {
        return Some(h.ints_to_numbers(how, arr, a));
    }
    if how.fbits != 0 {
        return None;
    }
    let x = filled(h, arr, a);
    let result = h.int_to_float(how.signed, x)?;
    Some(h.clear_above(arr, result))
}
