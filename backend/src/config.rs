//! What the engine is told.

use ir::{CpuState, Lock, Rank};
use std::io::Write;
use std::sync::Arc;

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
    pub sink: Arc<Lock<Box<dyn Write + Send>>>,
}

impl Log {
    /// Logs nothing.
    #[must_use]
    pub fn none() -> Self {
        let sink: Box<dyn Write + Send> = Box::new(std::io::sink());
        Self { in_asm: false, clif: false, out_asm: false, exec: false, sink: Arc::new(Lock::new(Rank::Log, sink)) }
    }

    pub(crate) fn write(&self, text: std::fmt::Arguments<'_>) {
        // A full disk or a closed pipe must not stop the guest.
        let _ = self.sink.lock().write_fmt(text);
    }
}

/// Where regions hold registers instead of storing them at checkpoints (`optimizing/clif/held.rs`).
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
    /// Whether generated code counts what it does, for [`Stats`](crate::Stats).
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
