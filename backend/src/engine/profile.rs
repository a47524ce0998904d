//! Tells `perf` where generated code lies: a map file that `perf report` reads, and a dump in its jitdump format that
//! `perf inject --jit` reads (tools/perf/Documentation/jitdump-specification.txt in Linux).
//!
//! Unsafe because `perf record` notices a jitdump file only when a page of it is mapped executable.
#![allow(unsafe_code)]

use crate::config::Profile;
use ir::GuestAddr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;

const MAGIC: u32 = 0x4a69_5444;
const VERSION: u32 = 1;
const HEADER_BYTES: u32 = 40;
const EM_X86_64: u32 = 62;
const JIT_CODE_LOAD: u32 = 0;
/// Size of a load record without name and code: header (16), pid and tid (8), four words (32).
const LOAD_BYTES: u32 = 56;

/// Where code is announced.
#[derive(Debug)]
pub struct Profiler {
    wanted: Profile,
    /// The process whose files these are; a fork's child opens its own.
    pid: u32,
    map: Option<File>,
    dump: Option<File>,
    announced: u64,
    files: Vec<Mapped>,
}

impl Profiler {
    /// Announces what is `wanted`.
    pub fn new(wanted: Profile) -> Self {
        Self { wanted, pid: 0, map: None, dump: None, announced: 0, files: Vec::new() }
    }

    /// Whether anything is.
    pub fn is_on(&self) -> bool {
        self.wanted.map || self.wanted.dump
    }

    /// Announces the code of a guest address, of `kind` (a word).
    pub fn announce(&mut self, kind: &str, pc: GuestAddr, at: u64, code: &[u8]) {
        if !self.is_on() {
            return;
        }
        let pid = std::process::id();
        if pid != self.pid {
            self.open(pid);
        }
        let name = format!("emu {kind} {pc}{}", file_of(pc, &mut self.files).unwrap_or_default());
        // A profile that cannot be written must not stop the guest.
        if let Some(map) = &mut self.map {
            let _ = writeln!(map, "{at:x} {:x} {name}", code.len());
        }
        let index = self.announced;
        self.announced += 1;
        if let Some(dump) = &mut self.dump {
            let _ = dump.write_all(&load_record(pid, index, &name, at, code));
        }
    }

    fn open(&mut self, pid: u32) {
        let parent = std::mem::replace(&mut self.pid, pid);
        if self.wanted.map {
            let path = |pid| format!("/tmp/perf-{pid}.map");
            if parent != 0 {
                // What the parent had translated is in this process too.
                let _ = std::fs::copy(path(parent), path(pid));
            }
            self.map = File::options().create(true).append(parent != 0).write(true).open(path(pid)).ok();
            if let Some(map) = self.map.as_ref().filter(|_| parent == 0) {
                let _ = map.set_len(0);
            }
        }
        if self.wanted.dump {
            self.dump = start_dump(pid).ok();
        }
    }
}

fn start_dump(pid: u32) -> io::Result<File> {
    let path = format!("jit-{pid}.dump");
    let mut file = File::options().create(true).truncate(true).read(true).write(true).open(path)?;
    let mut header = Vec::new();
    for word in [MAGIC, VERSION, HEADER_BYTES, EM_X86_64, 0, pid] {
        header.extend(word.to_le_bytes());
    }
    header.extend(monotonic_ns().to_le_bytes());
    header.extend(0u64.to_le_bytes());
    file.write_all(&header)?;
    // SAFETY: a new mapping of a file that is at least a header long; it is never read, and stays for perf to see.
    let at = unsafe {
        let prot = libc::PROT_READ | libc::PROT_EXEC;
        libc::mmap(std::ptr::null_mut(), 4096, prot, libc::MAP_PRIVATE, file.as_raw_fd(), 0)
    };
    if at == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(file) }
}

fn load_record(pid: u32, index: u64, name: &str, at: u64, code: &[u8]) -> Vec<u8> {
    let total = LOAD_BYTES + name.len() as u32 + 1 + code.len() as u32;
    let mut record = Vec::with_capacity(total as usize);
    for word in [JIT_CODE_LOAD, total] {
        record.extend(word.to_le_bytes());
    }
    record.extend(monotonic_ns().to_le_bytes());
    for word in [pid, pid] {
        record.extend(word.to_le_bytes());
    }
    for word in [at, at, code.len() as u64, index] {
        record.extend(word.to_le_bytes());
    }
    record.extend(name.as_bytes());
    record.push(0);
    record.extend(code);
    record
}

fn monotonic_ns() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: fills the structure given.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// A file mapped into the guest.
#[derive(Debug)]
struct Mapped {
    start: u64,
    end: u64,
    offset: u64,
    name: String,
}

fn mapped_files() -> Vec<Mapped> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let file = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let (start, end) = (u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?);
        let offset = u64::from_str_radix(fields.nth(1)?, 16).ok()?;
        let name = fields.nth(2)?.rsplit('/').next()?.to_owned();
        Some(Mapped { start, end, offset, name })
    };
    maps.lines().filter_map(file).collect()
}

/// ` (file+offset)` of a guest address that lies in a mapped file. The list is made anew when it lacks the address.
fn file_of(pc: GuestAddr, files: &mut Vec<Mapped>) -> Option<String> {
    let holds = |file: &Mapped| (file.start..file.end).contains(&pc.0);
    if !files.iter().any(holds) {
        *files = mapped_files();
    }
    let file = files.iter().find(|file| holds(file))?;
    Some(format!(" ({}+{:#x})", file.name, pc.0 - file.start + file.offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_record_has_the_length_it_says() {
        let record = load_record(7, 1, "name", 0x1000, &[0x90; 5]);
        assert_eq!(record.len(), 16 + 8 + 32 + 5 + 5);
        assert_eq!(record[4..8], (record.len() as u32).to_le_bytes());
        assert_eq!(&record[56..], b"name\0\x90\x90\x90\x90\x90");
    }
}
