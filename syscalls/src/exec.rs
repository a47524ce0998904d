//! execve(2): finds the program and finds out whatever can be about it, while the caller can still be told: what it is,
//! whether the kernel would execute it, what runs it if it is a script. `new_program.rs` then becomes it. It must not know
//! what program files look like: [`Programs`] says that.

use crate::descriptors::{number, own, path_of, with_spare_descriptors};
use crate::host::{self, Args, Outcome};
use crate::limits;
use crate::new_program::{Ready, bytes_of};
use crate::paths::{self, Links};
use crate::process::{After, Context, Process};
use crate::user;
use ir::Errno;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::fd::{IntoRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const ENOENT: Errno = Errno(libc::ENOENT);
const EACCES: Errno = Errno(libc::EACCES);
const EMFILE: Errno = Errno(libc::EMFILE);
const AT_FDCWD: u64 = libc::AT_FDCWD as u64;
const AT_EMPTY_PATH: u64 = libc::AT_EMPTY_PATH as u64;
const AT_SYMLINK_NOFOLLOW: u64 = libc::AT_SYMLINK_NOFOLLOW as u64;
/// Everything but starting the program, since Linux 6.14.
const AT_EXECVE_CHECK: u64 = libc::AT_EXECVE_CHECK as u64;
/// Scripts whose interpreters are scripts: as many as the kernel follows.
pub const SCRIPT_DEPTH: usize = 5;
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
pub(crate) struct Target {
    /// How the host finds it: these are execveat(2)'s.
    pub dir: u64,
    pub path: CString,
    pub flags: u64,
    /// What the kernel calls it: AT_EXECFN, and what a script's interpreter is told.
    pub name: CString,
    /// The caller has named the file by a descriptor alone.
    pub is_nameless: bool,
    /// That descriptor will be closed, and the name with it.
    pub name_is_lost: bool,
    /// The host finds it elsewhere than the guest has said.
    pub is_moved: bool,
}

/// What is to be started.
pub(crate) struct Plan {
    pub kind: ProgramKind,
    /// What the caller named.
    pub first: Target,
    /// What runs it: the same file if it is no script.
    pub last: Target,
    /// The last file; None when it cannot be read, or there is no descriptor left for it. Not closed by itself.
    pub file: Option<u64>,
    /// Whether it cannot be read.
    pub is_execute_only: bool,
    /// The caller's arguments.
    pub arguments: Vec<OsString>,
    /// Those of the last file.
    pub argv: Vec<OsString>,
    /// Whether the host would find another file anywhere on the way.
    pub is_moved: bool,
}

/// execve implements Linux syscall execve(2).
pub(crate) fn execve(context: &mut Context<'_>, args: Args) -> Outcome {
    exec(context, AT_FDCWD, args[0], args[1], args[2], 0)
}

/// execveat implements Linux syscall execveat(2).
pub(crate) fn execveat(context: &mut Context<'_>, args: Args) -> Outcome {
    exec(context, u64::from(args[0] as u32), args[1], args[2], args[3], args[4] & 0xffff_ffff)
}

/// Gets the program ready; [`crate::new_program`] does the rest, once nothing lies on this stack that a process which
/// shares memory would leave behind.
fn exec(context: &mut Context<'_>, dir: u64, path: u64, argv: u64, envp: u64, flags: u64) -> Outcome {
    let path = user::read_path(path)?;
    if path.is_empty() && flags & AT_EMPTY_PATH == 0 {
        return Err(ENOENT);
    }
    if flags & !(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_EXECVE_CHECK) != 0 {
        return Err(Errno(libc::EINVAL));
    }
    let process = context.process;
    let dir = if dir as i32 == libc::AT_FDCWD { AT_FDCWD } else { dir };
    let target = Target::find(process, dir, &path, flags & !AT_EXECVE_CHECK)?;
    // As the kernel does it: first the file, then the arguments, then what is in the file.
    let opened = target.open();
    if let Err(error) = &opened
        && *error != EMFILE
    {
        return Err(*error);
    }
    let mut argv = user::read_strings(argv)?;
    let envp = user::read_strings(envp)?;
    if argv.is_empty() {
        argv.push(OsString::new());
    }
    let bytes = bytes_of(&argv, &envp) + target.name.as_bytes_with_nul().len() as u64;
    if bytes > limits::argument_bytes(limits::of_stack(process)[0]) {
        return Err(Errno(libc::E2BIG));
    }
    if flags & AT_EXECVE_CHECK != 0 {
        return Ok(0);
    }
    let mut plan = match opened {
        Ok(opened) => Plan::make(process, &target, Some(opened), &argv),
        Err(error) => Err(error),
    };
    if matches!(&plan, Err(error) if *error == EMFILE) {
        let kept: Vec<i32> = [dir as i32].into_iter().chain(process.config.private_fds.iter().copied()).collect();
        let make = || Plan::make(process, &target, None, &argv).map(Plan::without_file);
        plan = with_spare_descriptors(&kept, make).unwrap_or(Err(EMFILE));
    }
    context.thread.ready = Some(Box::new(Ready::new(plan?, envp)));
    context.after = After::Exec;
    Ok(0)
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
        match host::stat_at(*dir, path, *flags)?.st_mode & libc::S_IFMT {
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
    pub(crate) fn path_for_emu(&self) -> CString {
        if self.dir == AT_FDCWD || self.path.to_bytes().starts_with(b"/") {
            return self.path.clone();
        }
        let joined = path_of(self.dir).and_then(|dir| {
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
        return match host::call3(libc::SYS_fcntl, fd, libc::F_DUPFD_CLOEXEC as u64, 0) {
            // Of a limit of none at all.
            Err(Errno(libc::EINVAL)) => Err(EMFILE),
            result => result.map(own),
        };
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
    fn make(process: &Process, first: &Target, opened: Option<Access>, arguments: &[OsString]) -> Result<Self, Errno> {
        let mut plan = Self {
            kind: ProgramKind::Other,
            first: first.clone(),
            last: first.clone(),
            file: None,
            is_execute_only: false,
            arguments: arguments.to_owned(),
            argv: arguments.to_owned(),
            is_moved: first.is_moved,
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
            let Some(reexec) = &process.config.reexec else { return Ok(plan) };
            let called = Path::new(OsStr::from_bytes(plan.last.name.to_bytes()));
            let (kind, file) = reexec.programs.kind(file, called)?;
            plan.kind = kind;
            let ProgramKind::Script { interpreter, argument } = &plan.kind else {
                plan.file = Some(file.into_raw_fd() as u64);
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
}

fn c_string(bytes: &[u8]) -> Result<CString, Errno> {
    CString::new(bytes).map_err(|_| ENOENT)
}
