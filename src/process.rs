//! What emu asks of the host's kernel about its own process: becoming another program, memory files, descriptors out of
//! the guest's way. Unsafe because these are system calls with pointers or descriptors.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use syscalls::FIRST_OWN_DESCRIPTOR;

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
    create_memory_file(name, libc::MFD_CLOEXEC)
}

/// A file that is only in memory and may be executed.
pub fn executable_memory_file(name: &CStr) -> io::Result<File> {
    create_memory_file(name, libc::MFD_CLOEXEC | libc::MFD_EXEC).or_else(|_| memory_file(name))
}

fn create_memory_file(name: &CStr, flags: u32) -> io::Result<File> {
    // SAFETY: the name is a C string; the descriptor that comes back is nobody else's.
    unsafe {
        match libc::memfd_create(name.as_ptr(), flags) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(File::from_raw_fd(fd)),
        }
    }
}

/// The same open file under a number that does not get in the guest's way, if the limit on descriptors allows.
pub fn out_of_the_way(file: File) -> File {
    duplicate_out_of_the_way(file.as_raw_fd()).unwrap_or(file)
}

/// Another descriptor of the same open file, out of the guest's way.
pub fn duplicate_out_of_the_way(fd: RawFd) -> Option<File> {
    // SAFETY: duplicates a descriptor; the new one is nobody else's.
    let duplicate = |least: RawFd| unsafe {
        match libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, least) {
            -1 => None,
            fd => Some(File::from_raw_fd(fd)),
        }
    };
    if let Some(file) = duplicate(FIRST_OWN_DESCRIPTOR) {
        return Some(file);
    }
    // A number once given stays good when the limit is lower.
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: fills the structure given.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    let raised = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
    // SAFETY: reads the structure given; so below.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) };
    let least = RawFd::try_from(limit.rlim_max / 4 * 3).unwrap_or(FIRST_OWN_DESCRIPTOR).min(FIRST_OWN_DESCRIPTOR);
    let file = duplicate(least);
    // SAFETY: as above.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    file
}

/// Takes charge of a descriptor that this process was started with. None if it is not open.
pub fn take(fd: RawFd) -> Option<File> {
    // SAFETY: whoever started emu has said that the descriptor is emu's.
    unsafe {
        match libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) {
            -1 => None,
            _ => Some(File::from_raw_fd(fd)),
        }
    }
}

/// A file by a descriptor that is somebody else's, and must never be closed. None if it is not open.
pub fn borrow(fd: RawFd) -> Option<File> {
    // SAFETY: asks for the flags; then the caller sees to it that the file is not dropped.
    unsafe { (libc::fcntl(fd, libc::F_GETFD) != -1).then(|| File::from_raw_fd(fd)) }
}

/// Another descriptor of what somebody else has open, out of the guest's way if that can be.
pub fn duplicate(fd: RawFd) -> Option<File> {
    duplicate_out_of_the_way(fd).or_else(|| {
        // SAFETY: duplicates a descriptor; the new one is nobody else's.
        unsafe {
            match libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) {
                -1 => None,
                fd => Some(File::from_raw_fd(fd)),
            }
        }
    })
}

/// Mounts a file system that needs no device, of the type `kind`.
pub fn mount(kind: &CStr, place: &str) -> io::Result<()> {
    let place = CString::new(place)?;
    // SAFETY: C strings, and no data.
    match unsafe { libc::mount(kind.as_ptr(), place.as_ptr(), kind.as_ptr(), 0, std::ptr::null()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether this process may execute the file.
pub fn may_execute(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
    // SAFETY: the path is a C string.
    unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), libc::X_OK, libc::AT_EACCESS) == 0 }
}

/// Whether /proc is the kernel's.
pub fn is_proc_mounted() -> bool {
    // SAFETY: integers, for which zero is a value; filled in by the call.
    unsafe {
        let mut statfs: libc::statfs = std::mem::zeroed();
        libc::statfs(c"/proc".as_ptr(), &raw mut statfs) == 0 && statfs.f_type == libc::PROC_SUPER_MAGIC
    }
}

/// What the kernel says of how this program was started, in the auxiliary vector.
pub fn auxiliary_value(kind: u64) -> Option<u64> {
    // SAFETY: only reads what the kernel has put there; errno tells a value of 0 from none.
    unsafe {
        *libc::__errno_location() = 0;
        match libc::getauxval(kind) {
            0 if *libc::__errno_location() == libc::ENOENT => None,
            value => Some(value),
        }
    }
}

/// Whether this program has rights that its caller has not, so that the environment may be an attacker's.
pub fn is_privileged() -> bool {
    // SAFETY: reads the auxiliary vector.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// The path that execve(2) was called with (AT_EXECFN), relative to where that was. When the kernel has started emu to
/// run a program (binfmt_misc), that is the program's.
pub fn started_as() -> CString {
    match auxiliary_value(libc::AT_EXECFN) {
        // SAFETY: the kernel gives the address of a string that lasts as long as the process.
        Some(addr) => unsafe { CStr::from_ptr(addr as *const c_char) }.to_owned(),
        None => CString::default(),
    }
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

/// The calling thread's id.
pub fn thread_id() -> u32 {
    // SAFETY: a system call without arguments; past libc, whose idea of the id is stale after a raw clone.
    unsafe { libc::syscall(libc::SYS_gettid) as u32 }
}

/// The process, its parent, its group, its session.
pub fn ids() -> [u32; 4] {
    // SAFETY: system calls that only ask.
    unsafe { [libc::getpid(), libc::getppid(), libc::getpgrp(), libc::getsid(0)] }.map(i32::cast_unsigned)
}

/// The real user and group.
pub fn user() -> [u32; 2] {
    // SAFETY: system calls that only ask.
    unsafe { [libc::getuid(), libc::getgid()] }
}

/// The effective user and group, whose files the process makes.
pub fn effective_user() -> [u32; 2] {
    // SAFETY: system calls that only ask.
    unsafe { [libc::geteuid(), libc::getegid()] }
}

/// The calling thread's name: comm in proc(5).
pub fn thread_name() -> Vec<u8> {
    let mut name = [0; 16];
    // SAFETY: fills in 16 bytes, the last of them a NUL.
    unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
    name.split(|&byte| byte == 0).next().unwrap_or_default().to_vec()
}

/// The machine's name, as uname(2) has it.
pub fn host_name() -> String {
    // SAFETY: texts, for which zero is a value; filled in by the call, each with its NUL.
    let name = unsafe {
        let mut names: libc::utsname = std::mem::zeroed();
        libc::uname(&raw mut names);
        CStr::from_ptr(names.nodename.as_ptr()).to_owned()
    };
    name.to_string_lossy().into_owned()
}

/// The process's nice value.
pub fn nice() -> i32 {
    // SAFETY: only asks.
    unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) }
}

/// What the process and its children have used: user, system, each in seconds and microseconds.
pub fn times() -> [[u64; 2]; 4] {
    let of = |who| {
        // SAFETY: integers, for which zero is a value; filled in by the call.
        let usage = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            libc::getrusage(who, &raw mut usage);
            usage
        };
        [usage.ru_utime, usage.ru_stime].map(|time| [time.tv_sec as u64, time.tv_usec as u64])
    };
    let ([user, system], [children_user, children_system]) = (of(libc::RUSAGE_SELF), of(libc::RUSAGE_CHILDREN));
    [user, system, children_user, children_system]
}
