//! `Ops` for the builder: hands each operation to the file that compiles it.

use super::Builder;
use super::flags::Flags;
use crate::abi::helpers::{AtomicOp, Helper};
use crate::lower::{self, callee, shuffles};
use cranelift_codegen::ir::condcodes::CondCode;
use cranelift_codegen::ir::types::{I8X16, I64};
use cranelift_codegen::ir::{InstBuilder, Value};
use ir::{
    Access, Arr, Barrier, Compare, Cond, CpuState, Extend, FlagKind, FlagOp, Fp1, Fp2, FpInt, FpSize, GuestAddr, Int1,
    Int2, IntHelper, Lane, Ops, Prefetch, Reg, Rmw, Stop, StopDetail, SysReg, VReg, Vec1, Vec2, Vec3, VecShift, Width,
};
use std::convert::Infallible;
use std::mem::offset_of;

impl Builder<'_, '_> {
    fn read_x(&mut self, n: u8) -> Value {
        assert!(self.now.loaded.x >> n & 1 != 0, "what a block reads has been loaded");
        let value = self.fb.use_var(self.x[usize::from(n)]);
        self.now.x_now[usize::from(n)] = Some(value);
        value
    }

    fn write_x(&mut self, n: u8, value: Value) {
        self.fb.def_var(self.x[usize::from(n)], value);
        self.now.x_now[usize::from(n)] = Some(value);
        self.now.dirty.x |= 1 << n;
        self.now.loaded.x |= 1 << n;
    }

    /// A vector as the guest's operations take it.
    fn guest_vector(&mut self, vector: Value) -> Value {
        self.cast(I8X16, vector)
    }

    /// Runs `then` if `cond` holds; both ways the flags end packed: those `then` gives, or `nzcv`.
    pub(super) fn flags_if(&mut self, cond: Cond, nzcv: u8, then: impl FnOnce(&mut Self) -> Value) {
        let holds = self.condition(cond);
        let otherwise = self.iconst(u64::from(nzcv) << 28);
        let (yes, done) = (self.fb.create_block(), self.fb.create_block());
        let packed = self.fb.append_block_param(done, I64);
        self.fb.ins().brif(holds, yes, &[], done, &[otherwise.into()]);
        self.fb.seal_block(yes);
        self.switch_to(yes);
        let flags = then(self);
        self.fb.ins().jump(done, &[flags.into()]);
        self.fb.seal_block(done);
        self.switch_to(done);
        self.set_packed_flags(packed);
    }
}

impl Ops for Builder<'_, '_> {
    type Val = Value;
    type Bool = Value;
    type Vec = Value;
    type Fp = Value;
    type Stop = Infallible;

    fn imm(&mut self, value: u64) -> Value {
        self.iconst(value)
    }
    fn pc_imm(&mut self, addr: GuestAddr) -> Value {
        self.pc_value(addr)
    }
    fn x(&mut self, r: Reg) -> Value {
        if r.0 >= 31 { self.iconst(0) } else { self.read_x(r.0) }
    }
    fn x_or_sp(&mut self, r: Reg) -> Value {
        self.read_x(r.0 & 31)
    }
    fn set_x(&mut self, r: Reg, value: Value) {
        if r.0 < 31 {
            self.write_x(r.0, value);
        }
    }
    fn set_x_or_sp(&mut self, r: Reg, value: Value) {
        self.write_x(r.0 & 31, value);
    }
    fn int1(&mut self, op: Int1, width: Width, a: Value) -> Value {
        self.build_int1(op, width, a)
    }
    fn int2(&mut self, op: Int2, width: Width, a: Value, b: Value) -> Value {
        self.build_int2(op, width, a, b)
    }
    fn extend(&mut self, op: Extend, a: Value) -> Value {
        self.build_extend(op, a)
    }
    fn extract_pair(&mut self, width: Width, high: Value, low: Value, lsb: u8) -> Value {
        self.build_extract_pair(width, high, low, lsb)
    }
    fn int_helper(&mut self, op: IntHelper, a: Value, b: Value) -> Value {
        let callee = callee::int(op);
        let args = self.args(callee, &[a, b]);
        self.call_helper(callee.helper, &args)
    }
    fn compare(&mut self, op: Compare, width: Width, a: Value, b: Value) -> Value {
        self.build_compare(op, width, a, b)
    }
    fn select(&mut self, c: Value, yes: Value, no: Value) -> Value {
        self.choose(c, yes, no)
    }
    fn address(&mut self, base: Value, offset: i64) -> Value {
        if offset == 0 { base } else { self.fb.ins().iadd_imm_s(base, offset) }
    }

