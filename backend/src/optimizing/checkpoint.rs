//! When a block's registers are written back. Memory need not be exact at every guest access: it is enough that it
//! holds the state at a *checkpoint* before it, if what lies between can be performed again. A fault is then handed to
//! tier 0, which performs the block from the checkpoint on and comes to the same fault with exact registers.
//!
//! So a block is cut into segments. A segment begins at the block's start or after an instruction whose effect must
//! not be repeated (a store), and ends with the next such instruction. Loads may be repeated: until the segment's end
//! nobody can tell that they have been performed. A store may be repeated if it has not been performed yet; one that
//! is several accesses only if nothing before it in the segment can have read what it writes. Anything else wants
//! exact state, as before checkpoints.
//!
//! A checkpoint need not store a value that can be found when an access of its segment faults (`optimizing/clif/held.rs`,
//! `deopt/value.rs`). Whether it can is known for sure only when code is generated; here it is planned what may be held. It
//! saves a store where the register is overwritten before a way out would store it. The value is held until the last
//! access at which it is needed: not where the instructions since the checkpoint have overwritten the register unread,
//! for these are performed again. Where a region uses many registers, holding costs more than it saves, but in a block
//! that branches to itself, and where much time goes by.
//!
//! There the values that a turn has begun with are held until its end. If there are several stores, what has been loaded
//! before the last of them may be held too: then the whole block is one segment, for what came before the fault can be
//! performed again without touching memory.
//!
//! A block that branches to itself and only loads has its checkpoint where it is entered from elsewhere: all its turns
//! are performed again.
//!
//! Registers that the segment overwrites before its first access, unread, need not be in memory at the checkpoint. Nor
//! need the flags where they follow from registers that are (`deopt/source.rs`).

use crate::block::Block;
use ir::{Footprint, Frontend, RegSet};

/// What to do about one instruction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Step {
    /// A checkpoint before it: all dirty registers but these are stored, and it is known where the flags are unless
    /// they are among them.
    pub checkpoint: Option<Unneeded>,
    /// Its accesses are covered by the checkpoint before this instruction of the block.
    pub covered_by: Option<usize>,
    /// At an access that a checkpoint covers: registers that the instructions since then overwrite unread. Their values
    /// at the checkpoint are not needed to perform these again.
    pub redone: RegSet,
    /// It has the last access that a checkpoint covers: registers whose values behind it something uses later.
    pub ends: Option<RegSet>,
    /// At a checkpoint, registers that it may hold: those that are overwritten later, so that not to store them here saves
    /// a store. It stores those of them that cannot be found at a fault.
    pub held: RegSet,
}

/// What a checkpoint leaves out, because it is overwritten before the first access.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unneeded {
    /// These registers.
    pub registers: RegSet,
    /// The flags.
    pub flags: bool,
}

/// What a block does to registers and flags, in sum. "Incoming" is what is dirty when the block starts.
#[derive(Clone, Copy, Debug)]
pub struct Effect {
    /// Registers read before they are written.
    pub reads: RegSet,
    /// Registers written.
    pub writes: RegSet,
    /// Registers dirty at the end, whatever came in.
    pub dirty_after: RegSet,
    /// Registers dirty at the end if they came in dirty.
    pub stays_dirty: RegSet,
    /// Registers whose incoming value is stored if it is dirty.
    pub stores_incoming: RegSet,
    /// Registers whose incoming value a checkpoint may hold if it is dirty: it does not store it, but it can be found at
    /// a fault (`deopt/value.rs`).
    pub holds: RegSet,
    /// The block is a loop of its own that holds registers.
    pub is_held: bool,
    /// In such a loop, the instructions from the start whose loads are held too: if a later access faults, they are
    /// performed again without touching memory.
    pub logged: usize,
    /// Registers still with their incoming value at the end, and dirty if that was.
    pub passes: RegSet,
    /// The flags that come in must be in memory: read, or in a checkpoint, before all are overwritten.
    pub wants_flags: bool,
    /// The flags that come in are overwritten before anything wants them.
    pub kills_flags: bool,
    /// Only the checkpoint at the block's start wants the flags that come in, before they are overwritten or the block
    /// ends.
    pub wants_flags_first_only: bool,
    /// The flags are written.
    pub writes_flags: bool,
    /// The block is a loop of its own that is performed again as a whole.
    pub is_replayed: bool,
}

