//! Files that are not what they should be: none hangs emu, none crashes it. emu either refuses with 126 or 127 and one
//! line that names the file and the reason, or the guest starts and dies its own death.
#![allow(missing_docs, reason = "tests")]

mod harness;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use harness::build::Source;
use harness::child::{End, Outcome};
use harness::random::Random;
use harness::{Link, Tier, emu, known, run, scratch, stand_in};

const LIMIT: Duration = Duration::from_secs(10);

fn hello() -> Vec<u8> {
    fs::read(Source::new("hello.c").for_arm64(Link::Static)).expect("hello is built")
}

fn file(directory: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, bytes).expect("a scratch file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("permissions");
    path
}

fn start(path: &Path) -> Outcome {
    run(emu(Tier::Auto).arg(path), LIMIT)
}

/// emu refused: the right status, nothing on stdout, one line that names the file and says more than its name.
fn refused(path: &Path, outcome: &Outcome, words: &[&str]) -> Result<(), String> {
    let text = outcome.stderr_text();
    let name = path.file_name().expect("a file").to_string_lossy();
    let complaint = if !matches!(outcome.status, End::Exited(126 | 127)) {
        "the status is not 126 or 127"
    } else if !outcome.stdout.is_empty() {
        "something on stdout"
    } else if text.lines().count() != 1 {
        "not one line"
    } else if !text.contains(&*name) {
        "the file is not named"
    } else if !words.is_empty() && !words.iter().any(|word| text.to_lowercase().contains(word)) {
        "the reason is not said"
    } else {
        return Ok(());
    };
    Err(format!("{name}: {complaint}: {}\nstderr: {text}\nwanted one of {words:?}\n", outcome.status))
}

/// Whether it was the guest that died of a signal, as glibc's start-up does when it finds its own headers wrong: emu then
/// has its say about the run, which it has not when the signal was its own.
fn died_in_guest(path: &Path) -> bool {
    stand_in().is_some()
        || run(emu(Tier::Auto).arg("--stats").arg(path), LIMIT).stderr_text().contains("emu: statistics of")
}

/// emu refused, or the guest ended by itself. What it may not do: panic, hang, or die of what only emu would.
fn survived(path: &Path, outcome: &Outcome) -> Result<(), String> {
    let text = outcome.stderr_text();
    let name = path.file_name().expect("a file").to_string_lossy();
    if outcome.status == End::TimedOut {
        // Some of these programs start in a loop of their own; then they do so everywhere.
        let elsewhere = run(Command::new("qemu-aarch64").arg(path), Duration::from_secs(5));
        let loops = elsewhere.status == End::TimedOut;
        return if loops { Ok(()) } else { Err(format!("{name}: hangs")) };
    }
    if text.contains("bug of emu") || matches!(outcome.status, End::Killed(_)) && !died_in_guest(path) {
        return Err(format!("{name}: {}: {text}", outcome.status));
    }
    // glibc's start-up, running in the guest, exits with 127 as well when it finds its headers wrong.
    let of_the_guest = text.contains("glibc error") || text.contains("error while loading shared libraries");
    if matches!(outcome.status, End::Exited(126 | 127)) && !of_the_guest {
        return refused(path, outcome, &[]);
    }
    Ok(())
}

fn settle(name: &str, results: impl IntoIterator<Item = Result<(), String>>) {
    let reports: Vec<String> = results.into_iter().filter_map(Result::err).collect();
    let shown = reports.iter().take(20).map(String::as_str).collect::<Vec<_>>().join("\n");
    let result = if reports.is_empty() { Ok(()) } else { Err(format!("{} failures:\n{shown}", reports.len())) };
    known::settle(name, result);
}

