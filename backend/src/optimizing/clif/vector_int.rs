//! Lane-wise integer operations that take more than one host instruction: halving, saturating, widening, narrowing,
//! pairwise and across lanes. Results may have anything above what the arrangement covers; the caller clears it.

use super::Builder;
use super::vector::lanes_type;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8X16, I16X8, I32, I64X2};
use cranelift_codegen::ir::{InstBuilder, InstructionData, Opcode, Value};
use ir::{Arr, CpuState, Lane, Vec1, Vec2, VecShift};
use std::mem::offset_of;

const QC: i64 = 1 << 27;

impl Builder<'_, '_> {
    /// Sets FPSR.QC if any bit of a vector is set.
    fn saturated_if_any(&mut self, lanes: Value) {
        let any = self.fb.ins().vany_true(lanes);
        let (cold, next) = (self.cold_block(), self.fb.create_block());
        self.fb.ins().brif(any, cold, &[], next, &[]);
        self.fb.seal_block(cold);
        self.switch_to(cold);
        let offset = offset_of!(CpuState, fpsr) as i32;
        let fpsr = self.load_state(I32, offset);
        let fpsr = self.fb.ins().bor_imm_s(fpsr, QC);
        self.store_state(fpsr, offset);
        self.fb.ins().jump(next, &[]);
        self.fb.seal_block(next);
        self.switch_to(next);
    }

    /// The operand's low lanes, twice as wide.
    fn widened(&mut self, lane: Lane, signed: bool, a: Value) -> Value {
        if let Some(source) = self.source_of_high_half(a) {
            let lanes = self.cast(lanes_type(lane), source);
            return if signed { self.fb.ins().swiden_high(lanes) } else { self.fb.ins().uwiden_high(lanes) };
        }
        let low = self.source_of_low_half(a).unwrap_or(a);
        let lanes = self.cast(lanes_type(lane), low);
        if signed { self.fb.ins().swiden_low(lanes) } else { self.fb.ins().uwiden_low(lanes) }
    }

    /// Lanes wider than the lane that operations work on, or the same.
    pub(super) fn build_vec2_int(&mut self, op: Vec2, arr: Arr, a: Value, b: Value) -> Option<Value> {
        let ty = lanes_type(arr.lane);
        let (x, y) = (self.cast(ty, a), self.cast(ty, b));
        let narrow = matches!(arr.lane, Lane::B | Lane::H);
        Some(match op {
            Vec2::Smax | Vec2::Smin | Vec2::Umax | Vec2::Umin => self.int_extreme(op, arr.lane, x, y),
            Vec2::Sabd | Vec2::Uabd => {
                let signed = op == Vec2::Sabd;
                let (max, min) = if signed { (Vec2::Smax, Vec2::Smin) } else { (Vec2::Umax, Vec2::Umin) };
                let high = self.int_extreme(max, arr.lane, x, y);
                let low = self.int_extreme(min, arr.lane, x, y);
                self.fb.ins().isub(high, low)
            }
            Vec2::Shadd | Vec2::Uhadd => {
                let (differing, common) = (self.fb.ins().bxor(x, y), self.fb.ins().band(x, y));
                let half = self.half(op == Vec2::Shadd, differing);
                self.fb.ins().iadd(common, half)
            }
            Vec2::Srhadd | Vec2::Urhadd => {
                let (differing, either) = (self.fb.ins().bxor(x, y), self.fb.ins().bor(x, y));
                let half = self.half(op == Vec2::Srhadd, differing);
                self.fb.ins().isub(either, half)
            }
            Vec2::Shsub | Vec2::Uhsub => {
                let (differing, borrowed) = (self.fb.ins().bxor(x, y), self.fb.ins().band_not(y, x));
                let half = self.half(op == Vec2::Shsub, differing);
                self.fb.ins().isub(half, borrowed)
            }
            Vec2::Sqadd | Vec2::Uqadd | Vec2::Sqsub | Vec2::Uqsub if narrow => {
                let (a, b) = (self.clear_above(arr, a), self.clear_above(arr, b));
                let (x, y) = (self.cast(ty, a), self.cast(ty, b));
                let (saturating, wrapping) = match op {
                    Vec2::Sqadd => (self.fb.ins().sadd_sat(x, y), self.fb.ins().iadd(x, y)),
                    Vec2::Uqadd => (self.fb.ins().uadd_sat(x, y), self.fb.ins().iadd(x, y)),
                    Vec2::Sqsub => (self.fb.ins().ssub_sat(x, y), self.fb.ins().isub(x, y)),
                    _ => (self.fb.ins().usub_sat(x, y), self.fb.ins().isub(x, y)),
                };
                let differs = self.fb.ins().bxor(saturating, wrapping);
                self.saturated_if_any(differs);
                saturating
            }
            Vec2::Mul if arr.lane == Lane::B => self.multiply_bytes(x, y),
            Vec2::Sqrdmulh if arr.lane == Lane::H => {
                let (a, b) = (self.clear_above(arr, a), self.clear_above(arr, b));
                let (x, y) = (self.cast(ty, a), self.cast(ty, b));
                // Only the square of the least number saturates.
                let least = self.vconst(0x8000_8000_8000_8000_8000_8000_8000_8000);
                let least = self.cast(ty, least);
                let same = self.fb.ins().icmp(IntCC::Equal, x, least);
                let same_too = self.fb.ins().icmp(IntCC::Equal, y, least);
                let both = self.fb.ins().band(same, same_too);
                self.saturated_if_any(both);
                self.fb.ins().sqmul_round_sat(x, y)
            }
            Vec2::Addp | Vec2::Smaxp | Vec2::Umaxp | Vec2::Sminp | Vec2::Uminp if arr.count > 1 => {
                return self.pairwise(op, arr, a, b);
            }
            _ => return None,
        })
    }

