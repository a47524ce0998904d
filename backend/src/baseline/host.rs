//! The host's vector operations as instructions, for the expansions of `lower`. Every x86-64 processor that emu runs on
//! has SSE4.2; with AVX the same instructions have three operands.

use super::asm::{MAP_0F, MAP_3A, Op};
use super::exits::{Call, Place};
use super::expansion::{Expansion, Temp, What};
use super::fp::round_mode;
use super::value::{Number, Vector};
use super::vector::{MOVQ, PAND, POR, PSHUFB, PXOR, op38, op66};
use crate::lower::callee::Callee;
use crate::lower::facts::{every, min_normal, sign_bit};
use crate::lower::host::{Binary, Float, FloatCompare, Half, Host, Shift};
use crate::lower::shuffles::{Byte, permuted};
use ir::{Arr, Fp1, Fp2, FpInt, FpSize, Lane, Vec2, Width};

const PANDN: Op = op66(0xdf);
const PSHUFD: Op = op66(0x70);
const SHUFPS: Op = Op(0, MAP_0F, 0xc6);
const PALIGNR: Op = Op(0x66, MAP_3A, 0x0f);
const PBLENDW: Op = Op(0x66, MAP_3A, 0x0e);
const CMPPS: u8 = 0xc2;
const UNPACK_LOW: [Op; 4] = [op66(0x60), op66(0x61), op66(0x62), op66(0x6c)];
const UNPACK_HIGH: [Op; 4] = [op66(0x68), op66(0x69), op66(0x6a), op66(0x6d)];
const EQ: [Op; 4] = [op66(0x74), op66(0x75), op66(0x76), op38(0x29)];
const GT: [Op; 4] = [op66(0x64), op66(0x65), op66(0x66), op38(0x37)];
const UMAX: [Op; 3] = [op66(0xde), op38(0x3e), op38(0x3f)];
/// No byte.
const ZERO: u8 = 0x80;

/// The instruction that does the same, if there is one.
fn instruction(op: Binary, lane: Lane) -> Option<Op> {
    let by_lane: &[Op] = match op {
        Binary::And => return Some(PAND),
        Binary::Or => return Some(POR),
        Binary::Xor => return Some(PXOR),
        Binary::Add => &[op66(0xfc), op66(0xfd), op66(0xfe), op66(0xd4)],
        Binary::Sub => &[op66(0xf8), op66(0xf9), op66(0xfa), op66(0xfb)],
        Binary::Mul if lane == Lane::H => return Some(op66(0xd5)),
        Binary::Mul if lane == Lane::S => return Some(op38(0x40)),
        Binary::Smax => &[op38(0x3c), op66(0xee), op38(0x3d)],
        Binary::Umax => &UMAX,
        Binary::Smin => &[op38(0x38), op66(0xea), op38(0x39)],
        Binary::Umin => &[op66(0xda), op38(0x3a), op38(0x3b)],
        Binary::AddSigned => &[op66(0xec), op66(0xed)],
        Binary::AddUnsigned => &[op66(0xdc), op66(0xdd)],
        Binary::SubSigned => &[op66(0xe8), op66(0xe9)],
        Binary::SubUnsigned => &[op66(0xd8), op66(0xd9)],
        Binary::Average => &[op66(0xe0), op66(0xe3)],
        Binary::MulHighRound if lane == Lane::H => return Some(op38(0x0b)),
        Binary::Eq => &EQ,
        Binary::Gt => &GT,
        _ => return None,
    };
    by_lane.get(lane as usize).copied()
}

const fn is_commutative(op: Binary) -> bool {
    !matches!(
        op,
        Binary::AndNot
            | Binary::Sub
            | Binary::SubSigned
            | Binary::SubUnsigned
            | Binary::Gt
            | Binary::Ge
            | Binary::Hi
            | Binary::Hs
    )
}

/// The packed instruction of the format.
fn packed(lane: Lane, opcode: u8) -> Op {
    Op(if lane == Lane::D { 0x66 } else { 0 }, MAP_0F, opcode)
}

