//! Lane-wise floating point. One test covers all lanes; if a result is doubtful the helper computes all of them again.
//! Lanes outside an arrangement hold copies of lanes inside it, so that they raise nothing of their own.

use super::Emitter;
use super::asm::{Label, MAP_0F, MAP_3A, MAP_38, Op, Xmm};
use super::exits::Place;
use super::fp::round_mode;
use super::value::{Arg, Number, Val, Vector};
use super::vector_moves::every;
use crate::abi::helpers::{Helper, encode_arr, encode_fp_int};
use ir::{Arr, Fp1, FpInt, FpSize, Lane, Rounding, Vec1, Vec2, Vec3, Width};

const PAND: Op = Op(0x66, MAP_0F, 0xdb);
const PANDN: Op = Op(0x66, MAP_0F, 0xdf);
const POR: Op = Op(0x66, MAP_0F, 0xeb);
const PXOR: Op = Op(0x66, MAP_0F, 0xef);
const UNORDERED: u8 = 3;

fn size_of(lane: Lane) -> Option<FpSize> {
    match lane {
        Lane::S => Some(FpSize::S),
        Lane::D => Some(FpSize::D),
        _ => None,
    }
}

/// The packed instruction of the lane size.
fn packed(lane: Lane, opcode: u8) -> Op {
    Op(if lane == Lane::D { 0x66 } else { 0 }, MAP_0F, opcode)
}

const fn sign(lane: Lane) -> u64 {
    1 << (lane.bits() - 1)
}

fn scalar_round(op: Vec1) -> Option<Fp1> {
    Some(match op {
        Vec1::Frintn => Fp1::Frintn,
        Vec1::Frintm => Fp1::Frintm,
        Vec1::Frintp => Fp1::Frintp,
        Vec1::Frintz => Fp1::Frintz,
        Vec1::Frinti => Fp1::Frinti,
        Vec1::Frintx => Fp1::Frintx,
        _ => return None,
    })
}

impl Emitter {
    /// The operand with lanes outside the arrangement replaced by lanes inside it; `scratch` may hold it.
    fn filled(&mut self, arr: Arr, a: Xmm, scratch: Xmm) -> Xmm {
        match arr.bits() {
            128 => return a,
            64 => self.sse3(Op(0x66, MAP_0F, 0x6c), scratch, a, a),
            _ => self.sse_imm(Op(0x66, MAP_0F, 0x70), scratch, a, 0),
        }
        scratch
    }

    /// Jumps if a lane of a result is a NaN or, if it may be `tiny`, the smallest normal number.
    fn jump_if_doubtful(&mut self, lane: Lane, result: Xmm, tiny: bool, to: Label) {
        self.sse3_imm(packed(lane, 0xc2), Xmm(0), result, result, UNORDERED);
        if tiny {
            let (equal, smallest) = match lane {
                Lane::D => (Op(0x66, MAP_38, 0x29), 1 << 52),
                _ => (Op(0x66, MAP_0F, 0x76), 1 << 23),
            };
            self.sse_const(PAND, Xmm(1), result, every(lane, sign(lane) - 1));
            self.sse_const(equal, Xmm(1), Xmm(1), every(lane, smallest));
            self.sse3(POR, Xmm(0), Xmm(0), Xmm(1));
        }
        self.jump_if_any(Xmm(0), to);
    }

    fn jump_if_unordered(&mut self, lane: Lane, x: Xmm, y: Xmm, to: Label) {
        self.sse3_imm(packed(lane, 0xc2), Xmm(0), x, y, UNORDERED);
        self.jump_if_any(Xmm(0), to);
    }

