//! The notes of a core file, as arm64's kernel lays them out (`struct elf_prstatus`, `elf_prpsinfo` and others). Owns
//! these layouts; it must not know where the facts come from.

use crate::roll::Registers;
use ir::{GuestRange, PAGE_BYTES};
use linux_raw_sys::elf_uapi::{NT_ARM_TLS, NT_AUXV, NT_FILE, NT_PRFPREG, NT_PRPSINFO, NT_PRSTATUS, NT_SIGINFO};

/// Notes that every system has, and those of Linux alone.
const CORE: &[u8] = b"CORE\0\0\0\0";
const LINUX: &[u8] = b"LINUX\0\0\0";
/// Without what aligns them.
const CORE_NAME_BYTES: u32 = 5;
const LINUX_NAME_BYTES: u32 = 6;

/// `sizeof(pr_fname)` and `sizeof(pr_psargs)`.
const FNAME_BYTES: usize = 16;
const PSARGS_BYTES: usize = 80;

/// A note of the process: its type and content.
type Note = (u32, Vec<u8>);

/// A time: seconds, microseconds.
pub type Time = [u64; 2];

/// The process, beside its memory.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The process, its parent, its group, its session.
    pub ids: [u32; 4],
    /// User, group.
    pub user: [u32; 2],
    /// nice(2)
    pub nice: i32,
    /// Of the process and of its children: user, system.
    pub times: [Time; 4],
    /// The thread's name.
    pub comm: Vec<u8>,
    /// The arguments, each with its NUL, or the start of them.
    pub arguments: Vec<u8>,
    /// The auxiliary vector.
    pub auxv: Vec<(u64, u64)>,
    /// The signal that it dies of.
    pub siginfo: [u64; 16],
    /// Where files are mapped, from which offset.
    pub files: Vec<(GuestRange, u64, String)>,
}

#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn word(&mut self, value: u64) {
        self.0.extend(value.to_le_bytes());
    }

    fn half(&mut self, value: u32) {
        self.0.extend(value.to_le_bytes());
    }

    fn text(&mut self, text: &[u8], bytes: usize) {
        // The last byte stays a NUL.
        let length = text.len().min(bytes - 1);
        self.0.extend(&text[..length]);
        self.0.resize(self.0.len() + bytes - length, 0);
    }
}

/// All notes; the first thread is the one by which the process dies.
pub fn all(about: &About, threads: &[Registers]) -> Vec<u8> {
    let mut notes = Vec::new();
    let process: [fn(&About) -> Note; 4] = [psinfo, siginfo, auxv, files];
    for (index, thread) in threads.iter().enumerate() {
        note(&mut notes, true, NT_PRSTATUS, &status(about, thread, index == 0));
        if index == 0 {
            for (kind, content) in process.map(|of| of(about)) {
                note(&mut notes, true, kind, &content);
            }
        }
        note(&mut notes, true, NT_PRFPREG, &vectors(thread));
        note(&mut notes, false, NT_ARM_TLS, &thread.tls.to_le_bytes());
    }
    notes
}

fn note(notes: &mut Vec<u8>, is_common: bool, kind: u32, content: &[u8]) {
    let (name, name_bytes) = if is_common { (CORE, CORE_NAME_BYTES) } else { (LINUX, LINUX_NAME_BYTES) };
    let bytes = u32::try_from(content.len()).unwrap_or(u32::MAX);
    for head in [name_bytes, bytes, kind] {
        notes.extend(head.to_le_bytes());
    }
    notes.extend(name);
    notes.extend(content);
    notes.resize(notes.len().next_multiple_of(4), 0);
}

/// `struct elf_prstatus`
fn status(about: &About, thread: &Registers, is_first: bool) -> Vec<u8> {
    let mut bytes = Bytes::default();
    let signal = about.siginfo[0] as u32;
    // pr_info: signal, code, errno; then pr_cursig.
    for value in [signal, 0, 0, signal] {
        bytes.half(value);
    }
    // Pending signals, then those that it blocks.
    bytes.word(0);
    bytes.word(thread.mask);
    bytes.half(thread.tid);
    for id in &about.ids[1..] {
        bytes.half(*id);
    }
    // What other threads have used is in the process's times.
    let times = if is_first { about.times } else { [[0; 2], [0; 2], about.times[2], about.times[3]] };
    for value in times.into_iter().flatten().chain(thread.general) {
        bytes.word(value);
    }
    // pr_fpvalid
    bytes.word(1);
    bytes.0
}

