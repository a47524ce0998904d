//! Vector instructions in both encodings, and what moves data between lanes, vectors and general registers.

use super::Emitter;
use super::asm::{Gpr, MAP_0F, MAP_3A, MAP_38, Op, RAX, Rm, Xmm};
use super::value::{Val, Vector};
use ir::{Arr, Lane};

pub(super) const PAND: Op = Op(0x66, MAP_0F, 0xdb);
pub(super) const POR: Op = Op(0x66, MAP_0F, 0xeb);
pub(super) const PXOR: Op = Op(0x66, MAP_0F, 0xef);
pub(super) const PSHUFB: Op = Op(0x66, MAP_38, 0x00);
pub(super) const PUNPCKLQDQ: Op = Op(0x66, MAP_0F, 0x6c);
const MOVQ: Op = Op(0xf3, MAP_0F, 0x7e);
const MOVAPS: Op = Op(0, MAP_0F, 0x28);

pub(super) const fn op66(opcode: u8) -> Op {
    Op(0x66, MAP_0F, opcode)
}
pub(super) const fn op38(opcode: u8) -> Op {
    Op(0x66, MAP_38, opcode)
}

/// Every lane of 128 bits holds `value`.
pub(super) fn every(lane: Lane, value: u64) -> u128 {
    let bits = lane.bits();
    (0..128 / bits).fold(0, |all, i| all | u128::from(value & (u64::MAX >> (64 - bits))) << (i * bits))
}

impl Emitter {
    // --- instructions -----------------------------------------------------------------------------------------

    /// A vector instruction with two operands.
    pub(super) fn sse(&mut self, op: Op, reg: Xmm, rm: impl Into<Rm>) {
        if self.host.avx {
            self.asm.vex(op, false, reg.0, 0, rm.into());
        } else {
            self.asm.legacy(op, false, reg.0, rm.into(), false);
        }
    }

    /// The same with a constant behind it.
    pub(super) fn sse_imm(&mut self, op: Op, reg: Xmm, rm: impl Into<Rm>, value: u8) {
        self.asm.tail = 1;
        self.sse(op, reg, rm);
        self.asm.tail = 0;
        self.asm.raw(&[value]);
    }

    /// `to = a op b`; without AVX `b` must not be `to`.
    pub(super) fn sse3(&mut self, op: Op, to: Xmm, a: Xmm, b: impl Into<Rm>) {
        let b = b.into();
        if self.host.avx {
            self.asm.vex(op, false, to.0, a.0, b);
        } else {
            debug_assert!(to == a || b != Rm::R(to.0), "the second operand would be overwritten");
            self.move_xmm(to, a);
            self.asm.legacy(op, false, to.0, b, false);
        }
    }

    pub(super) fn sse3_imm(&mut self, op: Op, to: Xmm, a: Xmm, b: impl Into<Rm>, value: u8) {
        self.asm.tail = 1;
        self.sse3(op, to, a, b);
        self.asm.tail = 0;
        self.asm.raw(&[value]);
    }

    /// Shift of lanes by a constant: opcode and its extension.
    pub(super) fn sse_shift(&mut self, opcode: u8, which: u8, to: Xmm, from: Xmm, amount: u8) {
        if self.host.avx {
            self.asm.vex(op66(opcode), false, which, to.0, from.into());
        } else {
            self.move_xmm(to, from);
            self.asm.legacy(Op(0x66, MAP_0F, opcode), false, which, to.into(), false);
        }
        self.asm.raw(&[amount]);
    }

    pub(super) fn move_xmm(&mut self, to: Xmm, from: Xmm) {
        if to != from {
            self.sse(MOVAPS, to, from);
        }
    }

    pub(super) fn gpr_to_xmm(&mut self, wide: bool, to: Xmm, from: Gpr) {
        if self.host.avx {
            self.asm.vex(op66(0x6e), wide, to.0, 0, from.into());
        } else {
            self.asm.legacy(Op(0x66, MAP_0F, 0x6e), wide, to.0, from.into(), false);
        }
    }

    pub(super) fn xmm_to_gpr(&mut self, wide: bool, to: Gpr, from: Xmm) {
        if self.host.avx {
            self.asm.vex(op66(0x7e), wide, from.0, 0, to.into());
        } else {
            self.asm.legacy(Op(0x66, MAP_0F, 0x7e), wide, from.0, to.into(), false);
        }
    }

    /// `to = a op constant`
    pub(super) fn sse_const(&mut self, op: Op, to: Xmm, a: Xmm, value: u128) {
        let constant = self.asm.constant(value);
        self.sse3(op, to, a, constant);
    }

    // --- values -------------------------------------------------------------------------------------------------

    /// The vector in a register.
    pub(super) fn xmm(&mut self, value: Vector) -> Xmm {
        match value {
            Vector::Reg(r) => r,
            Vector::Imm(_) => {
                let to = self.new_xmm();
                self.put_vector(to, value);
                to
            }
        }
    }

    /// Clears the bits that `arr` does not cover.
    pub(super) fn clear_above(&mut self, arr: Arr, r: Xmm) -> Vector {
        let bits = arr.bits();
        if u32::from(self.regs.width(r)) > bits {
            match bits {
                128 => {}
                64 => self.sse(MOVQ, r, r),
                _ => self.sse_const(PAND, r, r, u128::MAX >> (128 - bits)),
            }
            self.regs.set_width(r, bits.max(32) as u8);
        }
        Vector::Reg(r)
    }

