//! What becomes of emu's own failures, which `--inject` makes: a translator's failure costs speed, and all others end
//! the process at once, by a signal and with one line that says whose fault it is. Nothing hangs.
#![allow(missing_docs, reason = "tests")]

mod harness;

use harness::build::Source;
use harness::child::End;
use harness::{Link, Outcome, emu_with, run};
use std::path::PathBuf;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
const SIGILL: i32 = 4;
const SIGTRAP: i32 = 5;
const SIGABRT: i32 = 6;
const SIGBUS: i32 = 7;
const SIGFPE: i32 = 8;
const SIGSEGV: i32 = 11;

fn program() -> PathBuf {
    Source::new("failures.c").for_arm64(Link::Static)
}

fn start(options: &[&str], argument: Option<&str>) -> Outcome {
    run(emu_with(options).arg(program()).args(argument), LIMIT)
}

/// Runs as if nothing had failed, and counts what has.
fn goes_on(failure: &str, tier: &[&str], counter: &str) {
    let expected = start(&["--tier=eval"], None);
    assert_eq!(expected.status, End::Exited(0));
    for time in ["", ",1", ",2"] {
        let inject = format!("--inject={failure}{time}");
        let options = [&["--stats", &inject], tier].concat();
        let outcome = start(&options, None);
        let said = outcome.stderr_text();
        assert_eq!(outcome.status, End::Exited(0), "{options:?}: {said}");
        assert_eq!(outcome.stdout_text(), expected.stdout_text(), "{options:?}");
        assert!(!said.contains("bug of emu"), "{said}");
        let line = said.lines().find(|line| line.starts_with(&format!("emu: {counter}"))).unwrap_or_default();
        let refused = line.split([',', ';']).find(|part| part.contains("refused")).unwrap_or_default();
        assert!(!refused.is_empty() && refused.trim() != "0 refused", "{options:?}: {line}");
    }
}

#[test]
fn the_compiler_fails() {
    for tier in [&["--tier=jit"][..], &["--threshold=20"]] {
        for failure in ["compiler", "cranelift", "machine-code", "prepared", "labels", "deferred"] {
            goes_on(failure, tier, "compiled");
        }
    }
}

#[test]
fn the_emitter_fails() {
    for tier in [&["--tier=emit"][..], &["--tier=auto"]] {
        goes_on("emitter", tier, "emitted");
    }
}

/// Dies of `signal` with one line, for which `said` is the reason.
fn dies(failure: &str, argument: &str, signal: i32, said: &str) {
    for options in [&["--tier=eval"][..], &["--tier=jit"], &["--tier=emit"], &["--threshold=20"]] {
        let inject = format!("--inject={failure}");
        let outcome = start(&[options, &[&inject]].concat(), Some(argument));
        let text = outcome.stderr_text();
        assert_eq!(outcome.status, End::Killed(signal), "{options:?} {argument}: {text}");
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("bug of emu")).collect();
        let is_clear = lines.len() == 1
            && lines[0].starts_with("emu: this is a bug of emu, not of the program: ")
            && [said, "guest pc 0x", ", in ", "version ", "please report"].iter().all(|part| lines[0].contains(part));
        assert!(is_clear, "{options:?}: {text}");
    }
}

#[test]
fn a_guest_thread_fails() {
    dies("thread,40", "fork", SIGABRT, "panic at backend/src/inject.rs");
}

/// Whatever the guest does with the signal.
#[test]
fn an_instruction_of_emus_own_fails() {
    let failures = [
        ("fault", SIGSEGV, "SIGSEGV"),
        ("illegal", SIGILL, "SIGILL"),
        ("bus", SIGBUS, "SIGBUS"),
        ("division", SIGFPE, "SIGFPE"),
        ("breakpoint", SIGTRAP, "SIGTRAP"),
    ];
    for (failure, signal, name) in failures {
        for argument in ["fork", "catch", "block", "ignore"] {
            // Once it has done so.
            dies(&format!("{failure},1500"), argument, signal, &format!("{name} at 0x"));
        }
    }
}

/// Nobody would ever tell the fork that the thread is at rest.
#[test]
fn the_worker_fails_while_a_fork_waits() {
    for _ in 0..20 {
        let outcome = start(&["--threshold=20", "--inject=worker"], Some("fork"));
        let text = outcome.stderr_text();
        assert_eq!(outcome.status, End::Killed(SIGABRT), "{text}");
        assert_eq!(text.lines().filter(|line| line.contains("bug of emu")).count(), 1, "{text}");
    }
}
