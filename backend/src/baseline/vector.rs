//! Vector operations for which the host has a few instructions; everything else goes to the helper that performs what
//! `Eval` does. A result's bits above its arrangement are cleared at the end of each operation.

use super::Emitter;
use super::asm::{MAP_3A, Op, Xmm};
use super::exits::Place;
use super::value::{Arg, Vector};
use super::vector_moves::{PAND, POR, PSHUFB, PUNPCKLQDQ, PXOR, every, op38, op66};
use crate::abi::helpers::{Helper, encode_arr};
use ir::{Arr, Lane, Vec1, Vec2, Vec3, VecShift};

const PANDN: Op = op66(0xdf);
const PADDUSB: Op = op66(0xdc);
const PMINUB: Op = op66(0xda);
const NONE: Op = Op(0, 0, 0);
const ADD: [Op; 4] = [op66(0xfc), op66(0xfd), op66(0xfe), op66(0xd4)];
const SUB: [Op; 4] = [op66(0xf8), op66(0xf9), op66(0xfa), op66(0xfb)];
const SMAX: [Op; 4] = [op38(0x3c), op66(0xee), op38(0x3d), NONE];
const UMAX: [Op; 4] = [op66(0xde), op38(0x3e), op38(0x3f), NONE];
const SMIN: [Op; 4] = [op38(0x38), op66(0xea), op38(0x39), NONE];
const UMIN: [Op; 4] = [op66(0xda), op38(0x3a), op38(0x3b), NONE];
const EQ: [Op; 4] = [op66(0x74), op66(0x75), op66(0x76), op38(0x29)];
const GT: [Op; 4] = [op66(0x64), op66(0x65), op66(0x66), op38(0x37)];

/// The opcode of a lane size among four that follow each other in Lane's order; 0 is none.
fn of_lane(lane: Lane, opcodes: [Op; 4]) -> Option<Op> {
    opcodes.get(lane as usize).copied().filter(|op| op.2 != 0)
}

impl Emitter {
    pub(super) fn vector_helper(&mut self, helper: Helper, args: &[Arg]) -> Vector {
        let to = self.new_xmm();
        self.helper(helper, args, Place::Xmm(to));
        Vector::Reg(to)
    }

    pub(super) fn emit_vec1(&mut self, op: Vec1, arr: Arr, a: Vector) -> Vector {
        if let Some(result) = self.native_vec1(op, arr, a) {
            return result;
        }
        if let Some(result) = self.vec1_fp(op, arr, a) {
            return result;
        }
        self.vector_helper(Helper::Vec1, &[(op as u64).into(), encode_arr(arr).into(), a.into()])
    }

