//! What the user wants: the values that flags set. `flags.rs` says which flags there are.

use ir::VaBits;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The values of all flags, and what is to be run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `-L`: the directory that stands for the guest's `/`.
    pub sysroot: Option<PathBuf>,
    /// `-E` and `-U`, in order: a variable with its value, or without to remove it.
    pub environment: Vec<(OsString, Option<OsString>)>,
    /// `-0`: the program's argv\[0\].
    pub argv0: Option<OsString>,
    /// `-s`: size of the stack.
    pub stack_bytes: Option<u64>,
    /// `-r`: the kernel release that the guest sees.
    pub uname_release: Option<String>,
    /// `-seed`: makes AT_RANDOM repeatable.
    pub seed: Option<u64>,
    /// `-strace`.
    pub strace: bool,
    /// `-d`.
    pub log: LogItems,
    /// `-D`: where strace and log go instead of standard error.
    pub log_file: Option<PathBuf>,
    /// `--va-bits`.
    pub va_bits: VaBits,
    /// `--limit`: limits on memory that the program which started this one had set, by RLIMIT_*: soft, hard.
    pub limits: Vec<(u32, [u64; 2])>,
    /// `--personality`: what that program had set with personality(2).
    pub personality: Option<u32>,
    /// `--tier`.
    pub tier: Tier,
    /// `--threshold`: runs of a block before it is compiled.
    pub threshold: Option<u32>,
    /// `--emit-threshold`: runs of a block before it is emitted.
    pub emit_threshold: Option<u32>,
    /// `--stats`.
    pub stats: bool,
    /// `-perfmap`.
    pub perf_map: bool,
    /// `-jitdump`.
    pub jit_dump: bool,
    /// `--inject`: a failure of emu's own, for tests, and the time at which it happens.
    pub inject: Option<(backend::Failure, Option<u32>)>,
    /// `--demo`.
    pub demo: bool,
    /// `-version`.
    pub version: bool,
    /// `-h`.
    pub help: bool,
    /// `--reexec`: started by an execve of the guest, whose environment is none of the user's options.
    pub reexec: bool,
    /// `--registered`: started by the kernel to run a program, as binfmt_misc tells it, or a descendant of such.
    pub registered: bool,
    /// `--emu-fd`: emu's own file, which the process that started this one has left open.
    pub emu_fd: Option<i32>,
    /// `--log-fd`: what `-D` names, likewise.
    pub log_fd: Option<i32>,
    /// `--program-fd`, `--kept-program-fd`: the program's file, likewise, and whether the descriptor is emu's to close.
    pub program_fd: Option<(i32, bool)>,
    /// `--execfn`: the program's AT_EXECFN, if it is not its path.
    pub execfn: Option<OsString>,
    /// `--comm`: what the process is called, if not after AT_EXECFN.
    pub comm: Option<OsString>,
    /// The program and its arguments.
    pub program: Vec<OsString>,
}

/// What `--va-bits` may be.
const VA_BITS: [(&str, VaBits); 4] =
    [("39", VaBits::Bits39), ("42", VaBits::Bits42), ("42+", VaBits::Bits42AndMore), ("47", VaBits::Bits47)];

/// What `-d` shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogItems {
    /// Guest code as it is translated.
    pub in_asm: bool,
    /// Cranelift's intermediate code.
    pub clif: bool,
    /// Host code.
    pub out_asm: bool,
    /// Regions as they are entered.
    pub exec: bool,
}

/// How guest code is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tier {
    /// Interpreted.
    Eval,
    /// Compiled on first sight.
    Jit,
    /// Emitted on first sight.
    Emit,
    /// Interpreted, and compiled when hot.
    #[default]
    Auto,
}

impl Tier {
    fn name(self) -> &'static str {
        match self {
            Self::Eval => "eval",
            Self::Jit => "jit",
            Self::Emit => "emit",
            Self::Auto => "auto",
        }
    }
}

impl LogItems {
    fn names(self) -> String {
        let all = [(self.in_asm, "in_asm"), (self.clif, "clif"), (self.out_asm, "out_asm"), (self.exec, "exec")];
        all.iter().filter(|item| item.0).map(|item| item.1).collect::<Vec<_>>().join(",")
    }

    /// Whether anything is shown.
    #[must_use]
    pub fn any(self) -> bool {
        self != Self::default()
    }
}

