//! What the engine tells about itself (`--stats`).

use crate::abi::counts;
use crate::abi::helpers;

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
    pub extended: u64,
    /// Regions compiled again with wider limits, and holding more registers.
    pub widened: u64,
    /// How often the code cache was full and emptied.
    pub flushes: u64,
    /// Blocks that were the same again after the guest had said that it has changed them.
    pub revalidated: u64,
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
        let again = (grouped(self.extended), grouped(self.widened), grouped(self.refused_regions));
        let used = grouped(self.cache_bytes);
        let same =
            format!("{} blocks, {} regions were the same again", grouped(self.revalidated), grouped(self.restored));
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
