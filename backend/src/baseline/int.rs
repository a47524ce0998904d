//! Integer operations. Constants fold; sums, differences and conjunctions wait until it is known what they are for.

use super::Emitter;
use super::asm::{Alu, Cc, Gpr, MAP_0F, MAP_3A, MAP_38, Op, RAX, RCX, RDX, Rm, Shift};
use super::exits::{Call, Place};
use super::value::{Src, Val};
use crate::lower::callee;
use ir::eval::int;
use ir::{Extend, Int1, Int2, IntHelper, Width};

const NOT: u8 = 2;
const NEG: u8 = 3;

impl Emitter {
    fn done(&mut self, to: Gpr, narrow: bool) -> Val {
        self.regs.set_narrow(to, narrow);
        Val::Reg(to)
    }

    /// A new register that begins as the value.
    fn copied(&mut self, wide: bool, value: Val) -> Gpr {
        let to = self.new_gpr();
        match value {
            Val::Reg(r) => self.asm.mov(wide, to, r),
            _ => self.put(to, value),
        }
        to
    }

    /// The low 32 bits, zero-extended.
    fn narrowed(&mut self, value: Val) -> Val {
        if self.is_narrow(value) {
            return value;
        }
        match value {
            Val::Imm(value) => Val::Imm(value & 0xffff_ffff),
            Val::Sum { base, index, disp, .. } => Val::Sum { base, index, disp, narrow: true },
            Val::Late { op, a, b, .. } => Val::Late { op, width: Width::W, a, b },
            _ => {
                let r = self.reg(value);
                let to = self.new_gpr();
                self.asm.mov(false, to, r);
                self.done(to, true)
            }
        }
    }

    fn clipped(&mut self, width: Width, value: Val) -> Val {
        if width == Width::W { self.narrowed(value) } else { value }
    }

    pub(super) fn emit_int1(&mut self, op: Int1, width: Width, a: Val) -> Val {
        if let Val::Imm(a) = a {
            return Val::Imm(int::int1(op, width, a));
        }
        let wide = width == Width::X;
        let a = self.reg(a);
        match op {
            Int1::Not | Int1::Neg => {
                let to = self.copied(wide, Val::Reg(a));
                self.asm.unary(if op == Int1::Not { NOT } else { NEG }, wide, to);
                self.done(to, !wide)
            }
            Int1::Clz => {
                let to = self.new_gpr();
                self.count_zeros(wide, to, a);
                self.done(to, true)
            }
            Int1::Cls => {
                // Differences between neighbours: the top one is none.
                let to = self.new_gpr();
                self.asm.mov(wide, RAX, a);
                self.asm.shift_imm(Shift::Sar, wide, RAX, 1);
                self.asm.alu(Alu::Xor, wide, RAX, a);
                self.count_zeros(wide, to, RAX);
                self.asm.alu_imm(Alu::Sub, false, to, 1);
                self.done(to, true)
            }
            Int1::Rev => {
                let to = self.copied(wide, Val::Reg(a));
                self.asm.bswap(wide, to);
                self.done(to, !wide)
            }
            Int1::Rev32 => {
                let to = self.copied(wide, Val::Reg(a));
                self.asm.bswap(wide, to);
                if wide {
                    self.asm.shift_imm(Shift::Ror, true, to, 32);
                }
                self.done(to, !wide)
            }
            Int1::Rev16 if !wide => {
                let to = self.copied(false, Val::Reg(a));
                self.asm.bswap(false, to);
                self.asm.shift_imm(Shift::Ror, false, to, 16);
                self.done(to, true)
            }
            Int1::Rev16 => {
                let to = self.copied(true, Val::Reg(a));
                self.swap_groups(true, to, 8, 0x00ff_00ff_00ff_00ff);
                self.done(to, false)
            }
            Int1::Rbit => {
                let to = self.copied(wide, Val::Reg(a));
                self.asm.bswap(wide, to);
                self.swap_groups(wide, to, 4, 0x0f0f_0f0f_0f0f_0f0f);
                self.swap_groups(wide, to, 2, 0x3333_3333_3333_3333);
                self.swap_groups(wide, to, 1, 0x5555_5555_5555_5555);
                self.done(to, !wide)
            }
        }
    }

    /// Swaps neighbouring groups of `bits` bits; `mask` has the low ones. Uses rax and rcx.
    fn swap_groups(&mut self, wide: bool, r: Gpr, bits: u8, mask: u64) {
        self.asm.mov_imm(RAX, if wide { mask } else { mask & 0xffff_ffff });
        self.asm.mov(wide, RCX, r);
        self.asm.shift_imm(Shift::Shr, wide, RCX, bits);
        self.asm.alu(Alu::And, wide, RCX, RAX);
        self.asm.alu(Alu::And, wide, r, RAX);
        self.asm.shift_imm(Shift::Shl, wide, r, bits);
        self.asm.alu(Alu::Or, wide, r, RCX);
    }

