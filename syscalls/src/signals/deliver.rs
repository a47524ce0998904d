//! Delivery: what a recorded signal or a fault does to the guest's thread, between instructions. It must not know how
//! signals arrive (`port.rs`) nor what a frame looks like (`frame.rs`).

use super::frame::{self, Content, FaultRecord};
use super::pending::requeue;
use super::slot::{SigInfo, number_of};
use super::{AltStack, GuestAction, OWNED, SIG_DFL, SIG_IGN, UNSTOPPABLE, bit};
use crate::host;
use crate::process::{Process, ThreadState};
use crate::tags;
use ir::{CpuState, GuestAddr};
use linux_raw_sys::general as kernel;

const SA_SIGINFO: u64 = kernel::SA_SIGINFO as u64;
const SA_RESTORER: u64 = kernel::SA_RESTORER as u64;
const SA_ONSTACK: u64 = kernel::SA_ONSTACK as u64;
const SA_NODEFER: u64 = kernel::SA_NODEFER as u64;
const SA_EXPOSE_TAGBITS: u64 = kernel::SA_EXPOSE_TAGBITS as u64;

/// Signals that are ignored by default.
const IGNORED_BY_DEFAULT: u64 = bit(libc::SIGCHLD) | bit(libc::SIGURG) | bit(libc::SIGWINCH) | bit(libc::SIGCONT);
/// Signals that stop the process by default.
const STOPS_BY_DEFAULT: u64 = bit(libc::SIGSTOP) | bit(libc::SIGTSTP) | bit(libc::SIGTTIN) | bit(libc::SIGTTOU);

/// What comes of a signal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Delivery {
    /// The thread goes on at `CpuState::pc`.
    GoOn,
    /// The process dies of this signal.
    Die(i32),
}

/// A fault of an instruction, which the guest gets as a signal at once.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// SIGSEGV, SIGBUS, SIGILL or SIGTRAP.
    pub signal: i32,
    /// `si_code`.
    pub code: i32,
    /// `si_addr`.
    pub addr: GuestAddr,
    /// FAR_EL1 and ESR_EL1 as the kernel records them, if it does.
    pub syndrome: Option<(GuestAddr, u64)>,
}

impl ThreadState {
    /// Delivers what is recorded. To be called at safepoints; the host's mask is the guest's again afterwards.
    pub(crate) fn deliver(&mut self, process: &Process, cpu: &mut CpuState) -> Delivery {
        self.deliver_from(process, cpu, None)
    }

    /// The guest's mask, if the host's is the same: until a signal is recorded.
    fn host_mask(&self) -> Option<u64> {
        (!self.port.has_signal()).then(|| self.port.mask() & !OWNED)
    }

    /// [`ThreadState::deliver`] when the host's mask may be known. Setting it costs a system call.
    fn deliver_from(&mut self, process: &Process, cpu: &mut CpuState, mut host_mask: Option<u64>) -> Delivery {
        loop {
            if let Some(info) = self.port.take() {
                host_mask = None;
                let result = self.deliver_one(process, cpu, &info);
                if result != Delivery::GoOn {
                    return result;
                }
            }
            self.temporary_mask = None;
            let wanted = self.port.mask() & !OWNED;
            if host_mask != Some(wanted) && host::set_mask_if_none(wanted, self.port.flag()).is_err() {
                // One has come since the last was taken.
                host_mask = None;
                continue;
            }
            host_mask = None;
            self.port.release_held();
            if !self.port.has_signal() {
                return Delivery::GoOn;
            }
        }
    }

    fn deliver_one(&mut self, process: &Process, cpu: &mut CpuState, info: &SigInfo) -> Delivery {
        let signal = number_of(info);
        if self.temporary_mask.unwrap_or_else(|| self.port.mask()) & bit(signal) != 0 {
            // A fault's handler has begun since, and blocks it.
            requeue(info);
            return Delivery::GoOn;
        }
        let action = process.actions.take(signal);
        match action.handler {
            SIG_IGN => Delivery::GoOn,
            SIG_DFL if IGNORED_BY_DEFAULT & bit(signal) != 0 => Delivery::GoOn,
            SIG_DFL if STOPS_BY_DEFAULT & bit(signal) != 0 => {
                // The action has changed since. The host's is the default too: once unblocked, it stops.
                requeue(info);
                Delivery::GoOn
            }
            // The first process of a namespace dies of nothing that has been sent to it.
            SIG_DFL if host::call3(libc::SYS_getpid, 0, 0, 0) == Ok(1) => Delivery::GoOn,
            SIG_DFL => self.dies(info),
            _ => self.begin_handler(process, cpu, &action, info),
        }
    }

    /// Delivers a fault at `CpuState::pc`, and then what else is recorded.
    pub(crate) fn fault(&mut self, process: &Process, cpu: &mut CpuState, fault: Fault) -> Delivery {
        let host_mask = self.host_mask();
        self.fault_from(process, cpu, fault, host_mask)
    }

