//! Whether a vector is zero. Arm has no test for that: programs fold a vector into its low half, move that half to a
//! general register and branch on it. The host tests the vector itself; the fold is left to where its bits are used.

use super::Builder;
use super::vector::lanes_type;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8X16, I32};
use cranelift_codegen::ir::{InstBuilder, InstructionData, Opcode, Value};
use ir::{Arr, Lane, Vec1, Vec2, Width};

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
    /// The greatest lane of a vector, zeros above.
    Greatest(Lane, Value),
    /// The least lane.
    Least(Lane, Value),
}

/// Vectors that are put together to be tested at once: at most so many, for each is used once more.
const MOST_PARTS: usize = 8;

impl Builder<'_, '_> {
    /// Notes that `result` has been made by an operation, if it may be a fold. Above `arr` it may hold anything.
    pub(super) fn note_fold(&mut self, op: Vec2, arr: Arr, [a, b]: [Value; 2], result: Value) {
        let fold = match op {
            Vec2::Umaxp if arr.is_full() => Fold::Greater([a, b]),
            Vec2::Uminp if arr.is_full() => Fold::Smaller(arr.lane, [a, b]),
            Vec2::Cmeq if arr.bits() >= 64 && self.constant_of(b) == Some(0) => Fold::WhereZero(arr.lane, a),
            _ => return,
        };
        self.facts.folds.insert(result, fold);
    }

    /// Notes that `result` is one lane of a vector, zeros above.
    pub(super) fn note_fold_across(&mut self, op: Vec1, arr: Arr, a: Value, result: Value) {
        let fold = match op {
            Vec1::Umaxv if arr.is_full() => Fold::Greatest(arr.lane, a),
            Vec1::Uminv if arr.is_full() => Fold::Least(arr.lane, a),
            _ => return,
        };
        self.facts.folds.insert(result, fold);
    }

    /// Notes that `result` has been made by taking from each halfword of a full vector the byte at bit `amount`.
    pub(super) fn note_fold_narrowed(&mut self, amount: u8, a: Value, result: Value) {
        let is_kept = if amount == 0 { self.mask_bits(a) >= Some(16) } else { amount < 8 && self.is_mask(a) };
        if is_kept {
            self.facts.folds.insert(result, Fold::Narrowed(a));
        }
    }

    /// Whether each byte of a vector is zeros or ones.
    fn is_mask(&self, vector: Value) -> bool {
        self.mask_bits(vector).is_some()
    }

    /// The bits of a lane, if a vector has lanes that are zeros or ones.
    fn mask_bits(&self, vector: Value) -> Option<u32> {
        let dfg = &self.fb.func.dfg;
        let inst = dfg.value_def(vector).inst()?;
        match dfg.insts[inst].opcode() {
            Opcode::Bitcast => self.mask_bits(dfg.inst_args(inst)[0]),
            Opcode::Icmp => Some(dfg.value_type(vector)).filter(|ty| ty.is_vector()).map(|ty| ty.lane_bits()),
            _ => None,
        }
    }

    /// Whether an integer of `width` is zero, if it is the low part of a fold: a condition.
    pub(super) fn is_zero_fold(&mut self, width: Width, value: Value) -> Option<Value> {
        let (vector, bits) = self.low_part_in(value)?;
        let bits = bits.min(width.bits());
        match *self.facts.folds.get(&vector)? {
            Fold::Greatest(lane, a) if bits >= lane.bits() => Some(self.is_zero_vector(a)),
            Fold::Least(lane, a) if bits >= lane.bits() => {
                let none = self.has_no_zero(lane, a);
                Some(self.not(none))
            }
            Fold::Greater([a, _]) if bits == 64 => Some(self.is_zero_vector(a)),
            Fold::Narrowed(a) if bits == 64 => Some(self.is_zero_vector(a)),
            Fold::WhereZero(lane, of) if bits == 64 => match *self.facts.folds.get(&of)? {
                Fold::Smaller(same, [a, _]) if same == lane => {
                    let least = self.least_lanes(lane, a);
                    Some(self.has_no_zero(lane, least))
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether no lane of a vector is zero: a condition.
    fn has_no_zero(&mut self, lane: Lane, vector: Value) -> Value {
        let zero = self.vconst(0);
        let [lanes, zero] = [vector, zero].map(|vector| self.cast(lanes_type(lane), vector));
        let zeros = self.fb.ins().icmp(IntCC::Equal, lanes, zero);
        self.is_zero_vector(zeros)
    }

    /// Whether a vector is zero: a condition. The host moves the top bits of its bytes to a general register sooner
    /// than it sets flags by all its bits.
    fn is_zero_vector(&mut self, vector: Value) -> Value {
        let mut parts = Vec::new();
        self.add_parts(vector, &mut parts);
        let are_masks = parts.iter().all(|&part| self.is_mask(part));
        let mut whole = parts[0];
        for &part in &parts[1..] {
            let [x, y] = [whole, part].map(|vector| self.cast(I8X16, vector));
            whole = self.fb.ins().bor(x, y);
        }
        if are_masks {
            let bytes = self.cast(I8X16, whole);
            let bits = self.fb.ins().vhigh_bits(I32, bytes);
            return self.fb.ins().icmp_imm_s(IntCC::Equal, bits, 0);
        }
        let any = self.fb.ins().vany_true(whole);
        self.fb.ins().bxor_imm_s(any, 1)
    }

    /// Vectors that are all zero exactly if another one is, with less to compute.
    fn add_parts(&self, vector: Value, parts: &mut Vec<Value>) {
        match self.facts.folds.get(&vector) {
            Some(&Fold::Greater([a, b])) if parts.len() < MOST_PARTS => {
                self.add_parts(a, parts);
                self.add_parts(b, parts);
            }
            _ if parts.contains(&vector) => {}
            _ => parts.push(vector),
        }
    }

    /// A vector that has a lane of zero exactly if another one has, with less to compute.
    fn least_lanes(&mut self, lane: Lane, vector: Value) -> Value {
        match self.facts.folds.get(&vector) {
            Some(&Fold::Smaller(same, [a, b])) if same == lane => {
                let [x, y] = [a, b].map(|operand| self.cast(lanes_type(lane), operand));
                self.fb.ins().umin(x, y)
            }
            _ => vector,
        }
    }

    /// The vector whose low bits an integer is, with zeros above, and how many they are.
    fn low_part_in(&self, value: Value) -> Option<(Value, u32)> {
        let dfg = &self.fb.func.dfg;
        let definition = |value: Value| dfg.value_def(value).inst().map(|inst| dfg.insts[inst]);
        let (mut value, mut bits) = (value, dfg.value_type(value).bits());
        let number = loop {
            match definition(value)? {
                InstructionData::Unary { opcode: Opcode::Uextend | Opcode::Ireduce, arg } => value = arg,
                InstructionData::LoadNoOffset { opcode: Opcode::Bitcast, arg, .. } => break arg,
                _ => return None,
            }
            bits = bits.min(dfg.value_type(value).bits());
        };
        let InstructionData::BinaryImm8 { opcode: Opcode::Extractlane, arg: lanes, imm: 0 } = definition(number)?
        else {
            return None;
        };
        match definition(lanes)? {
            InstructionData::LoadNoOffset { opcode: Opcode::Bitcast, arg, .. } => {
                (dfg.value_type(arg) == I8X16).then_some((arg, bits))
            }
            _ => None,
        }
    }
}
