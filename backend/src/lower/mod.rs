//! What both compilers know of the guest's operations: vector operations as sequences of the host's (each is expanded
//! here once, over `Host`, which both implement), which helper an operation calls where it has no such sequence, and
//! what the formats of numbers come to. Knows nothing of registers, encodings and CLIF.

pub(crate) mod callee;
pub(crate) mod facts;
pub(crate) mod float;
pub(crate) mod host;
pub(crate) mod integer;
pub(crate) mod narrow;
pub(crate) mod shift;
pub(crate) mod shuffles;

use host::Host;
use ir::{Arr, FpInt, Vec1, Vec2, Vec3, VecShift};

pub(crate) fn vec1<H: Host>(h: &mut H, op: Vec1, arr: Arr, a: H::V) -> H::V {
    let result = integer::vec1(h, op, arr, a).or_else(|| float::vec1(h, op, arr, a));
    result.unwrap_or_else(|| h.call(callee::vec1(op, arr), &[a]))
}

pub(crate) fn vec2<H: Host>(h: &mut H, op: Vec2, arr: Arr, a: H::V, b: H::V) -> H::V {
    let result = integer::vec2(h, op, arr, a, b).or_else(|| float::vec2(h, op, arr, a, b));
    result.unwrap_or_else(|| h.call(callee::vec2(op, arr), &[a, b]))
}

pub(crate) fn vec3<H: Host>(h: &mut H, op: Vec3, arr: Arr, a: H::V, b: H::V, c: H::V) -> H::V {
    let result = integer::vec3(h, op, arr, a, b, c).or_else(|| float::vec3(h, op, arr, a, b, c));
    result.unwrap_or_else(|| h.call(callee::vec3(op, arr), &[a, b, c]))
}

pub(crate) fn vec_shift<H: Host>(h: &mut H, op: VecShift, arr: Arr, amount: u8, a: H::V) -> H::V {
    let result = shift::by_constant(h, op, arr, amount, a);
    result.unwrap_or_else(|| h.call(callee::vec_shift(op, arr, amount), &[a]))
}

pub(crate) fn vec_fp_to_int<H: Host>(h: &mut H, how: FpInt, arr: Arr, a: H::V) -> H::V {
    float::to_int(h, how, arr, a).unwrap_or_else(|| h.call(callee::vec_fp_to_int(how, arr), &[a]))
}

pub(crate) fn vec_int_to_fp<H: Host>(h: &mut H, how: FpInt, arr: Arr, a: H::V) -> H::V {
    float::from_int(h, how, arr, a).unwrap_or_else(|| h.call(callee::vec_int_to_fp(how, arr), &[a]))
}

#[cfg(test)]
mod tests;
