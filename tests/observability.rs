//! What emu tells about its work: `--stats`, the files for `perf`, and `-d` with `-D`. The formats are read here as the
//! programs that use them read them.
#![allow(missing_docs, reason = "tests")]

mod harness;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use harness::build::Source;
use harness::child::End;
use harness::{Link, Outcome, Tier, emu_for, run};

const LIMIT: Duration = Duration::from_secs(60);
const MAGIC: u32 = 0x4a69_5444;
const EM_X86_64: u32 = 62;

fn kernel(name: &'static str) -> PathBuf {
    Source::kernel(name).for_arm64(Link::Static)
}

fn emu(tier: Tier, options: &[&str], program: &Path) -> Command {
    let mut command = harness::emu(tier);
    command.args(options).arg(program).env_clear();
    command
}

/// The first number of the statistics' line called `name`, which may be indented.
fn number(statistics: &str, name: &str) -> u64 {
    let line = statistics.lines().find_map(|line| line.strip_prefix("emu: ")?.trim_start().strip_prefix(name));
    let line = line.unwrap_or_else(|| panic!("no line {name:?} in\n{statistics}"));
    let word = line.split_whitespace().next().unwrap_or_else(|| panic!("no number: {line:?}"));
    word.replace(',', "").parse().unwrap_or_else(|_| panic!("no number: {line:?}"))
}

/// The numbers of the lines that are indented behind the one called `name`, with their names.
fn parts(statistics: &str, name: &str) -> Vec<(String, u64)> {
    let lines = statistics.lines().filter_map(|line| line.strip_prefix("emu: "));
    let mut lines = lines.skip_while(|line| !line.starts_with(name)).skip(1);
    let mut parts = Vec::new();
    while let Some(line) = lines.next().and_then(|line| line.strip_prefix("  ")) {
        let (name, value) = line.split_at(number_at(line).expect("a number and its share"));
        let value = value.split_whitespace().next().expect("a number").replace(',', "");
        parts.push((name.trim().to_owned(), value.parse().expect("a number")));
    }
    parts
}

/// Where the number before the share begins.
fn number_at(line: &str) -> Option<usize> {
    let share = line.find(" %")?;
    let before = line[..share].trim_end_matches(|c: char| c.is_ascii_digit() || c == '.').trim_end();
    Some(before.trim_end_matches(|c: char| c.is_ascii_digit() || c == ',').len())
}

fn good(outcome: &Outcome) -> String {
    assert_eq!(outcome.status, End::Exited(0), "{}", outcome.stderr_text());
    outcome.stderr_text()
}

#[test]
fn every_tier_counts_the_same_instructions() {
    let program = kernel("fib.c");
    let interpreted = good(&run(emu(Tier::Eval, &["--stats", "-seed", "1"], &program).arg("20"), LIMIT));
    let expected = number(&interpreted, "instructions run");
    for tier in Tier::ALL {
        let text = good(&run(emu(tier, &["--stats", "-seed", "1"], &program).arg("20"), LIMIT));
        assert!(text.lines().all(|line| line.starts_with("emu: ")), "{text}");
        let all = number(&text, "instructions run");
        // fib(20) makes 21891 calls, of about ten instructions each.
        assert!((200_000..500_000).contains(&all), "{tier:?}: {text}");
        let counted = parts(&text, "instructions run");
        assert_eq!(counted.iter().map(|part| part.1).sum::<u64>(), all, "{text}");
        let most = counted.iter().max_by_key(|part| part.1).expect("three parts").0.clone();
        match tier {
            Tier::Eval => assert_eq!(most, "in tier 0 (interpreted)", "{text}"),
            Tier::Jit => assert_eq!(most, "in compiled regions", "{text}"),
            Tier::Emit => assert_eq!(most, "in emitted blocks", "{text}"),
            Tier::Auto | Tier::Eager => {}
        }
        assert!(all.abs_diff(expected) * 100 < expected, "{tier:?}: {all}, but {expected} interpreted");
    }
}

