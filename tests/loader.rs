//! The dynamic loader run as a program, as it can be on any Linux, and what emu says of files it cannot run.
#![allow(missing_docs, reason = "tests")]

mod harness;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use harness::build::Source;
use harness::child::End;
use harness::{Link, Outcome, SYSROOT, Tier, emu, known, run, same, scratch, stand_in};

const LIMIT: Duration = Duration::from_secs(30);

fn ld_so() -> PathBuf {
    PathBuf::from(SYSROOT).join("lib/ld-linux-aarch64.so.1")
}

fn hello() -> PathBuf {
    Source::new("hello.c").for_arm64(Link::Dynamic)
}

fn in_each_tier(name: &str, check: impl Fn(Tier) -> Result<(), String>) {
    let mut report = String::new();
    for tier in Tier::ALL {
        if let Err(text) = check(tier) {
            report += &format!("{}: {text}\n", tier.name());
        }
    }
    known::settle(name, if report.is_empty() { Ok(()) } else { Err(report) });
}

fn shown(outcome: &Outcome) -> String {
    format!("{}\nstdout: {}\nstderr: {}", outcome.status, outcome.stdout_text(), outcome.stderr_text())
}

#[test]
fn list() {
    in_each_tier("loader::list", |tier| {
        let outcome = run(emu(tier).args(["-L", SYSROOT]).arg(ld_so()).arg("--list").arg(hello()), LIMIT);
        let text = outcome.stdout_text();
        // The loader itself is named as it was called; libc is found by the path inside the sysroot.
        let libc = text.lines().any(|line| line.trim().starts_with("libc.so.6 => ") && line.contains("/lib/"));
        let found = outcome.status == End::Exited(0) && libc && text.contains("ld-linux-aarch64.so.1");
        if found { Ok(()) } else { Err(shown(&outcome)) }
    });
}

#[test]
fn library_path() {
    let native = run(std::process::Command::new(Source::new("hello.c").for_host(Link::Dynamic)).arg("x"), LIMIT);
    in_each_tier("loader::library_path", |tier| {
        let mut command = emu(tier);
        // No -L: the loader is told where the libraries are, and nothing else needs the sysroot.
        command.arg(ld_so()).arg("--library-path").arg(format!("{SYSROOT}/lib")).arg(hello()).arg("x");
        same(&native, &run(&mut command, LIMIT))
    });
}

#[test]
fn ld_so_version() {
    in_each_tier("loader::ld_so_version", |tier| {
        let outcome = run(emu(tier).arg(ld_so()).arg("--version"), LIMIT);
        let text = outcome.stdout_text();
        if outcome.status == End::Exited(0) && text.contains("ld.so") { Ok(()) } else { Err(shown(&outcome)) }
    });
}

#[test]
fn sysroot_from_the_environment() {
    let native = run(&mut std::process::Command::new(Source::new("hello.c").for_host(Link::Dynamic)), LIMIT);
    in_each_tier("loader::sysroot_from_the_environment", |tier| {
        same(&native, &run(emu(tier).env("QEMU_LD_PREFIX", SYSROOT).arg(hello()), LIMIT))
    });
}

/// A directory that the sysroot has only the beginning of, reached from "/" step by step.
#[test]
fn steps_out_of_the_sysroot() {
    let root = scratch("steps_out_of_the_sysroot");
    let host = root.join("host");
    fs::create_dir(&host).expect("a directory");
    let sysroot = root.join("sysroot");
    // Of /A/B/..., the sysroot has /A.
    let first = host.components().nth(1).expect("an absolute path");
    fs::create_dir_all(sysroot.join(first)).expect("directories");
    let native = run(std::process::Command::new(Source::new("path_steps.c").for_host(Link::Static)).arg(&host), LIMIT);
    assert_eq!(native.stdout_text(), "found\n", "{}", native.stderr_text());
    in_each_tier("loader::steps_out_of_the_sysroot", |tier| {
        let mut command = emu(tier);
        command.arg("-L").arg(&sysroot).arg(Source::new("path_steps.c").for_arm64(Link::Static)).arg(&host);
        same(&native, &run(&mut command, LIMIT))
    });
}

#[test]
fn options_for_the_guest() {
    in_each_tier("loader::options_for_the_guest", |tier| {
        let mut command = emu(tier);
        command.args(["-E", "EMU_GUEST_VARIABLE=from -E", "-0", "zeroth"]);
        let outcome = run(command.arg(Source::new("hello.c").for_arm64(Link::Static)).args(["-L", "--tier"]), LIMIT);
        let expected = "hello, world\nargument 1: '-L'\nargument 2: '--tier'\nvariable: from -E\n";
        if outcome.status == End::Exited(3) && outcome.stdout_text() == expected {
            Ok(())
        } else {
            Err(shown(&outcome))
        }
    });
}

#[test]
fn demo() {
    if stand_in().is_some() {
        return;
    }
    in_each_tier("loader::demo", |tier| {
        let outcome = run(emu(tier).arg("--demo"), LIMIT);
        let ran = outcome.status == End::Exited(0) && !outcome.stdout.is_empty();
        if ran { Ok(()) } else { Err(shown(&outcome)) }
    });
}

/// The host's own programs are handed to the kernel.
#[test]
fn program_of_the_host() {
    if stand_in().is_some() {
        return;
    }
    for link in [Link::Static, Link::Dynamic] {
        let program = Source::new("hello.c").for_host(link);
        let native = run(std::process::Command::new(&program).arg("x"), LIMIT);
        let outcome = run(emu(Tier::Auto).arg(&program).arg("x"), LIMIT);
        known::settle("loader::program_of_the_host", same(&native, &outcome));
    }
}
