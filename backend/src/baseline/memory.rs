//! Guest memory: each access is one host instruction, where it stands. Before it memory holds exact state, and its
//! place is noted, so that a fault needs nothing else.

use super::Emitter;
use super::asm::{Alu, Cc, Gpr, MAP_0F, Mem, Op, R15, RAX, RCX, RDX, Shift, Xmm};
use super::exits::Cold;
use super::value::{Arg, Val, Vector};
use crate::abi::helpers::{AtomicOp, Helper};
use crate::abi::layout;
use ir::{Access, CpuState, Int2, Loaded, Ops, Order, Prefetch, Rmw, Width};
use std::mem::offset_of;

const EXCLUSIVE_ADDR: i32 = offset_of!(CpuState, exclusive_addr) as i32;
const EXCLUSIVE_VALUE: i32 = offset_of!(CpuState, exclusive_value) as i32;
const EXCLUSIVE_BYTES: i32 = offset_of!(CpuState, exclusive_bytes) as i32;

fn state(offset: i32) -> Mem {
    Mem::Base(R15, offset)
}

impl Emitter {
    /// What comes may fault or stop.
    fn make_exact(&mut self) {
        self.store_flags();
        debug_assert!(self.regs.is_saved() || self.refused, "registers needed here have been stored");
        self.mark_location();
    }

    /// The address that an access goes to, if the guest uses tags.
    pub(super) fn untagged(&mut self, addr: Val) -> Val {
        if !self.mode.untags {
            return addr;
        }
        let above = self.int2(Int2::Lsl, Width::X, addr, Val::Imm(8));
        self.int2(Int2::Asr, Width::X, above, Val::Imm(8))
    }

    /// Stops unless the address is a multiple of `bytes`. Uses rax.
    fn check_aligned(&mut self, addr: Val, bytes: u8) {
        if bytes <= 1 {
            return;
        }
        let at = self.asm.label();
        self.put(RAX, addr);
        self.asm.test_imm(false, RAX, i32::from(bytes) - 1);
        self.asm.jcc(Cc::Ne, at);
        self.cold.push(Cold::Misaligned { at, pc: self.pc });
    }

    pub(super) fn emit_load(&mut self, access: Access, addr: Val) -> Val {
        let to = self.new_gpr();
        self.make_exact();
        if access.aligned {
            self.check_aligned(addr, access.bytes);
        }
        let at = self.operand(addr);
        match access.extend {
            Loaded::Zero => self.asm.load_zero(access.bytes, to, at),
            Loaded::SignX => self.asm.load_sign(access.bytes, true, to, at),
            Loaded::SignW => self.asm.load_sign(access.bytes, false, to, at),
        }
        self.regs.set_narrow(to, access.extend == Loaded::SignW || access.extend == Loaded::Zero && access.bytes < 8);
        Val::Reg(to)
    }

    pub(super) fn emit_store(&mut self, access: Access, addr: Val, value: Val) {
        let bytes = access.bytes;
        let small = value.is_imm().and_then(|value| match bytes {
            8 => i32::try_from(value as i64).ok(),
            _ => Some(value as i32),
        });
        let value = if small.is_some() { value } else { Val::Reg(self.reg(value)) };
        self.make_exact();
        if access.aligned {
            self.check_aligned(addr, bytes);
        }
        let at = self.operand(addr);
        match (access.order, small, value) {
            // An exchange is store and full fence in one: a later LDAR may not pass the store.
            (Order::AcquireRelease, ..) => {
                self.put(RCX, value);
                self.asm.xchg(bytes, RCX, at);
            }
            (_, Some(small), _) => self.asm.store_imm(bytes, at, small),
            (_, None, Val::Reg(r)) => self.asm.store(bytes, at, r),
            _ => unreachable!("made a register above"),
        }
    }

