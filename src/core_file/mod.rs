//! The core file that the guest leaves when it dies, in the guest's format, where and when the kernel would write one:
//! the host's kernel would write one of emu. This file finds the facts; `name.rs` knows what the file is called,
//! `memory.rs` what of memory is in it, `notes.rs` and `elf.rs` its format. Only the host's kernel can say in the wait status
//! that there is a core file, and only if it writes one: `nowhere.rs` lets it. It must not know why the guest dies.

mod elf;
mod memory;
mod name;
mod notes;
mod nowhere;

use crate::process;
use crate::roll::Registers;
use ir::{GuestRange, PAGE_BYTES};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use zerocopy::IntoBytes;

/// How much of the arguments debuggers are shown.
const SHOWN_ARGUMENTS_BYTES: u64 = 80;

/// A program as it was started.
#[derive(Clone, Debug)]
pub struct Started {
    /// The host's path of its file.
    pub exe: PathBuf,
    /// The auxiliary vector.
    pub auxv: Vec<(u64, u64)>,
    /// Where its arguments are.
    pub argv: GuestRange,
}

/// Where a core file goes.
#[derive(Clone, Debug)]
pub struct Core {
    path: PathBuf,
    limit: u64,
}

/// How it dies.
pub struct Death<'a> {
    /// The dying process.
    pub process: &'a syscalls::Process,
    /// The program, if it has begun.
    pub started: Option<&'a Started>,
    /// The siginfo of the signal.
    pub siginfo: [u64; 16],
}

impl Death<'_> {
    fn signal(&self) -> i32 {
        self.siginfo[0] as i32
    }

    /// Whether there is to be a core file of the guest's, and which.
    pub fn plan_core(&self) -> Option<Core> {
        let limit = self.process.core_limit(self.signal())?;
        let (pattern, uses_pid) = despite_full_table(|| {
            let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern")?;
            let uses_pid = fs::read_to_string("/proc/sys/kernel/core_uses_pid").is_ok_and(|value| value.trim() != "0");
            Ok((pattern, uses_pid))
        })
        .ok()?;
        let path = name::of(&pattern, uses_pid, &self.facts(limit))?.into();
        Some(Core { path, limit })
    }

    /// Leaves a core file with the registers of `threads`, first those of the calling thread. From then on the host's
    /// kernel writes none. Whatever goes wrong, the guest dies as it would without.
    pub fn leave_core(&self, core: &Core, threads: &[Registers]) {
        self.process.limit_host_core(0);
        let about = self.about();
        let result = despite_full_table(|| self.write(core, about.clone(), threads));
        // One that is cut short is one, too.
        let is_left = result.map_or_else(|error| error.kind() == io::ErrorKind::FileTooLarge, |()| true);
        if is_left && nowhere::enter(&core.path) {
            // The least with which the kernel begins.
            self.process.limit_host_core(PAGE_BYTES);
        }
    }

    fn facts(&self, limit: u64) -> name::Facts {
        let [uid, gid] = process::user();
        let exe = self.started.map(|started| started.exe.to_string_lossy().into_owned());
        name::Facts {
            pid: std::process::id(),
            tid: process::thread_id(),
            uid,
            gid,
            signal: self.signal(),
            time: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            limit,
            host: process::host_name(),
            comm: String::from_utf8_lossy(&process::thread_name()).into_owned(),
            exe: exe.unwrap_or_default(),
        }
    }

    fn about(&self) -> notes::About {
        notes::About {
            ids: process::ids(),
            user: process::user(),
            nice: process::nice(),
            times: process::times(),
            comm: process::thread_name(),
            arguments: self.started.map(|started| arguments(started.argv)).unwrap_or_default(),
            auxv: self.started.map(|started| started.auxv.clone()).unwrap_or_default(),
            siginfo: self.siginfo,
            files: Vec::new(),
        }
    }

    fn write(&self, core: &Core, mut about: notes::About, threads: &[Registers]) -> io::Result<()> {
        let smaps = String::from_utf8_lossy(&fs::read("/proc/self/smaps")?).into_owned();
        let filter = line_of("/proc/self/coredump_filter");
        let filter = u64::from_str_radix(&filter, 16).unwrap_or(memory::DEFAULT_FILTER);
        let memory =
            GuestMemory { content: File::open("/proc/self/mem")?, pages: File::open("/proc/self/pagemap").ok() };
        let segments = memory::segments(&self.process.memory().mapped(), &smaps, filter);
        let files = segments.iter().filter_map(|segment| segment.file.clone().map(|file| (segment.range, file)));
        about.files = files.map(|(range, (path, offset))| (range, offset, path)).collect();
        let notes = notes::all(&about, threads);
        let file = create(&core.path)?;
        elf::write(&file, core.limit, &segments, &notes, &memory)
    }
}

/// Does `work`, which opens files and closes them, also if no descriptors are left.
fn despite_full_table<T: Send>(work: impl Fn() -> io::Result<T> + Sync) -> io::Result<T> {
    match work() {
        Err(error) if error.raw_os_error() == Some(libc::EMFILE) => {
            syscalls::with_spare_descriptors(&[], &work).unwrap_or(Err(error))
        }
        result => result,
    }
}

fn line_of(file: &str) -> String {
    String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).trim_end_matches('\n').to_owned()
}

fn arguments(argv: GuestRange) -> Vec<u8> {
    let mut bytes = vec![0; argv.bytes().min(SHOWN_ARGUMENTS_BYTES) as usize];
    match ir::memory::read_bytes(argv.start, &mut bytes) {
        // The last NUL ends them.
        Ok(()) => bytes.strip_suffix(b"\0").unwrap_or(&bytes).to_vec(),
        Err(_) => Vec::new(),
    }
}

/// Makes the file, in place of what has its name, as the kernel does: nobody's link leads elsewhere.
fn create(path: &Path) -> io::Result<File> {
    let _ = fs::remove_file(path);
    let file = File::options().write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() || found.nlink() != 1 || found.mode() & 0o677 & !0o600 != 0 {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    Ok(file)
}

/// This process's memory, by the kernel's files, which do not mind protections.
struct GuestMemory {
    content: File,
    pages: Option<File>,
}

impl elf::Memory for GuestMemory {
    fn read(&self, addr: u64, to: &mut [u8]) -> io::Result<()> {
        self.content.read_exact_at(to, addr)
    }

    fn present(&self, addr: u64, pages: u64) -> (u64, u64) {
        const MOST_ENTRIES: u64 = 1 << 15;
        /// In memory or in swap.
        const PRESENT: u64 = 3 << 62;
        let Some(file) = &self.pages else { return (pages, 0) };
        let mut entries = vec![0u64; pages.min(MOST_ENTRIES) as usize];
        if file.read_exact_at(entries.as_mut_bytes(), addr / PAGE_BYTES * 8).is_err() {
            return (pages, 0);
        }
        let mut entries = entries.into_iter().map(|entry| entry & PRESENT != 0).peekable();
        let mut count = |wanted: bool| {
            let mut count = 0;
            while entries.next_if_eq(&wanted).is_some() {
                count += 1;
            }
            count
        };
        (count(true), count(false))
    }
}
