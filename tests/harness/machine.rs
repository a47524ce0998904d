//! An engine with one thread, for instructions without a program around them.

use backend::{Config, Engine, Extensions, Thread, Tier};
use frontend::A64;
use ir::GuestRange;
use std::sync::Arc;

/// One tier with its engine.
pub struct Machine {
    pub name: &'static str,
    pub engine: Arc<Engine<A64>>,
    pub thread: Thread<A64>,
}

impl Machine {
    /// Guest code is in `code` and nowhere else.
    pub fn new(name: &'static str, config: Config, code: GuestRange) -> Self {
        let engine = Engine::new(config, Arc::new(move |pc| code.contains(pc)));
        let thread = Thread::new(&engine).expect("memory for the lookup table");
        Self { name, engine, thread }
    }

    /// Tier 0.
    pub fn eval(code: GuestRange) -> Self {
        Self::new("eval", Config { tier: Tier::Eval, ..Config::default() }, code)
    }

    /// Both compilers, and tier 1's code for a host without extensions.
    pub fn compiled(code: GuestRange) -> [Self; 3] {
        let jit = Config { tier: Tier::Jit, ..Config::default() };
        let emit = Config { tier: Tier::Emit, ..Config::default() };
        let plain = Config { emitted_uses: Extensions::NONE, ..emit.clone() };
        [Self::new("jit", jit, code), Self::new("emit", emit, code), Self::new("emit without extensions", plain, code)]
    }
}
