//! Access to guest memory that survives wild pointers: every instruction here that touches guest memory stands in a
//! fault table, and the SIGSEGV/SIGBUS handler sends a faulting one to its recovery point with the error in r8 and
//! the address in r9. Also [`recover`], which that handler calls.
//!
//! Unsafe because it is inline assembly on raw addresses. It must not know who the guest is or what it runs.
#![allow(unsafe_code)]

use crate::GuestAddr;
use std::arch::asm;

/// A guest access that the host kernel refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The address that faulted (`si_addr`).
    pub addr: GuestAddr,
    /// SIGSEGV or SIGBUS.
    pub signal: i32,
    /// `si_code`.
    pub code: i32,
    /// Whether it was for writing, as Arm's ESR says it (WnR): of an operation that reads too only if reading alone
    /// would have done.
    pub is_write: bool,
}

impl Fault {
    /// That of a store which the host performs as another operation.
    #[cold]
    #[must_use]
    pub fn of_store(self) -> Self {
        Self { is_write: true, ..self }
    }
}

#[inline(always)]
fn outcome<T>(value: T, error: u64, at: u64, accessed: GuestAddr) -> Result<T, Fault> {
    if error == 0 { Ok(value) } else { Err(fault(error, at, accessed)) }
}

/// `si_code` of the faults for which the host reports no address: accesses to non-canonical addresses.
pub const SI_KERNEL: i32 = 0x80;
const SEGV_MAPERR: i32 = 1;

#[cold]
fn fault(error: u64, at: u64, accessed: GuestAddr) -> Fault {
    let (signal, code) = ((error >> 32) as i32, error as u32 as i32);
    if code == SI_KERNEL {
        // Arm has no such thing: to the guest the address is one where nothing is mapped.
        return Fault { addr: accessed, signal: libc::SIGSEGV, code: SEGV_MAPERR, is_write: false };
    }
    Fault { addr: GuestAddr(at), signal, code, is_write: false }
}

#[inline(always)]
fn store_outcome(error: u64, at: u64, accessed: GuestAddr) -> Result<(), Fault> {
    outcome((), error, at, accessed).map_err(Fault::of_store)
}

/// Of an operation that reads and writes.
#[inline(always)]
fn update_outcome<T>(value: T, error: u64, at: u64, accessed: GuestAddr) -> Result<T, Fault> {
    outcome(value, error, at, accessed).map_err(of_update)
}

#[cold]
fn of_update(fault: Fault) -> Fault {
    Fault { is_write: load_u8(fault.addr).is_ok(), ..fault }
}

/// One guarded instruction: label 2 is where it may fault, label 3 is where it goes on either way.
macro_rules! guarded {
    ($before:literal, $insn:literal, $after:literal, $($operands:tt)*) => {
        asm!(
            $before,
            concat!("2: ", $insn),
            "3:",
            $after,
            ".pushsection emu_fault_table,\"aR\",@progbits",
            ".balign 4",
            ".long 2b - .",
            ".long 3b - .",
            ".popsection",
            $($operands)*
        )
    };
}