/// X30.
pub const LINK: RegSet = RegSet { x: 1 << 30, v: 0 };

impl Effect {
    fn new() -> Self {
        let none = RegSet::default();
        Self {
            reads: none,
            writes: none,
            dirty_after: none,
            stays_dirty: RegSet::ALL,
            stores_incoming: none,
            holds: none,
            is_held: false,
            logged: 0,
            passes: RegSet::ALL,
            wants_flags: false,
            kills_flags: false,
            wants_flags_first_only: false,
            writes_flags: false,
            is_replayed: false,
        }
    }

    /// Everything dirty but `unneeded` is stored.
    fn stored(&mut self, unneeded: RegSet) {
        self.stores_incoming = self.stores_incoming.union(self.passes.without(unneeded));
        self.passes = self.passes.intersection(unneeded);
        self.stays_dirty = self.stays_dirty.intersection(unneeded);
        self.dirty_after = self.dirty_after.intersection(unneeded);
    }

    fn performed(&mut self, f: &Footprint) {
        self.reads = self.reads.union(f.reads.without(self.writes));
        self.writes = self.writes.union(f.writes);
        self.dirty_after = self.dirty_after.union(f.writes);
        self.passes = self.passes.without(f.writes);
        self.writes_flags |= f.writes_flags;
        if !self.kills_flags && !self.wants_flags {
            self.wants_flags = f.needs_state || f.reads_flags;
            self.kills_flags = f.writes_flags && !self.wants_flags;
        }
    }
}

/// What is known of a block's end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct End {
    /// Registers whose value there something may use later.
    pub needs: RegSet,
    /// Registers that are likely overwritten later.
    pub overwritten: RegSet,
    /// Blocks that are no loops of their own hold registers too.
    pub holds: bool,
}

/// What the instructions of a block do.
pub fn footprints<F: Frontend>(block: &Block<F::Insn>) -> Vec<Footprint> {
    let footprint = |insn| {
        let mut f = Footprint::default();
        let Ok(()) = F::lift(insn, &mut f);
        f
    };
    block.insns.iter().map(footprint).collect()
}

/// Plans a block, given its `footprints`. `may_hold` are the registers that may be held.
pub fn plan<I>(block: &Block<I>, footprints: &[Footprint], may_hold: RegSet, end: End) -> (Vec<Step>, Effect) {
    let mut steps = steps(footprints);
    let is_loop = block.successors().contains(&Some(block.start));
    let holds = !may_hold.is_empty();
    let logged = if holds && is_loop { logged(&steps, footprints) } else { 0 };
    if logged != 0 {
        steps = one_segment(footprints);
    }
    if holds {
        for i in 0..steps.len() {
            let covered = |last: &usize| steps[*last].covered_by == Some(i);
            if let Some(last) = (i..steps.len()).rev().find(covered) {
                let used = used(&footprints[last + 1..], end.needs);
                let written =
                    |footprints: &[Footprint]| footprints.iter().fold(RegSet::default(), |sum, f| sum.union(f.writes));
                let held = match i {
                    0 if is_loop => RegSet::ALL,
                    _ if end.holds => written(&footprints[i..]).union(end.overwritten),
                    _ => RegSet::default(),
                };
                steps[i].held = held.intersection(may_hold);
                steps[last].ends = Some(used);
                for access in i..=last {
                    if steps[access].covered_by == Some(i) {
                        steps[access].redone = unneeded(&footprints[i..access]).registers;
                    }
                }
            }
        }
    }
    let mut effect = Effect::new();
    effect.logged = logged;
    effect.is_replayed = is_loop && can_be_replayed(footprints);
    if effect.is_replayed {
        // The way in stores what is dirty.
        steps[0].checkpoint = None;
    }
    effect.wants_flags_first_only = wants_flags_first_only(&steps, footprints);
    effect.is_held = holds && is_loop && steps[0].checkpoint.is_some();
    for (step, f) in steps.iter().zip(footprints) {
        if let Some(unneeded) = step.checkpoint {
            effect.holds = effect.holds.union(effect.passes.without(unneeded.registers));
            effect.stored(unneeded.registers.union(step.held));
        }
        if f.needs_state && step.covered_by.is_none() {
            effect.stored(RegSet::default());
        }
        effect.performed(f);
    }
    (steps, effect)
}

