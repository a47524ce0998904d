//! Odd ELF files: what Linux runs, runs, and what it refuses is refused. The same program is built for both machines,
//! both files get the same change, and the host's kernel says what is right.
#![allow(missing_docs, reason = "tests")]

mod harness;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use harness::build::Source;
use harness::child::End;
use harness::{Link, Tier, emu, run};

const LIMIT: Duration = Duration::from_secs(20);
const SIGSEGV: i32 = 11;
const ENOENT: i32 = 2;
const ETXTBSY: i32 = 26;

// Offsets in the header and in a program header (elf(5)).
const CLASS: usize = 4;
const DATA: usize = 5;
const E_TYPE: usize = 16;
const E_ENTRY: usize = 24;
const E_PHOFF: usize = 32;
const E_PHENTSIZE: usize = 54;
const E_PHNUM: usize = 56;
const PHDRS: usize = 64;
const PHDR_BYTES: usize = 56;
const P_FLAGS: usize = 4;
const P_OFFSET: usize = 8;
const P_VADDR: usize = 16;
const P_FILESZ: usize = 32;
const P_MEMSZ: usize = 40;
const P_ALIGN: usize = 48;
const PT_LOAD: u32 = 1;
const PT_INTERP: u32 = 3;

/// An ELF file under change.
#[derive(Clone)]
struct File(Vec<u8>);

impl File {
    fn get(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.0[at..at + 8].try_into().expect("eight bytes"))
    }

    fn put<const N: usize>(&mut self, at: usize, value: [u8; N]) {
        self.0[at..at + N].copy_from_slice(&value);
    }

    fn headers(&self) -> Vec<usize> {
        (0..usize::from(self.0[E_PHNUM])).map(|index| PHDRS + index * PHDR_BYTES).collect()
    }

    fn kind(&self, header: usize) -> u32 {
        u32::from_le_bytes(self.0[header..header + 4].try_into().expect("four bytes"))
    }

    /// Where the header of PT_LOAD number `index` is.
    fn load(&self, index: usize) -> usize {
        self.headers().into_iter().filter(|&header| self.kind(header) == PT_LOAD).nth(index).expect("a segment")
    }

    fn change(&mut self, index: usize, field: usize, new: impl Fn(u64) -> u64) {
        let at = self.load(index) + field;
        self.put(at, new(self.get(at)).to_le_bytes());
    }

    /// Makes a header that nobody needs one of this kind: flags, offset, address, sizes in file and memory.
    fn add(&mut self, kind: u32, flags: u32, offset: u64, vaddr: u64, file_bytes: u64, memory_bytes: u64) {
        let header = *self.headers().iter().rfind(|&&header| self.kind(header) > 7).expect("a header to spare");
        self.put(header, kind.to_le_bytes());
        self.put(header + P_FLAGS, flags.to_le_bytes());
        for (field, value) in [(P_OFFSET, offset), (P_VADDR, vaddr), (P_FILESZ, file_bytes), (P_MEMSZ, memory_bytes)] {
            self.put(header + field, value.to_le_bytes());
        }
        self.put(header + P_ALIGN, 4096_u64.to_le_bytes());
    }

    /// The same as a segment at a distance from the first.
    fn add_load(&mut self, flags: u32, offset: u64, distance: i64, file_bytes: u64, memory_bytes: u64) {
        let vaddr = self.get(self.load(0) + P_VADDR).wrapping_add(distance as u64);
        self.add(PT_LOAD, flags, offset, vaddr, file_bytes, memory_bytes);
    }

    /// Appends the name of a loader and says where it is; `bytes` of it count.
    fn name_interpreter(&mut self, name: &[u8], bytes: u64) {
        let offset = self.0.len() as u64;
        self.0.extend_from_slice(name);
        self.add(PT_INTERP, 4, offset, 0, bytes, bytes);
    }
}

const FLAGS: &[&str] = &[
    "-nostdlib",
    "-ffreestanding",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    "-Wl,-z,max-page-size=4096,-z,common-page-size=4096,--build-id=none,-z,noseparate-code",
];

/// The program for the host and for arm64.
fn twins(link: Link) -> [File; 2] {
    let source = Source::new("elf_twin.c").both(FLAGS);
    [source.for_host(link), source.for_arm64(link)].map(|path| File(fs::read(path).expect("the twin is built")))
}

fn write(directory: &Path, name: &str, file: &File) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, &file.0).expect("a scratch file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("permissions");
    path
}