    fn native_vec1(&mut self, op: Vec1, arr: Arr, a: Vector) -> Option<Vector> {
        let a = self.xmm(a);
        let lane = arr.lane;
        let widens = arr.bits() == 64 && !matches!(lane, Lane::D | Lane::Q);
        let to = match op {
            Vec1::Not => {
                let to = self.new_xmm();
                self.sse_const(PXOR, to, a, u128::MAX);
                to
            }
            Vec1::Neg => {
                let to = self.new_xmm();
                self.put_vector(Xmm(0), Vector::Imm(0));
                self.sse3(of_lane(lane, SUB)?, to, Xmm(0), a);
                to
            }
            Vec1::Abs => {
                let op = of_lane(lane, [op38(0x1c), op38(0x1d), op38(0x1e), NONE])?;
                let to = self.new_xmm();
                self.sse(op, to, a);
                to
            }
            Vec1::Cnt if lane == Lane::B => {
                const COUNTS: u128 = 0x0403_0302_0302_0201_0302_0201_0201_0100;
                const LOW: u128 = 0x0f0f_0f0f_0f0f_0f0f_0f0f_0f0f_0f0f_0f0f;
                let to = self.new_xmm();
                self.sse_const(PAND, Xmm(0), a, LOW);
                self.sse_shift(0x71, 2, Xmm(1), a, 4);
                self.sse_const(PAND, Xmm(1), Xmm(1), LOW);
                self.put_vector(Xmm(2), Vector::Imm(COUNTS));
                self.sse3(PSHUFB, to, Xmm(2), Xmm(0));
                self.sse3(PSHUFB, Xmm(2), Xmm(2), Xmm(1));
                self.sse3(op66(0xfc), to, to, Xmm(2));
                to
            }
            Vec1::Rev16 | Vec1::Rev32 | Vec1::Rev64 => {
                let container = match op {
                    Vec1::Rev16 => 2,
                    Vec1::Rev32 => 4,
                    _ => 8,
                };
                let flip = container - lane.bytes() as u8;
                let to = self.new_xmm();
                self.shuffle(to, a, a, std::array::from_fn(|i| i as u8 ^ flip));
                to
            }
            Vec1::Sxtl | Vec1::Uxtl if widens => {
                let to = self.new_xmm();
                let opcode = [0x20, 0x23, 0x25][lane as usize] + if op == Vec1::Uxtl { 0x10 } else { 0 };
                self.sse(op38(opcode), to, a);
                return Some(Vector::Reg(to));
            }
            Vec1::Xtn if arr.is_full() => return Some(self.pack(arr, 0, a)),
            Vec1::Addv => self.across(arr, a, of_lane(lane, ADD)?),
            Vec1::Smaxv => self.across(arr, a, of_lane(lane, SMAX)?),
            Vec1::Umaxv => self.across(arr, a, of_lane(lane, UMAX)?),
            Vec1::Sminv => self.across(arr, a, of_lane(lane, SMIN)?),
            Vec1::Uminv => self.across(arr, a, of_lane(lane, UMIN)?),
            Vec1::Uaddlv if lane == Lane::B => {
                // PSADBW against zero adds up each half.
                let to = self.new_xmm();
                self.put_vector(Xmm(0), Vector::Imm(0));
                self.sse3(op66(0xf6), to, a, Xmm(0));
                if arr.is_full() {
                    self.sse_shift(0x73, 3, Xmm(1), to, 8);
                    self.sse3(op66(0xfe), to, to, Xmm(1));
                }
                return Some(self.clear_above(Arr::scalar(Lane::H), to));
            }
            Vec1::Uaddlp | Vec1::Saddlp if lane == Lane::B => {
                // PMADDUBSW with ones: the unsigned operand first.
                let to = self.new_xmm();
                let ones = every(Lane::B, 1);
                if op == Vec1::Uaddlp {
                    self.sse_const(op38(0x04), to, a, ones);
                } else {
                    self.put_vector(Xmm(0), Vector::Imm(ones));
                    self.sse3(op38(0x04), to, Xmm(0), a);
                }
                to
            }
            Vec1::Saddlp if lane == Lane::H => {
                let to = self.new_xmm();
                self.sse_const(op66(0xf5), to, a, every(Lane::H, 1));
                to
            }
            Vec1::Uaddlp if lane == Lane::H => {
                let to = self.new_xmm();
                self.sse_shift(0x72, 2, Xmm(0), a, 16);
                self.sse_const(PAND, to, a, every(Lane::S, 0xffff));
                self.sse3(op66(0xfe), to, to, Xmm(0));
                to
            }
            Vec1::Uaddlp if lane == Lane::S => {
                let to = self.new_xmm();
                self.sse_shift(0x73, 2, Xmm(0), a, 32);
                self.sse_const(PAND, to, a, every(Lane::D, 0xffff_ffff));
                self.sse3(op66(0xd4), to, to, Xmm(0));
                to
            }
            _ => return None,
        };
        let result = if matches!(op, Vec1::Addv | Vec1::Smaxv | Vec1::Umaxv | Vec1::Sminv | Vec1::Uminv) {
            Arr::scalar(lane)
        } else {
            arr
        };
        Some(self.clear_above(result, to))
    }

