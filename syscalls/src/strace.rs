//! `-strace`: one line per call, `1234 openat(AT_FDCWD,"/etc/passwd",O_RDONLY) = 3`, from the table's types. What the
//! call reads is shown as it was before the call; lines are written whole, so that those of several processes do
//! not mix. It must not know any one call, but for those that do not come back.

use crate::flags::{CLONE, OPEN, SIGNAL};
use crate::host::{self, Args, Outcome};
use crate::table::{Arg, Names, Row};
use crate::user;
use ir::{Errno, Guard, Lock, Rank};
use linux_raw_sys::general::{__O_TMPFILE, O_CREAT};
use std::fmt::Write as _;
use std::io::Write;

/// Most bytes of a string or buffer that are shown.
const SHOWN_BYTES: usize = 32;
/// Most bytes of a path that are shown.
const PATH_SHOWN_BYTES: usize = 512;
/// Most elements of an argv that are shown.
const SHOWN_STRINGS: usize = 16;

/// Where the lines go.
pub(crate) struct Strace {
    sink: Lock<Box<dyn Write + Send + Sync>>,
}

/// A call that has begun: its text so far, and the output buffers whose text comes after.
pub(crate) struct Line {
    before: String,
    output: Option<(u64, String)>,
}

impl Strace {
    /// Lines go to `sink`.
    pub(crate) fn new(sink: Box<dyn Write + Send + Sync>) -> Self {
        Self { sink: Lock::new(Rank::Strace, sink) }
    }

    /// Keeps other threads out.
    pub(crate) fn lock_for_fork(&self) -> Guard<'_, impl Sized> {
        self.sink.lock()
    }

    fn write(&self, line: &str) {
        let mut sink = self.sink.lock();
        let _ = sink.write_all(line.as_bytes());
        let _ = sink.flush();
    }

    /// Begins a line. Calls that may not come back are shown now.
    pub(crate) fn enter(&self, number: u64, row: Option<&Row>, args: Args) -> Line {
        let pid = host::call3(libc::SYS_gettid, 0, 0, 0).unwrap_or(0);
        let mut text = format!("{pid} ");
        let mut output = None;
        match row {
            None => {
                let _ = write!(text, "syscall_{number}(");
                for (index, value) in args.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    let _ = write!(text, "{comma}{value:#x}");
                }
                text.push(')');
            }
            Some(row) => {
                text.push_str(row.name);
                text.push('(');
                let mut rest = String::new();
                let mut buffer = None;
                for (index, arg) in row.args.iter().enumerate() {
                    if *arg == Arg::Mode && index > 0 && has_no_mode(row.args[index - 1], args[index - 1]) {
                        continue;
                    }
                    let place = if buffer.is_some() { &mut rest } else { &mut text };
                    if index != 0 {
                        place.push(',');
                    }
                    if *arg == Arg::OutBuf && buffer.is_none() {
                        buffer = Some(args[index]);
                    } else {
                        show(place, *arg, args[index], args.get(index + 1).copied().unwrap_or(0));
                    }
                }
                let place = if buffer.is_some() { &mut rest } else { &mut text };
                place.push(')');
                output = buffer.map(|at| (at, rest));
            }
        }
        if row.is_some_and(|row| matches!(row.name, "exit" | "exit_group" | "execve" | "execveat")) {
            self.write(&format!("{text}\n"));
        }
        Line { before: text, output }
    }

    /// Ends and writes the line.
    pub(crate) fn leave(&self, line: Line, row: Option<&Row>, outcome: Outcome) {
        let mut text = line.before;
        if let Some((buffer, rest)) = line.output {
            match outcome {
                Ok(bytes) => show_bytes(&mut text, buffer, bytes),
                Err(_) => show_address(&mut text, buffer),
            }
            text.push_str(&rest);
        }
        match outcome {
            Ok(value) if row.is_some_and(|row| returns_address(row.name)) => {
                let _ = writeln!(text, " = {value:#x}");
            }
            Ok(value) => {
                let _ = writeln!(text, " = {}", value as i64);
            }
            Err(host::RESTART) => text.push_str(" = ? ERESTARTNOINTR (to be restarted)\n"),
            Err(Errno(error)) => {
                let _ = writeln!(text, " = -1 errno={error} ({})", message(error));
            }
        }
        self.write(&text);
    }
}

/// Whether these are open flags that create nothing, so that there is no mode after them.
fn has_no_mode(before: Arg, flags: u64) -> bool {
    before == Arg::Flags(OPEN) && flags & u64::from(O_CREAT | __O_TMPFILE) == 0
}

fn returns_address(name: &str) -> bool {
    matches!(name, "mmap" | "mremap" | "brk" | "shmat")
}