/// What became of a file: it ran to an end, or the error number of execve(2). For a moment after it has been written
/// the child of another test's may have it open for writing.
fn natively(path: &Path) -> Result<End, i32> {
    let mut child = Command::new(path).stdout(Stdio::null()).spawn();
    while child.as_ref().is_err_and(|error| error.raw_os_error() == Some(ETXTBSY)) {
        std::thread::yield_now();
        child = Command::new(path).stdout(Stdio::null()).spawn();
    }
    match child {
        Err(error) => Err(error.raw_os_error().expect("an error of the kernel's")),
        Ok(mut child) => {
            let _ = child.wait();
            Ok(run(&mut Command::new(path), LIMIT).status)
        }
    }
}

/// Compares the two; a kernel that kills a program for what it cannot load is as good as a refusal of emu's.
fn compare(name: &str, host: &Path, guest: &Path) -> Option<String> {
    let right = natively(host);
    let outcome = run(emu(Tier::Auto).arg(guest), LIMIT);
    let refused = matches!(outcome.status, End::Exited(126 | 127)) && outcome.stderr_text().lines().count() == 1;
    let agrees = match right {
        Ok(End::Killed(SIGSEGV)) => refused || outcome.status == End::Killed(SIGSEGV),
        Ok(status) => outcome.status == status,
        Err(ENOENT) => outcome.status == End::Exited(127),
        Err(_) => outcome.status == End::Exited(126) && refused,
    };
    let text = outcome.stderr_text();
    (!agrees).then(|| format!("{name}: natively {right:?}, under emu {}: {text}", outcome.status))
}

/// What makes a file odd; told whether it is the host's twin.
type TwinChange = Box<dyn Fn(&mut File, bool)>;

fn check(directory: &str, cases: impl IntoIterator<Item = (String, Link, TwinChange)>) {
    let scratch = harness::scratch(directory);
    let mut reports = Vec::new();
    for (name, link, change) in cases {
        let mut paths = twins(link).into_iter().enumerate().map(|(index, mut file)| {
            change(&mut file, index == 0);
            write(&scratch, &format!("{name}-{index}"), &file)
        });
        let (host, guest) = (paths.next().expect("two"), paths.next().expect("two"));
        reports.extend(compare(&format!("{name}, {link:?}"), &host, &guest));
    }
    assert!(reports.is_empty(), "{} of them differ:\n{}", reports.len(), reports.join("\n"));
    let _ = fs::remove_dir_all(scratch);
}

type Change = fn(&mut File);

