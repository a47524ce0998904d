//! Expansions over a host that is plain arithmetic, against `Eval`: they are right whatever the compilers make of them,
//! and use no operation on lanes that `Host` does not name.

use super::callee::Callee;
use super::facts::FPSR_QC;
use super::host::{Binary, Float, FloatCompare, Half, Host, Shift};
use super::shuffles::Byte;
use super::{integer, shift, shuffles};
use ir::eval::vector;
use ir::{Arr, CpuState, Fp1, Fp2, FpInt, FpSize, Lane, Vec1, Vec2, Vec3, VecShift, splitmix64};

const LANES: [Lane; 4] = [Lane::B, Lane::H, Lane::S, Lane::D];
/// Knows of zeros above a value or does not.
#[derive(Default)]
struct Plain {
    knows: bool,
    has_saturated: bool,
}

fn get(lane: Lane, i: u32, a: u128) -> u64 {
    (a >> (i * lane.bits())) as u64 & (u64::MAX >> (64 - lane.bits()))
}

fn signed(lane: Lane, value: u64) -> i64 {
    let unused = 64 - lane.bits();
    (value << unused) as i64 >> unused
}

/// A vector of the lanes that `value` gives.
fn lanes(lane: Lane, value: impl Fn(u32) -> u64) -> u128 {
    (0..128 / lane.bits()).fold(0, |all, i| all | (u128::from(get(lane, 0, value(i).into())) << (i * lane.bits())))
}

fn clamp(lane: Lane, is_signed: bool, value: i64) -> u64 {
    let bits = lane.bits();
    let (least, most) = if is_signed { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) };
    value.clamp(least, most) as u64
}

impl Host for Plain {
    type V = u128;

    fn constant(&mut self, value: u128) -> u128 {
        value
    }
    fn constant_of(&self, a: u128) -> Option<u128> {
        self.knows.then_some(a)
    }
    fn significant_bits(&self, a: u128) -> u32 {
        if self.knows { 128 - a.leading_zeros() } else { 128 }
    }
    fn note_zero_above(&mut self, bits: u32, a: u128) -> u128 {
        assert!(a.checked_shr(bits).unwrap_or(0) == 0, "{a:x} has more than {bits} bits");
        a
    }
    fn clear_above(&mut self, arr: Arr, a: u128) -> u128 {
        a & u128::MAX >> (128 - arr.bits())
    }

