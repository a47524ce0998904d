//! What a row of the system call table says, and finding rows. The rows themselves are in `rows.rs`.

use crate::process::Handler;
use crate::rows::ROWS;

/// The type of an argument, for `-strace` and for the places that treat arguments by type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arg {
    /// `int`, printed in decimal.
    Int,
    /// `long`, `size_t`, `off_t`: 64 bits in decimal.
    Long,
    /// Unsigned, printed in hexadecimal.
    Hex,
    /// Octal: file modes.
    Mode,
    /// An address.
    Ptr,
    /// A file descriptor.
    Fd,
    /// A directory's file descriptor, or AT_FDCWD.
    DirFd,
    /// A path.
    Path,
    /// A string that is not a path.
    Str,
    /// Bytes that the call reads; the next argument is their number.
    Buf,
    /// Bytes that the call writes; the result is their number.
    OutBuf,
    /// A null-terminated array of strings.
    Argv,
    /// A signal number.
    Signal,
    /// A set of signals.
    SigSet,
    /// `struct timespec` that the call reads.
    TimeSpec,
    /// Bits with names.
    Flags(Names),
    /// A value with a name.
    Enum(Names),
}

/// Names of values or bits: AArch64's, which are asm-generic's but for a few open flags.
pub type Names = &'static [(u64, &'static str)];

/// How far a call is supported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Support {
    /// As on Linux.
    Full,
    /// Except for what the caveat says.
    Partial(&'static str),
    /// Not at all: ENOSYS, and one line on standard error the first time.
    Unsupported,
}

/// What is done.
#[derive(Clone, Copy)]
pub(crate) enum Action {
    /// The host's call of this number, with the same arguments.
    Host(i64),
    /// A handler.
    Do(Handler),
    /// Nothing.
    Refuse,
}

/// One system call.
pub struct Row {
    /// Its number on AArch64.
    pub number: u16,
    /// The kernel's name.
    pub name: &'static str,
    /// Its arguments' types.
    pub args: &'static [Arg],
    /// What is done.
    pub(crate) action: Action,
    /// How far.
    pub support: Support,
}

/// A row for a call that goes to the host's call of number `host` as it is.
pub(crate) const fn passthrough(number: u16, name: &'static str, args: &'static [Arg], host: i64) -> Row {
    Row { number, name, args, action: Action::Host(host), support: Support::Full }
}

/// A row for a call with a handler.
pub(crate) const fn handled(number: u16, name: &'static str, args: &'static [Arg], handler: Handler) -> Row {
    Row { number, name, args, action: Action::Do(handler), support: Support::Full }
}

/// A row for a call that is not supported.
pub(crate) const fn refused(number: u16, name: &'static str, args: &'static [Arg]) -> Row {
    Row { number, name, args, action: Action::Refuse, support: Support::Unsupported }
}

impl Row {
    /// The row with a caveat.
    pub(crate) const fn partial(self, caveat: &'static str) -> Self {
        Self { support: Support::Partial(caveat), ..self }
    }
}

const INDEX_LEN: usize = 512;

/// Row number plus one by call number; 0 where there is none.
const INDEX: [u16; INDEX_LEN] = {
    let mut index = [0; INDEX_LEN];
    let mut row = 0;
    while row < ROWS.len() {
        index[ROWS[row].number as usize] = row as u16 + 1;
        row += 1;
    }
    index
};

/// All rows, by number.
#[must_use]
pub fn rows() -> &'static [Row] {
    ROWS
}

/// The row of call `number`.
#[must_use]
pub fn by_number(number: u64) -> Option<&'static Row> {
    let row = *INDEX.get(usize::try_from(number).ok()?)?;
    ROWS.get(usize::from(row).checked_sub(1)?)
}

/// The row of the call named `name`.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn rows_are_sorted_and_unique() {
        assert!(ROWS.is_sorted_by(|a, b| a.number < b.number));
        let names: BTreeSet<_> = ROWS.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), ROWS.len());
        assert!(ROWS.iter().all(|row| row.args.len() <= 6 && !row.name.is_empty()));
    }

    #[test]
    fn every_number_has_a_row() {
        // 244 to 259 are for architectures, 295 to 423 for 32-bit ones.
        for number in (0..=243).chain(260..=294).chain(424..=470) {
            let row = by_number(number).unwrap_or_else(|| panic!("{number} has no row"));
            assert_eq!(u64::from(row.number), number);
        }
        for number in [244, 259, 295, 423, 471, 511, 512, u64::MAX] {
            assert!(by_number(number).is_none(), "{number}");
        }
    }

    /// Numbers from asm-generic/unistd.h.
    #[test]
    fn names_have_the_kernels_numbers() {
        let known = [
            (17, "getcwd"),
            (25, "fcntl"),
            (56, "openat"),
            (64, "write"),
            (79, "newfstatat"),
            (93, "exit"),
            (98, "futex"),
            (134, "rt_sigaction"),
            (160, "uname"),
            (178, "gettid"),
            (198, "socket"),
            (214, "brk"),
            (220, "clone"),
            (221, "execve"),
            (222, "mmap"),
            (260, "wait4"),
            (278, "getrandom"),
            (291, "statx"),
            (435, "clone3"),
            (451, "cachestat"),
            (462, "mseal"),
            (470, "listns"),
        ];
        for (number, name) in known {
            assert_eq!(by_number(number).map(|row| row.name), Some(name));
            assert_eq!(by_name(name).map(|row| u64::from(row.number)), Some(number));
        }
    }

    #[test]
    fn numbers_are_shared_from_424_on() {
        for row in ROWS.iter().filter(|row| row.number >= 424) {
            if let Action::Host(host) = row.action {
                assert_eq!(host, i64::from(row.number), "{}", row.name);
            }
        }
    }

    /// With the cross compiler's headers at hand, all names are checked.
    #[test]
    fn names_are_the_headers() {
        let header = std::fs::read_to_string("/usr/aarch64-linux-gnu/include/asm-generic/unistd.h");
        let mut compared = 0;
        for line in header.expect("tests/run installs libc6-dev-arm64-cross").lines() {
            let Some(rest) = line.strip_prefix("#define __NR_").or(line.strip_prefix("#define __NR3264_")) else {
                continue;
            };
            let mut words = rest.split_whitespace();
            let (Some(name), Some(Ok(number))) = (words.next(), words.next().map(str::parse::<u64>)) else { continue };
            if matches!(name, "arch_specific_syscall" | "syscalls" | "fstatat" | "sync_file_range2")
                || (403..424).contains(&number)
            {
                continue;
            }
            assert_eq!(by_number(number).map(|row| row.name), Some(name));
            compared += 1;
        }
        assert!(compared > 300, "{compared} names");
    }

    #[test]
    fn support_agrees_with_the_action() {
        for row in ROWS {
            let refused = matches!(row.action, Action::Refuse);
            assert_eq!(refused, row.support == Support::Unsupported, "{}", row.name);
        }
    }
}
