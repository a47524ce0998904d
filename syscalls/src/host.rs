//! The host kernel: raw system calls, made without libc wherever libc would keep state of its own or change the
//! arguments. Unsafe because it is the inline `syscall` instruction; it must not know any one call's meaning
//! beyond what ending the process takes.
#![allow(unsafe_code)]

use ir::Errno;
use linux_raw_sys::general::{SA_RESTORER, SA_SIGINFO, stat, statfs};
use std::arch::{asm, global_asm};
use std::ffi::CStr;

/// What a system call gives: the kernel's value, or its error number.
pub(crate) type Outcome = Result<u64, Errno>;

/// The six arguments.
pub(crate) type Args = [u64; 6];

/// Makes host system call `number`. The caller answers for what it does to emu: memory calls go through
/// [`crate::AddressSpace`], signal calls through `signals.rs`, everything else acts for the guest.
pub(crate) fn call(number: i64, args: Args) -> Outcome {
    let value: i64;
    // SAFETY: the kernel checks its pointers; calls that could pull memory or handlers from under emu have
    // handlers of their own and do not pass the guest's arguments here unchecked.
    unsafe {
        asm!("syscall", inlateout("rax") number => value, in("rdi") args[0], in("rsi") args[1], in("rdx") args[2],
            in("r10") args[3], in("r8") args[4], in("r9") args[5], lateout("rcx") _, lateout("r11") _,
            options(nostack));
    }
    match value {
        -4095..=-1 => Err(Errno(-value as i32)),
        value => Ok(value as u64),
    }
}

/// What [`guest_call`] gives, and handlers pass on, when a signal came before the call was made, or the kernel has
/// decided to restart it: the signal is delivered, and the guest's SVC is performed again (the kernel's ERESTARTNOINTR).
pub(crate) const RESTART: Errno = Errno(513);

// A call that a signal may come before: between the look at the flag and the call no signal is lost, because its handler
// sends a thread that it finds from `begin` up to the `syscall` to `not_done` (`after_signal`). It finds it at the
// `syscall` also when the kernel has moved it back there to restart the call.
global_asm!(
    ".pushsection .text.emu_guest_call,\"ax\",@progbits",
    ".globl emu_guest_call",
    "emu_guest_call:",
    "mov rax, rsi",
    "mov rcx, rdx",
    "mov rsi, [rdi + 8]",
    "mov rdx, [rdi + 16]",
    "mov r10, [rdi + 24]",
    "mov r8, [rdi + 32]",
    "mov r9, [rdi + 40]",
    "mov rdi, [rdi]",
    ".globl emu_guest_call_begin",
    "emu_guest_call_begin:",
    "cmp dword ptr [rcx], 0",
    "jne emu_guest_call_not_done",
    ".globl emu_guest_call_insn",
    "emu_guest_call_insn:",
    "syscall",
    "ret",
    ".globl emu_guest_call_not_done",
    "emu_guest_call_not_done:",
    "mov rax, -{restart}",
    "ret",
    ".globl emu_clone_onto",
    "emu_clone_onto:",
    "mov rax, rsi",
    "mov rsi, [rdi + 8]",
    "mov rdx, [rdi + 16]",
    "mov r10, [rdi + 24]",
    "mov r8, [rdi + 32]",
    "mov rdi, [rdi]",
    "syscall",
    "test rax, rax",
    "jz 2f",
    "ret",
    "2:",
    "xor ebp, ebp",
    "pop rax",
    "pop rdi",
    "call rax",
    "ud2",
    ".globl emu_sigreturn",
    "emu_sigreturn:",
    "mov eax, {sigreturn}",
    "syscall",
    ".popsection",
    restart = const RESTART.0,
    sigreturn = const libc::SYS_rt_sigreturn,
);

unsafe extern "C" {
    fn emu_guest_call(args: *const u64, number: i64, flag: *const u32) -> i64;
    fn emu_guest_call_begin();
    fn emu_guest_call_insn();
    fn emu_guest_call_not_done();
    fn emu_clone_onto(args: *const u64, number: i64) -> i64;
    fn emu_sigreturn();
}

