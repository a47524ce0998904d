//! Scalar floating point. The host's arithmetic gives Arm's results except for NaNs and at the edge of the denormals:
//! then the function that `Eval` uses computes the result again, out of line. Halves always go there.

use super::Emitter;
use super::asm::{Alu, Cc, MAP_0F, MAP_3A, MAP_38, Mem, Op, RAX, RCX, Shift, Xmm};
use super::exits::{Call, Place};
use super::flags::Flags;
use super::value::{Arg, Number, Truth, Val, Vector};
use super::vector::{MOVQ, PAND, POR, PXOR};
use crate::abi::helpers::Helper;
use crate::lower::callee;
use crate::lower::facts::{may_be_tiny, min_normal, power_of_two, sign_bit};
use ir::{Cond, FlagKind, Fp1, Fp2, FpInt, FpSize, Lane, Rounding, Width};

/// The scalar instruction of the size.
fn scalar(size: FpSize, opcode: u8) -> Op {
    Op(if size == FpSize::D { 0xf2 } else { 0xf3 }, MAP_0F, opcode)
}

/// ROUNDSD's mode for a rounding to integral values, none for ties away. Only FRINTX raises Inexact.
pub(super) fn round_mode(op: Fp1) -> Option<u8> {
    const QUIET: u8 = 8;
    const CURRENT: u8 = 4;
    match op {
        Fp1::Frintn => Some(QUIET),
        Fp1::Frintm => Some(QUIET | 1),
        Fp1::Frintp => Some(QUIET | 2),
        Fp1::Frintz => Some(QUIET | 3),
        Fp1::Frinti => Some(QUIET | CURRENT),
        Fp1::Frintx => Some(CURRENT),
        _ => None,
    }
}

impl Emitter {
    pub(super) fn read_fp(&mut self, size: FpSize, n: u8) -> Number {
        let vector = self.read_v(n);
        if size == FpSize::H {
            return Number::Bits(self.emit_lane(Lane::H, 0, vector));
        }
        Number::Reg(self.xmm(vector))
    }

    /// As a vector: zeros above the number.
    pub(super) fn number_vector(&mut self, size: FpSize, number: Number) -> Vector {
        let bits = size.bits() as u8;
        match number {
            Number::Reg(r) if self.regs.width(r) <= bits => Vector::Reg(r),
            Number::Reg(r) => {
                let to = self.new_xmm();
                if size == FpSize::D {
                    self.sse(MOVQ, to, r);
                } else {
                    self.sse_const(PAND, to, r, 0xffff_ffff);
                }
                self.regs.set_width(to, bits);
                Vector::Reg(to)
            }
            Number::Bits(Val::Imm(value)) => Vector::Imm(u128::from(value & (u64::MAX >> (64 - u32::from(bits))))),
            Number::Bits(value) => {
                let to = self.new_xmm();
                if size == FpSize::H {
                    self.put_bits(RAX, size, number);
                    self.gpr_to_xmm(false, to, RAX);
                } else {
                    let from = self.into(value, RAX);
                    self.gpr_to_xmm(size == FpSize::D, to, from);
                }
                self.regs.set_width(to, bits.max(32));
                Vector::Reg(to)
            }
        }
    }

    pub(super) fn write_fp(&mut self, size: FpSize, n: u8, number: Number) {
        let vector = self.number_vector(size, number);
        self.write_v(n, vector);
    }

    /// The number in the low lane of a register.
    fn number(&mut self, size: FpSize, number: Number) -> Xmm {
        match number {
            Number::Reg(r) => r,
            Number::Bits(_) => {
                let vector = self.number_vector(size, number);
                self.xmm(vector)
            }
        }
    }

    pub(super) fn emit_fp_bits(&mut self, size: FpSize, number: Number) -> Val {
        if let (Number::Bits(Val::Imm(value)), bits) = (number, size.bits()) {
            return Val::Imm(value & (u64::MAX >> (64 - bits)));
        }
        let to = self.new_gpr();
        self.put_bits(to, size, number);
        self.regs.set_narrow(to, size != FpSize::D);
        Val::Reg(to)
    }

    pub(super) fn store_number(&mut self, size: FpSize, at: Mem, from: Xmm) {
        self.sse(Op(0x66, MAP_0F, if size == FpSize::D { 0xd6 } else { 0x7e }), from, at);
    }

    /// A place for a result of the size, and the number that will be there.
    fn result(&mut self, size: FpSize) -> (Place, Number) {
        if size == FpSize::H {
            let to = self.new_gpr();
            return (Place::Gpr(to), Number::Bits(Val::Reg(to)));
        }
        let to = self.new_xmm();
        self.regs.set_width(to, size.bits() as u8);
        (Place::Number(size, to), Number::Reg(to))
    }

