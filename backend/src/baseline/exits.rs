//! How control enters and leaves the code, calls of helpers, and the code out of line. What generated code leaves
//! through is decided here and nowhere else.

use super::Emitter;
use super::asm::{Alu, Cc, Gpr, Label, MAP_0F, Mem, Op, R15, RAX, RCX, RDI, RDX, RSP, Xmm};
use super::value::{Arg, Number, Truth, Val, Vector};
use crate::abi::counts;
use crate::abi::helpers::{COUNT, Helper, SIGNATURES};
use crate::abi::layout;
use crate::lower::callee::Callee;
use crate::lower::facts::FPSR_QC;
use ir::{CpuState, FpSize, GuestAddr, Stop, StopDetail};
use std::mem::offset_of;

pub(super) const PC: i32 = offset_of!(CpuState, pc) as i32;
pub(super) const STOP_ADDR: i32 = (offset_of!(CpuState, stop) + offset_of!(StopDetail, addr)) as i32;
const STOP_CODE: i32 = (offset_of!(CpuState, stop) + offset_of!(StopDetail, code)) as i32;
const FPSR: i32 = offset_of!(CpuState, fpsr) as i32;
pub(super) const RET: [u8; 1] = [0xc3];

/// Where the result of a helper goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Nowhere,
    Gpr(Gpr),
    Xmm(Xmm),
    /// Bits of a number.
    Number(FpSize, Xmm),
}

/// A call of a helper: its arguments are what selects the operation, and the operands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    helper: Helper,
    args: [Arg; 8],
    count: u8,
}

impl Call {
    pub fn new(callee: Callee, operands: impl IntoIterator<Item = Arg>) -> Self {
        let mut call = Self { helper: callee.helper, args: [Arg::Val(Val::ZERO); 8], count: 0 };
        let selectors = callee.selectors().iter().map(|&selector| Arg::from(selector));
        for (to, arg) in call.args.iter_mut().zip(selectors.chain(operands)) {
            *to = arg;
            call.count += 1;
        }
        call
    }

    fn args(&self) -> &[Arg] {
        &self.args[..usize::from(self.count)]
    }
}

/// Code out of line: where it begins, and what it does. Values in it are those of where it is jumped from.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::large_enum_variant, reason = "the list is used again, and helpers are most of it")]
pub(super) enum Cold {
    Helper {
        at: Label,
        back: Label,
        call: Call,
        result: Place,
    },
    /// Sets FPSR.QC.
    Saturated {
        at: Label,
        back: Label,
    },
    FlagsFromMemory {
        at: Label,
        back: Label,
    },
    /// The address is in rax.
    Misaligned {
        at: Label,
        pc: GuestAddr,
    },
    /// The stop is in eax.
    Status {
        at: Label,
        pc: GuestAddr,
    },
    /// Leaves with a code.
    Leave {
        at: Label,
        pc: GuestAddr,
        code: u64,
    },
}

impl Emitter {
    /// The entry, and of a loop the place it goes back to. `counter` is where in the code cache the counter is.
    pub(super) fn entry(&mut self, counter: u32, is_loop: bool) {
        if is_loop {
            self.preload();
            self.places = self.places();
        }
        let head = self.asm.label();
        self.asm.bind(head);
        self.head = is_loop.then_some(head);
        // A safepoint that is wanted, or host stack that calls have used up.
        self.asm.alu(Alu::Cmp, true, RSP, Mem::Base(R15, layout::STACK_GUARD));
        self.asm.jcc_cache(Cc::B, self.shared.waiting());
        self.asm.alu_imm(Alu::Sub, false, Mem::Cache(counter), 1);
        self.asm.jcc_cache(Cc::E, self.shared.hot());
    }

    /// Goes to a known guest address. Ends the block, or one way out of it.
    pub(super) fn leave_to(&mut self, target: GuestAddr) {
        self.ended = true;
        self.store_flags();
        if let (Some(head), true) = (self.head, target == self.start) {
            let places = self.places;
            self.rejoin(&places);
            self.asm.jmp(head);
            return;
        }
        let Some(slot) = self.link(target) else { return };
        self.put(RDI, Val::Pc(target));
        self.asm.jmp_mem(Mem::Cache(slot));
    }

    /// Where in the code cache a slot is that leads to `target`.
    fn link(&mut self, target: GuestAddr) -> Option<u32> {
        let Some(slot) = self.slots.pop() else {
            self.refused = true;
            return None;
        };
        self.exits.push((slot, target));
        Some(self.slots_start + 8 * slot.0)
    }

    /// Calls a guest function at a known address; see `come_back`.
    pub(super) fn call_to(&mut self, target: GuestAddr, back: GuestAddr) {
        self.ended = true;
        self.store_flags();
        let Some(slot) = self.link(target) else { return };
        self.asm.push(RDI);
        self.put(RDI, Val::Pc(target));
        self.asm.call_mem(Mem::Cache(slot));
        self.come_back(back);
    }