#[rustfmt::skip]
const CHANGES: &[(&str, Change)] = &[
    ("plain", |_| {}),
    ("class 32", |f| f.0[CLASS] = 1),
    ("class 0", |f| f.0[CLASS] = 0),
    ("byte order", |f| f.0[DATA] = 2),
    ("version", |f| f.0[6] = 9),
    ("system", |f| f.0[7] = 77),
    ("header's size", |f| f.put(52, 9_u16.to_le_bytes())),
    ("section headers", |f| f.put(40, (1_u64 << 60).to_le_bytes())),
    ("no program headers", |f| f.put(E_PHNUM, 0_u16.to_le_bytes())),
    ("many program headers", |f| f.put(E_PHNUM, 1200_u16.to_le_bytes())),
    ("odd program headers", |f| f.put(E_PHENTSIZE, 57_u16.to_le_bytes())),
    ("far program headers", |f| f.put(E_PHOFF, (1_u64 << 40).to_le_bytes())),
    ("wrapping program headers", |f| f.put(E_PHOFF, u64::MAX.to_le_bytes())),
    ("object file", |f| f.put(E_TYPE, 1_u16.to_le_bytes())),
    ("core", |f| f.put(E_TYPE, 4_u16.to_le_bytes())),
    ("unknown type", |f| f.put(E_TYPE, 9_u16.to_le_bytes())),
    ("entry beyond", |f| f.put(E_ENTRY, (u64::MAX - 3).to_le_bytes())),
    ("entry nowhere", |f| f.put(E_ENTRY, 0x7000_0000_0000_u64.to_le_bytes())),
    ("align 0", |f| f.change(0, P_ALIGN, |_| 0)),
    ("align 12345", |f| f.change(1, P_ALIGN, |_| 12345)),
    ("align 2M", |f| f.change(1, P_ALIGN, |_| 2 << 20)),
    ("align 2^30", |f| f.change(1, P_ALIGN, |_| 1 << 30)),
    ("align 2^63", |f| f.change(1, P_ALIGN, |_| 1 << 63)),
    ("less memory than file", |f| f.change(0, P_MEMSZ, |bytes| bytes / 2)),
    ("memory 2^60", |f| f.change(1, P_MEMSZ, |_| 1 << 60)),
    ("memory 2^64-1", |f| f.change(1, P_MEMSZ, |_| u64::MAX)),
    ("memory 2^30", |f| f.change(1, P_MEMSZ, |_| 1 << 30)),
    ("file and memory 2^60", |f| { f.change(1, P_FILESZ, |_| 1 << 60); f.change(1, P_MEMSZ, |_| 1 << 60); }),
    ("more than the file has", |f| { f.change(1, P_FILESZ, |n| n + 0x10000); f.change(1, P_MEMSZ, |n| n + 0x20000); }),
    ("whole pages more", |f| { f.change(1, P_FILESZ, |n| n + 0x10000); f.change(1, P_MEMSZ, |_| 0); }),
    ("address wraps", |f| f.change(1, P_VADDR, |at| at & 0xfff | !0xfff)),
    ("address of the kernel", |f| f.change(1, P_VADDR, |_| 1 << 63)),
    ("offset off by one", |f| f.change(0, P_OFFSET, |at| at + 1)),
    ("offset a page off", |f| f.change(1, P_OFFSET, |at| at + 4096)),
    ("offset 2^32", |f| f.change(1, P_OFFSET, |at| at & 0xfff | 1 << 32)),
    ("offset 2^50", |f| f.change(1, P_OFFSET, |at| at & 0xfff | 1 << 50)),
    ("offset wraps", |f| f.change(1, P_OFFSET, |at| at & 0xfff | !0xfff)),
    ("one over the other", |f| { let first = f.get(f.load(0) + P_VADDR); f.change(1, P_VADDR, |at| first + (at & 0xfff)); }),
    ("no segment", |f| for header in f.headers() { if f.kind(header) == PT_LOAD { f.put(header, 4_u32.to_le_bytes()); } }),
    ("no text", |f| { let header = f.load(0); f.put(header, 0_u32.to_le_bytes()); }),
    ("no data", |f| { let header = f.load(1); f.put(header, 0_u32.to_le_bytes()); }),
    ("data without rights", |f| { let at = f.load(1) + P_FLAGS; f.put(at, 0_u32.to_le_bytes()); }),
    ("data without writing", |f| { let at = f.load(1) + P_FLAGS; f.put(at, 4_u32.to_le_bytes()); }),
    ("data only to write", |f| { let at = f.load(1) + P_FLAGS; f.put(at, 2_u32.to_le_bytes()); }),
    ("text only to execute", |f| { let at = f.load(0) + P_FLAGS; f.put(at, 1_u32.to_le_bytes()); }),
    ("text without rights", |f| { let at = f.load(0) + P_FLAGS; f.put(at, 0_u32.to_le_bytes()); }),
    ("cut in the data's last page", |f| { let end = f.get(f.load(1) + P_OFFSET) + f.get(f.load(1) + P_FILESZ); f.0.truncate(end as usize - 200); }),
    ("cut in the data", |f| { let end = f.get(f.load(1) + P_OFFSET) + f.get(f.load(1) + P_FILESZ); f.0.truncate(end as usize - 8192); }),
    ("cut behind the headers", |f| f.0.truncate(4096)),
    ("cut in the headers", |f| f.0.truncate(100)),
    ("cut in the first header", |f| f.0.truncate(63)),
    ("the other order", |f| {
        let (a, b) = (f.load(0), f.load(1));
        let first: [u8; PHDR_BYTES] = f.0[a..a + PHDR_BYTES].try_into().expect("a header");
        let second: [u8; PHDR_BYTES] = f.0[b..b + PHDR_BYTES].try_into().expect("a header");
        f.put(a, second);
        f.put(b, first);
    }),
    ("an empty segment", |f| f.add_load(6, 0, 0x100000, 0, 0)),
    ("an empty segment at an odd place", |f| f.add_load(6, 0x77777, 0x123457, 0, 0)),
    ("only zeros", |f| f.add_load(6, 0, 0x100010, 0, 0x3000)),
    ("text once more over itself", |f| f.add_load(7, 0, 0, 0x200, 0x200)),
    ("one below", |f| f.add_load(4, 0, -0x10000, 0x100, 0x100)),
    ("one beyond the file", |f| f.add_load(4, 0x100000, 0x100000, 0x1000, 0x1000)),
    ("one too low", |f| f.add_load(4, 0, -0x3fff00, 0, 0x10)),
    ("one at an odd place", |f| f.add_load(6, 0x123, 0x100123, 0x50, 0x60)),
];

#[test]
fn programs() {
    let cases = CHANGES.iter().flat_map(|&(name, change)| {
        [Link::Static, Link::StaticPie].map(|link| {
            let change: TwinChange = Box::new(move |file, _| change(file));
            (name.to_owned(), link, change)
        })
    });
    check("odd-elf", cases);
}

