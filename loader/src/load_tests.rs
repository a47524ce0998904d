//! Loads ELF files made by `test_elf.rs`, sound ones and broken ones.

use crate::test_elf::{Elf, PT_GNU_PROPERTY, PT_GNU_STACK, Phdr, Scratch};
use crate::test_memory::HostMemory;
use crate::{Identity, Kind, LoadError, MachineInfo, Program, Randomness, Request, StackStrings, load, open};
use ir::{GuestAddr, Layout, PAGE_BYTES, Prot, Sysroot, VaBits};
use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Newer than libc's list.
const AT_RSEQ_FEATURE_SIZE: u64 = 27;

/// ET_EXEC images of different tests want the same addresses.
static ADDRESSES: Mutex<()> = Mutex::new(());

const IDENTITY: Identity = Identity { uid: 1, euid: 2, gid: 3, egid: 4, secure: false, clock_ticks: 100 };
const RANDOMNESS: Randomness = Randomness { at_random: *b"0123456789abcdef", layout: Some(0x1234_5678_9abc_def0) };

/// Each test's stack is at a place of its own, as far as chance will have it.
fn layout() -> Layout {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Layout::new(VaBits::default(), 1 << 20, Some(NEXT.fetch_add(1, Ordering::Relaxed)))
}

fn strings(argv: &[&str], envp: &[&str]) -> StackStrings {
    let list = |texts: &[&str]| texts.iter().map(|text| CString::new(*text).unwrap()).collect();
    StackStrings { execfn: CString::new("./prog").unwrap(), argv: list(argv), envp: list(envp) }
}

/// A sysroot without links.
#[derive(Debug)]
struct Plain(PathBuf);

impl Sysroot for Plain {
    fn root(&self) -> &Path {
        &self.0
    }

    fn find(&self, path: &Path) -> Option<PathBuf> {
        Some(self.0.join(path.strip_prefix("/").ok()?)).filter(|path| path.exists())
    }
}

struct Attempt<'a> {
    strings: StackStrings,
    sysroot: Option<&'a dyn Sysroot>,
}

impl Default for Attempt<'_> {
    fn default() -> Self {
        Self { strings: strings(&["prog"], &[]), sysroot: None }
    }
}

impl Attempt<'_> {
    fn load(&self, memory: &mut HostMemory, path: &Path) -> Result<Program, LoadError> {
        let _held = ADDRESSES.lock().unwrap_or_else(PoisonError::into_inner);
        ir::memory::install_handler();
        let file = open(path)?;
        match file.kind()? {
            Kind::Guest => {}
            other => panic!("taken for {other:?}"),
        }
        let machine = MachineInfo {
            hwcap: [7, 8, 9],
            min_signal_stack_bytes: 4720,
            flags: 0,
            extra_auxv: vec![(AT_RSEQ_FEATURE_SIZE, 0x5000)],
        };
        let request = Request {
            file: &file,
            strings: &self.strings,
            sysroot: self.sysroot,
            layout: layout(),
            machine: &machine,
            identity: IDENTITY,
            randomness: RANDOMNESS,
        };
        load(memory, &request)
    }
}

fn load_bytes(memory: &mut HostMemory, bytes: &[u8]) -> Result<Program, LoadError> {
    let scratch = Scratch::new();
    Attempt::default().load(memory, &scratch.file("prog", bytes, 0o755))
}

fn refusal(elf: &Elf) -> String {
    load_bytes(&mut HostMemory::default(), &elf.build()).expect_err("must be refused").to_string()
}

