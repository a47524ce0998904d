//! Vector instructions in both encodings, and what moves data between lanes, vectors and general registers. What is
//! computed with vectors is in `host.rs`.

use super::Emitter;
use super::asm::{Gpr, MAP_0F, MAP_3A, MAP_38, Op, RAX, Rm, Xmm};
use super::expansion::What;
use super::value::{Val, Vector};
use crate::lower::shuffles;
use ir::{Arr, Lane};

pub(super) const PAND: Op = Op(0x66, MAP_0F, 0xdb);
pub(super) const POR: Op = Op(0x66, MAP_0F, 0xeb);
pub(super) const PXOR: Op = Op(0x66, MAP_0F, 0xef);
pub(super) const PSHUFB: Op = Op(0x66, MAP_38, 0x00);
pub(super) const MOVQ: Op = Op(0xf3, MAP_0F, 0x7e);
const MOVAPS: Op = Op(0, MAP_0F, 0x28);

pub(super) const fn op66(opcode: u8) -> Op {
    Op(0x66, MAP_0F, opcode)
}
pub(super) const fn op38(opcode: u8) -> Op {
    Op(0x66, MAP_38, opcode)
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
        let wide = arr.lane == Lane::D;
        self.expand([], |e, []| {
            let lane = e.push(What::General { wide, from: value }, if wide { 64 } else { 32 });
            shuffles::splat_lane(e, arr, 0, lane)
        })
    }

    /// Jumps if a 32-bit lane of `r` has its sign set.
    pub(super) fn jump_if_any(&mut self, r: Xmm, to: super::asm::Label) {
        self.sse(Op(0, MAP_0F, 0x50), Xmm(RAX.0), r);
        self.asm.test(false, RAX, RAX);
        self.asm.jcc(super::asm::Cc::Ne, to);
    }
}
