//! The memory that cranelift-jit has its code in: a generation's of the code cache.
//!
//! Unsafe because a method of the trait is: it would free memory, and does nothing.
#![allow(unsafe_code)]

use crate::codecache::generation::Generation;
use cranelift_jit::{BranchProtection, JITMemoryKind, JITMemoryProvider};
use cranelift_module::ModuleResult;
use std::io;
use std::sync::Arc;

/// Hands out the memory of a generation to cranelift-jit.
pub struct Provider(pub Arc<Generation>);

impl JITMemoryProvider for Provider {
    fn allocate(&mut self, size: usize, align: u64, _kind: JITMemoryKind) -> io::Result<*mut u8> {
        let at = self.0.memory.allocate(size, (align as usize).max(16));
        at.map(|at| at as *mut u8).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }

    unsafe fn free_memory(&mut self) {}

    fn finalize(&mut self, _: BranchProtection) -> ModuleResult<()> {
        Ok(())
    }
}
