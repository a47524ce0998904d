//! From the command line to a running program: reads options, follows `#!` lines, and hands the program to the guest's
//! world (`guest.rs`) or to the host's kernel (`host_program.rs`).

use crate::host_program::{self, c_string};
use crate::options::Options;
use crate::{demo, flags, guest, own_file, process, registered, registration, report};
use ir::Sysroot as _;
use loader::{HostElf, Kind, LoadError, ProgramFile};
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::File;
use std::os::fd::RawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use syscalls::{SCRIPT_DEPTH, Sysroot};

/// Exit status for a wrong command line, as env(1), nice(1) and timeout(1) have it.
pub const STATUS_USAGE: i32 = 125;
/// Exit status when the program cannot be run, as a shell has it.
pub const STATUS_CANNOT_RUN: i32 = 126;

/// A program about to run.
pub struct Launch {
    /// The AArch64 program. None if no descriptor is left for it: then it is at `path`.
    pub file: Option<ProgramFile>,
    /// Whether its descriptor is the program's own, which must find it open.
    pub is_borrowed: bool,
    /// What it is called.
    pub path: PathBuf,
    /// Its arguments.
    pub argv: Vec<CString>,
    /// Its environment.
    pub envp: Vec<CString>,
    /// What execve(2) was given: AT_EXECFN.
    pub execfn: CString,
    /// What the process is called.
    pub comm: CString,
    /// Where its files are.
    pub sysroot: Option<Sysroot>,
    /// Emu's own file.
    pub emu: Option<File>,
    /// What that is called.
    pub emu_path: PathBuf,
}

/// What was found to run.
enum Runner {
    /// Emu.
    Guest(Option<ProgramFile>),
    /// The host's kernel.
    Host(HostElf),
}

/// What was found at the end of a chain of scripts.
struct Found {
    runner: Runner,
    is_borrowed: bool,
    path: PathBuf,
    argv: Vec<CString>,
}

/// Does what the command line says. Comes back only with an exit status of emu's own.
pub fn start(arguments: Vec<CString>, environment: Vec<CString>) -> i32 {
    let emu_path = PathBuf::from(OsStr::from_bytes(arguments.first().map_or(b"emu", |name| name.as_bytes())));
    let by_kernel = registered::start(&arguments);
    let words: Vec<OsString> = match &by_kernel {
        Some(start) => [c"--".to_owned()].iter().chain(&start.argv).map(|word| os_string(word)).collect(),
        None => arguments.iter().skip(1).map(|word| os_string(word)).collect(),
    };
    if by_kernel.is_none() && words.first().is_some_and(|word| word == registration::COMMAND) {
        return registration::run(&words[1..]);
    }
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
    let emu = options.emu_fd.and_then(process::take).or_else(own_file::open);
    if process::is_privileged() && emu.as_ref().is_some_and(own_file::brings_rights) {
        report::say("its file is set-user-ID or set-group-ID, which would let anyone run anything with those rights");
        return STATUS_CANNOT_RUN;
    }
    if let Some(start) = by_kernel {
        start.tell(&mut options);
    }
    let program = std::mem::take(&mut options.program);
    if program.is_empty() && !options.demo {
        report::say("no program given: emu [options] PROGRAM [ARGUMENT]... (emu -h lists the options)");
        return STATUS_USAGE;
    }
    let envp = guest_environment(environment, &options.environment);
    let sysroot = options.sysroot.as_deref().and_then(Sysroot::new);
    let name = program.first().cloned().unwrap_or_else(|| demo::NAME.into());
    let found = match find(&options, program, sysroot.as_ref()) {
        Ok(found) => found,
        Err(error) => return fail(&error),
    };
    let Found { runner, is_borrowed, path, argv } = found;
    match runner {
        Runner::Host(elf) => {
            fail(&host_program::run(&path, &elf, sysroot.as_ref().map(|sysroot| sysroot as _), &argv, &envp))
        }
        Runner::Guest(file) => {
            let execfn = c_string(options.execfn.take().unwrap_or(name));
            let comm = options.comm.take().unwrap_or_else(|| base_name(&execfn));
            let comm = c_string(comm);
            let launch = Launch { file, is_borrowed, path, argv, envp, execfn, comm, sysroot, emu, emu_path };
            guest::run(launch, &options)
        }
    }
}

fn os_string(text: &CStr) -> OsString {
    OsStr::from_bytes(text.to_bytes()).to_owned()
}