    /// Folds all lanes into the lowest, halves first.
    fn across(&mut self, arr: Arr, a: Xmm, op: Op) -> Xmm {
        let to = self.new_xmm();
        self.move_xmm(to, a);
        let mut bytes = (arr.bits() / 8) as u8;
        while u32::from(bytes) > arr.lane.bytes() {
            bytes /= 2;
            self.sse_shift(0x73, 3, Xmm(0), to, bytes);
            self.sse3(op, to, to, Xmm(0));
        }
        to
    }

    /// The half of each lane that begins at bit `from`, side by side in the low 64 bits.
    fn pack(&mut self, arr: Arr, from: u8, a: Xmm) -> Vector {
        let to = self.new_xmm();
        let (wide, half) = (arr.lane.bytes() as u8, arr.lane.bytes() as u8 / 2);
        let (source, from) = if from.is_multiple_of(8) {
            (a, from / 8)
        } else {
            self.sse_shift(0x70 + arr.lane as u8, 2, Xmm(0), a, from);
            (Xmm(0), 0)
        };
        self.shuffle(
            to,
            source,
            source,
            std::array::from_fn(|i| {
                let i = i as u8;
                if i < 8 { i / half * wide + from + i % half } else { 32 }
            }),
        );
        self.regs.set_width(to, 64);
        Vector::Reg(to)
    }

    pub(super) fn emit_vec2(&mut self, op: Vec2, arr: Arr, a: Vector, b: Vector) -> Vector {
        if let Some(to) = self.native_vec2(op, arr, a, b) {
            return self.clear_above(arr, to);
        }
        if let Some(result) = self.vec2_fp(op, arr, a, b).or_else(|| self.vec2_long(op, arr, a, b)) {
            return result;
        }
        self.vector_helper(Helper::Vec2, &[(op as u64).into(), encode_arr(arr).into(), a.into(), b.into()])
    }

