//! The `emu` binary: parses the command line, wires the crates together, runs the guest.
fn main() {}
