//! Scalar floating point.

use super::instruction_class;

instruction_class! { Fp;
}
