//! The Linux personality: the guest's system calls ([`Thread::syscall`]), its address space ([`AddressSpace`]) and
//! what the kernel would remember of it ([`Process`], [`Thread`]). A guest address is a host address, and both
//! sides share the asm-generic structures, so most calls go to the host kernel as they are; `table.rs` says which.
//!
//! The kernel's structures and constants come from libc and, where that lacks one, from linux-raw-sys. Both have those of
//! the architecture that they are compiled for and of no other, so where AArch64's differ they are our own.
//!
//! This crate knows neither instructions, nor the code cache (it tells an [`ir::CodeWatcher`]), nor ELF.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod address_space;
#[cfg(test)]
mod call_tests;
mod cores;
mod descriptors;
mod exec;
mod files;
mod flags;
mod fork;
mod gaps;
mod growth;
mod host;
#[cfg(test)]
mod hostile_tests;
mod identity;
mod ipc;
mod libc_fork;
mod limits;
mod locking;
mod mapping;
mod memory;
mod namespaces;
mod nested_tags;
mod new_program;
mod paths;
mod persona;
mod placement;
mod poll;
mod process;
mod regions;
mod remap;
mod rows;
mod segments;
mod share;
mod signals;
mod stat;
mod strace;
mod sysroot;
mod table;
mod tags;
#[cfg(test)]
mod testing;
mod thread;
mod time;
mod user;

pub use address_space::AddressSpace;
pub use cores::Mapped;
pub use descriptors::{FIRST_OWN_DESCRIPTOR, with_spare_descriptors};
pub use exec::{ProgramKind, Programs, Reexec, SCRIPT_DEPTH};
pub use limits::Limit;
pub use process::{After, Config, ForkHooks, Process, Thread};
pub use share::NewProcess;
pub use signals::{Delivery, Fault, ignored_signals, interrupt, on_signal};
pub use sysroot::Sysroot;
pub use table::{Arg, Row, Support, by_name, by_number, rows};
pub use thread::{NewThread, ThreadHost};
pub use time::answer;
