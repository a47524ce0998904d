//! What a file is to execve(2): a guest program, a program of the host's own, a script, or nothing that runs.

use crate::image::Image;
use crate::machines::machine_name;
use crate::{LoadError, ProgramFile};
use libc::{EM_386, EM_AARCH64, EM_X86_64};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The kernel looks at this much of a file for a script's first line (BINPRM_BUF_SIZE).
const SCRIPT_LINE_BYTES: usize = 256;

/// What a file that can be run is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An AArch64 program, for [`crate::load`].
    Guest,
    /// A program of the host's architecture, for the host's kernel.
    Host(HostElf),
    /// A script: to be run by the program its first line names.
    Script(Script),
}

/// A program of the host's architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostElf {
    /// Whether it is 32-bit x86, which not every x86-64 kernel runs.
    pub is_i386: bool,
    /// The loader it names.
    pub interpreter: Option<PathBuf>,
}

/// The first line of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The interpreter's path as written.
    pub interpreter: PathBuf,
    /// All that follows, as one argument, blanks at its ends removed.
    pub argument: Option<OsString>,
}

impl ProgramFile {
    /// What the file is. Everything that is not one of the three kinds is an error that says what it is instead.
    pub fn kind(&self) -> Result<Kind, LoadError> {
        let head = self.head();
        if head.is_empty() {
            return Err(LoadError::format(self.path(), "empty file"));
        }
        if let Some(line) = head.strip_prefix(b"#!") {
            let line = &line[..line.len().min(SCRIPT_LINE_BYTES - 2)];
            let script = script_line(line, head.len() >= SCRIPT_LINE_BYTES);
            return script
                .map(Kind::Script)
                .ok_or_else(|| LoadError::format(self.path(), "its #! line names no interpreter, or is too long"));
        }
        if !head.starts_with(b"\x7fELF") {
            return Err(LoadError::format(self.path(), "not an ELF program, nor a #! script"));
        }
        let machine = self.elf_machine()?;
        match machine {
            EM_AARCH64 => Ok(Kind::Guest),
            EM_X86_64 | EM_386 => Ok(Kind::Host(self.host_elf(machine))),
            _ => Err(LoadError::format(self.path(), format!("is for another machine: {}", machine_name(machine)))),
        }
    }

    /// The machine number. As in the kernel it alone decides: what else the identification says is looked at only to
    /// say what the file is instead.
    fn elf_machine(&self) -> Result<u16, LoadError> {
        /// Size of the program headers of a 32-bit file.
        const ENTRY_BYTES_32: [u8; 2] = [32, 0];
        let refuse = |reason: String| Err(LoadError::format(self.path(), reason));
        let (&[_, _, _, _, class, data, version, ..], Some(&[first, second])) = (self.head(), self.head().get(18..20))
        else {
            return refuse("truncated ELF header".to_owned());
        };
        let (little, big) = (u16::from_le_bytes([first, second]), u16::from_be_bytes([first, second]));
        match (little, class, data) {
            (EM_AARCH64, 1, _) if self.head().get(54..56).is_some_and(|bytes| bytes != [56, 0]) => {
                let is_ilp32 = self.head().get(42..44) == Some(&ENTRY_BYTES_32);
                let what = if is_ilp32 { "is a 32-bit (ILP32) AArch64 program" } else { "corrupt ELF header: class 1" };
                refuse(format!("{what}; only 64-bit ones run"))
            }
            (EM_AARCH64, ..) => Ok(EM_AARCH64),
            (_, _, 2) if big == EM_AARCH64 => {
                refuse("is for big-endian AArch64; only little-endian programs run".to_owned())
            }
            (EM_X86_64 | EM_386, _, 2) => refuse("corrupt ELF header: big-endian x86".to_owned()),
            (EM_X86_64, 1 | 2, _) | (EM_386, 1, _) => Ok(little),
            (EM_X86_64 | EM_386, ..) => refuse(format!("corrupt ELF header: class {class}")),
            (_, _, 1) => Ok(little),
            (_, _, 2) => Ok(big),
            _ if version != 1 => refuse(format!("corrupt ELF header: version {version}")),
            _ => refuse(format!("corrupt ELF header: data encoding {data}")),
        }
    }

