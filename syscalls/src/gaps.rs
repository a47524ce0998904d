//! What is free of the guest's address space, and where in it there is room. Pure bookkeeping; it must not know what is
//! in the rest.

use ir::{GuestAddr, GuestRange};
use std::collections::{BTreeMap, BTreeSet};

/// Sizes are told apart by their highest bit.
const CLASSES: usize = 64;

/// Free ranges, joined as far as they go.
#[derive(Debug)]
pub(crate) struct Gaps {
    /// Ends by starts.
    by_start: BTreeMap<u64, u64>,
    /// The starts of those of a size, by its highest bit.
    by_size: [BTreeSet<u64>; CLASSES],
}

fn class(bytes: u64) -> usize {
    bytes.max(1).ilog2() as usize
}

impl Gaps {
    /// All of `within` is free, and nothing else.
    pub(crate) fn new(within: GuestRange) -> Self {
        let mut gaps = Self { by_start: BTreeMap::new(), by_size: [const { BTreeSet::new() }; CLASSES] };
        gaps.add(within.start.0, within.end.0);
        gaps
    }

    fn add(&mut self, start: u64, end: u64) {
        if start < end {
            self.by_start.insert(start, end);
            self.by_size[class(end - start)].insert(start);
        }
    }

    fn drop_gap(&mut self, start: u64, end: u64) {
        self.by_start.remove(&start);
        self.by_size[class(end - start)].remove(&start);
    }

    /// The gap that holds `addr`, or that ends there.
    fn at(&self, addr: u64) -> Option<(u64, u64)> {
        self.by_start.range(..=addr).next_back().map(|(&start, &end)| (start, end)).filter(|gap| gap.1 >= addr)
    }

    /// `range` is in use from now on, whether parts of it were before or not.
    pub(crate) fn take(&mut self, range: GuestRange) {
        let (from, to) = (range.start.0, range.end.0);
        let first = self.at(from).map_or(from, |gap| gap.0);
        let hit: Vec<(u64, u64)> = self.by_start.range(first..to).map(|(&start, &end)| (start, end)).collect();
        for (start, end) in hit.into_iter().filter(|gap| gap.1 > from) {
            self.drop_gap(start, end);
            self.add(start, from.min(end));
            self.add(to.max(start), end);
        }
    }

    /// `range`, all of it in use until now, is free.
    pub(crate) fn give(&mut self, range: GuestRange) {
        let (mut start, mut end) = (range.start.0, range.end.0);
        if start >= end {
            return;
        }
        if let Some(before) = self.at(start) {
            self.drop_gap(before.0, before.1);
            start = before.0;
        }
        if let Some(&after) = self.by_start.get(&end) {
            self.drop_gap(end, after);
            end = after;
        }
        self.add(start, end);
    }

    /// Whether all of `range` is free.
    pub(crate) fn is_free(&self, range: GuestRange) -> bool {
        self.at(range.start.0).is_some_and(|gap| gap.1 >= range.end.0)
    }

    /// The highest place in `within` for `bytes` bytes whose address is a multiple of `align`, a power of two.
    pub(crate) fn highest(&self, bytes: u64, align: u64, within: GuestRange) -> Option<GuestAddr> {
        let (low, high) = (within.start.0, within.end.0);
        let place = |start: u64, end: u64| {
            let at = end.min(high).checked_sub(bytes)? & !(align - 1);
            (at >= start.max(low)).then_some(at)
        };
        let mut best: Option<u64> = None;
        for starts in &self.by_size[class(bytes)..] {
            for &start in starts.range(..high).rev() {
                if best.is_some_and(|best| start < best) || self.by_start.get(&start).is_none_or(|&end| end <= low) {
                    break;
                }
                if let Some(at) = self.by_start.get(&start).and_then(|&end| place(start, end)) {
                    best = Some(best.map_or(at, |best| best.max(at)));
                    break;
                }
            }
        }
        best.map(GuestAddr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, end: u64) -> GuestRange {
        GuestRange { start: GuestAddr(start << 12), end: GuestAddr(end << 12) }
    }

    #[test]
    fn the_highest_place_that_fits_is_found() {
        let all = range(16, 1000);
        let mut gaps = Gaps::new(all);
        let place = |gaps: &Gaps, pages: u64| gaps.highest(pages << 12, 4096, all).map(|at| at.0 >> 12);
        assert_eq!(place(&gaps, 10), Some(990));
        gaps.take(range(900, 1000));
        gaps.take(range(880, 890));
        assert_eq!(place(&gaps, 10), Some(890));
        assert_eq!(place(&gaps, 11), Some(869));
        assert_eq!(place(&gaps, 865), None);
        assert_eq!(place(&gaps, 864), Some(16));
        gaps.give(range(880, 890));
        assert_eq!(place(&gaps, 884), Some(16));
        assert!(gaps.is_free(range(16, 900)) && !gaps.is_free(range(16, 901)));
        // Aligned, and in part of it only.
        assert_eq!(gaps.highest(0x3000, 0x10000, range(16, 897)), Some(GuestAddr(880 << 12)));
        assert_eq!(gaps.highest(0x3000, 0x1000, range(500, 510)), Some(GuestAddr(507 << 12)));
        assert_eq!(gaps.highest(0xb000, 0x1000, range(500, 510)), None);
    }

    /// Against a table of pages.
    #[test]
    fn a_table_says_the_same() {
        const PAGES: usize = 200;
        let all = range(0, PAGES as u64);
        let (mut gaps, mut used) = (Gaps::new(all), [false; PAGES]);
        let mut state = 12345_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        for _ in 0..20_000 {
            let start = random(PAGES);
            let end = (start + 1 + random(12)).min(PAGES);
            let part = range(start as u64, end as u64);
            if random(2) == 0 {
                gaps.take(part);
                used[start..end].fill(true);
            } else if used[start..end].iter().all(|&used| used) {
                gaps.give(part);
                used[start..end].fill(false);
            }
            assert_eq!(gaps.is_free(part), used[start..end].iter().all(|&used| !used));
            let wanted = 1 + random(20);
            let expected = (0..=PAGES - wanted).rev().find(|&at| used[at..at + wanted].iter().all(|&used| !used));
            let found = gaps.highest((wanted as u64) << 12, 4096, all).map(|at| (at.0 >> 12) as usize);
            assert_eq!(found, expected);
        }
    }
}