macro_rules! scalar_access {
    ($load:ident, $store:ident, $swap:ident, $cas:ident, $add:ident, $ty:ty, $load_insn:literal, $store_insn:literal,
     $swap_insn:literal, $cas_insn:literal, $add_insn:literal, $class:tt, $acc:tt) => {
        /// Loads one value.
        #[inline(always)]
        pub fn $load(addr: GuestAddr) -> Result<$ty, Fault> {
            let (value, error, at): (u64, u64, u64);
            // SAFETY: reads memory only; a fault is recovered through the table and reported in `error`.
            unsafe {
                guarded!("", $load_insn, "", a = in(reg) addr.0, v = out(reg) value,
                    inlateout("r8") 0u64 => error, lateout("r9") at, options(nostack, preserves_flags, readonly));
            }
            outcome(value as $ty, error, at, addr)
        }
        /// Stores one value.
        #[inline(always)]
        pub fn $store(addr: GuestAddr, value: $ty) -> Result<(), Fault> {
            let (error, at): (u64, u64);
            // SAFETY: writes where the guest asked; emu's own memory is never handed out as guest memory.
            unsafe {
                guarded!("", $store_insn, "", a = in(reg) addr.0, v = in($class) value,
                    inlateout("r8") 0u64 => error, lateout("r9") at, options(nostack, preserves_flags));
            }
            store_outcome(error, at, addr)
        }
        /// Swaps atomically; gives the old value. Fully ordered.
        #[inline(always)]
        pub fn $swap(addr: GuestAddr, value: $ty) -> Result<$ty, Fault> {
            let (old, error, at): ($ty, u64, u64);
            // SAFETY: as for a store.
            unsafe {
                guarded!("", $swap_insn, "", a = in(reg) addr.0, v = inlateout($class) value => old,
                    inlateout("r8") 0u64 => error, lateout("r9") at, options(nostack, preserves_flags));
            }
            update_outcome(old, error, at, addr)
        }
        /// Adds atomically; gives the old value. Fully ordered.
        #[inline(always)]
        pub fn $add(addr: GuestAddr, value: $ty) -> Result<$ty, Fault> {
            let (old, error, at): ($ty, u64, u64);
            // SAFETY: as for a store.
            unsafe {
                guarded!("", $add_insn, "", a = in(reg) addr.0, v = inlateout($class) value => old,
                    inlateout("r8") 0u64 => error, lateout("r9") at, options(nostack));
            }
            update_outcome(old, error, at, addr)
        }
        /// Compares and swaps atomically; gives the old value. Fully ordered.
        #[inline(always)]
        pub fn $cas(addr: GuestAddr, expected: $ty, new: $ty) -> Result<$ty, Fault> {
            let (old, error, at): ($ty, u64, u64);
            // SAFETY: as for a store.
            unsafe {
                guarded!("", $cas_insn, "", a = in(reg) addr.0, v = in($class) new, inlateout($acc) expected => old,
                    inlateout("r8") 0u64 => error, lateout("r9") at, options(nostack));
            }
            update_outcome(old, error, at, addr)
        }
    };
}

scalar_access!(
    load_u8,
    store_u8,
    swap_u8,
    cas_u8,
    add_u8,
    u8,
    "movzx {v:e}, byte ptr [{a}]",
    "mov byte ptr [{a}], {v}",
    "xchg byte ptr [{a}], {v}",
    "lock cmpxchg byte ptr [{a}], {v}",
    "lock xadd byte ptr [{a}], {v}",
    reg_byte,
    "al"
);
scalar_access!(
    load_u16,
    store_u16,
    swap_u16,
    cas_u16,
    add_u16,
    u16,
    "movzx {v:e}, word ptr [{a}]",
    "mov word ptr [{a}], {v:x}",
    "xchg word ptr [{a}], {v:x}",
    "lock cmpxchg word ptr [{a}], {v:x}",
    "lock xadd word ptr [{a}], {v:x}",
    reg,
    "ax"
);
scalar_access!(
    load_u32,
    store_u32,
    swap_u32,
    cas_u32,
    add_u32,
    u32,
    "mov {v:e}, dword ptr [{a}]",
    "mov dword ptr [{a}], {v:e}",
    "xchg dword ptr [{a}], {v:e}",
    "lock cmpxchg dword ptr [{a}], {v:e}",
    "lock xadd dword ptr [{a}], {v:e}",
    reg,
    "eax"
);
scalar_access!(
    load_u64,
    store_u64,
    swap_u64,
    cas_u64,
    add_u64,
    u64,
    "mov {v}, qword ptr [{a}]",
    "mov qword ptr [{a}], {v}",
    "xchg qword ptr [{a}], {v}",
    "lock cmpxchg qword ptr [{a}], {v}",
    "lock xadd qword ptr [{a}], {v}",
    reg,
    "rax"
);

/// Loads 16 bytes, low half first. Atomic when aligned, on hosts with AVX.
#[inline(always)]
pub fn load_u128(addr: GuestAddr) -> Result<u128, Fault> {
    let (low, high, error, at): (u64, u64, u64, u64);
    // SAFETY: reads memory only; a fault is recovered through the table and reported in `error`.
    unsafe {
        guarded!("pxor {x}, {x}", "movdqu {x}, xmmword ptr [{a}]", "movq {lo}, {x}\npsrldq {x}, 8\nmovq {hi}, {x}",
            a = in(reg) addr.0, x = out(xmm_reg) _, lo = lateout(reg) low, hi = lateout(reg) high,
            inlateout("r8") 0u64 => error, lateout("r9") at, options(nostack, preserves_flags, readonly));
    }
    outcome(u128::from(high) << 64 | u128::from(low), error, at, addr)
}