    fn count_zeros(&mut self, wide: bool, to: Gpr, a: Gpr) {
        if self.host.lzcnt {
            self.asm.legacy(Op(0xf3, MAP_0F, 0xbd), wide, to.0, a.into(), false);
            return;
        }
        // BSR gives the index of the highest one; none counts as -1.
        let some = self.asm.label();
        let top = if wide { 63 } else { 31 };
        self.asm.mov_imm(to, (2 * top + 1) as u64);
        self.asm.legacy(Op(0, MAP_0F, 0xbd), wide, RCX.0, a.into(), false);
        self.asm.jcc_short(Cc::E, some);
        self.asm.mov(false, to, RCX);
        self.asm.bind(some);
        self.asm.alu_imm(Alu::Xor, false, to, top);
    }

    pub(super) fn emit_int2(&mut self, op: Int2, width: Width, a: Val, b: Val) -> Val {
        if let (Val::Imm(a), Val::Imm(b)) = (a, b) {
            return Val::Imm(int::int2(op, width, a, b));
        }
        let wide = width == Width::X;
        match op {
            Int2::Add => self.add(width, a, b),
            Int2::Sub => self.sub(width, a, b),
            Int2::And => self.and(width, a, b),
            Int2::Orr | Int2::Eor => self.or_xor(op, width, a, b),
            Int2::Bic => match b {
                Val::Imm(b) => self.and(width, a, Val::Imm(!b & width.mask())),
                _ => self.and_not(wide, a, b),
            },
            Int2::Orn | Int2::Eon => {
                let inverted = self.emit_int1(Int1::Not, width, b);
                self.or_xor(if op == Int2::Orn { Int2::Orr } else { Int2::Eor }, width, a, inverted)
            }
            Int2::Lsl | Int2::Lsr | Int2::Asr | Int2::Ror => self.shift(op, width, a, b),
            Int2::Mul => self.multiply(wide, a, b),
            Int2::Smulh | Int2::Umulh => {
                let (a, b) = (self.reg(a), self.reg(b));
                let to = self.new_gpr();
                self.asm.mov(true, RAX, a);
                self.asm.unary(if op == Int2::Umulh { 4 } else { 5 }, true, b);
                self.asm.mov(true, to, RDX);
                self.done(to, false)
            }
            Int2::Udiv | Int2::Sdiv => self.divide(wide, op == Int2::Sdiv, a, b),
        }
    }

    fn add(&mut self, width: Width, a: Val, b: Val) -> Val {
        let narrow = width == Width::W;
        let (a, b) = if a.is_imm().is_some() { (b, a) } else { (a, b) };
        if let Val::Imm(value) = b {
            if value == 0 {
                return self.clipped(width, a);
            }
            if let (Val::Pc(addr), false) = (a, narrow) {
                return Val::Pc(addr.offset(value as i64));
            }
            let small = if narrow { Some(value as i32) } else { i32::try_from(value as i64).ok() };
            let Some(small) = small else {
                let (a, b) = (self.reg(a), self.reg(b));
                return Val::Sum { base: Some(a), index: Some((b, 0)), disp: 0, narrow };
            };
            return match a {
                Val::Sum { base, index, disp, narrow: was } if narrow || !was => match disp.checked_add(small) {
                    Some(disp) => Val::Sum { base, index, disp, narrow },
                    None if narrow => Val::Sum { base, index, disp: disp.wrapping_add(small), narrow },
                    None => Val::Sum { base: Some(self.reg(a)), index: None, disp: small, narrow },
                },
                _ => Val::Sum { base: Some(self.reg(a)), index: None, disp: small, narrow },
            };
        }
        // One may be a scaled index, the other base and displacement.
        let (a, b) = match a {
            Val::Sum { base: None, .. } => (b, a),
            _ => (a, b),
        };
        let index = match b {
            Val::Sum { base: None, index: Some((index, scale)), disp: 0, narrow: was } if narrow || !was => {
                (index, scale)
            }
            _ => (self.reg(b), 0),
        };
        let (base, disp) = match a {
            Val::Sum { base: Some(base), index: None, disp, narrow: was } if narrow || !was => (base, disp),
            _ => (self.reg(a), 0),
        };
        Val::Sum { base: Some(base), index: Some(index), disp, narrow }
    }

    fn sub(&mut self, width: Width, a: Val, b: Val) -> Val {
        match (a, b) {
            (_, Val::Imm(value)) => self.add(width, a, Val::Imm(value.wrapping_neg() & width.mask())),
            (Val::ZERO, _) => self.emit_int1(Int1::Neg, width, b),
            _ => {
                let (a, b) = (self.reg(a), self.reg(b));
                Val::Late { op: Alu::Sub, width, a, b: Src::Reg(b) }
            }
        }
    }