    fn set_flags(&mut self, op: FlagOp, width: Width, a: Value, b: Value) {
        let Some(kind) = FlagKind::of(op, width) else {
            let (_, packed) = self.build_adc(width, a, b, op == FlagOp::Sbc, true);
            return self.set_packed_flags(packed.expect("flags were asked for"));
        };
        let a = if op == FlagOp::Logic { self.masked(a) } else { a };
        // Operands are kept clean, as `LazyFlags` says.
        let (a, b) = (self.narrow(width, a), self.narrow(width, b));
        let (a, b) = (self.widen(a), self.widen(b));
        self.set_lazy_flags(kind, a, b);
    }
    fn set_nzcv(&mut self, packed: Value) {
        let packed = self.fb.ins().band_imm_s(packed, 0xf000_0000);
        self.set_packed_flags(packed);
    }
    fn nzcv(&mut self) -> Value {
        self.packed_flags()
    }
    fn set_flags_if(&mut self, cond: Cond, op: FlagOp, width: Width, a: Value, b: Value, nzcv: u8) {
        let kind = FlagKind::of(op, width).expect("CCMP and CCMN take no carry");
        let (a, b) = (self.narrow(width, a), self.narrow(width, b));
        let (a, b) = (self.widen(a), self.widen(b));
        self.set_flags_of_compare_if(cond, kind, a, b, nzcv);
    }
    fn cond(&mut self, cond: Cond) -> Value {
        self.condition(cond)
    }
    fn add_with_carry(&mut self, width: Width, a: Value, b: Value, subtract: bool) -> Value {
        self.build_adc(width, a, b, subtract, false).0
    }

    fn load(&mut self, access: Access, addr: Value) -> Result<Value, Infallible> {
        let addr = self.untagged(addr);
        Ok(self.build_load(access, addr))
    }
    fn store(&mut self, access: Access, addr: Value, value: Value) -> Result<(), Infallible> {
        let addr = self.untagged(addr);
        self.build_store(access, addr, value);
        Ok(())
    }
    fn load_vec(&mut self, access: Access, addr: Value) -> Result<Value, Infallible> {
        let addr = self.untagged(addr);
        Ok(self.build_load_vec(access.bytes, addr))
    }
    fn store_vec(&mut self, access: Access, addr: Value, value: Value) -> Result<(), Infallible> {
        let addr = self.untagged(addr);
        let value = self.exact(value);
        self.build_store_vec(access.bytes, addr, value);
        Ok(())
    }
    fn zero_block(&mut self, addr: Value) -> Result<(), Infallible> {
        let addr = self.untagged(addr);
        self.build_zero_block(addr);
        Ok(())
    }
    fn prefetch(&mut self, place: Prefetch, addr: Value) {
        self.build_prefetch(place, addr);
    }
    fn rmw(&mut self, op: Rmw, bytes: u8, addr: Value, value: Value) -> Result<Value, Infallible> {
        let addr = self.untagged(addr);
        Ok(self.build_rmw(op, bytes, addr, value))
    }
    fn cas(&mut self, bytes: u8, addr: Value, expected: Value, new: Value) -> Result<Value, Infallible> {
        let addr = self.untagged(addr);
        Ok(self.build_cas(bytes, addr, expected, new))
    }
    fn cas_pair(
        &mut self,
        bytes: u8,
        addr: Value,
        expected: [Value; 2],
        new: [Value; 2],
    ) -> Result<[Value; 2], Infallible> {
        let addr = self.untagged(addr);
        let operands = [expected[0], expected[1], new[0], new[1]];
        Ok(self.build_atomic(AtomicOp::CasPair, Rmw::Swp, bytes, addr, &operands))
    }
    fn load_exclusive(&mut self, bytes: u8, addr: Value) -> Result<Value, Infallible> {
        let addr = self.untagged(addr);
        Ok(self.build_load_exclusive(bytes, addr))
    }
    fn store_exclusive(&mut self, bytes: u8, addr: Value, value: Value) -> Result<Value, Infallible> {
        let addr = self.untagged(addr);
        Ok(self.build_store_exclusive(bytes, addr, value))
    }
    fn load_exclusive_pair(&mut self, bytes: u8, addr: Value) -> Result<[Value; 2], Infallible> {
        let addr = self.untagged(addr);
        Ok(self.build_atomic(AtomicOp::LoadExclusivePair, Rmw::Swp, bytes, addr, &[]))
    }
    fn store_exclusive_pair(&mut self, bytes: u8, addr: Value, values: [Value; 2]) -> Result<Value, Infallible> {
        let addr = self.untagged(addr);
        Ok(self.build_atomic(AtomicOp::StoreExclusivePair, Rmw::Swp, bytes, addr, &values)[0])
    }
    fn clear_exclusive(&mut self) {
        let open = self.iconst(CpuState::NO_EXCLUSIVE);
        self.store_state(open, offset_of!(CpuState, exclusive_addr) as i32);
    }
    fn barrier(&mut self, kind: Barrier) {
        if kind == Barrier::Full {
            self.fb.ins().fence();
        }
    }

