//! Mappings that grow where they are: the first thread's stack, those of MAP_GROWSDOWN, which the host's kernel lets
//! grow, and the heap. It must not know which system call asked.

use crate::address_space::{State, executable, guest_prot, host_mmap, host_prot};
use crate::host;
use crate::regions::{Growth, Kind, Mapping};
use ir::{GuestAddr, GuestRange, PAGE_BYTES, Prot};

impl State {
    /// Keeps what is below the stack free.
    pub(crate) fn guard_stack(&mut self, stack: GuestRange) {
        let guard = GuestRange { start: stack.start.offset(-(ir::STACK_GUARD_BYTES as i64)), end: stack.start };
        if self.regions.is_free(guard) {
            self.regions.insert(guard, Kind::Guard);
        }
    }

    /// See [`crate::AddressSpace::resize_stack`].
    pub(crate) fn resize_stack(&mut self, bytes: u64) {
        let end = self.layout.stack.end;
        let is_stack = |kind: &Kind| kind.mapping().is_some_and(|mapping| mapping.growth == Growth::Stack);
        let Some((old, kind)) = self.regions.find(end.offset(-1)).filter(|(_, kind)| is_stack(kind)) else { return };
        let bytes = bytes.clamp(PAGE_BYTES, self.layout.ordinary_end / 4).next_multiple_of(PAGE_BYTES);
        let mut start = end.offset(-(bytes as i64));
        let guard = GuestRange { start: old.start.offset(-(ir::STACK_GUARD_BYTES as i64)), end: old.start };
        for (piece, kind) in self.regions.pieces(guard) {
            if kind == Kind::Guard {
                self.regions.remove(piece);
            }
        }
        if start < old.start {
            // As far as there is room.
            if let Some((below, _)) = self.regions.pieces(GuestRange { start: GuestAddr(0), end: old.start }).last() {
                start = start.max(below.end.offset(ir::STACK_GUARD_BYTES as i64));
            }
            let Some(Mapping { prot, .. }) = kind.mapping() else { return };
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED_NOREPLACE;
            let more = GuestRange { start, end: old.start.max(start) };
            if more.bytes() > 0 && host_mmap(more, host_prot(prot), flags).is_ok() {
                self.regions.insert(more, kind);
            }
        } else {
            let less = GuestRange { start: old.start, end: start };
            let untouched = GuestRange { start: old.start, end: start.min(lowest_resident(less)) };
            let _ = self.unmap(untouched);
        }
        if let Some((now, _)) = self.regions.find(end.offset(-1)) {
            self.guard_stack(now);
        }
    }

    /// brk(2). Gives what has become of code.
    pub(crate) fn brk(&mut self, to: GuestAddr) -> Vec<GuestRange> {
        if to < self.brk_start || to.0 > self.layout.ordinary_end {
            return Vec::new();
        }
        let (old_end, new_end) = (self.brk.page_up(), to.page_up());
        if new_end > old_end {
            let grow = GuestRange { start: old_end, end: new_end };
            let heap_bytes = new_end.0 - self.brk_start.0;
            // Anything the guest put in the way stops the heap, a page before it, as it does on Linux.
            let room = GuestRange { end: grow.end.offset(PAGE_BYTES as i64), ..grow };
            if !self.regions.is_free(room)
                || self.regions.growing_above(room).is_some()
                || heap_bytes > self.bounds.heap
                || self.afford(grow.bytes(), grow.bytes()).is_err()
            {
                return Vec::new();
            }
            let prot = self.wanted_prot(Prot::READ.union(Prot::WRITE));
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE | self.locked_flag();
            if host_mmap(grow, host_prot(prot), flags).is_err() {
                return Vec::new();
            }
            self.regions.insert(grow, Kind::Guest(Mapping::private(guest_prot(prot))));
            self.lock_new(grow);
            self.brk = to;
            return executable(&self.regions, grow);
        }
        let shrink = GuestRange { start: new_end, end: old_end };
        let changed = executable(&self.regions, shrink);
        if self.unmap(shrink).is_ok() {
            self.brk = to;
        }
        changed
    }

    /// Records what has become of mappings that grow where they are touched.
    pub(crate) fn follow_growth(&mut self) {
        for (known, kind) in self.regions.growing() {
            let mut start = known.start;
            loop {
                let below = GuestRange { start: start.offset(-(PAGE_BYTES as i64)), end: start };
                if !self.regions.is_free(below) || !is_mapped(below) {
                    break;
                }
                start = below.start;
            }
            self.regions.insert(GuestRange { start, end: known.start }, kind);
        }
    }
}

/// Whether something is mapped at a page.
fn is_mapped(page: GuestRange) -> bool {
    let mut resident = 0_u8;
    host::call3(libc::SYS_mincore, page.start.0, PAGE_BYTES, &raw mut resident as u64).is_ok()
}

/// The first page of a mapping that is in memory; its end if none is.
fn lowest_resident(range: GuestRange) -> GuestAddr {
    let mut resident = vec![0_u8; (range.bytes() / PAGE_BYTES) as usize];
    let known = host::call3(libc::SYS_mincore, range.start.0, range.bytes(), resident.as_mut_ptr() as u64).is_ok();
    match resident.iter().position(|page| page & 1 != 0) {
        Some(first) if known => range.start.offset(first as i64 * PAGE_BYTES as i64),
        None if known => range.end,
        _ => range.start,
    }
}
