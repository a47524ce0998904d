//! mremap(2). The host moves what is mapped; where to is chosen here, as for new mappings. It must not know which system
//! call asked.

use crate::address_space::{State, claim, claim_exactly, executable, release};
use crate::host;
use crate::regions::{Kind, Mapping, Regions};
use ir::{Errno, GuestAddr, GuestRange, PAGE_BYTES};

/// What is asked for, in whole pages.
#[derive(Clone, Copy)]
struct Move {
    old: GuestRange,
    new_bytes: u64,
    flags: i32,
}

impl Move {
    /// What is moved. Without an old length a shared mapping is made once more.
    fn source(self) -> GuestRange {
        if self.old.bytes() == 0 { GuestRange::new(self.old.start, PAGE_BYTES) } else { self.old }
    }

    /// Where a part of the source comes to lie if the source comes to `start`: what is new at the end is like what was
    /// last.
    fn target(self, part: GuestRange, start: GuestAddr) -> GuestRange {
        let there = |addr: GuestAddr| addr.offset(start.0.wrapping_sub(self.old.start.0) as i64);
        let end = start.offset(self.new_bytes as i64);
        let grows = part.end == self.source().end && self.new_bytes > self.source().bytes();
        GuestRange { start: there(part.start).min(end), end: if grows { end } else { there(part.end).min(end) } }
    }

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
        if flags & !known != 0 || !from.is_aligned(PAGE_BYTES) || new_bytes == 0 {
            return Err(Errno(libc::EINVAL));
        }
        let new_bytes = self.page_range(GuestAddr(0), new_bytes, libc::EINVAL)?.bytes();
        let moves = has(libc::MREMAP_FIXED) || has(libc::MREMAP_DONTUNMAP);
        if moves {
            let target = self.page_range(to, new_bytes, libc::EINVAL)?;
            let bad = !to.is_aligned(PAGE_BYTES)
                || !has(libc::MREMAP_MAYMOVE)
                || has(libc::MREMAP_DONTUNMAP) && old_bytes.checked_next_multiple_of(PAGE_BYTES) != Some(new_bytes)
                || target.start.0 < from.0.saturating_add(old_bytes) && from < target.end;
            if bad {
                return Err(Errno(libc::EINVAL));
            }
        }
        let old = self.old_range(from, old_bytes, !moves && new_bytes <= old_bytes)?;
        let head = GuestRange { end: old.end.min(from.offset(new_bytes as i64)), ..old };
        let rest = GuestRange { start: head.end, end: old.end };
        let request = Move { old, new_bytes, flags };
        let (start, mut changed) = if has(libc::MREMAP_FIXED) {
            let only_moves = rest.bytes() == 0;
            self.check_source(Move { old: head, ..request }, only_moves)?;
            let request = if self.regions.covers(old) || only_moves { request } else { Move { old: head, ..request } };
            let start = self.move_exactly(request, to)?;
            (start, self.record_move(request, start))
        } else if !moves && new_bytes <= old.bytes() {
            let alone = Move { old: head, ..request };
            (if self.regions.covers(head) { alone.on_host(0, GuestAddr(0))? } else { from }, Vec::new())
        } else {
            self.check_source(request, false)?;
            let start = self.grow_or_move(request, to)?;
            (start, self.record_move(request, start))
        };
        changed.extend(executable(&self.regions, rest));
        // In its holes there may be something of emu's.
        self.unmap(rest)?;
        Ok((start, changed))
    }

    /// What there is of old, whose start must be the guest's.
    fn old_range(&self, from: GuestAddr, bytes: u64, shrinks: bool) -> Result<GuestRange, Errno> {
        let is_mapped = self.regions.find(from).is_some_and(|(_, kind)| kind.is_guest());
        if !is_mapped {
            return Err(Errno(libc::EFAULT));
        }
        self.page_range(from, bytes, if shrinks { libc::EINVAL } else { libc::EFAULT })
    }

    /// EFAULT unless what is to be moved is one mapping. If it `only_moves`, to a place that the guest names, it may be
    /// several with holes between them (since Linux 6.17).
    fn check_source(&self, request: Move, only_moves: bool) -> Result<(), Errno> {
        let source = request.source();
        let is_whole = self.regions.covers(source);
        let several = only_moves
            && request.new_bytes == source.bytes()
            // The host takes along what is in the holes.
            && (is_whole || source.end.0 <= self.end_below_emu);
        let is_one = is_whole && self.regions.pieces(source).len() == 1;
        if is_one || several { Ok(()) } else { Err(Errno(libc::EFAULT)) }
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
        self.afford_move(request)?;
        let mut taken = Vec::new();
        // What lies where the holes come to lie stays.
        for (piece, _) in self.regions.pieces(request.source()).into_iter().filter(|(_, kind)| kind.is_guest()) {
            match claim_exactly(&self.regions, request.target(piece, to)) {
                Ok(claimed) => taken.extend(claimed),
                Err(error) => {
                    release(&taken);
                    return Err(error);
                }
            }
        }
        request.to(to, &taken)
    }

    fn grow_or_move(&self, request: Move, hint: GuestAddr) -> Result<GuestAddr, Errno> {
        let Move { old, new_bytes, flags } = request;
        self.afford_move(request)?;
        let more = GuestRange { start: old.end, end: GuestAddr(old.start.0.saturating_add(new_bytes)) };
        if flags & libc::MREMAP_DONTUNMAP == 0 && more.end.0 <= self.layout.end && self.regions.is_free(more) {
            match request.on_host(0, GuestAddr(0)) {
                Err(Errno(libc::ENOMEM)) => {}
                done => return done,
            }
        }
        if flags & libc::MREMAP_MAYMOVE == 0 {
            // The host refuses what the guest's own memory is in the way of, if not for that, then for what comes first.
            let is_blocked = self.regions.pieces(more).iter().any(|(_, kind)| kind.is_guest());
            let refused = if is_blocked { request.on_host(0, GuestAddr(0)).err() } else { None };
            return Err(refused.unwrap_or(Errno(libc::ENOMEM)));
        }
        let hint = if flags & libc::MREMAP_DONTUNMAP != 0 { hint } else { GuestAddr(0) };
        let moved = self.somewhere(hint, new_bytes, PAGE_BYTES, |at| request.to_free(&self.regions, at))?;
        Ok(moved.start)
    }

    fn record_move(&mut self, request: Move, start: GuestAddr) -> Vec<GuestRange> {
        let Move { old, flags, .. } = request;
        let pieces = self.regions.pieces(request.source());
        let mut changed = executable(&self.regions, old);
        if flags & libc::MREMAP_DONTUNMAP == 0 {
            self.regions.remove(old);
        }
        for (piece, kind) in pieces {
            let Kind::Guest(mapping) = kind else { continue };
            let at = request.target(piece, start);
            changed.extend(executable(&self.regions, at));
            let backing = mapping.backing.map(|backing| backing.moved(old.start, start));
            self.regions.insert(at, Kind::Guest(Mapping { backing, ..mapping }));
            changed.extend(executable(&self.regions, at));
        }
        changed
    }
}
