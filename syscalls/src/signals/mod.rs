//! Signals. What the guest sets is recorded here and done on the host: defaults and what is ignored by the host's kernel
//! itself, handlers by one of emu's that records the signal (`port.rs`) until it can be delivered (`deliver.rs`). The
//! guest's mask is the host thread's, but for the signals of faults, whose handlers emu needs to tell guest faults from
//! its own. This file has the calls and the actions; it must not know how faults are found.

mod deliver;
mod frame;
mod pending;
mod port;
mod queue;
mod slot;
mod wait;

pub(crate) use deliver::after_wait;
pub use deliver::{Delivery, Fault};
pub(crate) use frame::FaultRecord;
pub(crate) use pending::{Ignored, ProcessSignals};
pub(crate) use port::Port;
pub use port::{interrupt, on_signal};
pub(crate) use queue::{pidfd_send_signal, rt_sigqueueinfo, rt_tgsigqueueinfo};
pub(crate) use slot::SigInfo;
pub(crate) use wait::{
    guest_call, io_pgetevents, ppoll, pselect6, read_mask, rt_sigpending, rt_sigsuspend, rt_sigtimedwait, signalfd4,
    wait_under,
};

use crate::host::{self, Args, HostAction, Outcome, RESTART};
use crate::process::{After, Context, Process};
use crate::user;
use ir::{Errno, Guard, Lock, Rank};
use linux_raw_sys::general::{self as kernel, SS_AUTODISARM, SS_DISABLE, SS_ONSTACK};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use zerocopy::{FromBytes, Immutable, IntoBytes};

const SIG_DFL: u64 = libc::SIG_DFL as u64;
const SIG_IGN: u64 = libc::SIG_IGN as u64;
const EINVAL: Errno = Errno(libc::EINVAL);
const SA_RESTART: u64 = kernel::SA_RESTART as u64;
const SA_RESETHAND: u64 = kernel::SA_RESETHAND as u64;
/// Number of signals.
pub(crate) const COUNT: usize = kernel::_NSIG as usize;
/// Flags of struct sigaction that the kernel keeps.
const KEPT_FLAGS: u64 = (kernel::SA_NOCLDSTOP
    | kernel::SA_NOCLDWAIT
    | kernel::SA_SIGINFO
    | kernel::SA_EXPOSE_TAGBITS
    | kernel::SA_RESTORER
    | kernel::SA_ONSTACK
    | kernel::SA_RESTART
    | kernel::SA_NODEFER
    | kernel::SA_RESETHAND) as u64;
/// MINSIGSTKSZ of AArch64.
const MINSIGSTKSZ: u64 = 5120;

const fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// Signals of faults, in the order in which the kernel takes them.
const OWNED_SIGNALS: [i32; 5] = [libc::SIGILL, libc::SIGTRAP, libc::SIGBUS, libc::SIGFPE, libc::SIGSEGV];

/// Signals whose host handlers are emu's, always unblocked: guarded accesses and generated code need two of them, and by
/// the others a bug of emu's own shows, which is neither the guest's nor to be silent.
pub(crate) const OWNED: u64 =
    bit(libc::SIGILL) | bit(libc::SIGTRAP) | bit(libc::SIGBUS) | bit(libc::SIGFPE) | bit(libc::SIGSEGV);
/// Signals by whose default action the process leaves a core file.
const CORES: u64 =
    bit(libc::SIGQUIT) | bit(libc::SIGABRT) | bit(libc::SIGXCPU) | bit(libc::SIGXFSZ) | bit(libc::SIGSYS) | OWNED;
/// Signals that nobody catches or blocks.
const UNSTOPPABLE: u64 = bit(libc::SIGKILL) | bit(libc::SIGSTOP);

/// What a host thread blocks that must not be interrupted.
pub(crate) const BLOCKABLE: u64 = !OWNED;

/// `struct sigaction` of AArch64's kernel.
#[repr(C)]
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
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
#[derive(Clone, Copy, Default, Debug, FromBytes, IntoBytes, Immutable)]
pub(crate) struct AltStack {
    sp: u64,
    flags: u32,
    pad: u32,
    size: u64,
}

const _: () = assert!(size_of::<AltStack>() == 24);

