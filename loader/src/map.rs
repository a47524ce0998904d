//! Maps the segments of an image into the guest's memory, as Linux does (fs/binfmt_elf.c): in the order of the table,
//! later ones over earlier ones, pages of the file whether the file has them or not.

use crate::error::describe;
use crate::image::{Image, Segment, page_up};
use crate::{LoadError, ProgramFile};
use ir::{Errno, GuestAddr, GuestMemory, GuestRange, MapRequest, PAGE_BYTES, Prot};

const PRIVATE_ANON: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;

/// Where an image goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// A program: where it says, or if it is relocatable to about here.
    Program(GuestAddr),
    /// A loader: where it says, or if it is relocatable to wherever there is room. `fixed_program`: for a program
    /// that is not relocatable itself, the loader's own addresses are a hint.
    Interpreter { fixed_program: bool },
}

/// Maps `image`, the content of `file`, into the address space that ends at `end`. Gives the load bias: memory address
/// less the file's.
pub(crate) fn map_image(
    memory: &mut dyn GuestMemory,
    file: &ProgramFile,
    image: &Image,
    place: Place,
    end: u64,
) -> Result<u64, LoadError> {
    let mut loading = Loading { memory, file, end };
    let mut total_bytes = total_bytes(image);
    if total_bytes == 0 && (image.is_relocatable || matches!(place, Place::Interpreter { .. })) {
        let reason = "corrupt ELF file: nothing to load (no PT_LOAD segment)";
        return Err(LoadError::new(file.path(), libc::EINVAL, reason).after_the_old_program());
    }
    let (mut bias, mut flags) = match (place, image.segments.first()) {
        (_, None) => return Ok(0),
        (Place::Program(base), Some(first)) if image.is_relocatable => {
            let base = GuestAddr(base.0 & !(image.align - 1));
            let bias = loading.program_base(base, image.align, total_bytes).0.wrapping_sub(first.vaddr);
            (bias & !(PAGE_BYTES - 1), libc::MAP_FIXED_NOREPLACE)
        }
        (Place::Program(_), _) => {
            total_bytes = 0;
            (0, libc::MAP_FIXED_NOREPLACE)
        }
        (Place::Interpreter { .. }, _) if !image.is_relocatable => (0, libc::MAP_FIXED),
        (Place::Interpreter { fixed_program: true }, _) => (0, 0),
        (Place::Interpreter { .. }, Some(first)) => (first.vaddr.wrapping_neg(), 0),
    };
    let too_large = match place {
        Place::Program(_) => libc::EINVAL,
        Place::Interpreter { .. } => libc::ENOMEM,
    };
    for (index, segment) in image.segments.iter().enumerate() {
        let wanted = segment.vaddr.wrapping_add(bias);
        let at = loading.segment(segment, wanted, flags, total_bytes)?;
        if index == 0 && image.is_relocatable {
            bias = match place {
                Place::Program(_) => bias.wrapping_add(at).wrapping_sub(wanted & !(PAGE_BYTES - 1)),
                Place::Interpreter { .. } => at.wrapping_sub(segment.first_page()),
            };
        }
        (flags, total_bytes) = (libc::MAP_FIXED, 0);
        let counted_from = match place {
            Place::Program(_) => segment.vaddr,
            Place::Interpreter { .. } => segment.vaddr.wrapping_add(bias),
        };
        loading.check_size(segment, counted_from, too_large)?;
    }
    Ok(bias)
}

/// From the first page of the lowest segment to the end of the highest.
fn total_bytes(image: &Image) -> u64 {
    if image.segments.is_empty() { 0 } else { image.end().wrapping_sub(image.start()) }
}

struct Loading<'a> {
    memory: &'a mut dyn GuestMemory,
    file: &'a ProgramFile,
    end: u64,
}