    fn and(&mut self, width: Width, a: Val, b: Val) -> Val {
        let (a, b) = if a.is_imm().is_some() { (b, a) } else { (a, b) };
        let Val::Imm(mask) = b else {
            let (a, b) = (self.reg(a), self.reg(b));
            return if a == b {
                self.clipped(width, Val::Reg(a))
            } else {
                Val::Late { op: Alu::And, width, a, b: Src::Reg(b) }
            };
        };
        let mask = mask & width.mask();
        match mask {
            0 => return Val::ZERO,
            0xff | 0xffff => {
                let a = self.reg(a);
                let to = self.new_gpr();
                self.asm.load_zero(if mask == 0xff { 1 } else { 2 }, to, a);
                return self.done(to, true);
            }
            0xffff_ffff => return self.narrowed(a),
            u64::MAX => return a,
            _ => {}
        }
        let a = self.reg(a);
        let small = if width == Width::W { Some(mask as i32) } else { i32::try_from(mask as i64).ok() };
        match small {
            Some(mask) => Val::Late { op: Alu::And, width, a, b: Src::Imm(mask) },
            None if mask.is_power_of_two() => Val::Bit(a, mask.trailing_zeros() as u8),
            None => {
                let to = self.new_gpr();
                self.asm.mov_imm(to, mask);
                self.asm.alu(Alu::And, true, to, a);
                self.done(to, false)
            }
        }
    }

    fn and_not(&mut self, wide: bool, a: Val, b: Val) -> Val {
        let (a, b) = (self.reg(a), self.reg(b));
        let to = self.new_gpr();
        if self.host.bmi1 {
            self.asm.vex(Op(0, MAP_38, 0xf2), wide, to.0, b.0, a.into());
        } else {
            self.asm.mov(wide, to, b);
            self.asm.unary(NOT, wide, to);
            self.asm.alu(Alu::And, wide, to, a);
        }
        self.done(to, !wide)
    }

    fn or_xor(&mut self, op: Int2, width: Width, a: Val, b: Val) -> Val {
        let (a, b) = if a.is_imm().is_some() { (b, a) } else { (a, b) };
        let wide = width == Width::X;
        if b.is_imm().is_some_and(|b| b & width.mask() == 0) {
            return self.clipped(width, a);
        }
        let b = self.src(width, b);
        let to = self.copied(wide, a);
        self.alu_src(if op == Int2::Orr { Alu::Or } else { Alu::Xor }, wide, to, b);
        self.done(to, !wide)
    }

    fn shift(&mut self, op: Int2, width: Width, a: Val, b: Val) -> Val {
        let wide = width == Width::X;
        let kind = match op {
            Int2::Lsl => Shift::Shl,
            Int2::Lsr => Shift::Shr,
            Int2::Asr => Shift::Sar,
            _ => Shift::Ror,
        };
        if let Val::Imm(amount) = b {
            let amount = (amount % u64::from(width.bits())) as u8;
            if amount == 0 {
                return self.clipped(width, a);
            }
            if kind == Shift::Shl && amount <= 3 {
                return Val::Sum { base: None, index: Some((self.reg(a), amount)), disp: 0, narrow: !wide };
            }
            if kind == Shift::Ror && self.host.bmi2 {
                let a = self.reg(a);
                let to = self.new_gpr();
                self.asm.tail = 1;
                self.asm.vex(Op(0xf2, MAP_3A, 0xf0), wide, to.0, 0, a.into());
                self.asm.tail = 0;
                self.asm.raw(&[amount]);
                return self.done(to, !wide);
            }
            let to = self.copied(wide, a);
            self.asm.shift_imm(kind, wide, to, amount);
            return self.done(to, !wide || kind == Shift::Shr && amount >= 32);
        }
        let (a, b) = (self.reg(a), self.reg(b));
        let to = self.new_gpr();
        if self.host.bmi2 && kind != Shift::Ror {
            let prefix = match kind {
                Shift::Shl => 0x66,
                Shift::Shr => 0xf2,
                _ => 0xf3,
            };
            self.asm.vex(Op(prefix, MAP_38, 0xf7), wide, to.0, b.0, a.into());
        } else {
            self.asm.mov(false, RCX, b);
            self.asm.mov(wide, to, a);
            self.asm.shift_cl(kind, wide, to);
        }
        self.done(to, !wide)
    }

    fn multiply(&mut self, wide: bool, a: Val, b: Val) -> Val {
        let (a, b) = if a.is_imm().is_some() { (b, a) } else { (a, b) };
        let width = if wide { Width::X } else { Width::W };
        let b = self.src(width, b);
        let a = self.reg(a);
        let to = self.new_gpr();
        match b {
            Src::Imm(b) => self.asm.imul_imm(wide, to, a, b),
            Src::Reg(b) => {
                self.asm.mov(wide, to, a);
                self.asm.imul(wide, to, b);
            }
        }
        self.done(to, !wide)
    }

