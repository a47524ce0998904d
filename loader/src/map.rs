//! Maps the segments of an image into the guest's memory, as Linux does.

use crate::error::describe;
use crate::image::{ADDRESS_END, Image, Segment, page_up};
use crate::{LoadError, ProgramFile};
use ir::{Errno, GuestAddr, GuestMemory, GuestRange, MapRequest, PAGE_BYTES, Prot};

const PRIVATE_ANON: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;

/// Maps `image`, the content of `file`. A relocatable one goes to the neighbourhood of `wish` if there is room, else
/// where there is; the others go where they say or not at all. Gives the load bias: memory address less the file's.
pub(crate) fn map_image(
    memory: &mut dyn GuestMemory,
    file: &ProgramFile,
    image: &Image,
    wish: Option<GuestAddr>,
) -> Result<u64, LoadError> {
    let bias = reserve(memory, image, wish).map_err(|errno| reservation_error(file, image, errno))?;
    for segment in &image.segments {
        map_segment(memory, file, segment, bias)?;
    }
    release_holes(memory, &image.segments, bias).map_err(|errno| memory_error(file, errno))?;
    Ok(bias)
}

fn reservation_error(file: &ProgramFile, image: &Image, Errno(errno): Errno) -> LoadError {
    let bytes = image.end() - image.start();
    let reason = if image.is_relocatable {
        format!("no room in memory for its {bytes:#x} bytes: {}", describe(errno))
    } else {
        let (start, end) = (image.start(), image.end());
        let why = match errno {
            libc::EEXIST => "something else is there".to_owned(),
            libc::EPERM | libc::EACCES => "below what the host allows (vm.mmap_min_addr)".to_owned(),
            _ => describe(errno),
        };
        format!("must be loaded at {start:#x}-{end:#x}, which is not free: {why}")
    };
    LoadError::new(file.path(), libc::ENOMEM, reason)
}

fn memory_error(file: &ProgramFile, Errno(errno): Errno) -> LoadError {
    LoadError::new(file.path(), errno, format!("cannot be mapped into memory: {}", describe(errno)))
}

fn placeholder(addr: u64, bytes: u64, flags: i32) -> MapRequest {
    let flags = PRIVATE_ANON | libc::MAP_NORESERVE | flags;
    MapRequest { addr: GuestAddr(addr), bytes, prot: Prot::NONE, flags, fd: -1, offset: 0 }
}

/// Finds and holds room for the image; gives the load bias.
fn reserve(memory: &mut dyn GuestMemory, image: &Image, wish: Option<GuestAddr>) -> Result<u64, Errno> {
    let (start, bytes) = (image.start(), image.end() - image.start());
    if !image.is_relocatable {
        let at = memory.map(placeholder(start, bytes, libc::MAP_FIXED_NOREPLACE))?;
        return if at.0 == start { Ok(0) } else { Err(Errno(libc::EEXIST)) };
    }
    let align_up = |addr: u64| (addr + image.align - 1) & !(image.align - 1);
    if let Some(wish) = wish {
        let at = align_up(wish.0) + (start & (image.align - 1));
        if bytes < ADDRESS_END - at
            && memory.map(placeholder(at, bytes, libc::MAP_FIXED_NOREPLACE)) == Ok(GuestAddr(at))
        {
            return Ok(at.wrapping_sub(start));
        }
    }
    let slack = image.align - PAGE_BYTES;
    let room = memory.map(placeholder(0, bytes.checked_add(slack).ok_or(Errno(libc::ENOMEM))?, 0))?;
    // The lowest address in the room that is to the alignment what `start` is.
    let at = room.0 + (start.wrapping_sub(room.0) & (image.align - 1));
    unmap(memory, room.0, at)?;
    unmap(memory, at + bytes, room.0 + bytes + slack)?;
    Ok(at.wrapping_sub(start))
}

fn unmap(memory: &mut dyn GuestMemory, start: u64, end: u64) -> Result<(), Errno> {
    if start >= end {
        return Ok(());
    }
    memory.unmap(GuestRange { start: GuestAddr(start), end: GuestAddr(end) })
}

fn map_segment(
    memory: &mut dyn GuestMemory,
    file: &ProgramFile,
    segment: &Segment,
    bias: u64,
) -> Result<(), LoadError> {
    let at = |addr: u64| GuestAddr(addr.wrapping_add(bias));
    let mut zero_from = segment.first_page();
    if segment.file_bytes > 0 {
        let file_pages_end = page_up(segment.file_end());
        memory
            .map(MapRequest {
                addr: at(segment.first_page()),
                bytes: file_pages_end - segment.first_page(),
                prot: segment.prot,
                flags: libc::MAP_PRIVATE | libc::MAP_FIXED,
                fd: file.fd(),
                offset: (segment.offset & !(PAGE_BYTES - 1)) as i64,
            })
            .map_err(|errno| memory_error(file, errno))?;
        // Linux leaves the file's bytes in the last page of a segment that may not be written.
        if segment.memory_bytes > segment.file_bytes && segment.prot.contains(Prot::WRITE) {
            let zeros = [0; PAGE_BYTES as usize];
            let rest = (file_pages_end - segment.file_end()) as usize;
            ir::memory::write_bytes(at(segment.file_end()), &zeros[..rest])
                .map_err(|_| LoadError::new(file.path(), libc::EIO, "shrank while it was being loaded"))?;
        }
        zero_from = file_pages_end;
    }
    if segment.last_page_end() > zero_from {
        // Memory beyond the file's part is writable on Linux whatever the segment says.
        let prot = segment.prot.union(Prot::READ).union(Prot::WRITE);
        let (addr, bytes) = (at(zero_from), segment.last_page_end() - zero_from);
        let flags = PRIVATE_ANON | libc::MAP_FIXED;
        memory
            .map(MapRequest { addr, bytes, prot, flags, fd: -1, offset: 0 })
            .map_err(|errno| memory_error(file, errno))?;
    }
    Ok(())
}

/// Gives back what was reserved between segments.
fn release_holes(memory: &mut dyn GuestMemory, segments: &[Segment], bias: u64) -> Result<(), Errno> {
    let mut pages: Vec<(u64, u64)> = segments.iter().map(|s| (s.first_page(), s.last_page_end())).collect();
    pages.sort_unstable();
    let mut covered = pages.first().map_or(0, |first| first.0);
    for (start, end) in pages {
        unmap(memory, covered.wrapping_add(bias), start.max(covered).wrapping_add(bias))?;
        covered = covered.max(end);
    }
    Ok(())
}
