//! Becoming another program, once `exec.rs` has found out what: emu again, or what the host's kernel runs. All memory that
//! this takes belongs to the thread ([`Ready`]), not to the stack: if a process that shares its memory with another
//! becomes a program, the other frees it. It must not know how emu reads its command line beyond the words that
//! [`Ready::emu_arguments`] puts there.

use crate::descriptors::{number, path_of, set_inherited};
use crate::exec::{Plan, ProgramKind, Reexec, Target};
use crate::host::{self, Outcome};
use crate::limits;
use crate::process::{Process, Thread, ThreadState};
use crate::signals::{self, Port};
use ir::Errno;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const ENOEXEC: Errno = Errno(libc::ENOEXEC);
const AT_FDCWD: u64 = libc::AT_FDCWD as u64;
const AT_EMPTY_PATH: u64 = libc::AT_EMPTY_PATH as u64;

/// A program about to begin.
pub(crate) struct Ready {
    plan: Plan,
    envp: Vec<OsString>,
    /// What the kernel is given.
    call: Option<Call>,
}

/// execveat(2)'s arguments.
struct Call {
    dir: u64,
    path: CString,
    flags: u64,
    argv: Strings,
    envp: Strings,
}

/// A null-terminated array of strings.
struct Strings {
    _strings: Vec<CString>,
    pointers: Vec<u64>,
}

impl Strings {
    fn new(strings: &[OsString]) -> Result<Self, Errno> {
        let strings: Result<Vec<_>, _> = strings.iter().map(|string| CString::new(string.as_bytes())).collect();
        let strings = strings.map_err(|_| Errno(libc::EINVAL))?;
        let pointers = strings.iter().map(|string| string.as_ptr() as u64).chain([0]).collect();
        Ok(Self { _strings: strings, pointers })
    }

    fn arg(&self) -> u64 {
        self.pointers.as_ptr() as u64
    }
}

/// Becomes the program that the thread has ready. Comes back only with an error.
pub(crate) fn become_program(thread: &mut Thread) -> Outcome {
    let Thread { process, state } = thread;
    let ThreadState { port, ready, .. } = state;
    let Some(ready) = ready else { return Err(ENOEXEC) };
    let result = ready.start(process, port);
    if let Some(fd) = ready.plan.file {
        let _ = host::call3(libc::SYS_close, fd, 0, 0);
    }
    state.ready = None;
    result
}

impl Ready {
    pub(crate) fn new(plan: Plan, envp: Vec<OsString>) -> Self {
        Self { plan, envp, call: None }
    }

    fn start(&mut self, process: &Process, port: &Port) -> Outcome {
        if let Some(reexec) = &process.config.reexec
            && matches!(self.plan.kind, ProgramKind::Guest | ProgramKind::HostInSysroot)
        {
            if reexec.is_registered && self.brings_rights() {
                let _ = self.hand_over_first(process, port);
            }
            return self.start_emu(process, port, reexec);
        }
        // Emu's descriptors are marked so already, unless another thread is about to start emu.
        for &fd in &process.config.private_fds {
            set_inherited(fd as u64, false);
        }
        let result = if self.plan.is_moved {
            let Target { dir, path, flags, .. } = &self.plan.last;
            self.call = Some(Call::new(*dir, path.clone(), *flags, &self.plan.argv, &self.envp)?);
            self.perform(process, port)
        } else {
            self.hand_over_first(process, port)
        };
        match result {
            Err(ENOEXEC) if self.plan.is_execute_only => {
                let name = self.plan.last.name.to_string_lossy();
                let line = format!("{name}: may be executed but not read; only binfmt_misc with flag O can do that");
                process.report_once(221, &line);
                Err(Errno(libc::EACCES))
            }
            result => result,
        }
    }

    /// Leaves it to the kernel, as the caller has said it.
    fn hand_over_first(&mut self, process: &Process, port: &Port) -> Outcome {
        let Target { dir, path, flags, .. } = &self.plan.first;
        self.call = Some(Call::new(*dir, path.clone(), *flags, &self.plan.arguments, &self.envp)?);
        self.perform(process, port)
    }

