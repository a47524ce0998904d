//! `emu binfmt`: tells the kernel to start emu for arm64 programs (binfmt_misc), takes that back, and says how things
//! stand. It must not know what emu does when it is started so (`registered.rs`).
//!
//! The name is a command only as the first word; a program of that name is run by its path, `emu ./binfmt`.

use crate::{process, report};
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The command.
pub const COMMAND: &str = "binfmt";

const DIRECTORY: &str = "/proc/sys/fs/binfmt_misc";
/// What the entry is called.
const ENTRY: &str = "emu-aarch64";
const DEFAULT_FLAGS: &str = "POF";
const USAGE: &str = "emu binfmt install [--flags FLAGS] | status | uninstall | print [--flags FLAGS]";

/// An ELF header's start: 64 bits, little-endian, ET_EXEC or, by the mask, ET_DYN, for EM_AARCH64; any OS ABI.
const MAGIC: [u8; 20] = *b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0";
const MASK: [u8; 20] = {
    let mut mask = [0xff; 20];
    mask[7] = 0;
    mask[16] = 0xfe;
    mask
};

const HELP: &str = "\
emu binfmt install [--flags FLAGS]  have the kernel start emu for arm64 programs
emu binfmt status                   say whether it does, and what else may run them
emu binfmt uninstall                have it stop
emu binfmt print [--flags FLAGS]    the line for a file in /etc/binfmt.d, for every start of the machine

FLAGS are letters (POF if none are given):
  P  programs get the argv[0] they were started with
  O  the kernel opens the program for emu: programs that may be executed but not read run too
  F  the kernel opens emu now: programs run in chroots and containers in which emu is not
  C  set-user-ID programs get their rights (implies O); without it they run as whoever starts them
";

/// Does what the words after `emu binfmt` say; gives the exit status.
pub fn run(words: &[OsString]) -> i32 {
    let words: Vec<&str> = words.iter().map(|word| word.to_str().unwrap_or("?")).collect();
    let result = match words[..] {
        ["install", ref rest @ ..] => flags(rest).and_then(|flags| install(&flags)),
        ["print", ref rest @ ..] => flags(rest).and_then(|flags| own_path().and_then(|path| line(&path, &flags))),
        ["status"] => return status(),
        ["uninstall"] => uninstall(),
        ["-h" | "--help" | "help"] => Ok(HELP.to_owned()),
        _ => Err(Mistake::Usage(format!("usage: {USAGE}"))),
    };
    match result {
        Ok(text) => crate::start::print(&text),
        Err(Mistake::Usage(text)) => {
            report::say(text);
            crate::start::STATUS_USAGE
        }
        Err(Mistake::Refused(text)) => {
            report::say(text);
            1
        }
    }
}

/// Why a command was not done.
#[derive(Debug, PartialEq, Eq)]
enum Mistake {
    /// The command line is wrong.
    Usage(String),
    /// The machine does not let us.
    Refused(String),
}

fn refused<T>(text: impl Into<String>) -> Result<T, Mistake> {
    Err(Mistake::Refused(text.into()))
}

fn flags(words: &[&str]) -> Result<String, Mistake> {
    let given = match *words {
        [] => DEFAULT_FLAGS,
        ["--flags" | "-flags", flags] => flags,
        [word] if word.starts_with("--flags=") => &word["--flags=".len()..],
        _ => return Err(Mistake::Usage(format!("usage: {USAGE}"))),
    };
    let given = given.to_ascii_uppercase();
    if given == "NONE" {
        return Ok(String::new());
    }
    match given.chars().find(|&letter| !"POCF".contains(letter) || given.matches(letter).count() > 1) {
        Some(letter) => Err(Mistake::Usage(format!("--flags: there are P, O, C and F, each once; not {letter}"))),
        None => Ok(given),
    }
}

/// Where emu's file is.
fn own_path() -> Result<PathBuf, Mistake> {
    std::env::current_exe()
        .or_else(|_| refused("cannot tell where its own file is: /proc is not mounted"))
        .and_then(|path| if path.exists() { Ok(path) } else { refused("its own file has been removed or replaced") })
}

/// The line for `register`, which systemd's files have too.
fn line(emu: &Path, flags: &str) -> Result<String, Mistake> {
    // The first character separates the fields; no field may have it.
    let text = emu.to_str().filter(|text| !text.contains(char::is_control));
    let Some(text) = text else { return refused(format!("the kernel cannot be told of the path {}", emu.display())) };
    let Some(separator) = [':', '|', ',', ';'].into_iter().find(|&separator| !text.contains(separator)) else {
        return refused(format!("the kernel cannot be told of the path {text}"));
    };
    let hexadecimal = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut all, byte| {
            let _ = write!(all, "\\x{byte:02x}");
            all
        })
    };
    let fields = ["", ENTRY, "M", "", &hexadecimal(&MAGIC), &hexadecimal(&MASK), text, flags];
    Ok(format!("{}\n", fields.join(&separator.to_string())))
}