    fn binary(&mut self, op: Binary, lane: Lane, a: u128, b: u128) -> u128 {
        let is_narrow = matches!(lane, Lane::B | Lane::H);
        lanes(lane, |i| {
            let (x, y) = (get(lane, i, a), get(lane, i, b));
            let (sx, sy) = (signed(lane, x), signed(lane, y));
            let truth = |holds: bool| if holds { u64::MAX } else { 0 };
            match op {
                Binary::And => x & y,
                Binary::Or => x | y,
                Binary::Xor => x ^ y,
                Binary::AndNot => x & !y,
                Binary::Add => x.wrapping_add(y),
                Binary::Sub => x.wrapping_sub(y),
                Binary::Mul if matches!(lane, Lane::H | Lane::S) => x.wrapping_mul(y),
                Binary::Smax if lane != Lane::D => sx.max(sy) as u64,
                Binary::Umax if lane != Lane::D => x.max(y),
                Binary::Smin if lane != Lane::D => sx.min(sy) as u64,
                Binary::Umin if lane != Lane::D => x.min(y),
                Binary::AddSigned if is_narrow => clamp(lane, true, sx + sy),
                Binary::AddUnsigned if is_narrow => clamp(lane, false, (x + y) as i64),
                Binary::SubSigned if is_narrow => clamp(lane, true, sx - sy),
                Binary::SubUnsigned if is_narrow => clamp(lane, false, x as i64 - y as i64),
                Binary::Average if is_narrow => (x + y).div_ceil(2),
                Binary::MulHighRound if lane == Lane::H => ((sx * sy * 2 + (1 << 15)) >> 16) as u64,
                Binary::Eq => truth(x == y),
                Binary::Ne => truth(x != y),
                Binary::Gt => truth(sx > sy),
                Binary::Ge => truth(sx >= sy),
                Binary::Hi => truth(x > y),
                Binary::Hs => truth(x >= y),
                _ => panic!("{op:?} of {lane:?}"),
            }
        })
    }
    fn shift(&mut self, op: Shift, lane: Lane, amount: u8, a: u128) -> u128 {
        assert!(u32::from(amount) < lane.bits());
        lanes(lane, |i| match op {
            Shift::Left => get(lane, i, a) << amount,
            Shift::Right => get(lane, i, a) >> amount,
            Shift::SignedRight => (signed(lane, get(lane, i, a)) >> amount) as u64,
        })
    }
    fn select(&mut self, mask: u128, yes: u128, no: u128) -> u128 {
        yes & mask | no & !mask
    }
    fn abs(&mut self, lane: Lane, a: u128) -> u128 {
        lanes(lane, |i| signed(lane, get(lane, i, a)).unsigned_abs())
    }
    fn count_bits(&mut self, a: u128) -> u128 {
        lanes(Lane::B, |i| get(Lane::B, i, a).count_ones().into())
    }
    fn add_pairs(&mut self, lane: Lane, a: u128, b: u128) -> u128 {
        assert!(matches!(lane, Lane::H | Lane::S));
        let half = 64 / lane.bits();
        lanes(lane, |i| {
            let (from, first) = if i < half { (a, 2 * i) } else { (b, 2 * (i - half)) };
            get(lane, first, from).wrapping_add(get(lane, first + 1, from))
        })
    }
    fn add_pairs_long(&mut self, lane: Lane, is_signed: bool, a: u128) -> u128 {
        assert!(lane != Lane::D && (is_signed || lane != Lane::S));
        lanes(lane.wider(), |i| {
            let [x, y] = [2 * i, 2 * i + 1].map(|i| get(lane, i, a));
            if is_signed { (signed(lane, x) + signed(lane, y)) as u64 } else { x + y }
        })
    }
    fn sum_bytes(&mut self, a: u128) -> Option<u128> {
        let sum = |half| (8 * half..8 * half + 8).map(|i| get(Lane::B, i, a)).sum();
        self.knows.then(|| lanes(Lane::D, sum))
    }

    fn shuffle(&mut self, a: u128, b: u128, bytes: [Byte; 16]) -> u128 {
        lanes(Lane::B, |i| match bytes[i as usize] {
            Byte::A(at) => get(Lane::B, at.into(), a),
            Byte::B(at) => get(Lane::B, at.into(), b),
            Byte::Zero => 0,
        })
    }
    fn look_up(&mut self, a: u128, index: u128) -> u128 {
        lanes(Lane::B, |i| match get(Lane::B, i, index) {
            at @ 0..16 => get(Lane::B, at as u32, a),
            _ => 0,
        })
    }
    fn widen(&mut self, lane: Lane, is_signed: bool, half: Half, a: u128) -> u128 {
        assert!(lane != Lane::D);
        let a = if half == Half::High { a >> 64 } else { a };
        lanes(lane.wider(), |i| if is_signed { signed(lane, get(lane, i, a)) as u64 } else { get(lane, i, a) })
    }
    fn multiply_long(&mut self, lane: Lane, is_signed: bool, a: u128, b: u128) -> u128 {
        assert!(lane != Lane::D);
        lanes(lane.wider(), |i| {
            let (x, y) = (get(lane, i, a), get(lane, i, b));
            if is_signed { (signed(lane, x) * signed(lane, y)) as u64 } else { x * y }
        })
    }
    fn pack_saturating(&mut self, lane: Lane, to_signed: bool, a: u128) -> u128 {
        let narrow = lane.narrower();
        let count = 128 / lane.bits();
        lanes(narrow, |i| if i < count { clamp(narrow, to_signed, signed(lane, get(lane, i, a))) } else { 0 })
    }