/// A program that names a loader: the other twin, changed.
#[test]
fn loaders() {
    let scratch = harness::scratch("odd-elf-loaders");
    type Name = fn(&str) -> (Vec<u8>, u64);
    let whole: Name = |name| ([name.as_bytes(), b"\0"].concat(), name.len() as u64 + 1);
    let names: [(&str, Name); 6] = [
        ("named", whole),
        ("not terminated", |name| (name.as_bytes().to_vec(), name.len() as u64)),
        ("empty", |_| (vec![0], 1)),
        ("two zeros", |_| (vec![0, 0], 2)),
        ("too long", |name| ([name.as_bytes(), &[0; 5000]].concat(), 5000)),
        ("beyond the file", |name| ([name.as_bytes(), b"\0"].concat(), name.len() as u64 + 100)),
    ];
    let changes: [(&str, Link, Change); 8] = [
        ("relocatable", Link::StaticPie, |_| {}),
        ("fixed", Link::Static, |_| {}),
        ("with a loader of its own", Link::StaticPie, |f| f.name_interpreter(b"/nonexistent\0", 13)),
        ("object file", Link::StaticPie, |f| f.put(E_TYPE, 1_u16.to_le_bytes())),
        ("no segment", Link::StaticPie, |f| {
            for header in f.headers() {
                if f.kind(header) == PT_LOAD {
                    f.put(header, 4_u32.to_le_bytes());
                }
            }
        }),
        ("no program headers", Link::StaticPie, |f| f.put(E_PHNUM, 0_u16.to_le_bytes())),
        ("another machine's", Link::StaticPie, |f| f.put(18, 243_u16.to_le_bytes())),
        ("too much memory", Link::StaticPie, |f| f.change(1, P_MEMSZ, |_| 1 << 60)),
    ];
    let mut cases: Vec<(String, Link, TwinChange)> = Vec::new();
    for (what, link, change) in changes {
        let loaders = twins(link);
        let paths: Vec<PathBuf> = (loaders.into_iter().enumerate())
            .map(|(index, mut file)| {
                change(&mut file);
                write(&scratch, &format!("loader-{}-{index}", what.replace(' ', "-")), &file)
            })
            .collect();
        for (how, name) in names.iter().copied().take(if what == "relocatable" { 6 } else { 1 }) {
            for link in [Link::Static, Link::StaticPie] {
                // Two that are linked to the same address overwrite each other, which says nothing.
                if what == "fixed" && link == Link::Static {
                    continue;
                }
                let paths = paths.clone();
                cases.push((
                    format!("{what}, {how}"),
                    link,
                    Box::new(move |file, is_host| {
                        let path = &paths[usize::from(!is_host)];
                        let (text, bytes) = name(path.to_str().expect("a name in UTF-8"));
                        file.name_interpreter(&text, bytes);
                    }),
                ));
            }
        }
    }
    cases.push((
        "missing".to_owned(),
        Link::StaticPie,
        Box::new(|file, _| file.name_interpreter(b"/nonexistent/loader\0", 20)),
    ));
    cases.push(("a directory".to_owned(), Link::StaticPie, Box::new(|file, _| file.name_interpreter(b"/tmp\0", 5))));
    check("odd-elf-with-loaders", cases);
    let _ = fs::remove_dir_all(scratch);
}

/// What a program sees that starts such files: the kernel's error, or the death of a process that was no more.
#[test]
fn seen_by_who_starts_them() {
    let scratch = harness::scratch("odd-elf-started");
    let mut paths = [Vec::new(), Vec::new()];
    // But for those that say what the processor does.
    for (name, change) in CHANGES.iter().filter(|(name, _)| !name.contains("entry")) {
        for (index, mut file) in twins(Link::StaticPie).into_iter().enumerate() {
            change(&mut file);
            paths[index].push(write(&scratch, &format!("{name}-{index}"), &file));
        }
    }
    let starter = Source::new("start_files.c");
    let [host, guest] = paths;
    let right = run(Command::new(starter.for_host(Link::Static)).args(host), LIMIT);
    let outcome = run(emu(Tier::Auto).arg(starter.for_arm64(Link::Static)).args(guest), LIMIT);
    let (right, seen) = (right.stdout_text(), outcome.stdout_text());
    let differing: Vec<_> = right.lines().zip(seen.lines()).filter(|(right, seen)| right != seen).collect();
    assert_eq!(right, seen, "{differing:?}: {}", outcome.stderr_text());
    let _ = fs::remove_dir_all(scratch);
}