    pub(super) fn multiply_bytes(&mut self, x: Value, y: Value) -> Value {
        let (x, y) = (self.cast(I16X8, x), self.cast(I16X8, y));
        let low_bytes = self.vconst(0x00ff_00ff_00ff_00ff_00ff_00ff_00ff_00ff);
        let low_bytes = self.cast(I16X8, low_bytes);
        let even = self.fb.ins().imul(x, y);
        let even = self.fb.ins().band(even, low_bytes);
        let (x, y) = (self.fb.ins().ushr_imm_s(x, 8), self.fb.ins().ushr_imm_s(y, 8));
        let odd = self.fb.ins().imul(x, y);
        let odd = self.fb.ins().ishl_imm_s(odd, 8);
        self.fb.ins().bor(even, odd)
    }

    fn half(&mut self, signed: bool, lanes: Value) -> Value {
        if signed { self.fb.ins().sshr_imm_s(lanes, 1) } else { self.fb.ins().ushr_imm_s(lanes, 1) }
    }

    fn int_extreme(&mut self, op: Vec2, lane: Lane, x: Value, y: Value) -> Value {
        if lane != Lane::D {
            let ins = self.fb.ins();
            return match op {
                Vec2::Smax => ins.smax(x, y),
                Vec2::Smin => ins.smin(x, y),
                Vec2::Umax => ins.umax(x, y),
                _ => ins.umin(x, y),
            };
        }
        let cc =
            if matches!(op, Vec2::Smax | Vec2::Smin) { IntCC::SignedGreaterThan } else { IntCC::UnsignedGreaterThan };
        let greater = self.fb.ins().icmp(cc, x, y);
        let (x, y) = if matches!(op, Vec2::Smax | Vec2::Umax) { (x, y) } else { (y, x) };
        self.fb.ins().bitselect(greater, x, y)
    }

