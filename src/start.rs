//! From the command line to a running program: reads options, follows `#!` lines, and hands the program to the guest's
//! world (`guest.rs`) or to the host's kernel (`host_program.rs`).

use crate::host_program::{self, c_string};
use crate::options::Options;
use crate::{demo, flags, guest, process, report};
use loader::{Kind, LoadError, ProgramFile, Sysroot};
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Exit status for a wrong command line, as env(1), nice(1) and timeout(1) have it.
pub const STATUS_USAGE: i32 = 125;
/// Exit status when the program cannot be run, as a shell has it.
pub const STATUS_CANNOT_RUN: i32 = 126;
/// As many scripts as the kernel lets be each other's interpreters.
const MAX_SCRIPTS: usize = 5;

/// A program about to run.
pub struct Launch {
    /// The AArch64 program.
    pub file: ProgramFile,
    /// Its arguments.
    pub argv: Vec<CString>,
    /// Its environment.
    pub envp: Vec<CString>,
    /// Where its files are.
    pub sysroot: Option<Sysroot>,
}

/// Does what the command line says. Comes back only with an exit status of emu's own.
pub fn start(arguments: Vec<CString>, environment: Vec<CString>) -> i32 {
    let words: Vec<OsString> =
        arguments.into_iter().skip(1).map(|word| OsString::from_vec(word.into_bytes())).collect();
    // With rights that the caller has not, what the caller put into the environment must not steer emu.
    let trusted: &[CString] = if process::is_privileged() { &[] } else { &environment };
    let mut options = match flags::parse(&words, |name| variable(trusted, name)) {
        Ok(options) => options,
        Err(mistake) => {
            report::say(mistake);
            return STATUS_USAGE;
        }
    };
    if options.help {
        return print(&flags::help());
    }
    if options.version {
        return print(concat!("emu ", env!("CARGO_PKG_VERSION"), ": AArch64 Linux programs on x86-64 Linux\n"));
    }
    let program = std::mem::take(&mut options.program);
    if program.is_empty() && !options.demo {
        report::say("no program given: emu [options] PROGRAM [ARGUMENT]... (emu -h lists the options)");
        return STATUS_USAGE;
    }
    let envp = guest_environment(environment, &options.environment);
    match prepare(&options, program, envp) {
        Ok(launch) => guest::run(launch, &options),
        Err(error) => fail(&error),
    }
}

/// Says why the program cannot be run; gives the exit status.
pub fn fail(error: &LoadError) -> i32 {
    report::say(error);
    error.exit_status()
}

fn print(text: &str) -> i32 {
    use std::io::Write;
    i32::from(std::io::stdout().write_all(text.as_bytes()).is_err())
}

fn variable(environment: &[CString], name: &str) -> Option<OsString> {
    environment.iter().find_map(|entry| {
        let value = entry.as_bytes().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(OsStr::from_bytes(value).to_owned())
    })
}

/// The environment with variables set and removed, otherwise as it came.
fn guest_environment(mut environment: Vec<CString>, changes: &[(OsString, Option<OsString>)]) -> Vec<CString> {
    for (name, value) in changes {
        let has_name = |entry: &CString| {
            entry.as_bytes().strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'='))
        };
        environment.retain(|entry| !has_name(entry));
        if let Some(value) = value {
            environment.push(c_string(OsString::from_vec([name.as_bytes(), b"=", value.as_bytes()].concat())));
        }
    }
    environment
}

/// Opens the program and follows scripts to what runs them. Does not come back if that is the host's.
fn prepare(options: &Options, program: Vec<OsString>, envp: Vec<CString>) -> Result<Launch, LoadError> {
    let sysroot = options.sysroot.as_deref().and_then(Sysroot::new);
    let mut argv: Vec<CString> = program.iter().cloned().map(c_string).collect();
    if options.demo {
        argv.insert(0, c_string(demo::NAME.into()));
        return Ok(Launch { file: demo::file()?, argv, envp, sysroot });
    }
    let mut path = PathBuf::from(program.into_iter().next().unwrap_or_default());
    if let (Some(first), Some(argv0)) = (argv.first_mut(), &options.argv0) {
        *first = c_string(argv0.clone());
    }
    for _ in 0..=MAX_SCRIPTS {
        let file = loader::open(&path).map_err(|error| with_advice(&path, error))?;
        match file.kind()? {
            Kind::Guest => return Ok(Launch { file, argv, envp, sysroot }),
            Kind::Host(elf) => return Err(host_program::run(&path, &elf, sysroot.as_ref(), &argv, &envp)),
            Kind::Script(script) => {
                let inside = sysroot.as_ref().and_then(|sysroot| sysroot.find(&script.interpreter));
                let next = inside.unwrap_or_else(|| script.interpreter.clone());
                if !next.exists() {
                    let reason = format!("needs the interpreter {}, which is missing", script.interpreter.display());
                    return Err(LoadError::new(&path, libc::ENOENT, reason));
                }
                // argv[0] gives way to the interpreter's name, its argument and the script's path.
                let script_path = std::mem::replace(&mut path, next);
                let mut words = vec![c_string(script.interpreter.into_os_string())];
                words.extend(script.argument.map(c_string));
                words.push(c_string(script_path.into_os_string()));
                argv.splice(..argv.len().min(1), words);
            }
        }
    }
    Err(LoadError::new(&path, libc::ELOOP, "too many scripts that are each other's interpreters"))
}

fn with_advice(path: &Path, error: LoadError) -> LoadError {
    let is_bare_name = !path.as_os_str().as_bytes().contains(&b'/');
    if error.errno() == libc::ENOENT && is_bare_name && !path.as_os_str().is_empty() {
        return LoadError::new(path, libc::ENOENT, "no such file here (PATH is not searched: give the program's path)");
    }
    if path.as_os_str() == OsStr::new("") {
        return LoadError::new(Path::new("''"), libc::ENOENT, "no program has an empty name");
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn c_strings(texts: &[&str]) -> Vec<CString> {
        texts.iter().map(|text| c_string(text.into())).collect()
    }

    #[test]
    fn environment_changes_apply_in_order() {
        let before = c_strings(&["A=1", "AB=2", "odd", "A=again"]);
        let changes = [
            ("A".into(), Some("new".into())),
            ("GONE".into(), None),
            ("AB".into(), None),
            ("AB".into(), Some("x=y".into())),
        ];
        assert_eq!(guest_environment(before, &changes), c_strings(&["odd", "A=new", "AB=x=y"]));
    }

    #[test]
    fn variables_are_found_by_their_whole_name() {
        let environment = c_strings(&["QEMU_LOGX=1", "QEMU_LOG=in_asm", "X"]);
        assert_eq!(variable(&environment, "QEMU_LOG"), Some("in_asm".into()));
        assert_eq!(variable(&environment, "X"), None);
    }
}
