//! `Ops` for the emitter: hands each operation to the file that emits it.

use super::Emitter;
use super::asm::{Alu, Mem, R15, RAX};
use super::exits::STOP_ADDR;
use super::value::{Number, Truth, Val, Vector};
use crate::abi::helpers::{AtomicOp, Helper};
use crate::lower::host::Host;
use crate::lower::{self, shuffles};
use ir::{
    Access, Arr, Barrier, Compare, Cond, CpuState, Extend, FlagOp, Fp1, Fp2, FpInt, FpSize, GuestAddr, Int1, Int2,
    IntHelper, Lane, Ops, Prefetch, Reg, Rmw, Stop, SysReg, VReg, Vec1, Vec2, Vec3, VecShift, Width,
};
use std::convert::Infallible;
use std::mem::offset_of;

const TPIDR: i32 = offset_of!(CpuState, tpidr_el0) as i32;

impl Ops for Emitter {
    type Val = Val;
    type Bool = Truth;
    type Vec = Vector;
    type Fp = Number;
    type Stop = Infallible;

    fn imm(&mut self, value: u64) -> Val {
        Val::Imm(value)
    }
    fn pc_imm(&mut self, addr: GuestAddr) -> Val {
        Val::Pc(addr)
    }
    fn x(&mut self, r: Reg) -> Val {
        if r.0 >= 31 { Val::ZERO } else { self.read_x(r.0) }
    }
    fn x_or_sp(&mut self, r: Reg) -> Val {
        self.read_x(r.0 & 31)
    }
    fn set_x(&mut self, r: Reg, value: Val) {
        if r.0 < 31 {
            self.write_x(r.0, value);
        }
    }
    fn set_x_or_sp(&mut self, r: Reg, value: Val) {
        self.write_x(r.0 & 31, value);
    }
    fn int1(&mut self, op: Int1, width: Width, a: Val) -> Val {
        self.emit_int1(op, width, a)
    }
    fn int2(&mut self, op: Int2, width: Width, a: Val, b: Val) -> Val {
        self.emit_int2(op, width, a, b)
    }
    fn extend(&mut self, op: Extend, a: Val) -> Val {
        self.emit_extend(op, a)
    }
    fn extract(&mut self, a: Val, lsb: u8, bits: u8) -> Val {
        self.emit_extract(a, lsb, bits)
    }
    fn extract_pair(&mut self, width: Width, high: Val, low: Val, lsb: u8) -> Val {
        self.emit_extract_pair(width, high, low, lsb)
    }
    fn int_helper(&mut self, op: IntHelper, a: Val, b: Val) -> Val {
        self.emit_int_helper(op, a, b)
    }
    fn compare(&mut self, op: Compare, width: Width, a: Val, b: Val) -> Truth {
        Truth::Compare { op, width, a, b }
    }
    fn select(&mut self, c: Truth, yes: Val, no: Val) -> Val {
        self.emit_select(c, yes, no)
    }

    fn set_flags(&mut self, op: FlagOp, width: Width, a: Val, b: Val) {
        self.emit_set_flags(op, width, a, b);
    }
    fn set_nzcv(&mut self, packed: Val) {
        let packed = self.emit_int2(Int2::And, Width::W, packed, Val::Imm(0xf000_0000));
        self.set_packed(packed);
    }
    fn nzcv(&mut self) -> Val {
        self.emit_nzcv()
    }
    fn set_flags_if(&mut self, cond: Cond, op: FlagOp, width: Width, a: Val, b: Val, nzcv: u8) {
        self.emit_set_flags_if(cond, op, width, a, b, nzcv);
    }
    fn cond(&mut self, cond: Cond) -> Truth {
        self.truth_of(cond)
    }
    fn add_with_carry(&mut self, width: Width, a: Val, b: Val, subtract: bool) -> Val {
        self.emit_add_with_carry(width, a, b, subtract)
    }