    fn pairwise(&mut self, op: Vec2, arr: Arr, a: Value, b: Value) -> Option<Value> {
        let ty = lanes_type(arr.lane);
        if op == Vec2::Addp && matches!(arr.lane, Lane::H | Lane::S) {
            if arr.is_full() {
                let (x, y) = (self.cast(ty, a), self.cast(ty, b));
                return Some(self.fb.ins().iadd_pairwise(x, y));
            }
            let joined = self.build_join_halves(a, b);
            let joined = self.cast(ty, joined);
            return Some(self.fb.ins().iadd_pairwise(joined, joined));
        }
        let even = self.permute(Vec2::Uzp1, arr, a, b);
        let odd = self.permute(Vec2::Uzp2, arr, a, b);
        let (even, odd) = (self.cast(ty, even), self.cast(ty, odd));
        let op = match op {
            Vec2::Addp => return Some(self.fb.ins().iadd(even, odd)),
            Vec2::Smaxp => Vec2::Smax,
            Vec2::Umaxp => Vec2::Umax,
            Vec2::Sminp => Vec2::Smin,
            _ => Vec2::Umin,
        };
        Some(self.int_extreme(op, arr.lane, even, odd))
    }

    /// Operations whose result lanes are twice as wide, of 64-bit operands.
    pub(super) fn build_vec2_long(&mut self, op: Vec2, arr: Arr, a: Value, b: Value) -> Option<Value> {
        if arr.bits() != 64 || matches!(arr.lane, Lane::D | Lane::Q) {
            return None;
        }
        let signed = matches!(op, Vec2::Smull | Vec2::Sabdl);
        if !matches!(op, Vec2::Smull | Vec2::Umull | Vec2::Sabdl | Vec2::Uabdl) {
            return None;
        }
        if matches!(op, Vec2::Sabdl | Vec2::Uabdl) {
            return Some(self.difference_long(arr.lane, signed, a, b));
        }
        let (x, y) = (self.widened(arr.lane, signed, a), self.widened(arr.lane, signed, b));
        let product = self.fb.ins().imul(x, y);
        Some(self.cast(I8X16, product))
    }

    /// How far the low lanes of two vectors are apart, twice as wide. That fits the narrow lanes, without a sign; it is
    /// computed for whole vectors, so that the other halves have it too.
    fn difference_long(&mut self, lane: Lane, signed: bool, a: Value, b: Value) -> Value {
        let highs = (self.source_of_high_half(a), self.source_of_high_half(b));
        let (a, b, high) = match highs {
            (Some(a), Some(b)) => (a, b, true),
            _ => (self.source_of_low_half(a).unwrap_or(a), self.source_of_low_half(b).unwrap_or(b), false),
        };
        let [x, y] = [a, b].map(|operand| {
            let bytes = self.uncast(operand);
            self.cast(lanes_type(lane), bytes)
        });
        let (max, min) = if signed { (Vec2::Smax, Vec2::Smin) } else { (Vec2::Umax, Vec2::Umin) };
        let (most, least) = (self.int_extreme(max, lane, x, y), self.int_extreme(min, lane, x, y));
        let narrow = self.fb.ins().isub(most, least);
        let wide = if high { self.fb.ins().uwiden_high(narrow) } else { self.fb.ins().uwiden_low(narrow) };
        self.cast(I8X16, wide)
    }

    /// The I8X16 that a vector is another view of, so that both halves begin with the same value.
    fn uncast(&self, vector: Value) -> Value {
        let dfg = &self.fb.func.dfg;
        match dfg.value_def(vector).inst().map(|inst| dfg.insts[inst]) {
            Some(InstructionData::LoadNoOffset { opcode: Opcode::Bitcast, arg, .. })
                if dfg.value_type(arg) == I8X16 =>
            {
                arg
            }
            _ => vector,
        }
    }

    /// Narrowing high halves: ADDHN and friends.
    pub(super) fn build_vec2_narrow(&mut self, op: Vec2, arr: Arr, a: Value, b: Value) -> Option<Value> {
        if !arr.is_full() || !matches!(op, Vec2::Addhn | Vec2::Subhn | Vec2::Raddhn | Vec2::Rsubhn) {
            return None;
        }
        let ty = lanes_type(arr.lane);
        let (x, y) = (self.cast(ty, a), self.cast(ty, b));
        let mut result =
            if matches!(op, Vec2::Addhn | Vec2::Raddhn) { self.fb.ins().iadd(x, y) } else { self.fb.ins().isub(x, y) };
        let half_bits = arr.lane.bits() / 2;
        if matches!(op, Vec2::Raddhn | Vec2::Rsubhn) {
            let round = self.wide_constant(arr.lane, 1 << (half_bits - 1));
            result = self.fb.ins().iadd(result, round);
        }
        Some(self.pack_lanes(arr, half_bits as u8, result))
    }