impl AltStack {
    /// Of a thread that has none.
    pub(crate) const NONE: Self = Self { sp: 0, flags: SS_DISABLE, pad: 0, size: 0 };

    /// Whether `sp` is on it (`on_sig_stack`).
    fn holds(&self, sp: u64) -> bool {
        self.flags & SS_AUTODISARM == 0 && sp > self.sp && sp - self.sp <= self.size
    }

    /// What sigaltstack(2) says of it.
    fn shown(&self, sp: u64) -> Self {
        let on = match self.size {
            0 => SS_DISABLE,
            _ if self.holds(sp) => SS_ONSTACK,
            _ => 0,
        };
        Self { flags: self.flags & SS_AUTODISARM | on, pad: 0, ..*self }
    }

    /// Puts `new` in its place, if that is a stack and the thread at `sp` is not on the old one.
    fn replace(&mut self, mut new: Self, sp: u64) -> Result<(), Errno> {
        if self.holds(sp) {
            return Err(Errno(libc::EPERM));
        }
        match new.flags & !SS_AUTODISARM {
            SS_DISABLE => (new.sp, new.size) = (0, 0),
            0 | SS_ONSTACK if new.size < MINSIGSTKSZ => return Err(Errno(libc::ENOMEM)),
            0 | SS_ONSTACK => {}
            _ => return Err(EINVAL),
        }
        *self = Self { pad: 0, ..new };
        Ok(())
    }
}

/// The actions that the guest has set; None where it has not, and the host's counts.
pub(crate) struct SignalActions {
    set: Lock<[Option<GuestAction>; COUNT]>,
    ignored: Ignored,
    /// Defaults that leave a core file are emu's to perform: the host's kernel would leave emu's.
    catches_cores: AtomicBool,
}

impl SignalActions {
    /// Those of a new program, which has inherited that the signals of the set `ignored` are ignored, as far as that
    /// cannot be asked of the host any more.
    pub(crate) fn new(ignored: u64) -> Self {
        let ignored = ignored & OWNED;
        let set = std::array::from_fn(|index| {
            let action = GuestAction { handler: SIG_IGN, ..GuestAction::default() };
            (ignored >> index & 1 != 0).then_some(action)
        });
        let actions = Self::with(set, ignored, false);
        for signal in OWNED_SIGNALS {
            let _ = adopt(signal, true);
        }
        actions
    }

    /// The signals among emu's that are ignored, for a thread's port.
    pub(crate) fn ignored(&self) -> &Ignored {
        &self.ignored
    }

    /// The action of `signal`, which is valid.
    pub(crate) fn get(&self, signal: i32) -> GuestAction {
        self.set.lock()[signal as usize - 1].unwrap_or_else(|| inherited(signal))
    }

    /// The action of `signal`, which is valid and about to be delivered: SA_RESETHAND.
    fn take(&self, signal: i32) -> GuestAction {
        let mut set = self.set.lock();
        let place = &mut set[signal as usize - 1];
        let action = place.unwrap_or_else(|| inherited(signal));
        if action.flags & SA_RESETHAND != 0 && action.handler > SIG_IGN {
            let reset = GuestAction { handler: SIG_DFL, ..action };
            *place = Some(reset);
            let _ = self.tell_host(signal, &reset);
        }
        action
    }

    fn set(&self, signal: i32, action: GuestAction) -> Result<(), Errno> {
        // Held over the host's call, so that two threads leave the same action in both places.
        let mut set = self.set.lock();
        self.tell_host(signal, &action)?;
        set[signal as usize - 1] = Some(action);
        Ok(())
    }

    fn tell_host(&self, signal: i32, action: &GuestAction) -> Result<(), Errno> {
        if OWNED & bit(signal) != 0 {
            if action.handler == SIG_IGN {
                self.ignored.fetch_or(bit(signal), Ordering::Relaxed);
            } else {
                self.ignored.fetch_and(!bit(signal), Ordering::Relaxed);
            }
            return adopt(signal, action.handler <= SIG_IGN || action.flags & SA_RESTART != 0);
        }
        // The first two count without a handler too. What SA_RESTART means is the kernel's to say, call by call.
        let flags = action.flags & ((libc::SA_NOCLDSTOP | libc::SA_NOCLDWAIT) as u64 | SA_RESTART);
        let is_caught = CORES & bit(signal) != 0 && self.catches_cores.load(Ordering::Relaxed);
        let host = match action.handler {
            SIG_DFL if is_caught => host::handler_action(on_signal, flags),
            SIG_DFL | SIG_IGN => HostAction { handler: action.handler, flags, ..HostAction::default() },
            _ => host::handler_action(on_signal, flags),
        };
        host::sigaction(signal, Some(host)).map(|_| ())
    }