// Offsets in the ELF header and in a program header (elf(5)); a program header starts with its type.
const E_IDENT_CLASS: usize = 4;
const E_IDENT_DATA: usize = 5;
const E_TYPE: usize = 16;
const E_MACHINE: usize = 18;
const E_ENTRY: usize = 24;
const E_PHOFF: usize = 32;
const E_PHENTSIZE: usize = 54;
const E_PHNUM: usize = 56;
const PHDRS: usize = 64;
const PHDR_SIZE: usize = 56;
const P_OFFSET: usize = 8;
const P_VADDR: usize = 16;
const P_MEMSZ: usize = 40;
const P_ALIGN: usize = 48;

fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}

fn get64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// Where the program headers of PT_LOAD start.
fn loads(bytes: &[u8]) -> Vec<usize> {
    let count = usize::from(bytes[E_PHNUM]);
    (0..count).map(|i| PHDRS + i * PHDR_SIZE).filter(|&at| bytes[at] == 1).collect()
}

/// hello with one change, and a word or more of which the message has one; none when it may as well run and die.
type Case = (&'static str, fn(&mut Vec<u8>), &'static [&'static str]);

const REFUSED: [Case; 15] = [
    ("empty", |b| b.clear(), &["not an elf", "empty"]),
    ("text", |b| *b = b"just some text\n".to_vec(), &["not an elf"]),
    ("magic-only", |b| b.truncate(4), &["elf", "truncated", "short"]),
    ("half-header", |b| b.truncate(32), &["elf", "truncated", "short"]),
    ("ilp32", |b| (b[E_IDENT_CLASS], b[E_PHENTSIZE]) = (1, 32), &["32-bit", "class"]),
    ("big-endian", |b| (b[E_IDENT_DATA], b[E_MACHINE], b[E_MACHINE + 1]) = (2, 0, 183), &["big-endian", "big endian"]),
    ("machine-arm", |b| put(b, E_MACHINE, 40u16.to_le_bytes()), &["machine", "arm"]),
    ("machine-riscv", |b| put(b, E_MACHINE, 243u16.to_le_bytes()), &["machine", "risc"]),
    ("machine-unknown", |b| put(b, E_MACHINE, 0xfffeu16.to_le_bytes()), &["machine"]),
    ("relocatable", |b| put(b, E_TYPE, 1u16.to_le_bytes()), &["executable", "relocatable", "object"]),
    ("core", |b| put(b, E_TYPE, 4u16.to_le_bytes()), &["executable", "core"]),
    ("no-program-headers", |b| put(b, E_PHNUM, 0u16.to_le_bytes()), &[]),
    ("program-headers-beyond-file", |b| put(b, E_PHOFF, (1u64 << 40).to_le_bytes()), &["program header"]),
    ("program-headers-at-the-end-of-numbers", |b| put(b, E_PHOFF, u64::MAX.to_le_bytes()), &["program header"]),
    ("odd-header-size", |b| put(b, E_PHENTSIZE, 57u16.to_le_bytes()), &["program header"]),
];

/// Changes one 64-bit field of the PT_LOAD number `index`.
fn change(bytes: &mut [u8], index: usize, field: usize, new: impl Fn(u64) -> u64) {
    let at = loads(bytes)[index] + field;
    let value = new(get64(bytes, at));
    put(bytes, at, value.to_le_bytes());
}

type Segment = (&'static str, fn(&mut Vec<u8>));

const SEGMENTS: [Segment; 10] = [
    ("huge-memsz", |b| change(b, 1, P_MEMSZ, |_| 1 << 60)),
    ("memsz-wraps", |b| change(b, 1, P_MEMSZ, |_| u64::MAX)),
    ("vaddr-wraps", |b| change(b, 1, P_VADDR, |_| u64::MAX - 4095)),
    ("vaddr-in-kernel-half", |b| change(b, 1, P_VADDR, |_| 1 << 63)),
    ("filesz-larger-than-memsz", |b| change(b, 0, P_MEMSZ, |size| size / 2)),
    ("offset-beyond-file", |b| change(b, 0, P_OFFSET, |_| 1 << 32)),
    ("offset-wraps", |b| change(b, 0, P_OFFSET, |_| !0xfff)),
    ("overlapping", |b| {
        let first = get64(b, loads(b)[0] + P_VADDR);
        change(b, 1, P_VADDR, |address| first + (address & 0xfff));
    }),
    ("offset-and-vaddr-not-congruent", |b| change(b, 0, P_OFFSET, |offset| offset + 1)),
    ("alignment-not-a-power-of-two", |b| change(b, 0, P_ALIGN, |_| 12345)),
];

#[test]
fn headers() {
    let directory = scratch("malformed-headers");
    settle(
        "malformed::headers",
        REFUSED.iter().map(|(name, change, words)| {
            let mut bytes = hello();
            change(&mut bytes);
            let path = file(&directory, name, &bytes);
            refused(&path, &start(&path), words)
        }),
    );
    let _ = fs::remove_dir_all(directory);
}

#[test]
fn segments() {
    let directory = scratch("malformed-segments");
    settle(
        "malformed::segments",
        SEGMENTS.iter().map(|(name, change)| {
            let mut bytes = hello();
            change(&mut bytes);
            let path = file(&directory, name, &bytes);
            survived(&path, &start(&path))
        }),
    );
    let _ = fs::remove_dir_all(directory);
}

/// An entry point where there is nothing is the guest's own death, as under Linux.
#[test]
fn entry_nowhere() {
    let directory = scratch("malformed-entry");
    settle(
        "malformed::entry_nowhere",
        [0, 0x10, 0x7000_0000_0000, !3u64].into_iter().map(|entry| {
            let mut bytes = hello();
            put(&mut bytes, E_ENTRY, entry.to_le_bytes());
            let path = file(&directory, &format!("entry-{entry:x}"), &bytes);
            let outcome = start(&path);
            let died = outcome.status == End::Killed(11) && died_in_guest(&path);
            if died { Ok(()) } else { refused(&path, &outcome, &["entry"]) }
        }),
    );
    let _ = fs::remove_dir_all(directory);
}

#[test]
fn truncated() {
    let directory = scratch("malformed-truncated");
    let whole = hello();
    let mut lengths: Vec<usize> = (0..=PHDRS + 8 * PHDR_SIZE).step_by(3).collect();
    lengths.extend([4095, 4096, 4097, whole.len() - 1]);
    lengths.extend((1..60).map(|i| whole.len() * i / 60));
    settle(
        "malformed::truncated",
        lengths.into_iter().map(|length| {
            let path = file(&directory, &format!("first-{length}"), &whole[..length]);
            let outcome = start(&path);
            let result = if length < PHDRS { refused(&path, &outcome, &[]) } else { survived(&path, &outcome) };
            let _ = fs::remove_file(path);
            result
        }),
    );
    let _ = fs::remove_dir_all(directory);
}

#[test]
fn not_a_file() {
    let directory = scratch("malformed-not-a-file");
    let fifo = directory.join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().is_ok_and(|status| status.success()), "mkfifo");
    let subdirectory = directory.join("subdirectory");
    fs::create_dir(&subdirectory).expect("a directory");
    let missing = directory.join("missing");
    let dangling = directory.join("dangling");
    std::os::unix::fs::symlink("nowhere", &dangling).expect("a link");
    let expect = |path: &Path, status: i32, words: &[&str]| {
        let outcome = start(path);
        refused(path, &outcome, words)?;
        if outcome.status == End::Exited(status) {
            return Ok(());
        }
        Err(format!("{}: {}, not {status}", path.display(), outcome.status))
    };
    settle(
        "malformed::not_a_file",
        [
            expect(&fifo, 126, &["not a regular file", "fifo", "pipe"]),
            expect(&subdirectory, 126, &["directory"]),
            expect(&missing, 127, &["no such file"]),
            expect(&dangling, 127, &["no such file"]),
            expect(Path::new("/dev/null"), 126, &["not a regular file", "device", "not an elf"]),
        ],
    );
    let _ = fs::remove_dir_all(directory);
}

/// root reads everything, so this one needs another user; `setpriv` gives one where it can.
#[test]
fn unreadable() {
    let directory = scratch("malformed-unreadable");
    let path = file(&directory, "unreadable", &hello());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).expect("permissions");
    let result = if fs::read(&path).is_err() {
        refused(&path, &start(&path), &["permission denied"])
    } else {
        // As root: drop to nobody, who must reach emu and the file's directory.
        unreadable_by_nobody(&path)
    };
    known::settle("malformed::unreadable", result);
    let _ = fs::remove_dir_all(directory);
}

fn unreadable_by_nobody(path: &Path) -> Result<(), String> {
    let place = std::env::temp_dir().join(format!("emu-unreadable-{}", std::process::id()));
    fs::create_dir_all(&place).map_err(|error| error.to_string())?;
    fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).map_err(|error| error.to_string())?;
    let program =
        stand_in().map_or(PathBuf::from(env!("CARGO_BIN_EXE_emu")), |name| PathBuf::from("/usr/bin").join(name));
    let (emu_copy, guest) = (place.join("emu"), place.join("unreadable"));
    fs::copy(program, &emu_copy).map_err(|error| error.to_string())?;
    fs::copy(path, &guest).map_err(|error| error.to_string())?;
    fs::set_permissions(&guest, fs::Permissions::from_mode(0o000)).map_err(|error| error.to_string())?;
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&emu_copy).arg(&guest);
    let outcome = run(&mut command, LIMIT);
    let result = refused(&guest, &outcome, &["permission denied"]);
    let _ = fs::remove_dir_all(place);
    result
}

