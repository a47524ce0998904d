//! The core file that a guest leaves is the guest's, with the registers of all its threads: a debugger for arm64 reads
//! it. Where the machine hands cores to a program, which is the kernel's to start, there is nothing to test.
#![allow(missing_docs, reason = "tests")]

mod harness;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use harness::build::Source;
use harness::child::End;
use harness::{Link, Tier, WAYS, emu_for, run, scratch, stand_in};

const LIMIT: Duration = Duration::from_secs(60);
const SIGQUIT: i32 = 3;
const SIGTRAP: i32 = 5;
const SIGABRT: i32 = 6;
const SIGSEGV: i32 = 11;
const SIGXCPU: i32 = 24;

/// A directory for core files. None if this machine does not put them into the working directory.
fn place(name: &str) -> Option<PathBuf> {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    let is_here = !pattern.starts_with(['|', '@']) && !pattern.contains('/') && stand_in().is_none();
    is_here.then(|| scratch(name))
}

fn program(link: Link) -> PathBuf {
    Source::new("core_file.c").for_arm64(link)
}

/// `emu program arguments` in `directory`, with a soft limit on core files in KiB, or "unlimited".
fn in_shell(directory: &Path, limit: &str, tier: Tier, link: Link, arguments: &[&str]) -> Command {
    let emu = emu_for(tier, link, &program(link));
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -H -c unlimited; ulimit -S -c {limit}; exec \"$@\""), "sh"]);
    command.arg(emu.get_program()).args(emu.get_args()).args(arguments).current_dir(directory);
    command
}

/// The core files in the directory.
fn cores(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    entries.collect()
}

/// The only core file in the directory.
fn core(directory: &Path) -> PathBuf {
    match &cores(directory)[..] {
        [one] => one.clone(),
        all => panic!("{all:?}"),
    }
}

/// What a debugger says of the core file.
fn debug(link: Link, core: &Path, commands: &[&str]) -> String {
    let mut gdb = Command::new("gdb-multiarch");
    gdb.args(["-nx", "-batch", "-ex", "set auto-load off", "-ex", "set sysroot /usr/aarch64-linux-gnu"]);
    gdb.args(["-ex", &format!("file {}", program(link).display()), "-ex", &format!("core {}", core.display())]);
    for command in commands {
        gdb.args(["-ex", command]);
    }
    let outcome = run(&mut gdb, LIMIT);
    outcome.stdout_text() + &outcome.stderr_text()
}

/// Threads whose registers are in the core file.
fn thread_count(core: &Path) -> usize {
    let outcome = run(Command::new("readelf").arg("-n").arg(core), LIMIT);
    outcome.stdout_text().matches("NT_PRSTATUS").count()
}

#[track_caller]
fn assert_said(said: &str, expected: &[&str]) {
    let missing: Vec<_> = expected.iter().filter(|text| !said.contains(**text)).collect();
    assert!(missing.is_empty(), "{missing:?} not in\n{said}");
}

#[test]
fn a_debugger_sees_every_thread() {
    let Some(directory) = place("core-threads") else { return };
    for (tier, link) in Tier::ALL.map(|tier| (tier, Link::Static)).into_iter().chain([(Tier::Auto, Link::Dynamic)]) {
        for core in cores(&directory) {
            fs::remove_file(core).expect("ours");
        }
        let outcome = run(&mut in_shell(&directory, "unlimited", tier, link, &["null", "5", "an argument"]), LIMIT);
        assert_eq!(outcome.status, End::Killed(SIGSEGV), "{}", outcome.stderr_text());
        let core = core(&directory);
        let commands = [
            "thread apply all bt",
            "p/x $x27",
            "p $v9.d.f[0]",
            "p $_siginfo.si_signo",
            "p $_siginfo.si_code",
            "p kinds[0]",
        ];
        let said = debug(link, &core, &commands);
        assert_said(
            &said,
            &[
                "terminated with signal SIGSEGV",
                "null 5 an argument",
                "die_here (how=",
                "\"null\")",
                "caller (how=",
                "main (argc=",
                "spin_here ()",
                "wait_here ()",
                "read_here ()",
                "lock_here ()",
                "call_here ()",
                "$1 = 0x2727272727272727",
                "$2 = 1234.5",
                "$3 = 11",
                "$4 = 1",
                "<wait_here>",
            ],
        );
        assert_eq!(thread_count(&core), 6, "{}: {said}", tier.name());
    }
}