    /// Calls a guest function at a computed address; see `come_back`.
    pub(super) fn call_indirect_to(&mut self, target: Val, back: GuestAddr) {
        self.ended = true;
        self.store_flags();
        let code = self.look_up(target);
        self.asm.push(RDI);
        self.asm.mov(true, RDI, RDX);
        self.asm.call_mem(code);
        self.come_back(back);
    }

    /// Behind a guest call: the guest has returned to rax. If that is `back` the guest goes on there, if not (longjmp,
    /// a switch of stacks) it is handed on to our own caller.
    fn come_back(&mut self, back: GuestAddr) {
        let elsewhere = self.asm.label();
        self.asm.pop(RDI);
        let Some(slot) = self.link(back) else { return };
        self.put(RDI, Val::Pc(back));
        self.asm.alu(Alu::Cmp, true, RAX, RDI);
        self.asm.jcc_short(Cc::Ne, elsewhere);
        self.asm.jmp_mem(Mem::Cache(slot));
        self.asm.bind(elsewhere);
        self.asm.raw(&RET);
    }

    /// A guest return: to the host frame of the guest's caller, which looks whether it is meant.
    pub(super) fn return_to(&mut self, target: Val) {
        self.ended = true;
        self.store_flags();
        self.put(RAX, target);
        self.asm.raw(&RET);
    }

    pub(super) fn leave_if(&mut self, truth: Truth, target: GuestAddr) {
        let next = self.pc.offset(4);
        if target == next {
            return self.leave_to(target);
        }
        self.store_flags();
        let taken = self.asm.label();
        let test = self.test(truth);
        if self.head.is_some() {
            self.branch_if(test, taken);
        } else {
            // The way out is two or three instructions.
            self.branch_if_short(test, taken);
        }
        self.leave_to(next);
        self.asm.bind(taken);
        self.leave_to(target);
    }

    /// Goes to a computed guest address, through the lookup table.
    pub(super) fn leave_indirect(&mut self, target: Val) {
        self.ended = true;
        self.store_flags();
        let code = self.look_up(target);
        self.asm.mov(true, RDI, RDX);
        self.asm.jmp_mem(code);
    }

    /// Where the code for a computed address stands, by the lookup table; the address itself is left in rdx.
    fn look_up(&mut self, target: Val) -> Mem {
        self.put(RDX, target);
        self.asm.mov(true, RAX, Mem::Base(R15, layout::backend_word(layout::LOOKUP)));
        // Entries are 16 bytes and instructions 4: bits 2 and up of the address select the entry.
        self.asm.lea(false, RCX, Mem::Index(None, RDX, 2, 0));
        self.asm.alu_imm(Alu::And, false, RCX, (layout::LOOKUP_ENTRIES as i32 - 1) << 4);
        self.asm.alu(Alu::Cmp, true, RDX, Mem::Index(Some(RAX), RCX, 0, 0));
        self.asm.jcc_cache(Cc::Ne, self.shared.not_found());
        Mem::Index(Some(RAX), RCX, 0, 8)
    }

    fn leave_with(&mut self, pc: GuestAddr, code: u64) {
        self.put(RAX, Val::Pc(pc));
        self.asm.store(8, Mem::Base(R15, PC), RAX);
        self.asm.mov_imm(RDI, code);
        self.asm.jmp_mem(Mem::Base(R15, layout::backend_word(layout::EXIT)));
    }

    /// Stops at the current instruction.
    pub(super) fn leave_stopped(&mut self, stop: Stop) {
        self.ended = true;
        self.store_flags();
        self.leave_with(self.pc, layout::EXIT_STOP | stop as u64);
    }

    pub(super) fn emit_stop(&mut self, stop: Stop, code: i32) {
        self.asm.store_imm(4, Mem::Base(R15, STOP_CODE), code);
        self.leave_stopped(stop);
    }

    /// Leaves with the status of a helper in eax unless it is 0.
    pub(super) fn check_status(&mut self) {
        let at = self.asm.label();
        self.asm.test(false, RAX, RAX);
        self.asm.jcc(Cc::Ne, at);
        self.cold.push(Cold::Status { at, pc: self.pc });
    }

    /// After a write of FPCR: this code is for one value of FZ.
    pub(super) fn leave_if_mode_changed(&mut self) {
        self.store_flags();
        let at = self.asm.label();
        let fpcr = Mem::Base(R15, offset_of!(CpuState, fpcr) as i32);
        self.asm.test_imm(false, fpcr, CpuState::FPCR_FZ as i32);
        self.asm.jcc(if self.mode.flushing { Cc::E } else { Cc::Ne }, at);
        self.cold.push(Cold::Leave { at, pc: self.pc.offset(4), code: layout::EXIT_LOOKUP });
    }

    // --- helpers ----------------------------------------------------------------------------------------------

