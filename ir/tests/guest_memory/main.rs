//! Guest memory as `ir::memory` and `Eval` reach it: accesses at and across the end of what is mapped, and the
//! exclusive monitor.

#![allow(clippy::unwrap_used)] // a test may panic

mod boundary;
mod exclusive;
mod pages;
