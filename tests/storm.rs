//! A short run of `tests/storm`: processes in a row, threads at once, and forks, execs and signals among threads.
#![allow(missing_docs, reason = "tests")]

mod harness;

use std::time::Duration;

use harness::build::Source;
use harness::child::End;
use harness::{Link, Tier, emu_for, known, run};

fn check(name: &str, arguments: [&str; 2]) {
    let program = Source::new("storm.c").for_arm64(Link::Static);
    let outcome = run(emu_for(Tier::Auto, Link::Static, &program).args(arguments), Duration::from_secs(300));
    let passed = outcome.status == End::Exited(0) && !outcome.stdout.is_empty();
    let report = || format!("{}\nstdout: {}\nstderr: {}", outcome.status, outcome.stdout_text(), outcome.stderr_text());
    known::settle(&format!("storm::{name}"), if passed { Ok(()) } else { Err(report()) });
}

#[test]
fn processes() {
    check("processes", ["processes", "500"]);
}

#[test]
fn threads() {
    check("threads", ["threads", "400"]);
}

#[test]
fn storm() {
    check("storm", ["storm", "10"]);
}
