//! Where generated code finds things: offsets from the `CpuState`, the use of its `backend` words, exit
//! codes.

use ir::CpuState;
use std::mem::offset_of;

/// Words of `CpuState::backend`.
pub const HOST_SP: usize = 0;
/// Address of the helper table.
pub const HELPERS: usize = 1;
/// Address of this thread's lookup table.
pub const LOOKUP: usize = 2;
/// Address of the first link slot.
pub const SLOTS: usize = 3;
/// Host PC of a fault in generated code.
pub const FAULT_PC: usize = 4;
/// Results of helpers that also return a status: two words.
pub const RESULT: usize = 5;

/// Address of the code that leaves generated code: the exit code is its argument.
pub const EXIT: usize = 7;

/// Address of the thread's counters (`counts`).
pub const COUNTS: usize = 8;

/// Number of the flag source with which a region's block was entered, plus 1; 0 if the flags are in memory. For blocks
/// of `Plan::flags_by_edge`, until the flags are overwritten.
pub const FLAGS_BY_EDGE: usize = 9;

/// Address of the functions that prefetch, one every [`PREFETCH_STEP`] bytes in the order of `ir::Prefetch`.
pub const PREFETCH: usize = 10;
/// Distance of the functions that prefetch, in bytes.
pub const PREFETCH_STEP: i64 = 8;

/// Address of the thread's `abi::frame::FaultFrame`.
pub const FAULT_FRAME: usize = 11;

/// Where code that Cranelift makes stores what it must have in registers until then, two words. The stores are left out
/// (`peephole`).
pub const KEEP_ALIVE: usize = 12;

/// Offset of `ControlWords::safepoint`.
pub const SAFEPOINT: i32 = ir::SAFEPOINT_OFFSET as i32;
/// Offset of `ControlWords::stack_guard`.
pub const STACK_GUARD: i32 = ir::STACK_GUARD_OFFSET as i32;

/// Offset of a word of `CpuState::backend`.
pub const fn backend_word(index: usize) -> i32 {
    (offset_of!(CpuState, backend) + 8 * index) as i32
}
/// Offset of Xn or SP (31).
pub const fn x(index: usize) -> i32 {
    (offset_of!(CpuState, x) + 8 * index) as i32
}
/// Offset of Vn.
pub const fn v(index: usize) -> i32 {
    (offset_of!(CpuState, v) + 16 * index) as i32
}

/// Offset of an operand of a helper called from an unlikely place; its result is where the first was.
pub const fn operand(index: usize) -> i32 {
    (offset_of!(CpuState, operands) + 16 * index) as i32
}

/// Exit through a link slot that is not linked: `pc` is set. All exits forget the host frames of guest calls: what they
/// would come back to is in the guest's registers.
pub const EXIT_UNLINKED: u64 = 0;
/// Indirect branch whose target is not in the lookup table: `pc` is set.
pub const EXIT_LOOKUP: u64 = 1;
/// A safepoint is wanted, or little host stack is left: `pc` is set.
pub const EXIT_SAFEPOINT: u64 = 2;
/// A fault in generated code: `stop` and `FAULT_PC` are set, `pc` is not.
pub const EXIT_FAULT: u64 = 3;
/// The execution counter of an emitted block has run out: `pc` is set.
pub const EXIT_HOT: u64 = 4;
/// A stop: the low byte is the `ir::Stop`; `pc` is set.
pub const EXIT_STOP: u64 = 0x100;

/// Entries of the lookup table, a power of two; each is a guest PC and a code pointer.
pub const LOOKUP_ENTRIES: usize = 1 << 15;
