//! For tests: ELF files made from their fields, and a directory to put them in.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory that goes away with the value.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("emu-loader-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self, name: &str, bytes: &[u8], mode: u32) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) const PT_LOAD: u32 = 1;
pub(crate) const PT_INTERP: u32 = 3;
pub(crate) const PT_GNU_STACK: u32 = 0x6474_e551;
pub(crate) const PT_GNU_PROPERTY: u32 = 0x6474_e553;

/// One program header.
#[derive(Clone, Copy)]
pub(crate) struct Phdr {
    pub kind: u32,
    pub flags: u32,
    pub offset: u64,
    pub vaddr: u64,
    pub file_bytes: u64,
    pub memory_bytes: u64,
    pub align: u64,
}

impl Phdr {
    pub(crate) fn load(flags: u32, offset: u64, vaddr: u64, file_bytes: u64, memory_bytes: u64) -> Self {
        Self { kind: PT_LOAD, flags, offset, vaddr, file_bytes, memory_bytes, align: 0x1000 }
    }

    pub(crate) fn other(kind: u32, offset: u64, bytes: u64) -> Self {
        Self { kind, flags: 4, offset, vaddr: offset, file_bytes: bytes, memory_bytes: bytes, align: 1 }
    }
}

/// A 64-bit little-endian ELF file: header, program headers right after it, then zeros and `content` pieces.
#[derive(Clone)]
pub(crate) struct Elf {
    pub kind: u16,
    pub machine: u16,
    pub entry: u64,
    pub phoff: u64,
    pub phentsize: u16,
    /// Instead of the number of `phdrs`.
    pub phnum: Option<u16>,
    pub phdrs: Vec<Phdr>,
    pub content: Vec<(usize, Vec<u8>)>,
    pub bytes: usize,
}

impl Elf {
    /// ET_EXEC, one executable segment at a place that nothing else uses.
    pub(crate) fn exec() -> Self {
        Self {
            kind: 2,
            machine: 183,
            entry: 0x11_0000_0100,
            phoff: 64,
            phentsize: 56,
            phnum: None,
            phdrs: vec![Phdr::load(5, 0, 0x11_0000_0000, 0x1000, 0x1000)],
            content: Vec::new(),
            bytes: 0x1000,
        }
    }

    /// ET_DYN: code, and data with bss.
    pub(crate) fn pie() -> Self {
        Self {
            kind: 3,
            entry: 0x100,
            phdrs: vec![Phdr::load(5, 0, 0, 0x1000, 0x1000), Phdr::load(6, 0x1800, 0x11800, 0x100, 0x3000)],
            content: vec![(0x1800, vec![0xaa; 0x800])],
            bytes: 0x2000,
            ..Self::exec()
        }
    }

    pub(crate) fn with(mut self, phdr: Phdr) -> Self {
        self.phdrs.push(phdr);
        self
    }

    /// With this PT_INTERP.
    pub(crate) fn with_interpreter(mut self, name: &str) -> Self {
        let text = [name.as_bytes(), b"\0"].concat();
        self.phdrs.push(Phdr::other(PT_INTERP, 0x800, text.len() as u64));
        self.content.push((0x800, text));
        self
    }

    pub(crate) fn build(&self) -> Vec<u8> {
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(16, 0);
        let mut put = |bytes: &[u8]| file.extend_from_slice(bytes);
        put(&self.kind.to_le_bytes());
        put(&self.machine.to_le_bytes());
        put(&1_u32.to_le_bytes());
        put(&self.entry.to_le_bytes());
        put(&self.phoff.to_le_bytes());
        put(&[0; 12]);
        for half in [64, self.phentsize, self.phnum.unwrap_or(self.phdrs.len() as u16), 64, 0, 0] {
            put(&half.to_le_bytes());
        }
        for phdr in &self.phdrs {
            put(&phdr.kind.to_le_bytes());
            put(&phdr.flags.to_le_bytes());
            for word in [phdr.offset, phdr.vaddr, phdr.vaddr, phdr.file_bytes, phdr.memory_bytes, phdr.align] {
                put(&word.to_le_bytes());
            }
        }
        file.resize(self.bytes.max(file.len()), 0);
        for (at, bytes) in &self.content {
            file[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        file
    }
}
