//! Loads and stores.

use super::instruction_class;

instruction_class! { LoadStore;
}