#[test]
fn exits_and_helpers_are_named() {
    let program = Source::new("crc32.c").arm64(&["-march=armv8-a+crc"]).for_arm64(Link::Static);
    for tier in [Tier::Jit, Tier::Emit] {
        let text = good(&run(&mut emu(tier, &["--stats"], &program), LIMIT));
        for sum in ["generated code left", "helpers called"] {
            let parts = parts(&text, sum);
            assert!(!parts.is_empty(), "{sum}: {text}");
            assert_eq!(parts.iter().map(|part| part.1).sum::<u64>(), number(&text, sum), "{text}");
            assert!(parts.iter().all(|(name, times)| name.len() > 2 && *times > 0), "{text}");
            let names: HashSet<&String> = parts.iter().map(|part| &part.0).collect();
            assert_eq!(names.len(), parts.len(), "each has a name of its own: {text}");
        }
        assert!(parts(&text, "generated code left").iter().any(|(name, _)| name == "system call"), "{text}");
    }
}

/// Runs a kernel with `options` in `directory`; gives its process number and the number of bytes of code, by `--stats`.
fn profiled(options: &[&str], directory: &Path) -> (u32, u64) {
    let wanted = emu(Tier::Auto, options, &kernel("fib.c"));
    let mut shell = Command::new("sh");
    shell.args(["-c", "echo $$; exec \"$@\"", "sh"]).arg(wanted.get_program()).args(wanted.get_args());
    shell.args(["25"]).current_dir(directory);
    let outcome = run(&mut shell, LIMIT);
    let text = good(&outcome);
    let pid = outcome.stdout_text().lines().next().and_then(|line| line.parse().ok()).expect("the shell's number");
    let bytes = |name| {
        let line = text.lines().find(|line| line.starts_with(&format!("emu: {name} "))).expect("a line");
        let before = line.split(" bytes of code").next().expect("a part").rsplit(' ').next().expect("a number");
        before.replace(',', "").parse::<u64>().unwrap_or_else(|_| panic!("{line}"))
    };
    assert!(text.contains("bytes used, emptied 0 times"), "{text}");
    (pid, bytes("emitted") + bytes("compiled"))
}

/// Checks that pieces of code, address and size, do not overlap.
fn check_apart(mut pieces: Vec<(u64, u64)>) {
    pieces.sort_unstable();
    for pair in pieces.windows(2) {
        assert!(pair[0].1 > 0 && pair[0].0 + pair[0].1 <= pair[1].0, "{pair:x?}");
    }
}

#[test]
fn perf_map_names_all_code() {
    let directory = harness::scratch("perfmap");
    let (pid, bytes) = profiled(&["-perfmap", "--stats"], &directory);
    let path = format!("/tmp/perf-{pid}.map");
    let text = std::fs::read_to_string(&path).expect("the map");
    let _ = std::fs::remove_file(&path);
    let mut pieces = Vec::new();
    for line in text.lines() {
        let mut fields = line.splitn(3, ' ');
        let mut hex = || u64::from_str_radix(fields.next().expect("a field"), 16).expect("a hexadecimal number");
        pieces.push((hex(), hex()));
        let name = fields.next().expect("a name");
        assert!(name.starts_with("emu block 0x") || name.starts_with("emu region 0x"), "{line}");
        assert!(name.contains("(fib-arm64-"), "the file and the offset in it: {line}");
    }
    assert_eq!(pieces.iter().map(|piece| piece.1).sum::<u64>(), bytes);
    check_apart(pieces);
}

/// Reads little-endian numbers one after the other.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (first, rest) = self.0.split_at(count);
        self.0 = rest;
        first
    }
    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.bytes(4).try_into().expect("four bytes"))
    }
    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.bytes(8).try_into().expect("eight bytes"))
    }
}

#[test]
fn jitdump_is_well_formed() {
    let directory = harness::scratch("jitdump");
    // Several times, because the process may end while code is being added.
    for _ in 0..8 {
        check_jitdump(&directory);
    }
    let _ = std::fs::remove_dir_all(&directory);
}