/// What follows the last slash, as the kernel names a process.
fn base_name(path: &CStr) -> OsString {
    let name = path.to_bytes().rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    OsStr::from_bytes(name).to_owned()
}

/// Does `work`, if no descriptors are left with those that a thread of its own gives up, but none of `kept`.
pub fn despite_full_table<T: Send>(
    path: &Path,
    kept: &[RawFd],
    work: impl Fn() -> Result<T, LoadError> + Sync,
) -> Result<T, LoadError> {
    match work() {
        Err(error) if error.errno() == libc::EMFILE => syscalls::with_spare_descriptors(kept, &work)
            .unwrap_or_else(|| Err(LoadError::new(path, libc::EMFILE, "no descriptors are left to open it"))),
        result => result,
    }
}

/// Says why the program cannot be run; gives the exit status.
pub fn fail(error: &LoadError) -> i32 {
    report::say(error);
    error.exit_status()
}

/// Prints to standard output; gives the exit status.
pub fn print(text: &str) -> i32 {
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

/// Opens the program and follows scripts to what runs them.
fn find(options: &Options, program: Vec<OsString>, sysroot: Option<&Sysroot>) -> Result<Found, LoadError> {
    let mut argv: Vec<CString> = program.iter().cloned().map(c_string).collect();
    if options.demo {
        argv.insert(0, c_string(demo::NAME.into()));
        let runner = Runner::Guest(Some(demo::file()?));
        return Ok(Found { runner, is_borrowed: false, path: demo::NAME.into(), argv });
    }
    let path = PathBuf::from(program.into_iter().next().unwrap_or_default());
    if let (Some(first), Some(argv0)) = (argv.first_mut(), &options.argv0) {
        *first = c_string(argv0.clone());
    }
    if let Some((fd, is_ours)) = options.program_fd {
        return by_descriptor(fd, is_ours, path, argv);
    }
    match follow(path.clone(), argv.clone(), sysroot) {
        Err(error) if error.errno() == libc::EMFILE => despite_full_table(&path, &[], || {
            let mut found = follow(path.clone(), argv.clone(), sysroot)?;
            if let Runner::Guest(file) = &mut found.runner {
                // It is open on this thread only.
                *file = None;
            }
            Ok(found)
        }),
        result => result,
    }
}

/// The program that was handed over open, known to be no script.
fn by_descriptor(fd: RawFd, is_ours: bool, path: PathBuf, argv: Vec<CString>) -> Result<Found, LoadError> {
    let copy = if is_ours { process::take(fd).map(process::out_of_the_way) } else { process::duplicate(fd) };
    let is_borrowed = copy.is_none() && !is_ours;
    let Some(file) = copy.or_else(|| if is_borrowed { process::borrow(fd) } else { None }) else {
        return Err(LoadError::new(&path, libc::EBADF, "its descriptor is not open"));
    };
    let file = ProgramFile::from_open(&path, file)?;
    let runner = match file.kind()? {
        Kind::Guest => Runner::Guest(Some(file)),
        Kind::Host(elf) => Runner::Host(elf),
        Kind::Script(_) => return Err(LoadError::new(&path, libc::ENOEXEC, "has become a script")),
    };
    Ok(Found { runner, is_borrowed, path, argv })
}

fn follow(mut path: PathBuf, mut argv: Vec<CString>, sysroot: Option<&Sysroot>) -> Result<Found, LoadError> {
    for _ in 0..=SCRIPT_DEPTH {
        let file = loader::open(&path).map_err(|error| with_advice(&path, error))?;
        let found = |runner, path, argv| Ok(Found { runner, is_borrowed: false, path, argv });
        match file.kind()? {
            Kind::Guest => return found(Runner::Guest(Some(file)), path, argv),
            Kind::Host(elf) => return found(Runner::Host(elf), path, argv),
            Kind::Script(script) => {
                let inside = sysroot.and_then(|sysroot| sysroot.find(&script.interpreter));
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
    if path.as_os_str() == OsStr::new("") {
        return LoadError::new(Path::new("''"), libc::ENOENT, "no program has an empty name");
    }
    match error.errno() {
        libc::ENOENT if is_bare_name => {
            LoadError::new(path, libc::ENOENT, "no such file here (PATH is not searched: give the program's path)")
        }
        libc::EACCES if process::may_execute(path) => {
            let reason = "may be executed but not read; with binfmt_misc and flag O the kernel would open it \
                          (emu binfmt install)";
            LoadError::new(path, libc::EACCES, reason)
        }
        _ => error,
    }
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
