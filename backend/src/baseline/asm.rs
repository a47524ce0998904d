//! A small x86-64 assembler: appends encodings to a buffer that is used again for each block, resolves labels, and
//! keeps constants behind the code. Knows nothing of the guest.

/// A general register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Gpr(pub u8);
/// A vector register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Xmm(pub u8);

pub(crate) const RAX: Gpr = Gpr(0);
pub(crate) const RCX: Gpr = Gpr(1);
pub(crate) const RDX: Gpr = Gpr(2);
pub(crate) const RSP: Gpr = Gpr(4);
pub(crate) const RDI: Gpr = Gpr(7);
pub(crate) const R8: Gpr = Gpr(8);
pub(crate) const R15: Gpr = Gpr(15);

/// A place in the code, perhaps still to come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Label(u32);

/// A memory operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mem {
    /// base + disp
    Base(Gpr, i32),
    /// base + (index << scale) + disp; no base is zero.
    Index(Option<Gpr>, Gpr, u8, i32),
    /// A fixed address: the sign-extended displacement.
    Fixed(i32),
    /// A constant behind the code.
    Const(Label),
    /// At a distance from the start of the code cache.
    Cache(u32),
}

/// A register or memory operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rm {
    R(u8),
    M(Mem),
}

impl From<Gpr> for Rm {
    fn from(r: Gpr) -> Self {
        Self::R(r.0)
    }
}
impl From<Xmm> for Rm {
    fn from(r: Xmm) -> Self {
        Self::R(r.0)
    }
}
impl From<Mem> for Rm {
    fn from(m: Mem) -> Self {
        Self::M(m)
    }
}

/// Arithmetic with the classic encoding; the number is its place in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Alu {
    Add = 0,
    Or = 1,
    Adc = 2,
    Sbb = 3,
    And = 4,
    Sub = 5,
    Xor = 6,
    Cmp = 7,
}

/// Shifts; the number is the opcode extension.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Shift {
    Ror = 1,
    Shl = 4,
    Shr = 5,
    Sar = 7,
}

/// Host condition codes; inverting flips the low bit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Cc {
    O = 0,
    No,
    B,
    Ae,
    E,
    Ne,
    Be,
    A,
    S,
    Ns,
    P,
    Np,
    L,
    Ge,
    Le,
    G,
}

impl Cc {
    pub fn inverted(self) -> Self {
        use Cc::{A, Ae, B, Be, E, G, Ge, L, Le, Ne, No, Np, Ns, O, P, S};
        [No, O, Ae, B, Ne, E, A, Be, Ns, S, Np, P, Ge, L, G, Le][self as usize]
    }
}

/// Opcode maps.
pub(crate) const MAP_0F: u8 = 1;
pub(crate) const MAP_38: u8 = 2;
pub(crate) const MAP_3A: u8 = 3;

/// An opcode of the vector instructions: mandatory prefix (0, 0x66, 0xf3, 0xf2), map, opcode byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Op(pub u8, pub u8, pub u8);

const UNBOUND: u32 = u32::MAX;

/// The buffer with its labels.
#[derive(Default)]
pub(crate) struct Asm {
    pub code: Vec<u8>,
    labels: Vec<u32>,
    /// Where a 32-bit distance to a label stands, and how many bytes of the instruction follow it.
    fixups: Vec<(u32, Label, u8)>,
    short_fixups: Vec<(u32, Label)>,
    /// Where a distance to a place in the code cache stands, that place, and how many bytes follow.
    cache_fixups: Vec<(u32, u32, u8)>,
    constants: Vec<(u128, Label)>,
    /// Bytes that follow the operand in the instruction being written.
    pub tail: u8,
}

impl Asm {
    pub fn clear(&mut self) {
        self.code.clear();
        self.labels.clear();
        self.fixups.clear();
        self.short_fixups.clear();
        self.cache_fixups.clear();
        self.constants.clear();
    }

    pub fn offset(&self) -> u32 {
        self.code.len() as u32
    }

    pub fn label(&mut self) -> Label {
        self.labels.push(UNBOUND);
        Label(self.labels.len() as u32 - 1)
    }

    pub fn bind(&mut self, label: Label) {
        self.labels[label.0 as usize] = self.offset();
    }

    /// A 16-byte constant behind the code.
    pub fn constant(&mut self, value: u128) -> Mem {
        if let Some(&(_, label)) = self.constants.iter().find(|c| c.0 == value) {
            return Mem::Const(label);
        }
        let label = self.label();
        self.constants.push((value, label));
        Mem::Const(label)
    }