    /// The host's execveat. Comes back only with an error.
    fn perform(&mut self, process: &Process, port: &Port) -> Outcome {
        let Some(call) = &self.call else { return Err(ENOEXEC) };
        // Has nothing that would have to be freed.
        let _signals = signals::before_exec(process, port);
        let (path, argv, envp) = (call.path.as_ptr() as u64, call.argv.arg(), call.envp.arg());
        if call.dir == AT_FDCWD && call.flags == 0 {
            host::guest_call(libc::SYS_execve, [path, argv, envp, 0, 0, 0], port.flag())
        } else {
            host::guest_call(libc::SYS_execveat, [call.dir, path, argv, envp, call.flags, 0], port.flag())
        }
    }

    /// Whether the file says that whoever runs it gets its owner's rights, or others.
    fn brings_rights(&self) -> bool {
        let Some(file) = self.plan.file else { return false };
        let set_id = |mode: u32| mode & libc::S_ISUID != 0 || mode & 0o2010 == 0o2010;
        let name = c"security.capability".as_ptr() as u64;
        host::stat_at(file, c"", AT_EMPTY_PATH).is_ok_and(|stat| set_id(stat.st_mode))
            || host::call(libc::SYS_fgetxattr, [file, name, 0, 0, 0, 0]).is_ok()
    }

    /// Becomes emu, with the program.
    fn start_emu(&mut self, process: &Process, port: &Port, reexec: &Reexec) -> Outcome {
        let result = match reexec.emu_fd {
            Some(emu) => self.start_emu_by(process, port, reexec, emu as u64),
            None => Err(Errno(libc::ENOENT)),
        };
        match result {
            // The user that the guest has become may not execute the file, or it is being written, or is not there.
            Err(Errno(libc::EACCES | libc::EPERM | libc::ENOENT | libc::EBADF | libc::ETXTBSY)) => {
                let copy = (reexec.copy)().map_err(|error| Errno(error.raw_os_error().unwrap_or(libc::EACCES)))?;
                self.start_emu_by(process, port, reexec, number(&copy))
            }
            result => result,
        }
    }

    fn start_emu_by(&mut self, process: &Process, port: &Port, reexec: &Reexec, emu: u64) -> Outcome {
        // Without a descriptor of its own, emu can take the caller's.
        let last = &self.plan.last;
        let borrowed = self.plan.file.is_none() && last.path.is_empty();
        let program = if borrowed { Some(last.dir) } else { self.plan.file };
        let is_kept = borrowed && !last.name_is_lost && !last.is_moved;
        let mut argv = self.emu_arguments(process, reexec, emu, program, is_kept);
        let has_limit = process.limits.set_by_the_guest().iter().any(|(resource, _)| *resource == libc::RLIMIT_STACK);
        let stack = limits::make_room_for_arguments(bytes_of(&argv, &self.envp));
        if let (Some([soft, hard]), false) = (stack, has_limit) {
            argv.splice(1..1, ["--limit".into(), format!("{}={soft}:{hard}", libc::RLIMIT_STACK).into()]);
        }
        self.call = Some(Call::new(emu, CString::default(), AT_EMPTY_PATH, &argv, &self.envp)?);
        drop(argv);
        let inherited = [Some(emu), program.filter(|_| !is_kept), reexec.log_fd.map(|fd| fd as u64)];
        inherited.into_iter().flatten().for_each(|fd| set_inherited(fd, true));
        let result = self.perform(process, port);
        inherited.into_iter().flatten().for_each(|fd| set_inherited(fd, false));
        if let Some(stack) = stack {
            limits::set_host_stack(stack);
        }
        result
    }