/// Registers whose value before some instructions is used by them or later.
fn used(footprints: &[Footprint], needs: RegSet) -> RegSet {
    footprints.iter().rev().fold(needs, |used, f| f.reads.union(used.without(f.writes)))
}

/// Whether only the checkpoint at the block's start wants the flags that come in, before they are overwritten or the
/// block ends.
fn wants_flags_first_only(steps: &[Step], footprints: &[Footprint]) -> bool {
    let mut wanted = false;
    for (step, f) in steps.iter().zip(footprints) {
        let is_covered = f.needs_state && step.covered_by == Some(0);
        // A misaligned access stops with exact flags.
        if f.reads_flags || f.may_misalign || f.needs_state && !is_covered {
            return false;
        }
        wanted |= is_covered;
        if f.writes_flags {
            break;
        }
    }
    wanted && steps[0].checkpoint.is_some()
}

fn steps(footprints: &[Footprint]) -> Vec<Step> {
    let mut steps = vec![Step::default(); footprints.len()];
    let mut start = 0;
    while start < footprints.len() {
        let ends = |f: &Footprint| f.unique || f.stores > 0;
        let end = (start..footprints.len()).find(|&i| ends(&footprints[i])).unwrap_or(footprints.len() - 1);
        let mut loaded = false;
        let mut checkpoint = None;
        for i in start..=end {
            let f = &footprints[i];
            let mixed = f.stores > 0 && f.loads || f.stores > 1 && loaded;
            if f.needs_state && !f.unique && !mixed {
                steps[i].covered_by = Some(start);
                checkpoint = checkpoint.or_else(|| Some(unneeded(&footprints[start..i])));
            }
            loaded |= f.loads;
        }
        steps[start].checkpoint = checkpoint;
        start = end + 1;
    }
    steps
}

/// Of a loop that several instructions store in, the instructions from the start whose loads are held: those before the
/// last store. 0 if its segments are not to be joined in this way, as there are too many values to hold.
fn logged(steps: &[Step], footprints: &[Footprint]) -> usize {
    const MOST: u32 = 6;
    let Some(last) = footprints.iter().rposition(|f| f.stores > 0) else { return 0 };
    let is_one = footprints.iter().zip(steps).all(|(f, step)| !f.needs_state || step.covered_by == Some(0));
    let is_simple = |f: &Footprint| !(f.unique || f.may_misalign || f.loads && f.stores > 0);
    let simple = footprints.iter().all(is_simple);
    let loaded =
        footprints[..last].iter().filter(|f| f.loads).map(|f| (f.writes.x.count_ones(), f.writes.v.count_ones()));
    let (x, v) = loaded.fold((0, 0), |(x, v), (more_x, more_v)| (x + more_x, v + more_v));
    if !is_one && simple && x <= MOST && v <= MOST { last } else { 0 }
}

/// The steps of a loop whose loads are held.
fn one_segment(footprints: &[Footprint]) -> Vec<Step> {
    let covered = |f: &Footprint| Step { covered_by: f.needs_state.then_some(0), ..Step::default() };
    let mut steps: Vec<Step> = footprints.iter().map(covered).collect();
    let first = footprints.iter().position(|f| f.needs_state).unwrap_or(0);
    steps[0].checkpoint = Some(unneeded(&footprints[..first]));
    steps
}

/// Whether all turns of a loop can be performed again: it only loads. Flags must not be read before they are written in
/// a turn, since memory holds those from before the loop.
fn can_be_replayed(footprints: &[Footprint]) -> bool {
    let sets_flags = footprints.iter().position(|f| f.writes_flags).unwrap_or(footprints.len() - 1);
    footprints.iter().any(|f| f.loads)
        && footprints.iter().all(|f| !f.unique && !f.may_misalign && f.stores == 0)
        && (!footprints.iter().any(|f| f.writes_flags) || footprints[..=sets_flags].iter().all(|f| !f.reads_flags))
}

/// What instructions overwrite unread.
fn unneeded(footprints: &[Footprint]) -> Unneeded {
    let (mut read, mut written) = (RegSet::default(), RegSet::default());
    let (mut flags_read, mut flags_written) = (false, false);
    for f in footprints {
        read = read.union(f.reads.without(written));
        written = written.union(f.writes);
        flags_read |= f.reads_flags && !flags_written;
        flags_written |= f.writes_flags;
    }
    Unneeded { registers: written.without(read), flags: flags_written && !flags_read }
}