    fn call_for_number(&mut self, size: FpSize, call: &Call) -> Number {
        let (place, number) = self.result(size);
        self.call(call, place);
        number
    }

    /// Has the helper compute `to` again if it is a NaN or, if it may be `tiny`, the smallest normal number: the host
    /// judges tininess after rounding, Arm before.
    fn unless_doubtful(&mut self, size: FpSize, to: Xmm, tiny: bool, call: Call) {
        let (at, back) = self.call_aside(call, Place::Number(size, to));
        if tiny {
            self.sse_const(PAND, Xmm(0), to, u128::from(sign_bit(size.lane()) - 1));
            let smallest = self.asm.constant(min_normal(size.lane()).into());
            self.ucomis(size, Xmm(0), smallest);
            // Also if unordered.
            self.asm.jcc(Cc::E, at);
        } else {
            self.ucomis(size, to, to);
            self.asm.jcc(Cc::P, at);
        }
        self.asm.bind(back);
    }

    pub(super) fn emit_fp1(&mut self, op: Fp1, size: FpSize, a: Number) -> Number {
        let callee = callee::fp1(op, size);
        let mode = round_mode(op);
        if size == FpSize::H || mode.is_none() && !matches!(op, Fp1::Fabs | Fp1::Fneg | Fp1::Fsqrt) {
            return self.call_for_number(size, &Call::new(callee, [Arg::Number(size, a)]));
        }
        let a = self.number(size, a);
        let to = self.new_xmm();
        match op {
            Fp1::Fabs => {
                self.sse_const(PAND, to, a, u128::from(sign_bit(size.lane()) - 1));
                self.regs.set_width(to, size.bits() as u8);
            }
            Fp1::Fneg => {
                self.sse_const(PXOR, to, a, u128::from(sign_bit(size.lane())));
                self.keep_width(size, to, a);
            }
            _ => {
                match mode {
                    Some(mode) => {
                        let opcode = if size == FpSize::D { 0x0b } else { 0x0a };
                        self.sse3_imm(Op(0x66, MAP_3A, opcode), to, a, a, mode);
                    }
                    None => self.sse3(scalar(size, 0x51), to, a, a),
                }
                self.keep_width(size, to, a);
                self.unless_doubtful(size, to, false, Call::new(callee, [Arg::Number(size, Number::Reg(a))]));
            }
        }
        Number::Reg(to)
    }

    /// Scalar instructions leave what is above the number as the first operand has it.
    fn keep_width(&mut self, size: FpSize, to: Xmm, a: Xmm) {
        let width = self.regs.width(a).max(size.bits() as u8);
        self.regs.set_width(to, width);
    }

    pub(super) fn emit_fp2(&mut self, op: Fp2, size: FpSize, a: Number, b: Number) -> Number {
        if size == FpSize::H {
            let call = Call::new(callee::fp2(op, size), [a, b].map(|number| Arg::Number(size, number)));
            return self.call_for_number(size, &call);
        }
        let (a, b) = (self.number(size, a), self.number(size, b));
        let call = Call::new(callee::fp2(op, size), [a, b].map(|r| Arg::Number(size, Number::Reg(r))));
        let to = self.new_xmm();
        let opcode = match op {
            Fp2::Fadd => 0x58,
            Fp2::Fsub => 0x5c,
            Fp2::Fmul | Fp2::Fnmul => 0x59,
            Fp2::Fdiv => 0x5e,
            Fp2::Fmax | Fp2::Fmin | Fp2::Fmaxnm | Fp2::Fminnm => {
                self.extreme(size, matches!(op, Fp2::Fmax | Fp2::Fmaxnm), to, a, b, call);
                return Number::Reg(to);
            }
        };
        self.sse3(scalar(size, opcode), to, a, b);
        if op == Fp2::Fnmul {
            self.sse_const(PXOR, to, to, u128::from(sign_bit(size.lane())));
        }
        self.keep_width(size, to, a);
        self.unless_doubtful(size, to, may_be_tiny(op), call);
        Number::Reg(to)
    }

    fn extreme(&mut self, size: FpSize, greatest: bool, to: Xmm, a: Xmm, b: Xmm, call: Call) {
        let (at, back) = self.call_aside(call, Place::Number(size, to));
        let differ = self.asm.label();
        self.ucomis(size, a, b);
        self.asm.jcc(Cc::P, at);
        self.asm.jcc(Cc::Ne, differ);
        // The same number, or zeros whose signs matter.
        self.sse3(if greatest { PAND } else { POR }, to, a, b);
        self.asm.jmp(back);
        self.asm.bind(differ);
        self.sse3(scalar(size, if greatest { 0x5f } else { 0x5d }), to, a, b);
        self.asm.bind(back);
    }

