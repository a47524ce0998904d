//! Which slots lead to which place. Invariant: a slot is in the list of its target as long as its code is in use; slots of
//! code that is out of use lead to the dispatcher.

use crate::abi::slot::Slot;
use crate::abi::trampoline::{self, CodePtr};
use crate::block::BlockKey;
use crate::codecache::memory::CodeMemory;
use rustc_hash::FxHashMap;
use std::ops::Range;

/// A slot, the code that leaves through it, and where to.
#[derive(Clone, Copy)]
pub struct Link {
    pub slot: Slot,
    /// 0 if the code is out of use.
    pub owner: CodePtr,
    pub to: BlockKey,
    /// The one before it that leads to the same place, or itself if there is none.
    pub before: u32,
    /// It is in the list of its place.
    pub is_listed: bool,
}

/// Slots by the place they lead to.
#[derive(Default)]
pub struct Links {
    last: FxHashMap<BlockKey, u32>,
    all: Vec<Link>,
}

impl Links {
    /// Those with these numbers.
    pub fn numbered(&self, numbers: Range<u32>) -> &[Link] {
        &self.all[numbers.start as usize..numbers.end as usize]
    }

    /// How many there are, which is the number of the next.
    pub fn count(&self) -> u32 {
        self.all.len() as u32
    }

    pub fn add(&mut self, slot: Slot, owner: CodePtr, to: BlockKey) {
        let number = self.count();
        self.all.push(Link { slot, owner, to, before: number, is_listed: false });
        self.list(number);
    }

    pub fn list(&mut self, number: u32) {
        let link = &mut self.all[number as usize];
        if !link.is_listed {
            link.is_listed = true;
            link.before = self.last.insert(link.to, number).unwrap_or(number);
        }
    }

    /// Takes out of use the links of code that is: whoever is still in there leaves it to the dispatcher. They stay in
    /// their lists until `prune` comes by.
    pub fn retire(&mut self, numbers: Range<u32>, memory: &CodeMemory) {
        for link in &mut self.all[numbers.start as usize..numbers.end as usize] {
            memory.link(link.slot, trampoline::unlinked_stub());
            link.owner = CodePtr(0);
        }
    }

    /// Puts the links of code that is in use again back into their lists.
    pub fn revalidate(&mut self, numbers: Range<u32>, owner: CodePtr) {
        for number in numbers {
            self.all[number as usize].owner = owner;
            self.list(number);
        }
    }

    /// Shortens the list of a place to the links in use. Without it places whose surroundings are rewritten again and
    /// again would have ever longer lists.
    pub fn prune(&mut self, to: BlockKey) {
        let (mut next, mut kept) = (self.last.get(&to).copied(), None);
        while let Some(this) = next {
            let link = &mut self.all[this as usize];
            next = (link.before != this).then_some(link.before);
            if link.owner != CodePtr(0) {
                kept = Some(this);
                continue;
            }
            link.is_listed = false;
            match (kept, next) {
                (Some(kept), _) => self.all[kept as usize].before = next.unwrap_or(kept),
                (None, Some(next)) => _ = self.last.insert(to, next),
                (None, None) => _ = self.last.remove(&to),
            }
        }
    }

    /// Those that lead to a place, in use or not.
    pub fn of(&self, to: BlockKey) -> impl Iterator<Item = Link> {
        let mut next = self.last.get(&to).copied();
        std::iter::from_fn(move || {
            let this = next?;
            let link = self.all[this as usize];
            next = (link.before != this).then_some(link.before);
            Some(link)
        })
    }

    pub fn clear(&mut self) {
        self.last.clear();
        self.all.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ir::GuestAddr;

    #[test]
    fn links_of_retired_code_are_forgotten_in_any_order() {
        let memory = CodeMemory::new(1 << 20).expect("address space");
        let key = |n: u32| BlockKey::new(GuestAddr(0x1000 + 4 * u64::from(n)), false);
        let (mut links, mut model, mut random) = (Links::default(), Vec::new(), 1u32);
        let mut retired = Vec::new();
        for _ in 0..2000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let to = (random >> 24) % 4;
            let number = links.count();
            let slot = memory.take_slot().expect("a slot");
            links.add(slot, CodePtr(1 + u64::from(number)), key(to));
            model.push((to, number));
            if (random >> 16) & 3 != 0 {
                let (to, gone) = model.remove((random >> 8) as usize % model.len());
                links.retire(gone..gone + 1, &memory);
                retired.push((to, gone));
            }
            if (random >> 16) & 12 == 0 && !retired.is_empty() {
                let (to, back) = retired.remove((random >> 6) as usize % retired.len());
                links.revalidate(back..back + 1, CodePtr(1 + u64::from(back)));
                model.push((to, back));
            }
            let to = (random >> 20) % 4;
            links.prune(key(to));
            let mut left: Vec<u64> = links.of(key(to)).map(|link| link.owner.0 - 1).collect();
            let mut expected: Vec<u64> = model.iter().filter(|link| link.0 == to).map(|link| link.1.into()).collect();
            left.sort_unstable();
            expected.sort_unstable();
            assert_eq!(left, expected);
        }
    }
}
