//! The record of what the guest has mapped: non-overlapping ranges of pages with their protection as the guest sees
//! it, what is free between them, and how much there is. Pure bookkeeping; it must not know the host.

use crate::gaps::Gaps;
use ir::{GuestAddr, GuestRange, HOST_END, Prot, STACK_GUARD_BYTES};
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

/// Whether a mapping gets larger by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Growth {
    /// As most do not.
    #[default]
    None,
    /// Downwards, where it is touched (MAP_GROWSDOWN).
    Down,
    /// The first thread's stack: likewise for the guest, but mapped as large as it may get.
    Stack,
}

/// What the guest has mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mapping {
    /// Protection as the guest asked for it.
    pub prot: Prot,
    /// What is mapped, for MAP_SHARED.
    pub backing: Option<Backing>,
    /// Whether it grows.
    pub growth: Growth,
    /// Whether a child made by fork(2) is without it (MADV_DONTFORK).
    pub not_for_children: bool,
}

impl Mapping {
    /// Private memory, as most is.
    pub(crate) const fn private(prot: Prot) -> Self {
        Self { prot, backing: None, growth: Growth::None, not_for_children: false }
    }
}

/// What a recorded range is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// The guest mapped it.
    Guest(Mapping),
    /// Nothing is mapped here, and nothing is put here unless the guest says so: the guard below the stack.
    Guard,
}

impl Kind {
    /// What the guest has mapped, if it has.
    pub(crate) fn mapping(self) -> Option<Mapping> {
        match self {
            Self::Guest(mapping) => Some(mapping),
            Self::Guard => None,
        }
    }

    /// Whether the guest may fetch instructions there.
    pub(crate) fn is_executable(self) -> bool {
        self.mapping().is_some_and(|mapping| mapping.prot.contains(Prot::EXEC))
    }

    /// Whether the guest sees the range.
    pub(crate) fn is_guest(self) -> bool {
        self.mapping().is_some()
    }

    /// What a shared mapping shows.
    pub(crate) fn backing(self) -> Option<Backing> {
        self.mapping().and_then(|mapping| mapping.backing)
    }

    /// Whether RLIMIT_AS counts it. Of the stack the kernel counts what has been touched, which is little.
    fn is_counted(self) -> bool {
        self.mapping().is_some_and(|mapping| mapping.growth != Growth::Stack)
    }

    /// Whether RLIMIT_DATA counts it: private, writable, and no stack.
    pub(crate) fn is_data(self) -> bool {
        self.mapping().is_some_and(|Mapping { prot, backing, growth, .. }| {
            prot.contains(Prot::WRITE) && backing.is_none() && growth == Growth::None
        })
    }

    /// Whether it grows where it is touched.
    pub(crate) fn grows_down(self) -> bool {
        self.mapping().is_some_and(|mapping| mapping.growth == Growth::Down)
    }
}

#[derive(Clone, Copy, Debug)]
struct Region {
    end: u64,
    kind: Kind,
}

/// The record. Every start and end is a multiple of the page size.
#[derive(Debug)]
pub(crate) struct Regions {
    by_start: BTreeMap<u64, Region>,
    gaps: Gaps,
    counted_bytes: u64,
    data_bytes: u64,
    /// How many regions there are that grow on the host.
    growing: usize,
}

impl Default for Regions {
    fn default() -> Self {
        let gaps = Gaps::new(range(0, HOST_END));
        Self { by_start: BTreeMap::new(), gaps, counted_bytes: 0, data_bytes: 0, growing: 0 }
    }
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

    /// The parts of `within` where the guest has nothing mapped, in order.
    pub(crate) fn unmapped(&self, within: GuestRange) -> Vec<GuestRange> {
        let mut unmapped = Vec::new();
        let mut at = within.start;
        for (piece, _) in self.pieces(within).into_iter().filter(|(_, kind)| kind.is_guest()) {
            if at < piece.start {
                unmapped.push(GuestRange { start: at, end: piece.start });
            }
            at = piece.end;
        }
        if at < within.end {
            unmapped.push(GuestRange { start: at, end: within.end });
        }
        unmapped
    }

    /// The parts of `within` that are the guest's, adjoining ones joined, in order.
    pub(crate) fn runs(&self, within: GuestRange) -> Vec<GuestRange> {
        let mut runs: Vec<GuestRange> = Vec::new();
        for (piece, _) in self.pieces(within).into_iter().filter(|(_, kind)| kind.is_guest()) {
            match runs.last_mut().filter(|run| run.end == piece.start) {
                Some(run) => run.end = piece.end,
                None => runs.push(piece),
            }
        }
        runs
    }

    /// Whether all of `within` is the guest's.
    pub(crate) fn covers(&self, within: GuestRange) -> bool {
        self.unmapped(within).is_empty()
    }

    /// Whether nothing is in `within`, not even a guard.
    pub(crate) fn is_free(&self, within: GuestRange) -> bool {
        self.gaps.is_free(within)
    }

    /// The highest place in `within` with room for `bytes` at a multiple of `align`.
    pub(crate) fn highest(&self, bytes: u64, align: u64, within: GuestRange) -> Option<GuestAddr> {
        self.gaps.highest(bytes, align, within)
    }

    /// What RLIMIT_AS counts of `within`.
    pub(crate) fn counted_in(&self, within: GuestRange) -> u64 {
        self.pieces(within).iter().filter(|(_, kind)| kind.is_counted()).map(|(piece, _)| piece.bytes()).sum()
    }