    pub(super) fn emit_mul_add(&mut self, size: FpSize, addend: Number, a: Number, b: Number) -> Number {
        if size == FpSize::H || !self.host.fma {
            let call = Call::new(callee::fp_mul_add(size), [addend, a, b].map(|number| Arg::Number(size, number)));
            return self.call_for_number(size, &call);
        }
        let (z, x, y) = (self.number(size, addend), self.number(size, a), self.number(size, b));
        let call = Call::new(callee::fp_mul_add(size), [z, x, y].map(|r| Arg::Number(size, Number::Reg(r))));
        let to = self.new_xmm();
        self.move_xmm(to, z);
        self.asm.vex(Op(0x66, MAP_38, 0xb9), size == FpSize::D, to.0, x.0, y.into());
        self.keep_width(size, to, z);
        self.unless_doubtful(size, to, true, call);
        Number::Reg(to)
    }

    pub(super) fn emit_convert(&mut self, from: FpSize, to_size: FpSize, a: Number) -> Number {
        let callee = callee::fp_convert(from, to_size);
        if !matches!((from, to_size), (FpSize::S, FpSize::D) | (FpSize::D, FpSize::S)) {
            return self.call_for_number(to_size, &Call::new(callee, [Arg::Number(from, a)]));
        }
        let a = self.number(from, a);
        let call = Call::new(callee, [Arg::Number(from, Number::Reg(a))]);
        let to = self.new_xmm();
        self.sse3(scalar(from, 0x5a), to, a, a);
        let width = self.regs.width(a).max(64);
        self.regs.set_width(to, width);
        self.unless_doubtful(to_size, to, to_size == FpSize::S, call);
        Number::Reg(to)
    }

    pub(super) fn emit_fp_to_int(&mut self, how: FpInt, size: FpSize, width: Width, a: Number) -> Val {
        let to = self.new_gpr();
        let callee = callee::fp_to_int(how, size, width);
        let round = match how.rounding {
            Rounding::N => Some(0),
            Rounding::M => Some(1),
            Rounding::P => Some(2),
            Rounding::Z => None,
            _ => Some(0xff),
        };
        if size == FpSize::H || how.fbits != 0 || round == Some(0xff) {
            self.call(&Call::new(callee, [Arg::Number(size, a)]), Place::Gpr(to));
            self.regs.set_narrow(to, width == Width::W);
            return Val::Reg(to);
        }
        let a = self.number(size, a);
        let call = Call::new(callee, [Arg::Number(size, Number::Reg(a))]);
        let (at, back) = self.call_aside(call, Place::Gpr(to));
        let wide = width == Width::X;
        if how.signed && round.is_none() {
            // Out of range gives the least integer and raises Invalid, which Arm does too.
            self.truncate(size, wide, to, a);
            self.asm.alu_imm(Alu::Cmp, wide, to, 1);
            self.asm.jcc(Cc::O, at);
        } else {
            // What is in range whatever the rounding goes on here; the rest to the helper, before a flag is raised.
            let limit = match (width, how.signed) {
                (Width::X, _) => 63,
                (Width::W, true) => 31,
                (Width::W, false) => 32,
            };
            let limit = power_of_two(size, if round.is_none() { limit } else { limit - 1 });
            let double = size == FpSize::D;
            self.xmm_to_gpr(double, RAX, a);
            if how.signed {
                self.asm.shift_imm(Shift::Shl, double, RAX, 1);
            }
            self.asm.mov_imm(RCX, if how.signed { limit << 1 } else { limit });
            self.asm.alu(Alu::Cmp, double, RAX, RCX);
            self.asm.jcc(Cc::Ae, at);
            let mut source = a;
            if let Some(mode) = round {
                // Raises Inexact as the conversion must.
                self.sse3_imm(Op(0x66, MAP_3A, if double { 0x0b } else { 0x0a }), Xmm(0), a, a, mode);
                source = Xmm(0);
            }
            self.truncate(size, wide || !how.signed, to, source);
        }
        self.asm.bind(back);
        self.regs.set_narrow(to, width == Width::W);
        Val::Reg(to)
    }

    fn truncate(&mut self, size: FpSize, wide: bool, to: super::asm::Gpr, from: Xmm) {
        let op = scalar(size, 0x2c);
        if self.host.avx {
            self.asm.vex(op, wide, to.0, 0, from.into());
        } else {
            self.asm.legacy(op, wide, to.0, from.into(), false);
        }
    }