    fn computes_floats(&self) -> bool {
        false
    }
    fn fuses(&self) -> bool {
        false
    }
    fn float(&mut self, _: Float, _: Lane, _: u128, _: u128) -> u128 {
        unreachable!("no floating point")
    }
    fn float_compare(&mut self, _: FloatCompare, _: Lane, _: u128, _: u128) -> u128 {
        unreachable!("no floating point")
    }
    fn float_extreme(&mut self, _: bool, _: Lane, _: u128, _: u128) -> u128 {
        unreachable!("no floating point")
    }
    fn sqrt(&mut self, _: Lane, _: u128) -> u128 {
        unreachable!("no floating point")
    }
    fn mul_add(&mut self, _: Lane, _: u128, _: u128, _: u128) -> u128 {
        unreachable!("no floating point")
    }
    fn promote(&mut self, _: u128) -> u128 {
        unreachable!("no floating point")
    }
    fn demote(&mut self, _: u128) -> u128 {
        unreachable!("no floating point")
    }
    fn round(&mut self, _: Fp1, _: Lane, _: u128) -> Option<u128> {
        None
    }
    fn truncate(&mut self, _: u128) -> u128 {
        unreachable!("no floating point")
    }
    fn int_to_float(&mut self, _: bool, _: u128) -> Option<u128> {
        None
    }
    fn number2(&mut self, _: Fp2, _: FpSize, _: u128, _: u128) -> u128 {
        unreachable!("no floating point")
    }
    fn numbers_to_int(&mut self, _: FpInt, _: Arr, _: u128) -> Option<u128> {
        None
    }
    fn ints_to_numbers(&mut self, _: FpInt, _: Arr, _: u128) -> u128 {
        unreachable!("no floating point")
    }
    fn checked(&mut self, _: Arr, _: u128, _: bool, _: Callee, _: &[u128]) -> u128 {
        unreachable!("no floating point")
    }
    fn unless_any(&mut self, _: u128, _: Callee, _: &[u128], _: impl FnOnce(&mut Self) -> u128) -> u128 {
        unreachable!("no floating point")
    }

    fn saturated_if_any(&mut self, a: u128) {
        self.has_saturated |= a != 0;
    }
    fn call(&mut self, _: Callee, _: &[u128]) -> u128 {
        unreachable!("expansions call nothing")
    }
}

/// Vectors with lanes at the ends of their ranges, and others.
fn vectors() -> Vec<u128> {
    let mut vectors = vec![0, u128::MAX, u128::MAX / 255 * 0x80, u128::MAX / 0xffff * 0x8000, 0x7fff_ffff_8000_0000];
    for n in 0..8 {
        let [low, high] = [2 * n, 2 * n + 1].map(|step| u128::from(splitmix64(1, step)));
        vectors.extend([high << 64 | low, low]);
    }
    vectors
}

/// All arrangements; of an operation on a scalar nobody asks for more than that it does not do anything wrong.
fn arrangements() -> impl Iterator<Item = Arr> {
    LANES.into_iter().flat_map(|lane| [Arr::vector(lane, true), Arr::vector(lane, false), Arr::scalar(lane)])
}

/// Whether Arm has the lanes, as far as `Eval` does not stand for others.
fn exists(op: Vec1, lane: Lane) -> bool {
    match op {
        Vec1::Rev16 => lane == Lane::B,
        Vec1::Rev32 => matches!(lane, Lane::B | Lane::H),
        Vec1::Rev64 => lane != Lane::D,
        _ => true,
    }
}

/// The largest amount of a shift.
fn most(op: VecShift, lane: Lane) -> u32 {
    match op {
        VecShift::Shl => lane.bits() - 1,
        _ if op as u8 >= VecShift::Shrn as u8 => lane.bits() / 2,
        _ => lane.bits(),
    }
}

