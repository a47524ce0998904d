//! Exclusive, ordered and atomic accesses.

use super::instruction_class;

instruction_class! { Atomics;
}
