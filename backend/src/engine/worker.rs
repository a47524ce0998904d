//! The background thread that compiles, and the queue that feeds it. Owns no code: it only says when the engine's
//! `compile_behind` runs, and for what.
//!
//! The thread holds no lock while it is at rest: then a process may fork ([`Worker::around_fork`]).
//!
//! Processes may share the memory (CLONE_VM): one of them has the thread, and it dies with that one, wherever it is. The
//! others learn it from the kernel, by a robust futex ([`Life`]). So no process starts it that will soon be another
//! program, as the child of a vfork(2) will.
//!
//! Unsafe because it blocks signals through libc, and gives the kernel a list.
#![allow(unsafe_code)]

use crate::abi::trampoline::FAULT_SIGNALS;
use crate::block::BlockKey;
use crate::inject::{self, Failure};
use ir::{Guard, Lock, Rank};
use std::collections::VecDeque;
use std::mem::offset_of;
use std::sync::Condvar;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the thread looks around when it has run out of jobs.
const LOOKS: u32 = 20;
/// How long it waits before each time.
const BETWEEN_LOOKS: Duration = Duration::from_millis(3);
/// How often whoever waits for the thread sees whether it is alive.
const BETWEEN_DOUBTS: Duration = Duration::from_millis(20);

#[derive(Debug, Default)]
struct Jobs {
    queue: VecDeque<BlockKey>,
    /// The thread exists.
    started: bool,
    /// Somebody waits for it to be at rest.
    forking: bool,
    /// It is compiling.
    busy: bool,
    /// It is to end, and somebody waits for that.
    stopping: bool,
    /// What to wait by.
    handle: Option<JoinHandle<()>>,
    /// Its id with the kernel, 0 if it has not begun.
    tid: i64,
    /// The process that may have it, of those that share this memory. None for any.
    home: Option<u32>,
}

impl Jobs {
    /// Whether the thread is another process's, or may only be.
    fn is_elsewhere(&self) -> bool {
        self.home.is_some_and(|home| home != std::process::id())
    }
}

/// Whether the thread lives: the kernel stores to `word` if it ends in any way but by [`Life::end`].
#[derive(Debug, Default)]
#[repr(C)]
struct Life {
    /// `struct robust_list_head`: the list, what is to be added to an entry's address to get its futex's, none pending.
    head: [AtomicU64; 3],
    /// The list's one entry: the address of the next, which is the head.
    entry: AtomicU64,
    /// Its futex: the thread's id.
    word: AtomicU32,
}

impl Life {
    /// The calling thread is the one. What the C library has there is for mutexes that nobody uses.
    fn begin(&self, tid: i64) {
        let [entry, offset, _] = &self.head;
        entry.store((&raw const self.entry) as u64, Ordering::Relaxed);
        offset.store((offset_of!(Self, word) - offset_of!(Self, entry)) as u64, Ordering::Relaxed);
        self.entry.store((&raw const self.head) as u64, Ordering::Relaxed);
        self.word.store(tid as u32, Ordering::Release);
        // SAFETY: the kernel reads the list when the thread ends, guarded, and stores only to a word that has its id.
        unsafe { libc::syscall(libc::SYS_set_robust_list, &raw const self.head, size_of_val(&self.head)) };
    }

    /// The thread ends as it should, or is another process's.
    fn end(&self) {
        self.word.store(0, Ordering::Release);
    }

    fn has_been_killed(&self) -> bool {
        self.word.load(Ordering::Acquire) & libc::FUTEX_OWNER_DIED != 0
    }
}

/// Queue and state of the background thread.
#[derive(Debug)]
pub struct Worker {
    jobs: Lock<Jobs>,
    changed: Condvar,
    life: Life,
    /// A thread has been killed at work, with the locks that it held.
    has_lost: AtomicBool,
}

impl Worker {
    /// One whose thread is to be the calling process's.
    pub fn of_this_process() -> Self {
        Self::with(Jobs { home: Some(std::process::id()), ..Jobs::default() })
    }

    fn with(jobs: Jobs) -> Self {
        Self {
            jobs: Lock::new(Rank::Jobs, jobs),
            changed: Condvar::new(),
            life: Life::default(),
            has_lost: AtomicBool::new(false),
        }
    }

