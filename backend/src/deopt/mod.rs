//! From a host PC in generated code back to the guest's state. It must not know how code is built.

pub mod location;
pub mod source;
pub mod value;
