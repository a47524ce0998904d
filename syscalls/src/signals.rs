//! Signals: what the guest set is recorded and, where it means "default" or "ignore", done on the host; the mask is
//! the host thread's own. Handlers are recorded, not yet run: until then such a signal has its default action. SIGSEGV
//! and SIGBUS keep emu's handlers, which tell guest faults from emu's. It must not know how faults are found.

use crate::host::{self, Args, HostAction, Outcome};
use crate::process::{Context, lock};
use crate::user;
use ir::Errno;
use std::sync::{Mutex, MutexGuard};

const SIG_DFL: u64 = 0;
const SIG_IGN: u64 = 1;
const EINVAL: Errno = Errno(libc::EINVAL);
/// Number of signals.
const COUNT: usize = 64;
/// Flags of struct sigaction that the kernel keeps.
const KEPT_FLAGS: u64 = 0xdc00_0807;
/// MINSIGSTKSZ of AArch64.
const MINSIGSTKSZ: u64 = 5120;
const SS_ONSTACK: u32 = 1;
const SS_DISABLE: u32 = 2;
const SS_AUTODISARM: u32 = 1 << 31;

const fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// Signals whose host handlers are emu's: guarded accesses and generated code need them, always unblocked.
const OWNED: u64 = bit(libc::SIGSEGV) | bit(libc::SIGBUS);
/// Signals that nobody catches or blocks.
const UNSTOPPABLE: u64 = bit(libc::SIGKILL) | bit(libc::SIGSTOP);

/// What a host thread blocks that must not be interrupted.
pub(crate) const BLOCKABLE: u64 = !OWNED;

/// `struct sigaction` of AArch64's kernel.
#[repr(C)]
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct GuestAction {
    /// `sa_handler`
    pub handler: u64,
    /// `sa_flags`
    pub flags: u64,
    /// `sa_restorer`
    pub restorer: u64,
    /// `sa_mask`
    pub mask: u64,
}

const _: () = assert!(size_of::<GuestAction>() == 32);

/// `stack_t`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct AltStack {
    sp: u64,
    flags: u32,
    pad: u32,
    size: u64,
}

const _: () = assert!(size_of::<AltStack>() == 24);

impl Default for AltStack {
    fn default() -> Self {
        Self { sp: 0, flags: SS_DISABLE, pad: 0, size: 0 }
    }
}

/// The actions that the guest has set; None where it has not, and the host's counts.
pub(crate) struct SignalActions(Mutex<[Option<GuestAction>; COUNT]>);

impl Default for SignalActions {
    fn default() -> Self {
        Self(Mutex::new([None; COUNT]))
    }
}

impl SignalActions {
    /// The action of `signal`, which is valid.
    pub(crate) fn get(&self, signal: i32) -> GuestAction {
        if let Some(action) = lock(&self.0)[signal as usize - 1] {
            return action;
        }
        let inherited =
            OWNED & bit(signal) == 0 && host::sigaction(signal, None).is_ok_and(|old| old.handler == SIG_IGN);
        GuestAction { handler: if inherited { SIG_IGN } else { SIG_DFL }, ..GuestAction::default() }
    }

    fn set(&self, signal: i32, action: GuestAction) -> Result<(), Errno> {
        // Held over the host's call, so that two threads leave the same action in both places.
        let mut actions = lock(&self.0);
        if OWNED & bit(signal) == 0 {
            let handler = if action.handler == SIG_IGN { SIG_IGN } else { SIG_DFL };
            // SA_NOCLDSTOP and SA_NOCLDWAIT count without a handler too.
            let flags = action.flags & (libc::SA_NOCLDSTOP | libc::SA_NOCLDWAIT) as u64;
            host::sigaction(signal, Some(HostAction { handler, flags, ..HostAction::default() }))?;
        }
        actions[signal as usize - 1] = Some(action);
        Ok(())
    }

    /// Sets what has a handler to its default, as for a new program.
    pub(crate) fn clear_handlers(&self) {
        for action in lock(&self.0).iter_mut() {
            if action.is_some_and(|action| action.handler != SIG_IGN) {
                *action = None;
            }
        }
    }

    /// Keeps other threads out.
    pub(crate) fn quiet(&self) -> MutexGuard<'_, impl Sized> {
        lock(&self.0)
    }

    /// The signals among those with emu's handlers that the guest ignores: a new program inherits that.
    pub(crate) fn ignored_owned(&self) -> Vec<i32> {
        [libc::SIGSEGV, libc::SIGBUS].into_iter().filter(|&signal| self.get(signal).handler == SIG_IGN).collect()
    }
}

fn signal_number(value: u64) -> Result<i32, Errno> {
    let signal = value as i32;
    if (1..=COUNT as i32).contains(&signal) { Ok(signal) } else { Err(EINVAL) }
}

/// rt_sigaction implements Linux syscall rt_sigaction(2).
pub(crate) fn rt_sigaction(context: &mut Context<'_>, args: Args) -> Outcome {
    if args[3] != 8 {
        return Err(EINVAL);
    }
    let new: Option<GuestAction> = if args[1] == 0 { None } else { Some(user::read(args[1])?) };
    let signal = signal_number(args[0])?;
    if new.is_some() && UNSTOPPABLE & bit(signal) != 0 {
        return Err(EINVAL);
    }
    let actions = &context.process.actions;
    let old = actions.get(signal);
    if let Some(mut action) = new {
        action.flags &= KEPT_FLAGS;
        action.mask &= !UNSTOPPABLE;
        actions.set(signal, action)?;
    }
    if args[2] != 0 {
        user::write(args[2], &old)?;
    }
    Ok(0)
}

