//! Forks of every flavour by way of the C library's fork(3). That takes the library's own locks first (the allocator's,
//! those of its lists of stacks and streams) and puts its idea of the process right in the child, none of which a
//! clone(2) past it does: the child could find the allocator's lock taken for ever by a thread that it has not. But it
//! knows one set of flags. It makes the process with `_Fork`, which POSIX has as a function of its own, so the one
//! below stands in for the library's, and uses the flags that its thread asks for.
//!
//! Unsafe because it makes processes, and reads the library's record of the thread.
#![allow(unsafe_code)]

use crate::fork::{CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID, CLONE_NEWTIME, CLONE_PIDFD, CloneRequest};
use crate::host::Outcome;
use ir::Errno;
use linux_raw_sys::general::clone_args;
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Flags of clone3(2) alone.
const ONLY_CLONE3: u64 = !0xffff_ffff | CLONE_NEWTIME;

thread_local! {
    /// What the next `_Fork` of this thread makes.
    static WANTED: Cell<Option<clone_args>> = const { Cell::new(None) };
}

/// Forks as `wanted` says, which asks for no shared memory and no stack. Gives 0 in the child.
pub(crate) fn fork(wanted: clone_args) -> Outcome {
    WANTED.set(Some(wanted));
    // SAFETY: the caller runs the fork hooks, so no lock of emu's is held by another thread.
    let pid = unsafe { libc::fork() };
    WANTED.set(None);
    match pid {
        -1 => Err(Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EAGAIN))),
        pid => Ok(pid as u64),
    }
}

/// Makes a process for fork(3), with memory of its own. The library keeps the thread's id; the kernel stores the new one
/// there, and clears it when the thread ends, as the library's own function has it do.
#[unsafe(no_mangle)]
extern "C" fn _Fork() -> libc::pid_t {
    let mut wanted = WANTED.take().unwrap_or_else(|| simple(0, libc::SIGCHLD as u64));
    if let Some(at) = place_of_tid() {
        wanted.flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
        wanted.child_tid = at as u64;
    }
    let clone_args { flags, pidfd, child_tid, parent_tid, exit_signal, set_tid, set_tid_size, cgroup, .. } = wanted;
    let is_new = flags & ONLY_CLONE3 != 0 || [set_tid, set_tid_size, cgroup] != [0; 3];
    // SAFETY: the child goes on with a copy of everything; the library's locks are fork(3)'s matter.
    let result = unsafe {
        if is_new {
            libc::syscall(libc::SYS_clone3, &raw const wanted, size_of::<clone_args>())
        } else {
            // The old call has one place for both, and no CLONE_PARENT_SETTID is asked for.
            let at = if flags & CLONE_PIDFD != 0 { pidfd } else { parent_tid };
            libc::syscall(libc::SYS_clone, flags | exit_signal, 0u64, at, child_tid, 0u64)
        }
    };
    result as libc::pid_t
}

/// What asks for a process with these flags, and for nothing else.
fn simple(flags: u64, exit_signal: u64) -> clone_args {
    clone_args { flags, ..CloneRequest { exit_signal, ..CloneRequest::default() }.for_host(0, 0) }
}

/// Where the library keeps the calling thread's id: at some distance from what pthread_self(3) gives, which is looked
/// for once. None if it is not there.
fn place_of_tid() -> Option<*mut i32> {
    /// More than the distance is in any version.
    const MOST_BYTES: usize = 0x800;
    static DISTANCE: AtomicUsize = AtomicUsize::new(0);
    // SAFETY: no arguments.
    let (start, tid) = unsafe { (libc::pthread_self() as *mut i32, libc::syscall(libc::SYS_gettid) as i32) };
    let at = |distance: usize| start.wrapping_byte_add(distance);
    let mut distance = DISTANCE.load(Ordering::Relaxed);
    if distance == 0 {
        // SAFETY: the record is larger than that, as what it begins with alone is.
        let is_there = |&distance: &usize| unsafe { at(distance).read_volatile() } == tid;
        let mut places = (4..MOST_BYTES).step_by(4).filter(is_there);
        // Not by a process that runs with the storage of another one's thread.
        let (Some(found), None) = (places.next(), places.next()) else { return None };
        distance = found;
        DISTANCE.store(distance, Ordering::Relaxed);
    }
    Some(at(distance))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fork::{CLONE_CLEAR_SIGHAND, CLONE_FILES, CLONE_FS};
    use crate::host;

    fn status_of(pid: u64) -> i32 {
        let mut status = -1;
        // Whatever its signal is.
        let options = libc::__WALL as u64;
        host::call(libc::SYS_wait4, [pid, &raw mut status as u64, options, 0, 0, 0]).unwrap();
        status
    }

    /// The library's raise(3) uses the id that it keeps.
    fn child(flags: u64, signal: u64) -> i32 {
        let pid = fork(simple(flags, signal)).unwrap();
        if pid == 0 {
            // SAFETY: the child has come through fork(3).
            unsafe {
                let mine = libc::syscall(libc::SYS_gettid) as i32;
                let kept = place_of_tid().map(|at| at.read_volatile());
                let allocated = std::hint::black_box(vec![1u8; 1000]);
                libc::_exit(if kept == Some(mine) && allocated[999] == 1 { 7 } else { 1 });
            }
        }
        status_of(pid)
    }

    #[test]
    fn children_of_all_flavours_know_their_thread() {
        let flavours = [
            (0, libc::SIGCHLD as u64),
            (0, 0),
            (CLONE_FS | CLONE_FILES, libc::SIGCHLD as u64),
            (CLONE_CLEAR_SIGHAND, libc::SIGCHLD as u64),
        ];
        for (flags, signal) in flavours {
            assert_eq!(child(flags, signal), 7 << 8, "{flags:#x}");
            let on_thread = std::thread::spawn(move || child(flags, signal)).join().unwrap();
            assert_eq!(on_thread, 7 << 8, "{flags:#x}");
        }
    }
}
