//! Locks, and the one order in which threads take them. Owns the list of all locks of the process, of whichever crate:
//! the crates meet here too, for a fork takes nearly all of them. It must not know what they protect.
//!
//! Debug builds check the order: a thread that takes a lock above or beside one that it holds panics, also when no other
//! thread is there to wait for. Release builds have nothing of that. What a thread holds is in words of its own that are
//! never made or dropped, so that the check allocates nothing. Signal handlers take no locks at all.

use std::io::{self, StderrLock};
use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

macro_rules! order {
    ($($(#[doc = $what:literal])+ $name:ident,)+) => {
        /// Every lock of the process. A thread that holds one takes only those further down.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Rank {
            $($(#[doc = $what])+ $name,)+
        }

        #[cfg(debug_assertions)]
        const RANKS: &[Rank] = &[$(Rank::$name),+];
    };
}

order! {
    /// syscalls: a process is being made, one at a time.
    Forking,
    /// emu: the thread that says why the guest dies, or writes what must be written before the process ends.
    Dying,
    /// emu: the roll of the guest's threads.
    Members,
    /// emu: the registers that one of them shows.
    Shown,
    /// backend: the queue of the compiler's thread.
    Jobs,
    /// backend: which compiler there is.
    Compiler,
    /// backend: the compiler.
    Workshop,
    /// backend: the blocks and the code known.
    Code,
    /// backend: the code objects of a generation. Nobody holds those of several but a fork, which holds `Code` too.
    Objects,
    /// backend: the control words that a thread runs by. A fork does not take it: those who take that of another thread
    /// hold `Code`.
    ControlBlock,
    /// backend: where the computed branch of a block went. A fork does not take it, nor does anybody wait for it.
    Targets,
    /// backend: what profilers are told.
    Profiler,
    /// backend: the log of `-d`.
    Log,
    /// emu: where statistics go. A fork does not take it: whoever does holds `Dying`.
    Statistics,
    /// syscalls: what has been complained of.
    Reported,
    /// syscalls: the signal actions.
    Actions,
    /// syscalls: resource limits.
    Limits,
    /// syscalls: the log of `-strace`.
    Strace,
    /// syscalls: the record of the guest's mappings.
    AddressSpace,
    /// Standard error, as Rust's library locks it: the logs write to it.
    StandardError,
}

/// What a lock's rank is good for. In debug builds: what each thread holds.
#[cfg(debug_assertions)]
mod check {
    use super::{RANKS, Rank};
    use std::cell::Cell;

    thread_local! {
        /// How many locks of each rank the thread holds.
        static HELD: [Cell<u32>; RANKS.len()] = const { [const { Cell::new(0) }; RANKS.len()] };
    }

    /// Whether the thread holds a lock of the rank.
    pub(super) fn is_held(rank: Rank) -> bool {
        HELD.with(|held| held[rank as usize].get() != 0)
    }

    #[derive(Debug)]
    pub(super) struct Ranked(Rank);

    /// One lock that the thread holds.
    pub(super) struct Held(Rank);

    impl Ranked {
        pub(super) const fn new(rank: Rank) -> Self {
            Self(rank)
        }

        /// The thread is about to take the lock, which comes behind all that it holds.
        #[track_caller]
        pub(super) fn take(&self) -> Held {
            self.take_behind(self.0 as usize)
        }

        /// The same, but that it may hold others of the rank.
        #[track_caller]
        pub(super) fn take_beside(&self) -> Held {
            self.take_behind(self.0 as usize + 1)
        }

        #[track_caller]
        fn take_behind(&self, first: usize) -> Held {
            let Self(rank) = *self;
            HELD.with(|held| {
                if let Some(wrong) = RANKS[first..].iter().find(|&&rank| held[rank as usize].get() != 0) {
                    let text = format!("order of locks: {rank:?} is taken while {wrong:?} is held");
                    // Somebody may catch the panic and give up what was being done, which should not be all that is seen.
                    eprintln!("emu: {text}");
                    panic!("{text}");
                }
                let count = &held[rank as usize];
                count.set(count.get() + 1);
            });
            Held(rank)
        }
    }

    impl Drop for Held {
        fn drop(&mut self) {
            HELD.with(|held| {
                let count = &held[self.0 as usize];
                count.set(count.get() - 1);
            });
        }
    }
}

/// What a lock's rank is good for. In release builds: nothing.
#[cfg(not(debug_assertions))]
mod check {
    use super::Rank;

    #[derive(Debug)]
    pub(super) struct Ranked;

    pub(super) struct Held;

    impl Ranked {
        pub(super) const fn new(_: Rank) -> Self {
            Self
        }

        pub(super) const fn take(&self) -> Held {
            Held
        }

        pub(super) const fn take_beside(&self) -> Held {
            Held
        }
    }

    const _: () = assert!(size_of::<super::Lock<u64>>() == size_of::<std::sync::Mutex<u64>>());
}

use check::{Held, Ranked};

/// A mutex with its place in the order. It knows no poison: a panic ends the process, or gives up work of a thread's own
/// that leaves what is shared as it was.
#[derive(Debug)]
pub struct Lock<T> {
    rank: Ranked,
    data: Mutex<T>,
}

/// A lock that the thread holds, until this is dropped.
pub struct Guard<'a, T> {
    data: MutexGuard<'a, T>,
    // Behind the data, so that it goes when the lock has been given back.
    held: Held,
}

impl<T> Lock<T> {
    /// A lock that nobody holds.
    pub const fn new(rank: Rank, data: T) -> Self {
        Self { rank: Ranked::new(rank), data: Mutex::new(data) }
    }

    /// Waits for the lock.
    ///
    /// # Panics
    /// In debug builds, if the thread holds one that does not come before it.
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn lock(&self) -> Guard<'_, T> {
        let held = self.rank.take();
        Guard { data: self.data.lock().unwrap_or_else(PoisonError::into_inner), held }
    }

    /// Waits for the lock beside others of its rank: `gate` is a lock without which nobody takes several of them.
    ///
    /// # Panics
    /// In debug builds, if the thread holds one that comes after it.
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn lock_beside<G>(&self, _gate: &Guard<'_, G>) -> Guard<'_, T> {
        let held = self.rank.take_beside();
        Guard { data: self.data.lock().unwrap_or_else(PoisonError::into_inner), held }
    }

    /// The lock, if nobody holds it.
    ///
    /// # Panics
    /// As [`Lock::lock`].
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        let held = self.rank.take();
        match self.data.try_lock() {
            Ok(data) => Some(Guard { data, held }),
            Err(TryLockError::Poisoned(poisoned)) => Some(Guard { data: poisoned.into_inner(), held }),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl<T> Guard<'_, T> {
    /// Gives the lock back until `changed` is notified.
    #[must_use]
    pub fn wait(self, changed: &Condvar) -> Self {
        // The thread does nothing meanwhile, so it may as well count as holding it.
        let Self { data, held } = self;
        Self { data: changed.wait(data).unwrap_or_else(PoisonError::into_inner), held }
    }

    /// The same for `most` at most; says whether that has gone by.
    #[must_use]
    pub fn wait_timeout(self, changed: &Condvar, most: Duration) -> (Self, bool) {
        let Self { data, held } = self;
        let (data, waited) = changed.wait_timeout(data, most).unwrap_or_else(PoisonError::into_inner);
        (Self { data, held }, waited.timed_out())
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.data
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.data
    }
}

/// Keeps other threads from writing to standard error by Rust's library, until the result is dropped.
///
/// # Panics
/// As [`Lock::lock`], though the library's lock may be taken twice.
#[cfg_attr(debug_assertions, track_caller)]
pub fn lock_standard_error() -> impl Sized {
    struct StandardError {
        _data: StderrLock<'static>,
        _held: Held,
    }
    let held = Ranked::new(Rank::StandardError).take();
    StandardError { _data: io::stderr().lock(), _held: held }
}

/// In debug builds: whether the calling thread, which is about to fork, has taken what it should have.
///
/// # Panics
/// If not.
#[cfg_attr(debug_assertions, track_caller)]
pub fn check_fork() {
    #[cfg(debug_assertions)]
    for &rank in RANKS {
        // These are not taken, or not always there.
        let is_taken = match rank {
            Rank::ControlBlock | Rank::Targets | Rank::Statistics => false,
            Rank::Shown | Rank::Objects | Rank::Strace => continue,
            _ => true,
        };
        assert!(check::is_held(rank) == is_taken, "order of locks: a fork has {rank:?}: {}", !is_taken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let lock = Lock::new(Rank::Code, 1);
        *lock.lock() += 1;
        let guard = lock.lock();
        std::thread::scope(|scope| assert!(scope.spawn(|| lock.try_lock().is_none()).join().unwrap()));
        drop(guard);
        assert_eq!(lock.try_lock().map(|guard| *guard), Some(2));
    }

    #[test]
    fn a_wait_gives_the_lock_back() {
        let (lock, changed) = (Lock::new(Rank::Jobs, false), Condvar::new());
        std::thread::scope(|scope| {
            let mut guard = lock.lock();
            scope.spawn(|| {
                *lock.lock() = true;
                changed.notify_all();
            });
            while !*guard {
                guard = guard.wait(&changed);
            }
            let (guard, is_over) = guard.wait_timeout(&changed, Duration::from_millis(1));
            assert!(*guard && is_over);
        });
    }

    #[test]
    fn a_panic_leaves_no_poison() {
        let lock = Lock::new(Rank::Code, 1);
        let panic = std::panic::AssertUnwindSafe(|| {
            let _guard = lock.lock();
            panic!("for this test");
        });
        assert!(std::panic::catch_unwind(panic).is_err());
        assert_eq!(*lock.lock(), 1);
    }

    #[cfg(debug_assertions)]
    mod order {
        use super::*;

        #[test]
        fn locks_are_taken_downwards_and_given_back_in_any_order() {
            let locks = [Rank::Forking, Rank::Code, Rank::AddressSpace].map(|rank| Lock::new(rank, ()));
            let [first, second, third] = locks.each_ref().map(Lock::lock);
            drop((first, third));
            let _third = locks[2].lock();
            drop(second);
        }

        #[test]
        #[should_panic(expected = "order of locks: Code is taken while AddressSpace is held")]
        fn not_upwards() {
            let (code, space) = (Lock::new(Rank::Code, ()), Lock::new(Rank::AddressSpace, ()));
            let _space = space.lock();
            let _code = code.lock();
        }

        #[test]
        #[should_panic(expected = "order of locks: Objects is taken while Objects is held")]
        fn not_two_of_a_rank() {
            let objects = [(); 2].map(|()| Lock::new(Rank::Objects, ()));
            let _guards = objects.each_ref().map(Lock::lock);
        }

        #[test]
        fn several_of_a_rank_behind_a_gate() {
            let code = Lock::new(Rank::Code, ());
            let objects = [(); 3].map(|()| Lock::new(Rank::Objects, ()));
            let gate = code.lock();
            let [first, ..] = objects.each_ref().map(|lock| lock.lock_beside(&gate));
            drop(first);
            let _error = lock_standard_error();
        }

        #[test]
        #[should_panic(expected = "order of locks: Code is taken while Objects is held")]
        fn all_of_a_rank_count() {
            let code = Lock::new(Rank::Code, ());
            let objects = [(); 2].map(|()| Lock::new(Rank::Objects, ()));
            let gate = code.lock();
            let [first, _second] = objects.each_ref().map(|lock| lock.lock_beside(&gate));
            drop((first, gate));
            let _code = code.lock();
        }

        #[test]
        #[should_panic(expected = "order of locks: a fork has Forking: false")]
        fn a_fork_takes_them() {
            check_fork();
        }

        #[test]
        fn another_thread_holds_its_own() {
            let (code, space) = (Lock::new(Rank::Code, ()), Lock::new(Rank::AddressSpace, ()));
            let _space = space.lock();
            std::thread::scope(|scope| scope.spawn(|| drop(code.lock())).join().unwrap());
        }
    }
}
