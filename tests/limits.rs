//! Hosts that are short of something: address space, stack, processors; and options with odd values. emu runs the
//! program all the same, or says in one line why not.
#![allow(missing_docs, reason = "tests")]

mod harness;

use std::process::Command;
use std::time::Duration;

use harness::build::Source;
use harness::child::End;
use harness::{Link, Outcome, Tier, run};

const LIMIT: Duration = Duration::from_secs(60);

/// Runs emu in a shell that has done `before`.
fn after(before: &str, tier: Tier, options: &[&str], program: &Source, arguments: &[&str]) -> Outcome {
    let mut wanted = harness::emu(tier);
    wanted.args(options).arg(program.for_arm64(Link::Static)).args(arguments);
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{before} && exec \"$@\""), "sh"]).arg(wanted.get_program()).args(wanted.get_args());
    run(&mut shell, LIMIT)
}

fn check(name: &str, outcome: &Outcome, expected: &Outcome) {
    if let Err(report) = harness::same(expected, outcome) {
        panic!("{name}: {report}");
    }
}

/// By the statistics, whether a tier ran instructions.
fn ran_in(outcome: &Outcome, what: &str) -> bool {
    let text = outcome.stderr_text();
    let line = text.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("no {what}: {text}"));
    !line.contains("  0.0 %")
}

#[test]
fn little_address_space() {
    let fib = Source::kernel("fib.c");
    let expected = run(Command::new(fib.for_host(Link::Static)).arg("25"), LIMIT);
    for kilobytes in [400_000, 100_000, 50_000] {
        for tier in Tier::ALL {
            let name = format!("ulimit -v {kilobytes}, {tier:?}");
            let outcome = after(&format!("ulimit -v {kilobytes}"), tier, &["--stats"], &fib, &["25"]);
            check(&name, &outcome, &expected);
            // A smaller code cache is better than none.
            assert!(tier != Tier::Emit || ran_in(&outcome, "  in emitted blocks "), "{name}");
        }
    }
    let outcome = after("ulimit -v 15000", Tier::Auto, &[], &fib, &["25"]);
    let text = outcome.stderr_text();
    assert_eq!(outcome.status, End::Exited(126), "{text}");
    assert!(text.starts_with("emu: ") && text.lines().count() == 1 && text.contains("memory"), "{text}");
}

/// The guest's stack is another one: `-s` says how large.
#[test]
fn little_host_stack() {
    let deep = Source::new("recursion.c");
    let expected = run(&mut Command::new(deep.for_host(Link::Static)), LIMIT);
    for kilobytes in ["64", "256", "unlimited"] {
        for tier in Tier::ALL {
            let outcome = after(&format!("ulimit -s {kilobytes}"), tier, &["-s", "64M"], &deep, &[]);
            check(&format!("ulimit -s {kilobytes}, {tier:?}"), &outcome, &expected);
        }
    }
}

/// The compiler's thread gets its turn beside a guest that never waits.
#[test]
fn one_processor() {
    // Of some seconds, for with the threshold 1 there is much else to compile first.
    const ARGUMENT: &str = "39";
    let fib = Source::kernel("fib.c");
    let expected = run(Command::new(fib.for_host(Link::Static)).arg(ARGUMENT), LIMIT);
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).expect("the list");
    let first: String = allowed.trim().chars().take_while(char::is_ascii_digit).collect();
    let pinned = |options: &[&str]| {
        let mut command = Command::new("taskset");
        command.args(["-c", &first]).arg(env!("CARGO_BIN_EXE_emu")).args(options);
        run(command.arg("--stats").arg(fib.for_arm64(Link::Static)).arg(ARGUMENT), LIMIT)
    };
    for options in [&["--tier=auto"][..], &["--tier=auto", "--threshold=1"]] {
        let outcome = pinned(options);
        check(&format!("{options:?}"), &outcome, &expected);
        assert!(ran_in(&outcome, "  in compiled regions "), "{options:?}: {}", outcome.stderr_text());
    }
}

#[test]
fn odd_options_are_refused_in_one_line() {
    let program = Source::kernel("fib.c").for_arm64(Link::Static);
    for options in [
        &["--threshold", "99999999999"][..],
        &["--threshold", "4294967296"],
        &["--threshold", "0"],
        &["--threshold", "-1"],
        &["--threshold", "ten"],
        &["--threshold="],
        &["--tier", "EMIT"],
        &["--tier="],
        &["--tier", "jit,emit"],
        &["--stats=1"],
        &["-d", "everything"],
        &["-D", "/nonexistent/file", "--stats"],
        &["-s", "much"],
    ] {
        let outcome = run(Command::new(env!("CARGO_BIN_EXE_emu")).args(options).arg(&program).arg("5"), LIMIT);
        let text = outcome.stderr_text();
        assert_eq!(outcome.status, End::Exited(125), "{options:?}: {text}");
        assert!(text.starts_with("emu: ") && text.lines().count() == 1, "{options:?}: {text}");
        assert!(outcome.stdout.is_empty(), "{options:?}");
    }
    for options in [&["--threshold", "4294967295"][..], &["--threshold", "0x10"], &["--threshold", "12"]] {
        let outcome = run(Command::new(env!("CARGO_BIN_EXE_emu")).args(options).arg(&program).arg("20"), LIMIT);
        assert_eq!(outcome.status, End::Exited(0), "{options:?}: {}", outcome.stderr_text());
    }
}
