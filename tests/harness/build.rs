//! Compiles guest programs for arm64 and for the host into `tests/.build`, once per content. Knows the compilers;
//! must not know emu.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use super::child::{End, run};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Link {
    Static,
    StaticPie,
    Dynamic,
}

/// A guest program: a file of `directory`, which is `tests/guest` or the like, and the flags that it needs beside the
/// usual ones.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    pub directory: &'static str,
    pub file: &'static str,
    pub both: &'static [&'static str],
    pub arm64: &'static [&'static str],
    pub host: &'static [&'static str],
}

impl Source {
    pub const fn new(file: &'static str) -> Source {
        Source { directory: "tests/guest", file, both: &[], arm64: &[], host: &[] }
    }

    /// A kernel of the bench.
    pub const fn kernel(file: &'static str) -> Source {
        Source { directory: "bench/kernels", ..Source::new(file) }
    }

    pub const fn both(self, flags: &'static [&'static str]) -> Source {
        Source { both: flags, ..self }
    }

    pub const fn arm64(self, flags: &'static [&'static str]) -> Source {
        Source { arm64: flags, ..self }
    }

    pub const fn host(self, flags: &'static [&'static str]) -> Source {
        Source { host: flags, ..self }
    }

    pub fn path(&self) -> PathBuf {
        super::root().join(self.directory).join(self.file)
    }

    pub fn for_arm64(&self, link: Link) -> PathBuf {
        compile(self, "aarch64-linux-gnu-", self.arm64, link)
    }

    pub fn for_host(&self, link: Link) -> PathBuf {
        compile(self, "", self.host, link)
    }
}

pub fn directory() -> PathBuf {
    super::root().join("tests/.build")
}

fn compile(source: &Source, prefix: &str, flags: &[&str], link: Link) -> PathBuf {
    let compiler = format!("{prefix}{}", if source.file.ends_with(".c") { "gcc" } else { "g++" });
    // Contraction off: where the host has no fma by default and arm64 has, the same C would round differently.
    let mut arguments = vec!["-O2", "-g", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off", "-pthread"];
    match link {
        Link::Static => arguments.push("-static"),
        Link::StaticPie => arguments.push("-static-pie"),
        Link::Dynamic => {}
    }
    arguments.extend(source.both);
    arguments.extend(flags);

    let path = source.path();
    let output = directory().join(name(&path, &compiler, &arguments));
    // One lock per output: two tests that want the same program wait for one compiler, others go on.
    static LOCKS: OnceLock<Mutex<HashMap<PathBuf, Arc<Mutex<()>>>>> = OnceLock::new();
    let lock = {
        let mut locks = LOCKS.get_or_init(Mutex::default).lock().unwrap_or_else(|poison| poison.into_inner());
        locks.entry(output.clone()).or_default().clone()
    };
    let _guard = lock.lock().unwrap_or_else(|poison| poison.into_inner());
    if !output.exists() {
        std::fs::create_dir_all(directory()).expect("tests/.build can be made");
        // Compiled aside and renamed, so that an interrupted compiler leaves no half program behind.
        let aside = output.with_extension(format!("{}.tmp", std::process::id()));
        let mut command = Command::new(&compiler);
        command.args(&arguments).arg(&path).arg("-o").arg(&aside).arg("-lm");
        let outcome = run(&mut command, Duration::from_secs(120));
        assert!(outcome.status == End::Exited(0), "{command:?}\n{}", outcome.stderr_text());
        std::fs::rename(&aside, &output).expect("the program can be renamed");
    }
    output
}

/// Names the program after everything that decides its content.
fn name(path: &Path, compiler: &str, arguments: &[&str]) -> String {
    let mut hasher = DefaultHasher::new();
    for part in [path.to_owned()].into_iter().chain(headers(path)) {
        std::fs::read(&part).unwrap_or_else(|error| panic!("{}: {error}", part.display())).hash(&mut hasher);
    }
    arguments.hash(&mut hasher);
    version(compiler).hash(&mut hasher);
    let stem = path.file_stem().expect("a source has a name").to_string_lossy();
    let machine = if compiler.starts_with("aarch64") { "arm64" } else { "host" };
    format!("{stem}-{machine}-{:016x}", hasher.finish())
}

/// The headers beside a source, whether it includes them or not.
fn headers(source: &Path) -> Vec<PathBuf> {
    let directory = source.parent().expect("a source is in a directory");
    let entries = std::fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "h"))
        .collect();
    found.sort();
    found
}

fn version(compiler: &str) -> String {
    static VERSIONS: OnceLock<Mutex<HashMap<String, String>>> = OnceLock::new();
    let mut versions = VERSIONS.get_or_init(Mutex::default).lock().unwrap_or_else(|poison| poison.into_inner());
    versions
        .entry(compiler.to_owned())
        .or_insert_with(|| run(Command::new(compiler).arg("--version"), Duration::from_secs(20)).stdout_text())
        .clone()
}
