//! Real programs in an arm64 Debian system of `tests/rootfs`: the entries of `tests/linux` that are marked for the short
//! suite, in both ways of `tests/linux/enter`. `tests/soak` runs the others, and each as often as wanted.
#![allow(missing_docs, reason = "tests")]

mod harness;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use harness::child::End;
use harness::{known, root, run, stand_in};

fn directory() -> PathBuf {
    root().join("tests/linux")
}

/// What runs the program: emu, or what stands in for it.
fn emulator() -> String {
    stand_in().unwrap_or_else(|| env!("CARGO_BIN_EXE_emu").to_owned())
}

fn check(name: &str, way: &str) {
    let system = root().join("tests/.rootfs/core");
    assert!(
        system.with_extension("packages").exists(),
        "{} is not there: tests/rootfs core makes it",
        system.display()
    );
    let script = directory().join(format!("{name}.sh"));
    let mut command = Command::new(directory().join("enter"));
    command.args([way, &emulator()]).arg(system).arg(script);
    let outcome = run(&mut command, Duration::from_secs(600));
    let passed = outcome.status == End::Exited(0) && outcome.stdout.ends_with(b"ok\n");
    let report = || format!("{}\nstdout: {}\nstderr: {}", outcome.status, outcome.stdout_text(), outcome.stderr_text());
    known::settle(&format!("linux::{name}::{way}"), if passed { Ok(()) } else { Err(report()) });
}

macro_rules! entries {
    ($($name:ident)*) => {
        const ENTRIES: &[&str] = &[$(stringify!($name)),*];
        $(mod $name {
            #[test]
            fn binfmt() {
                super::check(stringify!($name), "binfmt");
            }

            #[test]
            fn prefix() {
                super::check(stringify!($name), "prefix");
            }
        })*
    };
}

entries! {
    bash_jobs bash_language bash_traps busybox coreutils curl_openssl dash find_grep_sed_awk git make_c make_cxx namespaces
    perl procps python_libraries sqlite tar util_linux
}

#[test]
fn every_entry_of_the_short_suite_is_a_test() {
    let scripts = std::fs::read_dir(directory()).expect("tests/linux");
    let marked: BTreeSet<String> = scripts
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sh"))
        .filter(|path| std::fs::read_to_string(path).expect("a script").lines().any(|line| line == "# suite: short"))
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    let listed: BTreeSet<String> = ENTRIES.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(marked, listed);
}