    /// Places the constants and resolves labels. Afterwards the code is complete but for where it will be.
    pub fn finish(&mut self) {
        if !self.constants.is_empty() {
            let start = self.code.len().next_multiple_of(16);
            self.code.resize(start, 0xcc);
        }
        for i in 0..self.constants.len() {
            let (value, label) = self.constants[i];
            self.bind(label);
            self.code.extend_from_slice(&value.to_le_bytes());
        }
        for &(at, label, tail) in &self.fixups {
            let target = self.labels[label.0 as usize];
            assert!(target != UNBOUND, "every label is bound");
            let distance = target.wrapping_sub(at + 4 + u32::from(tail));
            self.code[at as usize..at as usize + 4].copy_from_slice(&distance.to_le_bytes());
        }
        for &(at, label) in &self.short_fixups {
            let distance = i64::from(self.labels[label.0 as usize]) - i64::from(at + 1);
            self.code[at as usize] = i8::try_from(distance).expect("short jumps skip a few instructions") as u8;
        }
    }

    /// Resolves distances to places in the code cache for code that will be `start` bytes from its start.
    pub fn settle(&mut self, start: u32) -> &[u8] {
        for &(at, to, tail) in &self.cache_fixups {
            let distance = to.wrapping_sub(start + at + 4 + u32::from(tail));
            self.code[at as usize..at as usize + 4].copy_from_slice(&distance.to_le_bytes());
        }
        &self.code
    }

    fn cache_distance(&mut self, to: u32, tail: u8) {
        self.cache_fixups.push((self.offset(), to, tail));
        self.imm32(0);
    }

    fn byte(&mut self, byte: u8) {
        self.code.push(byte);
    }
    fn imm32(&mut self, value: i32) {
        self.code.extend_from_slice(&value.to_le_bytes());
    }

    fn high_bits(rm: Rm) -> (u8, u8) {
        match rm {
            Rm::R(r) => (r >> 3, 0),
            Rm::M(Mem::Base(base, _)) => (base.0 >> 3, 0),
            Rm::M(Mem::Index(base, index, ..)) => (base.map_or(0, |b| b.0 >> 3), index.0 >> 3),
            Rm::M(Mem::Fixed(_) | Mem::Const(_) | Mem::Cache(_)) => (0, 0),
        }
    }

    fn modrm(&mut self, reg: u8, rm: Rm) {
        let reg = (reg & 7) << 3;
        match rm {
            Rm::R(r) => self.byte(0xc0 | reg | r & 7),
            Rm::M(Mem::Const(label)) => {
                self.byte(reg | 5);
                self.fixups.push((self.offset(), label, self.tail));
                self.imm32(0);
            }
            Rm::M(Mem::Cache(to)) => {
                self.byte(reg | 5);
                self.cache_distance(to, self.tail);
            }
            Rm::M(Mem::Fixed(at)) => {
                self.code.extend_from_slice(&[reg | 4, 0x25]);
                self.imm32(at);
            }
            Rm::M(Mem::Base(base, disp)) => {
                let low = base.0 & 7;
                let small = i8::try_from(disp).ok();
                let mode = if disp == 0 && low != 5 {
                    0
                } else if small.is_some() {
                    0x40
                } else {
                    0x80
                };
                if low == 4 {
                    self.code.extend_from_slice(&[mode | reg | low, 0x24]);
                    return self.displacement(mode, disp);
                }
                let [a, b, c, d] = disp.to_le_bytes();
                match mode {
                    0 => self.byte(reg | low),
                    0x40 => self.code.extend_from_slice(&[mode | reg | low, a]),
                    _ => self.code.extend_from_slice(&[mode | reg | low, a, b, c, d]),
                }
            }
            Rm::M(Mem::Index(None, index, scale, disp)) => {
                self.code.extend_from_slice(&[reg | 4, scale << 6 | (index.0 & 7) << 3 | 5]);
                self.imm32(disp);
            }
            Rm::M(Mem::Index(Some(base), index, scale, disp)) => {
                let low = base.0 & 7;
                let mode = if disp == 0 && low != 5 {
                    0
                } else if i8::try_from(disp).is_ok() {
                    0x40
                } else {
                    0x80
                };
                self.code.extend_from_slice(&[mode | reg | 4, scale << 6 | (index.0 & 7) << 3 | low]);
                self.displacement(mode, disp);
            }
        }
    }

    fn displacement(&mut self, mode: u8, disp: i32) {
        match mode {
            0 => {}
            0x40 => self.byte(disp as u8),
            _ => self.imm32(disp),
        }
    }