    fn native_vec2(&mut self, op: Vec2, arr: Arr, a: Vector, b: Vector) -> Option<Xmm> {
        let lane = arr.lane;
        if lane == Lane::Q {
            return None;
        }
        let (a, b) = (self.xmm(a), self.xmm(b));
        let simple = match op {
            Vec2::And => Some(PAND),
            Vec2::Orr => Some(POR),
            Vec2::Eor => Some(PXOR),
            Vec2::Add => of_lane(lane, ADD),
            Vec2::Sub => of_lane(lane, SUB),
            Vec2::Mul => of_lane(lane, [NONE, op66(0xd5), op38(0x40), NONE]),
            Vec2::Smax => of_lane(lane, SMAX),
            Vec2::Umax => of_lane(lane, UMAX),
            Vec2::Smin => of_lane(lane, SMIN),
            Vec2::Umin => of_lane(lane, UMIN),
            Vec2::Cmeq => of_lane(lane, EQ),
            Vec2::Cmgt => of_lane(lane, GT),
            Vec2::Urhadd => of_lane(lane, [op66(0xe0), op66(0xe3), NONE, NONE]),
            Vec2::Zip1 => of_lane(lane, [op66(0x60), op66(0x61), op66(0x62), op66(0x6c)]),
            Vec2::Zip2 if arr.is_full() => of_lane(lane, [op66(0x68), op66(0x69), op66(0x6a), op66(0x6d)]),
            _ => None,
        };
        let to = self.new_xmm();
        if let Some(op) = simple {
            self.sse3(op, to, a, b);
            if op == PXOR && a == b {
                self.regs.set_width(to, 32);
            }
            return Some(to);
        }
        match op {
            Vec2::Bic => self.sse3(PANDN, to, b, a),
            Vec2::Orn => {
                self.sse_const(PXOR, Xmm(0), b, u128::MAX);
                self.sse3(POR, to, a, Xmm(0));
            }
            Vec2::Cmge => {
                self.sse3(of_lane(lane, GT)?, Xmm(0), b, a);
                self.sse_const(PXOR, to, Xmm(0), u128::MAX);
            }
            Vec2::Cmhs | Vec2::Cmhi if lane == Lane::D => {
                let flip = every(Lane::D, 1 << 63);
                let (a, b) = if op == Vec2::Cmhi { (a, b) } else { (b, a) };
                self.sse_const(PXOR, Xmm(0), a, flip);
                self.sse_const(PXOR, Xmm(1), b, flip);
                self.sse3(of_lane(lane, GT)?, to, Xmm(0), Xmm(1));
                if op == Vec2::Cmhs {
                    self.sse_const(PXOR, to, to, u128::MAX);
                }
            }
            // a >= b if a is the greater of both; a > b unless b >= a.
            Vec2::Cmhs => {
                self.sse3(of_lane(lane, UMAX)?, Xmm(0), a, b);
                self.sse3(of_lane(lane, EQ)?, to, Xmm(0), a);
            }
            Vec2::Cmhi => {
                self.sse3(of_lane(lane, UMAX)?, Xmm(0), a, b);
                self.sse3(of_lane(lane, EQ)?, to, Xmm(0), b);
                self.sse_const(PXOR, to, to, u128::MAX);
            }
            Vec2::Cmtst => {
                self.put_vector(Xmm(1), Vector::Imm(0));
                self.sse3(PAND, Xmm(0), a, b);
                self.sse3(of_lane(lane, EQ)?, to, Xmm(0), Xmm(1));
                self.sse_const(PXOR, to, to, u128::MAX);
            }
            Vec2::Uabd if lane == Lane::B => {
                self.sse3(op66(0xd8), Xmm(0), a, b);
                self.sse3(op66(0xd8), to, b, a);
                self.sse3(POR, to, to, Xmm(0));
            }
            Vec2::Zip2 | Vec2::Uzp1 | Vec2::Uzp2 | Vec2::Trn1 | Vec2::Trn2 => self.permute(op, arr, to, a, b),
            Vec2::Addp | Vec2::Smaxp | Vec2::Umaxp | Vec2::Sminp | Vec2::Uminp => {
                let fold = match op {
                    Vec2::Addp => of_lane(lane, ADD),
                    Vec2::Smaxp => of_lane(lane, SMAX),
                    Vec2::Umaxp => of_lane(lane, UMAX),
                    Vec2::Sminp => of_lane(lane, SMIN),
                    _ => of_lane(lane, UMIN),
                }?;
                self.permute(Vec2::Uzp1, arr, Xmm(1), a, b);
                self.permute(Vec2::Uzp2, arr, Xmm(2), a, b);
                self.sse3(fold, to, Xmm(1), Xmm(2));
            }
            Vec2::Aese | Vec2::Aesd => return None,
            _ => return None,
        }
        Some(to)
    }

    pub(super) fn permute(&mut self, op: Vec2, arr: Arr, to: Xmm, a: Xmm, b: Xmm) {
        let bytes = arr.lane.bytes() as usize;
        let (lanes, half) = (usize::from(arr.count), (usize::from(arr.count) / 2).max(1));
        // Where result lane `i` comes from: which operand, and which lane of it.
        let source = |i: usize| match op {
            Vec2::Zip1 => (i % 2, i / 2),
            Vec2::Zip2 => (i % 2, half + i / 2),
            Vec2::Uzp1 => (i / half, i % half * 2),
            Vec2::Uzp2 => (i / half, i % half * 2 + 1),
            Vec2::Trn1 => (i % 2, i / 2 * 2),
            _ => (i % 2, i / 2 * 2 + 1),
        };
        let bytes = std::array::from_fn(|byte| {
            let lane = byte / bytes;
            if lane >= lanes {
                return 32;
            }
            let (operand, from) = source(lane);
            (operand * 16 + from * bytes + byte % bytes) as u8
        });
        self.shuffle(to, a, b, bytes);
    }

