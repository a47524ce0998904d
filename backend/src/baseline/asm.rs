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
mod tests;
