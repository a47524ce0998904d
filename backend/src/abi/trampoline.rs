//! The way into generated code and out of it: assembly, and the handler of faults that takes a faulting thread
//! out. Unsafe because it switches stacks of meaning, not of memory: see each block.
#![allow(unsafe_code)]

use crate::abi::frame::{FRAME_BYTES, FaultFrame};
use crate::abi::layout;
use crate::bug;
use ir::{CpuState, Vcpu};
use std::arch::global_asm;
use std::mem::offset_of;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

global_asm!(
    ".pushsection .text.emu_trampoline,\"ax\",@progbits",
    ".globl emu_enter",
    "emu_enter:",
    "push rbp",
    "push rbx",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "sub rsp, 8",
    "mov r15, rdi",
    "mov [r15 + {host_sp}], rsp",
    "mov rdi, rdx",
    "2:",
    "call rcx",
    // A guest return to rax that no host frame waits for. The lookup table may know the place.
    "mov rdi, rax",
    "mov rcx, rax",
    "shl rcx, 2",
    "and ecx, {lookup_mask}",
    "add rcx, [r15 + {lookup}]",
    "cmp rax, [rcx]",
    "jne 3f",
    "mov rcx, [rcx + 8]",
    "jmp 2b",
    "3:",
    "mov [r15 + {pc}], rax",
    "mov eax, {exit_lookup}",
    "emu_leave:",
    "add rsp, 8",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbx",
    "pop rbp",
    "ret",
    // A fault in generated code lands here with r15 intact.
    ".globl emu_leave_fault",
    "emu_leave_fault:",
    "cld",
    "mov edi, {exit_fault}",
    "jmp emu_exit",
    // What an unlinked slot points to: rdi is the guest target.
    ".globl emu_unlinked",
    "emu_unlinked:",
    "mov [r15 + {pc}], rdi",
    "mov edi, {exit_unlinked}",
    // Leaves with the exit code in rdi, and drops the host frames of guest calls.
    ".globl emu_exit",
    "emu_exit:",
    "mov rsp, [r15 + {host_sp}]",
    "mov rax, rdi",
    "jmp emu_leave",
    // Prefetches at rdi, which is all that they look at: Cranelift has no such instruction. By layout::PREFETCH.
    ".balign {prefetch_step}",
    ".globl emu_prefetch",
    "emu_prefetch:",
    "prefetcht0 [rdi]",
    "ret",
    ".balign {prefetch_step}",
    "prefetcht1 [rdi]",
    "ret",
    ".balign {prefetch_step}",
    "prefetcht2 [rdi]",
    "ret",
    ".balign {prefetch_step}",
    "prefetchw [rdi]",
    "ret",
    ".popsection",
    host_sp = const layout::backend_word(layout::HOST_SP),
    pc = const offset_of!(CpuState, pc),
    lookup = const layout::backend_word(layout::LOOKUP),
    lookup_mask = const (layout::LOOKUP_ENTRIES - 1) << 4,
    exit_fault = const layout::EXIT_FAULT,
    exit_lookup = const layout::EXIT_LOOKUP,
    exit_unlinked = const layout::EXIT_UNLINKED,
    prefetch_step = const layout::PREFETCH_STEP,
);

unsafe extern "C" {
    fn emu_enter(cpu: *mut CpuState, unused: u64, pc: u64, code: u64) -> u64;
    fn emu_leave_fault();
    fn emu_unlinked();
    fn emu_exit();
    fn emu_prefetch();
}

/// Entry of a region in the code cache.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(transparent)]
pub struct CodePtr(pub u64);

/// What unlinked slots point to.
pub fn unlinked_stub() -> CodePtr {
    CodePtr(emu_unlinked as *const () as u64)
}

/// The way out of generated code, for `CpuState::backend[EXIT]`.
pub fn exit_stub() -> u64 {
    emu_exit as *const () as u64
}

/// The functions that prefetch, for `CpuState::backend[PREFETCH]`.
pub fn prefetch_stubs() -> u64 {
    emu_prefetch as *const () as u64
}

/// The host stack pointer, about.
#[inline(never)]
pub fn stack_pointer() -> u64 {
    let here = 0u8;
    std::ptr::addr_of!(here) as u64
}

