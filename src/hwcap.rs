//! What AT_HWCAP tells the guest that its processor can do: what is implemented, no more.

/// Bits of AT_HWCAP, as in arm64's asm/hwcap.h.
const FP: u64 = 1 << 0;
const ASIMD: u64 = 1 << 1;
const CRC32: u64 = 1 << 7;
const ATOMICS: u64 = 1 << 8;
const CPUID: u64 = 1 << 11;
const LRCPC: u64 = 1 << 15;
const FLAGM: u64 = 1 << 27;

/// AT_HWCAP, AT_HWCAP2, AT_HWCAP3.
pub const HWCAPS: [u64; 3] = [FP | ASIMD | CRC32 | ATOMICS | CPUID | LRCPC | FLAGM, 0, 0];
