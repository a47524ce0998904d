//! The flags: one row each, with its name, environment variable, help and effect. clap parses and prints; this file
//! first brings QEMU's spelling (`-strace`, `-cpu max`, either with one dash or two) into clap's, and leaves everything
//! from the program's name on alone.

use crate::options::{Options, parse_bytes, parse_number};
use clap::{Arg, ArgAction, Command, builder::OsStringValueParser};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// One flag.
struct Flag {
    /// Without dashes; either one or two may be written.
    name: &'static str,
    /// What its value is called, if it has one.
    value: Option<&'static str>,
    /// The environment variable that sets it too.
    variable: Option<&'static str>,
    help: &'static str,
    /// Whether `-h` shows it.
    shown: bool,
    apply: fn(&mut Options, &OsStr) -> Result<(), String>,
}

impl Flag {
    const fn new(name: &'static str, apply: fn(&mut Options, &OsStr) -> Result<(), String>) -> Self {
        Self { name, value: None, variable: None, help: "", shown: true, apply }
    }
    const fn takes(self, value: &'static str) -> Self {
        Self { value: Some(value), ..self }
    }
    const fn or_variable(self, variable: &'static str) -> Self {
        Self { variable: Some(variable), ..self }
    }
    const fn help(self, help: &'static str) -> Self {
        Self { help, ..self }
    }
    const fn hidden(self) -> Self {
        Self { shown: false, ..self }
    }
    /// The name of a flag whose name is one letter or digit.
    fn letter(&self) -> Option<char> {
        let mut chars = self.name.chars();
        chars.next().filter(|_| chars.next().is_none())
    }
    /// With as many dashes as clap wants.
    fn canonical(&self) -> String {
        format!("{}{}", if self.letter().is_some() { "-" } else { "--" }, self.name)
    }
}

fn text(value: &OsStr) -> Result<&str, String> {
    value.to_str().ok_or_else(|| format!("{} is not UTF-8", value.display()))
}

fn parse_runs(value: &OsStr) -> Result<u32, String> {
    let runs = parse_number(text(value)?).and_then(|runs| u32::try_from(runs).ok()).filter(|&runs| runs > 0);
    runs.ok_or_else(|| format!("{} is not a number of runs", value.display()))
}

fn descriptor(value: &OsStr) -> Result<i32, String> {
    let number = parse_number(text(value)?).and_then(|number| i32::try_from(number).ok());
    number.ok_or_else(|| format!("{} is not a descriptor", value.display()))
}

fn ignored(_: &mut Options, _: &OsStr) -> Result<(), String> {
    Ok(())
}