#[test]
fn fixed_image_goes_where_it_says_and_conflicts_are_refused() {
    let mut memory = HostMemory::default();
    let elf =
        Elf { entry: 0x12_0000_0100, phdrs: vec![Phdr::load(5, 0, 0x12_0000_0000, 0x1000, 0x1000)], ..Elf::exec() };
    let program = load_bytes(&mut memory, &elf.build()).unwrap();
    assert_eq!(program.entry, GuestAddr(0x12_0000_0100));
    assert_eq!(program.image.bias, 0);
    assert_eq!(program.image.phdr, GuestAddr(0x12_0000_0040));
    assert_eq!(HostMemory::bytes(GuestAddr(0x12_0000_0000), 4), b"\x7fELF");
    let error = load_bytes(&mut HostMemory::default(), &elf.build()).unwrap_err();
    assert!(error.to_string().contains("cannot be mapped at 0x1200000000: something else is there"), "{error}");
    assert!(error.kills() && error.errno() == libc::EEXIST);
    assert_eq!(error.exit_status(), 126);
}

#[test]
fn relocatable_image_has_zeroed_bss_right_protection_and_no_remains() {
    let mut memory = HostMemory::default();
    let program = load_bytes(&mut memory, &Elf::pie().build()).unwrap();
    let at = |addr: u64| GuestAddr(addr + program.image.bias);
    assert_eq!(program.entry, at(0x100));
    assert_eq!(program.image.range.start, at(0));
    assert_eq!(program.image.range.end, at(0x15000));
    assert!(program.image.bias > 1 << 40, "away from low addresses");
    assert_eq!(HostMemory::bytes(at(0x11800), 0x100), [0xaa; 0x100]);
    assert_eq!(HostMemory::bytes(at(0x11900), 0x2f00), [0; 0x2f00]);
    assert_eq!(memory.prot_of(at(0)), Some(Prot(5)));
    assert_eq!(memory.prot_of(at(0x11000)), Some(Prot(6 & 2 | 1)));
    assert_eq!(memory.prot_of(at(0x14fff)), Some(Prot(3)));
    assert_eq!(memory.prot_of(at(0x5000)), None, "hole between the segments");
    assert_eq!((program.image.code.start, program.image.code.end), (at(0), at(0x1000)));
    assert_eq!((program.image.data.start, program.image.data.end), (at(0x11800), at(0x11900)));
    assert!(program.brk_start >= program.image.range.end && program.brk_start.is_aligned(PAGE_BYTES));
}

#[test]
fn large_alignment_is_respected_wherever_the_image_lands() {
    let mut elf = Elf::pie();
    elf.phdrs[1].align = 2 << 20;
    let (mut first, mut second) = (HostMemory::default(), HostMemory::default());
    for memory in [&mut first, &mut second] {
        // The second finds the wished-for place taken.
        let program = load_bytes(memory, &elf.build()).unwrap();
        assert_eq!(program.image.bias % (2 << 20), 0);
    }
}

