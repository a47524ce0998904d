//! The guest's address space: makes, changes and removes its mappings on the host and records them. PROT_EXEC is kept
//! in the record only: guest code is read, never run. It must not know which system call asked.
//!
//! Invariant: what is recorded is mapped on the host and not emu's. Emu's own memory comes and goes (its allocator,
//! thread stacks), so it is not listed anywhere: a page that the record lacks is taken with MAP_FIXED_NOREPLACE,
//! which the kernel refuses where anything of emu's lies. `placement.rs` chooses places so that this does not happen.

use crate::host::{self, Outcome};
use crate::locking::LockFuture;
use crate::placement::{self, Bounds};
use crate::regions::{Backing, Growth, Kind, Mapping, Regions};
use ir::{
    CodeWatcher, Errno, Guard, GuestAddr, GuestMemory, GuestRange, Layout, Lock, MapRequest, PAGE_BYTES, Prot, Rank,
};
use linux_raw_sys::general as kernel;
use std::sync::Arc;

/// PROT_GROWSDOWN and PROT_GROWSUP: arguments of mprotect(2), not protections.
const PROT_GROWS: i32 = libc::PROT_GROWSDOWN | libc::PROT_GROWSUP;
/// What else mprotect(2) takes: PROT_SEM, and PROT_BTI of AArch64.
const PROT_OTHERS: i32 = kernel::PROT_SEM as i32 | 0x10;
pub(crate) struct State {
    pub(crate) regions: Regions,
    pub(crate) layout: Layout,
    /// The end of where things go that have no room where they belong.
    pub(crate) end_below_emu: u64,
    pub(crate) bounds: Bounds,
    /// mlockall(2) with MCL_FUTURE.
    pub(crate) lock_future: Option<LockFuture>,
    /// READ_IMPLIES_EXEC of personality(2).
    read_implies_exec: bool,
    /// Shared anonymous mappings made so far.
    pub(crate) anonymous: u64,
    pub(crate) brk_start: GuestAddr,
    pub(crate) brk: GuestAddr,
}

/// The guest's address space. Shared by all threads; `&AddressSpace` is a [`GuestMemory`].
pub struct AddressSpace {
    state: Lock<State>,
    watcher: Arc<dyn CodeWatcher>,
}

pub(crate) fn host_mmap(at: GuestRange, prot: i32, flags: i32) -> Outcome {
    host::call(libc::SYS_mmap, [at.start.0, at.bytes(), prot as u64, flags as u64, u64::MAX, 0])
}

fn host_munmap(at: GuestRange) -> Outcome {
    host::call3(libc::SYS_munmap, at.start.0, at.bytes(), 0)
}

/// The protection the host gets: code must be readable, and is not executable.
pub(crate) fn host_prot(prot: Prot) -> i32 {
    let readable = if prot.contains(Prot::EXEC) { libc::PROT_READ } else { 0 };
    prot.0 & (libc::PROT_READ | libc::PROT_WRITE) | readable
}

/// The protection bits that are recorded: PROT_BTI and the like change nothing here.
pub(crate) fn guest_prot(prot: Prot) -> Prot {
    Prot(prot.0 & 7)
}

/// Takes the pages of `at` where the guest has nothing, so that a MAP_FIXED over it replaces nothing of emu's. Gives
/// what was taken, to be given back if the call then fails.
pub(crate) fn claim(regions: &Regions, at: GuestRange) -> Result<Vec<GuestRange>, Errno> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED_NOREPLACE;
    let mut taken = Vec::new();
    for gap in regions.unmapped(at) {
        match host_mmap(gap, libc::PROT_NONE, flags) {
            Ok(_) => taken.push(gap),
            Err(error) => {
                release(&taken);
                return Err(error);
            }
        }
    }
    Ok(taken)
}

/// [`claim`], for places that the guest insists on: those of emu's are not to be had.
pub(crate) fn claim_exactly(regions: &Regions, at: GuestRange) -> Result<Vec<GuestRange>, Errno> {
    claim(regions, at).map_err(|error| if error.0 == libc::EEXIST { Errno(libc::ENOMEM) } else { error })
}

pub(crate) fn release(taken: &[GuestRange]) {
    for range in taken {
        let _ = host_munmap(*range);
    }
}

pub(crate) fn executable(regions: &Regions, at: GuestRange) -> Vec<GuestRange> {
    regions.pieces(at).into_iter().filter(|(_, kind)| kind.is_executable()).map(|(piece, _)| piece).collect()
}