    pub(super) fn emit_load_vec(&mut self, bytes: u8, addr: Val) -> Vector {
        let to = self.new_xmm();
        self.make_exact();
        let at = self.operand(addr);
        match bytes {
            16 => self.sse(Op(0, MAP_0F, 0x10), to, at),
            8 => self.sse(Op(0xf3, MAP_0F, 0x7e), to, at),
            4 => self.sse(Op(0x66, MAP_0F, 0x6e), to, at),
            _ => {
                self.asm.load_zero(bytes, RAX, at);
                self.gpr_to_xmm(false, to, RAX);
            }
        }
        self.regs.set_width(to, if bytes == 16 { 128 } else { (8 * bytes).max(32) });
        Vector::Reg(to)
    }

    pub(super) fn emit_store_vec(&mut self, bytes: u8, addr: Val, value: Vector) {
        if let (Vector::Imm(value), true) = (value, bytes <= 8) {
            return self.emit_store(Access::plain(bytes), addr, Val::Imm(value as u64));
        }
        let value = self.xmm(value);
        self.make_exact();
        let at = self.operand(addr);
        match bytes {
            16 => self.sse(Op(0, MAP_0F, 0x11), value, at),
            8 => self.sse(Op(0x66, MAP_0F, 0xd6), value, at),
            4 => self.sse(Op(0x66, MAP_0F, 0x7e), value, at),
            _ => {
                self.xmm_to_gpr(false, RCX, value);
                self.asm.store(bytes, at, RCX);
            }
        }
    }

    /// DC ZVA.
    pub(super) fn emit_zero_block(&mut self, addr: Val) {
        self.make_exact();
        self.put(RAX, addr);
        self.asm.alu_imm(Alu::And, true, RAX, -64);
        self.put_vector(Xmm(0), Vector::Imm(0));
        for i in 0..4 {
            self.sse(Op(0, MAP_0F, 0x11), Xmm(0), Mem::Base(RAX, 16 * i));
        }
    }

    /// PREFETCHT0, T1, T2, PREFETCHW.
    pub(super) fn emit_prefetch(&mut self, place: Prefetch, addr: Val) {
        let (opcode, which) = match place {
            Prefetch::L1 => (0x18, 1),
            Prefetch::L2 => (0x18, 2),
            Prefetch::L3 => (0x18, 3),
            Prefetch::Store => (0x0d, 1),
        };
        let at = self.operand(addr);
        self.asm.legacy(Op(0, MAP_0F, opcode), false, which, at.into(), false);
    }

    /// An atomic operation by helper.
    pub(super) fn emit_atomic_helper(&mut self, op: AtomicOp, bytes: u8, addr: Val, operands: &[Val]) -> [Val; 2] {
        let results = [self.new_gpr(), self.new_gpr()];
        self.make_exact();
        let operand = |i: usize| Arg::Val(operands.get(i).copied().unwrap_or(Val::ZERO));
        let selector = Val::Imm(op as u64 | u64::from(bytes) << 8);
        let args =
            [Arg::Val(selector), Arg::Val(addr), operand(0), operand(1), operand(2), operand(3), Arg::Val(Val::ZERO)];
        self.call_helper(Helper::Atomic, &args);
        self.check_status();
        for (i, &result) in results.iter().enumerate() {
            self.asm.mov(true, result, state(layout::backend_word(layout::RESULT + i)));
        }
        results.map(Val::Reg)
    }

    /// The address in rdx, checked.
    fn atomic_address(&mut self, addr: Val, bytes: u8) -> Mem {
        self.make_exact();
        self.check_aligned(addr, bytes);
        self.put(RDX, addr);
        Mem::Base(RDX, 0)
    }

    fn taken(&mut self, to: Gpr, bytes: u8, from: Gpr) -> Val {
        self.asm.load_zero(bytes, to, from);
        self.regs.set_narrow(to, bytes < 8);
        Val::Reg(to)
    }