    /// The arguments with which emu runs the program: its own, then the program's.
    fn emu_arguments(
        &self,
        process: &Process,
        reexec: &Reexec,
        emu: u64,
        program: Option<u64>,
        is_kept: bool,
    ) -> Vec<OsString> {
        let Plan { first, last, argv, .. } = &self.plan;
        let mut all = vec![reexec.emu.clone().into_os_string()];
        all.extend(reexec.options.iter().cloned());
        all.extend(process.inherited_options());
        let mut add = |name: &str, value: OsString| all.extend([name.into(), value]);
        add("--emu-fd", emu.to_string().into());
        if let Some(log) = reexec.log_fd {
            add("--log-fd", log.to_string().into());
        }
        add("--execfn", OsStr::from_bytes(first.name.to_bytes()).to_owned());
        if first.is_nameless
            && let Some(name) = file_name(last, program)
        {
            add("--comm", name);
        }
        add("-0", argv.first().cloned().unwrap_or_default());
        let path = match program {
            Some(fd) => {
                add(if is_kept { "--kept-program-fd" } else { "--program-fd" }, fd.to_string().into());
                last.name.clone()
            }
            None => last.path_for_emu(),
        };
        all.push("--".into());
        all.push(OsStr::from_bytes(path.to_bytes()).to_owned());
        all.extend(argv.iter().skip(1).cloned());
        all
    }
}

impl Call {
    fn new(dir: u64, path: CString, flags: u64, argv: &[OsString], envp: &[OsString]) -> Result<Self, Errno> {
        Ok(Self { dir, path, flags, argv: Strings::new(argv)?, envp: Strings::new(envp)? })
    }
}

/// What arguments and environment take of the new program's stack: strings, and a pointer to each.
pub(crate) fn bytes_of(argv: &[OsString], envp: &[OsString]) -> u64 {
    argv.iter().chain(envp).map(|string| string.len() as u64 + 1 + 8).sum()
}

/// What the directory calls the file: where the caller has not said a name, the kernel names the process so.
fn file_name(file: &Target, program: Option<u64>) -> Option<OsString> {
    let path = match program {
        Some(fd) => path_of(fd)?,
        None => file.path_for_emu(),
    };
    let path = path.to_bytes();
    let path = path.strip_suffix(b" (deleted)").unwrap_or(path);
    Path::new(OsStr::from_bytes(path)).file_name().map(OsStr::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use crate::exec::Programs;
    use crate::testing::Guest;
    use std::ffi::CStr;
    use std::os::fd::OwnedFd;

    struct Nothing;

    impl Programs for Nothing {
        fn kind(&self, file: OwnedFd, _: &Path) -> Result<(ProgramKind, OwnedFd), Errno> {
            Ok((ProgramKind::Guest, file))
        }
    }

    #[test]
    fn emu_is_started_with_its_options() {
        let reexec = Reexec {
            emu: "/bin/emu".into(),
            emu_fd: Some(800),
            log_fd: Some(801),
            copy: || Err(std::io::ErrorKind::Unsupported.into()),
            options: vec!["-L".into(), "/root".into()],
            is_registered: false,
            programs: Box::new(Nothing),
        };
        let target = |name: &CStr| Target {
            dir: AT_FDCWD,
            path: name.to_owned(),
            flags: 0,
            name: name.to_owned(),
            is_nameless: false,
            name_is_lost: false,
            is_moved: false,
        };
        let plan = Plan {
            kind: ProgramKind::Guest,
            first: target(c"./script"),
            last: target(c"/bin/ls"),
            file: None,
            is_execute_only: false,
            arguments: vec!["script".into()],
            argv: vec!["ls".into(), "-l".into()],
            is_moved: false,
        };
        let guest = Guest::new(Config::default());
        let process = guest.thread.process();
        let ready = Ready::new(plan, Vec::new());
        let words = "/bin/emu -L /root --emu-fd 800 --log-fd 801 --execfn ./script -0 ls";
        let expected = |rest: &[&str]| words.split(' ').chain(rest.iter().copied()).map(OsString::from).collect();
        let all: Vec<OsString> = expected(&["--", "/bin/ls", "-l"]);
        assert_eq!(ready.emu_arguments(process, &reexec, 800, None, false), all);
        let all: Vec<OsString> = expected(&["--program-fd", "5", "--", "/bin/ls", "-l"]);
        assert_eq!(ready.emu_arguments(process, &reexec, 800, Some(5), false), all);
    }
}