/// clone(2) or clone3(2), as `number` says, of a process that begins on a stack of its own: with the function whose
/// address is on its top, and behind that its argument.
///
/// # Safety
/// The arguments give such a stack, and the process may share memory with this one.
pub(crate) unsafe fn clone_onto(number: i64, args: [u64; 5]) -> Outcome {
    // SAFETY: as the caller promises.
    let value = unsafe { emu_clone_onto(args.as_ptr(), number) };
    if value < 0 { Err(Errno(-value as i32)) } else { Ok(value as u64) }
}

/// Makes host system call `number` for the guest, unless the word at `flag` is not zero or a signal is recorded before
/// the kernel has begun: then gives [`RESTART`].
pub(crate) fn guest_call(number: i64, args: Args, flag: *const u32) -> Outcome {
    // SAFETY: as for `call`; the flag is a word of the calling thread's port.
    let value = unsafe { emu_guest_call(args.as_ptr(), number, flag) };
    match value {
        -4095..=-1 => Err(Errno(-value as i32)),
        value => Ok(value as u64),
    }
}

/// Where a thread goes on that was interrupted at `host_pc` by a signal that is now recorded.
pub(crate) fn after_signal(host_pc: u64) -> u64 {
    let [begin, insn] = [emu_guest_call_begin, emu_guest_call_insn].map(|at| at as *const () as u64);
    if (begin..=insn).contains(&host_pc) { emu_guest_call_not_done as *const () as u64 } else { host_pc }
}

/// Where a thread goes on that was interrupted at `host_pc`, with `result` in rax, by a signal of which the guest is to
/// notice nothing: a call that has ended for its sake is made again.
pub(crate) fn after_nothing(host_pc: u64, result: i64) -> u64 {
    const SYSCALL_BYTES: u64 = 2;
    let is_ended =
        host_pc == emu_guest_call_insn as *const () as u64 + SYSCALL_BYTES && result == -i64::from(libc::EINTR);
    if is_ended { emu_guest_call_not_done as *const () as u64 } else { after_signal(host_pc) }
}

/// The host's action that has `handler` called with all signals blocked but those that are emu's.
pub(crate) fn handler_action(
    handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void),
    flags: u64,
) -> HostAction {
    HostAction {
        handler: handler as *const () as u64,
        flags: flags | u64::from(SA_RESTORER | SA_SIGINFO),
        restorer: emu_sigreturn as *const () as u64,
        mask: u64::MAX,
    }
}

/// [`call`] with fewer arguments, the rest zero.
pub(crate) fn call3(number: i64, a: u64, b: u64, c: u64) -> Outcome {
    call(number, [a, b, c, 0, 0, 0])
}

/// Writes a line to standard error as it is, whatever the guest did to its own streams.
pub(crate) fn complain(line: &str) {
    let text = format!("emu: {line}\n");
    let _ = call3(libc::SYS_write, 2, text.as_ptr() as u64, text.len() as u64);
}

/// Ends the whole process.
pub(crate) fn exit_group(status: i32) -> ! {
    loop {
        let _ = call3(libc::SYS_exit_group, status as u64, 0, 0);
    }
}

/// The kernel's `struct sigaction` on x86-64.
#[repr(C)]
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct HostAction {
    /// `sa_handler`: 0 SIG_DFL, 1 SIG_IGN.
    pub handler: u64,
    /// `sa_flags`
    pub flags: u64,
    /// `sa_restorer`
    pub restorer: u64,
    /// `sa_mask`
    pub mask: u64,
}

/// What `call` stores, given its address.
pub(crate) fn stat_by(call: impl FnOnce(u64) -> Outcome) -> Result<stat, Errno> {
    // SAFETY: integers, of which zero is one.
    let mut stat: stat = unsafe { std::mem::zeroed() };
    call(&raw mut stat as u64)?;
    Ok(stat)
}

/// Device and inode of an open file.
pub(crate) fn identity_of(fd: i32) -> Result<(u64, u64), Errno> {
    let stat = stat_by(|stat| call3(libc::SYS_fstat, fd as u64, stat, 0))?;
    Ok((stat.st_dev, stat.st_ino))
}

/// newfstatat(2) on the host; `flags` are AT_*.
pub(crate) fn stat_at(dir: u64, path: &CStr, flags: u64) -> Result<stat, Errno> {
    stat_by(|stat| call(libc::SYS_newfstatat, [dir, path.as_ptr() as u64, stat, flags, 0, 0]))
}

