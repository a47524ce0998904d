//! Lifters of system instructions, hints, barriers and exceptions.

use crate::args::Undefined;
use ir::{Lifted, Ops, Stop};

/// UDF and unallocated encodings.
#[inline]
pub fn undefined<O: Ops>(ops: &mut O, a: &Undefined) -> Lifted<O> {
    ops.stop(Stop::Undefined, a.word as i32)
}
