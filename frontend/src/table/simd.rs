//! Advanced SIMD.

use super::instruction_class;

instruction_class! { Simd;
}
