//! Runs guest code: tier 0 interprets decoded blocks with `ir::Eval`, tier 1 emits single blocks in one pass, and tier 2
//! compiles hot regions with Cranelift; the code of both is in the code cache. Also what must
//! go with that: links between regions, the dispatcher, invalidation, and the way from a host fault to the guest's. Knows neither A64 encodings (it takes an `ir::Frontend`) nor system calls.

mod block;
mod bug;
mod builder;
mod cache;
mod checkpoint;
mod code;
mod compile;
mod config;
mod counts;
mod emitter;
mod engine;
mod flag_source;
mod frame;
mod helpers;
mod host_stack;
mod inject;
mod lane_shifts;
mod layout;
mod location;
mod lookup;
mod mode;
mod near;
mod object;
mod own_memory;
mod peephole;
mod profile;
mod provider;
mod recovery;
mod region;
mod seat;
mod slot;
mod stats;
mod thread;
mod tier0;
mod trampoline;
mod worker;

pub use bug::report_bugs;
pub use config::{Config, Extensions, Holding, Log, Profile, Tier};
pub use engine::Engine;
pub use host_stack::HostStack;
pub use inject::{Failure, inject};
pub use stats::Stats;
pub use thread::Thread;
pub use trampoline::{SentHandler, on_sent_signal};