static FLAGS: &[Flag] = &[
    Flag::new("L", |options, value| {
        options.sysroot = Some(value.into());
        Ok(())
    })
    .takes("DIR")
    .or_variable("QEMU_LD_PREFIX")
    .help("Look for the guest's files, its loader first of all, under DIR before /"),
    Flag::new("E", Options::set_variables)
        .takes("VAR=VALUE,...")
        .or_variable("QEMU_SET_ENV")
        .help("Set variables in the guest's environment; may be repeated"),
    Flag::new("U", Options::unset_variables)
        .takes("VAR,...")
        .or_variable("QEMU_UNSET_ENV")
        .help("Remove variables from the guest's environment; may be repeated"),
    Flag::new("0", |options, value| {
        options.argv0 = Some(value.to_owned());
        Ok(())
    })
    .takes("ARGV0")
    .or_variable("QEMU_ARGV0")
    .help("Give the program this argv[0] instead of its path"),
    Flag::new("s", |options, value| {
        options.stack_bytes = Some(parse_bytes(text(value)?)?);
        Ok(())
    })
    .takes("BYTES")
    .or_variable("QEMU_STACK_SIZE")
    .help("Size of the stack, with K, M or G if you like; otherwise as ulimit -s says"),
    Flag::new("r", |options, value| {
        options.uname_release = Some(text(value)?.to_owned());
        Ok(())
    })
    .takes("RELEASE")
    .or_variable("QEMU_UNAME")
    .help("Kernel release that the guest is told"),
    Flag::new("strace", |options, _| {
        options.strace = true;
        Ok(())
    })
    .or_variable("QEMU_STRACE")
    .help("Show system calls"),
    Flag::new("d", |options, value| options.add_log_items(text(value)?))
        .takes("ITEM,...")
        .or_variable("QEMU_LOG")
        .help("Show translation: in_asm, clif, out_asm, exec (and strace)"),
    Flag::new("D", |options, value| {
        options.log_file = Some(value.into());
        Ok(())
    })
    .takes("FILE")
    .or_variable("QEMU_LOG_FILENAME")
    .help("Write what -strace, -d and --stats show to FILE instead of standard error"),
    Flag::new("seed", |options, value| {
        let number = parse_number(text(value)?).ok_or_else(|| format!("{} is not a number", value.display()))?;
        options.seed = Some(number);
        Ok(())
    })
    .takes("NUMBER")
    .or_variable("QEMU_RAND_SEED")
    .help("Make the guest's AT_RANDOM repeatable"),
    Flag::new("va-bits", |options, value| options.set_va_bits(text(value)?))
        .takes("39|42|42+|47")
        .help("Bits of guest addresses: 42, and more where the guest asks for it (42+, the default), or so many"),
    Flag::new("limit", |options, value| options.add_limit(text(value)?)).takes("RESOURCE=SOFT:HARD").hidden(),
    Flag::new("personality", |options, value| {
        let persona = parse_number(text(value)?).and_then(|number| u32::try_from(number).ok());
        options.personality = Some(persona.ok_or_else(|| format!("{} is not a personality", value.display()))?);
        Ok(())
    })
    .takes("NUMBER")
    .hidden(),
    Flag::new("tier", |options, value| options.set_tier(text(value)?))
        .takes("eval|jit|emit|auto")
        .help("Interpret, compile or emit everything, or choose by how hot the code is (auto, the default)"),
    Flag::new("emit-threshold", |options, value| {
        options.emit_threshold = Some(parse_runs(value)?);
        Ok(())
    })
    .takes("RUNS")
    .help("Runs of a block before it is translated at all"),
    Flag::new("threshold", |options, value| {
        options.threshold = Some(parse_runs(value)?);
        Ok(())
    })
    .takes("RUNS")
    .help("With auto: runs of a block before the optimising compiler takes it, 1 or more (16000)"),
    Flag::new("stats", |options, _| {
        options.stats = true;
        Ok(())
    })
    .help("Say at the end what translation did and where time went"),
    Flag::new("perfmap", |options, _| {
        options.perf_map = true;
        Ok(())
    })
    .or_variable("QEMU_PERFMAP")
    .help("Name generated code for perf report, in /tmp/perf-PID.map"),
    Flag::new("jitdump", |options, _| {
        options.jit_dump = true;
        Ok(())
    })
    .or_variable("QEMU_JITDUMP")
    .help("Write generated code for perf inject --jit, to jit-PID.dump"),
    Flag::new("inject", |options, value| {
        let failure = backend::Failure::parse(text(value)?);
        options.inject = Some(failure.ok_or_else(|| format!("no failure {}", value.display()))?);
        Ok(())
    })
    .takes("FAILURE")
    .hidden(),
    Flag::new("demo", |options, _| {
        options.demo = true;
        Ok(())
    })
    .help("Run a small AArch64 program that emu carries"),
    Flag::new("cpu", ignored)
        .takes("MODEL")
        .or_variable("QEMU_CPU")
        .help("Ignored: there is one processor, which has all that emu implements"),
    Flag::new("B", ignored)
        .takes("ADDRESS")
        .or_variable("QEMU_GUEST_BASE")
        .help("Ignored: guest addresses are host addresses"),
    Flag::new("R", ignored)
        .takes("BYTES")
        .or_variable("QEMU_RESERVED_VA")
        .help("Ignored: no address space is reserved"),
    Flag::new("g", |_, _| Err("emu has no gdb stub yet".to_owned()))
        .takes("PORT")
        .or_variable("QEMU_GDB")
        .help("Not there yet: wait for gdb on PORT"),
    Flag::new("version", |options, _| {
        options.version = true;
        Ok(())
    })
    .help("Print the version"),
    Flag::new("h", |options, _| {
        options.help = true;
        Ok(())
    })
    .help("Print this help"),
    Flag::new("help", |options, _| {
        options.help = true;
        Ok(())
    })
    .hidden(),
    // What emu tells the emu that it becomes.
    Flag::new("reexec", |options, _| {
        options.reexec = true;
        Ok(())
    })
    .hidden(),
    Flag::new("registered", |options, _| {
        options.registered = true;
        Ok(())
    })
    .hidden(),
    Flag::new("emu-fd", |options, value| {
        options.emu_fd = Some(descriptor(value)?);
        Ok(())
    })
    .takes("FD")
    .hidden(),
    Flag::new("log-fd", |options, value| {
        options.log_fd = Some(descriptor(value)?);
        Ok(())
    })
    .takes("FD")
    .hidden(),
    Flag::new("program-fd", |options, value| {
        options.program_fd = Some((descriptor(value)?, true));
        Ok(())
    })
    .takes("FD")
    .hidden(),
    Flag::new("kept-program-fd", |options, value| {
        options.program_fd = Some((descriptor(value)?, false));
        Ok(())
    })
    .takes("FD")
    .hidden(),
    Flag::new("execfn", |options, value| {
        options.execfn = Some(value.to_owned());
        Ok(())
    })
    .takes("PATH")
    .hidden(),
    Flag::new("comm", |options, value| {
        options.comm = Some(value.to_owned());
        Ok(())
    })
    .takes("NAME")
    .hidden(),
];