    /// Arm's division does not trap: by zero it gives 0, and the least number by -1 itself.
    fn divide(&mut self, wide: bool, signed: bool, a: Val, b: Val) -> Val {
        let (a, b) = (self.reg(a), self.reg(b));
        let to = self.new_gpr();
        let done = self.asm.label();
        if signed {
            self.asm.mov(wide, to, a);
            self.asm.unary(NEG, wide, to);
            self.asm.alu_imm(Alu::Cmp, wide, b, -1);
            self.asm.jcc_short(Cc::E, done);
        }
        self.asm.mov_imm(to, 0);
        self.asm.test(wide, b, b);
        self.asm.jcc_short(Cc::E, done);
        self.asm.mov(wide, RAX, a);
        if signed {
            // CQO or CDQ.
            self.asm.raw(if wide { &[0x48, 0x99] } else { &[0x99] });
        } else {
            self.asm.mov_imm(RDX, 0);
        }
        self.asm.unary(if signed { 7 } else { 6 }, wide, b);
        self.asm.mov(wide, to, RAX);
        self.asm.bind(done);
        self.done(to, !wide)
    }

    pub(super) fn emit_extend(&mut self, op: Extend, a: Val) -> Val {
        if let Val::Imm(a) = a {
            return Val::Imm(int::extend(op, a));
        }
        match op {
            Extend::Uxtx | Extend::Sxtx => a,
            Extend::Uxtw => self.narrowed(a),
            _ => {
                let a = self.reg(a);
                let to = self.new_gpr();
                let (bytes, signed) = match op {
                    Extend::Uxtb => (1, false),
                    Extend::Uxth => (2, false),
                    Extend::Sxtb => (1, true),
                    Extend::Sxth => (2, true),
                    _ => (4, true),
                };
                if signed {
                    self.asm.load_sign(bytes, true, to, a);
                } else {
                    self.asm.load_zero(bytes, to, a);
                }
                self.done(to, !signed)
            }
        }
    }

    pub(super) fn emit_extract(&mut self, a: Val, lsb: u8, bits: u8) -> Val {
        let mask = if bits >= 64 { u64::MAX } else { (1 << bits) - 1 };
        if let Val::Imm(a) = a {
            return Val::Imm(a >> lsb & mask);
        }
        if lsb == 0 {
            return self.and(Width::X, a, Val::Imm(mask));
        }
        let end = u32::from(lsb) + u32::from(bits);
        if end >= 64 || end == 32 {
            return self.shift(Int2::Lsr, if end == 32 { Width::W } else { Width::X }, a, Val::Imm(u64::from(lsb)));
        }
        let to = self.copied(end > 32, a);
        if bits < 32 {
            self.asm.shift_imm(Shift::Shr, end > 32, to, lsb);
            match bits {
                8 => self.asm.load_zero(1, to, to),
                16 => self.asm.load_zero(2, to, to),
                _ => self.asm.alu_imm(Alu::And, false, to, mask as i32),
            }
        } else {
            self.asm.shift_imm(Shift::Shl, true, to, (64 - end) as u8);
            self.asm.shift_imm(Shift::Shr, true, to, 64 - bits);
        }
        self.done(to, bits <= 32)
    }

    pub(super) fn emit_extract_pair(&mut self, width: Width, high: Val, low: Val, lsb: u8) -> Val {
        let wide = width == Width::X;
        if lsb == 0 {
            return self.clipped(width, low);
        }
        let high = self.reg(high);
        let to = self.copied(wide, low);
        // SHRD
        self.asm.tail = 1;
        self.asm.legacy(Op(0, MAP_0F, 0xac), wide, high.0, Rm::from(to), false);
        self.asm.tail = 0;
        self.asm.raw(&[lsb]);
        self.done(to, !wide)
    }

    pub(super) fn emit_int_helper(&mut self, op: IntHelper, a: Val, b: Val) -> Val {
        let bytes = match op {
            IntHelper::Crc32cb => 1,
            IntHelper::Crc32ch => 2,
            IntHelper::Crc32cw => 4,
            IntHelper::Crc32cx => 8,
            _ => {
                let to = self.new_gpr();
                self.call(&Call::new(callee::int(op), [a.into(), b.into()]), Place::Gpr(to));
                return self.done(to, false);
            }
        };
        // SSE4.2 has the Castagnoli polynomial.
        let b = self.reg(b);
        let to = self.copied(false, a);
        if bytes == 2 {
            self.asm.raw(&[0x66]);
        }
        self.asm.legacy(Op(0xf2, MAP_38, 0xf0 | u8::from(bytes > 1)), bytes == 8, to.0, b.into(), bytes == 1);
        self.done(to, true)
    }
}
