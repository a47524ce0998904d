//! Lifters of Advanced SIMD structure loads and stores (Arm ARM C4.1.94). Multiple structures move through memory as
//! whole registers and are taken apart or put together in registers; no register is written before the last access.

use crate::args::{MultipleStructures, PostIndex, ReplicatedStructure, SingleStructure};
use ir::{Access, Arr, Int2, Lane, Lifted, Ops, Reg, Vec2, Width};

#[inline(always)]
fn element_addr<O: Ops>(ops: &mut O, base: O::Val, index: u8, bytes: u32) -> O::Val {
    if index == 0 { base } else { ops.address(base, i64::from(index) * i64::from(bytes)) }
}

#[inline(always)]
fn post_index<O: Ops>(ops: &mut O, rn: Reg, base: O::Val, post: PostIndex) {
    let moved = match post {
        PostIndex::None => return,
        PostIndex::Bytes(bytes) => ops.address(base, i64::from(bytes)),
        PostIndex::Reg(rm) => {
            let offset = ops.x(rm);
            ops.int2(Int2::Add, Width::X, base, offset)
        }
    };
    ops.set_x_or_sp(rn, moved);
}

/// Loads `count` vectors of the arrangement's size from consecutive places. Only the first `count` are meaningful.
#[inline(always)]
fn load_vectors<O: Ops>(ops: &mut O, base: O::Val, arr: Arr, count: u8) -> Result<[O::Vec; 4], O::Stop> {
    let bytes = arr.bits() / 8;
    let mut vectors = [ops.load_vec(Access::plain(bytes as u8), base)?; 4];
    for i in 1..count {
        let addr = element_addr(ops, base, i, bytes);
        vectors[usize::from(i)] = ops.load_vec(Access::plain(bytes as u8), addr)?;
    }
    Ok(vectors)
}

#[inline(always)]
fn store_vectors<O: Ops>(ops: &mut O, base: O::Val, arr: Arr, vectors: &[O::Vec]) -> Lifted<O> {
    let bytes = arr.bits() / 8;
    for (i, vector) in (0..).zip(vectors) {
        let addr = element_addr(ops, base, i, bytes);
        ops.store_vec(Access::plain(bytes as u8), addr, *vector)?;
    }
    Ok(())
}

/// The registers from `vt` on. Only the first `count` are meaningful.
#[inline(always)]
fn read_registers<O: Ops>(ops: &mut O, a: &MultipleStructures, count: u8) -> [O::Vec; 4] {
    let mut vectors = [ops.v(a.vt); 4];
    for i in 1..count {
        vectors[usize::from(i)] = ops.v(a.vt.next(i));
    }
    vectors
}

#[inline(always)]
fn write_registers<O: Ops>(ops: &mut O, a: &MultipleStructures, vectors: &[O::Vec]) {
    for (i, vector) in (0..).zip(vectors) {
        ops.set_v(a.vt.next(i), *vector);
    }
}

/// LD1 (multiple structures) of 1 to 4 registers.
#[inline]
pub fn ld1_multiple<O: Ops>(ops: &mut O, a: &MultipleStructures, count: u8) -> Lifted<O> {
    let base = ops.x_or_sp(a.rn);
    let vectors = load_vectors(ops, base, a.arr, count)?;
    post_index(ops, a.rn, base, a.post);
    write_registers(ops, a, &vectors[..usize::from(count)]);
    Ok(())
}

/// ST1 (multiple structures) of 1 to 4 registers.
#[inline]
pub fn st1_multiple<O: Ops>(ops: &mut O, a: &MultipleStructures, count: u8) -> Lifted<O> {
    let base = ops.x_or_sp(a.rn);
    let vectors = read_registers(ops, a, count);
    store_vectors(ops, base, a.arr, &vectors[..usize::from(count)])?;
    post_index(ops, a.rn, base, a.post);
    Ok(())
}