/// The name of the flag under which clap collects program and arguments.
const PROGRAM: &str = "program";

/// Reads the command line (without emu's own name) and the variables that `variable` finds, which give way to it.
/// An error is one line.
pub fn parse(arguments: &[OsString], variable: impl Fn(&str) -> Option<OsString>) -> Result<Options, String> {
    let normalised = normalise(arguments)?;
    let mut matches = command()
        .try_get_matches_from(normalised)
        .map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned())?;
    let mut options = Options::default();
    if !matches.get_flag("reexec") {
        for flag in FLAGS {
            if let Some((name, value)) = flag.variable.and_then(|name| Some((name, variable(name)?))) {
                (flag.apply)(&mut options, &value).map_err(|reason| format!("{name}: {reason}"))?;
            }
        }
    }
    for flag in FLAGS {
        let values: Vec<OsString> = if flag.value.is_some() {
            matches.remove_many(flag.name).map(Iterator::collect).unwrap_or_default()
        } else {
            vec![OsString::new(); usize::from(matches.get_flag(flag.name))]
        };
        for value in values {
            (flag.apply)(&mut options, &value).map_err(|reason| format!("{}: {reason}", spelling(flag)))?;
        }
    }
    options.program = matches.remove_many(PROGRAM).map(Iterator::collect).unwrap_or_default();
    Ok(options)
}

/// The text of `-h`.
pub fn help() -> String {
    format!("{}\n", command().render_help().to_string().trim_end())
}

fn spelling(flag: &Flag) -> String {
    // As QEMU and its users write them; emu's own are written with two dashes.
    let dashes = if matches!(
        flag.name,
        "va-bits" | "limit" | "personality" | "tier" | "emit-threshold" | "threshold" | "stats" | "demo"
    ) {
        "--"
    } else {
        "-"
    };
    format!("{dashes}{}", flag.name)
}