    fn read_sysreg(&mut self, reg: SysReg) -> Value {
        self.flush_checks();
        match reg {
            SysReg::Nzcv => return self.packed_flags(),
            SysReg::TpidrEl0 => return self.load_state(I64, offset_of!(CpuState, tpidr_el0) as i32),
            // Storing the results of earlier floating-point operations makes sure that they have been computed.
            SysReg::Fpsr => self.write_back(),
            _ => {}
        }
        let number = self.iconst(reg as u64);
        self.call_helper(Helper::ReadSysreg, &[number])
    }
    fn write_sysreg(&mut self, reg: SysReg, value: Value) {
        self.flush_checks();
        match reg {
            SysReg::Nzcv => return self.set_nzcv(value),
            SysReg::TpidrEl0 => return self.store_state(value, offset_of!(CpuState, tpidr_el0) as i32),
            _ => {}
        }
        self.write_back();
        // What was computed under the old mode is in memory; nothing is to be computed again under the new one.
        self.now.fp_cache = [None; 32];
        let number = self.iconst(reg as u64);
        self.call_helper(Helper::WriteSysreg, &[number, value]);
        if reg == SysReg::Fpcr {
            self.leave_if_mode_changed();
        }
    }

    fn jump(&mut self, target: GuestAddr) {
        self.leave_to(target);
    }
    fn jump_if(&mut self, c: Value, target: GuestAddr) {
        let next = self.pc.offset(4);
        if target == next {
            self.flush_checks();
            return self.leave_to(target);
        }
        let (taken, not_taken) = (self.fb.create_block(), self.fb.create_block());
        // Ways out of the region go behind it, so that a loop runs straight on.
        for (block, way) in [(taken, target), (not_taken, next)] {
            if self.graph.node(self.context(), way).is_none() {
                self.fb.set_cold_block(block);
            }
        }
        // Cranelift puts what the second way of a branch leads to next, and all that the first leads to behind it. So
        // a loop's blocks stay together, and registers hold values for all of it.
        let is_nearer = self.is_nearer(target, next);
        let comparison = self.take_comparison(c);
        self.flush_checks();
        if let Some((comparison, condition)) = comparison {
            let (condition, unlikely, likely) =
                if is_nearer { (condition.complement(), not_taken, taken) } else { (condition, taken, not_taken) };
            self.branch_on_comparison(comparison, condition, unlikely, likely);
        } else if is_nearer && self.can_be_negated(c) {
            let other = self.not(c);
            self.branch(other, not_taken, taken);
        } else {
            self.branch(c, taken, not_taken);
        }
        self.fb.seal_block(taken);
        self.fb.seal_block(not_taken);
        let dirty = self.now.dirty;
        let (if_taken, if_not) = (self.flags_after_branch(c, true), self.flags_after_branch(c, false));
        self.switch_to(taken);
        self.now.flags = if_taken;
        self.leave_to(target);
        (self.now.dirty, self.now.flags) = (dirty, if_not);
        self.switch_to(not_taken);
        self.leave_to(next);
    }
    fn call(&mut self, target: GuestAddr, back: GuestAddr) {
        self.flush_checks();
        self.call_to(target, back);
    }
    fn jump_indirect(&mut self, target: Value) {
        self.flush_checks();
        self.jump_computed(target);
    }
    fn call_indirect(&mut self, target: Value, back: GuestAddr) {
        self.flush_checks();
        self.call_indirect_to(target, back);
    }
    fn ret(&mut self, target: Value) {
        self.flush_checks();
        self.return_to(target);
    }
    fn stop(&mut self, stop: Stop, code: i32) -> Result<(), Infallible> {
        self.flush_checks();
        self.ended = true;
        let code = self.fb.ins().iconst(cranelift_codegen::ir::types::I32, i64::from(code as u32));
        self.store_state(code, (offset_of!(CpuState, stop) + offset_of!(StopDetail, code)) as i32);
        self.exit_stop(stop);
        Ok(())
    }
    fn code_changed(&mut self, addr: Value) -> Result<(), Infallible> {
        self.flush_checks();
        self.ended = true;
        let line = self.fb.ins().band_imm_s(addr, !63);
        self.store_state(line, (offset_of!(CpuState, stop) + offset_of!(StopDetail, addr)) as i32);
        self.exit_stop(Stop::CodeChanged);
        Ok(())
    }

