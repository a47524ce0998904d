//! For this crate's tests: a guest thread without a guest, whose system calls are made by name.

use crate::{AddressSpace, After, Config, Process, Thread, by_name};
use ir::{CodeWatcher, CpuState, GuestRange, Lock, Rank};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

/// Remembers what it is told. Its lock stands where the engine's does, which is told in earnest.
pub(crate) struct Recorder(pub Lock<Vec<GuestRange>>);

impl Default for Recorder {
    fn default() -> Self {
        Self(Lock::new(Rank::Code, Vec::new()))
    }
}

impl CodeWatcher for Recorder {
    fn code_changed(&self, range: GuestRange) {
        self.0.lock().push(range);
    }
}

/// A thread to call with.
pub(crate) struct Guest {
    pub thread: Thread,
    pub cpu: CpuState,
}

impl Guest {
    pub fn new(config: Config) -> Self {
        ir::memory::install_handler();
        let process = Process::new(config, Arc::new(Recorder::default()));
        Self { thread: Thread::new(process), cpu: CpuState::new() }
    }

    /// X0 after the call `name`.
    pub fn call(&mut self, name: &str, args: &[u64]) -> i64 {
        let (result, after) = self.call_after(name, args);
        assert_eq!(after, After::Continue);
        result
    }

    pub fn call_after(&mut self, name: &str, args: &[u64]) -> (i64, After) {
        self.cpu.x[..6].fill(0);
        self.cpu.x[..args.len()].copy_from_slice(args);
        self.cpu.x[8] = u64::from(by_name(name).unwrap().number);
        let after = self.thread.syscall(&mut self.cpu);
        (self.cpu.x[0] as i64, after)
    }
}

/// The parts of `range` that are the guest's, and whether that is all of it.
pub(crate) fn guest_parts(space: &AddressSpace, range: GuestRange) -> (Vec<GuestRange>, bool) {
    let mut parts = Vec::new();
    let note = |part| {
        parts.push(part);
        Ok(0)
    };
    let whole = space.on_guest_parts(range, note).unwrap();
    (parts, whole)
}

/// -errno, as system calls give it.
pub(crate) const fn failed(errno: i32) -> i64 {
    -(errno as i64)
}

/// The address of a value of ours, as the guest would pass it.
pub(crate) fn at<T: ?Sized>(value: &mut T) -> u64 {
    std::ptr::from_mut(value).cast::<u8>() as u64
}

/// A string as C has it.
pub(crate) fn c(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// AT_FDCWD as an argument.
pub(crate) const AT_FDCWD: u64 = -100i64 as u64;

/// A directory for one test, removed at the end.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("emu-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, rest: &str) -> String {
        self.0.join(rest).to_str().unwrap().to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