    /// Products and absolute differences of 64-bit operands, lanes twice as wide.
    fn vec2_long(&mut self, op: Vec2, arr: Arr, a: Vector, b: Vector) -> Option<Vector> {
        let product = matches!(op, Vec2::Smull | Vec2::Umull);
        let difference = matches!(op, Vec2::Sabdl | Vec2::Uabdl) && matches!(arr.lane, Lane::B | Lane::H);
        if arr.bits() != 64 || matches!(arr.lane, Lane::D | Lane::Q) || !(product || difference) {
            return None;
        }
        let (a, b) = (self.xmm(a), self.xmm(b));
        let to = self.new_xmm();
        let unsigned = matches!(op, Vec2::Umull | Vec2::Uabdl);
        if arr.lane == Lane::S {
            self.sse_imm(op66(0x70), Xmm(0), a, 0x50);
            self.sse_imm(op66(0x70), Xmm(1), b, 0x50);
            self.sse3(if unsigned { op66(0xf4) } else { op38(0x28) }, to, Xmm(0), Xmm(1));
            return Some(Vector::Reg(to));
        }
        let bytes = arr.lane == Lane::B;
        let widen = op38(if bytes { 0x20 } else { 0x23 } + if unsigned { 0x10 } else { 0 });
        self.sse(widen, Xmm(0), a);
        self.sse(widen, Xmm(1), b);
        match (product, bytes) {
            (true, true) => self.sse3(op66(0xd5), to, Xmm(0), Xmm(1)),
            (true, false) => self.sse3(op38(0x40), to, Xmm(0), Xmm(1)),
            (false, _) => {
                self.sse3(if bytes { op66(0xf9) } else { op66(0xfa) }, Xmm(0), Xmm(0), Xmm(1));
                self.sse(if bytes { op38(0x1d) } else { op38(0x1e) }, to, Xmm(0));
            }
        }
        Some(Vector::Reg(to))
    }

    pub(super) fn emit_vec3(&mut self, op: Vec3, arr: Arr, a: Vector, b: Vector, c: Vector) -> Vector {
        match op {
            Vec3::Bsl => {
                let (a, b, c) = (self.xmm(a), self.xmm(b), self.xmm(c));
                let to = self.new_xmm();
                self.sse3(PAND, Xmm(0), b, a);
                self.sse3(PANDN, to, a, c);
                self.sse3(POR, to, to, Xmm(0));
                self.clear_above(arr, to)
            }
            Vec3::Mla | Vec3::Mls if matches!(arr.lane, Lane::H | Lane::S) => {
                let (a, b, c) = (self.xmm(a), self.xmm(b), self.xmm(c));
                let to = self.new_xmm();
                let narrow = arr.lane == Lane::H;
                self.sse3(if narrow { op66(0xd5) } else { op38(0x40) }, Xmm(0), b, c);
                let fold = match (op, narrow) {
                    (Vec3::Mla, true) => op66(0xfd),
                    (Vec3::Mla, false) => op66(0xfe),
                    (_, true) => op66(0xf9),
                    (_, false) => op66(0xfa),
                };
                self.sse3(fold, to, a, Xmm(0));
                self.clear_above(arr, to)
            }
            _ => {
                if op == Vec3::Fmla
                    && let Some(result) = self.vec_mul_add(arr, a, b, c)
                {
                    return result;
                }
                let args = [(op as u64).into(), encode_arr(arr).into(), a.into(), b.into(), c.into()];
                self.vector_helper(Helper::Vec3, &args)
            }
        }
    }

    pub(super) fn emit_shift(&mut self, op: VecShift, arr: Arr, amount: u8, a: Vector) -> Vector {
        match self.native_shift(op, arr, amount, a) {
            Some(result) => result,
            None => {
                let args = [(op as u64).into(), encode_arr(arr).into(), u64::from(amount).into(), a.into()];
                self.vector_helper(Helper::VecShift, &args)
            }
        }
    }

