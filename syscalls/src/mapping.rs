//! mmap(2): flags, files and places, with the kernel's errors in the kernel's order. It must not know which system call
//! asked.
//!
//! Invariant: the host maps before anything is recorded, and what a refused call has taken on the way is given back.

use crate::address_space::{State, claim, claim_exactly, executable, guest_prot, host_prot, release};
use crate::host::{self, Outcome};
use crate::regions::{Backing, Growth, Kind, Mapping, Regions};
use ir::{Errno, GuestAddr, GuestRange, MapRequest, PAGE_BYTES, Prot};
use linux_raw_sys::general::{MAP_32BIT, MAP_ABOVE4G};

/// Bits that mean something on x86-64 only; AArch64 ignores bits that it does not know.
const FOREIGN_FLAGS: i32 = (MAP_32BIT | MAP_ABOVE4G) as i32;
/// The size of huge pages, if MAP_HUGETLB does not say, and of those that anonymous memory can have without it.
const HUGE_PAGE_BYTES: u64 = 2 << 20;

/// Objects without a file, told from devices, whose numbers have 32 bits.
const ANONYMOUS: u64 = u64::MAX;

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

    /// The error of a call that is refused with `error`: the kernel looks for the file first.
    fn refused(self, error: Errno) -> Errno {
        if self.flags & libc::MAP_ANONYMOUS != 0 {
            return error;
        }
        host::call3(libc::SYS_fcntl, self.fd as u64, libc::F_GETFD as u64, 0).err().unwrap_or(error)
    }

    /// The error of a call that a limit refuses: the kernel counts last, when nothing else is wrong.
    fn beyond_a_limit(self, error: Errno, bytes: u64) -> Errno {
        let flags = self.flags & !(libc::MAP_POPULATE | libc::MAP_LOCKED) | libc::MAP_NORESERVE;
        match (Self { flags, ..self }).at(GuestRange::new(GuestAddr(0), bytes), 0) {
            Ok(start) => {
                release(&[GuestRange::new(GuestAddr(start), bytes)]);
                error
            }
            Err(sooner) => sooner,
        }
    }

    /// With MAP_SHARED_VALIDATE the host refuses MAP_FIXED_NOREPLACE as a flag that it does not know.
    fn is_validated(self) -> bool {
        self.flags & libc::MAP_TYPE == libc::MAP_SHARED_VALIDATE
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

impl State {
    /// mmap(2). Gives where the memory is, and what has become of code.
    pub(crate) fn map(&mut self, request: MapRequest) -> Result<(GuestRange, Vec<GuestRange>), Errno> {
        let MapRequest { addr, bytes, flags, fd, offset, .. } = request;
        let is_file = flags & libc::MAP_ANONYMOUS == 0;
        // READ_IMPLIES_EXEC is not for files of which nothing may be executed.
        let is_noexec = || is_file && host::is_noexec(fd);
        let mut prot = self.wanted_prot(request.prot);
        if prot != request.prot && is_noexec() {
            prot = request.prot;
        }
        let mut call = HostMap { prot: host_prot(prot), flags: flags & !FOREIGN_FLAGS, fd, offset };
        if bytes == 0 {
            let nothing = GuestRange::new(GuestAddr(0), 0);
            return Err(call.at(nothing, 0).err().unwrap_or(Errno(libc::EINVAL)));
        }
        let unit = page_unit(flags);
        let length = bytes.checked_next_multiple_of(unit).ok_or(Errno(libc::ENOMEM));
        let length = length.and_then(|bytes| self.page_range(GuestAddr(0), bytes, libc::ENOMEM));
        let length = length.map_err(|error| call.refused(error))?.bytes();
        let exactly = if flags & (libc::MAP_FIXED | libc::MAP_FIXED_NOREPLACE) == 0 {
            None
        } else {
            if unit > PAGE_BYTES && !addr.is_aligned(unit) {
                // The host refuses this too, if not for the place, then for what comes first.
                let at = GuestRange::new(addr, length);
                return Err(call.at(at, libc::MAP_FIXED_NOREPLACE).err().unwrap_or(Errno(libc::EINVAL)));
            }
            Some(self.exact_place(addr, length, flags).map_err(|error| call.refused(error))?)
        };
        if is_file && call.is_validated() && flags & FOREIGN_FLAGS != 0 {
            return Err(call.refused(Errno(libc::EOPNOTSUPP)));
        }
        if prot.contains(Prot::EXEC) && is_noexec() {
            return Err(Errno(libc::EPERM));
        }
        call.flags |= self.locked_flag();
        let growth = if flags & libc::MAP_GROWSDOWN != 0 { Growth::Down } else { Growth::None };
        let is_private = call.flags & libc::MAP_TYPE == libc::MAP_PRIVATE;
        let is_data = is_private && prot.contains(Prot::WRITE) && growth == Growth::None;
        let mapping = Mapping { growth, ..Mapping::private(guest_prot(prot)) };
        if let Some(at) = exactly {
            let changed = executable(&self.regions, at);
            self.map_exactly(at, flags, call, is_data)?;
            return Ok((self.mapped(at, call, mapping), changed));
        }
        self.afford_call(call, length, length, is_data)?;
        let align = if is_data && length.is_multiple_of(HUGE_PAGE_BYTES) { HUGE_PAGE_BYTES } else { unit };
        let at = self.map_somewhere(addr, length, align, call)?;
        Ok((self.mapped(at, call, mapping), Vec::new()))
    }

    /// The place that MAP_FIXED or MAP_FIXED_NOREPLACE names.
    fn exact_place(&self, addr: GuestAddr, bytes: u64, flags: i32) -> Result<GuestRange, Errno> {
        let at = self.page_range(addr, bytes, libc::ENOMEM)?;
        if !addr.is_aligned(PAGE_BYTES) {
            return Err(Errno(libc::EINVAL));
        }
        let is_taken = || self.regions.unmapped(at) != [at];
        if flags & libc::MAP_FIXED_NOREPLACE != 0 && is_taken() { Err(Errno(libc::EEXIST)) } else { Ok(at) }
    }

    /// Whether a mapping of `bytes` bytes, by which there are `more`, is within the limits.
    fn afford_call(&self, call: HostMap, bytes: u64, more: u64, is_data: bool) -> Result<(), Errno> {
        let data = if is_data { more } else { 0 };
        self.afford(more, data).map_err(|error| call.beyond_a_limit(error, bytes))
    }

    fn map_exactly(&mut self, at: GuestRange, flags: i32, call: HostMap, is_data: bool) -> Result<(), Errno> {
        let is_free = self.regions.unmapped(at) == [at];
        if flags & libc::MAP_FIXED_NOREPLACE != 0 && call.is_validated() {
            return call.at(at, libc::MAP_FIXED_NOREPLACE).and(Err(Errno(libc::EOPNOTSUPP)));
        }
        let more = at.bytes() - self.regions.counted_in(at);
        self.afford_call(call, at.bytes(), more, is_data)?;
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
    fn mapped(&mut self, at: GuestRange, call: HostMap, mut mapping: Mapping) -> GuestRange {
        // MAP_SHARED_VALIDATE has the bit too.
        mapping.backing = if call.flags & libc::MAP_SHARED != 0 { self.backing(call, at) } else { None };
        if at == self.layout.stack {
            mapping.growth = Growth::Stack;
        }
        self.regions.insert(at, Kind::Guest(mapping));
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
}