    /// One instruction in the legacy encoding. `byte_reg`: a byte register is named.
    pub fn legacy(&mut self, op: Op, wide: bool, reg: u8, rm: Rm, byte_reg: bool) {
        let Op(prefix, map, opcode) = op;
        // Written at once: most bytes of the code pass here.
        let mut bytes = [0; 5];
        let mut length = 0;
        let mut push = |byte| {
            bytes[length] = byte;
            length += 1;
        };
        if prefix != 0 {
            push(prefix);
        }
        let (base, index) = Self::high_bits(rm);
        let rex = u8::from(wide) << 3 | (reg >> 3) << 2 | index << 1 | base;
        // Without a prefix 4 to 7 are AH to BH.
        if rex != 0 || byte_reg && ((4..8).contains(&reg) || matches!(rm, Rm::R(4..8))) {
            push(0x40 | rex);
        }
        if map != 0 {
            push(0x0f);
        }
        match map {
            MAP_38 => push(0x38),
            MAP_3A => push(0x3a),
            _ => {}
        }
        push(opcode);
        self.code.extend_from_slice(&bytes[..length]);
        self.modrm(reg, rm);
    }

    /// One instruction in the VEX encoding, 128 bits wide.
    pub fn vex(&mut self, op: Op, wide: bool, reg: u8, second: u8, rm: Rm) {
        let Op(prefix, map, opcode) = op;
        let pp = match prefix {
            0x66 => 1,
            0xf3 => 2,
            0xf2 => 3,
            _ => 0,
        };
        let (base, index) = Self::high_bits(rm);
        let low = (!second & 15) << 3 | pp;
        if map == MAP_0F && !wide && base == 0 && index == 0 {
            self.code.extend_from_slice(&[0xc5, ((reg >> 3) ^ 1) << 7 | low]);
        } else {
            let first = ((reg >> 3) ^ 1) << 7 | (index ^ 1) << 6 | (base ^ 1) << 5 | map;
            self.code.extend_from_slice(&[0xc4, first, u8::from(wide) << 7 | low]);
        }
        self.byte(opcode);
        self.modrm(reg, rm);
    }

    // --- integers -------------------------------------------------------------------------------------------

    pub fn mov(&mut self, wide: bool, to: Gpr, from: impl Into<Rm>) {
        self.legacy(Op(0, 0, 0x8b), wide, to.0, from.into(), false);
    }

    pub fn mov_imm(&mut self, to: Gpr, value: u64) {
        if value <= u64::from(u32::MAX) {
            if to.0 >= 8 {
                self.byte(0x41);
            }
            self.byte(0xb8 | to.0 & 7);
            self.imm32(value as i32);
        } else if let Ok(small) = i32::try_from(value as i64) {
            self.legacy(Op(0, 0, 0xc7), true, 0, to.into(), false);
            self.imm32(small);
        } else {
            self.code.extend_from_slice(&[0x48 | to.0 >> 3, 0xb8 | to.0 & 7]);
            self.code.extend_from_slice(&value.to_le_bytes());
        }
    }

    /// Stores the low `bytes` bytes of a register.
    pub fn store(&mut self, bytes: u8, to: Mem, from: Gpr) {
        let prefix = if bytes == 2 { 0x66 } else { 0 };
        self.legacy(Op(prefix, 0, if bytes == 1 { 0x88 } else { 0x89 }), bytes == 8, from.0, to.into(), bytes == 1);
    }

    /// Stores a constant, sign-extended to `bytes` bytes.
    pub fn store_imm(&mut self, bytes: u8, to: Mem, value: i32) {
        self.tail = bytes.min(4);
        let prefix = if bytes == 2 { 0x66 } else { 0 };
        self.legacy(Op(prefix, 0, if bytes == 1 { 0xc6 } else { 0xc7 }), bytes == 8, 0, to.into(), false);
        self.tail = 0;
        self.code.extend_from_slice(&value.to_le_bytes()[..usize::from(bytes.min(4))]);
    }

    /// `op to, from`
    pub fn alu(&mut self, op: Alu, wide: bool, to: Gpr, from: impl Into<Rm>) {
        self.legacy(Op(0, 0, op as u8 * 8 + 3), wide, to.0, from.into(), false);
    }