/// Gives every option the dashes that clap wants and its value as the next word, and puts `--` before the program.
fn normalise(arguments: &[OsString]) -> Result<Vec<OsString>, String> {
    let mut normalised: Vec<OsString> = vec!["emu".into()];
    let mut rest = arguments.iter();
    let mut program: Option<&OsString> = None;
    while let Some(argument) = rest.next() {
        let bytes = argument.as_bytes();
        if bytes == b"--" {
            break;
        }
        let Some(name) = bytes.strip_prefix(b"--").or_else(|| bytes.strip_prefix(b"-")).filter(|n| !n.is_empty())
        else {
            program = Some(argument);
            break;
        };
        let (name, attached) = match name.iter().position(|&byte| byte == b'=') {
            Some(at) => (&name[..at], Some(OsStr::from_bytes(&name[at + 1..]))),
            None => (name, None),
        };
        let flag = FLAGS.iter().find(|flag| flag.name.as_bytes() == name);
        let flag = flag.ok_or_else(|| format!("unknown option {} (emu -h lists the options)", argument.display()))?;
        normalised.push(flag.canonical().into());
        match (flag.value, attached) {
            (None, None) => {}
            (None, Some(_)) => return Err(format!("{} takes no value", spelling(flag))),
            (Some(_), Some(value)) => normalised.push(value.to_owned()),
            (Some(what), None) => {
                let value = rest.next().ok_or_else(|| format!("{} needs a value: {what}", spelling(flag)))?;
                normalised.push(value.clone());
            }
        }
    }
    normalised.push("--".into());
    normalised.extend(program.into_iter().chain(rest).cloned());
    Ok(normalised)
}