    fn load(&mut self, access: Access, addr: Val) -> Result<Val, Infallible> {
        let addr = self.untagged(addr);
        Ok(self.emit_load(access, addr))
    }
    fn store(&mut self, access: Access, addr: Val, value: Val) -> Result<(), Infallible> {
        let addr = self.untagged(addr);
        self.emit_store(access, addr, value);
        Ok(())
    }
    fn load_vec(&mut self, access: Access, addr: Val) -> Result<Vector, Infallible> {
        let addr = self.untagged(addr);
        Ok(self.emit_load_vec(access.bytes, addr))
    }
    fn store_vec(&mut self, access: Access, addr: Val, value: Vector) -> Result<(), Infallible> {
        let addr = self.untagged(addr);
        self.emit_store_vec(access.bytes, addr, value);
        Ok(())
    }
    fn zero_block(&mut self, addr: Val) -> Result<(), Infallible> {
        let addr = self.untagged(addr);
        self.emit_zero_block(addr);
        Ok(())
    }
    fn prefetch(&mut self, place: Prefetch, addr: Val) {
        self.emit_prefetch(place, addr);
    }
    fn rmw(&mut self, op: Rmw, bytes: u8, addr: Val, value: Val) -> Result<Val, Infallible> {
        let addr = self.untagged(addr);
        Ok(self.emit_rmw(op, bytes, addr, value))
    }
    fn cas(&mut self, bytes: u8, addr: Val, expected: Val, new: Val) -> Result<Val, Infallible> {
        let addr = self.untagged(addr);
        Ok(self.emit_cas(bytes, addr, expected, new))
    }
    fn cas_pair(&mut self, bytes: u8, addr: Val, expected: [Val; 2], new: [Val; 2]) -> Result<[Val; 2], Infallible> {
        let addr = self.untagged(addr);
        let operands = [expected[0], expected[1], new[0], new[1]];
        Ok(self.emit_atomic_helper(AtomicOp::CasPair, bytes, addr, &operands))
    }
    fn load_exclusive(&mut self, bytes: u8, addr: Val) -> Result<Val, Infallible> {
        let addr = self.untagged(addr);
        Ok(self.emit_load_exclusive(bytes, addr))
    }
    fn store_exclusive(&mut self, bytes: u8, addr: Val, value: Val) -> Result<Val, Infallible> {
        let addr = self.untagged(addr);
        Ok(self.emit_store_exclusive(bytes, addr, value))
    }
    fn load_exclusive_pair(&mut self, bytes: u8, addr: Val) -> Result<[Val; 2], Infallible> {
        let addr = self.untagged(addr);
        Ok(self.emit_atomic_helper(AtomicOp::LoadExclusivePair, bytes, addr, &[]))
    }
    fn store_exclusive_pair(&mut self, bytes: u8, addr: Val, values: [Val; 2]) -> Result<Val, Infallible> {
        let addr = self.untagged(addr);
        Ok(self.emit_atomic_helper(AtomicOp::StoreExclusivePair, bytes, addr, &values)[0])
    }
    fn clear_exclusive(&mut self) {
        self.emit_clear_exclusive();
    }
    fn barrier(&mut self, kind: Barrier) {
        if kind == Barrier::Full {
            // MFENCE
            self.asm.raw(&[0x0f, 0xae, 0xf0]);
        }
    }

    fn read_sysreg(&mut self, reg: SysReg) -> Val {
        match reg {
            SysReg::Nzcv => return self.emit_nzcv(),
            SysReg::TpidrEl0 => {
                let to = self.new_gpr();
                self.asm.mov(true, to, Mem::Base(R15, TPIDR));
                return Val::Reg(to);
            }
            _ => {}
        }
        let to = self.new_gpr();
        self.emit_sysreg_helper(Helper::ReadSysreg, &[(reg as u64).into()]);
        self.asm.mov(true, to, RAX);
        Val::Reg(to)
    }
    fn write_sysreg(&mut self, reg: SysReg, value: Val) {
        match reg {
            SysReg::Nzcv => return self.set_nzcv(value),
            SysReg::TpidrEl0 => return self.store_state(8, TPIDR, value),
            _ => {}
        }
        self.emit_sysreg_helper(Helper::WriteSysreg, &[(reg as u64).into(), value.into()]);
        if reg == SysReg::Fpcr {
            self.leave_if_mode_changed();
        }
    }
    fn spin_hint(&mut self) {
        // PAUSE
        self.asm.raw(&[0xf3, 0x90]);
    }

    fn jump(&mut self, target: GuestAddr) {
        self.leave_to(target);
    }
    fn jump_if(&mut self, c: Truth, target: GuestAddr) {
        self.leave_if(c, target);
    }
    fn call(&mut self, target: GuestAddr, back: GuestAddr) {
        self.call_to(target, back);
    }
    fn jump_indirect(&mut self, target: Val) {
        self.leave_indirect(target);
    }
    fn call_indirect(&mut self, target: Val, back: GuestAddr) {
        self.call_indirect_to(target, back);
    }
    fn ret(&mut self, target: Val) {
        self.return_to(target);
    }
    fn stop(&mut self, stop: Stop, code: i32) -> Result<(), Infallible> {
        self.emit_stop(stop, code);
        Ok(())
    }
    fn code_changed(&mut self, addr: Val) -> Result<(), Infallible> {
        self.put(RAX, addr);
        self.asm.alu_imm(Alu::And, true, RAX, -64);
        self.asm.store(8, Mem::Base(R15, STOP_ADDR), RAX);
        self.leave_stopped(Stop::CodeChanged);
        Ok(())
    }