/// How much address space the process may have, in bytes.
pub fn address_space_limit() -> u64 {
    limit_of(libc::RLIMIT_AS)
}

fn limit_of(resource: libc::__rlimit_resource_t) -> u64 {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: fills the structure given.
    unsafe { libc::getrlimit(resource, &mut limit) };
    limit.rlim_cur
}

/// Runs generated code until it leaves; gives the exit code (see [`layout`]). `code` comes from the compiler, for the
/// guest address `cpu.pc`, and nothing flushes the cache while a thread is inside.
pub fn enter_region(cpu: &mut Vcpu, code: CodePtr) -> u64 {
    let pc = cpu.pc.0;
    // SAFETY: `code` is a finished region; generated code touches only `cpu`, guest memory and emu's tables.
    unsafe { emu_enter(cpu.as_mut_ptr(), 0, pc, code.0) }
}

/// Where generated code lies: start and end of each generation's memory, zero where there is none.
static CODE_RANGES: [[AtomicU64; 2]; 64] = [const { [const { AtomicU64::new(0) }; 2] }; 64];

/// Tells the fault handler where generated code lies. False if there are too many such places.
pub fn add_code_range(start: u64, end: u64) -> bool {
    for [first, last] in &CODE_RANGES {
        if first.compare_exchange(0, start, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            last.store(end, Ordering::Release);
            return true;
        }
    }
    false
}

/// Takes back what was told of the range at `start`.
pub fn remove_code_range(start: u64) {
    for [first, last] in &CODE_RANGES {
        if first.load(Ordering::Acquire) == start {
            last.store(0, Ordering::Release);
            first.store(0, Ordering::Release);
        }
    }
}

fn is_generated(host_pc: u64) -> bool {
    let holds = |[first, last]: &[AtomicU64; 2]| {
        host_pc >= first.load(Ordering::Acquire) && host_pc < last.load(Ordering::Acquire)
    };
    CODE_RANGES.iter().any(holds)
}

/// What is called, in a signal handler, for one of [`FAULT_SIGNALS`] that is no fault but has been sent.
pub type SentHandler = extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void);

/// The [`SentHandler`], or null.
static ON_SENT: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());

/// From now on `handler` gets each of [`FAULT_SIGNALS`] that somebody has sent, with the arguments and in the place of a
/// signal handler; until then they kill the process.
pub fn on_sent_signal(handler: SentHandler) {
    ON_SENT.store(handler as *mut (), Ordering::Release);
}

/// In the error code of a page fault: it was for writing.
const PAGE_FAULT_WRITE: i64 = 2;

extern "C" fn on_fault(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes valid pointers to a SA_SIGINFO handler.
    let (info, context) = unsafe { (&mut *info, &mut *context.cast::<libc::ucontext_t>()) };
    if info.si_code <= 0 || is_notice(signal, info.si_code) {
        // Sent by kill(2) and its like, or a notice of the kernel's: nothing has faulted.
        let handler = ON_SENT.load(Ordering::Acquire);
        if !handler.is_null() {
            // SAFETY: only `on_sent_signal` stores there.
            let handler = unsafe { std::mem::transmute::<*mut (), SentHandler>(handler) };
            return handler(signal, info, std::ptr::from_mut(context).cast());
        }
        // What the sender means is the default action.
        // SAFETY: makes three system calls, past libc, whose idea of the thread's id is stale after a raw clone.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            libc::syscall(libc::SYS_tgkill, libc::getpid(), libc::syscall(libc::SYS_gettid), signal);
        }
        return;
    }
    // SAFETY: they are those of the running handler.
    if unsafe { ir::memory::recover(signal, info, context) } {
        return;
    }
    let registers = &mut context.uc_mcontext.gregs;
    let host_pc = registers[libc::REG_RIP as usize] as u64;
    if matches!(signal, libc::SIGSEGV | libc::SIGBUS) && is_generated(host_pc) {
        // SAFETY: in generated code r15 holds the thread's CpuState; nobody else uses it while that code runs.
        let cpu = unsafe { &mut *(registers[libc::REG_R15 as usize] as *mut CpuState) };
        // SAFETY: SIGSEGV and SIGBUS carry an address.
        cpu.stop.addr = ir::GuestAddr(unsafe { info.si_addr() } as u64);
        cpu.stop.signal = signal;
        cpu.stop.code = info.si_code;
        cpu.stop.is_write = registers[libc::REG_ERR as usize] & PAGE_FAULT_WRITE != 0;
        cpu.backend[layout::FAULT_PC] = host_pc;
        save(cpu, &context.uc_mcontext);
        let registers = &mut context.uc_mcontext.gregs;
        registers[libc::REG_RIP as usize] = emu_leave_fault as *const () as i64;
        return;
    }
    // A fault of emu itself: say so, and let it kill the process, with a core that shows where.
    let name = match signal {
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGBUS => "SIGBUS",
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        _ => "SIGFPE",
    };
    bug::report(format_args!("{name} at {host_pc:#x} (emu is at {:#x})", image_start()));
    if signal == libc::SIGTRAP {
        // The instruction has been performed.
        bug::die(signal);
    }
    // SAFETY: puts the default action back; the instruction faults again.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}

