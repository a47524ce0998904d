//! From where guest execution stopped to the signal that the guest gets for it, as arm64's kernel decides it
//! (arch/arm64/mm/fault.c, traps.c, debug-monitors.c).

use ir::{CpuState, GuestAddr, Stop};
use libc::{BUS_ADRALN, TRAP_BRKPT};
use linux_raw_sys::general as kernel;
use syscalls::{AddressSpace, Fault};

const ILL_ILLOPC: i32 = kernel::ILL_ILLOPC as i32;
const SEGV_ACCERR: i32 = kernel::SEGV_ACCERR as i32;

// Exception syndrome: class, length of the instruction, and what is said of an abort.
const DATA_ABORT: u64 = 0x24 << 26;
const INSTRUCTION_ABORT: u64 = 0x20 << 26;
const PC_ALIGNMENT: u64 = 0x22 << 26;
const IL: u64 = 1 << 25;
const WNR: u64 = 1 << 6;
const TRANSLATION_LEVEL_0: u64 = 0x04;
const TRANSLATION_LEVEL_3: u64 = 0x07;
const PERMISSION_LEVEL_3: u64 = 0x0f;
const ALIGNMENT: u64 = 0x21;

/// The fault that `stop` is; None for what is none.
pub fn of(stop: Stop, cpu: &CpuState, memory: &AddressSpace) -> Option<Fault> {
    match stop {
        Stop::Undefined => {
            let none = Some((GuestAddr(0), 0));
            Some(Fault { signal: libc::SIGILL, code: ILL_ILLOPC, addr: cpu.pc, syndrome: none })
        }
        Stop::Breakpoint => Some(Fault { signal: libc::SIGTRAP, code: TRAP_BRKPT, addr: cpu.pc, syndrome: None }),
        Stop::Misaligned if !cpu.pc.is_aligned(4) => {
            let syndrome = Some((GuestAddr(0), PC_ALIGNMENT | IL));
            Some(Fault { signal: libc::SIGBUS, code: BUS_ADRALN, addr: cpu.pc, syndrome })
        }
        Stop::Misaligned => {
            let addr = cpu.stop.addr;
            let syndrome = Some((addr, DATA_ABORT | IL | ALIGNMENT));
            Some(Fault { signal: libc::SIGBUS, code: BUS_ADRALN, addr, syndrome })
        }
        Stop::Fault => Some(of_access(cpu, memory)),
        Stop::Svc | Stop::CodeChanged | Stop::Safepoint => None,
    }
}

fn of_access(cpu: &CpuState, memory: &AddressSpace) -> Fault {
    let stop = &cpu.stop;
    let is_fetch = stop.addr == cpu.pc && !stop.is_write;
    let mut code = stop.code;
    if stop.signal == libc::SIGSEGV && code == SEGV_ACCERR {
        // What the host has mapped there may be emu's.
        code = memory.fault_code(stop.addr);
    }
    let class = if is_fetch { INSTRUCTION_ABORT } else { DATA_ABORT };
    let write = if stop.is_write { WNR } else { 0 };
    let status = match code {
        _ if !memory.is_in_task(stop.addr) => TRANSLATION_LEVEL_0,
        SEGV_ACCERR if stop.signal == libc::SIGSEGV => PERMISSION_LEVEL_3,
        _ => TRANSLATION_LEVEL_3,
    };
    let syndrome = Some((stop.addr, class | IL | write | status));
    Fault { signal: stop.signal, code, addr: stop.addr, syndrome }
}