/// LD2 (multiple structures).
#[inline]
pub fn ld2_multiple<O: Ops>(ops: &mut O, a: &MultipleStructures) -> Lifted<O> {
    let base = ops.x_or_sp(a.rn);
    let [m0, m1, ..] = load_vectors(ops, base, a.arr, 2)?;
    let registers = [ops.vec2(Vec2::Uzp1, a.arr, m0, m1), ops.vec2(Vec2::Uzp2, a.arr, m0, m1)];
    post_index(ops, a.rn, base, a.post);
    write_registers(ops, a, &registers);
    Ok(())
}

/// ST2 (multiple structures).
#[inline]
pub fn st2_multiple<O: Ops>(ops: &mut O, a: &MultipleStructures) -> Lifted<O> {
    let base = ops.x_or_sp(a.rn);
    let [r0, r1, ..] = read_registers(ops, a, 2);
    let vectors = [ops.vec2(Vec2::Zip1, a.arr, r0, r1), ops.vec2(Vec2::Zip2, a.arr, r0, r1)];
    store_vectors(ops, base, a.arr, &vectors)?;
    post_index(ops, a.rn, base, a.post);
    Ok(())
}

/// Where the bytes of the output vector `output` come from when the elements of three vectors are regrouped: element
/// `e` of all the output is element `e % 3` of the input's structure `e / 3` (`interleave`) or the reverse. As a
/// constant for TBL, whose table has 16 bytes for each input vector even when the arrangement has 8.
fn regroup_by_three(arr: Arr, output: u32, interleave: bool) -> u128 {
    let (bytes, lane_bytes) = (arr.bits() / 8, arr.lane.bytes());
    let count = u32::from(arr.count);
    (0..bytes).fold(0, |indices, i| {
        let element = output * count + i / lane_bytes;
        let (vector, lane) = if interleave {
            (element % 3, element / 3)
        } else {
            let source = element % count * 3 + element / count;
            (source / count, source % count)
        };
        let byte = vector * 16 + lane * lane_bytes + i % lane_bytes;
        indices | u128::from(byte) << (8 * i)
    })
}

#[inline(always)]
fn regroup_three<O: Ops>(ops: &mut O, arr: Arr, from: &[O::Vec], interleave: bool) -> [O::Vec; 3] {
    let bytes = Arr::vector(Lane::B, arr.is_full());
    let zero = ops.vec_imm(0);
    [0, 1, 2].map(|output| {
        let indices = ops.vec_imm(regroup_by_three(arr, output, interleave));
        ops.vec_table(bytes, from, indices, zero)
    })
}

/// LD3 (multiple structures).
#[inline]
pub fn ld3_multiple<O: Ops>(ops: &mut O, a: &MultipleStructures) -> Lifted<O> {
    let base = ops.x_or_sp(a.rn);
    let vectors = load_vectors(ops, base, a.arr, 3)?;
    let registers = regroup_three(ops, a.arr, &vectors[..3], false);
    post_index(ops, a.rn, base, a.post);
    write_registers(ops, a, &registers);
    Ok(())
}

/// ST3 (multiple structures).
#[inline]
pub fn st3_multiple<O: Ops>(ops: &mut O, a: &MultipleStructures) -> Lifted<O> {
    let base = ops.x_or_sp(a.rn);
    let registers = read_registers(ops, a, 3);
    let vectors = regroup_three(ops, a.arr, &registers[..3], true);
    store_vectors(ops, base, a.arr, &vectors)?;
    post_index(ops, a.rn, base, a.post);
    Ok(())
}

