//! Reads and checks what an ELF file says about itself. The only file that knows goblin. What comes out of here is
//! consistent: segments lie inside the file, do not overlap, and no later sum of their fields can overflow.

use crate::{LoadError, ProgramFile};
use goblin::container::{Container, Ctx, Endian};
use goblin::elf::Elf;
use goblin::elf::header::{ET_CORE, ET_DYN, ET_EXEC, ET_REL, Header};
use goblin::elf::program_header::{PF_R, PF_W, PF_X, PT_GNU_STACK, PT_INTERP, PT_LOAD, PT_PHDR, ProgramHeader};
use ir::{PAGE_BYTES, Prot};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The kernel refuses program header tables larger than this.
const MAX_TABLE_BYTES: u64 = 65536;
/// End of the address space that a guest can have: 47 bits, less the page that x86-64 keeps free.
pub(crate) const ADDRESS_END: u64 = (1 << 47) - PAGE_BYTES;
/// Longest path the kernel accepts, with its NUL.
const PATH_MAX: u64 = 4096;

/// A PT_LOAD segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub vaddr: u64,
    pub offset: u64,
    pub file_bytes: u64,
    pub memory_bytes: u64,
    pub prot: Prot,
}

impl Segment {
    /// First page, in the file's own addresses.
    pub(crate) fn first_page(&self) -> u64 {
        self.vaddr & !(PAGE_BYTES - 1)
    }
    /// Where its part from the file ends.
    pub(crate) fn file_end(&self) -> u64 {
        self.vaddr + self.file_bytes
    }
    /// Where it ends.
    pub(crate) fn end(&self) -> u64 {
        self.vaddr + self.memory_bytes
    }
    /// Where its last page ends.
    pub(crate) fn last_page_end(&self) -> u64 {
        page_up(self.end())
    }
}

/// Rounds up to a page; callers keep well below the top.
pub(crate) fn page_up(addr: u64) -> u64 {
    (addr + PAGE_BYTES - 1) & !(PAGE_BYTES - 1)
}

/// What an executable file asks for.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    /// ET_DYN: may be put anywhere.
    pub is_relocatable: bool,
    /// Entry point, in the file's own addresses.
    pub entry: u64,
    /// In the order of the table; at least one.
    pub segments: Vec<Segment>,
    /// Largest alignment that a segment wants, at least a page; a power of two.
    pub align: u64,
    /// PT_INTERP.
    pub interpreter: Option<PathBuf>,
    /// Whether PT_GNU_STACK asks for an executable stack.
    pub executable_stack: bool,
    /// Where the program headers are in memory, in the file's own addresses, if a segment or PT_PHDR says.
    pub phdr_addr: Option<u64>,
    /// Number of program headers.
    pub phdr_count: u16,
}

impl Image {
    /// Reads an AArch64 program or loader.
    pub(crate) fn read(file: &ProgramFile) -> Result<Self, LoadError> {
        let image = Self::read_for_host(file)?;
        if image.segments.is_empty() {
            return Err(LoadError::format(file.path(), "corrupt ELF file: nothing to load (no PT_LOAD segment)"));
        }
        if image.entry == 0 && image.segments.iter().any(|s| s.offset == 0 && s.vaddr == 0) {
            return Err(LoadError::format(file.path(), "has no entry point: a shared library, not a program"));
        }
        Ok(image)
    }

    /// Reads a program of any machine, 32-bit ones only as far as PT_INTERP.
    pub(crate) fn read_for_host(file: &ProgramFile) -> Result<Self, LoadError> {
        let (header, phdrs) = read_tables(file)?;
        let mut image = Self {
            is_relocatable: header.e_type == ET_DYN,
            entry: header.e_entry,
            segments: Vec::new(),
            align: PAGE_BYTES,
            interpreter: None,
            executable_stack: false,
            phdr_addr: None,
            phdr_count: header.e_phnum,
        };
        for phdr in &phdrs {
            match phdr.p_type {
                PT_LOAD => image.add_segment(file, phdr)?,
                // As in the kernel, the first one counts.
                PT_INTERP if image.interpreter.is_none() => image.interpreter = Some(read_interpreter(file, phdr)?),
                PT_GNU_STACK => image.executable_stack = phdr.p_flags & PF_X != 0,
                PT_PHDR => image.phdr_addr = Some(phdr.p_vaddr),
                _ => {}
            }
        }
        check_overlap(file, &image.segments)?;
        let table = header.e_phoff;
        let holder = image.segments.iter().find(|s| s.offset <= table && table < s.offset + s.file_bytes);
        image.phdr_addr = holder.map(|s| s.vaddr + (table - s.offset)).or(image.phdr_addr);
        Ok(image)
    }

