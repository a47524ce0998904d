//! The notes of a core file, as arm64's kernel lays them out (`struct elf_prstatus`, `elf_prpsinfo` and others). Owns
//! these layouts; it must not know where the facts come from.

use crate::roll::Registers;
use ir::{GuestRange, PAGE_BYTES};
use linux_raw_sys::elf_uapi::{NT_ARM_TLS, NT_AUXV, NT_FILE, NT_PRFPREG, NT_PRPSINFO, NT_PRSTATUS, NT_SIGINFO};
use zerocopy::{Immutable, IntoBytes};

/// Notes that every system has, and those of Linux alone.
const CORE: &[u8] = b"CORE\0\0\0\0";
const LINUX: &[u8] = b"LINUX\0\0\0";
/// Without what aligns them.
const CORE_NAME_BYTES: u32 = 5;
const LINUX_NAME_BYTES: u32 = 6;

/// `struct elf_prstatus`
#[repr(C)]
#[derive(IntoBytes, Immutable)]
struct Status {
    /// Signal, code, errno.
    info: [u32; 3],
    signal: u32,
    pending: u64,
    blocked: u64,
    /// The thread, its process's parent, group and session.
    ids: [u32; 4],
    times: [Time; 4],
    registers: [u64; 34],
    has_vectors: u64,
}

/// `struct user_fpsimd_state`
#[repr(C)]
#[derive(IntoBytes, Immutable)]
struct Vectors {
    vectors: [u128; 32],
    fpsr: u32,
    fpcr: u32,
    reserved: [u32; 2],
}

/// `struct elf_prpsinfo`
#[repr(C)]
#[derive(IntoBytes, Immutable)]
struct PsInfo {
    /// Its state as a number and a letter, and whether it is a zombie.
    state: [u8; 3],
    nice: i8,
    pad: u32,
    flags: u64,
    user: [u32; 2],
    ids: [u32; 4],
    name: [u8; 16],
    arguments: [u8; 80],
}

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

/// Text that ends with a NUL, which it is cut for.
fn text<const BYTES: usize>(text: &[u8]) -> [u8; BYTES] {
    let mut field = [0; BYTES];
    let length = text.len().min(BYTES - 1);
    field[..length].copy_from_slice(&text[..length]);
    field
}

/// All notes; the first thread is the one by which the process dies.
pub fn all(about: &About, threads: &[Registers]) -> Vec<u8> {
    let mut notes = Vec::new();
    let process: [fn(&About) -> Note; 4] = [psinfo, siginfo, auxv, files];
    for (index, thread) in threads.iter().enumerate() {
        note(&mut notes, true, NT_PRSTATUS, status(about, thread, index == 0).as_bytes());
        if index == 0 {
            for (kind, content) in process.map(|of| of(about)) {
                note(&mut notes, true, kind, &content);
            }
        }
        note(&mut notes, true, NT_PRFPREG, vectors(thread).as_bytes());
        note(&mut notes, false, NT_ARM_TLS, thread.tls.as_bytes());
    }
    notes
}

fn note(notes: &mut Vec<u8>, is_common: bool, kind: u32, content: &[u8]) {
    let (name, name_bytes) = if is_common { (CORE, CORE_NAME_BYTES) } else { (LINUX, LINUX_NAME_BYTES) };
    let bytes = u32::try_from(content.len()).unwrap_or(u32::MAX);
    notes.extend([name_bytes, bytes, kind].as_bytes());
    notes.extend(name);
    notes.extend(content);
    notes.resize(notes.len().next_multiple_of(4), 0);
}

fn status(about: &About, thread: &Registers, is_first: bool) -> Status {
    let signal = about.siginfo[0] as u32;
    let [_, parent, group, session] = about.ids;
    Status {
        info: [signal, 0, 0],
        signal,
        pending: 0,
        blocked: thread.mask,
        ids: [thread.tid, parent, group, session],
        // What other threads have used is in the process's times.
        times: if is_first { about.times } else { [[0; 2], [0; 2], about.times[2], about.times[3]] },
        registers: thread.general,
        has_vectors: 1,
    }
}

fn vectors(thread: &Registers) -> Vectors {
    let Registers { vectors, fpsr, fpcr, .. } = *thread;
    Vectors { vectors, fpsr, fpcr, reserved: [0; 2] }
}

fn psinfo(about: &About) -> Note {
    let arguments: Vec<u8> = about.arguments.iter().map(|&byte| if byte == 0 { b' ' } else { byte }).collect();
    let info = PsInfo {
        // It runs.
        state: [0, b'R', 0],
        nice: about.nice as i8,
        pad: 0,
        flags: 0,
        user: about.user,
        ids: about.ids,
        name: text(&about.comm),
        arguments: text(&arguments),
    };
    (NT_PRPSINFO, info.as_bytes().to_vec())
}

fn siginfo(about: &About) -> Note {
    (NT_SIGINFO, about.siginfo.as_bytes().to_vec())
}

fn auxv(about: &About) -> Note {
    let words: Vec<u64> = about.auxv.iter().flat_map(|&(kind, value)| [kind, value]).collect();
    (NT_AUXV, words.as_bytes().to_vec())
}

/// How many there are, the unit of their offsets, the ranges, and then the names in the same order.
fn files(about: &About) -> Note {
    let mut words = vec![about.files.len() as u64, PAGE_BYTES];
    for (range, offset, _) in &about.files {
        words.extend([range.start.0, range.end.0, offset / PAGE_BYTES]);
    }
    let mut bytes = words.as_bytes().to_vec();
    for (_, _, path) in &about.files {
        bytes.extend(path.as_bytes());
        bytes.push(0);
    }
    (NT_FILE, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ir::CpuState;

    #[test]
    fn notes_have_the_kernels_sizes() {
        let thread = Registers::of(&CpuState::new(), 7, 0);
        let about = About { arguments: vec![b'a'; 200], comm: vec![b'c'; 40], ..About::default() };
        assert_eq!(status(&about, &thread, true).as_bytes().len(), 392);
        assert_eq!(vectors(&thread).as_bytes().len(), 528);
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
        let status = status(&about, &thread, true);
        let bytes = status.as_bytes();
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
