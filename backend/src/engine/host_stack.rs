//! Stacks of emu's own: what emu needs of a stack does not depend on the limits that the program was started with
//! (`ulimit -s`), nor on where the kernel has put its first thread's.
//!
//! Unsafe because it maps memory and changes the stack pointer.
#![allow(unsafe_code)]

use crate::own_memory::own_neighbourhood;
use std::any::Any;
use std::io;
use std::panic::AssertUnwindSafe;

const GUARD_BYTES: usize = 64 << 10;

/// A mapping with a guard below it.
#[derive(Debug)]
pub struct HostStack {
    start: u64,
    bytes: usize,
}

impl HostStack {
    /// A stack of so many bytes, which are touched as they are used.
    pub fn new(bytes: usize) -> io::Result<Self> {
        let bytes = bytes.next_multiple_of(ir::PAGE_BYTES as usize) + GUARD_BYTES;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
        // SAFETY: a fresh anonymous mapping: the address is a wish.
        let at = unsafe { libc::mmap(own_neighbourhood(bytes), bytes, libc::PROT_NONE, flags, -1, 0) };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let stack = Self { start: at as u64, bytes };
        let (above, rest) = (stack.start + GUARD_BYTES as u64, bytes - GUARD_BYTES);
        // SAFETY: part of the mapping just made.
        let failed = unsafe { libc::mprotect(above as *mut libc::c_void, rest, libc::PROT_READ | libc::PROT_WRITE) };
        if failed != 0 { Err(io::Error::last_os_error()) } else { Ok(stack) }
    }

    /// Runs `body` on it. Panics go through.
    pub fn run<F: FnOnce() -> T, T>(&mut self, body: F) -> T {
        let mut call = Call { body: Some(body), result: None };
        let top = (self.start + self.bytes as u64) as *mut u8;
        // SAFETY: the stack is a mapping of its own that nobody else uses, for it is borrowed mutably; `call` outlives
        // the call, and `perform` is for calls of this type and does not unwind.
        unsafe { emu_on_stack((&raw mut call).cast(), perform::<F, T>, top) };
        match call.result {
            Some(Ok(value)) => value,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => unreachable!("`perform` stores a result"),
        }
    }
}

impl Drop for HostStack {
    fn drop(&mut self) {
        // SAFETY: a mapping made by `new` that nothing runs on.
        unsafe { libc::munmap(self.start as *mut libc::c_void, self.bytes) };
    }
}

struct Call<F, T> {
    body: Option<F>,
    result: Option<Result<T, Box<dyn Any + Send>>>,
}

/// # Safety
/// `call` points to a `Call<F, T>`.
unsafe extern "C" fn perform<F: FnOnce() -> T, T>(call: *mut u8) {
    // SAFETY: as the caller promises.
    let call = unsafe { &mut *call.cast::<Call<F, T>>() };
    if let Some(body) = call.body.take() {
        call.result = Some(std::panic::catch_unwind(AssertUnwindSafe(body)));
    }
}

// Calls rsi with rdi as its argument and rdx as the stack pointer.
std::arch::global_asm!(
    ".pushsection .text.emu_on_stack,\"ax\",@progbits",
    ".globl emu_on_stack",
    ".hidden emu_on_stack",
    "emu_on_stack:",
    ".cfi_startproc",
    "push rbp",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset rbp, -16",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "mov rsp, rdx",
    "call rsi",
    "mov rsp, rbp",
    "pop rbp",
    ".cfi_def_cfa rsp, 8",
    "ret",
    ".cfi_endproc",
    ".popsection",
);

unsafe extern "C" {
    fn emu_on_stack(argument: *mut u8, function: unsafe extern "C" fn(*mut u8), top: *mut u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_used_and_left() {
        let mut stack = HostStack::new(1 << 20).unwrap();
        let range = stack.start..stack.start + stack.bytes as u64;
        for n in 0..10u64 {
            let (at, sum) = stack.run(|| {
                let numbers = std::hint::black_box([n; 1000]);
                (numbers.as_ptr() as u64, numbers.iter().sum::<u64>())
            });
            assert_eq!(sum, 1000 * n);
            assert!(range.contains(&at));
        }
        let here = 0u8;
        assert!(!range.contains(&(&raw const here as u64)));
    }

    #[test]
    fn panics_go_through() {
        let mut stack = HostStack::new(1 << 20).unwrap();
        let caught = std::panic::catch_unwind(AssertUnwindSafe(|| stack.run(|| -> u8 { panic!("inside") })));
        assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"inside"));
        assert_eq!(stack.run(|| 3), 3);
    }
}