    fn jobs(&self) -> Guard<'_, Jobs> {
        self.jobs.lock()
    }

    /// Asks for the region at `entry`. Starts the thread, which runs `body`, if there is none and it may be this
    /// process's. Says whether the job will be done: if no thread can be had, the caller must do without.
    pub fn submit(&self, entry: BlockKey, body: impl FnOnce() + Send + 'static) -> bool {
        let mut jobs = self.jobs();
        if !self.start(&mut jobs, body) {
            return false;
        }
        jobs.queue.push_back(entry);
        self.changed.notify_all();
        true
    }

    /// Starts the thread if there is none: for what a process has asked for that may not have it.
    pub fn start_for_others(&self, body: impl FnOnce() + Send + 'static) {
        self.start(&mut self.jobs(), body);
    }

    /// Whether something is asked for that there is no thread to do.
    pub fn is_wanted(&self) -> bool {
        let jobs = self.jobs();
        !jobs.started && !jobs.queue.is_empty()
    }

    /// Starts the thread if there is none, and this process is the one to have it. False if the kernel gives none.
    fn start(&self, jobs: &mut Jobs, body: impl FnOnce() + Send + 'static) -> bool {
        self.bury(jobs);
        if jobs.started || jobs.is_elsewhere() {
            return true;
        }
        let thread = std::thread::Builder::new().name("emu-compile".into());
        let body = || {
            // Signal 32 is not: libc unblocks it in each new thread.
            replace_mask(blocked());
            body();
        };
        let Ok(handle) = with_signals_blocked(|| thread.spawn(body)) else { return false };
        jobs.handle = Some(handle);
        jobs.started = true;
        true
    }

    /// If the thread has been killed, with the process that had it: this one may have the next.
    fn bury(&self, jobs: &mut Jobs) {
        if !jobs.started || !self.life.has_been_killed() {
            return;
        }
        self.life.end();
        // Nothing comes from it any more.
        std::mem::forget(jobs.handle.take());
        (jobs.started, jobs.stopping) = (false, false);
        if std::mem::take(&mut jobs.busy) {
            self.has_lost.store(true, Ordering::Relaxed);
        }
        jobs.home = Some(std::process::id());
    }

    /// Whether a thread has been killed at work since this was last asked.
    pub fn has_lost(&self) -> bool {
        self.has_lost.swap(false, Ordering::Relaxed)
    }

    /// What the thread runs: does jobs until the process ends. Of those that have waited longest it takes the one whose
    /// index `hottest` gives. When it has done all, it calls `look_around` for some time, with true the first time, and
    /// begins anew each time that this says that it has found something to do.
    pub fn serve(
        &self,
        hottest: impl Fn(&[BlockKey]) -> usize,
        mut compile: impl FnMut(BlockKey),
        mut look_around: impl FnMut(bool) -> bool,
    ) {
        const CANDIDATES: usize = 64;
        let mut looks = 0;
        let mut jobs = self.jobs();
        // SAFETY: no arguments.
        jobs.tid = unsafe { libc::syscall(libc::SYS_gettid) };
        self.life.begin(jobs.tid);
        loop {
            if jobs.stopping {
                self.life.end();
                return;
            }
            if jobs.forking || jobs.queue.is_empty() && looks == 0 {
                jobs = jobs.wait(&self.changed);
                continue;
            }
            if jobs.queue.is_empty() {
                let is_over;
                (jobs, is_over) = jobs.wait_timeout(&self.changed, BETWEEN_LOOKS);
                if is_over && !jobs.forking && jobs.queue.is_empty() {
                    jobs.busy = true;
                    drop(jobs);
                    looks = if look_around(looks == LOOKS) { LOOKS } else { looks - 1 };
                    jobs = self.jobs();
                    jobs.busy = false;
                    self.changed.notify_all();
                }
                continue;
            }
            // What comes into the queue meanwhile goes to its end.
            let waiting: Vec<BlockKey> = jobs.queue.iter().take(CANDIDATES).copied().collect();
            jobs.busy = true;
            drop(jobs);
            if inject::is_due(Failure::Worker) {
                self.fail_once_a_fork_waits();
            }
            let index = hottest(&waiting);
            let entry = self.jobs().queue.remove(index);
            if let Some(entry) = entry {
                compile(entry);
            }
            looks = LOOKS;
            jobs = self.jobs();
            jobs.busy = false;
            self.changed.notify_all();
        }
    }

    /// Ends the thread, if this process has one, and comes back when the kernel has forgotten it. The next job starts
    /// another.
    pub fn stop(&self) {
        let mut jobs = self.jobs();
        self.bury(&mut jobs);
        if jobs.is_elsewhere() {
            return;
        }
        while jobs.stopping {
            // Somebody else does it.
            jobs = jobs.wait(&self.changed);
        }
        let Some(handle) = jobs.handle.take() else { return };
        jobs.stopping = true;
        self.changed.notify_all();
        drop(jobs);
        let _ = handle.join();
        let mut jobs = self.jobs();
        // The library learns of the thread's end before the kernel has taken it out of its lists.
        // SAFETY: no signal is sent.
        while unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), jobs.tid, 0) } == 0 {
            std::thread::yield_now();
        }
        jobs.stopping = false;
        jobs.started = false;
        self.changed.notify_all();
    }

    /// For tests: a panic when it would do most harm.
    #[cold]
    fn fail_once_a_fork_waits(&self) {
        const MOST_WAITS: u32 = 10_000;
        for _ in 0..MOST_WAITS {
            if self.jobs().forking {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("this failure has been asked for");
    }

    /// Runs `fork`, which says whether it came back in the child of a fork, while the thread is at rest and nobody
    /// holds the lock of the queue. In the child there is no thread any more: the next job starts one. The caller sees
    /// to it that there is one fork at a time.
    pub fn around_fork(&self, fork: impl FnOnce() -> bool) {
        let mut jobs = self.jobs();
        // Or else the thread would go on to the next job before it is noticed that it has done one.
        jobs.forking = true;
        while jobs.busy {
            jobs = jobs.wait_timeout(&self.changed, BETWEEN_DOUBTS).0;
            self.bury(&mut jobs);
        }
        if fork() {
            jobs.started = false;
            jobs.stopping = false;
            jobs.home = jobs.home.map(|_| std::process::id());
            self.life.end();
            // There is no such thread here.
            std::mem::forget(jobs.handle.take());
        }
        jobs.forking = false;
        self.changed.notify_all();
    }
}

/// Runs `body` with all signals blocked, so that a thread started there never takes one meant for the guest.
fn with_signals_blocked<T>(body: impl FnOnce() -> T) -> T {
    let before = replace_mask(blocked());
    let result = body();
    replace_mask(before);
    result
}

/// All signals but those of faults: guest code that the thread reads may be unmapped under it, and a bug is reported.
fn blocked() -> u64 {
    FAULT_SIGNALS.iter().fold(u64::MAX, |mask, signal| mask & !(1 << (signal - 1)))
}

/// Sets the calling thread's signal mask and gives the old one. Past libc, which leaves signals 32 and 33 unblocked: they
/// are the guest's.
fn replace_mask(mask: u64) -> u64 {
    let mut before = 0u64;
    // SAFETY: reads and writes the two words given, of eight bytes each.
    unsafe { libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const mask, &raw mut before, 8) };
    before
}

