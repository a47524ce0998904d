//! Arguments of loads and stores.
