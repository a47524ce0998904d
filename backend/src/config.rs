//! What the engine is told, and what it tells about itself.

use crate::{counts, helpers};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

/// Which tiers run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Tier {
    /// Tier 0 only: everything is interpreted.
    Eval,
    /// The emitter only: every block is emitted on first sight.
    Emit,
    /// The optimising tier only: everything is compiled on first sight.
    Jit,
    /// Each block in the cheapest tier for the number of its runs.
    #[default]
    Auto,
}

/// What to log (`-d`), and where.
#[derive(Clone)]
pub struct Log {
    /// Guest instructions of every block decoded.
    pub in_asm: bool,
    /// CLIF of every region compiled.
    pub clif: bool,
    /// Host instructions of every region compiled.
    pub out_asm: bool,
    /// Every block or region entered from the dispatcher.
    pub exec: bool,
    /// Where it goes.
    pub sink: Arc<Mutex<Box<dyn Write + Send>>>,
}

impl Log {
    /// Logs nothing.
    #[must_use]
    pub fn none() -> Self {
        let sink: Box<dyn Write + Send> = Box::new(std::io::sink());
        Self { in_asm: false, clif: false, out_asm: false, exec: false, sink: Arc::new(Mutex::new(sink)) }
    }

    pub(crate) fn write(&self, text: std::fmt::Arguments<'_>) {
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        // A full disk or a closed pipe must not stop the guest.
        let _ = sink.write_fmt(text);
    }
}

/// Settings of an [`Engine`](crate::Engine).
#[derive(Clone)]
pub struct Config {
    /// Which tiers run.
    pub tier: Tier,
    /// Runs of a block in tier 0 before it is emitted.
    pub emit_threshold: u32,
    /// Runs of a block before the optimising tier takes it.
    pub threshold: u32,
    /// Most instructions of a region.
    pub region_insns: usize,
    /// Size of the code cache in bytes. When it is full everything in it is forgotten.
    pub code_bytes: usize,
    /// Whether generated code counts what it does, for [`Stats`].
    pub count: bool,
    /// What profilers are told.
    pub profile: Profile,
    /// What to log.
    pub log: Log,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            tier: Tier::Auto,
            emit_threshold: 4,
            threshold: 16_000,
            region_insns: 200,
            code_bytes: 128 << 20,
            count: false,
            profile: Profile::default(),
            log: Log::none(),
        }
    }
}

/// What `perf` is told of generated code.
#[derive(Clone, Copy, Default, Debug)]
pub struct Profile {
    /// Write /tmp/perf-PID.map.
    pub map: bool,
    /// Write jit-PID.dump into the current directory.
    pub dump: bool,
}

/// What has been done so far, by all threads.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Blocks decoded.
    pub blocks: u64,
    /// Instructions decoded.
    pub decoded_insns: u64,
    /// Blocks emitted.
    pub emitted: u64,
    /// Guest instructions in them.
    pub emitted_insns: u64,
    /// Bytes of their host code.
    pub emitted_bytes: u64,
    /// Time spent emitting them, in nanoseconds; 0 without [`Config::count`].
    pub emit_ns: u64,
    /// Blocks that the emitter refused.
    pub refused: u64,
    /// Regions compiled.
    pub regions: u64,
    /// Guest instructions in them.
    pub region_insns: u64,
    /// Bytes of their host code.
    pub region_bytes: u64,
    /// Time spent compiling them, in nanoseconds.
    pub compile_ns: u64,
    /// Regions compiled again with more blocks.
    pub grown: u64,
    /// How often the code cache was full and emptied.
    pub flushes: u64,
    /// How often the guest changed code that had been translated.
    pub invalidations: u64,
    /// Bytes in use of the code cache.
    pub cache_bytes: u64,
    /// What threads counted (`counts`).
    pub(crate) counts: Vec<u64>,
}

impl Stats {
    fn count(&self, index: usize) -> u64 {
        self.counts.get(index).copied().unwrap_or(0)
    }

    /// One line for each fact, name and value. Counts of helper calls and of instructions in generated code are there
    /// only with [`Config::count`].
    #[must_use]
    pub fn lines(&self) -> Vec<(String, String)> {
        let milliseconds = |ns: u64| format!("{:.1} ms", ns as f64 / 1e6);
        let run = self.count(counts::RUN_NS);
        let (code, waited) = (self.count(counts::CODE_NS), self.count(counts::TRANSLATE_NS));
        let mut lines: Vec<(String, String)> = [
            ("blocks decoded", format!("{} ({} instructions)", self.blocks, self.decoded_insns)),
            (
                "blocks emitted",
                format!(
                    "{} ({} instructions, {} bytes, {}; {} refused)",
                    self.emitted,
                    self.emitted_insns,
                    self.emitted_bytes,
                    milliseconds(self.emit_ns),
                    self.refused
                ),
            ),
            (
                "regions compiled",
                format!(
                    "{} ({} instructions, {} bytes, {})",
                    self.regions,
                    self.region_insns,
                    self.region_bytes,
                    milliseconds(self.compile_ns)
                ),
            ),
            ("regions grown", self.grown.to_string()),
            ("code cache", format!("{} bytes, emptied {} times", self.cache_bytes, self.flushes)),
            ("code changed by the guest", format!("{} times", self.invalidations)),
            (
                "run in tier 0",
                format!(
                    "{} instructions, {} blocks, {}",
                    self.count(counts::TIER0_INSNS),
                    self.count(counts::TIER0_BLOCKS),
                    milliseconds(run.saturating_sub(code + waited))
                ),
            ),
            ("run in emitted blocks", format!("{} instructions", self.count(counts::EMITTED_INSNS))),
            ("run in regions", format!("{} instructions", self.count(counts::REGION_INSNS))),
            ("in generated code", milliseconds(code)),
            ("waited for translation", milliseconds(waited)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        for (index, name) in counts::EXITS.iter().enumerate() {
            let times = self.count(counts::FIRST_EXIT + index);
            if times != 0 {
                lines.push((format!("left code: {name}"), times.to_string()));
            }
        }
        let helpers = self.counts.get(counts::FIRST_HELPER..).unwrap_or_default().iter().enumerate();
        let mut called: Vec<_> = helpers.filter(|&(_, &times)| times != 0).collect();
        called.sort_by_key(|&(_, &times)| std::cmp::Reverse(times));
        for (index, times) in called {
            let name = helpers::name_of(index / counts::OPS, (index % counts::OPS) as u8);
            lines.push((format!("helper {name}"), times.to_string()));
        }
        lines
    }
}
