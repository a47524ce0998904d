//! Which helper an operation calls where it is not compiled, and the helper's first arguments: the operation and what
//! belongs to it, as numbers. The operands follow them.

use crate::abi::helpers::{Helper, encode_arr, encode_fp_int};
use crate::abi::lane_shifts;
use ir::{Arr, Fp1, Fp2, FpInt, FpSize, IntHelper, Vec1, Vec2, Vec3, VecShift, Width};

/// A helper and its first arguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Callee {
    pub helper: Helper,
    selectors: [u64; 3],
    count: u8,
}

impl Callee {
    fn new<const N: usize>(helper: Helper, first: [u64; N]) -> Self {
        let mut selectors = [0; 3];
        selectors[..N].copy_from_slice(&first);
        Self { helper, selectors, count: N as u8 }
    }

    /// The first arguments.
    pub fn selectors(&self) -> &[u64] {
        &self.selectors[..usize::from(self.count)]
    }
}

pub(crate) fn int(op: IntHelper) -> Callee {
    Callee::new(Helper::Int, [op as u64])
}

pub(crate) fn vec1(op: Vec1, arr: Arr) -> Callee {
    Callee::new(Helper::Vec1, [op as u64, encode_arr(arr)])
}

pub(crate) fn vec2(op: Vec2, arr: Arr) -> Callee {
    match lane_shifts::encode(op, arr) {
        Some(code) => Callee::new(Helper::ShiftLanes, [code]),
        None => Callee::new(Helper::Vec2, [op as u64, encode_arr(arr)]),
    }
}

pub(crate) fn vec3(op: Vec3, arr: Arr) -> Callee {
    Callee::new(Helper::Vec3, [op as u64, encode_arr(arr)])
}

pub(crate) fn vec_shift(op: VecShift, arr: Arr, amount: u8) -> Callee {
    Callee::new(Helper::VecShift, [op as u64, encode_arr(arr), u64::from(amount)])
}

pub(crate) fn vec_fp_to_int(how: FpInt, arr: Arr) -> Callee {
    Callee::new(Helper::VecFpToInt, [encode_fp_int(how), encode_arr(arr)])
}

pub(crate) fn vec_int_to_fp(how: FpInt, arr: Arr) -> Callee {
    Callee::new(Helper::VecIntToFp, [encode_fp_int(how), encode_arr(arr)])
}

pub(crate) fn fp1(op: Fp1, size: FpSize) -> Callee {
    Callee::new(Helper::Fp1, [op as u64, size as u64])
}

pub(crate) fn fp2(op: Fp2, size: FpSize) -> Callee {
    Callee::new(Helper::Fp2, [op as u64, size as u64])
}

pub(crate) fn fp_mul_add(size: FpSize) -> Callee {
    Callee::new(Helper::FpMulAdd, [size as u64])
}

pub(crate) fn fp_convert(from: FpSize, to: FpSize) -> Callee {
    Callee::new(Helper::FpConvert, [from as u64, to as u64])
}

pub(crate) fn fp_to_int(how: FpInt, size: FpSize, width: Width) -> Callee {
    Callee::new(Helper::FpToInt, [encode_fp_int(how), size as u64, width as u64])
}

pub(crate) fn int_to_fp(how: FpInt, size: FpSize, width: Width) -> Callee {
    Callee::new(Helper::IntToFp, [encode_fp_int(how), size as u64, width as u64])
}

pub(crate) fn fp_compare(size: FpSize, signal_quiet: bool) -> Callee {
    Callee::new(Helper::FpCompare, [size as u64, u64::from(signal_quiet)])
}
