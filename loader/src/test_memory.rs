//! For tests: guest memory straight from the host, without emu's own to protect. Unsafe because it maps memory.
#![allow(unsafe_code)]

use ir::{Errno, GuestAddr, GuestMemory, GuestRange, MapRequest, Prot};

/// Remembers what was mapped and unmaps it in the end.
#[derive(Default)]
pub(crate) struct HostMemory {
    /// Every successful request, with the address that came of it.
    pub mapped: Vec<(GuestRange, MapRequest)>,
    pub protected: Vec<(GuestRange, Prot)>,
    pub unmapped: Vec<GuestRange>,
}

fn errno() -> Errno {
    Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

impl HostMemory {
    /// The latest request for the page of `addr`, unless it has been unmapped since reservation.
    pub(crate) fn prot_of(&self, addr: GuestAddr) -> Option<Prot> {
        let latest = self.mapped.iter().rev().find(|(range, _)| range.contains(addr))?;
        let gone = latest.1.prot == Prot::NONE && self.unmapped.iter().any(|range| range.contains(addr));
        (!gone).then_some(latest.1.prot)
    }

    pub(crate) fn bytes(addr: GuestAddr, count: usize) -> Vec<u8> {
        let mut bytes = vec![0xee; count];
        ir::memory::install_handler();
        ir::memory::read_bytes(addr, &mut bytes).unwrap();
        bytes
    }

    pub(crate) fn word(addr: GuestAddr) -> u64 {
        ir::memory::load_u64(addr).unwrap()
    }

    pub(crate) fn string(mut addr: GuestAddr) -> String {
        let mut text = String::new();
        while let Ok(byte @ 1..) = ir::memory::load_u8(addr) {
            text.push(char::from(byte));
            addr = addr.offset(1);
        }
        text
    }
}

impl GuestMemory for HostMemory {
    fn map(&mut self, request: MapRequest) -> Result<GuestAddr, Errno> {
        let MapRequest { addr, bytes, prot, flags, fd, offset } = request;
        // SAFETY: MAP_FIXED comes only inside what this map has given before, or the test is wrong and crashes.
        let at = unsafe { libc::mmap(addr.0 as *mut _, bytes as usize, prot.0 & !libc::PROT_EXEC, flags, fd, offset) };
        if at == libc::MAP_FAILED {
            return Err(errno());
        }
        let at = GuestAddr(at as u64);
        let range = GuestRange { start: at, end: at.offset(bytes as i64).page_up() };
        if flags & libc::MAP_FIXED != 0 {
            let held = self.mapped.iter().any(|(held, _)| held.start <= range.start && range.end <= held.end);
            assert!(held, "MAP_FIXED outside what was reserved");
        }
        self.mapped.push((range, request));
        Ok(at)
    }

    fn unmap(&mut self, range: GuestRange) -> Result<(), Errno> {
        self.unmapped.push(range);
        // SAFETY: as above.
        let failed = unsafe { libc::munmap(range.start.0 as *mut _, range.bytes() as usize) } != 0;
        if failed { Err(errno()) } else { Ok(()) }
    }

    fn protect(&mut self, range: GuestRange, prot: Prot) -> Result<(), Errno> {
        self.protected.push((range, prot));
        // SAFETY: as above.
        let failed = unsafe { libc::mprotect(range.start.0 as *mut _, range.bytes() as usize, prot.0) } != 0;
        if failed { Err(errno()) } else { Ok(()) }
    }

    fn is_executable(&self, _: GuestAddr) -> bool {
        false
    }
}

impl Drop for HostMemory {
    fn drop(&mut self) {
        for (range, request) in &self.mapped {
            // What was given back may be someone else's by now, so only what is still ours goes: the fixed parts.
            let given_back = self.unmapped.iter().any(|gone| gone.overlaps(*range));
            if !given_back || request.flags & libc::MAP_FIXED != 0 {
                // SAFETY: mapped above and not given back.
                unsafe { libc::munmap(range.start.0 as *mut _, range.bytes() as usize) };
            }
        }
    }
}