    fn host_elf(&self, machine: u16) -> HostElf {
        // Whatever else may be wrong with the file is for the host's kernel to say.
        let interpreter = Image::read_for_host(self).ok().and_then(|image| image.interpreter);
        HostElf { is_i386: machine == EM_386, interpreter }
    }
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn trim(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| !is_blank(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !is_blank(byte)).map_or(start, |last| last + 1);
    &bytes[start..end]
}

/// Reads what follows `#!`. `is_cut_off`: the file goes on after `text`, so that without a line break the
/// interpreter's name is only known to be whole if something ends it; the kernel loses the last byte then.
fn script_line(text: &[u8], is_cut_off: bool) -> Option<Script> {
    let newline = text.iter().position(|&byte| byte == b'\n');
    let mut end = newline.unwrap_or(text.len());
    if newline.is_none() && is_cut_off {
        let start = text.iter().position(|byte| !is_blank(byte))?;
        text[start..].iter().find(|byte| is_blank(byte) || **byte == 0)?;
        end = end.checked_sub(1)?;
    }
    let line = trim(&text[..end]);
    let name_end = line.iter().position(|byte| is_blank(byte) || *byte == 0);
    let (name, rest) = line.split_at(name_end.unwrap_or(line.len()));
    if name.is_empty() {
        return None;
    }
    // To the kernel these are C strings: a NUL ends them.
    let argument = match rest.first() {
        Some(0) | None => &[],
        Some(_) => trim(rest).split(|&byte| byte == 0).next().unwrap_or_default(),
    };
    Some(Script {
        interpreter: PathBuf::from(OsStr::from_bytes(name)),
        argument: (!argument.is_empty()).then(|| OsStr::from_bytes(argument).to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_elf::{Elf, Scratch};
    use crate::{LoadError, open};

    fn kind_of(bytes: &[u8]) -> Result<Kind, LoadError> {
        let scratch = Scratch::new();
        open(&scratch.file("f", bytes, 0o755))?.kind()
    }

    fn script(interpreter: &str, argument: Option<&str>) -> Option<Script> {
        Some(Script { interpreter: interpreter.into(), argument: argument.map(Into::into) })
    }

    // Expected values: what the host's kernel passes to /bin/echo for such files.
    #[test]
    fn script_lines_are_read_as_the_kernel_reads_them() {
        assert_eq!(script_line(b"/bin/sh\n", false), script("/bin/sh", None));
        assert_eq!(script_line(b" \t/bin/sh -e  -x \t\nrest", false), script("/bin/sh", Some("-e  -x")));
        assert_eq!(script_line(b"/bin/sh", false), script("/bin/sh", None));
        assert_eq!(script_line(b"/bin/sh\0junk -a\n", false), script("/bin/sh", None));
        assert_eq!(script_line(b"/bin/sh -a\0b\n", false), script("/bin/sh", Some("-a")));
        assert_eq!(script_line(b"\n", false), None);
        assert_eq!(script_line(b"   \t", false), None);
        assert_eq!(script_line(b"", false), None);
        assert_eq!(script_line(&[b'x'; 254], true), None);
        assert_eq!(script_line(b"/bin/sh cut", true), script("/bin/sh", Some("cu")));
    }

    #[test]
    fn files_are_told_apart() {
        assert_eq!(kind_of(&Elf::exec().build()), Ok(Kind::Guest));
        let host = Kind::Host(HostElf { is_i386: false, interpreter: None });
        assert_eq!(kind_of(&Elf { machine: EM_X86_64, ..Elf::exec() }.build()), Ok(host));
        let reason = |bytes: &[u8]| kind_of(bytes).unwrap_err().to_string();
        assert!(reason(b"").contains("empty"));
        assert!(reason(b"hello").contains("not an ELF"));
        assert!(reason(b"\x7fELF").contains("truncated"));
        assert!(reason(&Elf { machine: 243, ..Elf::exec() }.build()).contains("RISC-V"));
        // As the kernel does, by the machine's number alone.
        for (index, byte) in [(4, 1), (4, 7), (5, 0), (6, 9), (7, 3)] {
            let mut bytes = Elf::exec().build();
            bytes[index] = byte;
            assert_eq!(kind_of(&bytes), Ok(Kind::Guest), "{index}");
        }
        let mut ilp32 = Elf::exec().build();
        (ilp32[4], ilp32[42], ilp32[54]) = (1, 32, 0);
        assert!(reason(&ilp32).contains("ILP32"));
        let mut big = Elf::exec().build();
        big[5] = 2;
        big.swap(18, 19);
        assert!(reason(&big).contains("big-endian"));
    }
}
