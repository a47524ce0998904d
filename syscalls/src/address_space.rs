//! The guest's address space: makes, changes and removes its mappings on the host and records them. PROT_EXEC is kept
//! in the record only: guest code is read, never run. It must not know which system call asked.
//!
//! Invariant: what is recorded is mapped on the host and not emu's. Emu's own memory comes and goes (its allocator,
//! thread stacks), so it is not listed anywhere: a page that the record lacks is taken with MAP_FIXED_NOREPLACE,
//! which the kernel refuses where anything of emu's lies.

use crate::host::{self, Outcome};
use crate::limits;
use crate::regions::{Backing, Kind, Regions};
use ir::{CodeWatcher, Errno, GuestAddr, GuestMemory, GuestRange, MapRequest, PAGE_BYTES, Prot};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// End of user addresses on the host: 47 bits, less a page.
const TASK_END: u64 = (1 << 47) - PAGE_BYTES;
/// MAP_32BIT of x86-64; the bit means nothing on AArch64, where unknown bits are ignored.
const MAP_32BIT: i32 = 0x40;
/// PROT_GROWSDOWN and PROT_GROWSUP: arguments of mprotect(2), not protections.
const PROT_GROWS: i32 = 0x0300_0000;
const PROT_GROWSDOWN: i32 = 0x0100_0000;
/// How much to keep free for brk(2), when there is room.
const BRK_RESERVE_BYTES: u64 = 1 << 30;

/// Objects without a file, told from devices, whose numbers have 32 bits.
const ANONYMOUS: u64 = u64::MAX;
const SEGMENT: u64 = u64::MAX - 1;

struct State {
    regions: Regions,
    /// Shared anonymous mappings made so far.
    anonymous: u64,
    brk_start: GuestAddr,
    brk: GuestAddr,
}

/// The guest's address space. Shared by all threads; `&AddressSpace` is a [`GuestMemory`].
pub struct AddressSpace {
    state: Mutex<State>,
    watcher: Arc<dyn CodeWatcher>,
}

fn host_mmap(at: GuestRange, prot: i32, flags: i32) -> Outcome {
    host::call(libc::SYS_mmap, [at.start.0, at.bytes(), prot as u64, flags as u64, u64::MAX, 0])
}

fn host_munmap(at: GuestRange) -> Outcome {
    host::call3(libc::SYS_munmap, at.start.0, at.bytes(), 0)
}

/// The protection the host gets: code must be readable, and is not executable.
fn host_prot(prot: Prot) -> i32 {
    let readable = if prot.contains(Prot::EXEC) { libc::PROT_READ } else { 0 };
    prot.0 & (libc::PROT_READ | libc::PROT_WRITE) | readable
}

/// The protection bits that are recorded: PROT_BTI and the like change nothing here.
fn guest_prot(prot: Prot) -> Prot {
    Prot(prot.0 & 7)
}

fn page_range(addr: GuestAddr, bytes: u64, too_long: i32) -> Result<GuestRange, Errno> {
    let bytes = bytes.checked_next_multiple_of(PAGE_BYTES).ok_or(Errno(too_long))?;
    if bytes > TASK_END || addr.0 > TASK_END - bytes {
        return Err(Errno(too_long));
    }
    Ok(GuestRange::new(addr, bytes))
}

/// Takes the pages of `at` that are not recorded, so that a MAP_FIXED over it replaces nothing of emu's. Gives what
/// was taken, to be given back if the call then fails.
fn claim(regions: &Regions, at: GuestRange) -> Result<Vec<GuestRange>, Errno> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED_NOREPLACE;
    let mut taken = Vec::new();
    for gap in regions.gaps(at) {
        match host_mmap(gap, libc::PROT_NONE, flags) {
            Ok(_) => taken.push(gap),
            Err(error) => {
                release(&taken);
                return Err(if error.0 == libc::EEXIST { Errno(libc::ENOMEM) } else { error });
            }
        }
    }
    Ok(taken)
}

fn release(taken: &[GuestRange]) {
    for range in taken {
        let _ = host_munmap(*range);
    }
}

fn executable(regions: &Regions, at: GuestRange) -> Vec<GuestRange> {
    regions.pieces(at).into_iter().filter(|(_, kind)| kind.is_executable()).map(|(piece, _)| piece).collect()
}

