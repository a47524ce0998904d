//! execve(2): an AArch64 program is run by starting emu again, by the descriptor of its own file and with the same
//! options; everything else goes to the host's kernel. Whatever can be found out about the program is found out here,
//! while the caller can still be told. It must not know how emu reads its command line beyond the words that
//! [`Plan::emu_arguments`] puts there, nor what program files look like: [`Programs`] says that.

use crate::descriptors::{number, own, set_inherited, with_spare_descriptors};
use crate::host::{self, Args, Outcome};
use crate::paths::{self, Links, Status};
use crate::process::{Context, Process};
use crate::{signals, user};
use ir::Errno;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::fd::{IntoRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const ENOENT: Errno = Errno(libc::ENOENT);
const ENOEXEC: Errno = Errno(libc::ENOEXEC);
const EACCES: Errno = Errno(libc::EACCES);
const EMFILE: Errno = Errno(libc::EMFILE);
const AT_FDCWD: u64 = libc::AT_FDCWD as u64;
const AT_EMPTY_PATH: u64 = libc::AT_EMPTY_PATH as u64;
const AT_SYMLINK_NOFOLLOW: u64 = libc::AT_SYMLINK_NOFOLLOW as u64;
/// Everything but starting the program, since Linux 6.14.
const AT_EXECVE_CHECK: u64 = 0x1_0000;
/// Scripts whose interpreters are scripts: as many as the kernel follows.
const SCRIPT_DEPTH: usize = 5;
/// Links to links to the running program: more than anyone makes.
const LINK_DEPTH: usize = 8;

/// What a program file turned out to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ProgramKind {
    /// AArch64, for emu.
    Guest,
    /// The host's, but it needs a loader that only the sysroot has: emu arranges that.
    HostInSysroot,
    /// Anything else: the kernel's to run or to refuse.
    Other,
    /// `#!`.
    Script {
        /// The interpreter's path as written.
        interpreter: OsString,
        /// The argument, if there is one.
        argument: Option<OsString>,
    },
}

/// Who can tell what program files are.
pub trait Programs: Send + Sync {
    /// What the open file is, which is given back, or the errno that execve(2) gives: if it is an AArch64 program, also
    /// for what is in it and for its loader. `path` is what it is called.
    fn kind(&self, file: OwnedFd, path: &Path) -> Result<(ProgramKind, OwnedFd), Errno>;
}

/// How to start emu again, for execve(2) of another guest program.
pub struct Reexec {
    /// What emu's own file is called: its argv\[0\].
    pub emu: PathBuf,
    /// The file itself, which needs no path: one of [`crate::Config::private_fds`]. The new emu inherits it.
    pub emu_fd: Option<i32>,
    /// Where `-D` writes, likewise.
    pub log_fd: Option<i32>,
    /// Makes a copy of emu's file, for where the file is out of reach.
    pub copy: fn() -> std::io::Result<OwnedFd>,
    /// The options to give it.
    pub options: Vec<OsString>,
    /// Whether the kernel starts emu for AArch64 programs (binfmt_misc), so that it can give rights that a file brings.
    pub is_registered: bool,
    /// What tells files apart.
    pub programs: Box<dyn Programs>,
}

/// A file named for execution.
#[derive(Clone, Debug)]
struct Target {
    /// How the host finds it: these are execveat(2)'s.
    dir: u64,
    path: CString,
    flags: u64,
    /// What the kernel calls it: AT_EXECFN, and what a script's interpreter is told.
    name: CString,
    /// The caller has named the file by a descriptor alone.
    is_nameless: bool,
    /// That descriptor will be closed, and the name with it.
    name_is_lost: bool,
    /// The host finds it elsewhere than the guest has said.
    is_moved: bool,
}

/// What is to be started.
struct Plan {
    kind: ProgramKind,
    /// What the caller named.
    first: Target,
    /// What runs it: the same file if it is no script.
    last: Target,
    /// The last file; None when it cannot be read, or there is no descriptor left for it.
    file: Option<OwnedFd>,
    /// Whether it cannot be read.
    is_execute_only: bool,
    /// The caller's arguments.
    arguments: Vec<OsString>,
    /// Those of the last file.
    argv: Vec<OsString>,
    /// Whether the host would find another file anywhere on the way.
    is_moved: bool,
    /// The process whose descriptor `file` is.
    process_id: Outcome,
}

fn process_id() -> Outcome {
    host::call3(libc::SYS_getpid, 0, 0, 0)
}