#[cfg(test)]
mod tests {
    use super::*;
    use ir::GuestAddr;
    use std::sync::atomic::AtomicUsize;
    use std::sync::{Arc, LazyLock};

    #[test]
    fn jobs_are_done_before_and_after_a_fork() {
        let worker: &'static Worker = Box::leak(Box::new(Worker::with(Jobs::default())));
        let done = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&done);
        let body = move || {
            worker.serve(
                |_| 0,
                move |_| {
                    count.fetch_add(1, Ordering::SeqCst);
                },
                |_| false,
            );
        };
        assert!(worker.submit(BlockKey::new(GuestAddr(4), false), body));
        while done.load(Ordering::SeqCst) < 1 {
            std::thread::yield_now();
        }
        worker.around_fork(|| {
            let is_taken = || worker.jobs.try_lock().is_none();
            assert!(std::thread::spawn(is_taken).join().unwrap());
            false
        });
        assert!(worker.submit(BlockKey::new(GuestAddr(8), false), || unreachable!("the thread has been started")));
        while done.load(Ordering::SeqCst) < 2 {
            std::thread::yield_now();
        }
    }

    #[test]
    fn it_stops_and_starts_again() {
        static WORKER: LazyLock<Worker> = LazyLock::new(|| Worker::with(Jobs::default()));
        static DONE: AtomicUsize = AtomicUsize::new(0);
        let body = || {
            WORKER.serve(
                |_| 0,
                |_| {
                    DONE.fetch_add(1, Ordering::SeqCst);
                },
                |_| false,
            );
        };
        WORKER.stop();
        for n in 1..=200 {
            assert!(WORKER.submit(BlockKey::new(GuestAddr(4), false), body));
            if n % 2 == 0 {
                while DONE.load(Ordering::SeqCst) < n {
                    std::thread::yield_now();
                }
            }
            WORKER.stop();
            assert!(!WORKER.jobs().started);
        }
    }

    #[test]
    fn only_its_home_has_the_thread() {
        static WORKER: LazyLock<Worker> = LazyLock::new(|| Worker::with(Jobs::default()));
        // Some process that is not this one.
        WORKER.jobs().home = Some(1);
        assert!(WORKER.submit(BlockKey::new(GuestAddr(4), false), || unreachable!("this one may not")));
        assert!(!WORKER.jobs().started && WORKER.is_wanted());
        WORKER.jobs().home = Some(std::process::id());
        WORKER.start_for_others(|| WORKER.serve(|_| 0, |_| {}, |_| false));
        while !WORKER.jobs().queue.is_empty() {
            std::thread::yield_now();
        }
        WORKER.stop();
    }

    #[test]
    fn a_fork_does_not_wait_for_the_dead() {
        static WORKER: LazyLock<Worker> = LazyLock::new(|| Worker::with(Jobs::default()));
        {
            let mut jobs = WORKER.jobs();
            (jobs.started, jobs.busy) = (true, true);
        }
        // A thread's end with the word as it was, as when it is killed.
        // SAFETY: no arguments.
        let begin = || WORKER.life.begin(unsafe { libc::syscall(libc::SYS_gettid) });
        std::thread::spawn(begin).join().unwrap();
        WORKER.around_fork(|| {
            assert!(WORKER.has_lost());
            false
        });
        assert!(!WORKER.jobs().started && !WORKER.has_lost());
    }

    #[test]
    fn a_fork_does_not_wait_for_the_whole_queue() {
        let worker: &'static Worker = Box::leak(Box::new(Worker::with(Jobs::default())));
        let (done, begin) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (count, may_begin) = (Arc::clone(&done), Arc::clone(&begin));
        let body = move || {
            worker.serve(
                |_| 0,
                move |_| {
                    // Each job waits for its turn.
                    while may_begin.load(Ordering::SeqCst) <= count.load(Ordering::SeqCst) {
                        std::thread::yield_now();
                    }
                    count.fetch_add(1, Ordering::SeqCst);
                },
                |_| false,
            );
        };
        assert!(worker.submit(BlockKey::new(GuestAddr(4), false), body));
        for n in 2..100 {
            assert!(
                worker.submit(BlockKey::new(GuestAddr(4 * n), false), || unreachable!("the thread has been started"))
            );
        }
        // Or else the fork could be over before the first job is under way.
        while !worker.jobs().busy {
            std::thread::yield_now();
        }
        let forker = std::thread::spawn(|| worker.around_fork(|| false));
        while !worker.jobs().forking {
            std::thread::yield_now();
        }
        begin.store(1, Ordering::SeqCst);
        // The second job cannot be done before the fork, for which nothing lets it begin.
        forker.join().unwrap();
        assert_eq!(done.load(Ordering::SeqCst), 1);
        begin.store(usize::MAX, Ordering::SeqCst);
        while done.load(Ordering::SeqCst) < 99 {
            std::thread::yield_now();
        }
    }
}
