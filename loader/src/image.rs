//! Reads what an ELF file says about itself, as far as the kernel looks (fs/binfmt_elf.c): what it does not mind is not
//! minded here. The only file that knows goblin. Segments come out of here as they are in the file: whoever adds their
//! fields up must reckon with overflow.

use crate::{LoadError, ProgramFile};
use goblin::container::{Container, Ctx, Endian};
use goblin::elf::Elf;
use goblin::elf::header::{ET_CORE, ET_DYN, ET_EXEC, ET_REL, Header};
use goblin::elf::program_header::{PF_R, PF_W, PF_X, PT_GNU_STACK, PT_INTERP, PT_LOAD, ProgramHeader};
use ir::{PAGE_BYTES, Prot};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The kernel refuses program header tables larger than this.
const MAX_TABLE_BYTES: u64 = 65536;
/// Longest path the kernel accepts, with its NUL.
const PATH_MAX: u64 = 4096;

/// A PT_LOAD segment, its fields as in the file.
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
        self.vaddr.wrapping_add(self.file_bytes)
    }
    /// Where it ends.
    pub(crate) fn end(&self) -> u64 {
        self.vaddr.wrapping_add(self.memory_bytes)
    }
}

/// Rounds up to a page, wrapping at the top.
pub(crate) fn page_up(addr: u64) -> u64 {
    addr.wrapping_add(PAGE_BYTES - 1) & !(PAGE_BYTES - 1)
}

/// What an executable file asks for.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    /// ET_DYN: may be put anywhere.
    pub is_relocatable: bool,
    /// Entry point, in the file's own addresses.
    pub entry: u64,
    /// In the order of the table.
    pub segments: Vec<Segment>,
    /// Largest alignment that a segment wants, at least a page; a power of two.
    pub align: u64,
    /// PT_INTERP.
    pub interpreter: Option<PathBuf>,
    /// Whether PT_GNU_STACK asks for an executable stack.
    pub executable_stack: bool,
    /// Where the program headers are in memory, in the file's own addresses; 0 if no segment holds them.
    pub phdr_addr: u64,
    /// Number of program headers.
    pub phdr_count: u16,
}

impl Image {
    /// Reads an AArch64 program.
    pub(crate) fn read(file: &ProgramFile) -> Result<Self, LoadError> {
        Self::read_as(file, true, true)
    }

    /// Reads a loader that an AArch64 program names. It may be named by PT_INTERP what it will.
    pub(crate) fn read_interpreter(file: &ProgramFile) -> Result<Self, LoadError> {
        Self::read_as(file, true, false)
    }

    /// Reads a program of any machine, 32-bit ones only as far as PT_INTERP.
    pub(crate) fn read_for_host(file: &ProgramFile) -> Result<Self, LoadError> {
        let is_64bit = file.head().get(4) == Some(&2);
        Self::read_as(file, is_64bit, true)
    }

    fn read_as(file: &ProgramFile, is_64bit: bool, follows_interpreter: bool) -> Result<Self, LoadError> {
        let (header, phdrs) = read_tables(file, is_64bit)?;
        let mut image = Self {
            is_relocatable: header.e_type == ET_DYN,
            entry: header.e_entry,
            segments: Vec::new(),
            align: PAGE_BYTES,
            interpreter: None,
            executable_stack: false,
            phdr_addr: 0,
            phdr_count: header.e_phnum,
        };
        for phdr in &phdrs {
            match phdr.p_type {
                PT_LOAD => image.add_segment(phdr),
                // As in the kernel, the first one counts.
                PT_INTERP if follows_interpreter && image.interpreter.is_none() => {
                    image.interpreter = Some(read_interpreter(file, phdr)?);
                }
                PT_GNU_STACK => image.executable_stack = phdr.p_flags & PF_X != 0,
                _ => {}
            }
        }
        let table = header.e_phoff;
        let holds = |s: &&Segment| s.offset <= table && table < s.offset.wrapping_add(s.file_bytes);
        let holder = image.segments.iter().rev().find(holds);
        image.phdr_addr = holder.map_or(0, |s| s.vaddr.wrapping_add(table - s.offset));
        Ok(image)
    }

    fn add_segment(&mut self, phdr: &ProgramHeader) {
        // Alignments that are none are nobody's business.
        if phdr.p_align.is_power_of_two() {
            self.align = self.align.max(phdr.p_align);
        }
        let flags = [(PF_R, Prot::READ), (PF_W, Prot::WRITE), (PF_X, Prot::EXEC)];
        let prot = flags.into_iter().filter(|(bit, _)| phdr.p_flags & bit != 0).map(|(_, prot)| prot);
        self.segments.push(Segment {
            vaddr: phdr.p_vaddr,
            offset: phdr.p_offset,
            file_bytes: phdr.p_filesz,
            memory_bytes: phdr.p_memsz,
            prot: prot.fold(Prot::NONE, Prot::union),
        });
    }

    /// Lowest page of any segment.
    pub(crate) fn start(&self) -> u64 {
        self.segments.iter().map(Segment::first_page).min().unwrap_or(0)
    }

    /// Highest end of any segment.
    pub(crate) fn end(&self) -> u64 {
        self.segments.iter().map(Segment::end).max().unwrap_or(0)
    }
}

/// Reads header and program headers. The identification has been checked by `ProgramFile::kind`, but this holds for
/// any bytes.
fn read_tables(file: &ProgramFile, is_64bit: bool) -> Result<(Header, Vec<ProgramHeader>), LoadError> {
    let refuse = |reason: &str| LoadError::format(file.path(), reason);
    let container = if is_64bit { Container::Big } else { Container::Little };
    let ctx = Ctx::new(container, Endian::Little);
    let (header_bytes, entry_bytes) = (Header::size(ctx), ProgramHeader::size(ctx));
    let start = file.head().get(..header_bytes).ok_or_else(|| refuse("truncated ELF header"))?;
    // The kernel knows the machine by its number, and looks at class and byte order no more.
    let mut start = start.to_vec();
    start[4] = if is_64bit { 2 } else { 1 };
    start[5] = 1;
    let header = Elf::parse_header(&start).map_err(|_| refuse("corrupt ELF header"))?;
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
        let reason = "corrupt ELF file: the name of its loader (PT_INTERP) lies beyond the end of the file";
        return Err(LoadError::new(file.path(), libc::EIO, reason));
    }
    let name = file.read(phdr.p_offset, phdr.p_filesz as usize)?;
    if name.last() != Some(&0) {
        return Err(refuse("the name of its loader (PT_INTERP) is not terminated"));
    }
    let end = name.iter().position(|&byte| byte == 0).unwrap_or(0);
    Ok(PathBuf::from(OsStr::from_bytes(&name[..end])))
}