/// A dynamic program whose loader is not in the sysroot: the message says which, and where it was looked for.
#[test]
fn missing_interpreter() {
    let directory = scratch("malformed-interpreter");
    let program = Source::new("hello.c").for_arm64(Link::Dynamic);
    let path = file(&directory, "needs-a-loader", &fs::read(program).expect("hello is built"));
    let sysroot = directory.join("sysroot");
    fs::create_dir(&sysroot).expect("a directory");
    let outcome = run(emu(Tier::Auto).arg("-L").arg(&sysroot).arg(&path), LIMIT);
    let result = refused(&path, &outcome, &["/lib/ld-linux-aarch64.so.1"]).and_then(|()| {
        let text = outcome.stderr_text();
        let place = sysroot.to_string_lossy();
        if text.contains(&*place) { Ok(()) } else { Err(format!("does not say where it was looked for: {text}")) }
    });
    known::settle("malformed::missing_interpreter", result);
    let _ = fs::remove_dir_all(directory);
}

/// One byte of the header or of a program header changed, some thousand times, from a fixed seed.
#[test]
fn corrupted_bytes() {
    const ROUNDS: u64 = 3000;
    let directory = scratch("malformed-corrupted");
    let whole = hello();
    let headers = PHDRS + usize::from(whole[E_PHNUM]) * PHDR_SIZE;
    let reports = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let (directory, whole, reports) = (&directory, &whole, &reports);
            scope.spawn(move || {
                for round in (worker..ROUNDS).step_by(2) {
                    let random = Random(round).next();
                    let at = (random >> 32) as usize % headers;
                    let mut bytes = whole.clone();
                    bytes[at] ^= ((random & 0xff) as u8).max(1);
                    let path = file(directory, &format!("byte-{at}-{:02x}", bytes[at]), &bytes);
                    if let Err(report) = survived(&path, &start(&path)) {
                        reports.lock().expect("no worker panics").push(Err(report));
                    }
                    let _ = fs::remove_file(path);
                }
            });
        }
    });
    settle("malformed::corrupted_bytes", reports.into_inner().expect("no worker panics"));
    let _ = fs::remove_dir_all(directory);
}
