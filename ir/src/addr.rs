//! Guest addresses. A guest address is used as the host address; the type keeps the two apart in the source.

use std::fmt;

/// The guest's page size in bytes: 4 KiB, as the host's.
pub const PAGE_BYTES: u64 = 4096;

/// An address in the guest's address space.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct GuestAddr(pub u64);

impl GuestAddr {
    /// The address `bytes` further on, wrapping as the guest's own arithmetic does.
    #[must_use]
    pub const fn offset(self, bytes: i64) -> Self {
        Self(self.0.wrapping_add(bytes as u64))
    }

    /// The start of the page that holds this address.
    #[must_use]
    pub const fn page(self) -> Self {
        Self(self.0 & !(PAGE_BYTES - 1))
    }

    /// The first page boundary at or after this address, wrapping at the top.
    #[must_use]
    pub const fn page_up(self) -> Self {
        Self(self.0.wrapping_add(PAGE_BYTES - 1) & !(PAGE_BYTES - 1))
    }

    /// The address that an access or a branch goes to: the highest byte is a tag, which is ignored (TBI). Bit 55 says
    /// which half of the address space it is in.
    #[must_use]
    pub const fn untagged(self) -> Self {
        Self(((self.0 as i64) << 8 >> 8) as u64)
    }

    /// The address with the highest byte of another one.
    #[must_use]
    pub const fn tagged_as(self, other: Self) -> Self {
        const TAG: u64 = 0xff << 56;
        Self(self.0 & !TAG | other.0 & TAG)
    }

    /// Whether the address is a multiple of `bytes`, a power of two.
    #[must_use]
    pub const fn is_aligned(self, bytes: u64) -> bool {
        self.0 & (bytes - 1) == 0
    }
}

impl fmt::Debug for GuestAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Display for GuestAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A half-open range of guest addresses, `start..end`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GuestRange {
    /// First address in the range.
    pub start: GuestAddr,
    /// First address after the range.
    pub end: GuestAddr,
}

impl GuestRange {
    /// `bytes` bytes from `start`, cut off at the top of the address space.
    #[must_use]
    pub const fn new(start: GuestAddr, bytes: u64) -> Self {
        Self { start, end: GuestAddr(start.0.saturating_add(bytes)) }
    }

    /// Length in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.end.0.saturating_sub(self.start.0)
    }

    /// Whether the two ranges have an address in common.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        self.start.0 < other.end.0 && other.start.0 < self.end.0
    }

    /// Whether `addr` lies in the range.
    #[must_use]
    pub const fn contains(self, addr: GuestAddr) -> bool {
        self.start.0 <= addr.0 && addr.0 < self.end.0
    }
}