fn install(flags: &str) -> Result<String, Mistake> {
    let emu = own_path()?;
    let line = line(&emu, flags)?;
    mount()?;
    let mut text = String::new();
    let entry = Path::new(DIRECTORY).join(ENTRY);
    if entry.exists() {
        std::fs::write(&entry, "-1").or_else(|error| refused(reason(&error, "cannot take back the older entry")))?;
        text += "took back the older entry\n";
    }
    std::fs::write(Path::new(DIRECTORY).join("register"), &line)
        .or_else(|error| refused(reason(&error, "cannot register")))?;
    let with = if flags.is_empty() { "no flags".to_owned() } else { format!("flags {flags}") };
    let _ = writeln!(text, "the kernel now starts {} for arm64 programs, with {with}", emu.display());
    text += "until the machine is started again; for every start: emu binfmt print >/etc/binfmt.d/emu-aarch64.conf\n";
    for other in others() {
        let _ = writeln!(text, "note: {} is registered for them too; the one registered last is used", other.name);
    }
    if !is_enabled() {
        let _ = writeln!(text, "note: binfmt_misc as a whole is switched off (echo 1 >{DIRECTORY}/status)");
    }
    Ok(text)
}

fn uninstall() -> Result<String, Mistake> {
    let entry = Path::new(DIRECTORY).join(ENTRY);
    if !entry.exists() {
        return Ok(format!("{ENTRY} is not registered\n"));
    }
    std::fs::write(&entry, "-1").or_else(|error| refused(reason(&error, "cannot take the entry back")))?;
    Ok(format!("the kernel no longer starts emu for arm64 programs; {ENTRY} is gone\n"))
}

fn is_mounted() -> bool {
    Path::new(DIRECTORY).join("register").exists()
}

/// Mounts binfmt_misc where it belongs, if it is not.
fn mount() -> Result<(), Mistake> {
    if is_mounted() {
        return Ok(());
    }
    match process::mount(c"binfmt_misc", DIRECTORY) {
        Ok(()) => Ok(()),
        Err(error) => match error.raw_os_error() {
            Some(libc::ENODEV) => refused("the kernel has no binfmt_misc (CONFIG_BINFMT_MISC, modprobe binfmt_misc)"),
            Some(libc::ENOENT) => refused(format!("there is no {DIRECTORY}: is /proc mounted?")),
            _ => refused(reason(&error, &format!("binfmt_misc is not mounted, and cannot be mounted on {DIRECTORY}"))),
        },
    }
}

/// In plain words.
fn reason(error: &io::Error, what: &str) -> String {
    let why = match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => "that takes root".to_owned(),
        Some(libc::EROFS) => format!("{DIRECTORY} is read-only here, as in most containers"),
        Some(libc::ENOENT | libc::EINVAL) => format!("the kernel refuses it ({})", report::plain(error)),
        _ => report::plain(error),
    };
    format!("{what}: {why}")
}

/// An entry of the kernel's.
#[derive(Debug, Default, PartialEq, Eq)]
struct Entry {
    name: String,
    is_enabled: bool,
    interpreter: PathBuf,
    flags: String,
    offset: usize,
    magic: Vec<u8>,
    mask: Vec<u8>,
}

impl Entry {
    fn read(path: &Path) -> Option<Self> {
        Some(Self::parse(&path.file_name()?.to_string_lossy(), &std::fs::read(path).ok()?))
    }

    fn parse(name: &str, text: &[u8]) -> Self {
        let mut entry = Self { name: name.to_owned(), ..Self::default() };
        for line in text.split(|&byte| byte == b'\n') {
            let end = line.iter().position(|&byte| byte == b' ').unwrap_or(line.len());
            let (key, value) = line.split_at(end);
            let value = value.strip_prefix(b" ").unwrap_or(value);
            let shown = String::from_utf8_lossy(value).into_owned();
            match key {
                b"enabled" => entry.is_enabled = true,
                b"interpreter" => entry.interpreter = OsStr::from_bytes(value).into(),
                b"flags:" => entry.flags = shown,
                b"offset" => entry.offset = shown.parse().unwrap_or(usize::MAX),
                b"magic" => entry.magic = bytes(&shown),
                b"mask" => entry.mask = bytes(&shown),
                _ => {}
            }
        }
        entry
    }

