//! Arguments of scalar floating-point instructions.
