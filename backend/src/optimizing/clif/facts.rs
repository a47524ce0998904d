//! What is known of CLIF values, beside what their definitions say. A value never changes, so what is here once is true
//! wherever the value can be used and is never forgotten. Knows nothing of guest registers.

use super::conditions::Compound;
use super::folds::Fold;
use cranelift_codegen::ir::Value;
use std::collections::HashMap;

/// By value.
#[derive(Default)]
pub(super) struct Facts {
    /// Vectors that are zero from some bit on.
    pub low_bits: HashMap<Value, u32>,
    /// Numbers that vectors have been made of.
    pub scalars: HashMap<Value, Value>,
    /// Vectors that others have been folded into.
    pub folds: HashMap<Value, Fold>,
    /// Integers whose bits have been reversed, by the result.
    pub reversals: HashMap<Value, Value>,
    /// Whether values are constants, as far as asked.
    pub constants: HashMap<Value, bool>,
    /// Conditions made of two.
    pub compounds: HashMap<Value, Compound>,
}