/// `struct user_fpsimd_state`
fn vectors(thread: &Registers) -> Vec<u8> {
    let mut bytes = Bytes::default();
    for vector in thread.vectors {
        bytes.0.extend(vector.to_le_bytes());
    }
    bytes.half(thread.fpsr);
    bytes.half(thread.fpcr);
    bytes.word(0);
    bytes.0
}

/// `struct elf_prpsinfo`
fn psinfo(about: &About) -> Note {
    let mut bytes = Bytes::default();
    // State: it runs, and is no zombie.
    bytes.0.extend([0, b'R', 0, about.nice as u8]);
    bytes.half(0);
    bytes.word(0);
    for id in about.user.iter().chain(&about.ids) {
        bytes.half(*id);
    }
    bytes.text(&about.comm, FNAME_BYTES);
    let arguments: Vec<u8> = about.arguments.iter().map(|&byte| if byte == 0 { b' ' } else { byte }).collect();
    bytes.text(&arguments, PSARGS_BYTES);
    (NT_PRPSINFO, bytes.0)
}

fn siginfo(about: &About) -> Note {
    (NT_SIGINFO, about.siginfo.iter().flat_map(|word| word.to_le_bytes()).collect())
}

fn auxv(about: &About) -> Note {
    let words = about.auxv.iter().flat_map(|&(kind, value)| [kind, value]);
    (NT_AUXV, words.flat_map(u64::to_le_bytes).collect())
}

/// How many there are, the unit of their offsets, the ranges, and then the names in the same order.
fn files(about: &About) -> Note {
    let mut bytes = Bytes::default();
    bytes.word(about.files.len() as u64);
    bytes.word(PAGE_BYTES);
    for (range, offset, _) in &about.files {
        bytes.word(range.start.0);
        bytes.word(range.end.0);
        bytes.word(offset / PAGE_BYTES);
    }
    for (_, _, path) in &about.files {
        bytes.0.extend(path.as_bytes());
        bytes.0.push(0);
    }
    (NT_FILE, bytes.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ir::CpuState;

    #[test]
    fn notes_have_the_kernels_sizes() {
        let thread = Registers::of(&CpuState::new(), 7, 0);
        let about = About { arguments: vec![b'a'; 200], comm: vec![b'c'; 40], ..About::default() };
        assert_eq!(status(&about, &thread, true).len(), 392);
        assert_eq!(vectors(&thread).len(), 528);
        assert_eq!(psinfo(&about).1.len(), 136);
        assert_eq!(siginfo(&about).1.len(), 128);
        assert_eq!(psinfo(&about).1[40..56], [[b'c'; 15].as_slice(), &[0]].concat());
    }

    #[test]
    fn registers_and_ids_are_where_debuggers_look() {
        let mut cpu = CpuState::new();
        cpu.x[3] = 0x33;
        cpu.pc = ir::GuestAddr(0x4000);
        let thread = Registers::of(&cpu, 7, 0x10);
        let about = About { ids: [1, 2, 3, 4], siginfo: [11; 16], ..About::default() };
        let bytes = status(&about, &thread, true);
        assert_eq!((bytes[12], bytes[24], bytes[32], bytes[36]), (11, 0x10, 7, 2));
        assert_eq!((bytes[112 + 3 * 8], bytes[112 + 32 * 8 + 1]), (0x33, 0x40));
    }

    #[test]
    fn every_note_is_aligned() {
        let threads = [1, 2].map(|tid| Registers::of(&CpuState::new(), tid, 0));
        let range = GuestRange { start: ir::GuestAddr(0x1000), end: ir::GuestAddr(0x2000) };
        let about = About { files: vec![(range, 0x3000, "/a".into())], ..About::default() };
        let notes = all(&about, &threads);
        let mut kinds = Vec::new();
        let mut at = 0;
        let half = |at: usize| u32::from_le_bytes(notes[at..at + 4].try_into().unwrap());
        while at < notes.len() {
            kinds.push(half(at + 8));
            at += 12 + (half(at) as usize).next_multiple_of(4) + (half(at + 4) as usize).next_multiple_of(4);
        }
        let of_thread = [NT_PRFPREG, NT_ARM_TLS];
        let first = [NT_PRSTATUS, NT_PRPSINFO, NT_SIGINFO, NT_AUXV, NT_FILE];
        assert_eq!(kinds, [&first[..], &of_thread, &[NT_PRSTATUS], &of_thread].concat());
        assert_eq!(at, notes.len());
    }
}