impl AddressSpace {
    /// An empty address space, whose changes to code `watcher` is told.
    pub(crate) fn new(watcher: Arc<dyn CodeWatcher>) -> Self {
        let state = State { regions: Regions::default(), anonymous: 0, brk_start: GuestAddr(0), brk: GuestAddr(0) };
        Self { state: Mutex::new(state), watcher }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // The lock is never held here: the watcher has locks of its own and may ask `is_executable`.
    fn tell(&self, changed: &[GuestRange]) {
        for range in changed {
            self.watcher.code_changed(*range);
        }
    }

    /// mmap(2). Refuses with `ENOMEM` to replace emu's own memory.
    pub fn map(&self, request: MapRequest) -> Result<GuestAddr, Errno> {
        let mut state = self.lock();
        let (addr, mut changed) = state.map(request)?;
        let mapped = GuestRange::new(addr, request.bytes.next_multiple_of(PAGE_BYTES));
        changed.extend(state.new_code(mapped, request.prot));
        drop(state);
        self.tell(&changed);
        Ok(addr)
    }

    /// munmap(2). Leaves emu's own memory in the range alone.
    pub fn unmap(&self, range: GuestRange) -> Result<(), Errno> {
        if !range.start.is_aligned(PAGE_BYTES) || range.bytes() == 0 {
            return Err(Errno(libc::EINVAL));
        }
        let range = page_range(range.start, range.bytes(), libc::EINVAL)?;
        let mut state = self.lock();
        let changed = executable(&state.regions, range);
        let result = state.unmap(range);
        drop(state);
        self.tell(&changed);
        result
    }

    /// mprotect(2).
    pub fn protect(&self, range: GuestRange, prot: Prot) -> Result<(), Errno> {
        if !range.start.is_aligned(PAGE_BYTES) || prot.0 & PROT_GROWS == PROT_GROWS {
            return Err(Errno(libc::EINVAL));
        }
        if range.bytes() == 0 {
            return Ok(());
        }
        let mut range = page_range(range.start, range.bytes(), libc::ENOMEM)?;
        let mut state = self.lock();
        if prot.0 & PROT_GROWSDOWN != 0
            && let Some((found, _)) = state.regions.find(range.start)
        {
            range.start = found.start;
        }
        let mut changed = executable(&state.regions, range);
        let result = state.protect(range, prot);
        changed.extend(state.new_code(range, prot));
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
        if !from.is_aligned(PAGE_BYTES) || new_bytes == 0 {
            return Err(Errno(libc::EINVAL));
        }
        let old = page_range(from, old_bytes, libc::EINVAL)?;
        let new_bytes = page_range(GuestAddr(0), new_bytes, libc::EINVAL)?.bytes();
        let mut state = self.lock();
        let (addr, changed) = state.remap(old, new_bytes, flags, to)?;
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
        const SEGV_MAPERR: i32 = 1;
        const SEGV_ACCERR: i32 = 2;
        let is_mapped = self.lock().regions.find(addr).is_some_and(|(_, kind)| kind.is_guest());
        if is_mapped { SEGV_ACCERR } else { SEGV_MAPERR }
    }

    /// Whether `addr` is one that the guest could have memory at.
    #[must_use]
    pub fn is_in_task(&self, addr: GuestAddr) -> bool {
        addr.0 < TASK_END
    }

    /// Sets where brk(2) begins, after the program's last segment, and keeps room there.
    pub fn start_brk(&self, at: GuestAddr) {
        let mut state = self.lock();
        state.brk_start = at.page_up();
        state.brk = state.brk_start;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED_NOREPLACE;
        // Of little address space (`ulimit -v`) most is left to other things; brk(2) goes on without a reserve.
        let mut bytes = BRK_RESERVE_BYTES.min((limits::address_space() / 8).next_power_of_two());
        while bytes >= 1 << 20 {
            if let Ok(range) = page_range(state.brk_start, bytes, libc::ENOMEM)
                && host_mmap(range, libc::PROT_NONE, flags).is_ok()
            {
                state.regions.insert(range, Kind::Reserved);
                return;
            }
            bytes /= 2;
        }
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
        for (piece, kind) in state.regions.pieces(range) {
            if kind.is_guest() {
                act(piece)?;
            }
        }
        Ok(state.regions.covers(range))
    }

    /// Says that the guest has rewritten instructions in `range`: there, and wherever else that memory is mapped.
    pub fn code_changed(&self, range: GuestRange) {
        let mut changed = self.lock().regions.aliases(range);
        changed.push(range);
        self.tell(&changed);
    }

    /// Records a mapping of the System V segment `id` that the host kernel made for the guest by itself (shmat).
    pub(crate) fn adopt(&self, range: GuestRange, prot: Prot, id: u64) {
        let backing = Backing { object: (SEGMENT, id), bias: range.start.0.wrapping_neg() };
        self.lock().regions.insert(range, Kind::Guest { prot: guest_prot(prot), backing: Some(backing) });
    }

    /// Forgets a mapping that the host kernel removes in `detach` (shmdt). Other threads cannot map anything else there
    /// in between.
    pub(crate) fn forget(&self, range: GuestRange, detach: impl FnOnce() -> Outcome) -> Outcome {
        let mut state = self.lock();
        let changed = executable(&state.regions, range);
        let result = detach();
        state.regions.remove(range);
        drop(state);
        self.tell(&changed);
        result
    }

    /// Runs `call` with the record locked, so that no other thread is inside a change (fork).
    pub(crate) fn quiet<T>(&self, call: impl FnOnce() -> T) -> T {
        let _guard = self.lock();
        call()
    }
}

impl State {
    /// What the watcher must be told of memory that becomes executable. A thread that has unmapped other code there may
    /// not have come to telling so yet.
    fn new_code(&self, at: GuestRange, prot: Prot) -> Vec<GuestRange> {
        if prot.contains(Prot::EXEC) { executable(&self.regions, at) } else { Vec::new() }
    }