#[test]
fn stack_is_what_linux_gives() {
    let scratch = Scratch::new();
    let attempt = Attempt { strings: strings(&["a0", "", "second"], &["X=1", "LONG=value"]), ..Attempt::default() };
    let mut memory = HostMemory::default();
    let program = attempt.load(&mut memory, &scratch.file("prog", &Elf::pie().build(), 0o755)).unwrap();
    assert_eq!(program.sp.0 % 16, 0);
    assert_eq!(program.stack.bytes(), 1 << 20);
    assert!(program.stack.contains(program.sp));
    let word = |index: u64| HostMemory::word(GuestAddr(program.sp.0 + 8 * index));
    let string = |index: u64| HostMemory::string(GuestAddr(word(index)));
    assert_eq!(word(0), 3);
    assert_eq!([string(1), string(2), string(3)], ["a0", "", "second"]);
    assert_eq!(word(4), 0);
    assert_eq!([string(5), string(6)], ["X=1", "LONG=value"]);
    assert_eq!(word(7), 0);
    assert_eq!(HostMemory::bytes(program.argv.start, program.argv.bytes() as usize), b"a0\0\0second\0");
    assert_eq!(HostMemory::bytes(program.envp.start, program.envp.bytes() as usize), b"X=1\0LONG=value\0");
    // The strings are in the kernel's order: arguments, environment, path, and a word of zeros at the very top.
    assert_eq!(program.argv.end, program.envp.start);
    assert_eq!(HostMemory::string(program.envp.end), "./prog");
    assert_eq!(program.envp.end.offset(7 + 8), program.stack.end);

    let mut auxv = Vec::new();
    for index in (8..).step_by(2) {
        auxv.push((word(index), word(index + 1)));
        if word(index) == 0 {
            break;
        }
    }
    assert_eq!(auxv, program.auxv);
    let value = |kind: u64| auxv.iter().find(|entry| entry.0 == kind).map(|entry| entry.1);
    let bias = program.image.bias;
    let expected = [
        (3, bias + 64),
        (4, 56),
        (5, 2),
        (6, 4096),
        (7, 0),
        (8, 0),
        (9, bias + 0x100),
        (11, 1),
        (12, 2),
        (13, 3),
        (14, 4),
        (16, 7),
        (17, 100),
        (23, 0),
        (26, 8),
        (27, 0x5000),
        (29, 9),
        (51, 4720),
    ];
    for (kind, wanted) in expected {
        assert_eq!(value(kind), Some(wanted), "auxv type {kind}");
    }
    assert_eq!(HostMemory::bytes(GuestAddr(value(25).unwrap()), 16), b"0123456789abcdef");
    assert_eq!(HostMemory::string(GuestAddr(value(31).unwrap())), "./prog");
    assert_eq!(HostMemory::string(GuestAddr(value(15).unwrap())), "aarch64");
    let vdso = GuestAddr(value(33).unwrap());
    assert_eq!(HostMemory::bytes(vdso, 4), b"\x7fELF");
    assert!(program.sigreturn > vdso && program.sigreturn < vdso.offset(PAGE_BYTES as i64));
    assert_eq!(auxv.len(), 23, "nothing twice: {auxv:?}");
}

#[test]
fn too_many_arguments_are_e2big() {
    let scratch = Scratch::new();
    let path = scratch.file("prog", &Elf::pie().build(), 0o755);
    let error_of = |argv: &[&str]| {
        let attempt = Attempt { strings: strings(argv, &[]), ..Attempt::default() };
        attempt.load(&mut HostMemory::default(), &path).map(|program| program.sp).map_err(|error| error.errno())
    };
    let long = "x".repeat(128 << 10);
    assert_eq!(error_of(&[&long]), Err(libc::E2BIG));
    let one = "x".repeat(100_000);
    assert!(error_of(&[&one, &one]).is_ok());
    assert_eq!(error_of(&[&one, &one, &one]), Err(libc::E2BIG));
}

#[test]
fn executable_stack_as_on_arm64() {
    let stack = |flags: u32| Elf::pie().with(Phdr { flags, ..Phdr::other(PT_GNU_STACK, 0, 0) });
    for (elf, executable) in [(Elf::pie(), false), (stack(6), false), (stack(7), true)] {
        let mut memory = HostMemory::default();
        let program = load_bytes(&mut memory, &elf.build()).unwrap();
        assert_eq!(program.stack_is_executable, executable);
        assert_eq!(memory.prot_of(program.sp).unwrap().contains(Prot::EXEC), executable);
    }
}

#[test]
fn odd_but_sound_files_are_loaded() {
    let accepted = |elf: Elf| load_bytes(&mut HostMemory::default(), &elf.build()).unwrap();
    accepted(Elf::pie().with(Phdr::other(PT_GNU_PROPERTY, 0x7fff_ffff, 0x1_0000)));
    accepted(Elf::pie().with(Phdr::load(0, 0x7777_7777, 0x99_9999, 0, 0)));
    // bss in a segment of its own that shares a page with the data before it.
    let program = accepted(Elf::pie().with(Phdr::load(6, 0, 0x15_010, 0, 0x2000)));
    assert_eq!(program.image.range.bytes(), 0x18000);
    // Program headers that no segment holds: their address is 0 in the file's terms.
    let program = accepted(Elf { phdrs: vec![Phdr::load(5, 0x1000, 0x1000, 0x100, 0x100)], ..Elf::pie() });
    assert_eq!(program.image.phdr, GuestAddr(program.image.bias));
    // What Linux does not mind.
    let phdr = |change: fn(&mut Phdr)| {
        let mut elf = Elf::pie();
        change(&mut elf.phdrs[1]);
        accepted(elf)
    };
    phdr(|p| p.align = 0x3000);
    phdr(|p| p.align = 0);
    phdr(|p| p.vaddr = 0x800);
    accepted(Elf { entry: 0, ..Elf::pie() });
    accepted(Elf { phdrs: Vec::new(), phnum: Some(1), ..Elf::exec() }.with(Phdr::other(PT_GNU_STACK, 0, 0)));
    // Pages beyond the file are there, though nothing is in them.
    let program = phdr(|p| (p.file_bytes, p.memory_bytes) = (0x5800, 0x5800));
    assert_eq!(program.image.range.bytes(), 0x17000);
}