    /// [`ThreadState::fault`] when the host's mask may be known.
    fn fault_from(&mut self, process: &Process, cpu: &mut CpuState, fault: Fault, host_mask: Option<u64>) -> Delivery {
        let Fault { signal, code, addr, syndrome } = fault;
        if let Some((far, esr)) = syndrome {
            self.fault_record = FaultRecord { address: tags::untagged(far.0), esr };
        }
        let mut info: SigInfo = [0; 16];
        info[0] = signal as u64;
        info[1] = u64::from(code as u32);
        info[2] = tags::untagged(addr.0);
        let action = process.actions.get(signal);
        if self.port.mask() & bit(signal) != 0 || matches!(action.handler, SIG_DFL | SIG_IGN) {
            return self.dies(&info);
        }
        let action = process.actions.take(signal);
        if action.flags & SA_EXPOSE_TAGBITS != 0 {
            info[2] = addr.0;
        }
        match self.begin_handler(process, cpu, &action, &info) {
            Delivery::GoOn => self.deliver_from(process, cpu, host_mask),
            died => died,
        }
    }

    fn dies(&mut self, info: &SigInfo) -> Delivery {
        self.died_of = Some(*info);
        Delivery::Die(number_of(info))
    }

    /// Has the thread go on in the handler.
    fn begin_handler(
        &mut self,
        process: &Process,
        cpu: &mut CpuState,
        action: &GuestAction,
        info: &SigInfo,
    ) -> Delivery {
        let signal = number_of(info);
        let sp = cpu.sp().0;
        let on_stack = action.flags & SA_ONSTACK != 0 && self.alt_stack.size != 0 && !self.alt_stack.holds(sp);
        let top = if on_stack { self.alt_stack.sp.wrapping_add(self.alt_stack.size) } else { sp };
        let with_info = action.flags & SA_SIGINFO != 0;
        let content = Content {
            info: with_info.then_some(*info),
            mask: self.port.mask(),
            stack: self.alt_stack,
            fault: self.fault_record,
        };
        let Ok(placed) = frame::write(cpu, top, &content) else {
            // force_sigsegv(): a handler of SIGSEGV itself could not be begun either.
            if signal == libc::SIGSEGV {
                let mut forced: SigInfo = [0; 16];
                forced[..2].copy_from_slice(&[libc::SIGSEGV as u64, libc::SI_KERNEL as u64]);
                return self.dies(&forced);
            }
            let fault = Fault { signal: libc::SIGSEGV, code: libc::SI_KERNEL, addr: GuestAddr(0), syndrome: None };
            // If this signal had been recorded, all are still blocked.
            return self.fault_from(process, cpu, fault, None);
        };
        if self.alt_stack.flags & super::SS_AUTODISARM != 0 {
            self.alt_stack = AltStack::NONE;
        }
        cpu.x[0] = signal as u64;
        if with_info {
            cpu.x[1] = placed.frame.wrapping_add(frame::INFO);
            cpu.x[2] = placed.frame.wrapping_add(frame::UCONTEXT);
        }
        cpu.x[29] = placed.record;
        let restorer = action.flags & SA_RESTORER != 0;
        cpu.x[30] = if restorer { action.restorer } else { process.sigreturn_code().0 };
        cpu.x[CpuState::SP] = placed.frame;
        cpu.pc = GuestAddr(action.handler);
        cpu.exclusive_addr = CpuState::NO_EXCLUSIVE;
        let before = self.temporary_mask.take().unwrap_or_else(|| self.port.mask());
        let own = if action.flags & SA_NODEFER == 0 { bit(signal) } else { 0 };
        self.port.set_mask((before | action.mask | own) & !UNSTOPPABLE);
        Delivery::GoOn
    }

    /// rt_sigreturn(2): goes back to what the frame at SP says.
    pub(super) fn return_from_handler(&mut self, process: &Process, cpu: &mut CpuState) -> Delivery {
        let sp = cpu.sp();
        let (mut mask, host_mask) = (None, self.host_mask());
        let restored = frame::read(cpu, sp.0, &mut mask);
        // Counts also when the rest of the frame is refused.
        if let Some(mask) = mask {
            self.port.set_mask(mask & !UNSTOPPABLE);
        }
        let Ok(stack) = restored else {
            let code = process.memory().fault_code(sp);
            cpu.x[0] = 0;
            let fault = Fault { signal: libc::SIGSEGV, code, addr: sp, syndrome: Some((GuestAddr(0), 0)) };
            return self.fault_from(process, cpu, fault, host_mask);
        };
        cpu.exclusive_addr = CpuState::NO_EXCLUSIVE;
        // As in the kernel, a stack that is none changes nothing, and is no error.
        let _ = self.alt_stack.replace(stack, cpu.sp().0);
        self.deliver_from(process, cpu, host_mask)
    }
}

/// A wait with a mask of its own ends: if by a signal, that is delivered under that mask (ppoll, sigsuspend).
pub(crate) fn after_wait(thread: &mut ThreadState, mask: u64, outcome: host::Outcome) -> host::Outcome {
    if thread.port.has_signal() && outcome == Err(ir::Errno(libc::EINTR)) {
        thread.temporary_mask = Some(mask);
    }
    outcome
}