    /// What RLIMIT_AS counts.
    pub(crate) fn counted_bytes(&self) -> u64 {
        self.counted_bytes
    }

    /// What RLIMIT_DATA counts.
    pub(crate) fn data_bytes(&self) -> u64 {
        self.data_bytes
    }

    /// All of it, in order.
    pub(crate) fn all(&self) -> Vec<(GuestRange, Kind)> {
        self.by_start.iter().map(|(&start, region)| (range(start, region.end), region.kind)).collect()
    }

    /// The mappings that grow where they are touched.
    pub(crate) fn growing(&self) -> Vec<(GuestRange, Kind)> {
        if self.growing == 0 {
            return Vec::new();
        }
        self.all().into_iter().filter(|(_, kind)| kind.grows_down()).collect()
    }

    /// Where the next mapping above `at` begins, if it grows down and `at` lies in the gap that is kept below it.
    pub(crate) fn growing_above(&self, at: GuestRange) -> Option<GuestAddr> {
        if self.growing == 0 {
            return None;
        }
        let gap = GuestRange { start: at.end, end: at.end.offset(STACK_GUARD_BYTES as i64) };
        self.pieces(gap).first().filter(|(_, kind)| kind.grows_down()).map(|(next, _)| next.start)
    }

    fn count(&mut self, bytes: u64, kind: Kind) {
        self.counted_bytes += if kind.is_counted() { bytes } else { 0 };
        self.data_bytes += if kind.is_data() { bytes } else { 0 };
    }

    fn discount(&mut self, bytes: u64, kind: Kind) {
        self.counted_bytes -= if kind.is_counted() { bytes } else { 0 };
        self.data_bytes -= if kind.is_data() { bytes } else { 0 };
    }

    fn put(&mut self, start: u64, region: Region) {
        self.growing += usize::from(region.kind.grows_down());
        self.by_start.insert(start, region);
    }

    fn pull(&mut self, start: u64) -> Option<Region> {
        let region = self.by_start.remove(&start)?;
        self.growing -= usize::from(region.kind.grows_down());
        Some(region)
    }

    /// Where else the guest may run what is mapped in `within`.
    pub(crate) fn aliases(&self, within: GuestRange) -> Vec<GuestRange> {
        let mut found = Vec::new();
        for (piece, kind) in self.pieces(within) {
            let Some(backing) = kind.backing() else { continue };
            for (&start, region) in &self.by_start {
                let Some(other) = region.kind.backing() else { continue };
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
        for (piece, kind) in self.pieces(within) {
            let Some((whole, _)) = self.find(piece.start) else { continue };
            self.pull(whole.start.0);
            if whole.start < piece.start {
                self.put(whole.start.0, Region { end: piece.start.0, kind });
            }
            if piece.end < whole.end {
                self.put(piece.end.0, Region { end: whole.end.0, kind });
            }
            self.discount(piece.bytes(), kind);
            self.gaps.give(piece);
        }
    }

    /// Records `at` as `kind` in place of whatever was there, joining it to equal neighbours.
    pub(crate) fn insert(&mut self, at: GuestRange, kind: Kind) {
        if at.start >= at.end {
            return;
        }
        self.remove(at);
        self.gaps.take(at);
        self.count(at.bytes(), kind);
        let (mut start, mut end) = (at.start.0, at.end.0);
        if let Some((&before, region)) = self.by_start.range(..start).next_back()
            && region.end == start
            && region.kind == kind
        {
            self.pull(before);
            start = before;
        }
        if let Some(region) = self.by_start.get(&end).copied()
            && region.kind == kind
        {
            self.pull(end);
            end = region.end;
        }
        self.put(start, Region { end, kind });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RW: Kind = Kind::Guest(Mapping::private(Prot(3)));
    const RX: Kind = Kind::Guest(Mapping::private(Prot(5)));

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
        assert_eq!(regions.unmapped(pages(0, 5)), [pages(0, 1), pages(2, 3), pages(4, 5)]);
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
        regions.insert(pages(5, 6), Kind::Guard);
        assert!(!regions.covers(pages(4, 6)));
        // What the limits count, without the guard.
        assert_eq!((regions.counted_bytes(), regions.data_bytes()), (7 << 12, 6 << 12));
        assert!(regions.is_free(pages(9, 20)) && !regions.is_free(pages(5, 6)));
        regions.remove(pages(0, 20));
        assert_eq!((regions.counted_bytes(), regions.data_bytes()), (0, 0));
        assert!(regions.is_free(pages(0, 20)));
    }

    #[test]
    fn code_is_found_under_its_other_addresses() {
        let mapped = |prot, object, offset: u64, start: u64| {
            let backing = Backing { object: (0, object), bias: (offset << 12).wrapping_sub(start << 12) };
            Kind::Guest(Mapping { backing: Some(backing), ..Mapping::private(Prot(prot)) })
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
        let backing = mapped(5, 1, 2, 20).backing().unwrap();
        assert_eq!(backing.moved(GuestAddr(20 << 12), GuestAddr(7 << 12)).bias, (2u64 << 12).wrapping_sub(7 << 12));
    }

    #[test]
    fn empty_ranges_are_nothing() {
        let mut regions = Regions::default();
        regions.insert(pages(2, 2), RW);
        regions.remove(pages(0, 0));
        assert!(regions.pieces(pages(0, 9)).is_empty());
        assert!(regions.unmapped(pages(3, 3)).is_empty());
    }
}