/// The words that bytes come from, as PSHUFD wants them, if they stay together.
fn words(bytes: [u8; 16]) -> Option<u8> {
    (0..4).try_fold(0, |all, word| {
        let first = bytes[4 * word];
        let stays = first.is_multiple_of(4) && (1..4).all(|i| bytes[4 * word + i] == first + i as u8);
        stays.then_some(all | (first % 16 / 4) << (2 * word))
    })
}

impl Expansion<'_> {
    fn complement(&mut self, a: Temp) -> Temp {
        let ones = self.constant(u128::MAX);
        self.two(PXOR, a, ones)
    }

    /// Of one vector.
    fn move_bytes(&mut self, a: Temp, bytes: [u8; 16]) -> Temp {
        let is = |wanted: &dyn Fn(u8) -> u8| (0..16).all(|i| bytes[usize::from(i)] == wanted(i));
        if is(&|i| i) {
            return a;
        }
        if is(&|i| if i < 8 { i } else { ZERO }) {
            let result = self.one(MOVQ, a);
            self.set_width(result, 64);
            return result;
        }
        for n in 1..16 {
            if is(&|i| if i + n < 16 { i + n } else { ZERO }) {
                return self.push(What::Shifted { opcode: 0x73, which: 3, amount: n, a }, 128 - 8 * u32::from(n));
            }
            if is(&|i| if i < n { ZERO } else { i - n }) {
                return self.push(What::Shifted { opcode: 0x73, which: 7, amount: n, a }, 128);
            }
        }
        if let Some(order) = words(bytes) {
            return self.one_imm(PSHUFD, a, order);
        }
        let mask = self.constant(u128::from_le_bytes(bytes));
        self.two(PSHUFB, a, mask)
    }

    /// Of two vectors, by one instruction, if there is one. Bytes 16 and up are of the second.
    fn mix_bytes(&mut self, a: Temp, b: Temp, bytes: [u8; 16]) -> Option<Temp> {
        for (a, b, bytes) in [(a, b, bytes), (b, a, bytes.map(|i| i ^ 16))] {
            let index = |byte| match byte {
                Byte::A(at) => at,
                Byte::B(at) => 16 + at,
                Byte::Zero => ZERO,
            };
            for lane in [Lane::D, Lane::S, Lane::H, Lane::B] {
                for (op, opcodes) in [(Vec2::Zip1, UNPACK_LOW), (Vec2::Zip2, UNPACK_HIGH)] {
                    if (0..16).all(|i| bytes[i] == index(permuted(op, Arr::vector(lane, true), i))) {
                        return Some(self.two(opcodes[lane as usize], a, b));
                    }
                }
            }
            if (0..16).all(|i| bytes[i] == bytes[0] + i as u8) {
                return Some(self.two_imm(PALIGNR, b, a, bytes[0]));
            }
            if (0..16).all(|i| bytes[i] & 15 == i as u8 && bytes[i] >> 4 == bytes[i & !1] >> 4) {
                let from_b = (0..8).fold(0, |all, i| all | (bytes[2 * i] >> 4) << i);
                return Some(self.two_imm(PBLENDW, a, b, from_b));
            }
            if let Some(order) = words(bytes)
                && (0..16).all(|i| (bytes[i] < 16) == (i < 8))
            {
                return Some(self.two_imm(SHUFPS, a, b, order));
            }
        }
        None
    }

    /// The magnitudes of numbers.
    fn magnitudes(&mut self, lane: Lane, a: Temp) -> Temp {
        let positive = self.constant(every(lane, sign_bit(lane) - 1));
        self.two(PAND, a, positive)
    }

    /// A number in the lowest lane.
    fn number(&mut self, a: Temp) -> Number {
        let vector = self.operand(a);
        Number::Reg(self.emitter.xmm(vector))
    }
}

