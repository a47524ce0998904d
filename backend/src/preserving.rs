//! The unlikely way to a helper: stubs that save every register that the System V convention lets a function destroy,
//! so that generated code which calls them out of line keeps its values in registers on the likely way. The result is
//! left in `CpuState::backend[RESULT]`.
//!
//! Unsafe because it is assembly that generated code calls. Knows the order of the helper table only by number.
#![allow(unsafe_code)]

use crate::layout;
use std::arch::global_asm;

const STUB_BYTES: i64 = 16;
/// Stubs for each kind of result, at least as many as helpers.
const STUBS: usize = 32;

/// Where the stub of a helper is, from the first.
pub fn stub_offset(helper: usize, gives_vector: bool) -> i64 {
    debug_assert!(helper < STUBS);
    STUB_BYTES * (helper + if gives_vector { STUBS } else { 0 }) as i64
}

global_asm!(
    ".pushsection .text.emu_preserving,\"ax\",@progbits",
    ".balign 16",
    ".globl emu_preserving",
    "emu_preserving:",
    // PUSH imm32: the offset in the helper table, and in bit 16 whether the result is a vector.
    ".set emu_stub, 0",
    ".rept 2 * {stubs}",
    ".balign 16",
    ".byte 0x68",
    ".long (emu_stub % {stubs}) * 8 + (emu_stub / {stubs}) * 0x10000",
    "jmp emu_preserve_and_call",
    ".set emu_stub, emu_stub + 1",
    ".endr",
    ".balign 16",
    "emu_preserve_and_call:",
    "push rax",
    "push rcx",
    "push rdx",
    "push rsi",
    "push rdi",
    "push r8",
    "push r9",
    "push r10",
    "push r11",
    // Return address, number and nine registers: eight bytes more align the stack.
    "sub rsp, 264",
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15",
    "movups [rsp + 16 * \\n], xmm\\n",
    ".endr",
    "movzx eax, word ptr [rsp + 336]",
    "add rax, [r15 + {helpers}]",
    "call [rax]",
    "cmp byte ptr [rsp + 338], 0",
    "jne 2f",
    "mov [r15 + {result}], rax",
    "jmp 3f",
    "2: movups [r15 + {result}], xmm0",
    "3:",
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15",
    "movups xmm\\n, [rsp + 16 * \\n]",
    ".endr",
    "add rsp, 264",
    "pop r11",
    "pop r10",
    "pop r9",
    "pop r8",
    "pop rdi",
    "pop rsi",
    "pop rdx",
    "pop rcx",
    "pop rax",
    "lea rsp, [rsp + 8]",
    "ret",
    ".popsection",
    stubs = const STUBS,
    helpers = const layout::backend_word(layout::HELPERS),
    result = const layout::backend_word(layout::RESULT),
);

unsafe extern "C" {
    fn emu_preserving();
}

/// Address of the first stub, for `CpuState::backend`.
pub fn stubs() -> u64 {
    emu_preserving as *const () as u64
}