#[test]
fn memory_is_the_guests() {
    let Some(directory) = place("core-memory") else { return };
    let mut command = in_shell(&directory, "unlimited", Tier::Auto, Link::Static, &["abort"]);
    assert_eq!(run(&mut command, LIMIT).status, End::Killed(SIGABRT));
    let core = core(&directory);
    let commands = [
        "x/s greeting",
        "x/s in_heap",
        "x/s in_shared",
        "x/s in_hidden",
        "p *kept_out",
        "info auxv",
        "info proc mappings",
        "info files",
    ];
    let said = debug(Link::Static, &core, &commands);
    assert_said(
        &said,
        &["of the data segment", "of the heap", "of shared memory", "of hidden memory", "$1 = 0 '\\000'"],
    );
    assert_said(&said, &["AT_ENTRY", "AT_PLATFORM", "\"aarch64\"", "core_file", "file type elf64-littleaarch64"]);
    // Nothing of emu's, whose addresses are above the guest's.
    assert!(!said.contains("0x00007"), "{said}");
    // Memory that was never touched takes no room.
    let bytes = fs::read(&core).map(|bytes| bytes.len()).expect("a file");
    let used = Command::new("du").arg("-k").arg(&core).output().expect("du").stdout;
    let used: usize =
        String::from_utf8_lossy(&used).split_whitespace().next().unwrap_or_default().parse().expect("KiB");
    assert!(bytes > 1 << 30 && used < 4 << 10, "{bytes} bytes, {used} KiB used");
}

#[test]
fn every_signal_that_leaves_one_does() {
    let Some(directory) = place("core-signals") else { return };
    let deaths = [("quit", SIGQUIT), ("trap", SIGTRAP), ("abort", SIGABRT), ("xcpu", SIGXCPU), ("null", SIGSEGV)];
    for (how, signal) in deaths {
        let mut command = in_shell(&directory, "unlimited", Tier::Auto, Link::Static, &[how, "2"]);
        assert_eq!(run(&mut command, LIMIT).status, End::Killed(signal), "{how}");
        let core = core(&directory);
        assert_said(
            &debug(Link::Static, &core, &["p $_siginfo.si_signo", "bt"]),
            &[&format!("$1 = {signal}\n"), "caller (how="],
        );
        fs::remove_file(core).expect("ours");
    }
}

#[test]
fn a_limit_that_the_guest_sets_counts() {
    let Some(directory) = place("core-late") else { return };
    let mut command = in_shell(&directory, "0", Tier::Auto, Link::Static, &["limit-late", "2"]);
    assert_eq!(run(&mut command, LIMIT).status, End::Killed(SIGQUIT));
    assert_eq!(thread_count(&core(&directory)), 3);
}

#[test]
fn no_descriptors_are_needed() {
    let Some(directory) = place("core-descriptors") else { return };
    let mut command = in_shell(&directory, "unlimited", Tier::Auto, Link::Static, &["without-descriptors"]);
    assert_eq!(run(&mut command, LIMIT).status, End::Killed(SIGABRT));
    assert_said(
        &debug(Link::Static, &core(&directory), &["bt"]),
        &["without-descriptors", "caller (how=", "main (argc="],
    );
}

#[test]
fn without_a_limit_there_is_none() {
    let Some(directory) = place("core-none") else { return };
    let deaths = [
        ("0", "null", SIGSEGV),
        ("0", "abort", SIGABRT),
        ("0", "quit", SIGQUIT),
        // Less than a page.
        ("2", "abort", SIGABRT),
        ("unlimited", "undumpable", SIGQUIT),
        ("unlimited", "terminate", 15),
    ];
    for (limit, how, signal) in deaths {
        let mut command = in_shell(&directory, limit, Tier::Auto, Link::Static, &[how, "2"]);
        assert_eq!(run(&mut command, LIMIT).status, End::Killed(signal), "{how}");
        assert_eq!(cores(&directory), Vec::<PathBuf>::new(), "{how} with limit {limit}");
    }
}

#[test]
fn a_small_limit_cuts_it() {
    let Some(directory) = place("core-cut") else { return };
    // In units of 512 bytes or KiB, as shells differ.
    let mut command = in_shell(&directory, "32", Tier::Auto, Link::Static, &["abort"]);
    assert_eq!(run(&mut command, LIMIT).status, End::Killed(SIGABRT));
    let core = core(&directory);
    let bytes = fs::metadata(&core).expect("a file").len();
    assert!((4 << 10..64 << 10).contains(&bytes), "{bytes} bytes");
    assert_said(&debug(Link::Static, &core, &[]), &["terminated with signal SIGABRT"]);
}