impl Drop for Plan {
    fn drop(&mut self) {
        // In the process that has lent its memory the number is another file's.
        if self.process_id != process_id() {
            self.file.take().map(IntoRawFd::into_raw_fd);
        }
    }
}

/// execve implements Linux syscall execve(2).
pub(crate) fn execve(context: &mut Context<'_>, args: Args) -> Outcome {
    execveat(context, [AT_FDCWD, args[0], args[1], args[2], 0, 0])
}

/// execveat implements Linux syscall execveat(2).
pub(crate) fn execveat(context: &mut Context<'_>, args: Args) -> Outcome {
    let result = exec(context, u64::from(args[0] as u32), args[1], args[2], args[3], args[4] & 0xffff_ffff);
    context.thread.kept.clear();
    result
}

fn exec(context: &Context<'_>, dir: u64, path: u64, argv: u64, envp: u64, flags: u64) -> Outcome {
    let kept = &context.thread.kept;
    let path = kept.keep(user::read_path(path)?);
    if path.is_empty() && flags & AT_EMPTY_PATH == 0 {
        return Err(ENOENT);
    }
    if flags & !(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_EXECVE_CHECK) != 0 {
        return Err(Errno(libc::EINVAL));
    }
    let process = context.process;
    let dir = if dir as i32 == libc::AT_FDCWD { AT_FDCWD } else { dir };
    let target = kept.keep(Target::find(process, dir, path, flags & !AT_EXECVE_CHECK)?);
    // As the kernel does it: first the file, then the arguments, then what is in the file.
    let opened = target.open();
    if let Err(error) = &opened
        && *error != EMFILE
    {
        return Err(*error);
    }
    let mut argv = user::read_strings(argv)?;
    let envp = kept.keep(user::read_strings(envp)?);
    if flags & AT_EXECVE_CHECK != 0 {
        return Ok(0);
    }
    if argv.is_empty() {
        argv.push(OsString::new());
    }
    let argv = kept.keep(argv);
    let Some(reexec) = &process.config.reexec else { return hand_over(context, target, argv, envp) };
    let mut plan = match opened {
        Ok(opened) => Plan::make(process, reexec, target, Some(opened), argv),
        Err(error) => Err(error),
    };
    if matches!(&plan, Err(error) if *error == EMFILE) {
        let open: Vec<i32> = [dir as i32].into_iter().chain(process.config.private_fds.iter().copied()).collect();
        let make = || Plan::make(process, reexec, target, None, argv).map(Plan::without_file);
        plan = with_spare_descriptors(&open, make).unwrap_or(Err(EMFILE));
    }
    kept.keep(plan?).start(context, reexec, envp)
}

/// What can be had of a target.
enum Access {
    Readable(OwnedFd),
    ExecuteOnly,
}

impl Target {
    fn find(process: &Process, dir: u64, path: &CStr, flags: u64) -> Result<Self, Errno> {
        let bytes = path.to_bytes();
        let by_descriptor = dir != AT_FDCWD && !bytes.starts_with(b"/");
        let name = match (by_descriptor, bytes.is_empty()) {
            (false, _) => path.to_owned(),
            (true, true) => c_string(format!("/dev/fd/{}", dir as i32).as_bytes())?,
            (true, false) => c_string(&[format!("/dev/fd/{}/", dir as i32).as_bytes(), bytes].concat())?,
        };
        let name_is_lost = by_descriptor && {
            // Also says that there is no such descriptor.
            let flags = host::call3(libc::SYS_fcntl, dir, libc::F_GETFD as u64, 0)?;
            flags & libc::FD_CLOEXEC as u64 != 0
        };
        let is_nameless = by_descriptor && bytes.is_empty();
        let as_given = Self { dir, path: path.to_owned(), flags, name, is_nameless, name_is_lost, is_moved: false };
        if bytes.is_empty() {
            return Ok(as_given);
        }
        let links = if flags & AT_SYMLINK_NOFOLLOW != 0 { Links::Keep } else { Links::Follow };
        if links == Links::Follow && leads_to_own_exe(dir, path) {
            return Ok(match process.config.exe_fd {
                Some(fd) => {
                    Self { dir: fd as u64, path: CString::default(), flags: AT_EMPTY_PATH, is_moved: true, ..as_given }
                }
                None => match paths::own_exe(process) {
                    Some(path) => Self { dir: AT_FDCWD, path, flags: 0, is_moved: true, ..as_given },
                    None => as_given,
                },
            });
        }
        match paths::lookup(process, dir, path, links) {
            Some(path) => Ok(Self { dir: AT_FDCWD, path, is_moved: true, ..as_given }),
            None => Ok(as_given),
        }
    }

