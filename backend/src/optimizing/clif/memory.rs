//! Guest memory in CLIF. Before every access memory holds exact state, and after every access stands a sequence point.
//! It keeps Cranelift from folding a load into a later instruction, whose source location would name the wrong guest
//! PC in a fault; and it is a fence to the alias analysis, which Cranelift 0.135 runs whatever `enable_alias_analysis`
//! says and which would otherwise forward, merge and drop accesses that other threads may see.

use super::Builder;
use crate::abi::helpers::{AtomicOp, Helper};
use crate::abi::layout;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{F32, F64, I8, I8X16, I16, I32, I32X4, I64, I64X2};
use cranelift_codegen::ir::{AbiParam, AtomicRmwOp, InstBuilder, MemFlagsData, Opcode, Signature, Type, Value};
use cranelift_codegen::isa::CallConv;
use ir::{Access, CpuState, GuestAddr, Loaded, Order, Prefetch, Rmw, Stop};
use std::mem::offset_of;

/// Flags of guest accesses: may fault, any alignment.
fn guest() -> MemFlagsData {
    MemFlagsData::new()
}

fn type_of_bytes(bytes: u8) -> Type {
    match bytes {
        1 => I8,
        2 => I16,
        4 => I32,
        _ => I64,
    }
}

impl Builder<'_, '_> {
    /// The address that an access goes to, if the guest uses tags.
    pub(super) fn untagged(&mut self, addr: Value) -> Value {
        if !self.mode.untags {
            return addr;
        }
        match self.constant(addr).map(GuestAddr) {
            Some(known) if known == known.untagged() => addr,
            Some(known) => self.iconst(known.untagged().0),
            None => {
                let above = self.fb.ins().ishl_imm_u(addr, 8);
                self.fb.ins().sshr_imm_u(above, 8)
            }
        }
    }

    /// Stops with `Misaligned` unless `addr` is a multiple of `bytes`.
    pub(super) fn check_aligned(&mut self, addr: Value, bytes: u8) {
        if bytes <= 1 {
            return;
        }
        let low = self.fb.ins().band_imm_s(addr, i64::from(bytes) - 1);
        self.side_exit(low, |b| {
            b.store_state(addr, (offset_of!(CpuState, stop) + offset_of!(ir::StopDetail, addr)) as i32);
            b.exit_stop(Stop::Misaligned);
        });
    }

    /// An address as what it was computed from and a constant. An access takes the constant in, so that the sum need not
    /// be there before something else uses it: often the next turn of a loop, in the same host register.
    fn base_and_offset(&self, addr: Value) -> (Value, i32) {
        let (mut base, mut offset) = (addr, 0i32);
        while let Some([one, other]) = self.operands_of(Opcode::Iadd, base)
            && let Some(more) = self.constant(other)
            && let Some(sum) = i32::try_from(more as i64).ok().and_then(|more| offset.checked_add(more))
        {
            (base, offset) = (one, sum);
        }
        (base, offset)
    }

    pub(super) fn build_load(&mut self, access: Access, addr: Value) -> Value {
        self.write_back();
        if access.aligned {
            self.check_aligned(addr, access.bytes);
        }
        let (base, offset) = self.base_and_offset(addr);
        let ins = self.fb.ins();
        let value = match (access.bytes, access.extend) {
            (1, Loaded::Zero) => ins.uload8(I64, guest(), base, offset),
            (1, Loaded::SignX) => ins.sload8(I64, guest(), base, offset),
            (1, Loaded::SignW) => ins.sload8(I32, guest(), base, offset),
            (2, Loaded::Zero) => ins.uload16(I64, guest(), base, offset),
            (2, Loaded::SignX) => ins.sload16(I64, guest(), base, offset),
            (2, Loaded::SignW) => ins.sload16(I32, guest(), base, offset),
            (4, Loaded::SignX) => ins.sload32(guest(), base, offset),
            (4, _) => ins.uload32(guest(), base, offset),
            _ => ins.load(I64, guest(), base, offset),
        };
        self.fb.ins().sequence_point();
        self.log_load(value);
        self.widen(value)
    }