/// Stores 16 bytes.
#[inline(always)]
pub fn store_u128(addr: GuestAddr, value: u128) -> Result<(), Fault> {
    let (error, at): (u64, u64);
    // SAFETY: writes where the guest asked.
    unsafe {
        guarded!("movq {x}, {lo}\nmovq {y}, {hi}\npunpcklqdq {x}, {y}", "movdqu xmmword ptr [{a}], {x}", "",
            a = in(reg) addr.0, x = out(xmm_reg) _, y = out(xmm_reg) _, lo = in(reg) value as u64,
            hi = in(reg) (value >> 64) as u64, inlateout("r8") 0u64 => error, lateout("r9") at,
            options(nostack, preserves_flags));
    }
    store_outcome(error, at, addr)
}

/// Compares and swaps 16 bytes atomically; gives the old value. `addr` must be a multiple of 16, which the caller
/// checks (a misaligned one faults like any other bad access).
#[inline(always)]
pub fn cas_u128(addr: GuestAddr, expected: u128, new: u128) -> Result<u128, Fault> {
    let (low, high, error, at): (u64, u64, u64, u64);
    // SAFETY: as for a store; rbx, which the compiler reserves, is put back on both ways out.
    unsafe {
        guarded!("xchg rbx, rsi", "lock cmpxchg16b xmmword ptr [rdi]", "mov rbx, rsi",
            in("rdi") addr.0, inout("rsi") new as u64 => _, in("rcx") (new >> 64) as u64,
            inlateout("rax") expected as u64 => low, inlateout("rdx") (expected >> 64) as u64 => high,
            inlateout("r8") 0u64 => error, lateout("r9") at, options(nostack));
    }
    update_outcome(u128::from(high) << 64 | u128::from(low), error, at, addr)
}

/// Copies guest memory into `to`. On a fault some of `to` may have been written.
pub fn read_bytes(from: GuestAddr, to: &mut [u8]) -> Result<(), Fault> {
    let (error, at): (u64, u64);
    // SAFETY: the destination is a slice of ours of just this length; the source may fault and is guarded.
    unsafe {
        guarded!("", "rep movsb", "", inout("rcx") to.len() => _, inout("rsi") from.0 => _,
            inout("rdi") to.as_mut_ptr() => _, inlateout("r8") 0u64 => error, lateout("r9") at,
            options(nostack, preserves_flags));
    }
    outcome((), error, at, from)
}

/// Copies `from` into guest memory. On a fault some of it may have been written.
pub fn write_bytes(to: GuestAddr, from: &[u8]) -> Result<(), Fault> {
    let (error, at): (u64, u64);
    // SAFETY: the source is a slice of ours of just this length; the destination may fault and is guarded.
    unsafe {
        guarded!("", "rep movsb", "", inout("rcx") from.len() => _, inout("rsi") from.as_ptr() => _,
            inout("rdi") to.0 => _, inlateout("r8") 0u64 => error, lateout("r9") at,
            options(nostack, preserves_flags));
    }
    store_outcome(error, at, to)
}

/// Full memory fence.
#[inline(always)]
pub fn fence() {
    std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
}

unsafe extern "C" {
    #[link_name = "__start_emu_fault_table"]
    static FAULT_TABLE_START: [i32; 2];
    #[link_name = "__stop_emu_fault_table"]
    static FAULT_TABLE_STOP: [i32; 2];
}

fn recovery_point(host_pc: u64) -> Option<u64> {
    let start = &raw const FAULT_TABLE_START;
    let stop = &raw const FAULT_TABLE_STOP;
    let mut entry = start;
    while entry < stop {
        // SAFETY: `entry` lies between the section's start and stop symbols, which the linker provides.
        let [at, to] = unsafe { *entry };
        let at_addr = (entry as u64).wrapping_add_signed(i64::from(at));
        if at_addr == host_pc {
            return Some((entry as u64 + 4).wrapping_add_signed(i64::from(to)));
        }
        entry = entry.wrapping_add(1);
    }
    None
}