    fn add_segment(&mut self, file: &ProgramFile, phdr: &ProgramHeader) -> Result<(), LoadError> {
        let refuse = |reason: String| Err(LoadError::format(file.path(), format!("corrupt ELF file: {reason}")));
        let at = phdr.p_vaddr;
        if phdr.p_filesz > phdr.p_memsz {
            return refuse(format!("segment at {at:#x} has more in the file than in memory"));
        }
        if phdr.p_memsz == 0 {
            return Ok(());
        }
        if at > ADDRESS_END || phdr.p_memsz > ADDRESS_END - at {
            return refuse(format!("segment at {at:#x} of {:#x} bytes exceeds the address space", phdr.p_memsz));
        }
        if phdr.p_filesz > 0 {
            if phdr.p_offset.checked_add(phdr.p_filesz).is_none_or(|end| end > file.bytes()) {
                return refuse(format!("segment at {at:#x} reaches beyond the end of the file (truncated?)"));
            }
            if (at ^ phdr.p_offset) & (PAGE_BYTES - 1) != 0 {
                return refuse(format!("segment at {at:#x}: address and file offset differ within a page"));
            }
        }
        if phdr.p_align > 1 {
            if !phdr.p_align.is_power_of_two() {
                return refuse(format!("segment at {at:#x}: alignment {:#x} is no power of two", phdr.p_align));
            }
            // Larger than any page size or huge page is a wish that would only eat address space.
            if phdr.p_align > ADDRESS_END / 4 {
                return refuse(format!("segment at {at:#x}: alignment {:#x} is too large", phdr.p_align));
            }
            self.align = self.align.max(phdr.p_align);
        }
        let flags = [(PF_R, Prot::READ), (PF_W, Prot::WRITE), (PF_X, Prot::EXEC)];
        let prot = flags.into_iter().filter(|(bit, _)| phdr.p_flags & bit != 0).map(|(_, prot)| prot);
        self.segments.push(Segment {
            vaddr: at,
            offset: if phdr.p_filesz > 0 { phdr.p_offset } else { 0 },
            file_bytes: phdr.p_filesz,
            memory_bytes: phdr.p_memsz,
            prot: prot.fold(Prot::NONE, Prot::union),
        });
        Ok(())
    }

    /// Lowest page of any segment.
    pub(crate) fn start(&self) -> u64 {
        self.segments.iter().map(Segment::first_page).min().unwrap_or(0)
    }

    /// End of the highest page of any segment.
    pub(crate) fn end(&self) -> u64 {
        self.segments.iter().map(Segment::last_page_end).max().unwrap_or(0)
    }
}

/// Reads header and program headers. The identification has been checked by `ProgramFile::kind`, but this holds for
/// any bytes.
fn read_tables(file: &ProgramFile) -> Result<(Header, Vec<ProgramHeader>), LoadError> {
    let refuse = |reason: &str| LoadError::format(file.path(), reason);
    let is_64bit = file.head().get(4) == Some(&2);
    let container = if is_64bit { Container::Big } else { Container::Little };
    let ctx = Ctx::new(container, Endian::Little);
    let (header_bytes, entry_bytes) = (Header::size(ctx), ProgramHeader::size(ctx));
    let start = file.head().get(..header_bytes).ok_or_else(|| refuse("truncated ELF header"))?;
    let header = Elf::parse_header(start).map_err(|_| refuse("corrupt ELF header"))?;
    match header.e_type {
        ET_EXEC | ET_DYN => {}
        ET_REL => return Err(refuse("is an object file: it must be linked first")),
        ET_CORE => return Err(refuse("is a core dump, not a program")),
        other => return Err(refuse(&format!("corrupt ELF header: file type {other}"))),
    }
    if header.e_phnum == 0 {
        return Err(refuse("corrupt ELF file: no program headers"));
    }
    if usize::from(header.e_phentsize) != entry_bytes {
        return Err(refuse(&format!("corrupt ELF header: program headers of {} bytes", header.e_phentsize)));
    }
    let table_bytes = u64::from(header.e_phnum) * entry_bytes as u64;
    if table_bytes > MAX_TABLE_BYTES {
        return Err(refuse(&format!("corrupt ELF header: {} program headers", header.e_phnum)));
    }
    if header.e_phoff.checked_add(table_bytes).is_none_or(|end| end > file.bytes()) {
        return Err(refuse("program headers lie beyond the end of the file (truncated?)"));
    }
    let table = file.read(header.e_phoff, table_bytes as usize)?;
    let phdrs = ProgramHeader::parse(&table, 0, usize::from(header.e_phnum), ctx)
        .map_err(|_| refuse("corrupt program headers"))?;
    Ok((header, phdrs))
}

fn read_interpreter(file: &ProgramFile, phdr: &ProgramHeader) -> Result<PathBuf, LoadError> {
    let refuse = |reason: &str| LoadError::format(file.path(), format!("corrupt ELF file: {reason}"));
    if !(2..=PATH_MAX).contains(&phdr.p_filesz) {
        return Err(refuse("the name of its loader (PT_INTERP) is empty or too long"));
    }
    if phdr.p_offset.checked_add(phdr.p_filesz).is_none_or(|end| end > file.bytes()) {
        return Err(refuse("the name of its loader (PT_INTERP) lies beyond the end of the file"));
    }
    let name = file.read(phdr.p_offset, phdr.p_filesz as usize)?;
    let end = name.iter().position(|&byte| byte == 0);
    match end {
        Some(0) => Err(refuse("the name of its loader (PT_INTERP) is empty or too long")),
        Some(end) if name.last() == Some(&0) => Ok(PathBuf::from(OsStr::from_bytes(&name[..end]))),
        _ => Err(refuse("the name of its loader (PT_INTERP) is not terminated")),
    }
}

fn check_overlap(file: &ProgramFile, segments: &[Segment]) -> Result<(), LoadError> {
    let mut sorted: Vec<&Segment> = segments.iter().collect();
    sorted.sort_by_key(|segment| segment.vaddr);
    for pair in sorted.windows(2) {
        if let [lower, upper] = pair
            && lower.end() > upper.vaddr
        {
            let reason = format!("corrupt ELF file: segments at {:#x} and {:#x} overlap", lower.vaddr, upper.vaddr);
            return Err(LoadError::format(file.path(), reason));
        }
    }
    Ok(())
}
