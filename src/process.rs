//! What emu asks of the host's kernel about its own process: becoming another program, memory files, descriptors out of
//! the guest's way. Unsafe because these are system calls with pointers or descriptors.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, OsStr, c_char};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Emu's own descriptors are moved to this number or above: the guest expects to get the lowest free ones.
const FIRST_OWN_DESCRIPTOR: i32 = 768;

/// Keeps the allocator from mapping memory for each large object: such mappings come and go at any time, also on the
/// compiler's thread, and could take a place that the guest has just unmapped and means to use again. So do heaps of
/// threads: all share one.
pub fn settle_allocator() {
    // As much as glibc allows.
    const MMAP_THRESHOLD_BYTES: i32 = 32 << 20;
    // SAFETY: sets a parameter of the allocator; if it is refused, the default stays.
    unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES) };
    // SAFETY: as above.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
    start_heap_with_huge_page();
}

/// Has the heap go on at the start of a huge page, if the host has them: its one fault costs as much as 25 faults of
/// small pages, and the shortest program has emu use a hundred. Not where address space is scarce.
fn start_heap_with_huge_page() {
    const HUGE_PAGE_BYTES: usize = 2 << 20;
    /// More than the heap has at the start.
    const FIRST_HEAP_BYTES: usize = 256 << 10;
    /// What a block has around it, at most.
    const OVERHEAD_BYTES: usize = 48;
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: fills the structure given.
    unsafe { libc::getrlimit(libc::RLIMIT_AS, &mut limit) };
    if limit.rlim_cur != libc::RLIM_INFINITY {
        return;
    }
    // SAFETY: a parameter of the allocator, two blocks that are never freed, and advice on memory that lies behind them
    // in the heap: no content changes. If the allocator puts the blocks elsewhere the advice fails or is of no use.
    unsafe {
        libc::mallopt(libc::M_TOP_PAD, HUGE_PAGE_BYTES as i32);
        let here = libc::malloc(1) as usize;
        let boundary = (here + FIRST_HEAP_BYTES).next_multiple_of(HUGE_PAGE_BYTES);
        // Never touched. Or else the compiler leaves the allocation out.
        std::hint::black_box(libc::malloc(boundary - here - OVERHEAD_BYTES));
        libc::madvise(boundary as *mut libc::c_void, HUGE_PAGE_BYTES, libc::MADV_HUGEPAGE);
    }
}

/// Becomes another program. Comes back only with the reason why not.
pub fn execve(path: &CStr, argv: &[CString], envp: &[CString]) -> io::Error {
    let pointers = |list: &[CString]| -> Vec<*const c_char> {
        list.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (argv, envp) = (pointers(argv), pointers(envp));
    // SAFETY: both lists end in a null pointer, and the strings outlive the call.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    io::Error::last_os_error()
}

/// A file that is only in memory.
pub fn memory_file(name: &CStr) -> io::Result<File> {
    // SAFETY: the name is a C string; the descriptor that comes back is nobody else's.
    unsafe {
        match libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(File::from_raw_fd(fd)),
        }
    }
}

/// The same open file under a number that does not get in the guest's way, if the limit on descriptors allows.
pub fn out_of_the_way(file: File) -> File {
    // SAFETY: duplicates a descriptor that `file` holds; the new one is nobody else's.
    unsafe {
        match libc::fcntl(file.as_raw_fd(), libc::F_DUPFD_CLOEXEC, FIRST_OWN_DESCRIPTOR) {
            -1 => file,
            fd => File::from_raw_fd(fd),
        }
    }
}

/// Whether this program has rights that its caller has not, so that the environment may be an attacker's.
pub fn is_privileged() -> bool {
    // SAFETY: reads the auxiliary vector.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// The path by which this program was started (AT_EXECFN); relative to where that was.
pub fn started_as() -> PathBuf {
    // SAFETY: the kernel gives the address of a string that lasts as long as the process.
    let name = unsafe {
        match libc::getauxval(libc::AT_EXECFN) {
            0 => c"emu",
            addr => CStr::from_ptr(addr as *const c_char),
        }
    };
    PathBuf::from(OsStr::from_bytes(name.to_bytes()))
}

/// Whether things are to be at fixed places (ADDR_NO_RANDOMIZE): by the personality that the guest program which started
/// this one had set, else by that of this process.
pub fn has_fixed_addresses(personality: Option<u32>) -> bool {
    // SAFETY: this value of the argument only asks.
    let of_the_host = || u32::try_from(unsafe { libc::personality(0xffff_ffff) }).unwrap_or_default();
    personality.unwrap_or_else(of_the_host) & libc::ADDR_NO_RANDOMIZE as u32 != 0
}

/// How large the guest's stack may get: as `wanted`, or by this process's limit.
pub fn stack_bytes(wanted: Option<u64>) -> u64 {
    const LEAST_BYTES: u64 = 256 << 10;
    /// What "unlimited" comes to, and whatever else no stack needs.
    const MOST_BYTES: u64 = 16 << 30;
    let of_the_host = || {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: fills in the structure.
        let failed = unsafe { libc::getrlimit(libc::RLIMIT_STACK, &raw mut limit) } != 0;
        if failed { libc::RLIM_INFINITY } else { limit.rlim_cur }
    };
    wanted.unwrap_or_else(of_the_host).clamp(LEAST_BYTES, MOST_BYTES)
}