    /// `op to, value`
    pub fn alu_imm(&mut self, op: Alu, wide: bool, to: impl Into<Rm>, value: i32) {
        if i8::try_from(value).is_ok() {
            self.tail = 1;
            self.legacy(Op(0, 0, 0x83), wide, op as u8, to.into(), false);
            self.tail = 0;
            self.byte(value as u8);
        } else {
            self.tail = 4;
            self.legacy(Op(0, 0, 0x81), wide, op as u8, to.into(), false);
            self.tail = 0;
            self.imm32(value);
        }
    }

    /// Compares the low `bytes` bytes of registers.
    pub fn cmp_sized(&mut self, bytes: u8, a: Gpr, b: Gpr) {
        let prefix = if bytes == 2 { 0x66 } else { 0 };
        self.legacy(Op(prefix, 0, if bytes == 1 { 0x3a } else { 0x3b }), bytes == 8, a.0, b.into(), bytes == 1);
    }

    pub fn test(&mut self, wide: bool, a: Gpr, b: Gpr) {
        self.legacy(Op(0, 0, 0x85), wide, b.0, a.into(), false);
    }

    pub fn test_imm(&mut self, wide: bool, a: impl Into<Rm>, value: i32) {
        self.legacy(Op(0, 0, 0xf7), wide, 0, a.into(), false);
        self.imm32(value);
    }

    pub fn lea(&mut self, wide: bool, to: Gpr, from: Mem) {
        self.legacy(Op(0, 0, 0x8d), wide, to.0, from.into(), false);
    }

    pub fn shift_imm(&mut self, op: Shift, wide: bool, to: Gpr, amount: u8) {
        self.legacy(Op(0, 0, 0xc1), wide, op as u8, to.into(), false);
        self.byte(amount);
    }

    /// By CL.
    pub fn shift_cl(&mut self, op: Shift, wide: bool, to: Gpr) {
        self.legacy(Op(0, 0, 0xd3), wide, op as u8, to.into(), false);
    }

    /// NOT 2, NEG 3, MUL 4, IMUL 5, DIV 6, IDIV 7.
    pub fn unary(&mut self, which: u8, wide: bool, r: Gpr) {
        self.legacy(Op(0, 0, 0xf7), wide, which, r.into(), false);
    }

    pub fn imul(&mut self, wide: bool, to: Gpr, from: Gpr) {
        self.legacy(Op(0, MAP_0F, 0xaf), wide, to.0, from.into(), false);
    }

    pub fn imul_imm(&mut self, wide: bool, to: Gpr, from: Gpr, value: i32) {
        self.legacy(Op(0, 0, 0x69), wide, to.0, from.into(), false);
        self.imm32(value);
    }

    pub fn bswap(&mut self, wide: bool, r: Gpr) {
        let rex = u8::from(wide) << 3 | r.0 >> 3;
        if rex != 0 {
            self.byte(0x40 | rex);
        }
        self.code.extend_from_slice(&[0x0f, 0xc8 | r.0 & 7]);
    }

    /// Loads or moves 1, 2, 4 or 8 bytes, zero-extended.
    pub fn load_zero(&mut self, bytes: u8, to: Gpr, from: impl Into<Rm>) {
        match bytes {
            1 => self.legacy(Op(0, MAP_0F, 0xb6), false, to.0, from.into(), true),
            2 => self.legacy(Op(0, MAP_0F, 0xb7), false, to.0, from.into(), false),
            _ => self.mov(bytes == 8, to, from),
        }
    }

    /// Loads or moves 1, 2 or 4 bytes, sign-extended to 64 bits if `wide`, else to 32.
    pub fn load_sign(&mut self, bytes: u8, wide: bool, to: Gpr, from: impl Into<Rm>) {
        match bytes {
            1 => self.legacy(Op(0, MAP_0F, 0xbe), wide, to.0, from.into(), true),
            2 => self.legacy(Op(0, MAP_0F, 0xbf), wide, to.0, from.into(), false),
            4 if wide => self.legacy(Op(0, 0, 0x63), true, to.0, from.into(), false),
            _ => self.mov(bytes == 8, to, from),
        }
    }

    pub fn cmov(&mut self, cc: Cc, to: Gpr, from: Gpr) {
        self.legacy(Op(0, MAP_0F, 0x40 | cc as u8), true, to.0, from.into(), false);
    }

    pub fn setcc(&mut self, cc: Cc, to: Gpr) {
        self.legacy(Op(0, MAP_0F, 0x90 | cc as u8), false, 0, to.into(), true);
    }

    pub fn bt(&mut self, wide: bool, r: Gpr, bit: u8) {
        self.legacy(Op(0, MAP_0F, 0xba), wide, 4, r.into(), false);
        self.byte(bit);
    }

