//! The guest's address space: makes, changes and removes its mappings on the host and records them. PROT_EXEC is kept
//! in the record only: guest code is read, never run. It must not know which system call asked.
//!
//! Invariant: what is recorded is mapped on the host and not emu's. Emu's own memory comes and goes (its allocator,
//! thread stacks), so it is not listed anywhere: a page that the record lacks is taken with MAP_FIXED_NOREPLACE,
//! which the kernel refuses where anything of emu's lies. `placement.rs` chooses places so that this does not happen.

use crate::host::{self, Outcome};
use crate::locking::LockFuture;
use crate::placement::{self, Bounds};
use crate::regions::{Backing, Growth, Kind, Regions};
use ir::{CodeWatcher, Errno, GuestAddr, GuestMemory, GuestRange, Layout, MapRequest, PAGE_BYTES, Prot};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bits that mean something on x86-64 only (MAP_32BIT, MAP_ABOVE4G); AArch64 ignores bits that it does not know.
const FOREIGN_FLAGS: i32 = 0xc0;
/// MAP_TYPE
const TYPE_MASK: i32 = 0xf;
/// PROT_GROWSDOWN and PROT_GROWSUP: arguments of mprotect(2), not protections.
const PROT_GROWS: i32 = 0x0300_0000;
const PROT_GROWSDOWN: i32 = 0x0100_0000;
/// What else mprotect(2) takes: PROT_SEM and PROT_BTI.
const PROT_OTHERS: i32 = 0x18;
/// The size of huge pages, if MAP_HUGETLB does not say, and of those that anonymous memory can have without it.
const HUGE_PAGE_BYTES: u64 = 2 << 20;

/// Objects without a file, told from devices, whose numbers have 32 bits.
const ANONYMOUS: u64 = u64::MAX;
const SEGMENT: u64 = u64::MAX - 1;

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
    anonymous: u64,
    brk_start: GuestAddr,
    brk: GuestAddr,
}