/// Called from the SIGSEGV/SIGBUS handler: if the signal came from a guarded instruction, makes `context` go on at its
/// recovery point and returns true.
///
/// # Safety
/// `info` and `context` are those the kernel passed to the running handler.
pub unsafe fn recover(signal: i32, info: &libc::siginfo_t, context: &mut libc::ucontext_t) -> bool {
    let registers = &mut context.uc_mcontext.gregs;
    let Some(to) = recovery_point(registers[libc::REG_RIP as usize] as u64) else { return false };
    // SAFETY: SIGSEGV and SIGBUS carry an address.
    let addr = unsafe { info.si_addr() } as u64;
    registers[libc::REG_R8 as usize] = i64::from(signal) << 32 | i64::from(info.si_code as u32);
    registers[libc::REG_R9 as usize] = addr as i64;
    registers[libc::REG_RIP as usize] = to as i64;
    true
}

extern "C" fn handler(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes valid pointers to a SA_SIGINFO handler.
    let recovered = unsafe { recover(signal, &*info, &mut *context.cast()) };
    if !recovered {
        // SAFETY: puts the default action back; the instruction faults again and the process dies of the signal.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Installs a SIGSEGV/SIGBUS handler that recovers guarded accesses and lets everything else kill the process. The
/// backend installs its own, which also knows generated code; this one serves programs that only use [`crate::Eval`].
pub fn install_handler() {
    // SAFETY: a zeroed sigaction is a valid one; the handler touches only its arguments and constant tables.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER | libc::SA_ONSTACK;
        libc::sigaction(libc::SIGSEGV, &action, std::ptr::null_mut());
        libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wild_pointers_are_reported() {
        install_handler();
        let null = GuestAddr(8);
        assert_eq!(load_u8(null).unwrap_err().addr, null);
        assert_eq!(load_u64(null).unwrap_err().signal, libc::SIGSEGV);
        assert_eq!(store_u32(null, 1).unwrap_err().addr, null);
        assert_eq!(load_u128(null).unwrap_err().addr, null);
        assert_eq!(store_u128(null, 1).unwrap_err().addr, null);
        assert_eq!(cas_u128(GuestAddr(16), 0, 1).unwrap_err().addr, GuestAddr(16));
        assert_eq!(add_u16(null, 1).unwrap_err().addr, null);
        assert_eq!(swap_u8(null, 1).unwrap_err().addr, null);
        assert_eq!(read_bytes(null, &mut [0; 4]).unwrap_err().addr, null);
        assert_eq!(write_bytes(null, &[0; 4]).unwrap_err().addr, null);
        // Non-canonical addresses raise a general protection fault, which carries no address.
        assert_eq!(load_u64(GuestAddr(1 << 60)).unwrap_err().signal, libc::SIGSEGV);
    }

    #[test]
    fn valid_accesses_work() {
        #[repr(align(16))]
        struct Aligned([u8; 16]);
        let mut place = Aligned([0; 16]);
        let at = GuestAddr(place.0.as_mut_ptr() as u64);
        store_u64(at, 0x1122_3344_5566_7788).unwrap();
        assert_eq!(load_u16(at), Ok(0x7788));
        assert_eq!(add_u8(at, 0xff), Ok(0x88));
        assert_eq!(load_u8(at), Ok(0x87));
        assert_eq!(cas_u32(at, 0x5566_7787, 5), Ok(0x5566_7787));
        assert_eq!(swap_u32(at, 9), Ok(5));
        let old = load_u128(at).unwrap();
        assert_eq!(old, 0x1122_3344_0000_0009);
        assert_eq!(cas_u128(at, old, u128::MAX - 3), Ok(old));
        store_u128(GuestAddr(at.0), 77).unwrap();
        assert_eq!(cas_u128(at, 0, 1), Ok(77));
        let mut copy = [1; 16];
        read_bytes(at, &mut copy).unwrap();
        assert_eq!(copy, place.0);
    }
}
