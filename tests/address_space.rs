//! Where things lie: the guest below 2^42, emu above, whatever the host's limits and personality make the kernel do with
//! emu's own memory; and what the guest may ask for.
#![allow(missing_docs, reason = "tests")]

mod harness;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use harness::build::Source;
use harness::child::End;
use harness::{Link, Tier, emu_for, run};

/// Has the shell start the rest without randomness.
const FIXED: &str = "set -- setarch -R \"$@\";";

/// End of the guest's own part of the address space.
const END: u64 = 1 << 42;

fn hexadecimal(text: &str) -> u64 {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or_else(|_| panic!("{text} is no address"))
}

/// Runs the guest until it waits, gives the lines that it has printed and its map as the host shows it, lets it end.
fn look(before: &str, tier: Tier, options: &[&str], link: Link) -> (Vec<String>, String) {
    let program = Source::new("places.c").for_arm64(link);
    let mut wanted = emu_for(tier, link, &program);
    let arguments: Vec<_> = wanted.get_args().map(ToOwned::to_owned).collect();
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{before} exec \"$@\""), "sh"]).arg(wanted.get_program());
    shell.args(options).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    wanted = shell;
    let mut child = wanted.spawn().expect("a shell");
    let mut output = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let lines: Vec<String> = output.by_ref().take_while(|line| line != "waiting").collect();
    let maps = fs::read_to_string(format!("/proc/{}/maps", child.id())).expect("/proc");
    child.stdin.take().expect("a pipe").write_all(b"\n").expect("it still reads");
    assert!(child.wait().is_ok_and(|status| status.success()), "{before} {options:?}: {lines:?}");
    (lines, maps)
}

fn check(before: &str, tier: Tier, options: &[&str], link: Link) {
    let what = format!("{before} {tier:?} {options:?} {link:?}");
    let (lines, maps) = look(before, tier, options, link);
    assert!(lines.len() >= 8, "{what}: {lines:?}");
    for line in &lines {
        let (name, address) = line.split_once(' ').expect("a name and an address");
        assert!(hexadecimal(address) < END, "{what}: {name} is at {address}\n{maps}");
    }
    let guest = Source::new("places.c").for_arm64(link).display().to_string();
    let emu = fs::canonicalize(env!("CARGO_BIN_EXE_emu")).expect("emu is built").display().to_string();
    assert!(maps.lines().any(|line| line.ends_with(&emu)), "{what}: nothing of emu's file\n{maps}");
    for line in maps.lines() {
        let start = hexadecimal(line.split('-').next().expect("an address"));
        let of_emu = line.ends_with(&emu) || line.ends_with(']');
        let of_the_guest = line.ends_with(&guest) || line.contains(harness::SYSROOT);
        assert!(!of_emu || start >= END, "{what}: emu's own: {line}");
        assert!(!of_the_guest || start < END, "{what}: the guest's: {line}");
    }
}

#[test]
fn the_guest_is_below_and_emu_above() {
    for link in [Link::Static, Link::StaticPie, Link::Dynamic] {
        for tier in [Tier::Eval, Tier::Auto, Tier::Eager] {
            check("", tier, &[], link);
        }
    }
    for before in ["ulimit -s unlimited;", "ulimit -s 1000000;", "ulimit -v 4000000;"] {
        check(before, Tier::Auto, &[], Link::Dynamic);
    }
    check("", Tier::Auto, &["--va-bits", "39"], Link::Dynamic);
    check("", Tier::Auto, &["--va-bits=42"], Link::Dynamic);
}

#[test]
fn places_change_and_can_be_kept() {
    let places = |before: &str| look(before, Tier::Auto, &[], Link::Dynamic).0;
    let (first, second) = (places(""), places(""));
    assert!(first.iter().zip(&second).all(|(first, second)| first != second), "{first:?} {second:?}");
    // Threads tell their places in any order.
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    assert_eq!(sorted(places(FIXED)), sorted(places(FIXED)));
}

/// With all of the host's bits the guest only gets what is not emu's.
#[test]
fn all_bits() {
    let (lines, _) = look("", Tier::Auto, &["--va-bits", "47"], Link::Dynamic);
    let stack = lines.iter().find_map(|line| line.strip_prefix("stack ")).expect("a stack");
    assert!(hexadecimal(stack) > 1 << 46, "{stack}");
}

#[test]
fn memory_that_is_full() {
    let full = Source::new("memory_full.c");
    for before in ["", "ulimit -v 4000000;", "ulimit -v 400000;", "ulimit -v 150000;", "ulimit -v 60000;"] {
        for tier in Tier::ALL {
            let program = full.for_arm64(Link::Static);
            let wanted = emu_for(tier, Link::Static, &program);
            let mut shell = Command::new("sh");
            shell
                .args(["-c", &format!("{before} exec \"$@\""), "sh"])
                .arg(wanted.get_program())
                .args(wanted.get_args());
            let outcome = run(&mut shell, Duration::from_secs(100));
            let text = outcome.stdout_text();
            let fine = outcome.status == End::Exited(0) && text.ends_with("ok\n");
            assert!(fine, "{before} {tier:?}: {} {text} {}", outcome.status, outcome.stderr_text());
        }
    }
}

/// Hints and fixed places: a kernel with as many bits as it says, and more where more may be asked for.
#[test]
fn what_may_be_asked_for() {
    let program = Source::new("places_asked.c").for_arm64(Link::Static);
    for (bits, ends) in [("39", "39"), ("42", "42"), ("42+", "47"), ("47", "47")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_emu"));
        let outcome = run(command.args(["--va-bits", bits]).arg(&program).arg(ends), Duration::from_secs(20));
        assert_eq!((outcome.status, outcome.stdout_text().as_str()), (End::Exited(0), "ok\n"), "{bits}");
    }
}