    /// Whether the kernel would use it for some arm64 program.
    fn takes_arm64(&self) -> bool {
        let mut header = MAGIC.to_vec();
        // The rest of a header is not known.
        header.resize(64, 0);
        [2, 3].into_iter().any(|kind| {
            header[16] = kind;
            let Some(part) = header.get(self.offset..).filter(|part| part.len() >= self.magic.len()) else {
                return false;
            };
            !self.magic.is_empty()
                && self
                    .magic
                    .iter()
                    .zip(part)
                    .enumerate()
                    .all(|(index, (magic, byte))| (magic ^ byte) & self.mask.get(index).copied().unwrap_or(0xff) == 0)
        })
    }
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let pairs = hexadecimal.as_bytes().chunks_exact(2);
    pairs.filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// Entries other than ours that take arm64 programs.
fn others() -> Vec<Entry> {
    let paths = std::fs::read_dir(DIRECTORY).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let mut entries: Vec<Entry> = paths.filter_map(|path| Entry::read(&path)).filter(Entry::takes_arm64).collect();
    entries.retain(|entry| entry.name != ENTRY);
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    entries
}

fn is_enabled() -> bool {
    std::fs::read(Path::new(DIRECTORY).join("status")).is_ok_and(|text| text.starts_with(b"enabled"))
}

/// Says how things stand; 0 if the kernel starts emu.
fn status() -> i32 {
    if !is_mounted() {
        let text = format!("binfmt_misc is not mounted on {DIRECTORY}: arm64 programs run by emu's name only\n");
        return crate::start::print(&text).max(1);
    }
    let mut text = String::new();
    if !is_enabled() {
        let _ = writeln!(text, "binfmt_misc as a whole is switched off (echo 1 >{DIRECTORY}/status)");
    }
    let entry = Entry::read(&Path::new(DIRECTORY).join(ENTRY));
    match &entry {
        Some(entry) => describe(&mut text, entry),
        None => text += "emu is not registered (emu binfmt install)\n",
    }
    for other in others() {
        let state = if other.is_enabled { "is registered" } else { "is registered, but switched off," };
        let _ = write!(text, "{} {state} for arm64 programs too: {}", other.name, other.interpreter.display());
        text += if entry.is_some() && other.is_enabled { "; the one registered last is used\n" } else { "\n" };
    }
    let works = is_enabled() && entry.is_some_and(|entry| entry.is_enabled && (entry.opens_now() || entry.is_there()));
    crate::start::print(&text).max(i32::from(!works))
}

impl Entry {
    fn opens_now(&self) -> bool {
        self.flags.contains('F')
    }

    fn is_there(&self) -> bool {
        self.interpreter.exists()
    }
}

fn describe(text: &mut String, entry: &Entry) {
    let state = if entry.is_enabled { "registered" } else { "registered, but switched off" };
    let interpreter = entry.interpreter.display();
    let flags = if entry.flags.is_empty() { "no flags".to_owned() } else { format!("flags {}", entry.flags) };
    let _ = writeln!(text, "{ENTRY} is {state}: {interpreter}, {flags}");
    match (entry.is_there(), entry.opens_now()) {
        (false, false) => {
            let _ = writeln!(text, "  {interpreter} is not there (any more): no arm64 program starts");
        }
        (false, true) => {
            let _ = writeln!(text, "  {interpreter} is not there (any more); the file that was is still used (F)");
        }
        (true, _) if own_path().is_ok_and(|own| own != entry.interpreter) => text.push_str("  that is not this emu\n"),
        _ => {}
    }
    if entry.magic != MAGIC || entry.mask != MASK || entry.offset != 0 {
        text.push_str("  its magic or mask is not what emu registers (emu binfmt install puts that right)\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Debian's qemu-user-static has it, but for names and flags.
    #[test]
    fn the_line_is_the_one_known() {
        let expected = ":emu-aarch64:M::\\x7f\\x45\\x4c\\x46\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\
                        \\xb7\\x00:\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\
                        \\xff:/usr/bin/emu:POF\n";
        assert_eq!(line(Path::new("/usr/bin/emu"), "POF").unwrap(), expected);
        assert!(line(Path::new("/a:b/emu"), "").unwrap().starts_with("|emu-aarch64|M||"));
        assert!(line(Path::new("/:|,;"), "").is_err() && line(Path::new("/a\nb"), "").is_err());
    }

    #[test]
    fn flags_are_letters() {
        assert_eq!(flags(&[]), Ok("POF".to_owned()));
        assert_eq!(flags(&["--flags", "cf"]), Ok("CF".to_owned()));
        assert_eq!(flags(&["--flags=none"]), Ok(String::new()));
        for wrong in [&["--flags", "X"][..], &["--flags", "PP"], &["--flags"], &["P"]] {
            assert!(matches!(flags(wrong), Err(Mistake::Usage(_))), "{wrong:?}");
        }
    }

    /// Text as the kernel writes it.
    #[test]
    fn entries_are_read() {
        let text = b"enabled\ninterpreter /usr/bin/qemu x\nflags: OCF\noffset 0\n\
                     magic 7f454c460201010000000000000000000200b700\nmask ffffffffffffff00fffffffffffffffffeffffff\n";
        let entry = Entry::parse("qemu-aarch64", text);
        assert_eq!((&entry.interpreter, &*entry.flags), (&PathBuf::from("/usr/bin/qemu x"), "OCF"));
        assert!(entry.is_enabled && entry.takes_arm64() && entry.magic == MAGIC && entry.mask == MASK);
        let other =
            Entry::parse("riscv", &text[..].iter().map(|&b| if b == b'b' { b'c' } else { b }).collect::<Vec<_>>());
        assert!(!other.takes_arm64());
        assert!(!Entry::parse("java", b"disabled\ninterpreter /j\nflags: \nextension .jar\n").takes_arm64());
    }
}
