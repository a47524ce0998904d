//! execve(2): an AArch64 program, or a script, is run by starting emu again with the same options; a program of the
//! host's own goes to the kernel. It must not know how emu reads its command line beyond `-0 NAME PROGRAM ARGS`.

use crate::host::{self, Args, HostAction, Outcome};
use crate::paths::{self, Links};
use crate::process::{Context, Process, Reexec};
use crate::user;
use ir::Errno;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

const ENOEXEC: Errno = Errno(libc::ENOEXEC);
const AT_FDCWD: u64 = libc::AT_FDCWD as u64;
/// What the kernel looks at to tell what a file is (BINPRM_BUF_SIZE).
const HEAD_BYTES: usize = 256;
/// Scripts whose interpreters are scripts: as many as the kernel follows.
const SCRIPT_DEPTH: usize = 5;
const EM_AARCH64: [u8; 2] = [183, 0];

/// What a file turned out to be.
#[derive(PartialEq, Eq, Debug)]
enum Program {
    /// For emu.
    AArch64,
    /// Another ELF file, for the kernel.
    Foreign,
    /// `#!`: its interpreter and the argument, if there is one.
    Script(OsString, Option<OsString>),
}

/// execve implements Linux syscall execve(2).
pub(crate) fn execve(context: &mut Context<'_>, args: Args) -> Outcome {
    exec(context, AT_FDCWD, args[0], args[1], args[2], 0)
}

/// execveat implements Linux syscall execveat(2).
pub(crate) fn execveat(context: &mut Context<'_>, args: Args) -> Outcome {
    exec(context, args[0], args[1], args[2], args[3], args[4])
}

fn exec(context: &Context<'_>, dir: u64, path: u64, argv: u64, envp: u64, flags: u64) -> Outcome {
    let path = user::read_path(path)?;
    let mut argv = user::read_strings(argv)?;
    let envp = user::read_strings(envp)?;
    if argv.is_empty() {
        argv.push(OsString::new());
    }
    let process = context.process;
    let mut file = locate(process, dir, &path, flags)?;
    // What a script is called in its interpreter's arguments: as the caller named it.
    let mut named = file.clone();
    if dir as i32 == libc::AT_FDCWD || path.to_bytes().starts_with(b"/") {
        named = path;
    }
    for _ in 0..=SCRIPT_DEPTH {
        match classify(&file)? {
            Program::AArch64 => return start_emu(process, &file, &argv, &envp),
            Program::Foreign if process.config.sysroot.is_some() => return start_emu(process, &file, &argv, &envp),
            Program::Foreign => return start(process, &file, &argv, &envp),
            Program::Script(interpreter, argument) => {
                argv[0] = OsStr::from_bytes(named.to_bytes()).to_owned();
                if let Some(argument) = argument {
                    argv.insert(0, argument);
                }
                argv.insert(0, interpreter.clone());
                named = CString::new(interpreter.into_vec()).map_err(|_| ENOEXEC)?;
                file = locate(process, AT_FDCWD, &named, 0)?;
            }
        }
    }
    Err(Errno(libc::ELOOP))
}

/// The host path of the program.
fn locate(process: &Process, dir: u64, path: &CStr, flags: u64) -> Result<CString, Errno> {
    let bytes = path.to_bytes();
    if bytes.is_empty() {
        if flags & libc::AT_EMPTY_PATH as u64 == 0 {
            return Err(Errno(libc::ENOENT));
        }
        let real = paths::descriptor_path(dir).ok_or(Errno(libc::ENOENT))?;
        let args = [AT_FDCWD, real.as_ptr() as u64, 0, 0, 0, 0];
        if host::call(libc::SYS_faccessat, args).is_ok() {
            return Ok(real);
        }
        // A file without a name (memfd_create): a copy of the descriptor that stays open is the way to it.
        let copy = host::call3(libc::SYS_fcntl, dir, libc::F_DUPFD as u64, 0)?;
        return CString::new(format!("/proc/self/fd/{copy}")).map_err(|_| Errno(libc::ENOENT));
    }
    if bytes.starts_with(b"/") {
        return Ok(paths::lookup(process, path, Links::Follow).unwrap_or_else(|| path.to_owned()));
    }
    let prefix = if dir as i32 == libc::AT_FDCWD {
        // A name that begins with a dash must not look like an option.
        b"./".to_vec()
    } else {
        let mut dir = paths::descriptor_path(dir).ok_or(Errno(libc::EBADF))?.into_bytes();
        dir.push(b'/');
        dir
    };
    let prefix = if bytes.starts_with(b"./") || bytes.starts_with(b"../") { Vec::new() } else { prefix };
    CString::new([&prefix, bytes].concat()).map_err(|_| Errno(libc::ENOENT))
}