    fn native_shift(&mut self, op: VecShift, arr: Arr, amount: u8, a: Vector) -> Option<Vector> {
        let bits = arr.lane.bits() as u8;
        if arr.lane == Lane::Q {
            return None;
        }
        let a = self.xmm(a);
        if op == VecShift::Shrn {
            return arr.is_full().then(|| self.pack(arr, amount, a));
        }
        let to = self.new_xmm();
        match (op, arr.lane) {
            (VecShift::Shl | VecShift::Ushr, Lane::B) => {
                let left = op == VecShift::Shl;
                self.sse_shift(0x71, if left { 6 } else { 2 }, to, a, amount);
                let mask = if left { 0xff << amount } else { 0xff >> amount };
                self.sse_const(PAND, to, to, every(Lane::B, mask & 0xff));
            }
            (VecShift::Shl, lane) => self.sse_shift(0x70 + lane as u8, 6, to, a, amount),
            (VecShift::Ushr, lane) => self.sse_shift(0x70 + lane as u8, 2, to, a, amount),
            (VecShift::Sshr, lane @ (Lane::H | Lane::S)) => {
                self.sse_shift(0x70 + lane as u8, 4, to, a, amount.min(bits - 1));
            }
            (VecShift::Sshr, Lane::D) if amount >= 63 => {
                self.put_vector(Xmm(0), Vector::Imm(0));
                self.sse3(op38(0x37), to, Xmm(0), a);
            }
            (VecShift::Sshr, Lane::B) => {
                // Shift as zeros, then extend the sign by exclusive or and subtraction.
                let amount = amount.min(7);
                let sign = every(Lane::B, 0x80 >> amount);
                self.sse_shift(0x71, 2, to, a, amount);
                self.sse_const(PAND, to, to, every(Lane::B, 0xff >> amount));
                self.sse_const(PXOR, to, to, sign);
                self.sse_const(op66(0xf8), to, to, sign);
            }
            _ => return None,
        }
        Some(self.clear_above(arr, to))
    }

    pub(super) fn emit_ext(&mut self, arr: Arr, index: u8, a: Vector, b: Vector) -> Vector {
        let (a, b) = (self.xmm(a), self.xmm(b));
        let to = self.new_xmm();
        let palignr = Op(0x66, MAP_3A, 0x0f);
        if arr.is_full() {
            self.sse3_imm(palignr, to, b, a, index);
        } else {
            self.sse3(PUNPCKLQDQ, Xmm(0), a, b);
            self.sse_shift(0x73, 3, to, Xmm(0), index);
        }
        self.clear_above(arr, to)
    }

    /// TBL and TBX: a byte shuffle for each register of the table.
    pub(super) fn emit_table(&mut self, arr: Arr, table: &[Vector], index: Vector, fallback: Vector) -> Vector {
        let index = self.xmm(index);
        let to = self.new_xmm();
        for (n, &register) in table.iter().enumerate() {
            let register = self.xmm(register);
            let mut local = index;
            if n > 0 {
                // Indices below this register wrap to large ones.
                self.sse_const(op66(0xf8), Xmm(1), index, every(Lane::B, 16 * n as u64));
                local = Xmm(1);
            }
            // PSHUFB gives zero where bit 7 is set: let 16 and up have it.
            self.sse_const(PADDUSB, Xmm(0), local, every(Lane::B, 0x70));
            if n == 0 {
                self.sse3(PSHUFB, to, register, Xmm(0));
            } else {
                self.sse3(PSHUFB, Xmm(2), register, Xmm(0));
                self.sse3(POR, to, to, Xmm(2));
            }
        }
        if fallback != Vector::Imm(0) {
            let fallback = self.xmm(fallback);
            self.sse_const(PMINUB, Xmm(0), index, every(Lane::B, 16 * table.len() as u64 - 1));
            self.sse3(op66(0x74), Xmm(0), Xmm(0), index);
            self.sse3(PANDN, Xmm(0), Xmm(0), fallback);
            self.sse3(POR, to, to, Xmm(0));
        }
        self.clear_above(arr, to)
    }
}
