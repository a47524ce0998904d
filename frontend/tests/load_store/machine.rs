//! A guest with one page of memory and an unmapped page after it. Unsafe because it maps them.
#![allow(unsafe_code)]

use frontend::A64;
use ir::{CpuState, Eval, Frontend, GuestAddr, PAGE_BYTES, Stop, memory};

pub struct Machine {
    pub cpu: CpuState,
    /// Start of the page that may be accessed.
    pub page: GuestAddr,
}

impl Machine {
    /// Registers hold distinct values, memory holds byte `i * 7 + 1` at offset `i`; PC is in the page.
    pub fn new() -> Self {
        memory::install_handler();
        let bytes = 2 * PAGE_BYTES as usize;
        // SAFETY: a fresh private mapping, placed by the kernel.
        let page = unsafe {
            libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_NONE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)
        };
        assert_ne!(page, libc::MAP_FAILED);
        // SAFETY: the first half of the mapping just made.
        let status = unsafe { libc::mprotect(page, PAGE_BYTES as usize, libc::PROT_READ | libc::PROT_WRITE) };
        assert_eq!(status, 0);
        let page = GuestAddr(page as u64);
        let content: Vec<u8> = (0..PAGE_BYTES).map(byte_at).collect();
        memory::write_bytes(page, &content).unwrap();
        let mut cpu = CpuState::new();
        for i in 0..32u8 {
            cpu.x[usize::from(i)] = 0x1111_2222_3333_4400 + u64::from(i);
            cpu.v[usize::from(i)] = u128::from_le_bytes([i | 0x80; 16]);
        }
        cpu.pc = page;
        Self { cpu, page }
    }

    /// An address in the page.
    pub fn at(&self, offset: u64) -> u64 {
        self.page.0 + offset
    }

    /// The first address after the page.
    pub fn end(&self) -> u64 {
        self.at(PAGE_BYTES)
    }

    /// Performs one instruction, without moving PC.
    pub fn run(&mut self, word: u32) -> Result<(), Stop> {
        let insn = A64::decode(word, self.cpu.pc);
        let (lifter, args) = A64::lifter(&insn);
        lifter(&mut Eval::new(&mut self.cpu), args)
    }

    pub fn read(&self, addr: u64, bytes: usize) -> Vec<u8> {
        let mut content = vec![0; bytes];
        memory::read_bytes(GuestAddr(addr), &mut content).unwrap();
        content
    }

    pub fn write(&self, addr: u64, content: &[u8]) {
        memory::write_bytes(GuestAddr(addr), content).unwrap();
    }

    pub fn read_u64(&self, addr: u64) -> u64 {
        u64::from_le_bytes(self.read(addr, 8).try_into().unwrap())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`, which nothing refers to any more.
        unsafe { libc::munmap(self.page.0 as *mut libc::c_void, 2 * PAGE_BYTES as usize) };
    }
}

/// What a new machine's memory holds at an offset.
pub fn byte_at(offset: u64) -> u8 {
    (offset * 7 + 1) as u8
}

/// What a new machine's memory holds from an offset on.
pub fn number_at(offset: u64, bytes: u64) -> u128 {
    (0..bytes).fold(0, |number, i| number | u128::from(byte_at(offset + i)) << (8 * i))
}
