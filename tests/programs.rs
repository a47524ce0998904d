//! C and C++ programs built for arm64 and for the host: the first under emu in each tier, the second natively, and the
//! same output and exit status from both. Where the host cannot be the reference (arm64 instructions, libm's last
//! bits) the arm64 program's output is fixed in the source's comment or comes from qemu-aarch64.
#![allow(missing_docs, reason = "tests")]

mod harness;

use std::process::Command;
use std::time::Duration;

use harness::build::Source;
use harness::child::End;
use harness::{Link, Outcome, Tier, emu_for, known, run, same};

/// What a program is compared with.
#[derive(Clone, Copy)]
enum Reference {
    /// The same source built for the host.
    Native,
    /// The same binary under qemu-aarch64.
    Qemu,
    /// The program checks itself: prints "ok" last and exits with 0.
    Itself,
}

const ARGUMENTS: [&str; 3] = ["one", "two words", ""];
const LIMIT: Duration = Duration::from_secs(120);

fn prepare(command: &mut Command, directory: &std::path::Path, tier: Tier) {
    command.args(ARGUMENTS).current_dir(directory).env_clear().env("EMU_GUEST_VARIABLE", "a value").env("TZ", "UTC");
    if matches!(tier, Tier::Eval | Tier::Jit) {
        // Programs that repeat things until they are hot do so less often: nothing becomes hot in these tiers, in which
        // all is slow, or each child's beginning is.
        command.env("EMU_GUEST_SMALL", "1");
    }
}

fn compare(name: &str, source: Source, link: Link, tier: Tier, reference: Reference) -> Result<(), String> {
    let program = source.for_arm64(link);
    let start = |mut command: Command| -> Outcome {
        // Anew for each run: the second must not find the files of the first.
        let directory = harness::scratch(&name.replace(':', "-"));
        prepare(&mut command, &directory, tier);
        let outcome = run(&mut command, LIMIT);
        let _ = std::fs::remove_dir_all(&directory);
        outcome
    };
    let actual = start(emu_for(tier, link, &program));
    match reference {
        Reference::Native => same(&start(Command::new(source.for_host(link))), &actual),
        Reference::Qemu => {
            let mut qemu = Command::new("qemu-aarch64");
            qemu.args(["-L", harness::SYSROOT]).arg(&program);
            same(&start(qemu), &actual)
        }
        Reference::Itself => {
            if actual.status == End::Exited(0) && actual.stdout.ends_with(b"ok\n") {
                Ok(())
            } else {
                let shown = (actual.stdout_text(), actual.stderr_text());
                Err(format!("{}\nstdout: {}\nstderr: {}", actual.status, shown.0, shown.1))
            }
        }
    }
}

macro_rules! programs {
    ($($name:ident: $source:expr, $link:ident, $reference:ident;)*) => {$(
        mod $name {
            use super::*;

            fn check(tier: Tier) {
                let name = format!("{}::{}", module_path!(), tier.name());
                known::settle(&name, compare(&name, $source, Link::$link, tier, Reference::$reference));
            }

            #[test]
            fn eval() {
                check(Tier::Eval);
            }

            #[test]
            fn jit() {
                check(Tier::Jit);
            }

            #[test]
            fn emit() {
                check(Tier::Emit);
            }

            #[test]
            fn auto() {
                check(Tier::Auto);
            }

            #[test]
            fn eager() {
                check(Tier::Eager);
            }
        }
    )*};
}