impl Host for Expansion<'_> {
    type V = Temp;

    fn constant(&mut self, value: u128) -> Temp {
        self.vector(Vector::Imm(value))
    }
    fn constant_of(&self, a: Temp) -> Option<u128> {
        if let What::Constant(value) = self.what(a) { Some(value) } else { None }
    }

    fn significant_bits(&self, a: Temp) -> u32 {
        self.width(a)
    }
    fn note_zero_above(&mut self, bits: u32, a: Temp) -> Temp {
        let width = self.width(a).min(bits);
        self.set_width(a, width);
        a
    }
    fn clear_above(&mut self, arr: Arr, a: Temp) -> Temp {
        let bits = arr.bits();
        if self.width(a) <= bits {
            return a;
        }
        if bits == 64 {
            let result = self.one(MOVQ, a);
            return self.note_zero_above(64, result);
        }
        let mask = self.constant(u128::MAX >> (128 - bits));
        self.binary(Binary::And, Lane::B, a, mask)
    }

    fn binary(&mut self, op: Binary, lane: Lane, a: Temp, b: Temp) -> Temp {
        if is_commutative(op) && self.constant_of(a).is_some() && self.constant_of(b).is_none() {
            return self.binary(op, lane, b, a);
        }
        match op {
            Binary::Xor | Binary::Sub if a == b => return self.constant(0),
            Binary::And | Binary::Or if a == b => return a,
            _ => {}
        }
        let (width_a, width_b) = (self.width(a), self.width(b));
        if let Some(instruction) = instruction(op, lane) {
            let result = self.two(instruction, a, b);
            let width = match op {
                Binary::And => width_a.min(width_b),
                Binary::Or | Binary::Xor => width_a.max(width_b),
                _ => 128,
            };
            return self.note_zero_above(width, result);
        }
        match op {
            Binary::AndNot => {
                let result = self.two(PANDN, b, a);
                self.note_zero_above(width_a, result)
            }
            Binary::Ne => {
                let equal = self.binary(Binary::Eq, lane, a, b);
                self.complement(equal)
            }
            Binary::Ge => {
                let less = self.binary(Binary::Gt, lane, b, a);
                self.complement(less)
            }
            Binary::Hi | Binary::Hs if lane == Lane::D => {
                let flip = self.constant(every(lane, sign_bit(lane)));
                let (a, b) = (self.two(PXOR, a, flip), self.two(PXOR, b, flip));
                self.binary(if op == Binary::Hi { Binary::Gt } else { Binary::Ge }, lane, a, b)
            }
            // a >= b if a is the greater of both; a > b unless b is.
            Binary::Hs => {
                let greater = self.binary(Binary::Umax, lane, a, b);
                self.binary(Binary::Eq, lane, greater, a)
            }
            Binary::Hi => {
                let is_not = self.binary(Binary::Hs, lane, b, a);
                self.complement(is_not)
            }
            _ => unreachable!("{op:?} of {lane:?}: `Host` names no other lanes"),
        }
    }
    fn shift(&mut self, op: Shift, lane: Lane, amount: u8, a: Temp) -> Temp {
        let signed = op == Shift::SignedRight;
        if amount == 0 {
            return a;
        }
        if signed && lane == Lane::D && amount == 63 {
            let zero = self.constant(0);
            return self.binary(Binary::Gt, lane, zero, a);
        }
        if signed && matches!(lane, Lane::B | Lane::D) {
            // Shift as zeros, then extend the sign by exclusive or and subtraction.
            let shifted = self.shift(Shift::Right, lane, amount, a);
            let sign = self.constant(every(lane, sign_bit(lane) >> amount));
            let flipped = self.two(PXOR, shifted, sign);
            return self.binary(Binary::Sub, lane, flipped, sign);
        }
        let which = match op {
            Shift::Left => 6,
            Shift::Right => 2,
            Shift::SignedRight => 4,
        };
        if lane == Lane::B {
            let shifted = self.push(What::Shifted { opcode: 0x71, which, amount, a }, 128);
            let mask = if op == Shift::Left { 0xff << amount } else { 0xff >> amount };
            let mask = self.constant(every(lane, mask));
            return self.two(PAND, shifted, mask);
        }
        self.push(What::Shifted { opcode: 0x70 + lane as u8, which, amount, a }, 128)
    }
    fn select(&mut self, mask: Temp, yes: Temp, no: Temp) -> Temp {
        let yes = self.binary(Binary::And, Lane::B, yes, mask);
        let no = self.binary(Binary::AndNot, Lane::B, no, mask);
        self.binary(Binary::Or, Lane::B, no, yes)
    }
    fn abs(&mut self, lane: Lane, a: Temp) -> Temp {
        if lane != Lane::D {
            return self.one(op38(0x1c + lane as u8), a);
        }
        let zero = self.constant(0);
        let negative = self.binary(Binary::Gt, lane, zero, a);
        let flipped = self.two(PXOR, a, negative);
        self.binary(Binary::Sub, lane, flipped, negative)
    }
    fn count_bits(&mut self, a: Temp) -> Temp {
        const COUNTS: u128 = 0x0403_0302_0302_0201_0302_0201_0201_0100;
        let low = self.constant(every(Lane::B, 0x0f));
        let low_bits = self.two(PAND, a, low);
        let high_bits = self.push(What::Shifted { opcode: 0x71, which: 2, amount: 4, a }, 128);
        let high_bits = self.two(PAND, high_bits, low);
        let counts = self.constant(COUNTS);
        let counts = self.in_register(counts);
        let (low, high) = (self.two(PSHUFB, counts, low_bits), self.two(PSHUFB, counts, high_bits));
        self.binary(Binary::Add, Lane::B, low, high)
    }
    fn add_pairs(&mut self, lane: Lane, a: Temp, b: Temp) -> Temp {
        self.two(if lane == Lane::H { op38(0x01) } else { op38(0x02) }, a, b)
    }
    fn add_pairs_long(&mut self, lane: Lane, signed: bool, a: Temp) -> Temp {
        let ones = self.constant(every(lane, 1));
        match (lane, signed) {
            (Lane::S, _) => {
                let [even, odd] = [0x88, 0xdd].map(|order| {
                    let lanes = self.one_imm(PSHUFD, a, order);
                    self.widen(lane, signed, Half::Low, lanes)
                });
                self.binary(Binary::Add, Lane::D, even, odd)
            }
            // PMADDUBSW: the unsigned operand first.
            (Lane::B, true) => self.two(op38(0x04), ones, a),
            (Lane::B, false) => self.two(op38(0x04), a, ones),
            (_, true) => self.two(op66(0xf5), a, ones),
            (_, false) => {
                let odd = self.shift(Shift::Right, Lane::S, 16, a);
                let low = self.constant(every(Lane::S, 0xffff));
                let even = self.two(PAND, a, low);
                self.binary(Binary::Add, Lane::S, even, odd)
            }
        }
    }
    fn sum_bytes(&mut self, a: Temp) -> Option<Temp> {
        let zero = self.constant(0);
        Some(self.two(op66(0xf6), a, zero))
    }

    fn shuffle(&mut self, a: Temp, b: Temp, bytes: [Byte; 16]) -> Temp {
        let of_a = bytes.map(|byte| match byte {
            Byte::A(at) => at,
            Byte::B(at) if a == b => at,
            _ => ZERO,
        });
        let of_b = bytes.map(|byte| match byte {
            Byte::B(at) if a != b => at,
            _ => ZERO,
        });
        let none = [ZERO; 16];
        if of_b == none {
            return self.move_bytes(a, of_a);
        }
        if of_a == none {
            return self.move_bytes(b, of_b);
        }
        if !bytes.contains(&Byte::Zero) {
            let both = std::array::from_fn(|i| if of_a[i] == ZERO { 16 + of_b[i] } else { of_a[i] });
            if let Some(result) = self.mix_bytes(a, b, both) {
                return result;
            }
        }
        let [mask_a, mask_b] = [of_a, of_b].map(|mask| self.constant(u128::from_le_bytes(mask)));
        let (from_a, from_b) = (self.two(PSHUFB, a, mask_a), self.two(PSHUFB, b, mask_b));
        self.two(POR, from_a, from_b)
    }
    fn look_up(&mut self, a: Temp, index: Temp) -> Temp {
        // PSHUFB gives zero where bit 7 is set: let 16 and up have it.
        let above = self.constant(every(Lane::B, 0x70));
        let index = self.binary(Binary::AddUnsigned, Lane::B, index, above);
        self.two(PSHUFB, a, index)
    }
    fn widen(&mut self, lane: Lane, signed: bool, half: Half, a: Temp) -> Temp {
        let a = if half == Half::High { self.one_imm(PSHUFD, a, 0xee) } else { a };
        let opcode = [0x20, 0x23, 0x25][lane as usize] + if signed { 0 } else { 0x10 };
        self.one(op38(opcode), a)
    }
    fn multiply_long(&mut self, lane: Lane, signed: bool, a: Temp, b: Temp) -> Temp {
        match lane {
            Lane::B => {
                let [a, b] = [a, b].map(|operand| self.widen(lane, signed, Half::Low, operand));
                self.binary(Binary::Mul, Lane::H, a, b)
            }
            Lane::H => {
                let low = self.two(op66(0xd5), a, b);
                let high = self.two(if signed { op66(0xe5) } else { op66(0xe4) }, a, b);
                self.two(UNPACK_LOW[Lane::H as usize], low, high)
            }
            _ => {
                let [a, b] = [a, b].map(|operand| self.one_imm(PSHUFD, operand, 0x50));
                self.two(if signed { op38(0x28) } else { op66(0xf4) }, a, b)
            }
        }
    }
    fn pack_saturating(&mut self, lane: Lane, to_signed: bool, a: Temp) -> Temp {
        let op = match (lane, to_signed) {
            (Lane::H, true) => op66(0x63),
            (Lane::H, false) => op66(0x67),
            (_, true) => op66(0x6b),
            (_, false) => op38(0x2b),
        };
        let zero = self.constant(0);
        let result = self.two(op, a, zero);
        self.note_zero_above(64, result)
    }

    /// Blocks are not emitted while FPCR.FZ is set.
    fn computes_floats(&self) -> bool {
        true
    }
    fn fuses(&self) -> bool {
        self.emitter.host.fma
    }
    fn float(&mut self, op: Float, lane: Lane, a: Temp, b: Temp) -> Temp {
        let opcode = match op {
            Float::Add => 0x58,
            Float::Sub => 0x5c,
            Float::Mul => 0x59,
            Float::Div => 0x5e,
        };
        self.two(packed(lane, opcode), a, b)
    }
    fn float_compare(&mut self, op: FloatCompare, lane: Lane, a: Temp, b: Temp) -> Temp {
        let compare = packed(lane, CMPPS);
        match op {
            FloatCompare::Eq => self.two_imm(compare, a, b, 0),
            FloatCompare::Gt => self.two_imm(compare, b, a, 1),
            FloatCompare::Ge => self.two_imm(compare, b, a, 2),
            FloatCompare::Unordered => self.two_imm(compare, a, b, 3),
        }
    }
    fn float_extreme(&mut self, greatest: bool, lane: Lane, a: Temp, b: Temp) -> Temp {
        // Where they are equal they are the same, or zeros whose signs matter.
        let equal = self.float_compare(FloatCompare::Eq, lane, a, b);
        let same = self.two(if greatest { PAND } else { POR }, a, b);
        let same = self.two(PAND, same, equal);
        let different = self.two(packed(lane, if greatest { 0x5f } else { 0x5d }), a, b);
        let different = self.two(PANDN, equal, different);
        self.two(POR, different, same)
    }
    fn sqrt(&mut self, lane: Lane, a: Temp) -> Temp {
        self.one(packed(lane, 0x51), a)
    }
    fn mul_add(&mut self, lane: Lane, addend: Temp, a: Temp, b: Temp) -> Temp {
        let (a, b) = (self.in_register(a), self.in_register(b));
        self.push(What::Fused { wide: lane == Lane::D, addend, a, b }, 128)
    }
    fn promote(&mut self, a: Temp) -> Temp {
        self.one(packed(Lane::S, 0x5a), a)
    }
    fn demote(&mut self, a: Temp) -> Temp {
        let result = self.one(packed(Lane::D, 0x5a), a);
        self.note_zero_above(64, result)
    }
    fn round(&mut self, op: Fp1, lane: Lane, a: Temp) -> Option<Temp> {
        let mode = round_mode(op)?;
        Some(self.one_imm(Op(0x66, MAP_3A, if lane == Lane::D { 0x09 } else { 0x08 }), a, mode))
    }
    fn truncate(&mut self, a: Temp) -> Temp {
        self.one(Op(0xf3, MAP_0F, 0x5b), a)
    }
    fn int_to_float(&mut self, signed: bool, a: Temp) -> Option<Temp> {
        signed.then(|| self.one(Op(0, MAP_0F, 0x5b), a))
    }

    fn number2(&mut self, op: Fp2, size: FpSize, a: Temp, b: Temp) -> Temp {
        let (a, b) = (self.number(a), self.number(b));
        let result = self.emitter.emit_fp2(op, size, a, b);
        let result = self.emitter.number_vector(size, result);
        self.vector(result)
    }
    fn numbers_to_int(&mut self, how: FpInt, arr: Arr, a: Temp) -> Option<Temp> {
        if arr.count > 1 {
            return None;
        }
        let (size, width) = if arr.lane == Lane::S { (FpSize::S, Width::W) } else { (FpSize::D, Width::X) };
        let number = self.number(a);
        let integer = self.emitter.emit_fp_to_int(how, size, width, number);
        let result = self.emitter.number_vector(size, Number::Bits(integer));
        Some(self.vector(result))
    }
    fn ints_to_numbers(&mut self, how: FpInt, arr: Arr, a: Temp) -> Temp {
        let (size, width) = if arr.lane == Lane::S { (FpSize::S, Width::W) } else { (FpSize::D, Width::X) };
        let a = self.operand(a);
        let numbers = [0, 1].map(|i| {
            (i < arr.count).then(|| {
                let integer = self.emitter.emit_lane(arr.lane, i, a);
                let number = self.emitter.emit_int_to_fp(how, size, width, integer);
                let vector = self.emitter.number_vector(size, number);
                self.vector(vector)
            })
        });
        match numbers {
            [Some(low), Some(high)] => self.two(UNPACK_LOW[Lane::D as usize], low, high),
            [number, _] => number.expect("an arrangement has a lane"),
        }
    }

    fn checked(&mut self, arr: Arr, result: Temp, tiny: bool, callee: Callee, operands: &[Temp]) -> Temp {
        let mut doubtful = self.float_compare(FloatCompare::Unordered, arr.lane, result, result);
        if tiny {
            let magnitudes = self.magnitudes(arr.lane, result);
            let edge = self.constant(every(arr.lane, min_normal(arr.lane)));
            let at_edge = self.binary(Binary::Eq, arr.lane, magnitudes, edge);
            doubtful = self.two(POR, at_edge, doubtful);
        }
        self.leave_if_any(doubtful, callee, operands);
        self.clear_above(arr, result)
    }
    fn unless_any(
        &mut self,
        bad: Temp,
        callee: Callee,
        operands: &[Temp],
        fast: impl FnOnce(&mut Self) -> Temp,
    ) -> Temp {
        self.leave_if_any(bad, callee, operands);
        fast(self)
    }

    fn saturated_if_any(&mut self, a: Temp) {
        self.saturated(a);
    }
    fn call(&mut self, callee: Callee, operands: &[Temp]) -> Temp {
        let call = Call::new(callee, operands.iter().map(|&operand| self.operand(operand).into()));
        let to = self.emitter.new_xmm();
        self.emitter.call(&call, Place::Xmm(to));
        self.vector(Vector::Reg(to))
    }
}