    fn v(&mut self, r: VReg) -> Value {
        self.read_v(r)
    }
    fn set_v(&mut self, r: VReg, value: Value) {
        let value = self.resolved(value);
        self.write_v(r, value);
    }
    fn vec_imm(&mut self, value: u128) -> Value {
        self.vconst(value)
    }
    fn lane(&mut self, lane: Lane, index: u8, a: Value) -> Value {
        let a = self.exact(a);
        self.build_lane(lane, index, a)
    }
    fn set_lane(&mut self, lane: Lane, index: u8, a: Value, value: Value) -> Value {
        let a = self.exact(a);
        self.build_set_lane(lane, index, a, value)
    }
    fn splat(&mut self, arr: Arr, value: Value) -> Value {
        self.build_splat(arr, value)
    }
    fn splat_lane(&mut self, arr: Arr, index: u8, a: Value) -> Value {
        let a = self.exact(a);
        let result = shuffles::splat_lane(self, arr, index, a);
        self.guest_vector(result)
    }
    fn low_half(&mut self, a: Value) -> Value {
        let a = self.exact(a);
        self.clear_above(Arr::vector(Lane::B, false), a)
    }
    fn high_half(&mut self, a: Value) -> Value {
        let a = self.exact(a);
        shuffles::high_half(self, a)
    }
    fn join_halves(&mut self, low: Value, high: Value) -> Value {
        let [low, high] = self.each([low, high], Self::exact);
        shuffles::join_halves(self, low, high)
    }
    fn vec1(&mut self, op: Vec1, arr: Arr, a: Value) -> Value {
        let a = if op == Vec1::Fsqrt { self.lanes_operand(arr, a) } else { self.exact(a) };
        let [a] = if op.is_floating_point() { self.unfolded([a]) } else { [a] };
        let result = lower::vec1(self, op, arr, a);
        self.guest_vector(result)
    }
    fn vec2(&mut self, op: Vec2, arr: Arr, a: Value, b: Value) -> Value {
        let [a, b] = self.vec2_operands(op, arr, [a, b]);
        let [a, b] = if op.is_floating_point() { self.unfolded([a, b]) } else { [a, b] };
        let result = lower::vec2(self, op, arr, a, b);
        self.guest_vector(result)
    }
    fn vec3(&mut self, op: Vec3, arr: Arr, a: Value, b: Value, c: Value) -> Value {
        let [a, b, c] = if op == Vec3::Fmla {
            self.each([a, b, c], |builder, operand| builder.lanes_operand(arr, operand))
        } else {
            self.each([a, b, c], Self::exact)
        };
        let [a, b, c] = if op == Vec3::Fmla { self.unfolded([a, b, c]) } else { [a, b, c] };
        let result = lower::vec3(self, op, arr, a, b, c);
        self.guest_vector(result)
    }
    fn vec_shift(&mut self, op: VecShift, arr: Arr, amount: u8, a: Value) -> Value {
        let a = self.exact(a);
        let result = lower::vec_shift(self, op, arr, amount, a);
        self.guest_vector(result)
    }
    fn vec_ext(&mut self, arr: Arr, index: u8, a: Value, b: Value) -> Value {
        let [a, b] = self.each([a, b], Self::exact);
        shuffles::extract(self, arr, index, a, b)
    }
    fn vec_table(&mut self, arr: Arr, table: &[Value], index: Value, fallback: Value) -> Value {
        let table: Vec<Value> = table.iter().map(|&vector| self.exact(vector)).collect();
        let [index, fallback] = self.each([index, fallback], Self::exact);
        shuffles::table(self, arr, &table, index, fallback)
    }
    fn vec_fp_to_int(&mut self, how: FpInt, arr: Arr, a: Value) -> Value {
        let a = self.exact(a);
        let [a] = self.unfolded([a]);
        let result = lower::vec_fp_to_int(self, how, arr, a);
        self.guest_vector(result)
    }
    fn vec_int_to_fp(&mut self, how: FpInt, arr: Arr, a: Value) -> Value {
        let a = self.exact(a);
        let [a] = self.unfolded([a]);
        let result = lower::vec_int_to_fp(self, how, arr, a);
        self.guest_vector(result)
    }