    pub(super) fn emit_int_to_fp(&mut self, how: FpInt, size: FpSize, width: Width, a: Val) -> Number {
        let callee = callee::int_to_fp(how, size, width);
        if size == FpSize::H {
            return self.call_for_number(size, &Call::new(callee, [a.into()]));
        }
        let a = self.reg(a);
        let to = self.new_xmm();
        let mut aside = None;
        let (source, wide) = match (how.signed, width) {
            (true, _) => (a, width == Width::X),
            (false, Width::W) => {
                self.asm.mov(false, RAX, a);
                (RAX, true)
            }
            (false, Width::X) => {
                let call = Call::new(callee, [Val::Reg(a).into()]);
                let (at, back) = self.call_aside(call, Place::Number(size, to));
                self.asm.test(true, a, a);
                self.asm.jcc(Cc::S, at);
                aside = Some(back);
                (a, true)
            }
        };
        self.put_vector(to, Vector::Imm(0));
        let op = scalar(size, 0x2a);
        if self.host.avx {
            self.asm.vex(op, wide, to.0, to.0, source.into());
        } else {
            self.asm.legacy(op, wide, to.0, source.into(), false);
        }
        if how.fbits != 0 {
            // A power of two: exact.
            self.sse_const(scalar(size, 0x59), to, to, u128::from(power_of_two(size, -i32::from(how.fbits))));
        }
        if let Some(back) = aside {
            self.asm.bind(back);
        }
        self.regs.set_width(to, size.bits() as u8);
        Number::Reg(to)
    }

    pub(super) fn emit_fp_compare(&mut self, size: FpSize, signal_quiet: bool, a: Number, b: Number) {
        let callee = callee::fp_compare(size, signal_quiet);
        if size == FpSize::H {
            let to = self.new_gpr();
            let call = Call::new(callee, [a, b].map(|number| Arg::Number(size, number)));
            self.call(&call, Place::Gpr(to));
            return self.set_packed(Val::Reg(to));
        }
        let (a, b) = (self.number(size, a), self.number(size, b));
        let call = Call::new(callee, [a, b].map(|r| Arg::Number(size, Number::Reg(r))));
        // A NaN may raise Invalid: the helper settles it.
        let (at, back) = self.call_aside(call, Place::Nowhere);
        self.ucomis(size, a, b);
        self.asm.jcc(Cc::P, at);
        self.asm.bind(back);
        self.set_flags_to(Flags::Fp { size, a, b });
    }

    pub(super) fn emit_fp_compare_if(
        &mut self,
        cond: Cond,
        size: FpSize,
        signal_quiet: bool,
        a: Number,
        b: Number,
        nzcv: u8,
    ) {
        let to = self.new_gpr();
        let (otherwise, done) = (self.asm.label(), self.asm.label());
        let test = self.test(Truth::Flags { cond, flags: self.flags });
        self.branch_unless(test, otherwise);
        let call = Call::new(callee::fp_compare(size, signal_quiet), [a, b].map(|n| Arg::Number(size, n)));
        self.call(&call, Place::Gpr(to));
        self.asm.jmp(done);
        self.asm.bind(otherwise);
        self.asm.mov_imm(to, u64::from(nzcv) << 28);
        self.asm.bind(done);
        self.set_flags_to(Flags::Lazy { kind: FlagKind::Packed, a: Val::Reg(to), b: Val::ZERO });
    }

    pub(super) fn emit_fp_select(&mut self, truth: Truth, yes: Number, no: Number) -> Number {
        if let (Number::Bits(yes), Number::Bits(no)) = (yes, no) {
            return Number::Bits(self.emit_select(truth, yes, no));
        }
        let (yes, no) = (self.number(FpSize::D, yes), self.number(FpSize::D, no));
        let to = self.new_xmm();
        let done = self.asm.label();
        let test = self.test(truth);
        self.move_xmm(to, yes);
        self.branch_if(test, done);
        self.move_xmm(to, no);
        self.asm.bind(done);
        let width = self.regs.width(yes).max(self.regs.width(no));
        self.regs.set_width(to, width);
        Number::Reg(to)
    }

    pub(super) fn emit_fp_to_int_js(&mut self, a: Number) -> Val {
        let (to, packed) = (self.new_gpr(), self.new_gpr());
        self.call_helper(Helper::FpToIntJs, &[Arg::Number(FpSize::D, a)]);
        self.asm.mov(false, to, RAX);
        self.asm.mov(true, packed, RAX);
        self.asm.shift_imm(Shift::Shr, true, packed, 32);
        self.set_packed(Val::Reg(packed));
        self.regs.set_narrow(to, true);
        Val::Reg(to)
    }
}
