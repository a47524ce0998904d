//! Code that all emitted blocks share, once in each generation of the code cache: ways out that most blocks have, and
//! flags whose kind only memory knows.

use super::Emitter;
use super::asm::{Alu, Cc, Gpr, R15, RAX, RCX, RDI, RDX, Shift};
use super::asm::{Asm, Mem};
use super::exits::{PC, RET};
use super::flags::{A, ABOVE, B, CMC, WORD, state};
use crate::abi::helpers::Helper;
use crate::abi::layout;
use ir::{FlagKind, LazyFlags, SysReg};

const STC: [u8; 1] = [0xf9];

/// The code, and where in it things are.
#[derive(Default)]
pub(super) struct Shared {
    pub code: Vec<u8>,
    /// A safepoint is wanted at the guest address in rdi.
    waiting: u32,
    /// The block at rdi is hot.
    hot: u32,
    /// The guest address in rdx is not in the lookup table.
    not_found: u32,
    /// To be called with `LazyFlags::word` in eax and `LazyFlags::a` in rcx: makes the flags the host's, as after a
    /// subtraction. Uses rax, rcx and rdx.
    flags: u32,
    /// Distance of the code from the start of the cache.
    start: u32,
}

impl Shared {
    /// The code is at this distance from the start of the cache.
    pub fn place(&mut self, start: u32) {
        self.start = start;
    }
    pub fn waiting(&self) -> u32 {
        self.start + self.waiting
    }
    pub fn hot(&self) -> u32 {
        self.start + self.hot
    }
    pub fn not_found(&self) -> u32 {
        self.start + self.not_found
    }
    pub fn flags(&self) -> u32 {
        self.start + self.flags
    }
}

/// A way out to the guest address in `pc`.
fn way_out(asm: &mut Asm, pc: Gpr, code: u64) -> u32 {
    let at = asm.offset();
    asm.store(8, Mem::Base(R15, PC), pc);
    asm.mov_imm(RDI, code);
    asm.jmp_mem(Mem::Base(R15, layout::backend_word(layout::EXIT)));
    at
}

impl Emitter {
    pub(super) fn make_shared(&mut self) -> Shared {
        self.asm.clear();
        let asm = &mut self.asm;
        let waiting = way_out(asm, RDI, layout::EXIT_SAFEPOINT);
        let hot = way_out(asm, RDI, layout::EXIT_HOT);
        let not_found = way_out(asm, RDX, layout::EXIT_LOOKUP);
        let flags = self.shared_flags();
        self.asm.finish();
        Shared { code: self.asm.code.clone(), waiting, hot, not_found, flags, start: 0 }
    }

    fn shared_flags(&mut self) -> u32 {
        let start = self.asm.offset();
        let [packed, number, logic_32, logic_64, add_64, sub_32, sub_64] = std::array::from_fn(|_| self.asm.label());
        self.separate_flags();
        let jumps = [
            (FlagKind::Sub32, Cc::E, sub_32),
            (FlagKind::Sub64, Cc::E, sub_64),
            (FlagKind::Packed, Cc::E, packed),
            (FlagKind::Add64, Cc::E, add_64),
            (FlagKind::Logic32, Cc::E, logic_32),
            (FlagKind::Logic64, Cc::E, logic_64),
            (FlagKind::Fp32, Cc::Ae, number),
        ];
        for (kind, cc, to) in jumps {
            self.asm.alu_imm(Alu::Cmp, false, RAX, kind as i32);
            self.asm.jcc(cc, to);
        }
        self.asm.alu(Alu::Add, false, RCX, state(B));
        self.asm.raw(&CMC);
        self.asm.raw(&RET);
        self.asm.bind(add_64);
        self.asm.alu(Alu::Add, true, RCX, state(B));
        self.asm.raw(&CMC);
        self.asm.raw(&RET);
        for (wide, label) in [(false, sub_32), (true, sub_64)] {
            self.asm.bind(label);
            self.asm.alu(Alu::Cmp, wide, RCX, state(B));
            self.asm.raw(&RET);
        }
        for (wide, label) in [(false, logic_32), (true, logic_64)] {
            self.asm.bind(label);
            self.asm.test(wide, RCX, RCX);
            self.asm.raw(&STC);
            self.asm.raw(&RET);
        }
        self.asm.bind(number);
        // Calls of helpers count on a stack that is not aligned.
        self.asm.push(RDI);
        self.call_helper(Helper::ReadSysreg, &[(SysReg::Nzcv as u64).into()]);
        self.asm.pop(RDI);
        self.asm.mov(false, RCX, RAX);
        self.asm.bind(packed);
        self.asm.mov(false, RAX, RCX);
        self.host_flags_from_packed();
        self.asm.raw(&RET);
        start
    }

    /// Stores flags with operands in their word anew, in words of their own: kind in eax, first operand in rcx. Uses
    /// rdx.
    fn separate_flags(&mut self) {
        let [is_separate, has_b, has_both] = std::array::from_fn(|_| self.asm.label());
        self.asm.test_imm(false, RAX, (LazyFlags::A_ABOVE | LazyFlags::B_IN_WORD) as i32);
        self.asm.jcc(Cc::E, is_separate);
        self.asm.test_imm(false, RAX, LazyFlags::A_ABOVE as i32);
        self.asm.jcc(Cc::E, has_b);
        self.asm.mov(false, RCX, state(ABOVE));
        self.asm.bind(has_b);
        self.asm.test_imm(false, RAX, LazyFlags::B_IN_WORD as i32);
        self.asm.jcc(Cc::E, has_both);
        self.asm.load_sign(4, true, RDX, RAX);
        self.asm.shift_imm(Shift::Sar, true, RDX, LazyFlags::B_SHIFT as u8);
        self.asm.store(8, state(B), RDX);
        self.asm.test_imm(false, RAX, LazyFlags::KIND as i32);
        self.asm.jcc(Cc::Ne, has_both);
        // Packed flags stand there.
        self.asm.mov(false, RCX, RAX);
        self.asm.alu_imm(Alu::And, false, RCX, 0xf000_0000_u32 as i32);
        self.asm.bind(has_both);
        self.asm.store(8, state(A), RCX);
        self.asm.alu_imm(Alu::And, false, RAX, LazyFlags::KIND as i32);
        self.asm.store(4, state(WORD), RAX);
        self.asm.bind(is_separate);
    }
}
