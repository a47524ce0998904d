//! Arguments of Advanced SIMD instructions.