/// Whether the kernel lets this user mount an empty file system somewhere of its own.
fn may_mount() -> bool {
    let mount = ["--mount", "mount", "-t", "tmpfs", "none", "/mnt"];
    let may = |options: &[&str]| run(Command::new("unshare").args(options).args(mount), LIMIT).status == End::Exited(0);
    may(&[]) || may(&["--user", "--map-root-user"])
}

#[test]
fn the_wait_status_tells_of_it() {
    let Some(directory) = place("core-status") else { return };
    for (limit, how, expected) in
        [("unlimited", "abort", may_mount()), ("0", "abort", false), ("unlimited", "terminate", false)]
    {
        let status = in_shell(&directory, limit, Tier::Auto, Link::Static, &[how, "2"]).status().expect("sh");
        assert_eq!(status.core_dumped(), expected, "{how} with limit {limit}");
    }
    // What the kernel wrote to be able to say so is not in its place.
    assert_said(&debug(Link::Static, &core(&directory), &["bt"]), &["caller (how="]);
}

#[test]
fn links_lead_nowhere() {
    let Some(directory) = place("core-link") else { return };
    let elsewhere = scratch("core-link-target").join("victim");
    fs::write(&elsewhere, "untouched").expect("a file");
    let mut command = in_shell(&directory, "unlimited", Tier::Auto, Link::Static, &["abort"]);
    assert_eq!(run(&mut command, LIMIT).status, End::Killed(SIGABRT));
    let first = core(&directory);
    fs::remove_file(&first).expect("ours");
    std::os::unix::fs::symlink(&elsewhere, &first).expect("a link");
    assert_eq!(run(&mut command, LIMIT).status, End::Killed(SIGABRT));
    assert_eq!(fs::read_to_string(&elsewhere).expect("a file"), "untouched");
    // With the process's number in its name it is another file.
    assert!(cores(&directory).iter().any(|core| fs::symlink_metadata(core).is_ok_and(|found| found.is_file())));
}

#[test]
fn a_child_has_its_own_threads() {
    let Some(directory) = place("core-child") else { return };
    for how in ["child", "child-in-memory"] {
        let mut command = in_shell(&directory, "unlimited", Tier::Auto, Link::Static, &[how, "5"]);
        let outcome = run(&mut command, LIMIT);
        assert_eq!((outcome.status, &outcome.stdout_text()[..]), (End::Exited(0), "child: signal 6\n"), "{how}");
        let core = core(&directory);
        assert_said(&debug(Link::Static, &core, &["bt"]), &["caller (how="]);
        assert_eq!(thread_count(&core), 1, "{how}");
        fs::remove_file(core).expect("ours");
    }
}

#[test]
fn a_signal_from_outside_comes_whatever_threads_do() {
    let Some(directory) = place("core-outside") else { return };
    for round in 0..10 {
        for tier in WAYS {
            let mut command = in_shell(&directory, "unlimited", tier, Link::Static, &["wait", "10"]);
            let mut child = command.stdout(Stdio::piped()).spawn().expect("sh");
            let mut line = String::new();
            BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
            let kill = Command::new("kill").args(["-QUIT", &child.id().to_string()]).status();
            assert!(kill.expect("kill").success());
            let status = child.wait().expect("ours");
            assert_eq!(status.signal(), Some(SIGQUIT), "round {round}, {}", tier.name());
            let core = core(&directory);
            assert_eq!(thread_count(&core), 11, "round {round}, {}", tier.name());
            fs::remove_file(core).expect("ours");
        }
    }
}

#[test]
fn threads_that_come_and_go_do_not_keep_it_from_dying() {
    let Some(directory) = place("core-storm") else { return };
    for round in 0..40 {
        let tier = WAYS[round % WAYS.len()];
        let mut command = in_shell(&directory, "unlimited", tier, Link::Static, &["storm", "5"]);
        let outcome = run(&mut command, LIMIT);
        let is_right = matches!(outcome.status, End::Killed(SIGSEGV | SIGABRT));
        assert!(is_right, "round {round}, {}: {}\n{}", tier.name(), outcome.status, outcome.stderr_text());
        let core = core(&directory);
        assert!(thread_count(&core) >= 6, "round {round}, {}", tier.name());
        fs::remove_file(core).expect("ours");
    }
}