impl Options {
    /// The options that a program started by the guest is run with: not those that made this program's arguments and
    /// environment what they are. Paths are made absolute, for the guest may change its directory.
    #[must_use]
    pub fn inherited(&self) -> Vec<OsString> {
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone()).into_os_string();
        let mut words: Vec<OsString> = vec!["--reexec".into()];
        let mut add = |name: &str, value: Option<OsString>| {
            if let Some(value) = value {
                words.extend([name.into(), value]);
            }
        };
        add("-L", self.sysroot.as_ref().map(absolute));
        add("-s", self.stack_bytes.map(|bytes| bytes.to_string().into()));
        add("-r", self.uname_release.as_ref().map(Into::into));
        add("-seed", self.seed.map(|seed| seed.to_string().into()));
        add("-d", self.log.any().then(|| self.log.names().into()));
        add("-D", self.log_file.as_ref().map(absolute));
        let bits = VA_BITS.iter().find(|(_, bits)| *bits == self.va_bits && *bits != VaBits::default());
        add("--va-bits", bits.map(|(name, _)| (*name).into()));
        add("-tier", (self.tier != Tier::Auto).then(|| self.tier.name().into()));
        add("--emit-threshold", self.emit_threshold.map(|runs| runs.to_string().into()));
        add("--threshold", self.threshold.map(|runs| runs.to_string().into()));
        let switches = [
            (self.strace, "-strace"),
            (self.stats, "--stats"),
            (self.perf_map, "-perfmap"),
            (self.jit_dump, "-jitdump"),
            (self.registered, "--registered"),
        ];
        words.extend(switches.iter().filter(|(on, _)| *on).map(|(_, word)| word.into()));
        words
    }

    /// `-E`: `VAR=VALUE`, several separated by commas.
    pub fn set_variables(&mut self, list: &OsStr) -> Result<(), String> {
        for item in list.as_bytes().split(|&byte| byte == b',') {
            let Some(equals) = item.iter().position(|&byte| byte == b'=').filter(|&at| at > 0) else {
                return Err(format!("{} is not VAR=VALUE", OsStr::from_bytes(item).display()));
            };
            let (name, value) = (&item[..equals], &item[equals + 1..]);
            self.environment.push((OsStr::from_bytes(name).to_owned(), Some(OsStr::from_bytes(value).to_owned())));
        }
        Ok(())
    }

    /// `-U`: `VAR`, several separated by commas.
    pub fn unset_variables(&mut self, list: &OsStr) -> Result<(), String> {
        for name in list.as_bytes().split(|&byte| byte == b',') {
            if name.is_empty() || name.contains(&b'=') {
                return Err(format!("{} is not the name of a variable", OsStr::from_bytes(name).display()));
            }
            self.environment.push((OsStr::from_bytes(name).to_owned(), None));
        }
        Ok(())
    }

    /// `-d`: items separated by commas. Those of QEMU's that emu always or never does are accepted.
    pub fn add_log_items(&mut self, list: &str) -> Result<(), String> {
        for item in list.split(',').filter(|item| !item.is_empty()) {
            match item {
                "in_asm" => self.log.in_asm = true,
                "clif" | "op" => self.log.clif = true,
                "out_asm" => self.log.out_asm = true,
                "exec" => self.log.exec = true,
                "strace" => self.strace = true,
                "unimp" | "guest_errors" | "nochain" => {}
                _ => return Err(format!("no log item {item} (there are in_asm, clif, out_asm, exec, strace)")),
            }
        }
        Ok(())
    }

    /// `--va-bits`.
    pub fn set_va_bits(&mut self, name: &str) -> Result<(), String> {
        let found = VA_BITS.iter().find(|(known, _)| *known == name);
        self.va_bits = found.ok_or_else(|| format!("{name} is none of 39, 42, 42+, 47"))?.1;
        Ok(())
    }

    /// `--limit`: `RESOURCE=SOFT:HARD`, in numbers.
    pub fn add_limit(&mut self, text: &str) -> Result<(), String> {
        let parsed = text.split_once('=').and_then(|(resource, limits)| {
            let (soft, hard) = limits.split_once(':')?;
            Some((resource.parse().ok()?, [soft.parse().ok()?, hard.parse().ok()?]))
        });
        self.limits.push(parsed.ok_or_else(|| format!("{text} is not RESOURCE=SOFT:HARD"))?);
        Ok(())
    }

    /// How large the stack may get, if the user or the program before has said so.
    #[must_use]
    pub fn stack_limit(&self) -> Option<u64> {
        let set = self.limits.iter().find(|(resource, _)| *resource == libc::RLIMIT_STACK);
        self.stack_bytes.or(set.map(|(_, [soft, _])| *soft))
    }

    /// `--tier`.
    pub fn set_tier(&mut self, name: &str) -> Result<(), String> {
        self.tier = match name {
            "eval" => Tier::Eval,
            "jit" => Tier::Jit,
            "emit" => Tier::Emit,
            "auto" => Tier::Auto,
            _ => return Err(format!("no tier {name} (there are eval, emit, jit, auto)")),
        };
        Ok(())
    }
}

/// A number of bytes, decimal or 0x hexadecimal, with an optional K, M or G.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text} is not a number of bytes");
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1 << 10),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 1 << 20),
        Some(b'g' | b'G') => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    parse_number(digits).ok_or_else(wrong)?.checked_mul(unit).ok_or_else(wrong)
}

/// A decimal or 0x hexadecimal number.
pub fn parse_number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hexadecimal) => u64::from_str_radix(hexadecimal, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_bytes("8388608"), Ok(8 << 20));
        assert_eq!(parse_bytes("0x10000"), Ok(65536));
        assert_eq!(parse_bytes("64k"), Ok(65536));
        assert_eq!(parse_bytes("2M"), Ok(2 << 20));
        assert_eq!(parse_bytes("1G"), Ok(1 << 30));
        for wrong in ["", "M", "-1", "1.5M", "99999999999G", "1x"] {
            assert!(parse_bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn variables_come_in_lists() {
        let mut options = Options::default();
        options.set_variables(OsStr::new("A=1,B=x=y,C=")).unwrap();
        options.unset_variables(OsStr::new("D,E")).unwrap();
        let set = |name: &str, value: &str| (name.into(), Some(value.into()));
        let unset = |name: &str| (name.into(), None);
        let expected = [set("A", "1"), set("B", "x=y"), set("C", ""), unset("D"), unset("E")];
        assert_eq!(options.environment, expected);
        assert!(options.set_variables(OsStr::new("A")).is_err());
        assert!(options.set_variables(OsStr::new("=1")).is_err());
        assert!(options.unset_variables(OsStr::new("A=1")).is_err());
    }

    #[test]
    fn log_items_and_tiers_are_named() {
        let mut options = Options::default();
        options.add_log_items("in_asm,exec,strace").unwrap();
        assert_eq!(options.log, LogItems { in_asm: true, exec: true, ..LogItems::default() });
        assert!(options.strace);
        assert!(options.add_log_items("everything").is_err());
        options.set_tier("eval").unwrap();
        assert_eq!(options.tier, Tier::Eval);
        assert!(options.set_tier("fast").is_err());
    }
}