    /// Opens the file and finds out whether the kernel would execute it.
    fn open(&self) -> Result<Access, Errno> {
        let Self { dir, path, flags, .. } = self;
        // Opening what is no regular file may have effects, or never end.
        match Status::of(*dir, path, *flags)?.mode & libc::S_IFMT {
            libc::S_IFREG => {}
            libc::S_IFLNK => return Err(Errno(libc::ELOOP)),
            _ => return Err(EACCES),
        }
        let opened = if path.is_empty() { open_again(*dir) } else { open_at(*dir, path, *flags) };
        match opened {
            Ok(file) => {
                may_execute(number(&file), c"", AT_EMPTY_PATH)?;
                Ok(Access::Readable(file))
            }
            Err(EACCES) => {
                may_execute(*dir, path, *flags)?;
                Ok(Access::ExecuteOnly)
            }
            Err(error) => Err(error),
        }
    }

    /// A path by which the new emu finds the file if it is given no descriptor.
    fn path_for_emu(&self) -> CString {
        if self.dir == AT_FDCWD || self.path.to_bytes().starts_with(b"/") {
            return self.path.clone();
        }
        let joined = paths::descriptor_path(self.dir).and_then(|dir| {
            let below = if self.path.is_empty() { Vec::new() } else { [b"/", self.path.to_bytes()].concat() };
            c_string(&[dir.to_bytes(), &below].concat()).ok()
        });
        joined.unwrap_or_else(|| self.name.clone())
    }
}

/// Whether the path is the link to the running program, or a link to it.
fn leads_to_own_exe(dir: u64, path: &CStr) -> bool {
    let mut path = path.to_owned();
    for _ in 0..LINK_DEPTH {
        if paths::is_own_exe(dir, path.to_bytes()) {
            return true;
        }
        let mut target = vec![0u8; user::PATH_MAX];
        let args = [dir, path.as_ptr() as u64, target.as_mut_ptr() as u64, target.len() as u64, 0, 0];
        let Ok(bytes) = host::call(libc::SYS_readlinkat, args) else { return false };
        target.truncate(bytes as usize);
        if !target.starts_with(b"/") {
            let parent = path.to_bytes().iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
            target.splice(..0, path.to_bytes()[..parent].iter().copied());
        }
        let Ok(next) = CString::new(target) else { return false };
        path = next;
    }
    false
}

fn open_at(dir: u64, path: &CStr, flags: u64) -> Result<OwnedFd, Errno> {
    let nofollow = if flags & AT_SYMLINK_NOFOLLOW != 0 { libc::O_NOFOLLOW } else { 0 };
    let flags = libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NOCTTY | nofollow;
    host::call(libc::SYS_openat, [dir, path.as_ptr() as u64, flags as u64, 0, 0, 0]).map(own)
}

/// A readable descriptor of the file that `fd` has open in whichever way.
fn open_again(fd: u64) -> Result<OwnedFd, Errno> {
    let flags = host::call3(libc::SYS_fcntl, fd, libc::F_GETFL as u64, 0)? as i32;
    if flags & libc::O_PATH == 0 && flags & libc::O_ACCMODE != libc::O_WRONLY {
        return host::call3(libc::SYS_fcntl, fd, libc::F_DUPFD_CLOEXEC as u64, 0).map(own);
    }
    let link = c_string(format!("/proc/self/fd/{fd}").as_bytes())?;
    match open_at(AT_FDCWD, &link, 0) {
        // Without /proc it cannot be read.
        Err(ENOENT) => Err(EACCES),
        result => result,
    }
}

/// The errno with which the kernel would refuse to execute the file, whatever is in it.
fn may_execute(dir: u64, path: &CStr, flags: u64) -> Result<(), Errno> {
    let (argv, envp) = ([c"".as_ptr() as u64, 0], [0u64]);
    let (argv, envp) = (argv.as_ptr() as u64, envp.as_ptr() as u64);
    let args = [dir, path.as_ptr() as u64, argv, envp, flags | AT_EXECVE_CHECK, 0];
    let result = match host::call(libc::SYS_execveat, args) {
        Err(Errno(libc::EINVAL | libc::ENOSYS)) => {
            let flags = flags | libc::AT_EACCESS as u64;
            host::call(libc::SYS_faccessat2, [dir, path.as_ptr() as u64, libc::X_OK as u64, flags, 0, 0])
        }
        result => result,
    };
    match result {
        Ok(_) | Err(Errno(libc::ENOSYS)) => Ok(()),
        Err(error) => Err(error),
    }
}

