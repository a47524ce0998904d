//! How a guest ends is how emu ends: the same exit status, or death of the same signal.
#![allow(missing_docs, reason = "tests")]

mod harness;

use std::time::Duration;

use harness::build::Source;
use harness::child::End;
use harness::{Link, Tier, emu_for, known, run};

const LIMIT: Duration = Duration::from_secs(30);
const SIGILL: i32 = 4;
const SIGTRAP: i32 = 5;
const SIGABRT: i32 = 6;
const SIGBUS: i32 = 7;
const SIGSEGV: i32 = 11;

/// Runs `death.c` with `how` in each tier; `death.c` says what it does for that word.
fn dies(name: &str, how: &str, expected: End) {
    let program = Source::new("death.c").for_arm64(Link::Static);
    let mut report = String::new();
    for tier in Tier::ALL {
        let outcome = run(emu_for(tier, Link::Static, &program).arg(how), LIMIT);
        if outcome.status != expected {
            report += &format!("{}: {}, not {expected}\n{}\n", tier.name(), outcome.status, outcome.stderr_text());
        }
        let said = outcome.stderr_text();
        let is_clear = said.starts_with("emu: ") && said.lines().count() == 1 && said.contains(": killed by SIG");
        // What the guest does to itself with kill(2) is nothing to explain.
        if matches!(expected, End::Killed(signal) if signal != SIGABRT) && !is_clear {
            report += &format!("{}: not one clear line: {said}\n", tier.name());
        }
        if outcome.stdout_text() != format!("about to {how}\n") {
            report += &format!("{}: stdout {:?}\n", tier.name(), outcome.stdout_text());
        }
    }
    known::settle(name, if report.is_empty() { Ok(()) } else { Err(report) });
}

macro_rules! deaths {
    ($($name:ident: $how:literal => $signal:expr;)*) => {$(
        #[test]
        fn $name() {
            dies(concat!("deaths::", stringify!($name)), $how, End::Killed($signal));
        }
    )*};
}

deaths! {
    read_of_null: "read-null" => SIGSEGV;
    write_of_null: "write-null" => SIGSEGV;
    read_of_kernel_half: "read-kernel-half" => SIGSEGV;
    read_of_noncanonical_address: "read-noncanonical" => SIGSEGV;
    write_of_constant: "write-read-only" => SIGSEGV;
    read_across_page_end: "read-page-end" => SIGSEGV;
    undefined_instruction: "udf" => SIGILL;
    undefined_instruction_with_immediate: "udf-1" => SIGILL;
    unallocated_encoding: "unallocated" => SIGILL;
    hypervisor_call: "hvc" => SIGILL;
    privileged_register: "privileged" => SIGILL;
    breakpoint: "brk" => SIGTRAP;
    breakpoint_with_immediate: "brk-1000" => SIGTRAP;
    jump_to_null: "jump-null" => SIGSEGV;
    jump_to_unmapped: "jump-unmapped" => SIGSEGV;
    jump_to_kernel_half: "jump-high" => SIGSEGV;
    jump_to_data: "jump-data" => SIGSEGV;
    jump_to_stack: "jump-stack" => SIGSEGV;
    jump_to_misaligned: "jump-misaligned" => SIGBUS;
    jump_to_unmapped_page_that_was_hot: "jump-unmapped-page" => SIGSEGV;
    jump_to_page_no_longer_executable: "jump-unexecutable-page" => SIGSEGV;
    fall_off_the_last_page: "fall-off-page" => SIGSEGV;
    read_beyond_file: "bus" => SIGBUS;
    abort: "abort" => SIGABRT;
    stack_overflow: "stack-overflow" => SIGSEGV;
    stack_overflow_in_a_thread: "stack-overflow-in-thread" => SIGSEGV;
    exclusive_store_to_constant: "exclusive-read-only" => SIGSEGV;
    misaligned_exclusive: "misaligned-exclusive" => SIGBUS;
}

/// Whichever thread is first: the death is said once.
#[test]
fn threads_die_together() {
    let program = Source::new("death.c").for_arm64(Link::Static);
    let mut report = String::new();
    for tier in Tier::ALL {
        for _ in 0..5 {
            let outcome = run(emu_for(tier, Link::Static, &program).arg("read-null-in-threads"), LIMIT);
            let said = outcome.stderr_text().lines().filter(|line| line.contains("killed by SIGSEGV")).count();
            if outcome.status != End::Killed(SIGSEGV) || said != 1 {
                report += &format!("{}: {}\n{}\n", tier.name(), outcome.status, outcome.stderr_text());
            }
        }
    }
    known::settle("deaths::threads_die_together", if report.is_empty() { Ok(()) } else { Err(report) });
}

#[test]
fn exit_without_libc() {
    dies("deaths::exit_without_libc", "_exit", End::Exited(42));
}

#[test]
fn every_exit_status() {
    let program = Source::new("death.c").for_arm64(Link::Static);
    let mut report = String::new();
    for status in 0..=255 {
        let tier = Tier::ALL[status as usize % Tier::ALL.len()];
        let outcome = run(emu_for(tier, Link::Static, &program).arg(format!("exit-{status}")), LIMIT);
        if outcome.status != End::Exited(status) {
            report += &format!("{}: {} for {status}\n", tier.name(), outcome.status);
        }
    }
    known::settle("deaths::every_exit_status", if report.is_empty() { Ok(()) } else { Err(report) });
}
