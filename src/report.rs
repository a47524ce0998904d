//! What emu itself says on standard error: one line each, beginning with `emu: `.

use frontend::A64;
use ir::{CpuState, Frontend, GuestAddr, Stop};
use loader::Loaded;
use std::fmt::Display;
use std::io::{self, Write};

/// Says `message`.
pub fn say(message: impl Display) {
    // In one write, so that lines of several processes do not mix. Nothing can be done if standard error is closed.
    let _ = io::stderr().write_all(format!("emu: {message}\n").as_bytes());
}

/// An error of the host's without Rust's "(os error N)".
pub fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// Says why the guest dies at the instruction where it stopped.
pub fn death(program: &str, images: &[Loaded], stop: Stop, signal: i32, cpu: &CpuState) {
    let (pc, addr) = (cpu.pc, cpu.stop.addr);
    let signal = signal_name(signal);
    let what = match stop {
        Stop::Fault if addr == pc => "no executable memory there".to_owned(),
        Stop::Fault if !is_canonical(addr) => "access to an address that is none".to_owned(),
        Stop::Fault => format!("access to {addr}"),
        Stop::Misaligned => format!("misaligned atomic access to {addr}"),
        Stop::Breakpoint => format!("brk #{:#x}", cpu.stop.code),
        Stop::Undefined => match ir::memory::load_u32(pc) {
            Ok(word) => format!("undefined instruction {word:#010x} ({})", A64::disassemble(word, pc)),
            Err(_) => "undefined instruction".to_owned(),
        },
        Stop::Svc | Stop::CodeChanged | Stop::Safepoint => "stopped".to_owned(),
    };
    // What addr2line and objdump want is the address in the file.
    let holder = images.iter().find(|image| image.range.contains(pc));
    let place = holder
        .filter(|image| image.bias != 0)
        .map(|image| format!(" ({:#x} in {})", pc.0.wrapping_sub(image.bias), image.path.display()));
    say(format_args!("{program}: killed by {signal} at pc {pc}{}: {what}", place.unwrap_or_default()));
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        libc::SIGBUS => "SIGBUS",
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        _ => "SIGSEGV",
    }
}

/// The host reports faults beyond its 47 bits without an address.
fn is_canonical(addr: GuestAddr) -> bool {
    addr.0 < 1 << 47
}
