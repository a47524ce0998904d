//! Where things lie in the guest's address space: that of an arm64 kernel with 42 bits of virtual address, unless the
//! user wants another. Numbers only; it must not know who maps what.

use crate::{GuestAddr, GuestRange, PAGE_BYTES};

/// How many bits a guest address has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum VaBits {
    /// A kernel with 39 bits: nothing lies above.
    Bits39,
    /// A kernel with 42 bits: nothing lies above.
    Bits42,
    /// As with 42 bits, but addresses up to the host's end may be asked for, and what has no room below is put there.
    #[default]
    Bits42AndMore,
    /// As many as the host has.
    Bits47,
}

/// End of user addresses on the host: 47 bits, less a page.
pub const HOST_END: u64 = (1 << 47) - PAGE_BYTES;
/// The end with 47 bits of what nobody asks to have elsewhere. Above lie emu's heap and mappings.
const UNDER_EMU: u64 = 0x5000_0000_0000;
/// Randomness of each place in pages: arm64's least for mmap (CONFIG_ARCH_MMAP_RND_BITS), and STACK_RND_MASK.
const SPREAD_PAGES: u64 = 1 << 18;
/// Kept free below a stack (stack_guard_gap).
pub const STACK_GUARD_BYTES: u64 = 256 * PAGE_BYTES;
/// The least room for the stack to grow, whatever its limit.
const LEAST_STACK_ROOM: u64 = 128 << 20;

/// The places.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// End of what nobody asks to have elsewhere: TASK_SIZE of the kernel that the guest seems to run on.
    pub ordinary_end: u64,
    /// End of what can be asked for.
    pub end: u64,
    /// The stack as large as it gets; below it a guard is kept free.
    pub stack: GuestRange,
    /// What mmap(2) places goes below here, if there is room.
    pub mmap_base: u64,
    /// Relocatable programs begin here.
    pub pie_base: u64,
}

impl Layout {
    /// The places for a stack of `stack_bytes` at most, moved about by `random`.
    #[must_use]
    pub fn new(bits: VaBits, stack_bytes: u64, random: Option<u64>) -> Self {
        let (ordinary_end, end) = match bits {
            VaBits::Bits39 => (1 << 39, 1 << 39),
            VaBits::Bits42 => (1 << 42, 1 << 42),
            VaBits::Bits42AndMore => (1 << 42, HOST_END),
            VaBits::Bits47 => (UNDER_EMU, HOST_END),
        };
        let spread =
            |place: u32| random.map_or(0, |random| splitmix64(random, u64::from(place)) % SPREAD_PAGES * PAGE_BYTES);
        let stack_bytes = stack_bytes.clamp(PAGE_BYTES, ordinary_end / 4).next_multiple_of(PAGE_BYTES);
        let stack_end = ordinary_end - spread(0);
        let room = stack_bytes.max(LEAST_STACK_ROOM) + STACK_GUARD_BYTES + SPREAD_PAGES * PAGE_BYTES;
        Self {
            ordinary_end,
            end,
            stack: GuestRange { start: GuestAddr(stack_end - stack_bytes), end: GuestAddr(stack_end) },
            mmap_base: ordinary_end - room - spread(1),
            // ELF_ET_DYN_BASE
            pie_base: GuestAddr(ordinary_end / 3 * 2).page().0 + spread(2),
        }
    }
}

impl Default for Layout {
    fn default() -> Self {
        Self::new(VaBits::default(), 8 << 20, None)
    }
}

/// The number after `step` others that splitmix64 (Steele, Lea, Flood 2014) gives from `seed`.
#[must_use]
pub fn splitmix64(seed: u64, step: u64) -> u64 {
    let mut z = seed.wrapping_add((step + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_kernel() {
        let plain = Layout::new(VaBits::Bits42, 8 << 20, None);
        assert_eq!(plain.end, 1 << 42);
        assert_eq!(plain.stack, GuestRange { start: GuestAddr((1 << 42) - (8 << 20)), end: GuestAddr(1 << 42) });
        assert_eq!(plain.pie_base, 0x2aa_aaaa_a000);
        // 128 MiB, 1 GiB and the guard below the top.
        assert_eq!(plain.mmap_base, 0x3ff_b7f0_0000);
        assert_eq!(Layout::default().stack, plain.stack);
    }

    // ThreadSanitizer's ranges for 42 bits: programs in 0x2aa00000000-0x2ab00000000, libraries and stacks from
    // 0x3f000000000 on.
    #[test]
    fn sanitizers_find_everything_where_they_look() {
        for random in 0..1000 {
            let layout = Layout::new(VaBits::default(), 16 << 30, Some(random));
            assert!((0x2aa_0000_0000..0x2aa_f000_0000).contains(&layout.pie_base));
            assert!(layout.mmap_base > 0x3f1_0000_0000 && layout.mmap_base < layout.stack.start.0 - STACK_GUARD_BYTES);
            assert!(layout.stack.end.0 <= 1 << 42);
            let all = [layout.stack.start.0, layout.stack.end.0, layout.mmap_base, layout.pie_base];
            assert!(all.iter().all(|place| place % PAGE_BYTES == 0));
        }
    }
}
