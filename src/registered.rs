//! Whether the kernel has started emu to run a program, being registered for it (binfmt_misc), and what it says then.
//! Nothing on the command line is an option in that case.

use crate::options::Options;
use crate::process;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// In AT_FLAGS: the program's own argv\[0\] follows its path (flag P). Since Linux 5.12.
const AT_FLAGS_PRESERVE_ARGV0: u64 = 1;

/// A start by the kernel.
#[derive(Debug, PartialEq, Eq)]
pub struct Start {
    /// The program's path, then its arguments from argv\[1\] on.
    pub argv: Vec<CString>,
    /// Its argv\[0\], with flag P.
    argv0: Option<CString>,
    /// What execve(2) was given.
    execfn: CString,
    /// The program, open, with flag O.
    program_fd: Option<i32>,
}

/// The start, if it is one: `arguments` are emu's own with emu's name.
pub fn start(arguments: &[CString]) -> Option<Start> {
    let has_argv0 = process::auxiliary_value(libc::AT_FLAGS).is_some_and(|flags| flags & AT_FLAGS_PRESERVE_ARGV0 != 0);
    let program_fd = process::auxiliary_value(libc::AT_EXECFD).and_then(|fd| i32::try_from(fd).ok());
    read(arguments, has_argv0, program_fd, process::started_as())
}

fn read(arguments: &[CString], has_argv0: bool, program_fd: Option<i32>, execfn: CString) -> Option<Start> {
    let path = arguments.get(1)?;
    // Without flags that are told, the sign is that the kernel names the program as what was executed.
    if !has_argv0 && program_fd.is_none() && *path != execfn {
        return None;
    }
    let argv0 = has_argv0.then(|| arguments.get(2).cloned().unwrap_or_default());
    let rest = arguments.iter().skip(if has_argv0 { 3 } else { 2 });
    Some(Start { argv: [path].into_iter().chain(rest).cloned().collect(), argv0, execfn, program_fd })
}

impl Start {
    /// Tells the options what the kernel has said.
    pub fn tell(self, options: &mut Options) {
        let text = |string: CString| -> OsString { OsStr::from_bytes(string.to_bytes()).to_owned() };
        options.registered = true;
        if let Some(argv0) = self.argv0 {
            options.argv0 = Some(text(argv0));
        }
        if let Some(fd) = self.program_fd {
            options.program_fd = Some((fd, true));
            // Started by its descriptor it has no name but that of its file.
            if self.execfn.to_bytes().starts_with(b"/dev/fd/") {
                let link = std::fs::read_link(format!("/proc/self/fd/{fd}")).ok();
                options.comm = link.and_then(|path| path.file_name().map(OsStr::to_owned));
            }
        }
        options.execfn = Some(text(self.execfn));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<CString> {
        text.split(' ').map(|word| CString::new(word).unwrap()).collect()
    }

    #[test]
    fn the_command_line_is_the_users_unless_the_kernel_says_otherwise() {
        assert_eq!(read(&words("emu -h"), false, None, c"/bin/emu".to_owned()), None);
        assert_eq!(read(&words("emu"), true, Some(0), c"x".to_owned()), None);
        let plain = read(&words("/bin/emu ./-h -x"), false, None, c"./-h".to_owned()).unwrap();
        assert_eq!((plain.argv, plain.argv0), (words("./-h -x"), None));
        let all = read(&words("/bin/emu prog zero -x"), true, Some(0), c"script".to_owned()).unwrap();
        assert_eq!((all.argv, all.argv0), (words("prog -x"), Some(c"zero".to_owned())));
        assert_eq!((all.program_fd, all.execfn), (Some(0), c"script".to_owned()));
        let empty = read(&words("/bin/emu prog"), true, None, c"prog".to_owned()).unwrap();
        assert_eq!((empty.argv, empty.argv0), (words("prog"), Some(CString::default())));
    }
}