impl Loading<'_> {
    /// Linux refuses all this when the old program is gone.
    fn refuse(&self, errno: i32, reason: String) -> LoadError {
        LoadError::new(self.file.path(), errno, reason).after_the_old_program()
    }

    fn cannot_map(&self, segment: &Segment, at: u64, Errno(errno): Errno) -> LoadError {
        let (file_at, bytes) = (segment.vaddr, segment.memory_bytes);
        let why = match errno {
            libc::EEXIST => "something else is there".to_owned(),
            libc::EPERM | libc::EACCES => "the host allows nothing so low (vm.mmap_min_addr)".to_owned(),
            libc::EINVAL => "its address and its offset in the file differ within a page".to_owned(),
            _ => describe(errno),
        };
        self.refuse(errno, format!("segment at {file_at:#x} of {bytes:#x} bytes cannot be mapped at {at:#x}: {why}"))
    }

    /// Where a relocatable program goes: to `base`, unless the place is taken after all.
    fn program_base(&mut self, base: GuestAddr, align: u64, bytes: u64) -> GuestAddr {
        let room = |addr: GuestAddr, bytes: u64, flags: i32| {
            let flags = PRIVATE_ANON | libc::MAP_NORESERVE | flags;
            MapRequest { addr, bytes, prot: Prot::NONE, flags, fd: -1, offset: 0 }
        };
        let wanted = self.memory.map(room(base, bytes, libc::MAP_FIXED_NOREPLACE));
        let (found, bytes) = match wanted {
            Err(Errno(libc::EEXIST)) => {
                let bytes = bytes.saturating_add(align);
                (self.memory.map(room(GuestAddr(0), bytes, 0)), bytes)
            }
            wanted => (wanted, bytes),
        };
        let Ok(found) = found else { return base };
        let _ = self.memory.unmap(GuestRange::new(found, page_up(bytes)));
        GuestAddr(found.0.wrapping_add(align - 1) & !(align - 1))
    }

    fn check_size(&self, segment: &Segment, at: u64, errno: i32) -> Result<(), LoadError> {
        let Segment { vaddr, file_bytes, memory_bytes, .. } = *segment;
        let reason = if file_bytes > memory_bytes {
            format!("corrupt ELF file: segment at {vaddr:#x} has more in the file than in memory")
        } else if at >= self.end || memory_bytes > self.end || self.end - memory_bytes < at {
            format!("corrupt ELF file: segment at {vaddr:#x} of {memory_bytes:#x} bytes exceeds the address space")
        } else {
            return Ok(());
        };
        Err(self.refuse(errno, reason))
    }

    /// Maps a segment at `at`; of the first one all that the image needs is taken, and the rest given back. Gives the
    /// address of its first page.
    fn segment(&mut self, segment: &Segment, at: u64, flags: i32, total_bytes: u64) -> Result<u64, LoadError> {
        let in_page = segment.vaddr & (PAGE_BYTES - 1);
        let mut page = at & !(PAGE_BYTES - 1);
        let failed = |loading: &Self, errno: Errno| loading.cannot_map(segment, page, errno);
        if segment.file_bytes > 0 {
            let mapped = self.pages_of_the_file(segment, page, flags, total_bytes).map_err(|e| failed(self, e))?;
            page = mapped;
        }
        if segment.memory_bytes > segment.file_bytes {
            let from = page.wrapping_add(in_page).wrapping_add(segment.file_bytes);
            let to = page_up(page.wrapping_add(in_page).wrapping_add(segment.memory_bytes));
            self.zeros(segment, from, to)?;
        }
        Ok(page)
    }

    fn pages_of_the_file(&mut self, segment: &Segment, page: u64, flags: i32, total_bytes: u64) -> Result<u64, Errno> {
        let in_page = segment.vaddr & (PAGE_BYTES - 1);
        let bytes = page_up(segment.file_bytes.wrapping_add(in_page));
        let offset = segment.offset.wrapping_sub(in_page);
        if bytes == 0 {
            return Ok(page);
        }
        let wanted = if total_bytes > 0 { page_up(total_bytes) } else { bytes };
        if !offset.is_multiple_of(PAGE_BYTES) || offset.checked_add(wanted).is_none() || wanted == 0 {
            return Err(Errno(libc::EINVAL));
        }
        let at = self.memory.map(MapRequest {
            addr: GuestAddr(page),
            bytes: wanted,
            prot: segment.prot,
            flags: libc::MAP_PRIVATE | flags,
            fd: self.file.fd(),
            offset: offset as i64,
        })?;
        if wanted > bytes {
            let rest = GuestRange { start: at.offset(bytes as i64), end: at.offset(wanted as i64) };
            self.memory.unmap(rest)?;
        }
        Ok(at.0)
    }

    /// What the file has not, from `from` to the page boundary `to`.
    fn zeros(&mut self, segment: &Segment, from: u64, to: u64) -> Result<(), LoadError> {
        let pages_from = page_up(from);
        if segment.file_bytes > 0 && pages_from > from {
            let zeros = [0; PAGE_BYTES as usize];
            let written = ir::memory::write_bytes(GuestAddr(from), &zeros[..(pages_from - from) as usize]);
            // Of a segment that may not be written the file's bytes stay in the last page.
            if written.is_err() && segment.prot.contains(Prot::WRITE) {
                return Err(self.refuse(libc::EFAULT, "the file ends before one of its segments does".to_owned()));
            }
        }
        let pages_from = if segment.file_bytes > 0 { pages_from } else { from & !(PAGE_BYTES - 1) };
        if to <= pages_from {
            return Ok(());
        }
        // Such memory is writable on Linux whatever the segment says.
        let exec = if segment.prot.contains(Prot::EXEC) { Prot::EXEC } else { Prot::NONE };
        let prot = Prot::READ.union(Prot::WRITE).union(exec);
        let flags = PRIVATE_ANON | libc::MAP_FIXED;
        let request =
            MapRequest { addr: GuestAddr(pages_from), bytes: to - pages_from, prot, flags, fd: -1, offset: 0 };
        self.memory.map(request).map(|_| ()).map_err(|errno| self.cannot_map(segment, pages_from, errno))
    }
}