    /// Whether signals by which the process dies with a core file come to emu, which has to write it. Not to the first
    /// process of a namespace, which the kernel keeps from dying of them.
    pub(crate) fn catch_cores(&self, on: bool) {
        let on = on && host::call3(libc::SYS_getpid, 0, 0, 0) != Ok(1);
        let set = self.set.lock();
        if self.catches_cores.swap(on, Ordering::Relaxed) == on {
            return;
        }
        let ours = on_signal as *const () as u64;
        for (action, signal) in set.iter().zip(1..) {
            let host = host::sigaction(signal, None).map_or(SIG_IGN, |action| action.handler);
            let is_default = action.is_none_or(|action| action.handler == SIG_DFL);
            if CORES & !OWNED & bit(signal) != 0 && is_default && host == if on { SIG_DFL } else { ours } {
                let _ = self.tell_host(signal, &action.unwrap_or_default());
            }
        }
    }

    /// Sets what has a handler to its default, as for a new program.
    pub(crate) fn clear_handlers(&self) {
        for (action, signal) in self.set.lock().iter_mut().zip(1..) {
            if action.is_some_and(|action| action.handler > SIG_IGN) {
                *action = None;
                let _ = self.tell_host(signal, &GuestAction::default());
            }
        }
    }

    /// A copy, for a process that shares memory but not this.
    pub(crate) fn copy(&self) -> Self {
        Self::with(*self.set.lock(), self.ignored.load(Ordering::Relaxed), self.catches_cores.load(Ordering::Relaxed))
    }

    fn with(set: [Option<GuestAction>; COUNT], ignored: u64, catches_cores: bool) -> Self {
        Self {
            set: Lock::new(Rank::Actions, set),
            ignored: Arc::new(ignored.into()),
            catches_cores: catches_cores.into(),
        }
    }

    /// Keeps other threads out.
    pub(crate) fn lock_for_fork(&self) -> Guard<'_, impl Sized> {
        self.set.lock()
    }
}

/// Whether the process leaves a core file when it dies of `signal`.
pub(crate) fn leaves_core(signal: i32) -> bool {
    (1..=COUNT as i32).contains(&signal) && CORES & bit(signal) != 0
}

/// What the action was before the program set any.
fn inherited(signal: i32) -> GuestAction {
    let is_ignored = OWNED & bit(signal) == 0 && host::sigaction(signal, None).is_ok_and(|old| old.handler == SIG_IGN);
    GuestAction { handler: if is_ignored { SIG_IGN } else { SIG_DFL }, ..GuestAction::default() }
}

/// Has emu's handler of a fault run with everything blocked, and says whether calls go on that a sent one interrupts.
fn adopt(signal: i32, restart: bool) -> Result<(), Errno> {
    let mut action = host::sigaction(signal, None)?;
    if action.handler <= SIG_IGN {
        return Ok(());
    }
    action.mask = u64::MAX;
    action.flags = action.flags & !SA_RESTART | if restart { SA_RESTART } else { 0 };
    host::sigaction(signal, Some(action)).map(|_| ())
}

/// The signals that the calling process ignores, as a set, among those whose handlers will be emu's: to be asked before
/// these are installed.
#[must_use]
pub fn ignored_signals() -> u64 {
    let ignores = |signal: &i32| host::sigaction(*signal, None).is_ok_and(|action| action.handler == SIG_IGN);
    OWNED_SIGNALS.into_iter().filter(ignores).map(bit).sum()
}

/// Has no signal come to the calling thread until [`unblock`]. [`RESTART`] if one has come already: it goes first.
pub(crate) fn block(port: &Port) -> Result<(), Errno> {
    host::sigmask(libc::SIG_SETMASK, Some(BLOCKABLE))?;
    // Of those that cannot be blocked a second one is held.
    if port.has_signal() { Err(RESTART) } else { Ok(()) }
}