impl AddressSpace {
    /// An empty address space, whose changes to code `watcher` is told.
    pub(crate) fn new(watcher: Arc<dyn CodeWatcher>, layout: Layout) -> Self {
        let state = State {
            regions: Regions::default(),
            layout,
            end_below_emu: placement::end_below_emu(),
            bounds: Bounds::of_the_host(),
            lock_future: None,
            read_implies_exec: false,
            anonymous: 0,
            brk_start: GuestAddr(0),
            brk: GuestAddr(0),
        };
        Self { state: Lock::new(Rank::AddressSpace, state), watcher }
    }

    pub(crate) fn lock(&self) -> Guard<'_, State> {
        let mut state = self.state.lock();
        state.follow_growth();
        state
    }

    // The lock is never held here: the watcher has locks of its own and may ask `is_executable`.
    pub(crate) fn tell(&self, changed: &[GuestRange]) {
        for range in changed {
            self.watcher.code_changed(*range);
        }
    }

    /// mmap(2). Refuses with `ENOMEM` to replace emu's own memory.
    pub fn map(&self, request: MapRequest) -> Result<GuestAddr, Errno> {
        let mut state = self.lock();
        let (mapped, mut changed) = state.map(request)?;
        changed.extend(state.new_code(mapped));
        drop(state);
        self.tell(&changed);
        Ok(mapped.start)
    }

    /// munmap(2). Leaves emu's own memory in the range alone.
    pub fn unmap(&self, range: GuestRange) -> Result<(), Errno> {
        if !range.start.is_aligned(PAGE_BYTES) || range.bytes() == 0 {
            return Err(Errno(libc::EINVAL));
        }
        let mut state = self.lock();
        let range = state.page_range(range.start, range.bytes(), libc::EINVAL)?;
        let changed = executable(&state.regions, range);
        let result = state.unmap(range);
        drop(state);
        self.tell(&changed);
        result
    }

    /// mprotect(2).
    pub fn protect(&self, range: GuestRange, prot: Prot) -> Result<(), Errno> {
        let known = 7 | PROT_OTHERS | PROT_GROWS;
        if !range.start.is_aligned(PAGE_BYTES) || prot.0 & PROT_GROWS == PROT_GROWS {
            return Err(Errno(libc::EINVAL));
        }
        if range.bytes() == 0 {
            return Ok(());
        }
        let bytes = range.bytes().checked_next_multiple_of(PAGE_BYTES);
        if bytes.is_none_or(|bytes| range.start.0.checked_add(bytes).is_none()) {
            return Err(Errno(libc::ENOMEM));
        }
        if prot.0 & !known != 0 {
            return Err(Errno(libc::EINVAL));
        }
        let mut state = self.lock();
        let mut range = state.page_range(range.start, range.bytes(), libc::ENOMEM)?;
        if prot.0 & PROT_GROWS != 0 {
            range.start = state.start_to_grow(range, prot)?;
        }
        let mut changed = executable(&state.regions, range);
        let result = state.protect(range, prot);
        changed.extend(state.new_code(range));
        drop(state);
        self.tell(&changed);
        result
    }

    /// mremap(2). `to` matters with MREMAP_FIXED and as the hint of MREMAP_DONTUNMAP.
    pub fn remap(
        &self,
        from: GuestAddr,
        old_bytes: u64,
        new_bytes: u64,
        flags: i32,
        to: GuestAddr,
    ) -> Result<GuestAddr, Errno> {
        let mut state = self.lock();
        let (addr, changed) = state.remap(from, old_bytes, new_bytes, flags, to)?;
        drop(state);
        self.tell(&changed);
        Ok(addr)
    }

    /// Whether the guest may fetch instructions at `addr`.
    #[must_use]
    pub fn is_executable(&self, addr: GuestAddr) -> bool {
        self.lock().regions.find(addr).is_some_and(|(_, kind)| kind.is_executable())
    }

    /// `si_code` of SIGSEGV at `addr`: whether something is mapped there.
    #[must_use]
    pub fn fault_code(&self, addr: GuestAddr) -> i32 {
        let is_mapped = self.lock().regions.find(addr).is_some_and(|(_, kind)| kind.is_guest());
        (if is_mapped { kernel::SEGV_ACCERR } else { kernel::SEGV_MAPERR }) as i32
    }

    /// Whether `addr` is one that the guest could have memory at.
    #[must_use]
    pub fn is_in_task(&self, addr: GuestAddr) -> bool {
        addr.0 < self.lock().layout.end
    }

    /// Sets where brk(2) begins, after the program's last segment.
    pub fn start_brk(&self, at: GuestAddr) {
        let mut state = self.lock();
        state.brk_start = at.page_up();
        state.brk = state.brk_start;
    }

    /// Sets how much RLIMIT_AS or RLIMIT_DATA lets the guest have.
    pub(crate) fn bound(&self, set: impl FnOnce(&mut Bounds)) {
        set(&mut self.lock().bounds);
    }

    /// READ_IMPLIES_EXEC of personality(2): whether what is mapped readable may be executed too.
    pub(crate) fn read_implies_exec(&self, on: bool) {
        self.lock().read_implies_exec = on;
    }

    /// The first thread's stack may have `bytes` from now on (RLIMIT_STACK). What lies in the way, or has been used
    /// already, stays.
    pub(crate) fn resize_stack(&self, bytes: u64) {
        self.lock().resize_stack(bytes);
    }

    /// brk(2): moves the end of the heap to `to` if that can be done; gives where it is then.
    pub fn brk(&self, to: GuestAddr) -> GuestAddr {
        let mut state = self.lock();
        let changed = state.brk(to);
        let now = state.brk;
        drop(state);
        self.tell(&changed);
        now
    }

    /// Calls `act` for the parts of `range` that are the guest's, until one fails; says whether that is all of `range`.
    /// Other threads cannot unmap a part meanwhile.
    pub(crate) fn on_guest_parts(
        &self,
        range: GuestRange,
        mut act: impl FnMut(GuestRange) -> Outcome,
    ) -> Result<bool, Errno> {
        let state = self.lock();
        for run in state.regions.runs(range) {
            act(run)?;
        }
        Ok(state.regions.covers(range))
    }

    /// Calls `act` for what is the guest's up to the first hole in `range`; ENOMEM if there is one.
    pub(crate) fn on_guest_memory_up_to_a_hole(
        &self,
        range: GuestRange,
        act: impl FnOnce(GuestRange) -> Outcome,
    ) -> Outcome {
        let state = self.lock();
        let first = state.regions.runs(range).first().copied().filter(|run| run.start == range.start);
        let until_hole = first.unwrap_or(GuestRange { end: range.start, ..range });
        if until_hole == range || until_hole.bytes() > 0 {
            act(until_hole)?;
        }
        if until_hole == range { Ok(0) } else { Err(Errno(libc::ENOMEM)) }
    }

    /// Says that what the guest had in `range` is gone, as after madvise(2) with MADV_DONTNEED: code may be other code.
    /// `everywhere`: so it is wherever else that memory is mapped (MADV_REMOVE).
    pub(crate) fn contents_changed(&self, range: GuestRange, everywhere: bool) {
        let state = self.lock();
        let mut changed = executable(&state.regions, range);
        if everywhere {
            changed.extend(state.regions.aliases(range));
        }
        drop(state);
        self.tell(&changed);
    }

    /// Says that the open file `fd` is shorter or has lost some of its contents: code that it is mapped as may be other
    /// code, or none.
    pub(crate) fn file_changed(&self, fd: i32) {
        let mut shown = self.lock().regions.all();
        shown.retain(|(_, kind)| kind.is_executable() && kind.backing().is_some());
        if shown.is_empty() {
            return;
        }
        let Ok(identity) = host::identity_of(fd) else { return };
        shown.retain(|(_, kind)| kind.backing().is_some_and(|backing| backing.object == identity));
        let changed: Vec<GuestRange> = shown.into_iter().map(|(range, _)| range).collect();
        self.tell(&changed);
    }

    /// Notes whether children are without what is in `range` (MADV_DONTFORK).
    pub(crate) fn not_for_children(&self, range: GuestRange, not_for_children: bool) {
        let regions = &mut self.lock().regions;
        for (piece, kind) in regions.pieces(range) {
            if let Kind::Guest(mapping) = kind {
                regions.insert(piece, Kind::Guest(Mapping { not_for_children, ..mapping }));
            }
        }
    }

    /// Forgets what a process has not inherited that has just been made by fork(2).
    pub(crate) fn begin_in_child(&self) {
        let mut state = self.lock();
        let mut gone = state.regions.all();
        gone.retain(|(_, kind)| kind.mapping().is_some_and(|mapping| mapping.not_for_children));
        let mut changed = Vec::new();
        for (range, _) in gone {
            changed.extend(executable(&state.regions, range));
            state.regions.remove(range);
        }
        drop(state);
        self.tell(&changed);
    }

    /// Calls `act` if all of `range` is the guest's; ENOMEM if not. Other threads cannot unmap any of it meanwhile.
    pub(crate) fn on_guest_memory(&self, range: GuestRange, act: impl FnOnce() -> Outcome) -> Outcome {
        let state = self.lock();
        if state.regions.covers(range) { act() } else { Err(Errno(libc::ENOMEM)) }
    }

    /// Has `range`, all of it shared mappings of one object, show what begins at `offset` of the object
    /// (remap_file_pages), which `act` does.
    pub(crate) fn show_other_pages(&self, range: GuestRange, offset: u64, act: impl FnOnce() -> Outcome) -> Outcome {
        let mut state = self.lock();
        let pieces = state.regions.pieces(range);
        let prot = |kind: &Kind| kind.mapping().map(|mapping| mapping.prot);
        let differs = |kind: &Kind| kind.backing().is_none() || prot(kind) != prot(&pieces[0].1);
        if !state.regions.covers(range) || pieces.iter().any(|(_, kind)| differs(kind)) {
            return Err(Errno(libc::EINVAL));
        }
        let mut changed = executable(&state.regions, range);
        act()?;
        for (piece, kind) in pieces {
            let Kind::Guest(mapping) = kind else { continue };
            let bias = offset.wrapping_sub(range.start.0);
            let backing = mapping.backing.map(|backing| Backing { bias, ..backing });
            state.regions.insert(piece, Kind::Guest(Mapping { backing, ..mapping }));
        }
        changed.extend(executable(&state.regions, range));
        drop(state);
        self.tell(&changed);
        Ok(0)
    }

    /// Says that the guest has rewritten instructions in `range`: there, and wherever else that memory is mapped.
    pub fn code_changed(&self, range: GuestRange) {
        let mut changed = self.lock().regions.aliases(range);
        changed.push(range);
        self.tell(&changed);
    }

    /// Runs `call` with the record locked, so that no other thread is inside a change (fork).
    pub(crate) fn lock_for_fork<T>(&self, call: impl FnOnce() -> T) -> T {
        let _guard = self.lock();
        call()
    }
}

