//! The traits by which loader, system calls and the code cache meet without knowing each other.

use crate::{GuestAddr, GuestRange};
use std::fmt::Debug;
use std::path::{Path, PathBuf};

/// A Linux error number, positive, as in `errno.h` (the same on both architectures).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Errno(pub i32);

/// Page protection: the PROT_* bits of mmap(2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Prot(pub i32);

impl Prot {
    /// PROT_NONE
    pub const NONE: Self = Self(0);
    /// PROT_READ
    pub const READ: Self = Self(1);
    /// PROT_WRITE
    pub const WRITE: Self = Self(2);
    /// PROT_EXEC
    pub const EXEC: Self = Self(4);

    /// Both sets of bits.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all bits of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What to map. See mmap(2); `fd` is -1 for anonymous memory.
#[derive(Clone, Copy, Debug)]
pub struct MapRequest {
    /// Wanted address: a hint, or exact with MAP_FIXED / MAP_FIXED_NOREPLACE in `flags`.
    pub addr: GuestAddr,
    /// Length in bytes; rounded up to pages.
    pub bytes: u64,
    /// Protection as the guest sees it.
    pub prot: Prot,
    /// MAP_* flags (asm-generic values, which both sides share).
    pub flags: i32,
    /// Host file descriptor, or -1.
    pub fd: i32,
    /// Offset into the file in bytes.
    pub offset: i64,
}

/// The guest's address space: every mapping the guest can see is made through this, so that it is known which
/// pages are the guest's, which are executable, and which belong to emu.
pub trait GuestMemory {
    /// Maps memory as mmap(2) would. Requests that would replace emu's own memory are refused with `ENOMEM`.
    fn map(&mut self, request: MapRequest) -> Result<GuestAddr, Errno>;
    /// Unmaps as munmap(2) would.
    fn unmap(&mut self, range: GuestRange) -> Result<(), Errno>;
    /// Changes protection as mprotect(2) would.
    fn protect(&mut self, range: GuestRange, prot: Prot) -> Result<(), Errno>;
    /// Whether the guest may fetch instructions at `addr`.
    fn is_executable(&self, addr: GuestAddr) -> bool;
}

/// A directory of the host's that stands for the guest's `/` where it has what is looked for.
pub trait Sysroot: Debug {
    /// The directory.
    fn root(&self) -> &Path;
    /// Where `path`, absolute for the guest, is in it, if something is there.
    fn find(&self, path: &Path) -> Option<PathBuf>;
}

/// Told when guest code may have changed: whoever holds translations drops those in the range.
pub trait CodeWatcher: Send + Sync {
    /// Instructions in `range` may have changed or gone: unmapped, remapped, reprotected, or named by IC IVAU.
    fn code_changed(&self, range: GuestRange);
}