/// Compares what `expanded` gives with what `exact` does, if it gives anything; counts that.
fn compare(
    what: &str,
    count: &mut usize,
    expanded: impl Fn(&mut Plain) -> Option<u128>,
    exact: impl Fn(&mut CpuState) -> u128,
) {
    for knows in [false, true] {
        let mut host = Plain { knows, ..Plain::default() };
        let Some(result) = expanded(&mut host) else { return };
        let mut cpu = CpuState::default();
        let expected = exact(&mut cpu);
        let has_saturated = cpu.fpsr & FPSR_QC != 0;
        assert_eq!((result, host.has_saturated), (expected, has_saturated), "{what}: {result:x} {expected:x}");
        *count += 1;
    }
}

#[test]
fn expansions_give_what_eval_gives() {
    let mut count = 0;
    let vectors = vectors();
    for arr in arrangements() {
        for (n, &a) in vectors.iter().enumerate() {
            let (b, c) = (vectors[(n + 7) % vectors.len()], vectors[(n + 3) % vectors.len()]);
            for &op in Vec1::ALL.iter().filter(|&&op| exists(op, arr.lane)) {
                let what = format!("{op:?} {arr:?} {a:x}");
                compare(&what, &mut count, |h| integer::vec1(h, op, arr, a), |cpu| vector::vec1(cpu, op, arr, a));
            }
            for (&op, b) in Vec2::ALL.iter().flat_map(|op| [(op, a), (op, b)]) {
                let what = format!("{op:?} {arr:?} {a:x} {b:x}");
                compare(&what, &mut count, |h| integer::vec2(h, op, arr, a, b), |cpu| vector::vec2(cpu, op, arr, a, b));
            }
            for &op in Vec3::ALL {
                let what = format!("{op:?} {arr:?} {a:x} {b:x} {c:x}");
                let exact = |cpu: &mut CpuState| vector::vec3(cpu, op, arr, a, b, c);
                compare(&what, &mut count, |h| integer::vec3(h, op, arr, a, b, c), exact);
            }
            for (&op, amount) in VecShift::ALL.iter().flat_map(|op| (1..=arr.lane.bits() as u8).map(move |n| (op, n))) {
                if u32::from(amount) > most(op, arr.lane) {
                    continue;
                }
                let what = format!("{op:?} {arr:?} {amount} {a:x}");
                let expanded = |h: &mut Plain| shift::by_constant(h, op, arr, amount, a);
                compare(&what, &mut count, expanded, |cpu| vector::shift(cpu, op, arr, amount, a));
            }
        }
    }
    assert!(count > 50_000, "{count} results only");
}

#[test]
fn moves_give_what_eval_gives() {
    let mut count = 0;
    let vectors = vectors();
    for (n, &a) in vectors.iter().enumerate() {
        let others: [u128; 4] = std::array::from_fn(|i| vectors[(n + i + 1) % vectors.len()]);
        for full in [false, true] {
            let arr = Arr::vector(Lane::B, full);
            for index in 0..arr.count {
                let what = format!("EXT {arr:?} {index} {a:x}");
                let expanded = |h: &mut Plain| Some(shuffles::extract(h, arr, index, a, others[0]));
                compare(&what, &mut count, expanded, |_| vector::ext(arr, index, a, others[0]));
            }
            // Most random bytes are outside of any table.
            let index = a & (u128::MAX / 255 * 0x5f);
            for (used, fallback) in [(1, 0), (2, a), (3, 0), (4, a)] {
                let table = &others[..used];
                let what = format!("TBL {arr:?} {table:x?} {index:x}");
                let expanded = |h: &mut Plain| Some(shuffles::table(h, arr, table, index, fallback));
                compare(&what, &mut count, expanded, |_| vector::table(arr, table, index, fallback));
            }
        }
    }
    assert!(count > 1000, "{count} results only");
}