#[test]
fn later_segments_lie_over_earlier_ones() {
    let mut elf = Elf::pie();
    elf.content.push((0x1800, vec![0xbb; 0x10]));
    let over = elf.clone().with(Phdr::load(6, 0x1000, 0, 0x1000, 0x1000));
    let (mut first, mut second) = (HostMemory::default(), HostMemory::default());
    let program = load_bytes(&mut first, &over.build()).unwrap();
    assert_eq!(HostMemory::bytes(GuestAddr(program.image.bias + 0x800), 2), [0xbb, 0xbb]);
    let zeros = elf.with(Phdr::load(6, 0, 0x11000, 0, 0x1000));
    let program = load_bytes(&mut second, &zeros.build()).unwrap();
    assert_eq!(HostMemory::bytes(GuestAddr(program.image.bias + 0x11800), 2), [0, 0]);
}

#[test]
fn a_loader_may_be_linked_to_an_address_and_name_another() {
    let scratch = Scratch::new();
    let own = Elf::exec().with_interpreter("/nonexistent/loader");
    let own = Elf { entry: 0x13_0000_0100, phdrs: vec![Phdr::load(5, 0, 0x13_0000_0000, 0x1000, 0x1000)], ..own }
        .with_interpreter("/nonexistent/loader");
    let name = scratch.file("loader", &own.build(), 0o755);
    let elf = Elf::pie().with_interpreter(name.to_str().unwrap());
    let program = load_bytes(&mut HostMemory::default(), &elf.build()).unwrap();
    assert_eq!(program.entry, GuestAddr(0x13_0000_0100));
    assert!(program.auxv.contains(&(7, 0)) && program.auxv.contains(&(9, program.image.bias + 0x100)));
}

#[test]
fn the_loader_is_found_under_the_sysroot() {
    let scratch = Scratch::new();
    let program = scratch.file("prog", &Elf::pie().with_interpreter("/lib/ld-test.so.1").build(), 0o755);
    let root = scratch.path().join("root");
    std::fs::create_dir_all(root.join("lib")).unwrap();
    let sysroot = Plain(root.clone());
    let attempt = Attempt { sysroot: Some(&sysroot), ..Attempt::default() };
    let error = attempt.load(&mut HostMemory::default(), &program).unwrap_err();
    assert_eq!(error.exit_status(), 127);
    let text = error.to_string();
    assert!(text.contains("/lib/ld-test.so.1") && text.contains(root.to_str().unwrap()), "{text}");
    let error = Attempt::default().load(&mut HostMemory::default(), &program).unwrap_err();
    assert!(error.to_string().contains("/lib/ld-test.so.1") && error.to_string().contains("-L"));

    let interpreter = scratch.file("root/lib/ld-test.so.1", &Elf::pie().build(), 0o644);
    let mut memory = HostMemory::default();
    let loaded = attempt.load(&mut memory, &program).unwrap();
    let found = loaded.interpreter.as_ref().unwrap();
    assert_eq!(found.path, interpreter);
    assert_eq!(loaded.entry, GuestAddr(found.bias + 0x100));
    assert!(loaded.auxv.contains(&(7, found.bias)) && loaded.auxv.contains(&(9, loaded.image.bias + 0x100)));

    for (bytes, reason) in [(&b"garbage"[..], "not an ELF"), (b"#!/bin/sh\n", "script"), (b"", "empty")] {
        scratch.file("root/lib/ld-test.so.1", bytes, 0o755);
        let error = attempt.load(&mut HostMemory::default(), &program).unwrap_err().to_string();
        assert!(error.contains(reason) && error.contains("ld-test.so.1"), "{error}");
    }
}