fn command() -> Command {
    let options = FLAGS.iter().map(|flag| {
        let variable = flag.variable.map(|name| format!(" [{name}]")).unwrap_or_default();
        let arg = Arg::new(flag.name).help(format!("{}{variable}", flag.help)).hide(!flag.shown);
        let arg = match flag.letter() {
            Some(letter) => arg.short(letter),
            None => arg.long(flag.name),
        };
        match flag.value {
            Some(value) => arg
                .value_name(value)
                .action(ArgAction::Append)
                .allow_hyphen_values(true)
                .value_parser(OsStringValueParser::new()),
            None => arg.action(ArgAction::SetTrue),
        }
    });
    Command::new("emu")
        .about("Runs AArch64 Linux programs on x86-64 Linux")
        .override_usage("emu [options] PROGRAM [ARGUMENT]...")
        .after_help(
            "emu binfmt: have the kernel start emu for arm64 programs (emu binfmt -h).\n\
             Options may be written with one dash or two. An option on the command line overrides its variable.\n\
             Exit status: the program's; 125 for a wrong command line, 126 if the program cannot be run, 127 if it\n\
             is not found. If a signal kills the program, it kills emu.",
        )
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args_override_self(true)
        .args(options)
        .arg(
            Arg::new(PROGRAM)
                .action(ArgAction::Append)
                .num_args(0..)
                .last(true)
                .hide(true)
                .value_parser(OsStringValueParser::new()),
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Tier;

    fn parse_words(words: &[&str], variables: &[(&str, &str)]) -> Result<Options, String> {
        let arguments: Vec<OsString> = words.iter().map(Into::into).collect();
        parse(&arguments, |name| variables.iter().find(|pair| pair.0 == name).map(|pair| pair.1.into()))
    }

    #[test]
    fn every_row_is_sound() {
        command().debug_assert();
        let text = help();
        for flag in FLAGS.iter().filter(|flag| flag.shown) {
            assert!(text.contains(&format!("{} ", flag.canonical())) && !flag.help.is_empty(), "{}", flag.name);
        }
    }

    #[test]
    fn one_dash_or_two() {
        for words in [["-L", "/sys", "-strace"], ["--L", "/sys", "--strace"]] {
            let options = parse_words(&[&words[..], &["prog"]].concat(), &[]).unwrap();
            assert_eq!(options.sysroot, Some("/sys".into()));
            assert!(options.strace);
            assert_eq!(options.program, ["prog"]);
        }
        let options = parse_words(&["-L=/sys", "--tier=jit", "-cpu", "max", "./p"], &[]).unwrap();
        assert_eq!((options.sysroot, options.tier), (Some("/sys".into()), Tier::Jit));
    }

    #[test]
    fn what_follows_the_program_is_its_own() {
        let options = parse_words(&["-0", "-L", "prog", "-strace", "--", "-L", "x", "--help"], &[]).unwrap();
        assert_eq!(options.argv0, Some("-L".into()));
        assert_eq!(options.program, ["prog", "-strace", "--", "-L", "x", "--help"]);
        assert!(!options.strace && !options.help);
        assert_eq!(parse_words(&["--", "-odd-name", "--"], &[]).unwrap().program, ["-odd-name", "--"]);
        assert_eq!(parse_words(&["-", "x"], &[]).unwrap().program, ["-", "x"]);
        assert_eq!(parse_words(&["p", ""], &[]).unwrap().program, ["p", ""]);
        assert!(parse_words(&[], &[]).unwrap().program.is_empty());
    }

    #[test]
    fn variables_give_way_to_the_command_line() {
        let variables = [("QEMU_LD_PREFIX", "/env"), ("QEMU_SET_ENV", "A=1"), ("QEMU_STRACE", "1")];
        let options = parse_words(&["-E", "B=2", "-E", "C=3", "p"], &variables).unwrap();
        assert_eq!(options.sysroot, Some("/env".into()));
        assert_eq!(options.environment.len(), 3);
        assert!(options.strace);
        let options = parse_words(&["-L", "/line", "p"], &variables).unwrap();
        assert_eq!(options.sysroot, Some("/line".into()));
        let options = parse_words(&["--reexec", "p"], &variables).unwrap();
        assert!(options.sysroot.is_none() && options.environment.is_empty() && !options.strace);
    }

    #[test]
    fn inherited_options_mean_the_same() {
        let words = "-L /sys -s 1M -r 6.1 -seed 7 -d exec,in_asm -D /tmp/log --va-bits 39 --tier=jit --threshold 9 --emit-threshold 3 --stats -strace -E A=1 -U B -0 x";
        let options = parse_words(&words.split(' ').chain(["prog"]).collect::<Vec<_>>(), &[]).unwrap();
        let again = parse(&options.inherited(), |_| None).unwrap();
        assert_eq!(again.inherited(), options.inherited());
        assert!(again.reexec && again.environment.is_empty() && again.argv0.is_none() && again.strace);
        assert_eq!((again.stack_bytes, again.seed, again.tier), (Some(1 << 20), Some(7), Tier::Jit));
        assert_eq!((again.threshold, again.emit_threshold, again.stats), (Some(9), Some(3), true));
        assert_eq!(again.va_bits, ir::VaBits::Bits39);
        assert_eq!((again.log, again.uname_release), (options.log, Some("6.1".to_owned())));
        assert_eq!((again.sysroot, again.log_file), (Some("/sys".into()), Some("/tmp/log".into())));
    }

    #[test]
    fn defaults_are_told() {
        let threshold = FLAGS.iter().find(|flag| flag.name == "threshold").unwrap();
        assert!(threshold.help.ends_with(&format!("({})", backend::Config::default().threshold)));
    }

    #[test]
    fn mistakes_are_one_line() {
        let cases: &[(&[&str], &str)] = &[
            (&["-nonsense", "p"], "unknown option -nonsense (emu -h lists the options)"),
            (&["-L"], "-L needs a value: DIR"),
            (&["-strace=1", "p"], "-strace takes no value"),
            (&["-s", "much", "p"], "-s: much is not a number of bytes"),
            (&["-E", "A", "p"], "-E: A is not VAR=VALUE"),
            (&["--tier", "x", "p"], "--tier: no tier x (there are eval, emit, jit, auto)"),
            (&["--va-bits", "48", "p"], "--va-bits: 48 is none of 39, 42, 42+, 47"),
            (&["--limit", "9=1", "p"], "--limit: 9=1 is not RESOURCE=SOFT:HARD"),
            (&["--threshold", "0", "p"], "--threshold: 0 is not a number of runs"),
            (&["-g", "1234", "p"], "-g: emu has no gdb stub yet"),
        ];
        for (words, expected) in cases {
            assert_eq!(parse_words(words, &[]).unwrap_err(), *expected);
        }
        let error = parse_words(&["p"], &[("QEMU_LOG", "bogus")]).unwrap_err();
        assert!(error.starts_with("QEMU_LOG: no log item bogus"));
    }
}
