//! What a core file needs to know that is kept here: whether there is to be one, how the thread dies, and where the
//! guest has memory. It must not know what a core file looks like.

use crate::address_space::AddressSpace;
use crate::host;
use crate::limits;
use crate::process::{Process, Thread};
use crate::regions::Kind;
use crate::signals;
use ir::{GuestRange, PAGE_BYTES, Prot};

/// A piece of the guest's memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapped {
    /// Where.
    pub range: GuestRange,
    /// What the guest may do there.
    pub prot: Prot,
}

impl AddressSpace {
    /// All that the guest has mapped, in order, and nothing else.
    #[must_use]
    pub fn mapped(&self) -> Vec<Mapped> {
        let guests = |(range, kind)| match kind {
            Kind::Guest(mapping) => Some(Mapped { range, prot: mapping.prot }),
            Kind::Guard => None,
        };
        self.lock().regions.all().into_iter().filter_map(guests).collect()
    }
}

impl Process {
    /// How large a core file may be that the process leaves when it dies of `signal`. None if it leaves none.
    #[must_use]
    pub fn core_limit(&self, signal: i32) -> Option<u64> {
        /// SUID_DUMP_USER
        const OF_THE_USER: u64 = 1;
        let is_dumpable = host::call3(libc::SYS_prctl, libc::PR_GET_DUMPABLE as u64, 0, 0) == Ok(OF_THE_USER);
        let limit = limits::soft_core_limit();
        (signals::leaves_core(signal) && is_dumpable && limit >= PAGE_BYTES).then_some(limit)
    }

    /// Sets how large a core file of emu the host's kernel may write if this process dies: none with less than a page.
    pub fn limit_host_core(&self, bytes: u64) {
        limits::limit_core(bytes);
    }
}

impl Thread {
    /// The siginfo of the signal that the process dies of.
    #[must_use]
    pub fn death(&self, signal: i32) -> [u64; 16] {
        let mut info = [0; 16];
        info[0] = signal as u64;
        self.state.died_of.unwrap_or(info)
    }

    /// The signals that the thread blocks.
    #[must_use]
    pub fn mask(&self) -> u64 {
        self.state.port.mask()
    }

    /// Has no signal come to the calling thread any more, but for those that emu needs.
    pub fn be_deaf(&self) {
        let _ = host::sigmask(libc::SIG_SETMASK, Some(signals::BLOCKABLE));
    }
}