    /// LSE: the host has a locked instruction or a compare-and-swap loop for each.
    pub(super) fn emit_rmw(&mut self, op: Rmw, bytes: u8, addr: Val, value: Val) -> Val {
        let to = self.new_gpr();
        let at = self.atomic_address(addr, bytes);
        if matches!(op, Rmw::Add | Rmw::Swp) {
            self.put(RAX, value);
            if op == Rmw::Add {
                self.asm.locked(0xc0, bytes, at, RAX);
            } else {
                self.asm.xchg(bytes, RAX, at);
            }
            return self.taken(to, bytes, RAX);
        }
        self.put(to, value);
        if op == Rmw::Clr {
            self.asm.unary(2, true, to);
        }
        let again = self.asm.label();
        self.asm.load_zero(bytes, RAX, at);
        self.asm.bind(again);
        self.asm.mov(true, RCX, RAX);
        match op {
            Rmw::Clr => self.asm.alu(Alu::And, true, RCX, to),
            Rmw::Eor => self.asm.alu(Alu::Xor, true, RCX, to),
            Rmw::Set => self.asm.alu(Alu::Or, true, RCX, to),
            _ => {
                let cc = match op {
                    Rmw::Smax => Cc::L,
                    Rmw::Smin => Cc::G,
                    Rmw::Umax => Cc::B,
                    _ => Cc::A,
                };
                self.asm.cmp_sized(bytes, RCX, to);
                self.asm.cmov(cc, RCX, to);
            }
        }
        self.asm.locked(0xb0, bytes, at, RCX);
        self.asm.jcc(Cc::Ne, again);
        self.taken(to, bytes, RAX)
    }

    pub(super) fn emit_cas(&mut self, bytes: u8, addr: Val, expected: Val, new: Val) -> Val {
        let to = self.new_gpr();
        let at = self.atomic_address(addr, bytes);
        self.put(RAX, expected);
        self.put(RCX, new);
        self.asm.locked(0xb0, bytes, at, RCX);
        self.taken(to, bytes, RAX)
    }

    pub(super) fn emit_load_exclusive(&mut self, bytes: u8, addr: Val) -> Val {
        let to = self.new_gpr();
        let at = self.atomic_address(addr, bytes);
        self.asm.load_zero(bytes, to, at);
        self.regs.set_narrow(to, bytes < 8);
        self.asm.store(8, state(EXCLUSIVE_ADDR), RDX);
        self.asm.store(8, state(EXCLUSIVE_VALUE), to);
        self.asm.store_imm(8, state(EXCLUSIVE_BYTES), i32::from(bytes));
        Val::Reg(to)
    }

    /// A compare-and-swap against what the exclusive load saw, if the monitor still holds.
    pub(super) fn emit_store_exclusive(&mut self, bytes: u8, addr: Val, value: Val) -> Val {
        let to = self.new_gpr();
        let at = self.atomic_address(addr, bytes);
        let done = self.asm.label();
        self.asm.mov(true, RCX, state(EXCLUSIVE_ADDR));
        self.asm.mov_imm(to, 1);
        // But for a tag: if this code ignores none, the swap will fault.
        self.asm.alu(Alu::Xor, true, RCX, RDX);
        self.asm.shift_imm(Shift::Shl, true, RCX, 8);
        self.asm.jcc(Cc::Ne, done);
        self.asm.alu_imm(Alu::Cmp, true, state(EXCLUSIVE_BYTES), i32::from(bytes));
        self.asm.jcc(Cc::Ne, done);
        self.asm.mov(true, RAX, state(EXCLUSIVE_VALUE));
        self.put(RCX, value);
        self.asm.locked(0xb0, bytes, at, RCX);
        self.asm.setcc(Cc::Ne, to);
        self.asm.load_zero(1, to, to);
        self.asm.bind(done);
        // Not before: when the swap faults, all of it is performed again.
        self.emit_clear_exclusive();
        self.regs.set_narrow(to, true);
        Val::Reg(to)
    }

    pub(super) fn emit_clear_exclusive(&mut self) {
        const _: () = assert!(CpuState::NO_EXCLUSIVE == u64::MAX);
        self.asm.store_imm(8, state(EXCLUSIVE_ADDR), -1);
    }

    pub(super) fn emit_sysreg_helper(&mut self, helper: Helper, args: &[Arg]) {
        self.store_flags();
        self.call_helper(helper, args);
    }
}
