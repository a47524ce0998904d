//! Vector operations in CLIF, where the host has instructions for them; everything else goes to the helper that
//! performs what `Eval` does. Vectors are I8X16 between operations.

use super::Builder;
use crate::abi::helpers::{Helper, encode_arr};
use crate::abi::lane_shifts;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::immediates::V128Imm;
use cranelift_codegen::ir::types::{F32, F32X4, F64, F64X2, I8X16, I16X8, I32, I32X4, I64, I64X2};
use cranelift_codegen::ir::{InstBuilder, InstructionData, MemFlagsData, Opcode, Type, Value};
use ir::{Arr, Lane, Vec1, Vec2, Vec3, VecShift};

pub(super) fn lanes_type(lane: Lane) -> Type {
    match lane {
        Lane::B => I8X16,
        Lane::H => I16X8,
        Lane::S => I32X4,
        Lane::D | Lane::Q => I64X2,
    }
}

/// Bytes of a vector and of zero that are its high half, with zeros above.
const HIGH_HALF: [u8; 16] = [8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23];

/// What PSHUFB wants for a byte of a vector, or of zero: its top bit set gives zero.
fn shuffle_or_zero(byte: u8) -> u8 {
    if byte < 16 { byte } else { 0x80 }
}

/// Whether an operation on two lanes that are zero gives zero, lane by lane.
fn keeps_zero(op: Vec2) -> bool {
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

impl Builder<'_, '_> {
    /// A double in the low half, zeros above.
    pub(super) fn f64_to_vec(&mut self, scalar: Value) -> Value {
        assert_eq!(self.fb.func.dfg.value_type(scalar), F64);
        self.scalar_to_vec(F64X2, scalar)
    }

    /// A single in the low word, zeros above.
    pub(super) fn f32_to_vec(&mut self, scalar: Value) -> Value {
        assert_eq!(self.fb.func.dfg.value_type(scalar), F32);
        self.scalar_to_vec(F32X4, scalar)
    }

    fn scalar_to_vec(&mut self, ty: Type, scalar: Value) -> Value {
        let vector = match self.bits_of_number(scalar) {
            Some(bits) => self.fb.ins().scalar_to_vector(ty.as_int(), bits),
            None => {
                let zero = self.vconst(0);
                let zero = self.cast(ty, zero);
                self.fb.ins().insertlane(zero, scalar, 0)
            }
        };
        let vector = self.zero_above(ty.lane_bits(), vector);
        self.facts.scalars.insert(vector, scalar);
        vector
    }

    /// The number of a type that a vector has been made of.
    fn scalar_of(&self, ty: Type, vector: Value) -> Option<Value> {
        self.facts.scalars.get(&vector).copied().filter(|&scalar| self.fb.func.dfg.value_type(scalar) == ty)
    }

    /// The integer that a number has just been made of.
    pub(super) fn bits_of_number(&self, number: Value) -> Option<Value> {
        let dfg = &self.fb.func.dfg;
        let inst = dfg.value_def(number).inst()?;
        let is_bitcast = dfg.insts[inst].opcode() == Opcode::Bitcast;
        is_bitcast.then(|| dfg.inst_args(inst)[0]).filter(|&bits| dfg.value_type(bits).is_int())
    }

    /// Notes that a vector is zero from bit `bits` on; gives it as I8X16.
    fn zero_above(&mut self, bits: u32, vector: Value) -> Value {
        let vector = self.cast(I8X16, vector);
        self.facts.low_bits.insert(vector, bits);
        vector
    }

    /// From which bit on a vector is known to be zero.
    fn low_bits(&self, vector: Value) -> u32 {
        match self.constant_of(vector) {
            Some(constant) => 128 - constant.leading_zeros(),
            None => self.facts.low_bits.get(&vector).copied().unwrap_or(128),
        }
    }

    /// An operand of a lane-wise operation that makes zeros of zeros. If it is the only one that may have anything
    /// above a half it is cleared there: once for all operations that use it, and none has to clear its result.
    fn clear_operand(&mut self, arr: Arr, operand: Value, others: &[Value]) -> Value {
        let unclear = arr.bits() == 64 && self.low_bits(operand) > 64;
        if unclear && others.iter().all(|&other| other == operand || self.low_bits(other) <= 64) {
            return self.clear_above(arr, operand);
        }
        operand
    }

    /// `result` of a lane-wise operation that makes zeros of zeros, cleared above `arr`.
    fn clear_unless_zero(&mut self, arr: Arr, operands: &[Value], result: Value) -> Value {
        let used = operands.iter().map(|&operand| self.low_bits(operand)).max().unwrap_or(128);
        if used <= arr.bits() {
            return self.zero_above(arr.bits(), result);
        }
        let result = self.cast(I8X16, result);
        self.clear_above(arr, result)
    }

    pub(super) fn vec_to_f64(&mut self, vector: Value) -> Value {
        if let Some(scalar) = self.scalar_of(F64, vector) {
            return scalar;
        }
        let lanes = self.cast(F64X2, vector);
        self.fb.ins().extractlane(lanes, 0)
    }

    pub(super) fn vec_to_f32(&mut self, vector: Value) -> Value {
        if let Some(scalar) = self.scalar_of(F32, vector) {
            return scalar;
        }
        let lanes = self.cast(F32X4, vector);
        self.fb.ins().extractlane(lanes, 0)
    }

    /// Clears what `arr` does not cover.
    pub(super) fn clear_above(&mut self, arr: Arr, value: Value) -> Value {
        match arr.bits() {
            bits if self.low_bits(value) <= bits => value,
            64 => {
                let low = self.vec_to_f64(value);
                self.f64_to_vec(low)
            }
            bits => {
                let mask = self.vconst(u128::MAX >> (128 - bits));
                let low = self.fb.ins().band(value, mask);
                self.zero_above(bits, low)
            }
        }
    }

    /// The bytes of b:a that `bytes` names.
    pub(super) fn byte_shuffle(&mut self, a: Value, b: Value, bytes: [u8; 16]) -> Value {
        if self.constant_of(b) == Some(0) {
            let mask = self.vconst(u128::from_le_bytes(bytes.map(shuffle_or_zero)));
            return self.fb.ins().x86_pshufb(a, mask);
        }
        let bytes = if a == b { bytes.map(|i| i % 16) } else { bytes };
        let mask = self.fb.func.dfg.immediates.push(V128Imm(bytes).0.to_vec().into());
        self.fb.ins().shuffle(a, b, mask)
    }

    /// The constant that a vector is, if it is one.
    pub(super) fn constant_of(&self, vector: Value) -> Option<u128> {
        let instruction = self.fb.func.dfg.value_def(vector).inst()?;
        let InstructionData::UnaryConst { opcode: Opcode::Vconst, constant_handle } =
            self.fb.func.dfg.insts[instruction]
        else {
            return None;
        };
        let bytes = self.fb.func.dfg.constants.get(constant_handle).as_slice();
        Some(u128::from_le_bytes(bytes.try_into().ok()?))
    }

    /// The vector whose low half, with zeros above, another is.
    pub(super) fn source_of_low_half(&self, half: Value) -> Option<Value> {
        let scalar = self.scalar_of(F64, half)?;
        let dfg = &self.fb.func.dfg;
        match dfg.insts[dfg.value_def(scalar).inst()?] {
            InstructionData::BinaryImm8 { opcode: Opcode::Extractlane, arg, imm: 0 } => Some(arg),
            _ => None,
        }
    }

    /// The vector whose high half another is, with zeros above.
    pub(super) fn source_of_high_half(&self, half: Value) -> Option<Value> {
        let dfg = &self.fb.func.dfg;
        match dfg.insts[dfg.value_def(half).inst()?] {
            InstructionData::Binary { opcode: Opcode::X86Pshufb, args: [source, mask] } => {
                (self.constant_of(mask)? == u128::from_le_bytes(HIGH_HALF.map(shuffle_or_zero))).then_some(source)
            }
            _ => None,
        }
    }

    pub(super) fn build_low_half(&mut self, a: Value) -> Value {
        self.clear_above(Arr::vector(Lane::B, false), a)
    }

    pub(super) fn build_high_half(&mut self, a: Value) -> Value {
        let zero = self.vconst(0);
        self.byte_shuffle(a, zero, HIGH_HALF)
    }

    pub(super) fn build_join_halves(&mut self, low: Value, high: Value) -> Value {
        self.byte_shuffle(low, high, std::array::from_fn(|i| if i < 8 { i as u8 } else { i as u8 + 8 }))
    }

    /// The lowest lane of a vector as an I32 or I64. The host moves a number to a general register sooner than a lane.
    pub(super) fn low_lane(&mut self, ty: Type, a: Value) -> Value {
        let number = if ty == I32 { self.vec_to_f32(a) } else { self.vec_to_f64(a) };
        match self.bits_of_number(number) {
            Some(bits) => bits,
            None => self.fb.ins().bitcast(ty, MemFlagsData::new(), number),
        }
    }

    /// An I32 or I64 in the lowest lane of an I8X16, zeros above.
    pub(super) fn vector_of_low_lane(&mut self, value: Value) -> Value {
        let ty = self.fb.func.dfg.value_type(value);
        let vector = self.fb.ins().scalar_to_vector(if ty == I32 { I32X4 } else { I64X2 }, value);
        self.zero_above(ty.bits(), vector)
    }

    pub(super) fn build_lane(&mut self, lane: Lane, index: u8, a: Value) -> Value {
        let ty = lanes_type(lane);
        if index == 0 && matches!(ty, I32X4 | I64X2) {
            let value = self.low_lane(ty.lane_type(), a);
            return self.widen(value);
        }
        if index == 0 {
            let value = self.low_lane(I32, a);
            let value = self.reduced(ty.lane_type(), value);
            return self.widen(value);
        }
        let lanes = self.cast(ty, a);
        let value = self.fb.ins().extractlane(lanes, index);
        self.widen(value)
    }

    /// The vector and the lane that an integer has just been taken from by `build_lane`.
    fn lane_of(&self, lane: Lane, value: Value) -> Option<(Value, u8)> {
        let ty = lanes_type(lane);
        let dfg = &self.fb.func.dfg;
        let inst_of = |value: Value| dfg.value_def(value).inst().map(|inst| dfg.insts[inst]);
        let unextended = match inst_of(value)? {
            InstructionData::Unary { opcode: Opcode::Uextend, arg } => arg,
            _ => value,
        };
        let (vector, index) = match inst_of(unextended)? {
            InstructionData::LoadNoOffset { opcode: Opcode::Bitcast, arg, .. } => match inst_of(arg)? {
                InstructionData::BinaryImm8 { opcode: Opcode::Extractlane, arg, imm } => (arg, imm),
                _ => return None,
            },
            InstructionData::BinaryImm8 { opcode: Opcode::Extractlane, arg, imm } => (arg, imm),
            _ => return None,
        };
        (dfg.value_type(vector).lane_bits() == ty.lane_bits()).then_some((vector, index))
    }

    pub(super) fn build_set_lane(&mut self, lane: Lane, index: u8, a: Value, value: Value) -> Value {
        let ty = lanes_type(lane);
        // From a lane to a lane, by way of a number.
        if matches!(ty, I32X4 | I64X2)
            && let Some((source, from)) = self.lane_of(lane, value)
        {
            let numbers = if ty == I32X4 { F32X4 } else { F64X2 };
            let (source, lanes) = (self.cast(numbers, source), self.cast(numbers, a));
            let number = self.fb.ins().extractlane(source, from);
            let lanes = self.fb.ins().insertlane(lanes, number, index);
            return self.cast(I8X16, lanes);
        }
        let lanes = self.cast(ty, a);
        let value = self.reduced(ty.lane_type(), value);
        let lanes = self.fb.ins().insertlane(lanes, value, index);
        self.cast(I8X16, lanes)
    }

    pub(super) fn build_splat(&mut self, arr: Arr, value: Value) -> Value {
        let ty = lanes_type(arr.lane);
        let value = self.reduced(ty.lane_type(), value);
        if arr.count == 1 && arr.lane.bits() >= 32 {
            let vector = self.fb.ins().scalar_to_vector(ty, value);
            return self.zero_above(arr.bits(), vector);
        }
        let lanes = self.fb.ins().splat(ty, value);
        let vector = self.cast(I8X16, lanes);
        self.clear_above(arr, vector)
    }

    pub(super) fn build_splat_lane(&mut self, arr: Arr, index: u8, a: Value) -> Value {
        let bytes = arr.lane.bytes() as u8;
        if index == 0 && arr.count == 1 {
            return self.clear_above(arr, a);
        }
        let covered = arr.bits() / 8;
        let from = |i: usize| if (i as u32) < covered { index * bytes + i as u8 % bytes } else { 16 };
        if arr.is_full() {
            return self.byte_shuffle(a, a, std::array::from_fn(from));
        }
        let zero = self.vconst(0);
        let vector = self.byte_shuffle(a, zero, std::array::from_fn(from));
        self.zero_above(arr.bits(), vector)
    }

    pub(super) fn build_ext(&mut self, arr: Arr, index: u8, a: Value, b: Value) -> Value {
        if !arr.is_full() {
            let joined = self.build_join_halves(a, b);
            let zero = self.vconst(0);
            return self.byte_shuffle(joined, zero, std::array::from_fn(|i| if i < 8 { i as u8 + index } else { 16 }));
        }
        self.byte_shuffle(a, b, std::array::from_fn(|i| i as u8 + index))
    }

    pub(super) fn helper_vec1(&mut self, op: Vec1, arr: Arr, a: Value) -> Value {
        let (op, arr) = (self.iconst(op as u64), self.iconst(encode_arr(arr)));
        self.call_helper(Helper::Vec1, &[op, arr, a])
    }

    pub(super) fn helper_vec2(&mut self, op: Vec2, arr: Arr, a: Value, b: Value) -> Value {
        if let Some(code) = lane_shifts::encode(op, arr) {
            let code = self.iconst(code);
            return self.call_helper(Helper::ShiftLanes, &[code, a, b]);
        }
        let (op, arr) = (self.iconst(op as u64), self.iconst(encode_arr(arr)));
        self.call_helper(Helper::Vec2, &[op, arr, a, b])
    }

    pub(super) fn helper_vec3(&mut self, op: Vec3, arr: Arr, a: Value, b: Value, c: Value) -> Value {
        let (op, arr) = (self.iconst(op as u64), self.iconst(encode_arr(arr)));
        self.call_helper(Helper::Vec3, &[op, arr, a, b, c])
    }

    pub(super) fn build_vec1(&mut self, op: Vec1, arr: Arr, a: Value) -> Value {
        let lanes = self.cast(lanes_type(arr.lane), a);
        let result = match op {
            Vec1::Not => {
                let result = self.fb.ins().bnot(a);
                return self.clear_above(arr, result);
            }
            Vec1::Neg => self.fb.ins().ineg(lanes),
            Vec1::Abs => self.fb.ins().iabs(lanes),
            _ => {
                // These clear what is above themselves.
                return self
                    .build_vec1_int(op, arr, a)
                    .or_else(|| self.build_vec1_fp(op, arr, a))
                    .unwrap_or_else(|| self.helper_vec1(op, arr, a));
            }
        };
        self.clear_unless_zero(arr, &[a], result)
    }

    pub(super) fn build_vec2(&mut self, op: Vec2, arr: Arr, a: Value, b: Value) -> Value {
        let (mut a, mut b) = (a, b);
        if keeps_zero(op) {
            (a, b) = (self.clear_operand(arr, a, &[b]), self.clear_operand(arr, b, &[a]));
        }
        let native = self.native_vec2(op, arr, a, b).or_else(|| self.build_vec2_int(op, arr, a, b));
        let Some(result) = native else {
            // These clear what is above themselves.
            return self
                .build_vec2_fp(op, arr, a, b)
                .or_else(|| self.build_vec2_long(op, arr, a, b))
                .or_else(|| self.build_vec2_narrow(op, arr, a, b))
                .unwrap_or_else(|| self.helper_vec2(op, arr, a, b));
        };
        if keeps_zero(op) {
            return self.clear_unless_zero(arr, &[a, b], result);
        }
        let result = self.cast(I8X16, result);
        self.note_fold(op, arr, [a, b], result);
        self.clear_above(arr, result)
    }

    /// The operation on all 128 bits, if the host has it.
    fn native_vec2(&mut self, op: Vec2, arr: Arr, a: Value, b: Value) -> Option<Value> {
        let ty = lanes_type(arr.lane);
        if let Some(cc) = match op {
            Vec2::Cmeq => Some(IntCC::Equal),
            Vec2::Cmge => Some(IntCC::SignedGreaterThanOrEqual),
            Vec2::Cmgt => Some(IntCC::SignedGreaterThan),
            Vec2::Cmhs => Some(IntCC::UnsignedGreaterThanOrEqual),
            Vec2::Cmhi => Some(IntCC::UnsignedGreaterThan),
            _ => None,
        } {
            let (a, b) = (self.cast(ty, a), self.cast(ty, b));
            return Some(self.fb.ins().icmp(cc, a, b));
        }
        if matches!(op, Vec2::Zip1 | Vec2::Zip2 | Vec2::Uzp1 | Vec2::Uzp2 | Vec2::Trn1 | Vec2::Trn2) {
            return Some(self.permute(op, arr, a, b));
        }
        let (la, lb) = (self.cast(ty, a), self.cast(ty, b));
        let narrow = matches!(arr.lane, Lane::B | Lane::H);
        let ins = self.fb.ins();
        Some(match op {
            Vec2::And => ins.band(a, b),
            Vec2::Orr => ins.bor(a, b),
            Vec2::Eor => ins.bxor(a, b),
            Vec2::Bic => ins.band_not(a, b),
            Vec2::Orn => ins.bor_not(a, b),
            Vec2::Add => ins.iadd(la, lb),
            Vec2::Sub => ins.isub(la, lb),
            Vec2::Mul if arr.lane != Lane::B => ins.imul(la, lb),
            Vec2::Urhadd if narrow => ins.avg_round(la, lb),
            Vec2::Cmtst => {
                let both = ins.band(la, lb);
                let zero = self.vconst(0);
                let zero = self.cast(ty, zero);
                self.fb.ins().icmp(IntCC::NotEqual, both, zero)
            }
            _ => return None,
        })
    }

    pub(super) fn permute(&mut self, op: Vec2, arr: Arr, a: Value, b: Value) -> Value {
        let bytes = arr.lane.bytes() as usize;
        let (lanes, half) = (usize::from(arr.count), usize::from(arr.count) / 2);
        // Where result lane `i` comes from: which operand, and which lane of it.
        let source = |i: usize| match op {
            Vec2::Zip1 => (i % 2, i / 2),
            Vec2::Zip2 => (i % 2, half + i / 2),
            Vec2::Uzp1 => (i / half, i % half * 2),
            Vec2::Uzp2 => (i / half, i % half * 2 + 1),
            Vec2::Trn1 => (i % 2, i / 2 * 2),
            _ => (i % 2, i / 2 * 2 + 1),
        };
        self.byte_shuffle(
            a,
            b,
            std::array::from_fn(|byte| {
                let lane = byte / bytes;
                if lane >= lanes {
                    return 0;
                }
                let (operand, from) = source(lane);
                (operand * 16 + from * bytes + byte % bytes) as u8
            }),
        )
    }

    pub(super) fn build_vec3(&mut self, op: Vec3, arr: Arr, a: Value, b: Value, c: Value) -> Value {
        let ty = lanes_type(arr.lane);
        match op {
            Vec3::Bsl => {
                let result = self.fb.ins().bitselect(a, b, c);
                self.clear_unless_zero(arr, &[b, c], result)
            }
            Vec3::Mla | Vec3::Mls if arr.lane != Lane::B => {
                let (x, y, z) = (self.cast(ty, a), self.cast(ty, b), self.cast(ty, c));
                let product = self.fb.ins().imul(y, z);
                let result =
                    if op == Vec3::Mla { self.fb.ins().iadd(x, product) } else { self.fb.ins().isub(x, product) };
                self.clear_unless_zero(arr, &[a, b, c], result)
            }
            Vec3::Mla | Vec3::Mls if arr.lane == Lane::B => {
                let product = self.multiply_bytes(b, c);
                let product = self.cast(I8X16, product);
                let result =
                    if op == Vec3::Mla { self.fb.ins().iadd(a, product) } else { self.fb.ins().isub(a, product) };
                self.clear_above(arr, result)
            }
            Vec3::Fmla => self.build_vec_mul_add(arr, a, b, c).unwrap_or_else(|| self.helper_vec3(op, arr, a, b, c)),
            _ => self.helper_vec3(op, arr, a, b, c),
        }
    }

    pub(super) fn build_shift(&mut self, op: VecShift, arr: Arr, amount: u8, a: Value) -> Value {
        let ty = lanes_type(arr.lane);
        let bits = arr.lane.bits() as u8;
        let a = self.clear_operand(arr, a, &[]);
        let lanes = self.cast(ty, a);
        let result = match op {
            VecShift::Shl => self.fb.ins().ishl_imm_s(lanes, i64::from(amount)),
            VecShift::Ushr if amount < bits => self.fb.ins().ushr_imm_s(lanes, i64::from(amount)),
            VecShift::Ushr => return self.vconst(0),
            VecShift::Sshr => self.fb.ins().sshr_imm_s(lanes, i64::from(amount.min(bits - 1))),
            _ => {
                if let Some(result) = self.build_shift_more(op, arr, amount, a) {
                    return result;
                }
                let (op, arr) = (self.iconst(op as u64), self.iconst(encode_arr(arr)));
                let amount = self.fb.ins().iconst(I64, i64::from(amount));
                return self.call_helper(Helper::VecShift, &[op, arr, amount, a]);
            }
        };
        self.clear_unless_zero(arr, &[a], result)
    }
}