/// Has those that cannot be blocked go to other threads too, for the calling one ends. [`RESTART`] as from [`block`].
pub(crate) fn give_up(port: &Port) -> Result<(), Errno> {
    let mask = port.mask();
    port.set_mask(u64::MAX);
    if port.has_signal() {
        port.set_mask(mask);
        return Err(RESTART);
    }
    Ok(())
}

/// Ends what [`block`] began.
pub(crate) fn unblock(port: &Port) {
    // Or else delivery does so.
    if !port.has_signal() {
        let _ = host::sigmask(libc::SIG_SETMASK, Some(port.mask() & !OWNED));
    }
}

/// What emu keeps of the calling thread's signals, given to the host's kernel for a new program to inherit.
pub(crate) struct ForNewProgram<'a> {
    port: &'a Port,
    /// Emu's actions in whose place the guest's stand.
    ours: [Option<(i32, HostAction)>; OWNED_SIGNALS.len()],
}

/// Prepares the calling thread for execve(2), which is to be made by [`host::guest_call`]. To be dropped if that fails.
pub(crate) fn before_exec<'a>(process: &Process, port: &'a Port) -> ForNewProgram<'a> {
    // Emu's handlers become defaults in the new program; what the guest ignores must stay ignored.
    let ignore = HostAction { handler: SIG_IGN, ..HostAction::default() };
    let ours = OWNED_SIGNALS.map(|signal| {
        let is_ignored = process.actions.get(signal).handler == SIG_IGN;
        is_ignored.then(|| host::sigaction(signal, Some(ignore)).ok()).flatten().map(|action| (signal, action))
    });
    let blocked = port.mask() & OWNED;
    if blocked != 0 {
        let _ = host::sigmask(libc::SIG_BLOCK, Some(blocked));
        while let Some(info) = port.take_held(blocked) {
            pending::requeue(&info);
        }
    }
    ForNewProgram { port, ours }
}

impl Drop for ForNewProgram<'_> {
    fn drop(&mut self) {
        for (signal, action) in self.ours.iter().flatten() {
            let _ = host::sigaction(*signal, Some(*action));
        }
        if self.port.mask() & OWNED != 0 {
            let _ = host::sigmask(libc::SIG_UNBLOCK, Some(OWNED));
        }
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
        if action.handler == SIG_IGN {
            context.process.signals.forget(signal);
        }
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
    let port = &context.thread.port;
    let old = port.mask();
    if let Some(set) = new {
        let mask = match args[0] as i32 {
            libc::SIG_BLOCK => old | set,
            libc::SIG_UNBLOCK => old & !set,
            libc::SIG_SETMASK => set,
            _ => return Err(EINVAL),
        } & !UNSTOPPABLE;
        // What has been recorded is delivered under the mask that it came under.
        if old != mask {
            host::set_mask_if_none(mask & !OWNED, port.flag())?;
            port.set_mask(mask);
            port.release_held();
        }
    }
    if args[2] != 0 {
        user::write(args[2], &old)?;
    }
    Ok(0)
}

/// sigaltstack implements Linux syscall sigaltstack(2).
pub(crate) fn sigaltstack(context: &mut Context<'_>, args: Args) -> Outcome {
    let new: Option<AltStack> = if args[0] == 0 { None } else { Some(user::read(args[0])?) };
    let sp = context.cpu.sp().0;
    let old = context.thread.alt_stack.shown(sp);
    if let Some(stack) = new {
        context.thread.alt_stack.replace(stack, sp)?;
    }
    if args[1] != 0 {
        user::write(args[1], &old)?;
    }
    Ok(0)
}

/// rt_sigreturn implements Linux syscall rt_sigreturn(2). Its result is what X0 is in the frame.
pub(crate) fn rt_sigreturn(context: &mut Context<'_>, _: Args) -> Outcome {
    if let Delivery::Die(signal) = context.thread.return_from_handler(context.process, context.cpu) {
        context.after = After::Killed(signal);
    }
    Ok(context.cpu.x[0])
}

/// restart_syscall implements Linux syscall restart_syscall(2): only the kernel itself has one to restart.
pub(crate) fn restart_syscall(_: &mut Context<'_>, _: Args) -> Outcome {
    Err(Errno(libc::EINTR))
}

#[cfg(test)]
mod tests;