    fn wide_constant(&mut self, lane: Lane, value: u64) -> Value {
        let bits = lane.bits();
        let all = (0..128 / bits).fold(0u128, |all, i| all | u128::from(value) << (i * bits));
        let constant = self.vconst(all);
        self.cast(lanes_type(lane), constant)
    }

    /// The half of each lane that begins at bit `from`, side by side in the low 64 bits, zeros above.
    fn pack_lanes(&mut self, arr: Arr, from: u8, lanes: Value) -> Value {
        let (lanes, from) = if from.is_multiple_of(8) {
            (lanes, from / 8)
        } else {
            (self.fb.ins().ushr_imm_s(lanes, i64::from(from)), 0)
        };
        let (wide, half) = (arr.lane.bytes() as u8, arr.lane.bytes() as u8 / 2);
        let bytes = self.cast(I8X16, lanes);
        let zero = self.vconst(0);
        self.byte_shuffle(
            bytes,
            zero,
            std::array::from_fn(|i| {
                let i = i as u8;
                if i < 8 { i / half * wide + from + i % half } else { 16 }
            }),
        )
    }

    pub(super) fn build_vec1_int(&mut self, op: Vec1, arr: Arr, a: Value) -> Option<Value> {
        let ty = lanes_type(arr.lane);
        let lanes = self.cast(ty, a);
        let widens = arr.bits() == 64 && !matches!(arr.lane, Lane::D | Lane::Q);
        let result = match op {
            Vec1::Cnt if arr.lane == Lane::B => {
                let counts = self.fb.ins().popcnt(lanes);
                self.clear_above(arr, counts)
            }
            Vec1::Rev16 | Vec1::Rev32 | Vec1::Rev64 => {
                let container = match op {
                    Vec1::Rev16 => Lane::H,
                    Vec1::Rev32 => Lane::S,
                    _ => Lane::D,
                };
                let flip = (container.bytes() - arr.lane.bytes()) as u8;
                let result = self.byte_shuffle(a, a, std::array::from_fn(|i| i as u8 ^ flip));
                self.clear_above(arr, result)
            }
            Vec1::Sxtl | Vec1::Uxtl if widens => {
                let wide = self.widened(arr.lane, op == Vec1::Sxtl, a);
                self.cast(I8X16, wide)
            }
            Vec1::Xtn if arr.is_full() => {
                let result = self.pack_lanes(arr, 0, lanes);
                if arr.lane == Lane::H {
                    self.note_narrowed(0, a, result);
                }
                result
            }
            Vec1::Sqxtn | Vec1::Uqxtn | Vec1::Sqxtun if arr.is_full() => self.narrow_saturating(op, arr, lanes)?,
            Vec1::Saddlp | Vec1::Uaddlp if arr.count > 1 => {
                let sums = self.add_pairs_long(arr.lane, op == Vec1::Saddlp, lanes);
                let sums = self.cast(I8X16, sums);
                self.clear_above(arr, sums)
            }
            Vec1::Addv => self.across(arr, lanes, |b, x, y| b.fb.ins().iadd(x, y)),
            Vec1::Smaxv => self.across(arr, lanes, |b, x, y| b.int_extreme(Vec2::Smax, arr.lane, x, y)),
            Vec1::Umaxv => self.across(arr, lanes, |b, x, y| b.int_extreme(Vec2::Umax, arr.lane, x, y)),
            Vec1::Sminv => self.across(arr, lanes, |b, x, y| b.int_extreme(Vec2::Smin, arr.lane, x, y)),
            Vec1::Uminv => self.across(arr, lanes, |b, x, y| b.int_extreme(Vec2::Umin, arr.lane, x, y)),
            Vec1::Saddlv | Vec1::Uaddlv if arr.count > 1 && arr.lane != Lane::D => {
                let sums = self.add_pairs_long(arr.lane, op == Vec1::Saddlv, lanes);
                let wide = Arr { lane: arr.lane.wider(), count: arr.count / 2 };
                self.across(wide, sums, |b, x, y| b.fb.ins().iadd(x, y))
            }
            _ => return None,
        };
        self.note_across(op, arr, a, result);
        Some(result)
    }