/// LD4 (multiple structures).
#[inline]
pub fn ld4_multiple<O: Ops>(ops: &mut O, a: &MultipleStructures) -> Lifted<O> {
    let base = ops.x_or_sp(a.rn);
    let [m0, m1, m2, m3] = load_vectors(ops, base, a.arr, 4)?;
    let mut pick = |op, low, high| ops.vec2(op, a.arr, low, high);
    let (even_low, even_high) = (pick(Vec2::Uzp1, m0, m1), pick(Vec2::Uzp1, m2, m3));
    let (odd_low, odd_high) = (pick(Vec2::Uzp2, m0, m1), pick(Vec2::Uzp2, m2, m3));
    let registers = [
        pick(Vec2::Uzp1, even_low, even_high),
        pick(Vec2::Uzp1, odd_low, odd_high),
        pick(Vec2::Uzp2, even_low, even_high),
        pick(Vec2::Uzp2, odd_low, odd_high),
    ];
    post_index(ops, a.rn, base, a.post);
    write_registers(ops, a, &registers);
    Ok(())
}

/// ST4 (multiple structures).
#[inline]
pub fn st4_multiple<O: Ops>(ops: &mut O, a: &MultipleStructures) -> Lifted<O> {
    let base = ops.x_or_sp(a.rn);
    let [r0, r1, r2, r3] = read_registers(ops, a, 4);
    let mut zip = |op, even, odd| ops.vec2(op, a.arr, even, odd);
    let (even_low, even_high) = (zip(Vec2::Zip1, r0, r2), zip(Vec2::Zip2, r0, r2));
    let (odd_low, odd_high) = (zip(Vec2::Zip1, r1, r3), zip(Vec2::Zip2, r1, r3));
    let vectors = [
        zip(Vec2::Zip1, even_low, odd_low),
        zip(Vec2::Zip2, even_low, odd_low),
        zip(Vec2::Zip1, even_high, odd_high),
        zip(Vec2::Zip2, even_high, odd_high),
    ];
    store_vectors(ops, base, a.arr, &vectors)?;
    post_index(ops, a.rn, base, a.post);
    Ok(())
}

/// Loads `count` consecutive elements. Only the first `count` are meaningful.
#[inline(always)]
fn load_elements<O: Ops>(ops: &mut O, base: O::Val, lane: Lane, count: u8) -> Result<[O::Val; 4], O::Stop> {
    let access = Access::plain(lane.bytes() as u8);
    let mut elements = [ops.load(access, base)?; 4];
    for i in 1..count {
        let addr = element_addr(ops, base, i, lane.bytes());
        elements[usize::from(i)] = ops.load(access, addr)?;
    }
    Ok(elements)
}

/// LD1 to LD4 (single structure) of `count` registers.
#[inline]
pub fn load_single<O: Ops>(ops: &mut O, a: &SingleStructure, count: u8) -> Lifted<O> {
    let base = ops.x_or_sp(a.rn);
    let elements = load_elements(ops, base, a.lane, count)?;
    post_index(ops, a.rn, base, a.post);
    for (i, element) in (0..count).zip(elements) {
        let old = ops.v(a.vt.next(i));
        let new = ops.set_lane(a.lane, a.index, old, element);
        ops.set_v(a.vt.next(i), new);
    }
    Ok(())
}

/// ST1 to ST4 (single structure) of `count` registers.
#[inline]
pub fn store_single<O: Ops>(ops: &mut O, a: &SingleStructure, count: u8) -> Lifted<O> {
    let base = ops.x_or_sp(a.rn);
    for i in 0..count {
        let register = ops.v(a.vt.next(i));
        let element = ops.lane(a.lane, a.index, register);
        let addr = element_addr(ops, base, i, a.lane.bytes());
        ops.store(Access::plain(a.lane.bytes() as u8), addr, element)?;
    }
    post_index(ops, a.rn, base, a.post);
    Ok(())
}

/// LD1R to LD4R.
#[inline]
pub fn load_replicated<O: Ops>(ops: &mut O, a: &ReplicatedStructure, count: u8) -> Lifted<O> {
    let base = ops.x_or_sp(a.rn);
    let elements = load_elements(ops, base, a.arr.lane, count)?;
    post_index(ops, a.rn, base, a.post);
    for (i, element) in (0..count).zip(elements) {
        let vector = ops.splat(a.arr, element);
        ops.set_v(a.vt.next(i), vector);
    }
    Ok(())
}
