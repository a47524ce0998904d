//! The guest's threads, so that the one by which the process dies can show the registers of all. Each is asked to a
//! safepoint, where it shows its registers and goes no further. It must not know what they are wanted for.

use crate::process::thread_id;
use ir::eval::fp;
use ir::{ControlWords, CpuState, Lock, Rank, Vcpu, Words};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long the dying wait for a thread: it may be in a call that nothing interrupts.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a thread is interrupted that has not come yet.
const PAUSE: Duration = Duration::from_millis(2);

/// A thread's registers, as Linux shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registers {
    /// The thread's id.
    pub tid: u32,
    /// The signals that it blocks.
    pub mask: u64,
    /// X0 to X30, SP, PC, PSTATE: `struct user_pt_regs`.
    pub general: [u64; 34],
    /// V0 to V31.
    pub vectors: [u128; 32],
    /// FPSR.
    pub fpsr: u32,
    /// FPCR.
    pub fpcr: u32,
    /// TPIDR_EL0.
    pub tls: u64,
}

impl Registers {
    /// Of a guest thread that is not in guest code.
    pub fn of(cpu: &CpuState, tid: u32, mask: u64) -> Self {
        let mut general = [0; 34];
        general[..32].copy_from_slice(&cpu.x);
        general[32] = cpu.pc.0;
        general[33] = u64::from(cpu.nzcv().0);
        Self {
            tid,
            mask,
            general,
            vectors: cpu.v,
            fpsr: fp::saved_fpsr(cpu) as u32,
            fpcr: fp::read_fpcr(cpu) as u32,
            tls: cpu.tpidr_el0,
        }
    }
}

struct Member {
    tid: AtomicU32,
    words: Words,
    shown: Lock<Option<Registers>>,
}

impl Member {
    fn shown(&self) -> Option<Registers> {
        self.shown.lock().clone()
    }
}

/// All threads of the process.
pub struct Roll {
    members: Lock<Vec<Arc<Member>>>,
    is_dying: AtomicBool,
}

/// A thread's place on the roll, for as long as it runs.
pub struct Place<'a> {
    roll: &'a Roll,
    member: Arc<Member>,
}

impl Default for Roll {
    fn default() -> Self {
        Self { members: Lock::new(Rank::Members, Vec::new()), is_dying: AtomicBool::new(false) }
    }
}

impl Roll {
    /// The calling thread runs the guest's thread `cpu` from now on.
    pub fn enter(&self, cpu: &Vcpu) -> Place<'_> {
        let shown = Lock::new(Rank::Shown, None);
        let member = Arc::new(Member { tid: thread_id().into(), words: cpu.share_words(), shown });
        self.members.lock().push(Arc::clone(&member));
        Place { roll: self, member }
    }

    /// Calls `fork`, which says whether it has returned in the child, where only the calling thread is left.
    pub fn around_fork(&self, fork: impl FnOnce() -> bool) {
        let caller = thread_id();
        let mut members = self.members.lock();
        // A dying thread may be looking whether the caller has shown something.
        let mine = members.iter().find(|member| member.tid.load(Ordering::Relaxed) == caller).cloned();
        let _shown = mine.as_ref().map(|member| member.shown.lock());
        if fork() {
            members.retain(|member| member.tid.load(Ordering::Relaxed) == caller);
            for member in members.iter() {
                member.tid.store(thread_id(), Ordering::Relaxed);
            }
            self.is_dying.store(false, Ordering::Relaxed);
        }
    }

    /// Whether threads must go no further: if one has said so since the process began.
    pub fn is_dying(&self) -> bool {
        self.is_dying.load(Ordering::Acquire)
    }

    fn members(&self) -> Vec<Arc<Member>> {
        self.members.lock().clone()
    }
}

impl Place<'_> {
    /// Shows the thread's registers to whoever [collects](Self::collect) them.
    pub fn show(&self, cpu: &CpuState, mask: u64) {
        *self.member.shown.lock() = Some(Registers::of(cpu, self.member.tid.load(Ordering::Relaxed), mask));
    }

    /// The thread goes on, so what it has shown is past.
    pub fn hide(&self) {
        *self.member.shown.lock() = None;
    }

    /// Says that the process dies by this thread. False if another one has.
    pub fn is_first_to_die(&self) -> bool {
        !self.roll.is_dying.swap(true, Ordering::AcqRel)
    }

    /// Has all threads show their registers and stop for good; gives the caller's, which it has shown, and then those
    /// of the others that have come in time.
    pub fn collect(&self) -> Vec<Registers> {
        let others = || self.roll.members().into_iter().filter(|member| !Arc::ptr_eq(member, &self.member));
        let end = Instant::now() + PATIENCE;
        loop {
            let missing: Vec<_> = others().filter(|member| member.shown.lock().is_none()).collect();
            if missing.is_empty() || Instant::now() >= end {
                break;
            }
            for member in missing {
                member.words.request_safepoint(ControlWords::PARK);
                syscalls::interrupt(member.tid.load(Ordering::Relaxed));
            }
            std::thread::sleep(PAUSE);
        }
        self.member.shown().into_iter().chain(others().filter_map(|member| member.shown())).collect()
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.roll.members.lock().retain(|member| !Arc::ptr_eq(member, &self.member));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_lasts_as_long_as_its_thread() {
        let roll = Roll::default();
        let cpu = Vcpu::default();
        let place = roll.enter(&cpu);
        place.show(&cpu, 5);
        drop(roll.enter(&Vcpu::default()));
        let collected = place.collect();
        assert_eq!(collected.len(), 1);
        assert_eq!((collected[0].tid, collected[0].mask), (thread_id(), 5));
    }

    #[test]
    fn only_the_caller_comes_through_a_fork() {
        let roll = Roll::default();
        let cpu = Vcpu::default();
        let place = roll.enter(&cpu);
        let other = Vcpu::default();
        let left = roll.enter(&other);
        left.member.tid.store(1, Ordering::Relaxed);
        roll.around_fork(|| {
            let is_taken = || place.member.shown.try_lock().is_none();
            assert!(std::thread::scope(|scope| scope.spawn(is_taken).join().unwrap()));
            false
        });
        assert_eq!(roll.members().len(), 2);
        roll.around_fork(|| true);
        assert!(!roll.is_dying() && place.is_first_to_die() && !place.is_first_to_die());
        roll.around_fork(|| true);
        assert!(!roll.is_dying());
        assert!(matches!(&roll.members()[..], [one] if Arc::ptr_eq(one, &place.member)));
    }
}
