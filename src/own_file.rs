//! Emu's own file: a descriptor that stays open, by which the programs that the guest starts are started too, and a copy
//! of the file for where it is out of reach. Unsafe because the copy is made out of this process's memory.
#![allow(unsafe_code)]

use crate::process;
use std::arch::asm;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

const PAGE_BYTES: usize = 4096;

/// Emu's own file, out of the guest's way; None without /proc.
pub fn open() -> Option<File> {
    // In a root that is not the kernel's making, the name could stand for any file.
    if !process::is_proc_mounted() {
        return None;
    }
    let file = File::options().read(true).custom_flags(libc::O_PATH).open("/proc/self/exe").ok()?;
    Some(process::out_of_the_way(file))
}

/// Whether the file gives rights to whoever runs it, so that even the options may be an attacker's.
pub fn brings_rights(file: &File) -> bool {
    file.metadata().is_ok_and(|metadata| {
        let mode = metadata.mode();
        mode & libc::S_ISUID != 0 || mode & 0o2010 == 0o2010
    })
}

/// A part of the file as it is mapped.
#[derive(Clone, Copy)]
struct Piece {
    at: usize,
    bytes: usize,
    offset: usize,
    is_written: bool,
}

/// As many as emu's file has, and more.
const PIECES: usize = 8;

/// A copy of the file, but for what is not loaded of it, in memory.
pub fn copy() -> io::Result<OwnedFd> {
    let (pieces, count) = pieces().ok_or(io::ErrorKind::Unsupported)?;
    let file = process::executable_memory_file(c"emu")?;
    let expected = pieces[..count].iter().map(|piece| piece.offset + piece.bytes).max().unwrap_or(0);
    // SAFETY: the pieces are emu's own image.
    unsafe { write_from_child(&pieces, count, file.as_raw_fd()) };
    let written = file.metadata()?.len();
    if written == expected as u64 { Ok(file.into()) } else { Err(io::Error::from_raw_os_error(libc::ENOMEM)) }
}

/// Where the file's parts are mapped.
fn pieces() -> Option<([Piece; PIECES], usize)> {
    // SAFETY: the kernel gives the address of the program headers, and how many there are.
    let headers = unsafe {
        let at = libc::getauxval(libc::AT_PHDR) as *const libc::Elf64_Phdr;
        let count = libc::getauxval(libc::AT_PHNUM) as usize;
        if at.is_null() {
            return None;
        }
        std::slice::from_raw_parts(at, count)
    };
    let bias =
        (headers.as_ptr() as u64).wrapping_sub(headers.iter().find(|h| h.p_type == libc::PT_PHDR)?.p_vaddr) as usize;
    let mut pieces = [Piece { at: 0, bytes: 0, offset: 0, is_written: false }; PIECES];
    let mut count = 0;
    for header in headers.iter().filter(|header| header.p_type == libc::PT_LOAD) {
        let start = bias.wrapping_add(header.p_vaddr as usize);
        let at = start & !(PAGE_BYTES - 1);
        *pieces.get_mut(count)? = Piece {
            at,
            bytes: start + header.p_filesz as usize - at,
            offset: header.p_offset as usize & !(PAGE_BYTES - 1),
            is_written: header.p_flags & libc::PF_W != 0,
        };
        count += 1;
    }
    Some((pieces, count))
}

/// Has a child write the pieces to `fd`, and waits for it. In the child, what emu has written to its image is thrown
/// away first, so that the file shows again; so it uses nothing but its stack and the instructions here.
///
/// # Safety
/// The pieces are mapped, and those that are written are private mappings of a file.
unsafe fn write_from_child(pieces: &[Piece; PIECES], count: usize, fd: RawFd) {
    const CHILD_FLAGS: usize = libc::CLONE_VFORK as usize;
    let all = u64::MAX;
    let mut mask = 0u64;
    let mask_at = &raw mut mask as usize;
    // SAFETY: no handler may run in the child, whose image is not relocated.
    unsafe { call(libc::SYS_rt_sigprocmask, [libc::SIG_SETMASK as usize, &raw const all as usize, mask_at, 8]) };
    // SAFETY: the child has a copy of this memory and goes on on a copy of this stack.
    let child = unsafe { call(libc::SYS_clone, [CHILD_FLAGS, 0, 0, 0]) };
    if child == 0 {
        let mut piece = pieces.as_ptr();
        // SAFETY: `pieces` has `count` elements.
        let end = unsafe { piece.add(count) };
        while piece != end {
            // SAFETY: before the end; memory of the child's alone.
            unsafe {
                let Piece { at, bytes, offset, is_written } = *piece;
                if is_written {
                    call(libc::SYS_madvise, [at, bytes, libc::MADV_DONTNEED as usize, 0]);
                }
                call(libc::SYS_pwrite64, [fd as usize, at, bytes, offset]);
                piece = piece.add(1);
            }
        }
        loop {
            // SAFETY: ends the child.
            unsafe { call(libc::SYS_exit_group, [0, 0, 0, 0]) };
        }
    }
    if child > 0 {
        // SAFETY: a child that sends no signal; nobody else's.
        unsafe { call(libc::SYS_wait4, [child as usize, 0, libc::__WALL as usize, 0]) };
    }
    // SAFETY: the mask from before.
    unsafe { call(libc::SYS_rt_sigprocmask, [libc::SIG_SETMASK as usize, mask_at, 0, 8]) };
}

/// A system call, without anything that lies in data.
///
/// # Safety
/// As the call wants it.
#[inline(always)]
unsafe fn call(number: i64, args: [usize; 4]) -> i64 {
    let value;
    // SAFETY: as the caller promises.
    unsafe {
        asm!("syscall", inlateout("rax") number => value, in("rdi") args[0], in("rsi") args[1], in("rdx") args[2],
            in("r10") args[3], in("r8") 0, in("r9") 0, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn the_copy_is_the_file() {
        let copy = File::from(copy().unwrap());
        let file = File::open("/proc/self/exe").unwrap();
        let (pieces, count) = pieces().unwrap();
        for piece in &pieces[..count] {
            let (mut ours, mut theirs) = (vec![0; piece.bytes], vec![0; piece.bytes]);
            copy.read_exact_at(&mut ours, piece.offset as u64).unwrap();
            file.read_exact_at(&mut theirs, piece.offset as u64).unwrap();
            assert!(ours == theirs, "at {:#x}", piece.offset);
        }
    }
}
