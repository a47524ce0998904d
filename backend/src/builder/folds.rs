//! Whether a vector is zero. Arm has no test for that: programs fold a vector into its low half, move that half to a
//! general register and branch on it. The host tests the vector itself; the fold is left to where its bits are used.

use super::Builder;
use super::vector::lanes_type;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{F64X2, I8X16, I32};
use cranelift_codegen::ir::{InstBuilder, InstructionData, Opcode, Value};
use ir::{Arr, Lane, Vec2};

/// How a vector has been made of others.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fold {
    /// The greater of each two adjacent lanes: the first vector's in the low half, the second's in the high half.
    Greater([Value; 2]),
    /// The smaller of each two adjacent lanes, in the same order.
    Smaller(Lane, [Value; 2]),
    /// Ones in the lanes in which another vector is zero, else zeros.
    WhereZero(Lane, Value),
    /// Some bits of every byte of a vector whose bytes are ones or zeros, side by side in the low half.
    Narrowed(Value),
}

impl Builder<'_, '_> {
    /// Notes that `result` has been made by an operation, if it may be a fold. Above `arr` it may hold anything.
    pub(super) fn note_fold(&mut self, op: Vec2, arr: Arr, [a, b]: [Value; 2], result: Value) {
        let fold = match op {
            Vec2::Umaxp if arr.is_full() => Fold::Greater([a, b]),
            Vec2::Uminp if arr.is_full() => Fold::Smaller(arr.lane, [a, b]),
            Vec2::Cmeq if arr.bits() >= 64 && self.constant_of(b) == Some(0) => Fold::WhereZero(arr.lane, a),
            _ => return,
        };
        self.folds.insert(result, fold);
    }

    /// Notes that `result` has been made by taking from each halfword of a full vector the byte at bit `amount`.
    pub(super) fn note_narrowed(&mut self, amount: u8, a: Value, result: Value) {
        if (1..8).contains(&amount) && self.is_mask(a) {
            self.folds.insert(result, Fold::Narrowed(a));
        }
    }

    /// Whether each byte of a vector is zeros or ones.
    fn is_mask(&self, vector: Value) -> bool {
        let dfg = &self.fb.func.dfg;
        let Some(inst) = dfg.value_def(vector).inst() else { return false };
        match dfg.insts[inst].opcode() {
            Opcode::Bitcast => self.is_mask(dfg.inst_args(inst)[0]),
            opcode => opcode == Opcode::Icmp && dfg.value_type(vector).is_vector(),
        }
    }

    /// Whether an integer is zero, if it is the low half of a fold: a condition.
    pub(super) fn is_zero_fold(&mut self, value: Value) -> Option<Value> {
        let vector = self.low_half_in(value)?;
        match *self.folds.get(&vector)? {
            Fold::Greater([a, _]) | Fold::Narrowed(a) => Some(self.is_zero_vector(a)),
            Fold::WhereZero(lane, of) => match *self.folds.get(&of)? {
                Fold::Smaller(same, [a, _]) if same == lane => {
                    let least = self.least_lanes(lane, a);
                    let zero = self.vconst(0);
                    let [least, zero] = [least, zero].map(|vector| self.cast(lanes_type(lane), vector));
                    let zeros = self.fb.ins().icmp(IntCC::Equal, least, zero);
                    Some(self.is_zero_vector(zeros))
                }
                _ => None,
            },
            Fold::Smaller(..) => None,
        }
    }

    /// Whether a vector is zero: a condition. The host moves the top bits of its bytes to a general register sooner
    /// than it sets flags by all its bits.
    fn is_zero_vector(&mut self, vector: Value) -> Value {
        let whole = match self.folds.get(&vector) {
            Some(&Fold::Greater([a, b])) if a != b => self.fb.ins().bor(a, b),
            Some(&Fold::Greater([a, _])) => a,
            _ => vector,
        };
        if self.is_mask(whole) {
            let bytes = self.cast(I8X16, whole);
            let bits = self.fb.ins().vhigh_bits(I32, bytes);
            return self.fb.ins().icmp_imm_s(IntCC::Equal, bits, 0);
        }
        let any = self.fb.ins().vany_true(whole);
        self.fb.ins().bxor_imm_s(any, 1)
    }

    /// A vector that has a lane of zero exactly if another one has, with less to compute.
    fn least_lanes(&mut self, lane: Lane, vector: Value) -> Value {
        match self.folds.get(&vector) {
            Some(&Fold::Smaller(same, [a, b])) if same == lane => {
                let [x, y] = [a, b].map(|operand| self.cast(lanes_type(lane), operand));
                self.fb.ins().umin(x, y)
            }
            _ => vector,
        }
    }

    /// The vector whose low half an integer is.
    fn low_half_in(&self, value: Value) -> Option<Value> {
        let dfg = &self.fb.func.dfg;
        let definition = |value: Value| dfg.value_def(value).inst().map(|inst| dfg.insts[inst]);
        let InstructionData::LoadNoOffset { opcode: Opcode::Bitcast, arg: number, .. } = definition(value)? else {
            return None;
        };
        let InstructionData::BinaryImm8 { opcode: Opcode::Extractlane, arg: lanes, imm: 0 } = definition(number)?
        else {
            return None;
        };
        match definition(lanes)? {
            InstructionData::LoadNoOffset { opcode: Opcode::Bitcast, arg, .. } => {
                (dfg.value_type(lanes) == F64X2 && dfg.value_type(arg) == I8X16).then_some(arg)
            }
            _ => None,
        }
    }
}