    fn v(&mut self, r: VReg) -> Vector {
        self.read_v(r.0)
    }
    fn set_v(&mut self, r: VReg, value: Vector) {
        self.write_v(r.0, value);
    }
    fn vec_imm(&mut self, value: u128) -> Vector {
        Vector::Imm(value)
    }
    fn lane(&mut self, lane: Lane, index: u8, a: Vector) -> Val {
        self.emit_lane(lane, index, a)
    }
    fn set_lane(&mut self, lane: Lane, index: u8, a: Vector, value: Val) -> Vector {
        self.emit_set_lane(lane, index, a, value)
    }
    fn splat(&mut self, arr: Arr, value: Val) -> Vector {
        self.emit_splat(arr, value)
    }
    fn splat_lane(&mut self, arr: Arr, index: u8, a: Vector) -> Vector {
        self.expand([a], |e, [a]| shuffles::splat_lane(e, arr, index, a))
    }
    fn low_half(&mut self, a: Vector) -> Vector {
        self.expand([a], |e, [a]| e.clear_above(Arr::vector(Lane::B, false), a))
    }
    fn high_half(&mut self, a: Vector) -> Vector {
        self.expand([a], |e, [a]| shuffles::high_half(e, a))
    }
    fn join_halves(&mut self, low: Vector, high: Vector) -> Vector {
        self.expand([low, high], |e, [low, high]| shuffles::join_halves(e, low, high))
    }
    fn vec1(&mut self, op: Vec1, arr: Arr, a: Vector) -> Vector {
        self.expand([a], |e, [a]| lower::vec1(e, op, arr, a))
    }
    fn vec2(&mut self, op: Vec2, arr: Arr, a: Vector, b: Vector) -> Vector {
        self.expand([a, b], |e, [a, b]| lower::vec2(e, op, arr, a, b))
    }
    fn vec3(&mut self, op: Vec3, arr: Arr, a: Vector, b: Vector, c: Vector) -> Vector {
        self.expand([a, b, c], |e, [a, b, c]| lower::vec3(e, op, arr, a, b, c))
    }
    fn vec_shift(&mut self, op: VecShift, arr: Arr, amount: u8, a: Vector) -> Vector {
        self.expand([a], |e, [a]| lower::vec_shift(e, op, arr, amount, a))
    }
    fn vec_ext(&mut self, arr: Arr, index: u8, a: Vector, b: Vector) -> Vector {
        self.expand([a, b], |e, [a, b]| shuffles::extract(e, arr, index, a, b))
    }
    fn vec_table(&mut self, arr: Arr, table: &[Vector], index: Vector, fallback: Vector) -> Vector {
        self.expand([index, fallback], |e, [index, fallback]| {
            let table: Vec<_> = table.iter().map(|&register| e.vector(register)).collect();
            shuffles::table(e, arr, &table, index, fallback)
        })
    }
    fn vec_fp_to_int(&mut self, how: FpInt, arr: Arr, a: Vector) -> Vector {
        self.expand([a], |e, [a]| lower::vec_fp_to_int(e, how, arr, a))
    }
    fn vec_int_to_fp(&mut self, how: FpInt, arr: Arr, a: Vector) -> Vector {
        self.expand([a], |e, [a]| lower::vec_int_to_fp(e, how, arr, a))
    }

    fn fp(&mut self, size: FpSize, r: VReg) -> Number {
        self.read_fp(size, r.0)
    }
    fn set_fp(&mut self, size: FpSize, r: VReg, value: Number) {
        self.write_fp(size, r.0, value);
    }
    fn fp_from_bits(&mut self, _size: FpSize, bits: Val) -> Number {
        Number::Bits(bits)
    }
    fn fp_bits(&mut self, size: FpSize, a: Number) -> Val {
        self.emit_fp_bits(size, a)
    }
    fn fp1(&mut self, op: Fp1, size: FpSize, a: Number) -> Number {
        self.emit_fp1(op, size, a)
    }
    fn fp2(&mut self, op: Fp2, size: FpSize, a: Number, b: Number) -> Number {
        self.emit_fp2(op, size, a, b)
    }
    fn fp_mul_add(&mut self, size: FpSize, addend: Number, a: Number, b: Number) -> Number {
        self.emit_mul_add(size, addend, a, b)
    }
    fn fp_convert(&mut self, from: FpSize, to: FpSize, a: Number) -> Number {
        self.emit_convert(from, to, a)
    }
    fn fp_to_int(&mut self, how: FpInt, size: FpSize, width: Width, a: Number) -> Val {
        self.emit_fp_to_int(how, size, width, a)
    }
    fn int_to_fp(&mut self, how: FpInt, size: FpSize, width: Width, a: Val) -> Number {
        self.emit_int_to_fp(how, size, width, a)
    }
    fn fp_compare(&mut self, size: FpSize, signal_quiet: bool, a: Number, b: Number) {
        self.emit_fp_compare(size, signal_quiet, a, b);
    }
    fn fp_compare_if(&mut self, cond: Cond, size: FpSize, signal_quiet: bool, a: Number, b: Number, nzcv: u8) {
        self.emit_fp_compare_if(cond, size, signal_quiet, a, b, nzcv);
    }
    fn fp_select(&mut self, c: Truth, yes: Number, no: Number) -> Number {
        self.emit_fp_select(c, yes, no)
    }
    fn fp_to_int_js(&mut self, a: Number) -> Val {
        self.emit_fp_to_int_js(a)
    }
}
