//! System V segments in the guest's address space, which they enter and leave without mmap. It must not know which
//! system call asked.
//!
//! Invariant: a segment's mappings are told by what they show, wherever they have moved and whatever is left of them.

use crate::address_space::{AddressSpace, claim, executable, release};
use crate::host::Outcome;
use crate::regions::{Backing, Kind, Mapping, Regions};
use ir::{Errno, GuestAddr, GuestRange, PAGE_BYTES, Prot};

/// The kind of object that segments are, told from devices, whose numbers have 32 bits.
const SEGMENT: u64 = u64::MAX - 1;

impl AddressSpace {
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
                let wraps = addr.0.checked_add(bytes).is_none();
                let at = state.page_range(addr, bytes, if wraps { libc::EINVAL } else { libc::ENOMEM })?;
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
        state.regions.insert(at, Kind::Guest(Mapping { backing: Some(backing), ..Mapping::private(prot) }));
        changed.extend(executable(&state.regions, at));
        drop(state);
        self.tell(&changed);
        Ok(at.start)
    }

    /// Forgets what is left of a segment that seems to begin at `addr`, which the host's kernel removes in `detach`
    /// (shmdt). Other threads cannot map anything else there in between. As in the kernel, what counts is where the
    /// segment's first page would be, not that it is there.
    pub(crate) fn detach(&self, addr: GuestAddr, detach: impl FnOnce() -> Outcome) -> Outcome {
        let mut state = self.lock();
        let bias = addr.0.wrapping_neg();
        let is_part = |backing: &Backing| backing.object.0 == SEGMENT && backing.bias == bias;
        let mut parts: Vec<_> = state.regions.all();
        parts.retain(|(part, kind)| part.start >= addr && kind.backing().as_ref().is_some_and(is_part));
        let first = parts.first().and_then(|(_, kind)| kind.backing()).ok_or(Errno(libc::EINVAL))?;
        parts.retain(|(_, kind)| kind.backing() == Some(first));
        let result = detach()?;
        let mut changed = Vec::new();
        for (part, _) in parts {
            changed.extend(executable(&state.regions, part));
            state.regions.remove(part);
        }
        drop(state);
        self.tell(&changed);
        Ok(result)
    }
}
