//! For tests: guest memory straight from the host, without emu's own to protect. Unsafe because it maps memory.
#![allow(unsafe_code)]

use ir::{Errno, GuestAddr, GuestMemory, GuestRange, MapRequest, Prot};

/// Remembers what was mapped and unmaps it in the end.
#[derive(Default)]
pub(crate) struct HostMemory {
    /// Every successful request, with the address that came of it.
    pub mapped: Vec<(GuestRange, MapRequest)>,
    pub protected: Vec<(GuestRange, Prot)>,
    /// What there is now.
    live: Vec<GuestRange>,
}

fn errno() -> Errno {
    Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

impl HostMemory {
    /// The latest request for the page of `addr`, unless it has been unmapped again.
    pub(crate) fn prot_of(&self, addr: GuestAddr) -> Option<Prot> {
        let latest = self.mapped.iter().rev().find(|(range, _)| range.contains(addr))?;
        self.live.iter().any(|range| range.contains(addr)).then_some(latest.1.prot)
    }

    fn cut(&mut self, gone: GuestRange) {
        let cut = |range: &GuestRange| {
            let below = GuestRange { start: range.start, end: range.end.min(gone.start) };
            let above = GuestRange { start: range.start.max(gone.end), end: range.end };
            [below, above].into_iter().filter(|part| part.bytes() > 0)
        };
        self.live = self.live.iter().flat_map(cut).collect();
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
        // What this map has not given before may be another test's, or the test's own code.
        let end = addr.offset(bytes as i64).page_up();
        let held = self.live.iter().any(|held| held.start <= addr && end <= held.end);
        let held = held || self.mapped.iter().any(|(held, _)| held.start <= addr && end <= held.end);
        let flags = if flags & libc::MAP_FIXED != 0 && !held { flags | libc::MAP_FIXED_NOREPLACE } else { flags };
        // SAFETY: MAP_FIXED comes only inside what this map has given before.
        let at = unsafe { libc::mmap(addr.0 as *mut _, bytes as usize, prot.0 & !libc::PROT_EXEC, flags, fd, offset) };
        if at == libc::MAP_FAILED {
            return Err(errno());
        }
        let at = GuestAddr(at as u64);
        let range = GuestRange { start: at, end: at.offset(bytes as i64).page_up() };
        self.cut(range);
        self.live.push(range);
        self.mapped.push((range, request));
        Ok(at)
    }

    fn unmap(&mut self, range: GuestRange) -> Result<(), Errno> {
        self.cut(range);
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
        for range in &self.live {
            // SAFETY: mapped above and not given back.
            unsafe { libc::munmap(range.start.0 as *mut _, range.bytes() as usize) };
        }
    }
}
