//! What one guest thread counts while it runs, for `--stats`. Generated code adds to it too, when
//! [`crate::Config::stats`] is set.

use crate::abi::helpers;
use crate::abi::layout;
use std::sync::atomic::{AtomicU64, Ordering};

/// Names of the ways out of generated code, in the order of their counters.
pub const EXITS: [&str; 12] = [
    "target not translated yet",
    "computed target not in the table",
    "safepoint, or host stack used up",
    "fault",
    "block became hot",
    "stop",
    "system call",
    "undefined instruction",
    "breakpoint",
    "misaligned access",
    "code changed",
    "stop at a safepoint",
];
/// Counters of a helper: one for each operation it performs.
pub const OPS: usize = 256;

/// Guest instructions run in emitted blocks.
pub const EMITTED_INSNS: usize = 0;
/// Guest instructions run in regions.
pub const REGION_INSNS: usize = 1;
/// Blocks run in tier 0.
pub const TIER0_BLOCKS: usize = 2;
/// Guest instructions run in tier 0.
pub const TIER0_INSNS: usize = 3;
/// Time in `Thread::run`, in nanoseconds.
pub const RUN_NS: usize = 4;
/// Time in generated code, in nanoseconds.
pub const CODE_NS: usize = 5;
/// Time that the thread waited for code, in nanoseconds.
pub const TRANSLATE_NS: usize = 6;
/// Registers that faults found where generated code had held them.
pub const RECOVERED: usize = 7;
/// The first of the exits.
pub const FIRST_EXIT: usize = 8;
/// The first of the helpers, each [`OPS`] apart.
pub const FIRST_HELPER: usize = FIRST_EXIT + EXITS.len();
const ALL: usize = FIRST_HELPER + OPS * helpers::COUNT;

/// The counters. Only the thread itself writes them; others read.
#[derive(Debug)]
pub struct Counts(Box<[AtomicU64]>);

impl Counts {
    /// Counters; those of helpers only if they are `wanted`, since they are many.
    pub fn new(wanted: bool) -> Self {
        Self((0..if wanted { ALL } else { FIRST_HELPER }).map(|_| AtomicU64::new(0)).collect())
    }

    /// Where generated code finds them.
    pub fn address(&self) -> u64 {
        self.0.as_ptr() as u64
    }

    /// Adds to a counter. Only from the thread that owns them.
    pub fn add(&self, index: usize, n: u64) {
        // Nobody else writes, so no locked instruction is needed.
        let counter = &self.0[index];
        counter.store(counter.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Counts a way out of generated code.
    pub fn left(&self, exit: u64) {
        let first_stop = 5;
        let index = if exit & layout::EXIT_STOP != 0 { first_stop + (exit & 0xff) - 1 } else { exit };
        if (index as usize) < EXITS.len() {
            self.add(FIRST_EXIT + index as usize, 1);
        }
    }

    /// Adds them to a sum.
    pub fn add_to(&self, sum: &mut Vec<u64>) {
        if sum.len() < self.0.len() {
            sum.resize(self.0.len(), 0);
        }
        for (total, counter) in sum.iter_mut().zip(&*self.0) {
            *total += counter.load(Ordering::Relaxed);
        }
    }
}
