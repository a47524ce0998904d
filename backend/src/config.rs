//! What the engine is told, and what it tells about itself.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

/// Which tiers run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Tier {
    /// Tier 0 only: everything is interpreted.
    Eval,
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
    /// Runs of a block before the optimising tier takes it.
    pub threshold: u32,
    /// Most instructions of a region.
    pub region_insns: usize,
    /// Size of the code cache in bytes. When it is full everything in it is forgotten.
    pub code_bytes: usize,
    /// What to log.
    pub log: Log,
}

impl Default for Config {
    fn default() -> Self {
        Self { tier: Tier::Auto, threshold: 500, region_insns: 200, code_bytes: 128 << 20, log: Log::none() }
    }
}

/// What has been done so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    /// Blocks decoded.
    pub blocks: u64,
    /// Instructions decoded.
    pub decoded_insns: u64,
    /// Regions compiled.
    pub regions: u64,
    /// Guest instructions compiled.
    pub compiled_insns: u64,
    /// Bytes of host code.
    pub code_bytes: u64,
    /// Time spent compiling, in nanoseconds.
    pub compile_ns: u64,
    /// Regions compiled again with more blocks.
    pub grown: u64,
    /// How often the code cache was full and emptied.
    pub flushes: u64,
    /// How often the guest changed code that had been translated.
    pub invalidations: u64,
}