    pub(super) fn vec2_fp(&mut self, op: Vec2, arr: Arr, a: Vector, b: Vector) -> Option<Vector> {
        let size = size_of(arr.lane)?;
        let (a, b) = (self.xmm(a), self.xmm(b));
        if let (1, Some(op)) = (arr.count, op.as_scalar()) {
            let result = self.emit_fp2(op, size, Number::Reg(a), Number::Reg(b));
            return Some(self.number_vector(size, result));
        }
        let pairs = matches!(op, Vec2::Faddp | Vec2::Fmaxp | Vec2::Fminp | Vec2::Fmaxnmp | Vec2::Fminnmp);
        let opcode = match op {
            Vec2::Fadd | Vec2::Faddp => 0x58,
            Vec2::Fsub | Vec2::Fabd => 0x5c,
            Vec2::Fmul | Vec2::Fnmul => 0x59,
            Vec2::Fdiv => 0x5e,
            Vec2::Fmax | Vec2::Fmaxnm | Vec2::Fmaxp | Vec2::Fmaxnmp => 0x5f,
            Vec2::Fmin | Vec2::Fminnm | Vec2::Fminp | Vec2::Fminnmp => 0x5d,
            Vec2::Fcmeq | Vec2::Fcmge | Vec2::Fcmgt | Vec2::Facge | Vec2::Facgt => 0xc2,
            _ => return None,
        };
        let to = self.new_xmm();
        let args = [(op as u64).into(), encode_arr(arr).into(), Vector::Reg(a).into(), Vector::Reg(b).into()];
        let (at, back) = self.helper_aside(Helper::Vec2, &args, Place::Xmm(to));
        let (mut x, mut y) = (Xmm(3), Xmm(4));
        if pairs {
            self.permute(Vec2::Uzp1, arr, x, a, b);
            self.permute(Vec2::Uzp2, arr, y, a, b);
        } else {
            (x, y) = (self.filled(arr, a, x), self.filled(arr, b, y));
        }
        match opcode {
            0x5f | 0x5d => self.vec_extreme(arr.lane, opcode, to, x, y, at),
            0xc2 => {
                self.jump_if_unordered(arr.lane, x, y, at);
                if matches!(op, Vec2::Facge | Vec2::Facgt) {
                    let magnitude = every(arr.lane, sign(arr.lane) - 1);
                    self.sse_const(PAND, Xmm(3), x, magnitude);
                    self.sse_const(PAND, Xmm(4), y, magnitude);
                    (x, y) = (Xmm(3), Xmm(4));
                }
                // Equal 0; y < x is 1, y <= x is 2.
                match op {
                    Vec2::Fcmeq => self.sse3_imm(packed(arr.lane, 0xc2), to, x, y, 0),
                    Vec2::Fcmge | Vec2::Facge => self.sse3_imm(packed(arr.lane, 0xc2), to, y, x, 2),
                    _ => self.sse3_imm(packed(arr.lane, 0xc2), to, y, x, 1),
                }
            }
            _ => {
                self.sse3(packed(arr.lane, opcode), to, x, y);
                match op {
                    Vec2::Fnmul => self.sse_const(PXOR, to, to, every(arr.lane, sign(arr.lane))),
                    Vec2::Fabd => self.sse_const(PAND, to, to, every(arr.lane, sign(arr.lane) - 1)),
                    _ => {}
                }
                let tiny = matches!(op, Vec2::Fmul | Vec2::Fnmul | Vec2::Fdiv);
                self.jump_if_doubtful(arr.lane, to, tiny, at);
            }
        }
        self.asm.bind(back);
        Some(self.clear_above(arr, to))
    }

    /// The greater or lesser lanes of numbers, -0 below +0.
    fn vec_extreme(&mut self, lane: Lane, opcode: u8, to: Xmm, x: Xmm, y: Xmm, unordered: Label) {
        self.jump_if_unordered(lane, x, y, unordered);
        // Where they are equal they are the same, or zeros whose signs matter.
        self.sse3_imm(packed(lane, 0xc2), Xmm(0), x, y, 0);
        self.sse3(if opcode == 0x5f { PAND } else { POR }, Xmm(1), x, y);
        self.sse3(PAND, Xmm(1), Xmm(1), Xmm(0));
        self.sse3(packed(lane, opcode), Xmm(2), x, y);
        self.sse3(PANDN, to, Xmm(0), Xmm(2));
        self.sse3(POR, to, to, Xmm(1));
    }

    pub(super) fn vec1_fp(&mut self, op: Vec1, arr: Arr, a: Vector) -> Option<Vector> {
        size_of(arr.lane)?;
        let a = self.xmm(a);
        let args = [(op as u64).into(), encode_arr(arr).into(), Vector::Reg(a).into()];
        match op {
            Vec1::Fabs | Vec1::Fneg => {
                let to = self.new_xmm();
                if op == Vec1::Fabs {
                    self.sse_const(PAND, to, a, every(arr.lane, sign(arr.lane) - 1));
                } else {
                    self.sse_const(PXOR, to, a, every(arr.lane, sign(arr.lane)));
                }
                Some(self.clear_above(arr, to))
            }
            Vec1::Fsqrt | Vec1::Frintn | Vec1::Frintm | Vec1::Frintp | Vec1::Frintz | Vec1::Frinti | Vec1::Frintx => {
                let to = self.new_xmm();
                let (at, back) = self.helper_aside(Helper::Vec1, &args, Place::Xmm(to));
                let x = self.filled(arr, a, Xmm(3));
                match scalar_round(op).and_then(round_mode) {
                    Some(mode) => {
                        let opcode = if arr.lane == Lane::D { 0x09 } else { 0x08 };
                        self.sse_imm(Op(0x66, MAP_3A, opcode), to, x, mode);
                    }
                    None => self.sse(packed(arr.lane, 0x51), to, x),
                }
                self.jump_if_doubtful(arr.lane, to, false, at);
                self.asm.bind(back);
                Some(self.clear_above(arr, to))
            }
            Vec1::Fcvtl if arr.lane == Lane::S && arr.count == 2 => {
                let to = self.new_xmm();
                let (at, back) = self.helper_aside(Helper::Vec1, &args, Place::Xmm(to));
                self.sse(packed(Lane::S, 0x5a), to, a);
                self.jump_if_doubtful(Lane::D, to, false, at);
                self.asm.bind(back);
                Some(Vector::Reg(to))
            }
            Vec1::Fcvtn if arr.lane == Lane::D && arr.is_full() => {
                let to = self.new_xmm();
                let (at, back) = self.helper_aside(Helper::Vec1, &args, Place::Xmm(to));
                self.sse(packed(Lane::D, 0x5a), to, a);
                self.jump_if_doubtful(Lane::S, to, true, at);
                self.asm.bind(back);
                self.regs.set_width(to, 64);
                Some(Vector::Reg(to))
            }
            _ => None,
        }
    }

