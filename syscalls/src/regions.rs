//! The record of what the guest has mapped: non-overlapping ranges of pages with their protection as the guest sees
//! it. Pure bookkeeping; it must not know the host.

use ir::{GuestAddr, GuestRange, Prot};
use std::collections::BTreeMap;

/// Memory that may be mapped at several places: writes at one of them reach the code at another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Backing {
    /// What is mapped: a number for the kind of object, and the object's own.
    pub object: (u64, u64),
    /// Offset into the object less the guest address, modulo 2^64: the same all along a mapping.
    pub bias: u64,
}

impl Backing {
    /// The same memory after its mapping has moved.
    pub(crate) fn moved(self, from: GuestAddr, to: GuestAddr) -> Self {
        Self { bias: self.bias.wrapping_add(from.0).wrapping_sub(to.0), ..self }
    }
}

/// What a recorded range is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// The guest mapped it.
    Guest {
        /// Protection as the guest asked for it.
        prot: Prot,
        /// What is mapped, for MAP_SHARED.
        backing: Option<Backing>,
    },
    /// Kept free for brk(2): taken on the host, absent for the guest.
    Reserved,
}

impl Kind {
    /// Whether the guest may fetch instructions there.
    pub(crate) fn is_executable(self) -> bool {
        matches!(self, Self::Guest { prot, .. } if prot.contains(Prot::EXEC))
    }

    /// Whether the guest sees the range.
    pub(crate) fn is_guest(self) -> bool {
        matches!(self, Self::Guest { .. })
    }
}

#[derive(Clone, Copy, Debug)]
struct Region {
    end: u64,
    kind: Kind,
}

/// The record. Every start and end is a multiple of the page size.
#[derive(Debug, Default)]
pub(crate) struct Regions {
    by_start: BTreeMap<u64, Region>,
}

fn range(start: u64, end: u64) -> GuestRange {
    GuestRange { start: GuestAddr(start), end: GuestAddr(end) }
}

impl Regions {
    /// The region that holds `addr`.
    pub(crate) fn find(&self, addr: GuestAddr) -> Option<(GuestRange, Kind)> {
        let (&start, region) = self.by_start.range(..=addr.0).next_back()?;
        (addr.0 < region.end).then_some((range(start, region.end), region.kind))
    }

    /// The recorded pieces of `within`, cut to it, in order.
    pub(crate) fn pieces(&self, within: GuestRange) -> Vec<(GuestRange, Kind)> {
        if within.start >= within.end {
            return Vec::new();
        }
        let first = self.find(within.start).map_or(within.start.0, |(found, _)| found.start.0);
        self.by_start
            .range(first..within.end.0)
            .map(|(&start, region)| (range(start.max(within.start.0), region.end.min(within.end.0)), region.kind))
            .collect()
    }

    /// The parts of `within` that are not recorded, in order.
    pub(crate) fn gaps(&self, within: GuestRange) -> Vec<GuestRange> {
        let mut gaps = Vec::new();
        let mut at = within.start;
        for (piece, _) in self.pieces(within) {
            if at < piece.start {
                gaps.push(GuestRange { start: at, end: piece.start });
            }
            at = piece.end;
        }
        if at < within.end {
            gaps.push(GuestRange { start: at, end: within.end });
        }
        gaps
    }

    /// Whether all of `within` is the guest's.
    pub(crate) fn covers(&self, within: GuestRange) -> bool {
        self.gaps(within).is_empty() && self.pieces(within).iter().all(|(_, kind)| kind.is_guest())
    }

    /// Where else the guest may run what is mapped in `within`.
    pub(crate) fn aliases(&self, within: GuestRange) -> Vec<GuestRange> {
        let mut found = Vec::new();
        for (piece, kind) in self.pieces(within) {
            let Kind::Guest { backing: Some(backing), .. } = kind else { continue };
            for (&start, region) in &self.by_start {
                let Kind::Guest { backing: Some(other), .. } = region.kind else { continue };
                if other.object != backing.object || !region.kind.is_executable() {
                    continue;
                }
                let there = |addr: u64| addr.wrapping_add(backing.bias).wrapping_sub(other.bias);
                // A part of the object that lies before the other mapping has an address below its start, or wraps.
                let first = there(piece.start.0);
                let last = first.wrapping_add(piece.bytes());
                if first < last {
                    let cut = range(first.max(start), last.min(region.end));
                    if cut.start < cut.end && !(within.start <= cut.start && cut.end <= within.end) {
                        found.push(cut);
                    }
                }
            }
        }
        found
    }

