//! The guest: its registers ([`CpuState`]), its addresses ([`GuestAddr`]), the vocabulary its instructions are
//! written in ([`Ops`]) and the first implementation of that vocabulary ([`Eval`]: do it now).
//!
//! Also the traits through which the other crates meet: [`Frontend`] (decode and lift), [`GuestMemory`] (map
//! memory), [`Sysroot`] (find files), [`CodeWatcher`] (code has changed); and the order of the locks of all of
//! them ([`lock`]). This crate knows neither instruction encodings, nor Cranelift, nor system calls, nor ELF.

mod addr;
mod cpu;
pub mod eval;
mod footprint;
mod frontend;
mod host;
mod layout;
pub mod lock;
pub mod memory;
mod ops;
mod vcpu;
mod vocabulary;

pub use addr::{GuestAddr, GuestRange, PAGE_BYTES};
pub use cpu::{CpuState, FlagKind, LazyFlags, Nzcv, Stop, StopDetail};
pub use eval::Eval;
pub use footprint::{Footprint, RegSet};
pub use frontend::{Flow, Frontend, LiftFn};
pub use host::{CodeWatcher, Errno, GuestMemory, MapRequest, Prot, Sysroot};
pub use layout::{HOST_END, Layout, STACK_GUARD_BYTES, VaBits, splitmix64};
pub use lock::{Guard, Lock, Rank};
pub use ops::{Access, Lifted, Loaded, Ops, Order, Reg, VReg};
pub use vcpu::{ControlWords, SAFEPOINT_OFFSET, STACK_GUARD_OFFSET, Vcpu, Words};
pub use vocabulary::*;