impl State {
    /// What the watcher must be told of memory that becomes executable. A thread that has unmapped other code there may
    /// not have come to telling so yet.
    fn new_code(&self, at: GuestRange) -> Vec<GuestRange> {
        executable(&self.regions, at)
    }

    /// The protection that a mapping or a change of one asks for, with what personality(2) adds.
    pub(crate) fn wanted_prot(&self, prot: Prot) -> Prot {
        if self.read_implies_exec && prot.contains(Prot::READ) { prot.union(Prot::EXEC) } else { prot }
    }

    /// Removes what the guest has in `range`, adjoining mappings by one call: the host does all of that or nothing.
    pub(crate) fn unmap(&mut self, range: GuestRange) -> Result<(), Errno> {
        for run in self.regions.runs(range) {
            host_munmap(run)?;
            self.regions.remove(run);
        }
        Ok(())
    }

    /// Where a change of protection begins that goes as far as the mapping grows.
    fn start_to_grow(&self, range: GuestRange, prot: Prot) -> Result<GuestAddr, Errno> {
        let pieces = self.regions.pieces(range);
        let (first, mapping) = pieces
            .iter()
            .find_map(|(piece, kind)| kind.mapping().map(|mapping| (piece.start, mapping)))
            .ok_or(Errno(libc::ENOMEM))?;
        if prot.0 & libc::PROT_GROWSDOWN == 0 {
            // No mapping of arm64's grows up.
            return Err(Errno(if first == range.start { libc::EINVAL } else { libc::ENOMEM }));
        }
        let grows_down = matches!(mapping.growth, Growth::Down | Growth::Stack);
        let whole = self.regions.find(first).filter(|_| grows_down).ok_or(Errno(libc::EINVAL))?;
        Ok(whole.0.start)
    }