    pub(super) fn vec_mul_add(&mut self, arr: Arr, addend: Vector, a: Vector, b: Vector) -> Option<Vector> {
        size_of(arr.lane)?;
        if !self.host.fma {
            return None;
        }
        let (z, x, y) = (self.xmm(addend), self.xmm(a), self.xmm(b));
        let to = self.new_xmm();
        let operands = [z, x, y].map(|r| Arg::Vector(Vector::Reg(r)));
        let args = [(Vec3::Fmla as u64).into(), encode_arr(arr).into(), operands[0], operands[1], operands[2]];
        let (at, back) = self.helper_aside(Helper::Vec3, &args, Place::Xmm(to));
        let z = self.filled(arr, z, to);
        self.move_xmm(to, z);
        let (x, y) = (self.filled(arr, x, Xmm(3)), self.filled(arr, y, Xmm(4)));
        self.asm.vex(Op(0x66, MAP_38, 0xb8), arr.lane == Lane::D, to.0, x.0, y.into());
        self.jump_if_doubtful(arr.lane, to, true, at);
        self.asm.bind(back);
        Some(self.clear_above(arr, to))
    }

    pub(super) fn emit_vec_fp_to_int(&mut self, how: FpInt, arr: Arr, a: Vector) -> Vector {
        let args = [encode_fp_int(how).into(), encode_arr(arr).into(), a.into()];
        let Some(size) = size_of(arr.lane) else { return self.vector_helper(Helper::VecFpToInt, &args) };
        if arr.count == 1 {
            let width = if arr.lane == Lane::S { Width::W } else { Width::X };
            let a = self.xmm(a);
            let integer = self.emit_fp_to_int(how, size, width, Number::Reg(a));
            return self.number_vector(size, Number::Bits(integer));
        }
        if how.rounding != Rounding::Z || how.fbits != 0 || arr.lane == Lane::D {
            return self.vector_helper(Helper::VecFpToInt, &args);
        }
        let a = self.xmm(a);
        let to = self.new_xmm();
        let args = [args[0], args[1], Vector::Reg(a).into()];
        let (at, back) = self.helper_aside(Helper::VecFpToInt, &args, Place::Xmm(to));
        let x = self.filled(arr, a, Xmm(3));
        // In range if the magnitude is below 2^31; unsigned ones need a clear sign too: as integers, negative ones are
        // below zero.
        if how.signed {
            self.sse_const(PAND, Xmm(0), x, every(Lane::S, 0x7fff_ffff));
            self.sse_const(Op(0x66, MAP_0F, 0x66), Xmm(0), Xmm(0), every(Lane::S, 0x4eff_ffff));
        } else {
            self.sse_const(Op(0x66, MAP_0F, 0x66), Xmm(0), x, every(Lane::S, 0x4eff_ffff));
            self.sse3(POR, Xmm(0), Xmm(0), x);
        }
        // MOVMSKPS looks at sign bits only.
        self.jump_if_any(Xmm(0), at);
        self.sse(Op(0xf3, MAP_0F, 0x5b), to, x);
        self.asm.bind(back);
        self.clear_above(arr, to)
    }

    pub(super) fn emit_vec_int_to_fp(&mut self, how: FpInt, arr: Arr, a: Vector) -> Vector {
        let args = [encode_fp_int(how).into(), encode_arr(arr).into(), a.into()];
        let Some(size) = size_of(arr.lane) else { return self.vector_helper(Helper::VecIntToFp, &args) };
        if arr.count == 1 {
            let width = if arr.lane == Lane::S { Width::W } else { Width::X };
            let integer = self.emit_lane(arr.lane, 0, a);
            let number = self.emit_int_to_fp(how, size, width, integer);
            return self.number_vector(size, number);
        }
        let a = self.xmm(a);
        match arr.lane {
            Lane::S if how.signed && how.fbits == 0 => {
                let to = self.new_xmm();
                let x = self.filled(arr, a, Xmm(3));
                self.sse(Op(0, MAP_0F, 0x5b), to, x);
                self.clear_above(arr, to)
            }
            Lane::D => {
                let halves = [0, 1].map(|i| {
                    let integer: Val = self.emit_lane(Lane::D, i, Vector::Reg(a));
                    let number = self.emit_int_to_fp(how, FpSize::D, Width::X, integer);
                    self.number_vector(FpSize::D, number)
                });
                self.emit_join_halves(halves[0], halves[1])
            }
            _ => self.vector_helper(Helper::VecIntToFp, &args),
        }
    }
}
