//! mremap(2). The host moves what is mapped; where to is chosen here, as for new mappings. It must not know which system
//! call asked.

use crate::address_space::{State, claim, claim_exactly, executable, release};
use crate::host;
use crate::regions::{Kind, Regions};
use ir::{Errno, GuestAddr, GuestRange, PAGE_BYTES};

/// What is asked for, in whole pages.
#[derive(Clone, Copy)]
struct Move {
    old: GuestRange,
    new_bytes: u64,
    flags: i32,
}

impl Move {
    /// Has the host do it; `to` counts with MREMAP_FIXED only.
    fn on_host(self, flags: i32, to: GuestAddr) -> Result<GuestAddr, Errno> {
        let Self { old, new_bytes, .. } = self;
        host::call(libc::SYS_mremap, [old.start.0, old.bytes(), new_bytes, flags as u64, to.0, 0]).map(GuestAddr)
    }

    /// Moves it to a place of which `taken` has just been taken.
    fn to(self, to: GuestAddr, taken: &[GuestRange]) -> Result<GuestAddr, Errno> {
        let flags = self.flags | libc::MREMAP_FIXED | libc::MREMAP_MAYMOVE;
        self.on_host(flags, to).inspect_err(|_| release(taken))
    }

    /// Moves it to where nothing is; EEXIST if there is something all the same.
    fn to_free(self, regions: &Regions, at: GuestRange) -> Result<u64, Errno> {
        self.to(at.start, &claim(regions, at)?).map(|start| start.0)
    }
}

impl State {
    /// mremap(2). Gives where the memory is then, and what has become of code.
    pub(crate) fn remap(
        &mut self,
        from: GuestAddr,
        old_bytes: u64,
        new_bytes: u64,
        flags: i32,
        to: GuestAddr,
    ) -> Result<(GuestAddr, Vec<GuestRange>), Errno> {
        let known = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED | libc::MREMAP_DONTUNMAP;
        let has = |flag: i32| flags & flag != 0;
        let moves = has(libc::MREMAP_FIXED) || has(libc::MREMAP_DONTUNMAP);
        let bad = flags & !known != 0
            || moves && !has(libc::MREMAP_MAYMOVE)
            || has(libc::MREMAP_DONTUNMAP) && old_bytes != new_bytes
            || !from.is_aligned(PAGE_BYTES)
            || new_bytes == 0;
        if bad {
            return Err(Errno(libc::EINVAL));
        }
        let old = self.page_range(from, old_bytes, libc::EINVAL)?;
        let new_bytes = self.page_range(GuestAddr(0), new_bytes, libc::EINVAL)?.bytes();
        // Without an old length a shared mapping is made once more.
        let source = if old.bytes() == 0 { GuestRange::new(from, PAGE_BYTES) } else { old };
        if !self.regions.covers(source) {
            return Err(Errno(libc::EFAULT));
        }
        let request = Move { old, new_bytes, flags };
        let start = if has(libc::MREMAP_FIXED) {
            self.move_exactly(request, to)?
        } else if new_bytes <= old.bytes() && !moves {
            request.on_host(0, GuestAddr(0))?
        } else {
            self.grow_or_move(request, to)?
        };
        Ok((start, self.record_move(request, start)))
    }

    /// How much more there is afterwards must be allowed.
    fn afford_move(&self, request: Move) -> Result<(), Errno> {
        let Move { old, new_bytes, flags } = request;
        let kept = if flags & libc::MREMAP_DONTUNMAP != 0 { 0 } else { old.bytes() };
        let more = new_bytes.saturating_sub(kept);
        let is_data = self.regions.find(old.start).is_some_and(|(_, kind)| kind.is_data());
        self.afford(more, if is_data { more } else { 0 })
    }

    fn move_exactly(&self, request: Move, to: GuestAddr) -> Result<GuestAddr, Errno> {
        if !to.is_aligned(PAGE_BYTES) {
            return Err(Errno(libc::EINVAL));
        }
        let target = self.page_range(to, request.new_bytes, libc::EINVAL)?;
        if target.overlaps(request.old) {
            return Err(Errno(libc::EINVAL));
        }
        self.afford_move(request)?;
        request.to(to, &claim_exactly(&self.regions, target)?)
    }

    fn grow_or_move(&self, request: Move, hint: GuestAddr) -> Result<GuestAddr, Errno> {
        let Move { old, new_bytes, flags } = request;
        self.afford_move(request)?;
        if flags & libc::MREMAP_DONTUNMAP == 0 && old.bytes() > 0 {
            let more = GuestRange { start: old.end, end: GuestAddr(old.start.0.saturating_add(new_bytes)) };
            if more.end.0 <= self.layout.end && self.regions.is_free(more) {
                match request.on_host(0, GuestAddr(0)) {
                    Err(Errno(libc::ENOMEM)) => {}
                    done => return done,
                }
            }
        }
        if flags & libc::MREMAP_MAYMOVE == 0 {
            return Err(Errno(libc::ENOMEM));
        }
        let hint = if flags & libc::MREMAP_DONTUNMAP != 0 { hint } else { GuestAddr(0) };
        let moved = self.somewhere(hint, new_bytes, PAGE_BYTES, |at| request.to_free(&self.regions, at))?;
        Ok(moved.start)
    }

    fn record_move(&mut self, request: Move, start: GuestAddr) -> Vec<GuestRange> {
        let Move { old, new_bytes, flags } = request;
        let new = GuestRange::new(start, new_bytes);
        let mut changed = executable(&self.regions, old);
        changed.extend(executable(&self.regions, new));
        let source = if old.bytes() == 0 { GuestRange::new(old.start, PAGE_BYTES) } else { old };
        let pieces = self.regions.pieces(source);
        if flags & libc::MREMAP_DONTUNMAP == 0 {
            self.regions.remove(old);
        }
        self.regions.remove(new);
        for (index, (piece, kind)) in pieces.iter().enumerate() {
            let there = |addr: GuestAddr| addr.offset(start.0.wrapping_sub(old.start.0) as i64);
            let at = GuestRange { start: there(piece.start), end: there(piece.end).min(new.end) };
            // What is new at the end is like what was last.
            let at = if index + 1 == pieces.len() { GuestRange { end: new.end, ..at } } else { at };
            let Kind::Guest { prot, backing, growth } = *kind else { continue };
            let backing = backing.map(|backing| backing.moved(old.start, start));
            self.regions.insert(at, Kind::Guest { prot, backing, growth });
        }
        changed.extend(executable(&self.regions, new));
        changed
    }
}
