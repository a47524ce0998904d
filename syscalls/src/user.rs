//! Reading and writing the guest's structures, strings and arrays of pointers: guarded, so that wild pointers give
//! EFAULT. A thread whose system calls take tagged pointers may have tags in these too. It must not know what the
//! structures mean.

use crate::tags::untagged;
use ir::{Errno, GuestAddr, PAGE_BYTES, memory};
use std::cell::Cell;
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// EFAULT.
pub(crate) const EFAULT: Errno = Errno(libc::EFAULT);

thread_local! {
    /// Whether the guest's thread that is being served uses tags.
    static TAKES_TAGS: Cell<bool> = const { Cell::new(false) };
}

/// Says whether addresses may have tags from here on, on the calling thread.
pub(crate) fn take_tags(takes: bool) {
    TAKES_TAGS.set(takes);
}

/// Where the guest means.
pub(crate) fn place(addr: u64) -> GuestAddr {
    GuestAddr(if TAKES_TAGS.get() { untagged(addr) } else { addr })
}

/// Longest path, with its NUL.
pub(crate) const PATH_MAX: usize = 4096;

/// Longest argument string (MAX_ARG_STRLEN).
const ARG_BYTES: usize = 32 * PAGE_BYTES as usize;

/// Most arguments and variables together.
const ARG_COUNT: usize = 1 << 20;

/// Reads a structure from the guest.
pub(crate) fn read<T: FromBytes + IntoBytes>(from: u64) -> Result<T, Errno> {
    let mut value = T::new_zeroed();
    read_bytes(from, value.as_mut_bytes())?;
    Ok(value)
}

/// Writes a structure to the guest.
pub(crate) fn write<T: IntoBytes + Immutable>(to: u64, value: &T) -> Result<(), Errno> {
    write_bytes(to, value.as_bytes())
}

/// Writes bytes to the guest.
pub(crate) fn write_bytes(to: u64, bytes: &[u8]) -> Result<(), Errno> {
    memory::write_bytes(place(to), bytes).map_err(|_| EFAULT)
}

/// Reads bytes from the guest.
pub(crate) fn read_bytes(from: u64, bytes: &mut [u8]) -> Result<(), Errno> {
    memory::read_bytes(place(from), bytes).map_err(|_| EFAULT)
}

/// Reads up to a NUL, at most `limit` bytes with it; `too_long` when there is none by then.
fn read_string(from: u64, limit: usize, too_long: i32) -> Result<Vec<u8>, Errno> {
    let mut text = Vec::new();
    while text.len() < limit {
        let at = from.wrapping_add(text.len() as u64);
        // Up to the end of the page, so that a string that ends just before an unmapped page is read.
        let mut piece = [0; 256];
        let in_page = (PAGE_BYTES - at % PAGE_BYTES) as usize;
        let piece = &mut piece[..in_page.min(256).min(limit - text.len())];
        read_bytes(at, piece)?;
        if let Some(end) = piece.iter().position(|&byte| byte == 0) {
            text.extend_from_slice(&piece[..end]);
            return Ok(text);
        }
        text.extend_from_slice(piece);
    }
    Err(Errno(too_long))
}

/// Reads a path.
pub(crate) fn read_path(from: u64) -> Result<CString, Errno> {
    let text = read_string(from, PATH_MAX, libc::ENAMETOOLONG)?;
    CString::new(text).map_err(|_| Errno(libc::EINVAL))
}

/// Reads the beginning of a string, for showing; the flag says whether that is all.
pub(crate) fn read_prefix(from: u64, limit: usize) -> Result<(Vec<u8>, bool), Errno> {
    match read_string(from, limit + 1, libc::ENAMETOOLONG) {
        Ok(text) => Ok((text, true)),
        Err(Errno(libc::ENAMETOOLONG)) => {
            let mut text = vec![0; limit];
            read_bytes(from, &mut text)?;
            Ok((text, false))
        }
        Err(error) => Err(error),
    }
}

/// Reads a null-terminated array of strings: argv or envp. A null array is an empty one, as Linux has it.
pub(crate) fn read_strings(from: u64) -> Result<Vec<OsString>, Errno> {
    let mut strings = Vec::new();
    if from == 0 {
        return Ok(strings);
    }
    while strings.len() < ARG_COUNT {
        let at: u64 = read(from.wrapping_add(8 * strings.len() as u64))?;
        if at == 0 {
            return Ok(strings);
        }
        strings.push(OsString::from_vec(read_string(at, ARG_BYTES, libc::E2BIG)?));
    }
    Err(Errno(libc::E2BIG))
}
