//! The vDSO: the small shared library that Linux maps into every program. Its source and the command that built it are
//! beside it. What its functions ask for is the system calls' business.

use ir::{Errno, GuestAddr, GuestMemory, GuestRange, MapRequest, PAGE_BYTES, Prot};

/// Built from vdso/vdso.S by vdso/build.sh.
static IMAGE: &[u8] = include_bytes!("vdso/vdso.aarch64");

/// `mov x8, #139; svc #0`: the whole of `__kernel_rt_sigreturn`, by which unwinders know it.
const SIGRETURN: [u8; 8] = [0x68, 0x11, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4];

/// Where `__kernel_rt_sigreturn` is in the image.
const SIGRETURN_OFFSET: usize = {
    let mut at = 0;
    while !starts_with_sigreturn(IMAGE, at) {
        at += 4;
    }
    at
};

/// Whether the function is at `at`. Fails to compile beyond the end of the image.
const fn starts_with_sigreturn(image: &[u8], at: usize) -> bool {
    let mut index = 0;
    while index < SIGRETURN.len() {
        if image[at + index] != SIGRETURN[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// Where the vDSO is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vdso {
    /// Its ELF header: AT_SYSINFO_EHDR.
    pub base: GuestAddr,
    /// `__kernel_rt_sigreturn`, where signal handlers return to.
    pub sigreturn: GuestAddr,
}

/// Maps the vDSO where mmap(2) would put a mapping, as Linux does.
pub(crate) fn map(memory: &mut dyn GuestMemory) -> Result<Vdso, Errno> {
    let bytes = (IMAGE.len() as u64).next_multiple_of(PAGE_BYTES);
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let prot = Prot::READ.union(Prot::WRITE);
    let base = memory.map(MapRequest { addr: GuestAddr(0), bytes, prot, flags, fd: -1, offset: 0 })?;
    ir::memory::write_bytes(base, IMAGE).map_err(|_| Errno(libc::EFAULT))?;
    memory.protect(GuestRange::new(base, bytes), Prot::READ.union(Prot::EXEC))?;
    Ok(Vdso { base, sigreturn: base.offset(SIGRETURN_OFFSET as i64) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_memory::HostMemory;

    #[test]
    fn sigreturn_is_found_once() {
        let found = IMAGE.windows(SIGRETURN.len()).filter(|bytes| **bytes == SIGRETURN).count();
        assert_eq!(found, 1);
    }

    #[test]
    fn the_image_is_mapped_to_be_read_and_executed() {
        let mut memory = HostMemory::default();
        let vdso = map(&mut memory).unwrap();
        assert_eq!(HostMemory::bytes(vdso.base, IMAGE.len()), IMAGE);
        assert_eq!(HostMemory::bytes(vdso.sigreturn, SIGRETURN.len()), SIGRETURN);
        let (range, prot) = memory.protected[0];
        assert!(range.contains(vdso.base) && range.contains(vdso.sigreturn));
        assert_eq!(prot, Prot::READ.union(Prot::EXEC));
    }
}