impl Plan {
    /// Follows scripts to what runs them.
    fn make(
        process: &Process,
        reexec: &Reexec,
        first: &Target,
        opened: Option<Access>,
        arguments: &[OsString],
    ) -> Result<Self, Errno> {
        let mut plan = Self {
            kind: ProgramKind::Other,
            first: first.clone(),
            last: first.clone(),
            file: None,
            is_execute_only: false,
            arguments: arguments.to_owned(),
            argv: arguments.to_owned(),
            is_moved: first.is_moved,
            process_id: process_id(),
        };
        let mut opened = opened;
        for _ in 0..=SCRIPT_DEPTH {
            let access = match opened.take() {
                Some(access) => access,
                None => plan.last.open()?,
            };
            let Access::Readable(file) = access else {
                plan.is_execute_only = true;
                return Ok(plan);
            };
            let called = Path::new(OsStr::from_bytes(plan.last.name.to_bytes()));
            let (kind, file) = reexec.programs.kind(file, called)?;
            plan.kind = kind;
            let ProgramKind::Script { interpreter, argument } = &plan.kind else {
                plan.file = Some(file);
                return Ok(plan);
            };
            if plan.last.name_is_lost {
                return Err(ENOENT);
            }
            let name = c_string(interpreter.as_bytes())?;
            plan.argv[0] = OsStr::from_bytes(plan.last.name.to_bytes()).to_owned();
            if let Some(argument) = argument {
                plan.argv.insert(0, argument.clone());
            }
            plan.argv.insert(0, interpreter.clone());
            plan.last = Target::find(process, AT_FDCWD, &name, 0)?;
            plan.is_moved |= plan.last.is_moved;
        }
        Err(Errno(libc::ELOOP))
    }

    /// The plan, for where its descriptor means nothing.
    fn without_file(mut self) -> Self {
        self.file = None;
        self
    }

    fn start(&self, context: &Context<'_>, reexec: &Reexec, envp: &[OsString]) -> Outcome {
        if matches!(self.kind, ProgramKind::Guest | ProgramKind::HostInSysroot) {
            if reexec.is_registered && self.brings_rights() {
                let _ = hand_over(context, &self.first, &self.arguments, envp);
            }
            return self.start_emu(context, reexec, envp);
        }
        // Emu's descriptors are marked so already, unless another thread is about to start emu.
        for &fd in &context.process.config.private_fds {
            set_inherited(fd as u64, false);
        }
        let result = if self.is_moved {
            hand_over(context, &self.last, &self.argv, envp)
        } else {
            hand_over(context, &self.first, &self.arguments, envp)
        };
        match result {
            Err(ENOEXEC) if self.is_execute_only => {
                let name = self.last.name.to_string_lossy();
                let line = format!("{name}: may be executed but not read; only binfmt_misc with flag O can do that");
                context.process.report_once(221, &line);
                Err(EACCES)
            }
            result => result,
        }
    }

    /// Whether the file says that whoever runs it gets its owner's rights, or others.
    fn brings_rights(&self) -> bool {
        let Some(file) = &self.file else { return false };
        let set_id = |mode: u32| mode & libc::S_ISUID != 0 || mode & 0o2010 == 0o2010;
        let name = c"security.capability".as_ptr() as u64;
        Status::of(number(file), c"", AT_EMPTY_PATH).is_ok_and(|status| set_id(status.mode))
            || host::call(libc::SYS_fgetxattr, [number(file), name, 0, 0, 0, 0]).is_ok()
    }