/// The guest's address space. Shared by all threads; `&AddressSpace` is a [`GuestMemory`].
pub struct AddressSpace {
    state: Mutex<State>,
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
fn guest_prot(prot: Prot) -> Prot {
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

/// What mmap(2) tells the host but for the place.
#[derive(Clone, Copy)]
struct HostMap {
    prot: i32,
    flags: i32,
    fd: i32,
    offset: i64,
}

impl HostMap {
    fn at(self, at: GuestRange, extra_flags: i32) -> Outcome {
        let flags = self.flags & !(libc::MAP_FIXED | libc::MAP_FIXED_NOREPLACE) | extra_flags;
        let Self { prot, fd, offset, .. } = self;
        host::call(libc::SYS_mmap, [at.start.0, at.bytes(), prot as u64, flags as u64, fd as u64, offset as u64])
    }

    /// With MAP_SHARED_VALIDATE the host refuses MAP_FIXED_NOREPLACE as a flag that it does not know.
    fn is_validated(self) -> bool {
        self.flags & TYPE_MASK == libc::MAP_SHARED_VALIDATE
    }

    /// At a place where the guest has nothing. EEXIST if it is taken all the same.
    fn at_free(self, regions: &Regions, at: GuestRange) -> Outcome {
        if self.is_validated() { self.over(&claim(regions, at)?, at) } else { self.at(at, libc::MAP_FIXED_NOREPLACE) }
    }

    /// In place of what is there, of which `taken` has just been taken.
    fn over(self, taken: &[GuestRange], at: GuestRange) -> Outcome {
        self.at(at, libc::MAP_FIXED).inspect_err(|_| release(taken))
    }
}

/// What a mapping's length and address must be multiples of.
fn page_unit(flags: i32) -> u64 {
    if flags & (libc::MAP_HUGETLB | libc::MAP_ANONYMOUS) != libc::MAP_HUGETLB | libc::MAP_ANONYMOUS {
        return PAGE_BYTES;
    }
    match flags as u32 >> libc::MAP_HUGE_SHIFT & libc::MAP_HUGE_MASK as u32 {
        0 => HUGE_PAGE_BYTES,
        log2 @ 12..=36 => 1 << log2,
        _ => PAGE_BYTES,
    }
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
        Self { state: Mutex::new(state), watcher }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
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
        if !range.start.is_aligned(PAGE_BYTES) || prot.0 & PROT_GROWS == PROT_GROWS || prot.0 & !known != 0 {
            return Err(Errno(libc::EINVAL));
        }
        if range.bytes() == 0 {
            return Ok(());
        }
        let mut state = self.lock();
        let mut range = state.page_range(range.start, range.bytes(), libc::ENOMEM)?;
        if prot.0 & PROT_GROWS != 0 {
            let (found, kind) = state.regions.find(range.start).ok_or(Errno(libc::ENOMEM))?;
            let grows_down = matches!(kind, Kind::Guest { growth: Growth::Down | Growth::Stack, .. });
            if prot.0 & PROT_GROWSDOWN == 0 || !grows_down {
                return Err(Errno(libc::EINVAL));
            }
            range.start = found.start;
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
        const SEGV_MAPERR: i32 = 1;
        const SEGV_ACCERR: i32 = 2;
        let is_mapped = self.lock().regions.find(addr).is_some_and(|(_, kind)| kind.is_guest());
        if is_mapped { SEGV_ACCERR } else { SEGV_MAPERR }
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
        for (piece, kind) in state.regions.pieces(range) {
            if kind.is_guest() {
                act(piece)?;
            }
        }
        Ok(state.regions.covers(range))
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
        if !state.regions.covers(range) || pieces.iter().any(|(_, kind)| kind.backing().is_none()) {
            return Err(Errno(libc::EINVAL));
        }
        let mut changed = executable(&state.regions, range);
        act()?;
        for (piece, kind) in pieces {
            let Kind::Guest { prot, backing: Some(backing), growth } = kind else { continue };
            let bias = offset.wrapping_sub(range.start.0);
            state.regions.insert(piece, Kind::Guest { prot, backing: Some(Backing { bias, ..backing }), growth });
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

    /// Attaches the System V segment `id` of `bytes` bytes (shmat): at `addr`, in place of what is there, or anywhere.
    /// `attach` does so at the address that it is given, over memory that may be replaced.
    pub(crate) fn attach(
        &self,
        addr: Option<GuestAddr>,
        bytes: u64,
        prot: Prot,
        id: u64,
        replace: bool,
        mut attach: impl FnMut(GuestAddr) -> Outcome,
    ) -> Result<GuestAddr, Errno> {
        let mut state = self.lock();
        let mut over = |regions: &Regions, at: GuestRange| {
            let taken = claim(regions, at)?;
            attach(at.start).inspect_err(|_| release(&taken))
        };
        let at = match addr {
            Some(addr) => {
                let at = state.page_range(addr, bytes, libc::EINVAL)?;
                let taken = if state.regions.unmapped(at) == [at] { 0 } else { at.bytes() };
                if taken > 0 && !replace {
                    return Err(Errno(libc::EINVAL));
                }
                state.afford(at.bytes() - state.regions.counted_in(at), 0)?;
                over(&state.regions, at)
                    .map_err(|error| if error.0 == libc::EEXIST { Errno(libc::EINVAL) } else { error })?;
                at
            }
            None => {
                let bytes = state.page_range(GuestAddr(0), bytes, libc::ENOMEM)?.bytes();
                state.afford(bytes, 0)?;
                state.somewhere(GuestAddr(0), bytes, PAGE_BYTES, |at| over(&state.regions, at))?
            }
        };
        let mut changed = executable(&state.regions, at);
        let backing = Backing { object: (SEGMENT, id), bias: at.start.0.wrapping_neg() };
        let kind = Kind::Guest { prot: guest_prot(prot), backing: Some(backing), growth: Growth::None };
        state.regions.insert(at, kind);
        changed.extend(state.new_code(at));
        drop(state);
        self.tell(&changed);
        Ok(at.start)
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
    fn new_code(&self, at: GuestRange) -> Vec<GuestRange> {
        executable(&self.regions, at)
    }

    /// The protection that a mapping or a change of one asks for, with what personality(2) adds.
    fn wanted_prot(&self, prot: Prot) -> Prot {
        if self.read_implies_exec && prot.contains(Prot::READ) { prot.union(Prot::EXEC) } else { prot }
    }

    fn map(&mut self, request: MapRequest) -> Result<(GuestRange, Vec<GuestRange>), Errno> {
        let MapRequest { addr, bytes, fd, offset, .. } = request;
        let prot = self.wanted_prot(request.prot);
        let is_file = request.flags & libc::MAP_ANONYMOUS == 0;
        let mut call = HostMap { prot: host_prot(prot), flags: request.flags & !FOREIGN_FLAGS, fd, offset };
        if is_file && call.is_validated() && request.flags & FOREIGN_FLAGS != 0 {
            return Err(Errno(libc::EOPNOTSUPP));
        }
        if bytes == 0 {
            let nothing = GuestRange::new(GuestAddr(0), 0);
            return Err(call.at(nothing, 0).err().unwrap_or(Errno(libc::EINVAL)));
        }
        if is_file && prot.contains(Prot::EXEC) && host::is_noexec(fd) {
            return Err(Errno(libc::EPERM));
        }
        let unit = page_unit(request.flags);
        let length = bytes.checked_next_multiple_of(unit).ok_or(Errno(libc::ENOMEM))?;
        let length = self.page_range(GuestAddr(0), length, libc::ENOMEM)?.bytes();
        call.flags |= self.locked_flag();
        let is_data = call.flags & TYPE_MASK == libc::MAP_PRIVATE && prot.contains(Prot::WRITE);
        let data = if is_data { length } else { 0 };
        let growth = if request.flags & libc::MAP_GROWSDOWN != 0 { Growth::Down } else { Growth::None };
        let kind = Kind::Guest { prot: guest_prot(prot), backing: None, growth };
        if request.flags & (libc::MAP_FIXED | libc::MAP_FIXED_NOREPLACE) != 0 {
            if !addr.is_aligned(PAGE_BYTES) {
                return Err(Errno(libc::EINVAL));
            }
            let at = self.page_range(addr, length, libc::ENOMEM)?;
            let changed = executable(&self.regions, at);
            self.map_exactly(at, request.flags, call, data)?;
            return Ok((self.mapped(at, call, kind), changed));
        }
        self.afford(length, data)?;
        let align = if data > 0 && length.is_multiple_of(HUGE_PAGE_BYTES) { HUGE_PAGE_BYTES } else { unit };
        let at = self.map_somewhere(addr, length, align, call)?;
        Ok((self.mapped(at, call, kind), Vec::new()))
    }

    fn map_exactly(&mut self, at: GuestRange, flags: i32, call: HostMap, data: u64) -> Result<(), Errno> {
        let is_free = self.regions.unmapped(at) == [at];
        if flags & libc::MAP_FIXED_NOREPLACE != 0 {
            if call.is_validated() {
                return call.at(at, libc::MAP_FIXED_NOREPLACE).and(Err(Errno(libc::EOPNOTSUPP)));
            }
            if !is_free {
                return Err(Errno(libc::EEXIST));
            }
        }
        self.afford(at.bytes() - self.regions.counted_in(at), data)?;
        if !is_free {
            return call.over(&claim_exactly(&self.regions, at)?, at).map(|_| ());
        }
        let insists = flags & libc::MAP_FIXED_NOREPLACE == 0;
        call.at_free(&self.regions, at).map(|_| ()).map_err(|error| match error {
            Errno(libc::EEXIST) if insists => Errno(libc::ENOMEM),
            error => error,
        })
    }

    fn map_somewhere(&self, hint: GuestAddr, bytes: u64, align: u64, call: HostMap) -> Result<GuestRange, Errno> {
        let regions = &self.regions;
        let found = self.somewhere(hint, bytes, align, |at| call.at_free(regions, at));
        if found != Err(Errno(libc::EINVAL)) || call.flags & libc::MAP_ANONYMOUS != 0 {
            return found;
        }
        // Of a hugetlbfs, which wants its own alignment; or of a driver that knows its places itself (io_uring).
        let aligned = self.somewhere(hint, bytes, HUGE_PAGE_BYTES, |at| call.at_free(regions, at));
        aligned.or_else(|_| {
            let start = call.at(GuestRange::new(GuestAddr(0), bytes), 0)?;
            Ok(GuestRange::new(GuestAddr(start), bytes))
        })
    }

    /// Records what the host has mapped.
    fn mapped(&mut self, at: GuestRange, call: HostMap, mut kind: Kind) -> GuestRange {
        // MAP_SHARED_VALIDATE has the bit too.
        let shown = if call.flags & libc::MAP_SHARED != 0 { self.backing(call, at) } else { None };
        if let Kind::Guest { backing, growth, .. } = &mut kind {
            *backing = shown;
            if at == self.layout.stack {
                *growth = Growth::Stack;
            }
        }
        self.regions.insert(at, kind);
        if at == self.layout.stack {
            self.guard_stack(at);
        }
        self.lock_new(at);
        at
    }

    /// What a new shared mapping shows.
    fn backing(&mut self, call: HostMap, at: GuestRange) -> Option<Backing> {
        if call.flags & libc::MAP_ANONYMOUS != 0 {
            self.anonymous += 1;
            return Some(Backing { object: (ANONYMOUS, self.anonymous), bias: at.start.0.wrapping_neg() });
        }
        // The file just mapped is open: this fails only if another thread has closed it since, or it has no inode.
        let (device, inode) = host::identity_of(call.fd).ok()?;
        Some(Backing { object: (device, inode), bias: (call.offset as u64).wrapping_sub(at.start.0) })
    }

    pub(crate) fn unmap(&mut self, range: GuestRange) -> Result<(), Errno> {
        for (piece, kind) in self.regions.pieces(range) {
            if kind.is_guest() {
                host_munmap(piece)?;
                self.regions.remove(piece);
            }
        }
        Ok(())
    }

    fn protect(&mut self, range: GuestRange, prot: Prot) -> Result<(), Errno> {
        let prot = self.wanted_prot(prot);
        let mut at = range.start;
        for (piece, kind) in self.regions.pieces(range) {
            let Kind::Guest { backing, growth, .. } = kind else { break };
            if piece.start != at {
                break;
            }
            let new = Kind::Guest { prot: guest_prot(prot), backing, growth };
            self.afford(0, if new.is_data() && !kind.is_data() { piece.bytes() } else { 0 })?;
            host::call3(libc::SYS_mprotect, piece.start.0, piece.bytes(), host_prot(prot) as u64)?;
            self.regions.insert(piece, new);
            at = piece.end;
        }
        if at == range.end { Ok(()) } else { Err(Errno(libc::ENOMEM)) }
    }

    fn brk(&mut self, to: GuestAddr) -> Vec<GuestRange> {
        if to < self.brk_start || to.0 > self.layout.ordinary_end {
            return Vec::new();
        }
        let (old_end, new_end) = (self.brk.page_up(), to.page_up());
        if new_end > old_end {
            let grow = GuestRange { start: old_end, end: new_end };
            let heap_bytes = new_end.0 - self.brk_start.0;
            // Anything the guest put in the way stops the heap, as it does on Linux.
            if !self.regions.is_free(grow)
                || heap_bytes > self.bounds.data
                || self.afford(grow.bytes(), grow.bytes()).is_err()
            {
                return Vec::new();
            }
            let prot = self.wanted_prot(Prot::READ.union(Prot::WRITE));
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE | self.locked_flag();
            if host_mmap(grow, host_prot(prot), flags).is_err() {
                return Vec::new();
            }
            self.regions.insert(grow, Kind::Guest { prot, backing: None, growth: Growth::None });
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