    fn map(&mut self, request: MapRequest) -> Result<(GuestAddr, Vec<GuestRange>), Errno> {
        let MapRequest { addr, bytes, prot, fd, offset, .. } = request;
        if bytes == 0 {
            return Err(Errno(libc::EINVAL));
        }
        let mut flags = request.flags & !MAP_32BIT;
        let length = page_range(GuestAddr(0), bytes, libc::ENOMEM)?.bytes();
        let fixed = flags & libc::MAP_FIXED != 0 && flags & libc::MAP_FIXED_NOREPLACE != libc::MAP_FIXED_NOREPLACE;
        let mut taken = Vec::new();
        if fixed {
            if !addr.is_aligned(PAGE_BYTES) {
                return Err(Errno(libc::EINVAL));
            }
            let at = page_range(addr, length, libc::ENOMEM)?;
            if self.regions.gaps(at) == [at] {
                flags = flags & !libc::MAP_FIXED | libc::MAP_FIXED_NOREPLACE;
            } else {
                taken = claim(&self.regions, at)?;
            }
        }
        let args = [addr.0, length, host_prot(prot) as u64, flags as u64, fd as u64, offset as u64];
        match host::call(libc::SYS_mmap, args) {
            Ok(start) => {
                let at = GuestRange::new(GuestAddr(start), length);
                let changed = executable(&self.regions, at);
                // MAP_SHARED_VALIDATE has the bit too.
                let backing = if flags & libc::MAP_SHARED != 0 { self.backing(flags, fd, offset, at) } else { None };
                self.regions.insert(at, Kind::Guest { prot: guest_prot(prot), backing });
                Ok((at.start, changed))
            }
            Err(error) => {
                release(&taken);
                Err(if fixed && error.0 == libc::EEXIST { Errno(libc::ENOMEM) } else { error })
            }
        }
    }

    /// What a new shared mapping shows.
    fn backing(&mut self, flags: i32, fd: i32, offset: i64, at: GuestRange) -> Option<Backing> {
        if flags & libc::MAP_ANONYMOUS != 0 {
            self.anonymous += 1;
            return Some(Backing { object: (ANONYMOUS, self.anonymous), bias: at.start.0.wrapping_neg() });
        }
        // The file just mapped is open: this fails only if another thread has closed it since.
        let (device, inode) = host::identity_of(fd).ok()?;
        Some(Backing { object: (device, inode), bias: (offset as u64).wrapping_sub(at.start.0) })
    }

