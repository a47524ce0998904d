//! What the engine is told, and what it tells about itself.

use crate::{counts, helpers};
use ir::CpuState;
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

/// Where regions hold registers instead of storing them at checkpoints (`builder/held.rs`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Holding {
    /// Where it pays.
    #[default]
    Usual,
    /// Everywhere.
    Always,
    /// Nowhere: all that is held is lost, and the region compiled again.
    Never,
}

/// Extensions of the host that code may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extensions {
    /// AVX.
    pub avx: bool,
    /// FMA, which needs AVX.
    pub fma: bool,
    /// BMI1: ANDN.
    pub bmi1: bool,
    /// BMI2: shifts that leave the flags.
    pub bmi2: bool,
    /// LZCNT.
    pub lzcnt: bool,
}

impl Extensions {
    /// None: what every x86-64 processor has.
    pub const NONE: Self = Self { avx: false, fma: false, bmi1: false, bmi2: false, lzcnt: false };

    /// Those of this processor.
    #[must_use]
    pub fn detected() -> Self {
        let avx = std::arch::is_x86_feature_detected!("avx");
        Self {
            avx,
            fma: std::arch::is_x86_feature_detected!("fma") && avx,
            bmi1: std::arch::is_x86_feature_detected!("bmi1"),
            bmi2: std::arch::is_x86_feature_detected!("bmi2"),
            lzcnt: std::arch::is_x86_feature_detected!("lzcnt"),
        }
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
    /// Most instructions of a region, unless much time goes by there.
    pub region_insns: usize,
    /// Most instructions of a function that is taken into its caller's region, unless much time goes by there.
    pub callee_insns: usize,
    /// Size of the code cache in bytes. When it is full everything in it is forgotten.
    pub code_bytes: usize,
    /// Whether generated code counts what it does, for [`Stats`].
    pub count: bool,
    /// Where regions hold registers instead of storing them: other than usual is for tests.
    pub holding: Holding,
    /// What emitted blocks use of the host: less than it has is for tests.
    pub emitted_uses: Extensions,
    /// What profilers are told.
    pub profile: Profile,
    /// What to log.
    pub log: Log,
    /// Performs the system call that the thread has stopped at, if it is one that is asked very often and takes nothing
    /// but the registers; says whether it has. It runs with the guest's floating-point environment.
    pub answers: Option<fn(&mut CpuState) -> bool>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            tier: Tier::Auto,
            emit_threshold: 2,
            threshold: 16_000,
            region_insns: 200,
            callee_insns: 40,
            code_bytes: 128 << 20,
            count: false,
            holding: Holding::Usual,
            emitted_uses: Extensions::detected(),
            profile: Profile::default(),
            log: Log::none(),
            answers: None,
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
    /// Regions that the compiler refused, or failed at: they stay in the tier below.
    pub refused_regions: u64,
    /// Regions compiled again with more blocks.
    pub grown: u64,
    /// Regions compiled again with wider limits, and holding more registers.
    pub widened: u64,
    /// How often the code cache was full and emptied.
    pub flushes: u64,
    /// Blocks that were the same again after the guest had said that it has changed them.
    pub revived: u64,
    /// Regions that could be used again because all their blocks were the same again.
    pub restored: u64,
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

    /// One line for each fact, name and value. Parts of a sum follow it, indented. Counts of helper calls and of
    /// instructions in generated code are there only with [`Config::count`].
    #[must_use]
    pub fn lines(&self) -> Vec<(String, String)> {
        let mut lines = self.run_lines();
        lines.extend(self.time_lines());
        lines.extend(self.translation_lines());
        lines.extend(self.exit_lines());
        lines.extend(self.helper_lines());
        lines
    }

    fn run_lines(&self) -> Vec<(String, String)> {
        let counted = [counts::TIER0_INSNS, counts::EMITTED_INSNS, counts::REGION_INSNS].map(|index| self.count(index));
        let all = counted.iter().sum();
        let [tier0, emitted, regions] = counted.map(|insns| part(insns, all, grouped));
        let blocks = grouped(self.count(counts::TIER0_BLOCKS));
        vec![
            line("instructions run", format!("{:>NUMBER_WIDTH$}", grouped(all))),
            line("  in tier 0 (interpreted)", format!("{tier0}, in {blocks} blocks")),
            line("  in emitted blocks", emitted),
            line("  in compiled regions", regions),
        ]
    }

    fn time_lines(&self) -> Vec<(String, String)> {
        let all = self.count(counts::RUN_NS);
        let (code, waited) = (self.count(counts::CODE_NS), self.count(counts::TRANSLATE_NS));
        vec![
            line("time in guest code, all threads", format!("{:>NUMBER_WIDTH$}", milliseconds(all))),
            line("  in emitted blocks and regions", part(code, all, milliseconds)),
            line("  waiting for translation", part(waited, all, milliseconds)),
            line("  decoding, tier 0 and dispatching", part(all.saturating_sub(code + waited), all, milliseconds)),
        ]
    }

    fn translation_lines(&self) -> Vec<(String, String)> {
        let made = |number: u64, what: &str, insns: u64, bytes: u64, ns: u64| {
            let (number, insns, bytes) = (grouped(number), grouped(insns), grouped(bytes));
            format!("{number:>NUMBER_WIDTH$} {what}: {insns} instructions, {bytes} bytes of code, {}", milliseconds(ns))
        };
        let decoded = (grouped(self.blocks), grouped(self.decoded_insns));
        let emitted = made(self.emitted, "blocks", self.emitted_insns, self.emitted_bytes, self.emit_ns);
        let compiled = made(self.regions, "regions", self.region_insns, self.region_bytes, self.compile_ns);
        let again = (grouped(self.grown), grouped(self.widened), grouped(self.refused_regions));
        let used = grouped(self.cache_bytes);
        let same = format!("{} blocks, {} regions were the same again", grouped(self.revived), grouped(self.restored));
        vec![
            line("decoded", format!("{:>NUMBER_WIDTH$} blocks: {} instructions", decoded.0, decoded.1)),
            line("emitted", format!("{emitted}; {} refused", grouped(self.refused))),
            line("compiled", format!("{compiled}; {} to grow, {} wider, {} refused", again.0, again.1, again.2)),
            line("code cache", format!("{used:>NUMBER_WIDTH$} bytes used, emptied {} times", grouped(self.flushes))),
            line("code changed by the guest", format!("{:>NUMBER_WIDTH$} times; {same}", grouped(self.invalidations))),
        ]
    }

    fn exit_lines(&self) -> Vec<(String, String)> {
        let left: Vec<u64> = (0..counts::EXITS.len()).map(|index| self.count(counts::FIRST_EXIT + index)).collect();
        let all = left.iter().sum();
        let mut lines = vec![line("generated code left", format!("{:>NUMBER_WIDTH$} times", grouped(all)))];
        let reasons = counts::EXITS.iter().zip(left).filter(|&(_, times)| times != 0);
        lines.extend(reasons.map(|(name, times)| line(&format!("  {name}"), part(times, all, grouped))));
        lines
    }

    /// Registers that faults found where generated code had held them, instead of in memory.
    #[must_use]
    pub fn recovered(&self) -> u64 {
        self.count(counts::RECOVERED)
    }

    fn helper_lines(&self) -> Vec<(String, String)> {
        let helpers = self.counts.get(counts::FIRST_HELPER..).unwrap_or_default().iter().enumerate();
        let mut called: Vec<_> = helpers.filter(|&(_, &times)| times != 0).collect();
        called.sort_by_key(|&(_, &times)| std::cmp::Reverse(times));
        let all = called.iter().map(|&(_, &times)| times).sum();
        let mut lines = vec![line("helpers called", format!("{:>NUMBER_WIDTH$} times", grouped(all)))];
        lines.extend(called.into_iter().map(|(index, &times)| {
            let name = helpers::name_of(index / counts::OPS, (index % counts::OPS) as u8);
            line(&format!("  {name}"), part(times, all, grouped))
        }));
        lines
    }
}

/// Numbers end in this column, so that they stand under each other.
const NUMBER_WIDTH: usize = 16;

fn line(name: &str, value: String) -> (String, String) {
    (name.to_owned(), value)
}

/// A part of a sum, shown by `show`, and its share.
fn part(n: u64, all: u64, show: impl Fn(u64) -> String) -> String {
    let share = if all == 0 { 0.0 } else { n as f64 * 100.0 / all as f64 };
    format!("{:>NUMBER_WIDTH$} {share:>5.1} %", show(n))
}

fn milliseconds(ns: u64) -> String {
    format!("{:.1} ms", ns as f64 / 1e6)
}

/// A number with a comma every three digits.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index != 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_shares_are_of_the_sum() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(part(1, 8, grouped), "               1  12.5 %");
        assert_eq!(part(0, 0, grouped), "               0   0.0 %");
    }
}