#[test]
fn broken_files_are_refused_with_the_reason() {
    let phdr = |change: fn(&mut Phdr)| {
        let mut elf = Elf::pie();
        change(&mut elf.phdrs[1]);
        refusal(&elf)
    };
    assert!(phdr(|p| p.file_bytes = p.memory_bytes + 1).contains("more in the file than in memory"));
    assert!(phdr(|p| p.offset = !0xfff | 0x800).contains("cannot be mapped"));
    assert!(phdr(|p| p.offset = 0x2800).contains("the file ends before"));
    assert!(phdr(|p| p.vaddr += 8).contains("differ within a page"));
    assert!(phdr(|p| p.memory_bytes = u64::MAX).contains("exceeds the address space"));
    assert!(phdr(|p| p.vaddr = 0xffff_ffff_ffff_f800).contains("exceeds the address space"));
    assert!(phdr(|p| p.memory_bytes = 1 << 47).contains("cannot be mapped"));
    assert!(refusal(&Elf { kind: 1, ..Elf::pie() }).contains("object file"));
    assert!(refusal(&Elf { kind: 4, ..Elf::pie() }).contains("core dump"));
    assert!(refusal(&Elf { kind: 0xfe00, ..Elf::pie() }).contains("file type"));
    assert!(refusal(&Elf { phentsize: 32, ..Elf::pie() }).contains("32 bytes"));
    assert!(refusal(&Elf { phnum: Some(0), ..Elf::pie() }).contains("no program headers"));
    assert!(refusal(&Elf { phnum: Some(0xffff), ..Elf::pie() }).contains("65535 program headers"));
    assert!(refusal(&Elf { phoff: 0x1ff8, ..Elf::pie() }).contains("beyond the end"));
    assert!(refusal(&Elf { phoff: u64::MAX - 8, ..Elf::pie() }).contains("beyond the end"));
    assert!(refusal(&Elf { phdrs: vec![Phdr::other(PT_GNU_STACK, 0, 0)], ..Elf::pie() }).contains("nothing to load"));
    assert!(refusal(&Elf { entry: 1 << 63, ..Elf::pie() }).contains("beyond the address space"));
    assert!(refusal(&Elf::pie().with_interpreter("")).contains("PT_INTERP"));
    let mut unterminated = Elf::pie().with_interpreter("/lib/ld.so");
    unterminated.phdrs[2].file_bytes -= 1;
    assert!(refusal(&unterminated).contains("not terminated"));
}

#[test]
fn every_truncation_is_refused_or_loaded_without_harm() {
    let whole = Elf::pie().with_interpreter("/nonexistent/ld.so").build();
    for bytes in (0..whole.len()).step_by(7) {
        let error = load_bytes(&mut HostMemory::default(), &whole[..bytes]).unwrap_err();
        assert_eq!(error.to_string().lines().count(), 1);
    }
}

#[test]
fn random_damage_never_panics() {
    let whole = Elf::pie().build();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let scratch = Scratch::new();
    for round in 0..1000 {
        let mut bytes = whole.clone();
        for _ in 0..1 + round % 4 {
            let index = 16 + random() as usize % 160;
            bytes[index] = if round % 2 == 0 { random() as u8 } else { [0, 0xff, 0x80, 0x7f][random() as usize % 4] };
        }
        let path = scratch.file("prog", &bytes, 0o755);
        let mut memory = HostMemory::default();
        if let Ok(file) = open(&path)
            && matches!(file.kind(), Ok(Kind::Guest))
        {
            let _ = Attempt::default().load(&mut memory, &path);
        }
    }
}