fn classify(file: &CStr) -> Result<Program, Errno> {
    let name = file.as_ptr() as u64;
    let fd = host::call(
        libc::SYS_openat,
        [AT_FDCWD, name, (libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK) as u64, 0, 0, 0],
    )?;
    let mut head = [0u8; HEAD_BYTES];
    let read = host::call(libc::SYS_pread64, [fd, head.as_mut_ptr() as u64, HEAD_BYTES as u64, 0, 0, 0]);
    let _ = host::call3(libc::SYS_close, fd, 0, 0);
    let executable =
        host::call(libc::SYS_faccessat2, [AT_FDCWD, name, libc::X_OK as u64, libc::AT_EACCESS as u64, 0, 0]);
    match executable {
        Ok(_) | Err(Errno(libc::ENOSYS)) => {}
        Err(error) => return Err(error),
    }
    // Directories and the like cannot be read so; the kernel's answer for those is EACCES.
    let read = read.map_err(|_| Errno(libc::EACCES))? as usize;
    program(&head[..read]).ok_or(ENOEXEC)
}

fn program(head: &[u8]) -> Option<Program> {
    if head.starts_with(b"\x7fELF") {
        let ours = head.get(4..6) == Some(&[2, 1]) && head.get(18..20) == Some(&EM_AARCH64);
        return Some(if ours { Program::AArch64 } else { Program::Foreign });
    }
    let rest = head.strip_prefix(b"#!")?;
    let line = rest.split(|&byte| byte == b'\n' || byte == 0).next()?;
    let line = line.trim_ascii();
    let end = line.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(line.len());
    let (interpreter, argument) = line.split_at(end);
    let argument = argument.trim_ascii();
    if interpreter.is_empty() {
        return None;
    }
    let argument = (!argument.is_empty()).then(|| OsStr::from_bytes(argument).to_owned());
    Some(Program::Script(OsStr::from_bytes(interpreter).to_owned(), argument))
}

/// The arguments with which emu runs `file`: its own, then the program as it would see them.
fn emu_arguments(reexec: &Reexec, file: &CStr, argv: &[OsString]) -> Vec<OsString> {
    let mut all = vec![reexec.emu.clone().into_os_string()];
    all.extend(reexec.options.iter().cloned());
    all.push("-0".into());
    all.push(argv.first().cloned().unwrap_or_default());
    all.push(OsStr::from_bytes(file.to_bytes()).to_owned());
    all.extend(argv.iter().skip(1).cloned());
    all
}

fn start_emu(process: &Process, file: &CStr, argv: &[OsString], envp: &[OsString]) -> Outcome {
    let reexec = process.config.reexec.as_ref().ok_or(ENOEXEC)?;
    let emu = CString::new(reexec.emu.as_os_str().as_bytes()).map_err(|_| ENOEXEC)?;
    let mut reexec = reexec.clone();
    reexec.options.extend(process.inherited_options());
    start(process, &emu, &emu_arguments(&reexec, file, argv), envp)
}

/// The host's execve. Comes back only with an error.
fn start(process: &Process, file: &CStr, argv: &[OsString], envp: &[OsString]) -> Outcome {
    let (_arguments, argv) = pointers(argv)?;
    let (_variables, envp) = pointers(envp)?;
    // Emu's handlers become defaults in the new program; what the guest ignores must stay ignored.
    let ignored = process.actions.ignored_owned();
    let ignore = HostAction { handler: libc::SIG_IGN as u64, ..HostAction::default() };
    let ours: Vec<_> = ignored.into_iter().map(|signal| (signal, host::sigaction(signal, Some(ignore)))).collect();
    let result = host::call3(libc::SYS_execve, file.as_ptr() as u64, argv.as_ptr() as u64, envp.as_ptr() as u64);
    for (signal, action) in ours {
        if let Ok(action) = action {
            let _ = host::sigaction(signal, Some(action));
        }
    }
    result
}

fn pointers(strings: &[OsString]) -> Result<(Vec<CString>, Vec<u64>), Errno> {
    let strings: Result<Vec<_>, _> = strings.iter().map(|string| CString::new(string.as_bytes())).collect();
    let strings = strings.map_err(|_| Errno(libc::EINVAL))?;
    let mut pointers: Vec<u64> = strings.iter().map(|string| string.as_ptr() as u64).collect();
    pointers.push(0);
    Ok((strings, pointers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart() {
        let mut elf = *b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\xb7\0";
        assert_eq!(program(&elf), Some(Program::AArch64));
        elf[18] = 62;
        assert_eq!(program(&elf), Some(Program::Foreign));
        assert_eq!(program(b"\x7fELF"), Some(Program::Foreign));
        assert_eq!(program(b""), None);
        assert_eq!(program(b"echo hello\n"), None);
        assert_eq!(program(b"#!\n"), None);
        assert_eq!(program(b"#!/bin/sh\nexit"), Some(Program::Script("/bin/sh".into(), None)));
        let env = Program::Script("/usr/bin/env".into(), Some("-S a b".into()));
        assert_eq!(program(b"#! /usr/bin/env -S a b \n"), Some(env));
    }

    #[test]
    fn emu_is_started_with_its_options() {
        let reexec = Reexec { emu: "/bin/emu".into(), options: vec!["-L".into(), "/root".into()] };
        let arguments = emu_arguments(&reexec, c"/bin/ls", &["ls".into(), "-l".into()]);
        assert_eq!(arguments, ["/bin/emu", "-L", "/root", "-0", "ls", "/bin/ls", "-l"]);
    }
}