/// What `call` stores, given its address.
pub(crate) fn statfs_by(call: impl FnOnce(u64) -> Outcome) -> Result<statfs, Errno> {
    // SAFETY: integers, of which zero is one.
    let mut statfs: statfs = unsafe { std::mem::zeroed() };
    call(&raw mut statfs as u64)?;
    Ok(statfs)
}

/// Whether an open file is on a file system from which nothing is executed.
pub(crate) fn is_noexec(fd: i32) -> bool {
    let statfs = statfs_by(|statfs| call3(libc::SYS_fstatfs, fd as u64, statfs, 0));
    statfs.is_ok_and(|statfs| statfs.f_flags as u64 & libc::ST_NOEXEC != 0)
}

/// rt_sigaction(2) on the host, past libc, which hides signals 32 and 33.
pub(crate) fn sigaction(signal: i32, new: Option<HostAction>) -> Result<HostAction, Errno> {
    let mut old = HostAction::default();
    let new = new.as_ref().map_or(0, |action| std::ptr::from_ref(action) as u64);
    call(libc::SYS_rt_sigaction, [signal as u64, new, &raw mut old as u64, 8, 0, 0])?;
    Ok(old)
}

/// Sets the calling thread's mask on the host, unless a signal is recorded before the kernel has done so (`flag` as for
/// [`guest_call`]): then gives [`RESTART`]. All are blocked from the record on, and a second one that this would let
/// through would find no room.
pub(crate) fn set_mask_if_none(mask: u64, flag: *const u32) -> Result<(), Errno> {
    let args = [libc::SIG_SETMASK as u64, &raw const mask as u64, 0, 8, 0, 0];
    guest_call(libc::SYS_rt_sigprocmask, args, flag).map(|_| ())
}

/// rt_sigprocmask(2) on the host; gives the old mask.
pub(crate) fn sigmask(how: i32, mask: Option<u64>) -> Result<u64, Errno> {
    let mut old = 0u64;
    let new = mask.as_ref().map_or(0, |mask| std::ptr::from_ref(mask) as u64);
    call(libc::SYS_rt_sigprocmask, [how as u64, new, &raw mut old as u64, 8, 0, 0])?;
    Ok(old)
}

/// Has libc do now what it does when it makes the first thread: it gives signal 33 an action of its own and unblocks it.
/// Both are put back, for the signal is the guest's.
pub(crate) fn settle_threads() {
    const SIGSETXID: i32 = 33;
    let (action, mask) = (sigaction(SIGSETXID, None), sigmask(libc::SIG_BLOCK, None));
    attempt_thread();
    let _ = action.and_then(|action| sigaction(SIGSETXID, Some(action)));
    let _ = mask.and_then(|mask| sigmask(libc::SIG_SETMASK, Some(mask)));
}

/// Asks libc for a thread that it cannot make, as its stack fits nowhere: that is enough.
fn attempt_thread() {
    const STACK_BYTES: usize = 1 << 62;
    extern "C" fn nothing(argument: *mut libc::c_void) -> *mut libc::c_void {
        argument
    }
    let mut thread = 0;
    // SAFETY: the attributes are initialised before they are used, and were there a thread it would do nothing.
    unsafe {
        let mut attributes = std::mem::zeroed();
        if libc::pthread_attr_init(&mut attributes) != 0 {
            return;
        }
        libc::pthread_attr_setstacksize(&mut attributes, STACK_BYTES);
        if libc::pthread_create(&mut thread, &attributes, nothing, std::ptr::null_mut()) == 0 {
            libc::pthread_join(thread, std::ptr::null_mut());
        }
        libc::pthread_attr_destroy(&mut attributes);
    }
}

/// Dies of `signal` by its default action, so that emu's wait status is the guest's. Comes back for no signal; one
/// whose default action is not to kill ends the process as a shell would report it.
pub(crate) fn die(signal: i32) -> ! {
    let _ = sigaction(signal, Some(HostAction::default()));
    let _ = sigmask(libc::SIG_UNBLOCK, Some(1u64 << ((signal - 1) & 63)));
    let pid = call3(libc::SYS_getpid, 0, 0, 0).unwrap_or(0);
    let tid = call3(libc::SYS_gettid, 0, 0, 0).unwrap_or(0);
    let _ = call3(libc::SYS_tgkill, pid, tid, signal as u64);
    exit_group(128 + signal)
}