programs! {
    hello_static: Source::new("hello.c"), Static, Native;
    hello_static_pie: Source::new("hello.c"), StaticPie, Native;
    hello_dynamic: Source::new("hello.c"), Dynamic, Native;
    libc_static: Source::new("libc.c"), Static, Native;
    libc_dynamic: Source::new("libc.c"), Dynamic, Native;
    cxx_static: Source::new("cxx.cc"), Static, Native;
    cxx_dynamic: Source::new("cxx.cc"), Dynamic, Native;
    libm: Source::new("libm.c"), Static, Qemu;
    arithmetic_fp: Source::new("arithmetic_fp.c"), Static, Native;
    strings: Source::new("strings.c"), Static, Native;
    control: Source::new("control.c"), Static, Native;
    contexts: Source::new("contexts.c"), Static, Native;
    recursion: Source::new("recursion.c"), Static, Native;
    varargs: Source::new("varargs.c"), Static, Native;
    int128: Source::new("int128.c"), Static, Native;
    atomics_armv8_0: Source::new("atomics.c").arm64(&["-march=armv8-a", "-mno-outline-atomics"]), Static, Native;
    atomics_lse: Source::new("atomics.c").arm64(&["-march=armv8.1-a+lse", "-mno-outline-atomics"]), Static, Native;
    atomics_outline: Source::new("atomics.c").arm64(&["-moutline-atomics"]), Static, Native;
    atomics_16: Source::new("atomics_16.c"), Static, Itself;
    crc32: Source::new("crc32.c").arm64(&["-march=armv8-a+crc"]), Static, Native;
    bits: Source::new("bits.c"), Static, Native;
    vector_folds: Source::new("vector_folds.c"), Static, Itself;
    division: Source::new("division.c"), Static, Itself;
    flags: Source::new("flags.c"), Static, Itself;
    branches: Source::new("branches.c"), Static, Itself;
    jump_tables: Source::new("jump_tables.c"), Static, Native;
    jump_tables_pie: Source::new("jump_tables.c"), StaticPie, Native;
    system_registers: Source::new("system_registers.c"), Static, Itself;
    memory_calls: Source::new("memory_calls.c"), Static, Native;
    memory_corners: Source::new("memory_corners.c"), Static, Native;
    memory_random: Source::new("memory_random.c"), Static, Native;
    memory_calls_dynamic: Source::new("memory_calls.c"), Dynamic, Native;
    memory_limits: Source::new("memory_limits.c"), Static, Native;
    memory_limits_dynamic: Source::new("memory_limits.c"), Dynamic, Native;
    memory_full: Source::new("memory_full.c"), Static, Itself;
    mappings: Source::new("mappings.c"), Static, Native;
    files: Source::new("files.c"), Static, Native;
    process: Source::new("process.c"), Static, Native;
    waiting: Source::new("waiting.c"), Static, Native;
    children: Source::new("children.c"), Static, Native;
    tagged_pointers: Source::new("tagged_pointers.c"), Static, Itself;
    fork_flavours: Source::new("fork_flavours.c"), Static, Native;
    vfork_hot: Source::new("vfork_hot.c"), Static, Native;
    survivor: Source::new("survivor.c"), Static, Native;
    clone_checks: Source::new("clone_checks.c"), Static, Native;
    threads_clone: Source::new("threads_clone.c"), Static, Native;
    signal_queue: Source::new("signal_queue.c"), Static, Native;
    epoll_many: Source::new("epoll_many.c"), Static, Native;
    clone_clear_sighand: Source::new("clone_clear_sighand.c"), Static, Native;
    children_dynamic: Source::new("children.c"), Dynamic, Native;
    exec_errors: Source::new("exec_errors.c"), Static, Native;
    exec_sizes: Source::new("exec_sizes.c"), Static, Native;
    exec_scripts: Source::new("exec_scripts.c"), Static, Native;
    exec_names: Source::new("exec_names.c"), Static, Native;
    exec_descriptors: Source::new("exec_names.c").both(&["-DBY_DESCRIPTORS=1"]), Static, Native;
    exec_threads: Source::new("exec_threads.c"), Static, Native;
    exec_full: Source::new("exec_full.c"), Static, Native;
    exec_root: Source::new("exec_root.c"), Static, Native;
    uname: Source::new("uname.c"), Static, Itself;
    auxv: Source::new("auxv.c"), Static, Itself;
    auxv_dynamic: Source::new("auxv.c"), Dynamic, Itself;
    vdso: Source::new("vdso.c"), Static, Itself;
    vdso_dynamic: Source::new("vdso.c"), Dynamic, Itself;
    job_control: Source::new("job_control.c"), Static, Native;
    signals: Source::new("signals.c"), Static, Native;
    signal_actions: Source::new("signal_actions.c"), Static, Native;
    signal_calls: Source::new("signal_calls.c"), Static, Native;
    signal_waits: Source::new("signal_waits.c"), Static, Native;
    signal_sent: Source::new("signal_sent.c"), Static, Native;
    signal_sent_threads: Source::new("signal_sent_threads.c"), Static, Native;
    signal_races: Source::new("signal_races.c"), Static, Native;
    signal_faults: Source::new("signal_faults.c"), Static, Native;
    signal_fault_memory: Source::new("signal_fault_memory.c"), Static, Native;
    signal_deaths: Source::new("signal_deaths.c"), Static, Native;
    signal_fault_states: Source::new("signal_fault_states.c"), Static, Itself;
    signal_threads: Source::new("signal_threads.c"), Static, Native;
    signal_timers: Source::new("signal_timers.c"), Static, Native;
    signal_frames: Source::new("signal_frames.c"), Static, Itself;
    code_rewrite: Source::new("code_rewrite.c"), Static, Itself;
    threads: Source::new("threads.c"), Static, Native;
    threads_dynamic: Source::new("threads.c"), Dynamic, Native;
    threads_cxx: Source::new("threads_cxx.cc").both(&["-std=c++17"]), Static, Native;
    threads_cxx_dynamic: Source::new("threads_cxx.cc").both(&["-std=c++17"]), Dynamic, Native;
    threads_ends: Source::new("threads_ends.c"), Static, Native;
    threads_ends_dynamic: Source::new("threads_ends.c"), Dynamic, Native;
    threads_raw: Source::new("threads_raw.c"), Static, Itself;
    threads_deep: Source::new("threads_deep.c"), Static, Native;
    threads_bound: Source::new("threads_bound.c"), Static, Native;
    threads_armv8_0: Source::new("threads_atomics.c").arm64(&["-march=armv8-a", "-mno-outline-atomics"]), Static, Native;
    threads_lse: Source::new("threads_atomics.c").arm64(&["-march=armv8.1-a+lse", "-mno-outline-atomics"]), Static, Native;
    threads_outline: Source::new("threads_atomics.c").arm64(&["-moutline-atomics"]), Dynamic, Native;
    code_flips: Source::new("code_flips.c"), Static, Itself;
    code_rewrite_hot: Source::new("code_rewrite_hot.c"), Static, Itself;
    threads_rewrite: Source::new("threads_rewrite.c"), Static, Itself;
    code_rewrite_alias: Source::new("code_rewrite_alias.c"), Static, Itself;
    nonlocal: Source::new("nonlocal.c"), Static, Native;
    exceptions: Source::new("exceptions.cc"), Static, Native;
    exceptions_dynamic: Source::new("exceptions.cc"), Dynamic, Native;
    stack_switch: Source::new("stack_switch.c"), Static, Itself;
    call_return: Source::new("call_return.c"), Static, Itself;
    small_functions: Source::new("small_functions.c"), Static, Itself;
}
