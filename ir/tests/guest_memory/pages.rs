//! Real pages to access. Unsafe because it maps them.
#![allow(unsafe_code)]

use ir::{GuestAddr, PAGE_BYTES, memory};

/// Two pages; the first may be read and written and holds 0, 1, 2, ..., 255, 0, ...
pub struct Pages {
    pub start: GuestAddr,
}

impl Pages {
    /// The second page has protection `second` (`PROT_*`).
    pub fn new(second: i32) -> Self {
        memory::install_handler();
        let bytes = 2 * PAGE_BYTES as usize;
        let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a fresh private mapping, placed by the kernel.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, prot, flags, -1, 0) };
        assert_ne!(start, libc::MAP_FAILED);
        let pages = Self { start: GuestAddr(start as u64) };
        let content: Vec<u8> = (0..2 * PAGE_BYTES).map(|i| i as u8).collect();
        memory::write_bytes(pages.start, &content).unwrap();
        // SAFETY: the second half of the mapping just made.
        assert_eq!(unsafe { libc::mprotect(pages.end().0 as *mut _, PAGE_BYTES as usize, second) }, 0);
        pages
    }

    /// Two pages of a file that has one.
    pub fn beyond_a_file() -> Self {
        memory::install_handler();
        // SAFETY: makes a file descriptor of our own; the name is a C string.
        let fd = unsafe { libc::memfd_create(c"pages".as_ptr(), 0) };
        assert!(fd >= 0);
        let (bytes, prot) = (2 * PAGE_BYTES as usize, libc::PROT_READ | libc::PROT_WRITE);
        // SAFETY: the descriptor is ours; the mapping is placed by the kernel and outlives the descriptor.
        let start = unsafe {
            assert_eq!(libc::ftruncate(fd, PAGE_BYTES as i64), 0);
            let start = libc::mmap(std::ptr::null_mut(), bytes, prot, libc::MAP_SHARED, fd, 0);
            libc::close(fd);
            start
        };
        assert_ne!(start, libc::MAP_FAILED);
        Self { start: GuestAddr(start as u64) }
    }

    /// The first address of the second page.
    pub fn end(&self) -> GuestAddr {
        self.start.offset(PAGE_BYTES as i64)
    }

    pub fn read(&self, addr: GuestAddr, bytes: usize) -> Vec<u8> {
        let mut content = vec![0; bytes];
        memory::read_bytes(addr, &mut content).unwrap();
        content
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping made by the constructors, which nothing refers to any more.
        unsafe { libc::munmap(self.start.0 as *mut libc::c_void, 2 * PAGE_BYTES as usize) };
    }
}
