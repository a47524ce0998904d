//! Vectors in CLIF: what is known of them, and moves between them, their lanes and numbers. Vectors are I8X16 between
//! operations.

use super::Builder;
use cranelift_codegen::ir::immediates::V128Imm;
use cranelift_codegen::ir::types::{F32, F32X4, F64, F64X2, I8X16, I16X8, I32, I32X4, I64X2};
use cranelift_codegen::ir::{InstBuilder, InstructionData, MemFlagsData, Opcode, Type, Value};
use ir::{Arr, FpSize, Lane};

pub(super) fn lanes_type(lane: Lane) -> Type {
    match lane {
        Lane::B => I8X16,
        Lane::H => I16X8,
        Lane::S => I32X4,
        Lane::D | Lane::Q => I64X2,
    }
}

/// As many numbers of the format as fit.
pub(super) fn numbers_type(lane: Lane) -> Type {
    if lane == Lane::S { F32X4 } else { F64X2 }
}

/// What PSHUFB wants to move the high half down, with zeros above.
const HIGH_HALF: u128 = 0x8080_8080_8080_8080_0f0e_0d0c_0b0a_0908;

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
    pub(super) fn zero_above(&mut self, bits: u32, vector: Value) -> Value {
        let vector = self.cast(I8X16, vector);
        self.facts.low_bits.insert(vector, bits);
        vector
    }

    /// From which bit on a vector is known to be zero.
    pub(super) fn low_bits(&self, vector: Value) -> u32 {
        match self.constant_of(vector) {
            Some(constant) => 128 - constant.leading_zeros(),
            None => self.facts.low_bits.get(&vector).copied().unwrap_or(128),
        }
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
                (self.constant_of(mask)? == HIGH_HALF).then_some(source)
            }
            _ => None,
        }
    }

    /// The number in the lowest lane.
    pub(super) fn number_in_vector(&mut self, size: FpSize, a: Value) -> Value {
        if size == FpSize::S { self.vec_to_f32(a) } else { self.vec_to_f64(a) }
    }

    /// A number in the lowest lane, zeros above.
    pub(super) fn vector_of_number(&mut self, size: FpSize, number: Value) -> Value {
        if size == FpSize::S { self.f32_to_vec(number) } else { self.f64_to_vec(number) }
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
}