    /// Sums of adjacent lanes, twice as wide.
    fn add_pairs_long(&mut self, lane: Lane, signed: bool, lanes: Value) -> Value {
        if matches!(lane, Lane::B | Lane::H) {
            let ins = self.fb.ins();
            let (low, high) = if signed {
                (ins.swiden_low(lanes), self.fb.ins().swiden_high(lanes))
            } else {
                (ins.uwiden_low(lanes), self.fb.ins().uwiden_high(lanes))
            };
            return self.fb.ins().iadd_pairwise(low, high);
        }
        let wide = self.cast(I64X2, lanes);
        let upward = self.fb.ins().ishl_imm_s(wide, 32);
        let (low, high) = if signed {
            (self.fb.ins().sshr_imm_s(upward, 32), self.fb.ins().sshr_imm_s(wide, 32))
        } else {
            (self.fb.ins().ushr_imm_s(upward, 32), self.fb.ins().ushr_imm_s(wide, 32))
        };
        self.fb.ins().iadd(low, high)
    }

    /// Folds all lanes into the lowest, halves first; zeros above it.
    pub(super) fn across(
        &mut self,
        arr: Arr,
        lanes: Value,
        mut fold: impl FnMut(&mut Self, Value, Value) -> Value,
    ) -> Value {
        let ty = self.fb.func.dfg.value_type(lanes);
        let (mut lanes, mut bits) = (lanes, arr.bits());
        while bits > arr.lane.bits() {
            bits /= 2;
            let upper = if bits == 64 {
                let bytes = self.cast(I8X16, lanes);
                self.byte_shuffle(bytes, bytes, std::array::from_fn(|i| 8 + i as u8 % 8))
            } else {
                let halves = self.cast(I64X2, lanes);
                self.fb.ins().ushr_imm_s(halves, i64::from(bits))
            };
            let upper = self.cast(ty, upper);
            let folded = fold(self, lanes, upper);
            lanes = self.cast(ty, folded);
        }
        let result = self.cast(I8X16, lanes);
        self.clear_above(Arr::scalar(arr.lane), result)
    }

    /// SQXTN and friends of H and S lanes.
    fn narrow_saturating(&mut self, op: Vec1, arr: Arr, lanes: Value) -> Option<Value> {
        if !matches!(arr.lane, Lane::H | Lane::S) {
            return None;
        }
        let ty = lanes_type(arr.lane);
        let zero = self.vconst(0);
        let zero = self.cast(ty, zero);
        let packed = match op {
            Vec1::Sqxtn => self.fb.ins().snarrow(lanes, zero),
            Vec1::Sqxtun => self.fb.ins().unarrow(lanes, zero),
            _ => {
                let most = self.wide_constant(arr.lane, (1 << (arr.lane.bits() / 2)) - 1);
                let clamped = self.fb.ins().umin(lanes, most);
                self.pack_lanes(arr, 0, clamped)
            }
        };
        let packed = self.cast(I8X16, packed);
        let back = self.widened(arr.lane.narrower(), op == Vec1::Sqxtn, packed);
        let differs = self.fb.ins().bxor(back, lanes);
        self.saturated_if_any(differs);
        Some(packed)
    }

