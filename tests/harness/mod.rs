//! What every integration test shares: tiers, running a child with a time limit, comparing two runs, and the list of
//! known failures. Knows how emu is called; must not know any guest program (`build.rs` compiles those).
#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod build;
pub mod child;
pub mod control_flow;
pub mod known;
pub mod machine;
pub mod random;
pub mod registers;

pub use build::Link;
#[allow(unused_imports, reason = "vectors and layout start no child")]
pub use child::{Outcome, run};

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Debian's cross packages keep the arm64 loader and libraries.
pub const SYSROOT: &str = "/usr/aarch64-linux-gnu";

/// How emu executes: interpreted, compiled at first sight, its own choice, or its own choice with every block asking
/// for the optimising compiler at its first run, so that regions replace what runs, are grown and are linked all the
/// time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    Eval,
    Jit,
    Emit,
    Auto,
    Eager,
}

impl Tier {
    pub const ALL: [Tier; 5] = [Tier::Eval, Tier::Jit, Tier::Emit, Tier::Auto, Tier::Eager];

    pub fn name(self) -> &'static str {
        match self {
            Tier::Eval => "eval",
            Tier::Jit => "jit",
            Tier::Emit => "emit",
            Tier::Auto => "auto",
            Tier::Eager => "eager",
        }
    }

    /// The options that choose it.
    pub fn options(self) -> &'static [&'static str] {
        match self {
            Tier::Eval => &["--tier=eval"],
            Tier::Jit => &["--tier=jit"],
            Tier::Emit => &["--tier=emit"],
            Tier::Auto => &["--tier=auto"],
            Tier::Eager => &["--tier=auto", "--threshold=1"],
        }
    }
}

/// Another emulator to test in emu's place, from `EMU_TEST_PROGRAM`: it shows whether a test's expectation holds
/// elsewhere. Options that only emu has are left out for it.
pub fn stand_in() -> Option<String> {
    std::env::var("EMU_TEST_PROGRAM").ok().filter(|name| !name.is_empty())
}

/// The emulator with its tier chosen; the guest program and its arguments are the caller's to add.
pub fn emu(tier: Tier) -> Command {
    emu_with(tier.options())
}

/// The tiers that whole programs are run in, which are too slow to interpret.
pub const WAYS: [Tier; 4] = [Tier::Jit, Tier::Emit, Tier::Auto, Tier::Eager];

/// The emulator with these options of its own; the guest program and its arguments are the caller's to add.
pub fn emu_with(options: &[&str]) -> Command {
    match stand_in() {
        Some(program) => Command::new(program),
        None => {
            let mut command = Command::new(env!("CARGO_BIN_EXE_emu"));
            command.args(options);
            command
        }
    }
}

/// Runs a program in each of `WAYS` and settles the test `name::way`, or panics with what differs from `expected`.
pub fn settle_ways(name: &str, expected: &Outcome, start: impl Fn(Command) -> Outcome) {
    let reports: Vec<String> = WAYS
        .iter()
        .filter_map(|way| known::judge(&format!("{name}::{}", way.name()), same(expected, &start(emu(*way)))).err())
        .collect();
    assert!(reports.is_empty(), "{}", reports.join("\n"));
}

/// emu about to run `program`, with the sysroot when the program is dynamic.
pub fn emu_for(tier: Tier, link: Link, program: &Path) -> Command {
    let mut command = emu(tier);
    if link == Link::Dynamic {
        command.args(["-L", SYSROOT]);
    }
    command.arg(program);
    command
}

/// The repository's root.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A directory of this test's own, empty.
pub fn scratch(name: &str) -> PathBuf {
    let path = build::directory().join("scratch").join(format!("{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).expect("a scratch directory");
    path
}

/// `Ok` when both runs ended alike with the same standard output; else what differs, with both standard errors.
pub fn same(expected: &Outcome, actual: &Outcome) -> Result<(), String> {
    if expected.status == actual.status && expected.stdout == actual.stdout {
        return Ok(());
    }
    let mut report = String::new();
    if expected.status != actual.status {
        report += &format!("status: expected {}, got {}\n", expected.status, actual.status);
    }
    report += &first_difference(&expected.stdout, &actual.stdout);
    report += &format!("stderr of the run: {}\n", tail(&actual.stderr));
    Err(report)
}

fn first_difference(expected: &[u8], actual: &[u8]) -> String {
    let (expected, actual) = (String::from_utf8_lossy(expected), String::from_utf8_lossy(actual));
    let (mut left, mut right) = (expected.lines(), actual.lines());
    for number in 1.. {
        match (left.next(), right.next()) {
            (None, None) => break,
            (a, b) if a == b => {}
            (a, b) => {
                let show = |line: Option<&str>| line.map_or("(end of output)".into(), |text| format!("{text:?}"));
                return format!("stdout line {number}: expected {}\n  got {}\n", show(a), show(b));
            }
        }
    }
    String::new()
}

fn tail(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
