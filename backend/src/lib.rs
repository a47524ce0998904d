//! Runs guest code: tier 0 interprets decoded blocks with `ir::Eval`, tier 1 emits single blocks in one pass, and tier 2
//! compiles hot regions with Cranelift; the code of both is in the code cache. Also what must go with that: links
//! between regions, the dispatcher, invalidation, and the way from a host fault to the guest's. Knows neither A64
//! encodings (it takes an `ir::Frontend`) nor system calls.

mod abi;
mod baseline;
mod block;
mod bug;
mod codecache;
mod config;
mod deopt;
mod engine;
mod inject;
mod interp;
mod lower;
mod optimizing;
mod own_memory;

pub use abi::stats::Stats;
pub use abi::trampoline::{SentHandler, on_sent_signal};
pub use bug::report_bugs;
pub use config::{Config, Extensions, Holding, Log, Profile, Tier};
pub use engine::Engine;
pub use engine::dispatcher::Thread;
pub use engine::host_stack::HostStack;
pub use inject::{Failure, inject};
