//! `emu [options] program [arguments]`: reads the command line, finds out what the program is, and wires loader, system
//! calls and translator together to run it. The parts themselves are in the other crates.
//!
//! There is no Rust `main`: before it, Rust's runtime opens /dev/null for closed standard descriptors, ignores SIGPIPE
//! and installs handlers for SIGSEGV and SIGBUS, all of which the guest would see. Unsafe because C's `main` gets
//! pointers.
#![cfg_attr(not(test), no_main)]
#![allow(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod demo;
mod fault;
mod flags;
mod guest;
mod host_program;
mod log_file;
mod options;
mod own_file;
mod process;
mod programs;
mod registered;
mod registration;
mod report;
mod reserve;
mod start;

use std::ffi::{CStr, CString, c_char, c_int};

#[global_allocator]
static ALLOCATOR: reserve::Reserved = reserve::Reserved;

/// What C's `main` is given.
#[cfg_attr(not(test), unsafe(export_name = "main"))]
#[cfg_attr(test, allow(dead_code))]
extern "C" fn c_main(_argc: c_int, argv: *const *const c_char, envp: *const *const c_char) -> c_int {
    process::settle_allocator();
    reserve::lay_by();
    backend::report_bugs();
    // SAFETY: the C library passes two arrays of strings, each ended by a null pointer, that nobody changes.
    let (arguments, environment) = unsafe { (strings(argv), strings(envp)) };
    start::start(arguments, environment)
}

/// Copies a null-terminated array of C strings.
///
/// # Safety
/// `list` is one.
unsafe fn strings(list: *const *const c_char) -> Vec<CString> {
    // SAFETY: as the caller promises; the loop stops at the null pointer.
    (0..)
        .map(|index| unsafe { *list.add(index) })
        .take_while(|string| !string.is_null())
        .map(|string| {
            // SAFETY: not null, so a C string.
            unsafe { CStr::from_ptr(string) }.to_owned()
        })
        .collect()
}
