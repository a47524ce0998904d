//! Advanced SIMD structure loads and stores.

use super::instruction_class;

instruction_class! { SimdLoadStore;
}