    pub(super) fn emit_low_half(&mut self, a: Vector) -> Vector {
        if let Vector::Imm(a) = a {
            return Vector::Imm(a & u128::from(u64::MAX));
        }
        let a = self.xmm(a);
        if self.regs.width(a) <= 64 {
            return Vector::Reg(a);
        }
        let to = self.new_xmm();
        self.sse(MOVQ, to, a);
        self.regs.set_width(to, 64);
        Vector::Reg(to)
    }

    pub(super) fn emit_high_half(&mut self, a: Vector) -> Vector {
        let a = self.xmm(a);
        let to = self.new_xmm();
        self.sse_shift(0x73, 3, to, a, 8);
        self.regs.set_width(to, 64);
        Vector::Reg(to)
    }

    pub(super) fn emit_join_halves(&mut self, low: Vector, high: Vector) -> Vector {
        let (low, high) = (self.xmm(low), self.xmm(high));
        let to = self.new_xmm();
        self.sse3(PUNPCKLQDQ, to, low, high);
        Vector::Reg(to)
    }

    pub(super) fn emit_lane(&mut self, lane: Lane, index: u8, a: Vector) -> Val {
        let a = self.xmm(a);
        let to = self.new_gpr();
        self.put_lane(lane, index, to, a);
        self.regs.set_narrow(to, lane != Lane::D);
        Val::Reg(to)
    }

    fn put_lane(&mut self, lane: Lane, index: u8, to: Gpr, a: Xmm) {
        if index == 0 && matches!(lane, Lane::S | Lane::D) {
            return self.xmm_to_gpr(lane == Lane::D, to, a);
        }
        let (opcode, wide) = match lane {
            Lane::B => (0x14, false),
            Lane::H => (0x15, false),
            Lane::S => (0x16, false),
            Lane::D | Lane::Q => (0x16, true),
        };
        if self.host.avx {
            self.asm.vex(Op(0x66, MAP_3A, opcode), wide, a.0, 0, to.into());
        } else {
            self.asm.legacy(Op(0x66, MAP_3A, opcode), wide, a.0, to.into(), false);
        }
        self.asm.raw(&[index]);
    }

    pub(super) fn emit_set_lane(&mut self, lane: Lane, index: u8, a: Vector, value: Val) -> Vector {
        let (a, value) = (self.xmm(a), self.reg(value));
        let to = self.new_xmm();
        let (map, opcode, wide) = match lane {
            Lane::B => (MAP_3A, 0x20, false),
            Lane::H => (MAP_0F, 0xc4, false),
            Lane::S => (MAP_3A, 0x22, false),
            Lane::D | Lane::Q => (MAP_3A, 0x22, true),
        };
        if self.host.avx {
            self.asm.vex(Op(0x66, map, opcode), wide, to.0, a.0, value.into());
        } else {
            self.move_xmm(to, a);
            self.asm.legacy(Op(0x66, map, opcode), wide, to.0, value.into(), false);
        }
        self.asm.raw(&[index]);
        Vector::Reg(to)
    }

    pub(super) fn emit_splat(&mut self, arr: Arr, value: Val) -> Vector {
        let value = self.reg(value);
        let to = self.new_xmm();
        self.gpr_to_xmm(arr.lane == Lane::D, to, value);
        if arr.count > 1 {
            self.spread(arr.lane, 0, to, to);
        }
        self.clear_above(arr, to)
    }

    /// One lane of `a` into all of `to`.
    fn spread(&mut self, lane: Lane, index: u8, to: Xmm, a: Xmm) {
        match lane {
            Lane::S => self.sse_imm(op66(0x70), to, a, index * 0x55),
            Lane::D if index == 0 => self.sse_imm(op66(0x70), to, a, 0x44),
            Lane::D | Lane::Q => self.sse_imm(op66(0x70), to, a, 0xee),
            _ => {
                let bytes = lane.bytes() as u8;
                self.sse_const(
                    PSHUFB,
                    to,
                    a,
                    u128::from_le_bytes(std::array::from_fn(|i| index * bytes + i as u8 % bytes)),
                );
            }
        }
    }

    pub(super) fn emit_splat_lane(&mut self, arr: Arr, index: u8, a: Vector) -> Vector {
        let a = self.xmm(a);
        let to = self.new_xmm();
        self.spread(arr.lane, index, to, a);
        self.clear_above(arr, to)
    }

    /// The bytes of b:a that `bytes` names; 32 and up is zero.
    pub(super) fn shuffle(&mut self, to: Xmm, a: Xmm, b: Xmm, bytes: [u8; 16]) {
        const ZERO: u8 = 0x80;
        let of_a = bytes.map(|i| if i < 16 || i < 32 && a == b { i & 15 } else { ZERO });
        let of_b = bytes.map(|i| if (16..32).contains(&i) && a != b { i - 16 } else { ZERO });
        let uses = |bytes: [u8; 16]| bytes.iter().any(|&i| i != ZERO);
        match (uses(of_a), uses(of_b)) {
            (_, false) => self.sse_const(PSHUFB, to, a, u128::from_le_bytes(of_a)),
            (false, true) => self.sse_const(PSHUFB, to, b, u128::from_le_bytes(of_b)),
            (true, true) => {
                self.sse_const(PSHUFB, Xmm(0), a, u128::from_le_bytes(of_a));
                self.sse_const(PSHUFB, to, b, u128::from_le_bytes(of_b));
                self.sse3(POR, to, to, Xmm(0));
            }
        }
    }

    /// Jumps if a 32-bit lane of `r` has its sign set.
    pub(super) fn jump_if_any(&mut self, r: Xmm, to: super::asm::Label) {
        self.sse(Op(0, MAP_0F, 0x50), Xmm(RAX.0), r);
        self.asm.test(false, RAX, RAX);
        self.asm.jcc(super::asm::Cc::Ne, to);
    }
}
