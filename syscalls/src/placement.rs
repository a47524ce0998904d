//! Where a new mapping goes, and whether the guest may have it: hints, room, resource limits. The host's kernel is told
//! the place that comes out of this, and says if something of emu's is there after all. It must not know how mappings
//! are recorded, or which system call asked.

use crate::address_space::State;
use crate::host::{self, Outcome};
use ir::{Errno, GuestAddr, GuestRange, PAGE_BYTES, STACK_GUARD_BYTES};

/// Nothing is put below here unless the guest says so (vm.mmap_min_addr).
const LOWEST: u64 = 64 << 10;
/// Kept free below emu's own memory, which grows, for emu's use.
const ROOM_FOR_EMU: u64 = 1 << 40;
/// How often a place that turns out to be taken is followed by another.
const ATTEMPTS: u32 = 64;

/// What the guest may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// RLIMIT_AS as the guest has set it.
    pub address_space: u64,
    /// RLIMIT_DATA as the guest has set it.
    pub data: u64,
    /// How large the heap may be, by the same limit.
    pub heap: u64,
    /// What must be left of the address space that the host gives, if that is limited: emu needs some.
    pub emus_reserve: Option<u64>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { address_space: u64::MAX, data: u64::MAX, heap: u64::MAX, emus_reserve: None }
    }
}

impl Bounds {
    /// Those of a guest that has set none, on this host.
    pub(crate) fn of_the_host() -> Self {
        const LEAST: u64 = 1 << 20;
        const MOST: u64 = 64 << 20;
        let limit = crate::limits::host_address_space();
        let emus_reserve = (limit != u64::MAX).then(|| (limit / 8).clamp(LEAST, MOST));
        Self { emus_reserve, ..Self::default() }
    }
}

/// The end of what is surely not emu's and never will be, seen from below.
pub(crate) fn end_below_emu() -> u64 {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    let mapped = host::call(libc::SYS_mmap, [0, PAGE_BYTES, 0, flags as u64, u64::MAX, 0]).unwrap_or(u64::MAX);
    let _ = host::call3(libc::SYS_munmap, mapped, PAGE_BYTES, 0);
    let heap = host::call3(libc::SYS_brk, 0, 0, 0).unwrap_or(u64::MAX);
    let image = end_below_emu as *const () as u64;
    mapped.min(heap).min(image).saturating_sub(ROOM_FOR_EMU) & !(PAGE_BYTES - 1)
}

fn range(start: u64, end: u64) -> GuestRange {
    GuestRange { start: GuestAddr(start), end: GuestAddr(end.max(start)) }
}

impl State {
    /// `bytes` from `addr`, in whole pages, if that is in the address space.
    pub(crate) fn page_range(&self, addr: GuestAddr, bytes: u64, too_long: i32) -> Result<GuestRange, Errno> {
        let bytes = bytes.checked_next_multiple_of(PAGE_BYTES).ok_or(Errno(too_long))?;
        if bytes > self.layout.end || addr.0 > self.layout.end - bytes {
            return Err(Errno(too_long));
        }
        Ok(GuestRange::new(addr, bytes))
    }

    /// Whether there may be `bytes` more, `data_bytes` of them private and writable.
    pub(crate) fn afford(&self, bytes: u64, data_bytes: u64) -> Result<(), Errno> {
        let Bounds { address_space, data, emus_reserve, .. } = self.bounds;
        let fits = |used: u64, more: u64, limit: u64| more == 0 || used.saturating_add(more) <= limit;
        if !fits(self.regions.counted_bytes(), bytes, address_space)
            || !fits(self.regions.data_bytes(), data_bytes, data)
        {
            return Err(Errno(libc::ENOMEM));
        }
        let Some(reserve) = emus_reserve.filter(|_| bytes > 0) else { return Ok(()) };
        // The host counts emu's memory and the guest's together: is there room for both?
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let whole = bytes.saturating_add(reserve);
        let probe = host::call(libc::SYS_mmap, [0, whole, 0, flags as u64, u64::MAX, 0])?;
        host::call3(libc::SYS_munmap, probe, whole, 0).map(|_| ())
    }

    /// The place that a hint means, if it is in the address space and free.
    fn hinted(&self, hint: GuestAddr, bytes: u64) -> Option<GuestRange> {
        let start = match hint.page().0 {
            0 => return None,
            start => start.max(LOWEST),
        };
        let at = GuestRange::new(GuestAddr(start), bytes);
        let is_free = at.end.0 <= self.layout.end && self.regions.is_free(at);
        (is_free && self.regions.growing_above(at).is_none()).then_some(at)
    }

    /// Tries places for `bytes` until `attempt` has success at one: the hinted one, then from the top, as the kernel
    /// does. EEXIST from `attempt` says that the place is taken.
    pub(crate) fn somewhere(
        &self,
        hint: GuestAddr,
        bytes: u64,
        align: u64,
        mut attempt: impl FnMut(GuestRange) -> Outcome,
    ) -> Result<GuestRange, Errno> {
        if let Some(at) = self.hinted(hint, bytes) {
            match attempt(at) {
                Ok(_) => return Ok(at),
                // Below what the host allows.
                Err(Errno(libc::EEXIST | libc::EPERM)) => {}
                Err(error) => return Err(error),
            }
        }
        let layout = &self.layout;
        let above = if layout.end > layout.ordinary_end { self.end_below_emu } else { layout.ordinary_end };
        let parts = [(LOWEST, layout.mmap_base), (LOWEST, layout.ordinary_end), (layout.ordinary_end, above)];
        for (low, mut high) in parts {
            let mut step = PAGE_BYTES;
            for _ in 0..ATTEMPTS {
                let Some(start) = self.regions.highest(bytes, align, range(low, high)) else { break };
                let at = GuestRange::new(start, bytes);
                if let Some(growing) = self.regions.growing_above(at) {
                    high = growing.0.saturating_sub(STACK_GUARD_BYTES);
                    continue;
                }
                match attempt(at) {
                    Ok(_) => return Ok(at),
                    Err(Errno(libc::EEXIST)) => {}
                    Err(error) => return Err(error),
                }
                high = at.end.0.saturating_sub(step);
                step = (step * 2).min(1 << 36);
            }
        }
        Err(Errno(libc::ENOMEM))
    }
}