/// rt_sigprocmask implements Linux syscall rt_sigprocmask(2).
pub(crate) fn rt_sigprocmask(context: &mut Context<'_>, args: Args) -> Outcome {
    if args[3] != 8 {
        return Err(EINVAL);
    }
    let new: Option<u64> = if args[1] == 0 { None } else { Some(user::read(args[1])?) };
    let old = current_mask(context)?;
    if let Some(set) = new {
        let mask = match args[0] as i32 {
            libc::SIG_BLOCK => old | set,
            libc::SIG_UNBLOCK => old & !set,
            libc::SIG_SETMASK => set,
            _ => return Err(EINVAL),
        } & !UNSTOPPABLE;
        context.thread.signal_mask = Some(mask);
        host::sigmask(libc::SIG_SETMASK, Some(mask & !OWNED))?;
    }
    if args[2] != 0 {
        user::write(args[2], &old)?;
    }
    Ok(0)
}

fn current_mask(context: &Context<'_>) -> Result<u64, Errno> {
    match context.thread.signal_mask {
        Some(mask) => Ok(mask),
        None => host::sigmask(libc::SIG_BLOCK, None),
    }
}

/// sigaltstack implements Linux syscall sigaltstack(2).
pub(crate) fn sigaltstack(context: &mut Context<'_>, args: Args) -> Outcome {
    let new: Option<AltStack> = if args[0] == 0 { None } else { Some(user::read(args[0])?) };
    let sp = context.cpu.sp().0;
    let mut old = context.thread.alt_stack;
    let enabled = old.flags & (SS_DISABLE | SS_AUTODISARM) == 0;
    let on_it = enabled && sp.wrapping_sub(old.sp).wrapping_sub(1) < old.size;
    if let Some(mut stack) = new {
        if on_it {
            return Err(Errno(libc::EPERM));
        }
        match stack.flags & !SS_AUTODISARM {
            SS_DISABLE => (stack.sp, stack.size) = (0, 0),
            0 | SS_ONSTACK if stack.size < MINSIGSTKSZ => return Err(Errno(libc::ENOMEM)),
            0 | SS_ONSTACK => {}
            _ => return Err(EINVAL),
        }
        stack.flags &= !SS_ONSTACK;
        context.thread.alt_stack = AltStack { pad: 0, ..stack };
    }
    if args[1] != 0 {
        if on_it {
            old.flags |= SS_ONSTACK;
        }
        user::write(args[1], &old)?;
    }
    Ok(0)
}

/// What the guest sends itself with a signal that emu handles on the host: the host would call emu's handler, which
/// would look for a fault. Some(result) if that was dealt with here.
fn send_owned(context: &Context<'_>, signal: u64) -> Option<Outcome> {
    let signal = signal_number(signal).ok().filter(|&signal| OWNED & bit(signal) != 0)?;
    match context.process.actions.get(signal).handler {
        SIG_IGN => Some(Ok(0)),
        _ => host::die(signal),
    }
}

fn is_own(id: u64, call: i64) -> bool {
    host::call3(call, 0, 0, 0).is_ok_and(|own| own as i32 == id as i32)
}

fn send(context: &Context<'_>, number: i64, args: Args, own: bool, signal: u64) -> Outcome {
    if own && let Some(result) = send_owned(context, signal) {
        return result;
    }
    host::call(number, args)
}

/// kill implements Linux syscall kill(2).
pub(crate) fn kill(context: &mut Context<'_>, args: Args) -> Outcome {
    send(context, libc::SYS_kill, args, is_own(args[0], libc::SYS_getpid), args[1])
}

/// tkill implements Linux syscall tkill(2).
pub(crate) fn tkill(context: &mut Context<'_>, args: Args) -> Outcome {
    send(context, libc::SYS_tkill, args, is_own(args[0], libc::SYS_gettid), args[1])
}

/// tgkill implements Linux syscall tgkill(2).
pub(crate) fn tgkill(context: &mut Context<'_>, args: Args) -> Outcome {
    let own = is_own(args[0], libc::SYS_getpid) && is_own(args[1], libc::SYS_gettid);
    send(context, libc::SYS_tgkill, args, own, args[2])
}

/// rt_sigqueueinfo implements Linux syscall rt_sigqueueinfo(2).
pub(crate) fn rt_sigqueueinfo(context: &mut Context<'_>, args: Args) -> Outcome {
    send(context, libc::SYS_rt_sigqueueinfo, args, is_own(args[0], libc::SYS_getpid), args[1])
}

/// rt_tgsigqueueinfo implements Linux syscall rt_tgsigqueueinfo(2).
pub(crate) fn rt_tgsigqueueinfo(context: &mut Context<'_>, args: Args) -> Outcome {
    let own = is_own(args[0], libc::SYS_getpid) && is_own(args[1], libc::SYS_gettid);
    send(context, libc::SYS_rt_tgsigqueueinfo, args, own, args[2])
}

/// restart_syscall implements Linux syscall restart_syscall(2): only the kernel itself has one to restart.
pub(crate) fn restart_syscall(_: &mut Context<'_>, _: Args) -> Outcome {
    Err(Errno(libc::EINTR))
}

#[cfg(test)]
#[path = "signals_tests.rs"]
mod tests;
