//! Arguments of exclusive, ordered and atomic accesses.