    /// Becomes emu, with the program.
    fn start_emu(&self, context: &Context<'_>, reexec: &Reexec, envp: &[OsString]) -> Outcome {
        // Without a descriptor of its own, emu can take the caller's.
        let borrowed = self.file.is_none() && self.last.path.is_empty();
        let program = if borrowed { Some(self.last.dir) } else { self.file.as_ref().map(number) };
        let is_kept = borrowed && !self.last.name_is_lost && !self.last.is_moved;
        let inherited = [program.filter(|_| !is_kept), reexec.log_fd.map(|fd| fd as u64)];
        let kept = &context.thread.kept;
        let start = |emu: u64| {
            let mut options = reexec.options.clone();
            options.extend(context.process.inherited_options());
            let argv = kept.keep(self.emu_arguments(reexec, options, emu, program, is_kept));
            let all = || inherited.into_iter().flatten().chain([emu]);
            all().for_each(|fd| set_inherited(fd, true));
            let target = kept.keep(Target {
                dir: emu,
                path: CString::default(),
                flags: AT_EMPTY_PATH,
                name: CString::default(),
                is_nameless: true,
                name_is_lost: false,
                is_moved: false,
            });
            let result = hand_over(context, target, argv, envp);
            all().for_each(|fd| set_inherited(fd, false));
            result
        };
        let result = reexec.emu_fd.map_or(Err(ENOENT), |emu| start(emu as u64));
        match result {
            // The user that the guest has become may not execute the file, or it is being written, or is not there.
            Err(Errno(libc::EACCES | libc::EPERM | libc::ENOENT | libc::EBADF | libc::ETXTBSY)) => {
                let copy = (reexec.copy)().map_err(|error| Errno(error.raw_os_error().unwrap_or(libc::EACCES)))?;
                start(number(&copy))
            }
            result => result,
        }
    }

    /// The arguments with which emu runs the program: its own, then the program's.
    fn emu_arguments(
        &self,
        reexec: &Reexec,
        options: Vec<OsString>,
        emu: u64,
        program: Option<u64>,
        is_kept: bool,
    ) -> Vec<OsString> {
        let mut all = vec![reexec.emu.clone().into_os_string()];
        all.extend(options);
        let mut add = |name: &str, value: OsString| all.extend([name.into(), value]);
        add("--emu-fd", emu.to_string().into());
        if let Some(log) = reexec.log_fd {
            add("--log-fd", log.to_string().into());
        }
        add("--execfn", OsStr::from_bytes(self.first.name.to_bytes()).to_owned());
        if self.first.is_nameless
            && let Some(name) = self.file_name(program)
        {
            add("--comm", name);
        }
        add("-0", self.argv.first().cloned().unwrap_or_default());
        let path = match program {
            Some(fd) => {
                add(if is_kept { "--kept-program-fd" } else { "--program-fd" }, fd.to_string().into());
                self.last.name.clone()
            }
            None => self.last.path_for_emu(),
        };
        all.push("--".into());
        all.push(OsStr::from_bytes(path.to_bytes()).to_owned());
        all.extend(self.argv.iter().skip(1).cloned());
        all
    }

    /// What the directory calls the file: where the caller has not said a name, the kernel names the process so.
    fn file_name(&self, program: Option<u64>) -> Option<OsString> {
        let path = match program {
            Some(fd) => paths::descriptor_path(fd)?,
            None => self.last.path_for_emu(),
        };
        let path = path.to_bytes();
        let path = path.strip_suffix(b" (deleted)").unwrap_or(path);
        Path::new(OsStr::from_bytes(path)).file_name().map(OsStr::to_owned)
    }
}

/// The host's execveat. Comes back only with an error.
fn hand_over(context: &Context<'_>, target: &Target, argv: &[OsString], envp: &[OsString]) -> Outcome {
    let kept = &context.thread.kept;
    let (_, argv) = kept.keep(pointers(argv)?);
    let (_, envp) = kept.keep(pointers(envp)?);
    let _signals = signals::before_exec(context);
    let (path, argv, envp) = (target.path.as_ptr() as u64, argv.as_ptr() as u64, envp.as_ptr() as u64);
    if target.dir == AT_FDCWD && target.flags == 0 {
        context.guest_call(libc::SYS_execve, [path, argv, envp, 0, 0, 0])
    } else {
        context.guest_call(libc::SYS_execveat, [target.dir, path, argv, envp, target.flags, 0])
    }
}

fn c_string(bytes: &[u8]) -> Result<CString, Errno> {
    CString::new(bytes).map_err(|_| ENOENT)
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
            process_id: process_id(),
        };
        let words = "/bin/emu -L /root --emu-fd 800 --log-fd 801 --execfn ./script -0 ls";
        let expected = |rest: &[&str]| words.split(' ').chain(rest.iter().copied()).map(OsString::from).collect();
        let all: Vec<OsString> = expected(&["--", "/bin/ls", "-l"]);
        assert_eq!(plan.emu_arguments(&reexec, reexec.options.clone(), 800, None, false), all);
        let all: Vec<OsString> = expected(&["--program-fd", "5", "--", "/bin/ls", "-l"]);
        assert_eq!(plan.emu_arguments(&reexec, reexec.options.clone(), 800, Some(5), false), all);
    }
}