    pub(super) fn build_store(&mut self, access: Access, addr: Value, value: Value) {
        self.write_back();
        if access.aligned {
            self.check_aligned(addr, access.bytes);
        }
        match access.order {
            Order::Plain => {
                let (base, offset) = self.base_and_offset(addr);
                let constant = self.constant(value).filter(|_| access.bytes < 8);
                // As a narrow value it is part of the host instruction.
                let narrow = constant.map(|constant| {
                    let ty = type_of_bytes(access.bytes);
                    self.fb.ins().iconst(ty, (constant & (u64::MAX >> (64 - ty.bits()))) as i64)
                });
                let ins = self.fb.ins();
                match access.bytes {
                    _ if let Some(narrow) = narrow => ins.store(guest(), narrow, base, offset),
                    1 => ins.istore8(guest(), value, base, offset),
                    2 => ins.istore16(guest(), value, base, offset),
                    4 => ins.istore32(guest(), value, base, offset),
                    _ => ins.store(guest(), value, base, offset),
                };
                self.fb.ins().sequence_point();
            }
            // An exchange is store and full fence in one: a later LDAR may not pass the store.
            Order::AcquireRelease => {
                let ty = type_of_bytes(access.bytes);
                let low = self.reduced(ty, value);
                self.fb.ins().atomic_rmw(ty, guest(), AtomicRmwOp::Xchg, addr, low);
            }
        }
    }

    pub(super) fn reduced(&mut self, ty: Type, value: Value) -> Value {
        if ty == I64 { value } else { self.fb.ins().ireduce(ty, value) }
    }

    pub(super) fn build_load_vec(&mut self, bytes: u8, addr: Value) -> Value {
        self.write_back();
        let (base, offset) = self.base_and_offset(addr);
        let value = match bytes {
            16 => {
                let vector = self.fb.ins().load(I8X16, guest(), base, offset);
                self.log_load(vector);
                vector
            }
            8 => {
                let scalar = self.fb.ins().load(F64, guest(), base, offset);
                self.fb.ins().sequence_point();
                self.log_load(scalar);
                self.f64_to_vec(scalar)
            }
            4 => {
                let scalar = self.fb.ins().load(F32, guest(), base, offset);
                self.fb.ins().sequence_point();
                self.log_load(scalar);
                self.f32_to_vec(scalar)
            }
            _ => {
                let scalar = match bytes {
                    2 => self.fb.ins().uload16(I32, guest(), base, offset),
                    _ => self.fb.ins().uload8(I32, guest(), base, offset),
                };
                self.fb.ins().sequence_point();
                self.log_load(scalar);
                let vector = self.fb.ins().scalar_to_vector(I32X4, scalar);
                self.cast(I8X16, vector)
            }
        };
        self.fb.ins().sequence_point();
        value
    }

    pub(super) fn build_store_vec(&mut self, bytes: u8, addr: Value, value: Value) {
        self.write_back();
        let (base, offset) = self.base_and_offset(addr);
        match bytes {
            16 => {
                self.fb.ins().store(guest(), value, base, offset);
            }
            8 => {
                let scalar = self.vec_to_f64(value);
                self.fb.ins().store(guest(), scalar, base, offset);
            }
            4 => {
                let scalar = self.vec_to_f32(value);
                self.fb.ins().store(guest(), scalar, base, offset);
            }
            _ => {
                let lanes = self.cast(I64X2, value);
                let low = self.fb.ins().extractlane(lanes, 0);
                match bytes {
                    2 => self.fb.ins().istore16(guest(), low, base, offset),
                    _ => self.fb.ins().istore8(guest(), low, base, offset),
                };
            }
        }
        self.fb.ins().sequence_point();
    }

    /// Stops with the status of a helper unless it is 0.
    fn check_status(&mut self, status: Value) {
        self.side_exit(status, |b| {
            let pc = b.pc_value(b.pc);
            b.store_state(pc, offset_of!(CpuState, pc) as i32);
            let code = b.fb.ins().bor_imm_s(status, layout::EXIT_STOP as i64);
            b.exit_with_value(code);
        });
    }

    /// DC ZVA. The block is in one page: if the first store does not fault, none does.
    pub(super) fn build_zero_block(&mut self, addr: Value) {
        self.write_back();
        let block = self.fb.ins().band_imm_s(addr, -64);
        let zero = self.vconst(0);
        for i in 0..4 {
            self.fb.ins().store(guest(), zero, block, 16 * i);
            self.fb.ins().sequence_point();
        }
    }

    /// A call that preserves all registers, for want of an instruction in CLIF: still cheap against a cache miss.
    pub(super) fn build_prefetch(&mut self, place: Prefetch, addr: Value) {
        let sig = *self.signatures.prefetch.get_or_insert_with(|| {
            let mut sig = Signature::new(CallConv::PreserveAll);
            sig.params.push(AbiParam::new(I64));
            self.fb.import_signature(sig)
        });
        let first = self.load_state(I64, layout::backend_word(layout::PREFETCH));
        let stub = self.fb.ins().iadd_imm_s(first, place as i64 * layout::PREFETCH_STEP);
        self.fb.ins().call_indirect(sig, stub, &[addr]);
    }