    fn fp(&mut self, size: FpSize, r: VReg) -> Value {
        self.read_fp(size, r)
    }
    fn set_fp(&mut self, size: FpSize, r: VReg, value: Value) {
        let value = self.resolved(value);
        self.write_fp(size, r, value);
    }
    fn fp_from_bits(&mut self, size: FpSize, bits: Value) -> Value {
        self.number_from_bits(size, bits)
    }
    fn fp_bits(&mut self, size: FpSize, a: Value) -> Value {
        let a = self.exact(a);
        self.number_bits(size, a)
    }
    fn fp1(&mut self, op: Fp1, size: FpSize, a: Value) -> Value {
        let a = if op == Fp1::Fsqrt { self.resolved(a) } else { self.exact(a) };
        let [a] = self.unfolded([a]);
        self.build_fp1(op, size, a)
    }
    fn fp2(&mut self, op: Fp2, size: FpSize, a: Value, b: Value) -> Value {
        let waits = matches!(op, Fp2::Fadd | Fp2::Fsub | Fp2::Fmul | Fp2::Fnmul | Fp2::Fdiv);
        let [a, b] = self.each([a, b], if waits { Self::resolved } else { Self::exact });
        let [a, b] = self.unfolded([a, b]);
        self.build_fp2(op, size, a, b)
    }
    fn fp_mul_add(&mut self, size: FpSize, addend: Value, a: Value, b: Value) -> Value {
        let [addend, a, b] = self.each([addend, a, b], Self::resolved);
        let [addend, a, b] = self.unfolded([addend, a, b]);
        self.build_mul_add(size, addend, a, b)
    }
    fn fp_convert(&mut self, from: FpSize, to: FpSize, a: Value) -> Value {
        let a = self.exact(a);
        let [a] = self.unfolded([a]);
        self.build_convert(from, to, a)
    }
    fn fp_to_int(&mut self, how: FpInt, size: FpSize, width: Width, a: Value) -> Value {
        let a = self.exact(a);
        let [a] = self.unfolded([a]);
        self.build_fp_to_int(how, size, width, a)
    }
    fn int_to_fp(&mut self, how: FpInt, size: FpSize, width: Width, a: Value) -> Value {
        let [a] = self.unfolded([a]);
        self.build_int_to_fp(how, size, width, a)
    }
    fn fp_compare(&mut self, size: FpSize, signal_quiet: bool, a: Value, b: Value) {
        let [a, b] = self.each([a, b], Self::exact);
        let [a, b] = self.unfolded([a, b]);
        self.build_fp_compare(size, signal_quiet, a, b);
    }
    fn fp_compare_if(&mut self, cond: Cond, size: FpSize, signal_quiet: bool, a: Value, b: Value, nzcv: u8) {
        let [a, b] = self.each([a, b], Self::exact);
        self.build_fp_compare_if(cond, size, signal_quiet, [a, b], nzcv);
    }
    fn fp_select(&mut self, c: Value, yes: Value, no: Value) -> Value {
        let [yes, no] = self.each([yes, no], Self::exact);
        self.fb.ins().select(c, yes, no)
    }
    fn fp_to_int_js(&mut self, a: Value) -> Value {
        let a = self.exact(a);
        let bits = self.number_bits(FpSize::D, a);
        let both = self.call_helper(Helper::FpToIntJs, &[bits]);
        let packed = self.fb.ins().ushr_imm_s(both, 32);
        self.now.flags = Flags::InMemory;
        self.set_packed_flags(packed);
        let value = self.fb.ins().ireduce(cranelift_codegen::ir::types::I32, both);
        self.widen(value)
    }
}