/// Whether the kernel says by that something else than that an instruction has failed.
fn is_notice(signal: i32, code: i32) -> bool {
    /// Of a breakpoint instruction of the host's; the others are of events that somebody has asked for.
    const SI_KERNEL: i32 = 0x80;
    match signal {
        libc::SIGBUS => code == libc::BUS_MCEERR_AO,
        libc::SIGTRAP => code != SI_KERNEL,
        _ => false,
    }
}

/// Where emu's file has been loaded: addresses in it are relative to that.
fn image_start() -> u64 {
    unsafe extern "C" {
        static __ehdr_start: u8;
    }
    // The linker provides it; only its address is taken.
    &raw const __ehdr_start as u64
}

/// The general registers in the order of their numbers in instructions.
const GENERAL: [i32; 16] = [
    libc::REG_RAX,
    libc::REG_RCX,
    libc::REG_RDX,
    libc::REG_RBX,
    libc::REG_RSP,
    libc::REG_RBP,
    libc::REG_RSI,
    libc::REG_RDI,
    libc::REG_R8,
    libc::REG_R9,
    libc::REG_R10,
    libc::REG_R11,
    libc::REG_R12,
    libc::REG_R13,
    libc::REG_R14,
    libc::REG_R15,
];

/// Saves what the host had at a fault in generated code for the dispatcher. Only code of regions has anything there that
/// is looked at.
fn save(cpu: &CpuState, context: &libc::mcontext_t) {
    // SAFETY: the dispatcher has put its frame there, and keeps it while code runs; its fields are atomic.
    let Some(saved) = (unsafe { (cpu.backend[layout::FAULT_FRAME] as *const FaultFrame).as_ref() }) else { return };
    let general = GENERAL.map(|register| context.gregs[register as usize] as u64);
    for (number, &value) in general.iter().enumerate() {
        saved.set_general(number, value);
    }
    // SAFETY: the kernel passes the vector registers too, or a null pointer.
    if let Some(vectors) = unsafe { context.fpregs.as_ref() } {
        for (number, vector) in vectors._xmm.iter().enumerate() {
            let [a, b, c, d] = vector.element.map(u128::from);
            saved.set_vector(number, a | b << 32 | c << 64 | d << 96);
        }
    }
    let (rsp, end) = (general[4], cpu.backend[layout::HOST_SP]);
    if rsp.is_multiple_of(8) && rsp <= end {
        let words = FRAME_BYTES.min(end - rsp) / 8;
        // SAFETY: between the stack pointer and where it was when generated code was entered lies the thread's stack.
        saved.set_frame((0..words).map(|n| unsafe { ((rsp + 8 * n) as *const u64).read() }));
    }
}

/// Signals by which the host says that an instruction has failed: SIGSEGV and SIGBUS are what accesses of the guest's give
/// too, and the others are only to be reported.
pub(crate) const FAULT_SIGNALS: [i32; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP];

/// Installs the handler of faults.
pub fn install_fault_handler() {
    // SAFETY: a zeroed sigaction is valid; the handler is async-signal-safe: it touches its arguments, constant
    // tables, atomics and the CpuState of the thread it interrupted.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_fault as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER | libc::SA_ONSTACK;
        for signal in FAULT_SIGNALS {
            libc::sigaction(signal, &action, std::ptr::null_mut());
        }
    }
}