    /// An atomic operation by helper; gives its two results.
    pub(super) fn build_atomic(
        &mut self,
        op: AtomicOp,
        rmw: Rmw,
        bytes: u8,
        addr: Value,
        operands: &[Value],
    ) -> [Value; 2] {
        self.write_back();
        let code = self.iconst(op as u64 | u64::from(bytes) << 8 | (rmw as u64) << 16);
        let zero = self.iconst(0);
        let mut args = vec![code, addr];
        args.extend_from_slice(operands);
        args.resize(7, zero);
        let status = self.call_helper(Helper::Atomic, &args);
        self.check_status(status);
        let first = self.load_state(I64, layout::backend_word(layout::RESULT));
        let second = self.load_state(I64, layout::backend_word(layout::RESULT + 1));
        [first, second]
    }

    /// LSE: the host has a locked instruction or a compare-and-swap loop for each.
    pub(super) fn build_rmw(&mut self, op: Rmw, bytes: u8, addr: Value, value: Value) -> Value {
        self.write_back();
        self.check_aligned(addr, bytes);
        let ty = type_of_bytes(bytes);
        let operand = if op == Rmw::Clr { self.fb.ins().bnot(value) } else { value };
        let operand = self.reduced(ty, operand);
        let op = match op {
            Rmw::Add => AtomicRmwOp::Add,
            Rmw::Clr => AtomicRmwOp::And,
            Rmw::Eor => AtomicRmwOp::Xor,
            Rmw::Set => AtomicRmwOp::Or,
            Rmw::Smax => AtomicRmwOp::Smax,
            Rmw::Smin => AtomicRmwOp::Smin,
            Rmw::Umax => AtomicRmwOp::Umax,
            Rmw::Umin => AtomicRmwOp::Umin,
            Rmw::Swp => AtomicRmwOp::Xchg,
        };
        let old = self.fb.ins().atomic_rmw(ty, guest(), op, addr, operand);
        self.widen(old)
    }

    pub(super) fn build_cas(&mut self, bytes: u8, addr: Value, expected: Value, new: Value) -> Value {
        self.write_back();
        self.check_aligned(addr, bytes);
        let ty = type_of_bytes(bytes);
        let (expected, new) = (self.reduced(ty, expected), self.reduced(ty, new));
        let old = self.fb.ins().atomic_cas(guest(), addr, expected, new);
        self.widen(old)
    }

    pub(super) fn build_load_exclusive(&mut self, bytes: u8, addr: Value) -> Value {
        let access = Access { aligned: true, ..Access::plain(bytes) };
        let value = self.build_load(access, addr);
        self.store_state(addr, offset_of!(CpuState, exclusive_addr) as i32);
        self.store_state(value, offset_of!(CpuState, exclusive_value) as i32);
        let size = self.iconst(u64::from(bytes));
        self.store_state(size, offset_of!(CpuState, exclusive_bytes) as i32);
        value
    }

    /// A compare-and-swap against what the exclusive load saw, if the monitor still holds.
    pub(super) fn build_store_exclusive(&mut self, bytes: u8, addr: Value, value: Value) -> Value {
        self.write_back();
        self.check_aligned(addr, bytes);
        let held = self.load_state(I64, offset_of!(CpuState, exclusive_addr) as i32);
        let size = self.load_state(I64, offset_of!(CpuState, exclusive_bytes) as i32);
        let seen = self.load_state(I64, offset_of!(CpuState, exclusive_value) as i32);
        // But for a tag: if this code ignores none, the swap will fault.
        let difference = self.fb.ins().bxor(held, addr);
        let difference = self.fb.ins().ishl_imm_u(difference, 8);
        let same_addr = self.fb.ins().icmp_imm_s(IntCC::Equal, difference, 0);
        let same_size = self.fb.ins().icmp_imm_s(IntCC::Equal, size, i64::from(bytes));
        let armed = self.fb.ins().band(same_addr, same_size);
        let (swap, lost, done) = (self.fb.create_block(), self.cold_block(), self.fb.create_block());
        let status = self.fb.append_block_param(done, I64);
        self.fb.ins().brif(armed, swap, &[], lost, &[]);
        self.fb.seal_block(swap);
        self.fb.seal_block(lost);
        self.switch_to(lost);
        let one = self.iconst(1);
        self.fb.ins().jump(done, &[one.into()]);
        self.switch_to(swap);
        let ty = type_of_bytes(bytes);
        let (expected, new) = (self.reduced(ty, seen), self.reduced(ty, value));
        let old = self.fb.ins().atomic_cas(guest(), addr, expected, new);
        let failed = self.fb.ins().icmp(IntCC::NotEqual, old, expected);
        let failed = self.fb.ins().uextend(I64, failed);
        self.fb.ins().jump(done, &[failed.into()]);
        self.fb.seal_block(done);
        self.switch_to(done);
        // Not before: when the swap faults, all of it is performed again.
        let open = self.iconst(CpuState::NO_EXCLUSIVE);
        self.store_state(open, offset_of!(CpuState, exclusive_addr) as i32);
        status
    }
}
