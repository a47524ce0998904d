//! `--demo`: the program that emu carries, as a file in memory. Its source and the command that built it are beside it.

use crate::process::memory_file;
use loader::{LoadError, ProgramFile};
use std::io::{self, Write};
use std::path::Path;

/// Built from demo/demo.c by demo/build.sh.
static PROGRAM: &[u8] = include_bytes!("demo/demo.aarch64");

/// What the program is called.
pub const NAME: &str = "demo";

/// The program as a file.
pub fn file() -> Result<ProgramFile, LoadError> {
    let path = Path::new(NAME);
    let write = || -> io::Result<_> {
        let mut file = memory_file(c"emu-demo")?;
        file.write_all(PROGRAM)?;
        Ok(file)
    };
    let file = write().map_err(|error| LoadError::new(path, libc::EIO, crate::report::plain(&error)))?;
    ProgramFile::from_open(path, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_is_a_guest_program() {
        assert!(PROGRAM.len() < 16 << 10);
        assert_eq!(file().unwrap().kind(), Ok(loader::Kind::Guest));
    }
}