    pub fn push(&mut self, r: Gpr) {
        if r.0 >= 8 {
            self.byte(0x41);
        }
        self.byte(0x50 | r.0 & 7);
    }

    pub fn pop(&mut self, r: Gpr) {
        if r.0 >= 8 {
            self.byte(0x41);
        }
        self.byte(0x58 | r.0 & 7);
    }

    /// Bytes as they are: instructions without operands.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.code.extend_from_slice(bytes);
    }

    /// XCHG of a register with memory: locked by nature.
    pub fn xchg(&mut self, bytes: u8, r: Gpr, with: Mem) {
        let prefix = if bytes == 2 { 0x66 } else { 0 };
        self.legacy(Op(prefix, 0, if bytes == 1 { 0x86 } else { 0x87 }), bytes == 8, r.0, with.into(), bytes == 1);
    }

    /// LOCK XADD (`opcode` 0xc0) or LOCK CMPXCHG (0xb0).
    pub fn locked(&mut self, opcode: u8, bytes: u8, at: Mem, r: Gpr) {
        if bytes == 2 {
            self.byte(0x66);
        }
        let opcode = opcode | u8::from(bytes != 1);
        self.legacy(Op(0xf0, MAP_0F, opcode), bytes == 8, r.0, at.into(), bytes == 1);
    }

    // --- control --------------------------------------------------------------------------------------------

    pub fn jcc(&mut self, cc: Cc, to: Label) {
        self.code.extend_from_slice(&[0x0f, 0x80 | cc as u8]);
        self.fixups.push((self.offset(), to, 0));
        self.imm32(0);
    }

    pub fn jmp(&mut self, to: Label) {
        self.byte(0xe9);
        self.fixups.push((self.offset(), to, 0));
        self.imm32(0);
    }

    /// A jump to a place in the code cache.
    pub fn jcc_cache(&mut self, cc: Cc, to: u32) {
        self.code.extend_from_slice(&[0x0f, 0x80 | cc as u8]);
        self.cache_distance(to, 0);
    }

    pub fn call_cache(&mut self, to: u32) {
        self.byte(0xe8);
        self.cache_distance(to, 0);
    }

    /// A jump over a few instructions, forward.
    pub fn jcc_short(&mut self, cc: Cc, to: Label) {
        self.byte(0x70 | cc as u8);
        self.short_fixups.push((self.offset(), to));
        self.byte(0);
    }

    pub fn jmp_short(&mut self, to: Label) {
        self.byte(0xeb);
        self.short_fixups.push((self.offset(), to));
        self.byte(0);
    }

    pub fn jmp_mem(&mut self, to: Mem) {
        self.legacy(Op(0, 0, 0xff), false, 4, to.into(), false);
    }

    pub fn call_mem(&mut self, to: Mem) {
        self.legacy(Op(0, 0, 0xff), false, 2, to.into(), false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RBX: Gpr = Gpr(3);
    const RSI: Gpr = Gpr(6);
    const R9: Gpr = Gpr(9);
    const R10: Gpr = Gpr(10);

    const R12: Gpr = Gpr(12);
    const R13: Gpr = Gpr(13);

    fn bytes(write: impl FnOnce(&mut Asm)) -> Vec<u8> {
        let mut asm = Asm::default();
        write(&mut asm);
        asm.finish();
        asm.code
    }

    macro_rules! encodings {
        ($($text:literal: |$a:ident| $what:expr, [$($byte:literal),*];)*) => {
            $(assert_eq!(bytes(|$a| $what), [$($byte),*], $text);)*
        };
    }

    /// What binutils' `as` (2.40) makes of the same text; of two forms that differ in direction only, the loading.
    #[test]
    fn encodings_are_those_of_the_gnu_assembler() {
        encodings! {
            "mov rax, r9": |a| a.mov(true, RAX, R9), [0x49, 0x8b, 0xc1];
            "mov r9d, eax": |a| a.mov(false, R9, RAX), [0x44, 0x8b, 0xc8];
            "mov rcx, [r15+0x1f8]": |a| a.mov(true, RCX, Mem::Base(R15, 0x1f8)), [0x49, 0x8b, 0x8f, 0xf8, 0x01, 0x00, 0x00];
            "mov rcx, [r13]": |a| a.mov(true, RCX, Mem::Base(R13, 0)), [0x49, 0x8b, 0x4d, 0x00];
            "mov rcx, [r12]": |a| a.mov(true, RCX, Mem::Base(R12, 0)), [0x49, 0x8b, 0x0c, 0x24];
            "mov rcx, [rsp+8]": |a| a.mov(true, RCX, Mem::Base(RSP, 8)), [0x48, 0x8b, 0x4c, 0x24, 0x08];
            "mov ecx, [r12+r13*8-1]": |a| a.mov(false, RCX, Mem::Index(Some(R12), R13, 3, -1)), [0x43, 0x8b, 0x4c, 0xec, 0xff];
            "mov ecx, [r13+r9]": |a| a.mov(false, RCX, Mem::Index(Some(R13), R9, 0, 0)), [0x43, 0x8b, 0x4c, 0x0d, 0x00];
            "mov ecx, [r9*4+0]": |a| a.mov(false, RCX, Mem::Index(None, R9, 2, 0)), [0x42, 0x8b, 0x0c, 0x8d, 0x00, 0x00, 0x00, 0x00];
            "mov eax, ds:-8": |a| a.mov(false, RAX, Mem::Fixed(-8)), [0x8b, 0x04, 0x25, 0xf8, 0xff, 0xff, 0xff];
            "mov eax, 5": |a| a.mov_imm(RAX, 5), [0xb8, 0x05, 0x00, 0x00, 0x00];
            "mov r9d, 0xffffffff": |a| a.mov_imm(R9, 0xffff_ffff), [0x41, 0xb9, 0xff, 0xff, 0xff, 0xff];
            "mov r9, -2": |a| a.mov_imm(R9, u64::MAX - 1), [0x49, 0xc7, 0xc1, 0xfe, 0xff, 0xff, 0xff];
            "movabs r9, 0x123456789abcdef0": |a| a.mov_imm(R9, 0x1234_5678_9abc_def0), [0x49, 0xb9, 0xf0, 0xde, 0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12];
            "mov [r9], dil": |a| a.store(1, Mem::Base(R9, 0), RDI), [0x41, 0x88, 0x39];
            "mov [rbx], r9w": |a| a.store(2, Mem::Base(RBX, 0), R9), [0x66, 0x44, 0x89, 0x0b];
            "mov [rbx+4], r9d": |a| a.store(4, Mem::Base(RBX, 4), R9), [0x44, 0x89, 0x4b, 0x04];
            "mov [rbx+4], r9": |a| a.store(8, Mem::Base(RBX, 4), R9), [0x4c, 0x89, 0x4b, 0x04];
            "mov byte ptr [r9], 7": |a| a.store_imm(1, Mem::Base(R9, 0), 7), [0x41, 0xc6, 0x01, 0x07];
            "mov word ptr [r9], -1": |a| a.store_imm(2, Mem::Base(R9, 0), -1), [0x66, 0x41, 0xc7, 0x01, 0xff, 0xff];
            "mov dword ptr [r9], 7": |a| a.store_imm(4, Mem::Base(R9, 0), 7), [0x41, 0xc7, 0x01, 0x07, 0x00, 0x00, 0x00];
            "mov qword ptr [r9], -1": |a| a.store_imm(8, Mem::Base(R9, 0), -1), [0x49, 0xc7, 0x01, 0xff, 0xff, 0xff, 0xff];
            "sbb r9, r10": |a| a.alu(Alu::Sbb, true, R9, R10), [0x4d, 0x1b, 0xca];
            "cmp r9d, [r15+8]": |a| a.alu(Alu::Cmp, false, R9, Mem::Base(R15, 8)), [0x45, 0x3b, 0x4f, 0x08];
            "xor r9, 0x100": |a| a.alu_imm(Alu::Xor, true, R9, 0x100), [0x49, 0x81, 0xf1, 0x00, 0x01, 0x00, 0x00];
            "and rcx, -64": |a| a.alu_imm(Alu::And, true, RCX, -64), [0x48, 0x83, 0xe1, 0xc0];
            "sub dword ptr [rax+0x10], 1": |a| a.alu_imm(Alu::Sub, false, Mem::Base(RAX, 0x10), 1), [0x83, 0x68, 0x10, 0x01];
            "cmp sil, dil": |a| a.cmp_sized(1, RSI, RDI), [0x40, 0x3a, 0xf7];
            "cmp cx, r9w": |a| a.cmp_sized(2, RCX, R9), [0x66, 0x41, 0x3b, 0xc9];
            "test r9, rcx": |a| a.test(true, R9, RCX), [0x49, 0x85, 0xc9];
            "test r9d, 0x80": |a| a.test_imm(false, R9, 0x80), [0x41, 0xf7, 0xc1, 0x80, 0x00, 0x00, 0x00];
            "lea r9, [rbx-0x80]": |a| a.lea(true, R9, Mem::Base(RBX, -0x80)), [0x4c, 0x8d, 0x4b, 0x80];
            "lea r9d, [rbx+0x80]": |a| a.lea(false, R9, Mem::Base(RBX, 0x80)), [0x44, 0x8d, 0x8b, 0x80, 0x00, 0x00, 0x00];
            "shl r9, 3": |a| a.shift_imm(Shift::Shl, true, R9, 3), [0x49, 0xc1, 0xe1, 0x03];
            "ror r9d, 16": |a| a.shift_imm(Shift::Ror, false, R9, 16), [0x41, 0xc1, 0xc9, 0x10];
            "sar r9, cl": |a| a.shift_cl(Shift::Sar, true, R9), [0x49, 0xd3, 0xf9];
            "not r9": |a| a.unary(2, true, R9), [0x49, 0xf7, 0xd1];
            "idiv r9d": |a| a.unary(7, false, R9), [0x41, 0xf7, 0xf9];
            "imul r9, rcx": |a| a.imul(true, R9, RCX), [0x4c, 0x0f, 0xaf, 0xc9];
            "imul r9d, ecx, 1000": |a| a.imul_imm(false, R9, RCX, 1000), [0x44, 0x69, 0xc9, 0xe8, 0x03, 0x00, 0x00];
            "bswap r9": |a| a.bswap(true, R9), [0x49, 0x0f, 0xc9];
            "bswap eax": |a| a.bswap(false, RAX), [0x0f, 0xc8];
            "movzx eax, sil": |a| a.load_zero(1, RAX, RSI), [0x40, 0x0f, 0xb6, 0xc6];
            "movzx r9d, word ptr [rax]": |a| a.load_zero(2, R9, Mem::Base(RAX, 0)), [0x44, 0x0f, 0xb7, 0x08];
            "movsx rax, byte ptr [r9]": |a| a.load_sign(1, true, RAX, Mem::Base(R9, 0)), [0x49, 0x0f, 0xbe, 0x01];
            "movsx eax, r9w": |a| a.load_sign(2, false, RAX, R9), [0x41, 0x0f, 0xbf, 0xc1];
            "movsxd r9, eax": |a| a.load_sign(4, true, R9, RAX), [0x4c, 0x63, 0xc8];
            "cmovle r9, rax": |a| a.cmov(Cc::Le, R9, RAX), [0x4c, 0x0f, 0x4e, 0xc8];
            "seto al": |a| a.setcc(Cc::O, RAX), [0x0f, 0x90, 0xc0];
            "setae r9b": |a| a.setcc(Cc::Ae, R9), [0x41, 0x0f, 0x93, 0xc1];
            "bt r9, 63": |a| a.bt(true, R9, 63), [0x49, 0x0f, 0xba, 0xe1, 0x3f];
            "push r8": |a| a.push(R8), [0x41, 0x50];
            "pop rcx": |a| a.pop(RCX), [0x59];
            "xchg [rdx], cl": |a| a.xchg(1, RCX, Mem::Base(RDX, 0)), [0x86, 0x0a];
            "lock xadd [rdx], rax": |a| a.locked(0xc0, 8, Mem::Base(RDX, 0), RAX), [0xf0, 0x48, 0x0f, 0xc1, 0x02];
            "lock cmpxchg [rdx], cx": |a| a.locked(0xb0, 2, Mem::Base(RDX, 0), RCX), [0x66, 0xf0, 0x0f, 0xb1, 0x0a];
            "lock cmpxchg [rdx], sil": |a| a.locked(0xb0, 1, Mem::Base(RDX, 0), RSI), [0xf0, 0x40, 0x0f, 0xb0, 0x32];
            "jmp [rax+rcx+8]": |a| a.jmp_mem(Mem::Index(Some(RAX), RCX, 0, 8)), [0xff, 0x64, 0x08, 0x08];
            "call [rax+0x100]": |a| a.call_mem(Mem::Base(RAX, 0x100)), [0xff, 0x90, 0x00, 0x01, 0x00, 0x00];
            "lzcnt r9, rcx": |a| a.legacy(Op(0xf3, MAP_0F, 0xbd), true, R9.0, RCX.into(), false), [0xf3, 0x4c, 0x0f, 0xbd, 0xc9];
            "shrd r9, rcx, 5": |a| { a.legacy(Op(0, MAP_0F, 0xac), true, RCX.0, R9.into(), false); a.raw(&[5]); }, [0x49, 0x0f, 0xac, 0xc9, 0x05];
            "movaps xmm9, [r15+0x120]": |a| a.legacy(Op(0, MAP_0F, 0x28), false, 9, Mem::Base(R15, 0x120).into(), false), [0x45, 0x0f, 0x28, 0x8f, 0x20, 0x01, 0x00, 0x00];
            "pshufb xmm1, xmm12": |a| a.legacy(Op(0x66, MAP_38, 0x00), false, 1, Rm::R(12), false), [0x66, 0x41, 0x0f, 0x38, 0x00, 0xcc];
            "vpaddd xmm1, xmm2, xmm3": |a| a.vex(Op(0x66, MAP_0F, 0xfe), false, 1, 2, Rm::R(3)), [0xc5, 0xe9, 0xfe, 0xcb];
            "vpaddd xmm9, xmm10, xmm3": |a| a.vex(Op(0x66, MAP_0F, 0xfe), false, 9, 10, Rm::R(3)), [0xc5, 0x29, 0xfe, 0xcb];
            "vmulsd xmm9, xmm10, xmm11": |a| a.vex(Op(0xf2, MAP_0F, 0x59), false, 9, 10, Rm::R(11)), [0xc4, 0x41, 0x2b, 0x59, 0xcb];
            "vmovups xmm9, [rax+r9*4]": |a| a.vex(Op(0, MAP_0F, 0x10), false, 9, 0, Mem::Index(Some(RAX), R9, 2, 0).into()), [0xc4, 0x21, 0x78, 0x10, 0x0c, 0x88];
            "vfmadd231sd xmm1, xmm2, xmm9": |a| a.vex(Op(0x66, MAP_38, 0xb9), true, 1, 2, Rm::R(9)), [0xc4, 0xc2, 0xe9, 0xb9, 0xc9];
            "vcvttsd2si r9, xmm2": |a| a.vex(Op(0xf2, MAP_0F, 0x2c), true, 9, 0, Rm::R(2)), [0xc4, 0x61, 0xfb, 0x2c, 0xca];
            "shlx r9, rax, rcx": |a| a.vex(Op(0x66, MAP_38, 0xf7), true, 9, 1, RAX.into()), [0xc4, 0x62, 0xf1, 0xf7, 0xc8];
            "andn r9d, ecx, eax": |a| a.vex(Op(0, MAP_38, 0xf2), false, 9, 1, RAX.into()), [0xc4, 0x62, 0x70, 0xf2, 0xc8];
            "vpsrldq xmm1, xmm9, 8": |a| { a.vex(Op(0x66, MAP_0F, 0x73), false, 3, 1, Rm::R(9)); a.raw(&[8]); }, [0xc4, 0xc1, 0x71, 0x73, 0xd9, 0x08];
        }
    }

    #[test]
    fn labels_resolve_both_ways() {
        // as: `0: jne 1f; jmp 0b; 1: jo 2f; 2:` with the long forms of the first two.
        let code = bytes(|a| {
            let (back, on, end) = (a.label(), a.label(), a.label());
            a.bind(back);
            a.jcc(Cc::Ne, on);
            a.jmp(back);
            a.bind(on);
            a.jcc_short(Cc::O, end);
            a.bind(end);
        });
        assert_eq!(code, [0x0f, 0x85, 5, 0, 0, 0, 0xe9, 0xf5, 0xff, 0xff, 0xff, 0x70, 0]);
    }

    #[test]
    fn distances_in_the_code_cache_count_from_the_next_instruction() {
        let mut asm = Asm::default();
        asm.alu_imm(Alu::Sub, false, Mem::Cache(0x1000), 1);
        asm.jcc_cache(Cc::E, 0x10);
        asm.finish();
        assert_eq!(asm.settle(0x100), [0x83, 0x2d, 0xf9, 0x0e, 0, 0, 1, 0x0f, 0x84, 3, 0xff, 0xff, 0xff]);
    }

    #[test]
    fn constants_stand_behind_the_code_once() {
        let code = bytes(|a| {
            for value in [1, 1] {
                let constant = a.constant(value);
                // movaps xmm0, [rip + ...]
                a.legacy(Op(0, MAP_0F, 0x28), false, 0, constant.into(), false);
            }
        });
        assert_eq!(code[..14], [0x0f, 0x28, 5, 9, 0, 0, 0, 0x0f, 0x28, 5, 2, 0, 0, 0]);
        assert_eq!(code[16..], 1u128.to_le_bytes());
    }
}