    fn unmap(&mut self, range: GuestRange) -> Result<(), Errno> {
        for (piece, kind) in self.regions.pieces(range) {
            if kind.is_guest() {
                host_munmap(piece)?;
                self.regions.remove(piece);
            }
        }
        Ok(())
    }

    fn protect(&mut self, range: GuestRange, prot: Prot) -> Result<(), Errno> {
        let mut at = range.start;
        for (piece, kind) in self.regions.pieces(range) {
            let Kind::Guest { backing, .. } = kind else { break };
            if piece.start != at {
                break;
            }
            host::call3(libc::SYS_mprotect, piece.start.0, piece.bytes(), host_prot(prot) as u64)?;
            self.regions.insert(piece, Kind::Guest { prot: guest_prot(prot), backing });
            at = piece.end;
        }
        if at == range.end { Ok(()) } else { Err(Errno(libc::ENOMEM)) }
    }

    fn remap(
        &mut self,
        old: GuestRange,
        new_bytes: u64,
        flags: i32,
        to: GuestAddr,
    ) -> Result<(GuestAddr, Vec<GuestRange>), Errno> {
        let source = if old.bytes() == 0 { GuestRange::new(old.start, PAGE_BYTES) } else { old };
        if !self.regions.covers(source) {
            return Err(Errno(libc::EFAULT));
        }
        let kind = self.regions.find(old.start).map(|(_, kind)| kind).ok_or(Errno(libc::EFAULT))?;
        let mut taken = Vec::new();
        if flags & libc::MREMAP_FIXED != 0 {
            if !to.is_aligned(PAGE_BYTES) {
                return Err(Errno(libc::EINVAL));
            }
            let target = page_range(to, new_bytes, libc::EINVAL)?;
            if target.overlaps(old) {
                return Err(Errno(libc::EINVAL));
            }
            taken = claim(&self.regions, target)?;
        }
        let args = [old.start.0, old.bytes(), new_bytes, flags as u64, to.0, 0];
        let start = match host::call(libc::SYS_mremap, args) {
            Ok(start) => GuestAddr(start),
            Err(error) => {
                release(&taken);
                return Err(error);
            }
        };
        let new = GuestRange::new(start, new_bytes);
        let mut changed = executable(&self.regions, old);
        changed.extend(executable(&self.regions, new));
        if flags & libc::MREMAP_DONTUNMAP == 0 {
            self.regions.remove(old);
        }
        let kind = match kind {
            Kind::Guest { prot, backing } => {
                Kind::Guest { prot, backing: backing.map(|backing| backing.moved(old.start, new.start)) }
            }
            Kind::Reserved => kind,
        };
        self.regions.insert(new, kind);
        Ok((start, changed))
    }

    fn brk(&mut self, to: GuestAddr) -> Vec<GuestRange> {
        if to < self.brk_start || to.0 > TASK_END {
            return Vec::new();
        }
        let (old_end, new_end) = (self.brk.page_up(), to.page_up());
        let anonymous = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        if new_end > old_end {
            let grow = GuestRange { start: old_end, end: new_end };
            // Anything the guest put in the way stops the heap, as it does on Linux.
            if self.regions.pieces(grow).iter().any(|(_, kind)| kind.is_guest()) {
                return Vec::new();
            }
            let Ok(taken) = claim(&self.regions, grow) else { return Vec::new() };
            let prot = libc::PROT_READ | libc::PROT_WRITE;
            if host_mmap(grow, prot, anonymous | libc::MAP_FIXED).is_err() {
                release(&taken);
                return Vec::new();
            }
            self.regions.insert(grow, Kind::Guest { prot: Prot(prot), backing: None });
        }
        self.brk = to;
        if new_end >= old_end {
            return Vec::new();
        }
        let shrink = GuestRange { start: new_end, end: old_end };
        let changed = executable(&self.regions, shrink);
        for (piece, _) in self.regions.pieces(shrink) {
            let flags = anonymous | libc::MAP_NORESERVE | libc::MAP_FIXED;
            if host_mmap(piece, libc::PROT_NONE, flags).is_ok() {
                self.regions.insert(piece, Kind::Reserved);
            }
        }
        changed
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