    /// Calls a helper, with operands and result in memory. Only rax changes, which has the low half of the result.
    pub(super) fn call_helper(&mut self, helper: Helper, args: &[Arg]) {
        debug_assert_eq!(args.len(), SIGNATURES[helper as usize].params.len());
        if self.mode.count {
            let op = match args.first() {
                Some(&Arg::Val(Val::Imm(op))) => op as usize % counts::OPS,
                _ => 0,
            };
            self.count(counts::FIRST_HELPER + counts::OPS * helper as usize + op, 1);
        }
        for (n, &arg) in args.iter().enumerate() {
            let at = Mem::Base(R15, layout::operand(n));
            match arg {
                Arg::Val(value) => self.store_state(8, layout::operand(n), value),
                Arg::Number(size, number) => {
                    self.put_bits(RAX, size, number);
                    self.asm.store(8, at, RAX);
                }
                Arg::Vector(Vector::Reg(from)) => self.store_xmm(at, from),
                Arg::Vector(value) => {
                    self.put_vector(Xmm(0), value);
                    self.store_xmm(at, Xmm(0));
                }
            }
        }
        self.asm.mov(true, RAX, Mem::Base(R15, layout::backend_word(layout::HELPERS)));
        // Something must be pushed to align the stack.
        self.asm.push(RDI);
        self.asm.call_mem(Mem::Base(RAX, 8 * (COUNT as i32 + helper as i32)));
        self.asm.pop(RDI);
        self.asm.mov(true, RAX, Mem::Base(R15, layout::operand(0)));
    }

    fn take_result(&mut self, to: Place) {
        match to {
            Place::Nowhere => {}
            Place::Gpr(to) => self.asm.mov(true, to, RAX),
            Place::Xmm(to) => self.sse(Op(0, MAP_0F, 0x28), to, Mem::Base(R15, layout::operand(0))),
            Place::Number(size, to) => self.gpr_to_xmm(size == FpSize::D, to, RAX),
        }
    }

    /// Adds to a counter of the thread's. Changes the host's flags.
    pub(super) fn count(&mut self, counter: usize, n: i32) {
        self.asm.mov(true, RAX, Mem::Base(R15, layout::backend_word(layout::COUNTS)));
        self.asm.alu_imm(Alu::Add, true, Mem::Base(RAX, 8 * counter as i32), n);
    }

    /// Calls a helper for a result.
    pub(super) fn call(&mut self, call: &Call, result: Place) {
        self.call_helper(call.helper, call.args());
        self.take_result(result);
    }

    /// Where to jump for having a helper called out of line; it comes back to here, to the second label.
    pub(super) fn call_aside(&mut self, call: Call, result: Place) -> (Label, Label) {
        let (at, back) = (self.asm.label(), self.asm.label());
        self.cold.push(Cold::Helper { at, back, call, result });
        (at, back)
    }

    /// All code out of line.
    pub(super) fn emit_cold(&mut self) {
        let mut cold = std::mem::take(&mut self.cold);
        for &item in &cold {
            match item {
                Cold::Helper { at, back, call, result } => {
                    self.asm.bind(at);
                    self.call(&call, result);
                    self.asm.jmp(back);
                }
                Cold::Saturated { at, back } => {
                    self.asm.bind(at);
                    self.asm.alu_imm(Alu::Or, false, Mem::Base(R15, FPSR), FPSR_QC as i32);
                    self.asm.jmp(back);
                }
                Cold::FlagsFromMemory { at, back } => {
                    self.asm.bind(at);
                    self.asm.call_cache(self.shared.flags());
                    self.asm.jmp(back);
                }
                Cold::Misaligned { at, pc } => {
                    self.asm.bind(at);
                    self.asm.store(8, Mem::Base(R15, STOP_ADDR), RAX);
                    self.leave_with(pc, layout::EXIT_STOP | Stop::Misaligned as u64);
                }
                Cold::Status { at, pc } => {
                    self.asm.bind(at);
                    self.put(RCX, Val::Pc(pc));
                    self.asm.store(8, Mem::Base(R15, PC), RCX);
                    self.asm.mov(false, RDI, RAX);
                    self.asm.alu_imm(Alu::Or, false, RDI, layout::EXIT_STOP as i32);
                    self.asm.jmp_mem(Mem::Base(R15, layout::backend_word(layout::EXIT)));
                }
                Cold::Leave { at, pc, code } => {
                    self.asm.bind(at);
                    self.leave_with(pc, code);
                }
            }
        }
        cold.clear();
        self.cold = cold;
    }

    // --- moves --------------------------------------------------------------------------------------------------

    pub(super) fn put_vector(&mut self, to: Xmm, value: Vector) {
        match value {
            Vector::Reg(from) => self.move_xmm(to, from),
            Vector::Imm(0) => self.sse3(Op(0x66, MAP_0F, 0xef), to, to, to),
            Vector::Imm(u128::MAX) => self.sse3(Op(0x66, MAP_0F, 0x76), to, to, to),
            Vector::Imm(value) => {
                let constant = self.asm.constant(value);
                self.sse(Op(0, MAP_0F, 0x28), to, constant);
            }
        }
    }

    /// The bits of a number, zero-extended.
    pub(super) fn put_bits(&mut self, to: Gpr, size: FpSize, number: Number) {
        match number {
            Number::Reg(from) => self.xmm_to_gpr(size == FpSize::D, to, from),
            Number::Bits(value) => {
                self.put(to, value);
                match size {
                    FpSize::H => self.asm.load_zero(2, to, to),
                    FpSize::S => self.asm.mov(false, to, to),
                    FpSize::D => {}
                }
            }
        }
    }
}