fn message(error: i32) -> String {
    let text = std::io::Error::from_raw_os_error(error).to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

fn show(text: &mut String, arg: Arg, value: u64, next: u64) {
    let _ = match arg {
        Arg::Int | Arg::Fd => write!(text, "{}", value as i32),
        Arg::Long => write!(text, "{}", value as i64),
        Arg::Hex => write!(text, "{value:#x}"),
        Arg::Mode => write!(text, "0{:o}", value as u32),
        Arg::DirFd if value as i32 == libc::AT_FDCWD => write!(text, "AT_FDCWD"),
        Arg::DirFd => write!(text, "{}", value as i32),
        Arg::Ptr | Arg::OutBuf => {
            show_address(text, value);
            Ok(())
        }
        Arg::Path => {
            show_string(text, value, PATH_SHOWN_BYTES);
            Ok(())
        }
        Arg::Str => {
            show_string(text, value, SHOWN_BYTES);
            Ok(())
        }
        Arg::Buf => {
            show_bytes(text, value, next);
            Ok(())
        }
        Arg::Argv => {
            show_strings(text, value);
            Ok(())
        }
        Arg::Signal => {
            show_enum(text, SIGNAL, value);
            Ok(())
        }
        Arg::SigSet => {
            show_signals(text, value);
            Ok(())
        }
        Arg::TimeSpec => match user::read::<[u64; 2]>(value) {
            Ok([seconds, nanoseconds]) => write!(text, "{{{},{}}}", seconds as i64, nanoseconds as i64),
            Err(_) => {
                show_address(text, value);
                Ok(())
            }
        },
        Arg::Flags(names) => {
            show_flags(text, names, value);
            Ok(())
        }
        Arg::Enum(names) => {
            show_enum(text, names, value);
            Ok(())
        }
    };
}

fn show_address(text: &mut String, value: u64) {
    if value == 0 {
        text.push_str("NULL");
    } else {
        let _ = write!(text, "{value:#x}");
    }
}

fn show_enum(text: &mut String, names: Names, value: u64) {
    match names.iter().find(|(named, _)| *named == u64::from(value as u32)) {
        Some((_, name)) => text.push_str(name),
        None => {
            let _ = write!(text, "{}", value as i32);
        }
    }
}

fn show_flags(text: &mut String, names: Names, value: u64) {
    let zero = names.iter().find(|(bits, _)| *bits == 0).map(|(_, name)| *name);
    let mut left = u64::from(value as u32);
    let start = text.len();
    // Read-only is no bit: it shows when neither other access mode is there.
    if zero == Some("O_RDONLY") && value & 3 == 0 || left == 0 {
        text.push_str(zero.unwrap_or("0"));
    }
    // SIGCHLD of clone is a value in the low byte, not a bit.
    let exact = if names == CLONE { 0xff } else { 0 };
    for (bits, name) in names {
        let found = if bits & exact != 0 { left & exact == *bits } else { left & bits == *bits };
        if *bits != 0 && found {
            left &= !bits;
            let bar = if text.len() == start { "" } else { "|" };
            let _ = write!(text, "{bar}{name}");
        }
    }
    if left != 0 {
        let bar = if text.len() == start { "" } else { "|" };
        let _ = write!(text, "{bar}{left:#x}");
    }
}

fn show_quoted(text: &mut String, bytes: &[u8], whole: bool) {
    text.push('"');
    for &byte in bytes {
        match byte {
            b'\n' => text.push_str("\\n"),
            b'\t' => text.push_str("\\t"),
            b'\r' => text.push_str("\\r"),
            b'"' | b'\\' => {
                text.push('\\');
                text.push(char::from(byte));
            }
            b' '..=b'~' => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
    }
    text.push_str(if whole { "\"" } else { "\"..." });
}

fn show_string(text: &mut String, at: u64, limit: usize) {
    match user::read_prefix(at, limit) {
        Ok((bytes, whole)) => show_quoted(text, &bytes, whole),
        Err(_) => show_address(text, at),
    }
}

fn show_bytes(text: &mut String, at: u64, bytes: u64) {
    let shown = bytes.min(SHOWN_BYTES as u64);
    let mut buffer = [0; SHOWN_BYTES];
    let buffer = &mut buffer[..shown as usize];
    match user::read_bytes(at, buffer) {
        Ok(()) if at != 0 => show_quoted(text, buffer, shown == bytes),
        _ => show_address(text, at),
    }
}

fn show_strings(text: &mut String, at: u64) {
    text.push('[');
    for index in 0.. {
        let Ok(string) = user::read::<u64>(at.wrapping_add(8 * index)) else { break };
        if string == 0 {
            break;
        }
        if index != 0 {
            text.push(',');
        }
        if index == SHOWN_STRINGS as u64 {
            text.push_str("...");
            break;
        }
        show_string(text, string, SHOWN_BYTES);
    }
    text.push(']');
}

fn show_signals(text: &mut String, at: u64) {
    let Ok(set) = user::read::<u64>(at) else { return show_address(text, at) };
    text.push('[');
    let mut first = true;
    for signal in (1..=64u64).filter(|signal| set >> (signal - 1) & 1 != 0) {
        if !first {
            text.push(' ');
        }
        first = false;
        show_enum(text, SIGNAL, signal);
    }
    text.push(']');
}

#[cfg(test)]
#[path = "strace_tests.rs"]
mod tests;