    fn protect(&mut self, range: GuestRange, prot: Prot) -> Result<(), Errno> {
        let prot = self.wanted_prot(prot);
        let mut at = range.start;
        for (piece, kind) in self.regions.pieces(range) {
            let Kind::Guest(mapping) = kind else { break };
            if piece.start != at {
                break;
            }
            let new = Kind::Guest(Mapping { prot: guest_prot(prot), ..mapping });
            self.afford(0, if new.is_data() && !kind.is_data() { piece.bytes() } else { 0 })?;
            host::call3(libc::SYS_mprotect, piece.start.0, piece.bytes(), host_prot(prot) as u64)?;
            self.regions.insert(piece, new);
            at = piece.end;
        }
        if at == range.end { Ok(()) } else { Err(Errno(libc::ENOMEM)) }
    }
}

impl GuestMemory for &AddressSpace {
    fn map(&mut self, request: MapRequest) -> Result<GuestAddr, Errno> {
        AddressSpace::map(self, request)
    }
    fn unmap(&mut self, range: GuestRange) -> Result<(), Errno> {
        AddressSpace::unmap(self, range)
    }
    fn protect(&mut self, range: GuestRange, prot: Prot) -> Result<(), Errno> {
        AddressSpace::protect(self, range, prot)
    }
    fn is_executable(&self, addr: GuestAddr) -> bool {
        AddressSpace::is_executable(self, addr)
    }
}

#[cfg(test)]
#[path = "address_space_tests.rs"]
mod tests;