/// By Linux's tools/perf/Documentation/jitdump-specification.txt.
fn check_jitdump(directory: &Path) {
    let (pid, bytes) = profiled(&["-jitdump", "--stats"], directory);
    let file = std::fs::read(directory.join(format!("jit-{pid}.dump"))).expect("the dump");
    let mut header = Reader(&file);
    assert_eq!([header.u32(), header.u32(), header.u32(), header.u32()], [MAGIC, 1, 40, EM_X86_64]);
    assert_eq!((header.u32(), header.u32()), (0, pid));
    let mut last = header.u64();
    assert!(last > 0);
    assert_eq!(header.u64(), 0, "flags");
    let (mut records, mut pieces, mut indices) = (header, Vec::new(), HashSet::new());
    while !records.0.is_empty() {
        let (id, total) = (records.u32(), records.u32());
        assert_eq!(id, 0, "JIT_CODE_LOAD");
        let time = records.u64();
        assert!(time >= last, "records are in the order of their times");
        last = time;
        let mut record = Reader(records.bytes(total as usize - 16));
        assert_eq!((record.u32(), record.u32()), (pid, pid));
        let (vma, addr, size, index) = (record.u64(), record.u64(), record.u64(), record.u64());
        assert_eq!(vma, addr);
        assert!(indices.insert(index), "each has an index of its own");
        let end = record.0.iter().position(|&byte| byte == 0).expect("a NUL behind the name");
        let name = String::from_utf8(record.bytes(end).to_vec()).expect("UTF-8");
        assert!(name.starts_with("emu block 0x") || name.starts_with("emu region 0x"), "{name}");
        record.bytes(1);
        assert_eq!(record.0.len() as u64, size, "the rest is the code");
        assert!(record.0.iter().any(|&byte| byte != 0));
        pieces.push((addr, size));
    }
    assert_eq!(pieces.iter().map(|piece| piece.1).sum::<u64>(), bytes);
    check_apart(pieces);
}

#[test]
fn everything_goes_into_the_file() {
    let directory = harness::scratch("log");
    let log = directory.join("log");
    let program = kernel("fib.c");
    let expected = run(emu(Tier::Eval, &[], &program).arg("22"), LIMIT);
    for (tier, wanted) in [
        (Tier::Jit, ["IN:\n", "CLIF of region 0x", "OUT: region 0x", "Trace code 0x"]),
        (Tier::Emit, ["IN:\n", "OUT: block 0x", "Trace code 0x", "  bl"]),
        (Tier::Eager, ["IN:\n", "OUT: region 0x", "Trace tier0 0x", "Trace code 0x"]),
    ] {
        let mut command = emu(tier, &["-d", "in_asm,clif,out_asm,exec", "-strace", "--stats", "-D"], &log);
        let outcome = run(command.arg(&program).arg("22"), LIMIT);
        assert_eq!((outcome.status, &outcome.stdout), (expected.status, &expected.stdout));
        assert_eq!(outcome.stderr_text(), "", "{tier:?}");
        let text = std::fs::read_to_string(&log).expect("the log");
        for part in wanted {
            assert!(text.contains(part), "{tier:?}: no {part:?}");
        }
        for part in ["exit_group(0)", "emu: statistics of ", "emu: instructions run "] {
            assert!(text.contains(part), "{tier:?}: no {part:?}");
        }
    }
    let _ = std::fs::remove_dir_all(&directory);
}

#[test]
fn children_write_to_the_same_file() {
    let directory = harness::scratch("children-log");
    let log = directory.join("log");
    let program = Source::new("children.c").for_arm64(Link::Static);
    let mut command = emu_for(Tier::Auto, Link::Dynamic, Path::new("--stats"));
    let outcome = run(command.arg("-D").arg(&log).arg(&program).current_dir(&directory), LIMIT);
    assert_eq!(outcome.status, End::Exited(0), "{}", outcome.stderr_text());
    let text = std::fs::read_to_string(&log).expect("the log");
    assert!(text.lines().all(|line| line.starts_with("emu: ")), "{text}");
    let first_lines: Vec<&str> = text.lines().filter(|line| line.starts_with("emu: statistics of ")).collect();
    let processes: HashSet<&&str> = first_lines.iter().collect();
    assert!(first_lines.len() > 2 && processes.len() == first_lines.len(), "{first_lines:?}");
    // Each whole, and not mixed with another's.
    for whole in text.split("emu: statistics of ").skip(1) {
        let all = number(whole, "instructions run");
        assert!(all > 0 && parts(whole, "instructions run").iter().map(|part| part.1).sum::<u64>() == all, "{whole}");
        assert!(whole.contains("emu: helpers called"), "{whole}");
    }
    let _ = std::fs::remove_dir_all(&directory);
}