    pub(super) fn build_shift_more(&mut self, op: VecShift, arr: Arr, amount: u8, a: Value) -> Option<Value> {
        let lanes = self.cast(lanes_type(arr.lane), a);
        let bits = arr.lane.bits() as u8;
        match op {
            VecShift::Srshr | VecShift::Urshr => {
                let n = i64::from(amount.clamp(1, bits));
                let shifted = match op {
                    VecShift::Srshr => self.fb.ins().sshr_imm_s(lanes, n.min(i64::from(bits) - 1)),
                    _ if amount < bits => self.fb.ins().ushr_imm_s(lanes, n),
                    _ => self.wide_constant(arr.lane, 0),
                };
                let rest = self.fb.ins().ushr_imm_s(lanes, n - 1);
                let one = self.wide_constant(arr.lane, 1);
                let round = self.fb.ins().band(rest, one);
                let result = self.fb.ins().iadd(shifted, round);
                let result = self.cast(I8X16, result);
                Some(self.clear_above(arr, result))
            }
            VecShift::Shrn if arr.is_full() => {
                let result = self.pack_lanes(arr, amount, lanes);
                if arr.lane == Lane::H {
                    self.note_narrowed(amount, a, result);
                }
                Some(result)
            }
            VecShift::Rshrn if arr.is_full() && amount > 0 => {
                let round = self.wide_constant(arr.lane, 1 << (amount - 1));
                let sum = self.fb.ins().iadd(lanes, round);
                Some(self.pack_lanes(arr, amount, sum))
            }
            VecShift::Sqshrn | VecShift::Sqshrun | VecShift::Uqshrn if arr.is_full() && amount > 0 => {
                let amount = i64::from(amount);
                let (shifted, narrow) = match op {
                    VecShift::Sqshrn => (self.fb.ins().sshr_imm_s(lanes, amount), Vec1::Sqxtn),
                    VecShift::Sqshrun => (self.fb.ins().sshr_imm_s(lanes, amount), Vec1::Sqxtun),
                    _ => (self.fb.ins().ushr_imm_s(lanes, amount), Vec1::Uqxtn),
                };
                self.narrow_saturating(narrow, arr, shifted)
            }
            _ => None,
        }
    }

    /// TBL and TBX: a shuffle where the index is a constant, else byte shuffles of each register.
    pub(super) fn build_table(&mut self, arr: Arr, table: &[Value], index: Value, fallback: Value) -> Value {
        let result = match self.constant_of(index) {
            Some(index) => self.table_by_constant(table, index, fallback),
            None => {
                let mut found = None;
                for (n, &register) in table.iter().enumerate() {
                    // Indices below this register wrap to large ones, which give zero.
                    let base = self.wide_constant(Lane::B, 16 * n as u64);
                    let local = if n == 0 { index } else { self.fb.ins().isub(index, base) };
                    let bytes = self.fb.ins().swizzle(register, local);
                    found = Some(match found {
                        None => bytes,
                        Some(before) => self.fb.ins().bor(before, bytes),
                    });
                }
                let found = found.unwrap_or(fallback);
                if self.constant_of(fallback) == Some(0) {
                    found
                } else {
                    let used = self.wide_constant(Lane::B, 16 * table.len() as u64);
                    let inside = self.fb.ins().icmp(IntCC::UnsignedLessThan, index, used);
                    self.fb.ins().bitselect(inside, found, fallback)
                }
            }
        };
        self.clear_above(arr, result)
    }

    fn table_by_constant(&mut self, table: &[Value], index: u128, fallback: Value) -> Value {
        let index = index.to_le_bytes();
        let mut result = fallback;
        for (n, pair) in table.chunks(2).enumerate() {
            let (first, second) = (pair[0], pair[pair.len() - 1]);
            let (low, end) = (32 * n as u8, 32 * n as u8 + 16 * pair.len() as u8);
            let inside: [bool; 16] = std::array::from_fn(|i| low <= index[i] && index[i] < end);
            if inside == [false; 16] {
                continue;
            }
            let found =
                self.byte_shuffle(first, second, std::array::from_fn(|i| if inside[i] { index[i] - low } else { 0 }));
            result = if inside == [true; 16] {
                found
            } else {
                self.byte_shuffle(result, found, std::array::from_fn(|i| i as u8 + if inside[i] { 16 } else { 0 }))
            };
        }
        result
    }
}