    /// Forgets `within`.
    pub(crate) fn remove(&mut self, within: GuestRange) {
        for (piece, _) in self.pieces(within) {
            let Some((whole, kind)) = self.find(piece.start) else { continue };
            self.by_start.remove(&whole.start.0);
            if whole.start < piece.start {
                self.by_start.insert(whole.start.0, Region { end: piece.start.0, kind });
            }
            if piece.end < whole.end {
                self.by_start.insert(piece.end.0, Region { end: whole.end.0, kind });
            }
        }
    }

    /// Records `at` as `kind` in place of whatever was there, joining it to equal neighbours.
    pub(crate) fn insert(&mut self, at: GuestRange, kind: Kind) {
        if at.start >= at.end {
            return;
        }
        self.remove(at);
        let (mut start, mut end) = (at.start.0, at.end.0);
        if let Some((&before, region)) = self.by_start.range(..start).next_back()
            && region.end == start
            && region.kind == kind
        {
            start = before;
        }
        if let Some(region) = self.by_start.get(&end).copied()
            && region.kind == kind
        {
            self.by_start.remove(&end);
            end = region.end;
        }
        self.by_start.insert(start, Region { end, kind });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RW: Kind = Kind::Guest { prot: Prot(3), backing: None };
    const RX: Kind = Kind::Guest { prot: Prot(5), backing: None };

    fn pages(start: u64, end: u64) -> GuestRange {
        range(start << 12, end << 12)
    }

    #[test]
    fn neighbours_join_and_holes_split() {
        let mut regions = Regions::default();
        regions.insert(pages(1, 2), RW);
        regions.insert(pages(3, 4), RW);
        regions.insert(pages(2, 3), RW);
        assert_eq!(regions.pieces(pages(0, 9)), [(pages(1, 4), RW)]);
        regions.remove(pages(2, 3));
        assert_eq!(regions.pieces(pages(0, 9)), [(pages(1, 2), RW), (pages(3, 4), RW)]);
        assert_eq!(regions.gaps(pages(0, 5)), [pages(0, 1), pages(2, 3), pages(4, 5)]);
    }

    #[test]
    fn the_middle_changes_kind() {
        let mut regions = Regions::default();
        regions.insert(pages(1, 9), RW);
        regions.insert(pages(3, 4), RX);
        assert_eq!(regions.pieces(pages(2, 5)), [(pages(2, 3), RW), (pages(3, 4), RX), (pages(4, 5), RW)]);
        assert!(regions.covers(pages(1, 9)));
        assert!(!regions.covers(pages(1, 10)));
        assert!(regions.find(GuestAddr(0x3fff)).is_some_and(|(_, kind)| kind.is_executable()));
        assert!(regions.find(GuestAddr(0x9000)).is_none());
        regions.insert(pages(5, 6), Kind::Reserved);
        assert!(!regions.covers(pages(4, 6)));
    }

    #[test]
    fn code_is_found_under_its_other_addresses() {
        let mapped = |prot, object, offset: u64, start: u64| {
            let backing = Backing { object: (0, object), bias: (offset << 12).wrapping_sub(start << 12) };
            Kind::Guest { prot: Prot(prot), backing: Some(backing) }
        };
        let mut regions = Regions::default();
        regions.insert(pages(10, 14), mapped(3, 1, 0, 10));
        regions.insert(pages(20, 22), mapped(5, 1, 2, 20));
        regions.insert(pages(30, 34), mapped(5, 1, 1, 30));
        regions.insert(pages(40, 44), mapped(5, 2, 0, 40));
        regions.insert(pages(50, 54), mapped(3, 1, 0, 50));
        // Page 12 shows page 2 of the object.
        assert_eq!(regions.aliases(pages(12, 13)), [pages(20, 21), pages(31, 32)]);
        assert_eq!(regions.aliases(pages(10, 11)), []);
        assert_eq!(regions.aliases(pages(20, 21)), [pages(31, 32)]);
        // Half a line in the middle of a page.
        let line = range((13 << 12) + 64, (13 << 12) + 128);
        assert_eq!(regions.aliases(line)[0], range((21 << 12) + 64, (21 << 12) + 128));
        let Kind::Guest { backing: Some(backing), .. } = mapped(5, 1, 2, 20) else { unreachable!() };
        assert_eq!(backing.moved(GuestAddr(20 << 12), GuestAddr(7 << 12)).bias, (2u64 << 12).wrapping_sub(7 << 12));
    }

    #[test]
    fn empty_ranges_are_nothing() {
        let mut regions = Regions::default();
        regions.insert(pages(2, 2), RW);
        regions.remove(pages(0, 0));
        assert!(regions.pieces(pages(0, 9)).is_empty());
        assert!(regions.gaps(pages(3, 3)).is_empty());
    }
}
