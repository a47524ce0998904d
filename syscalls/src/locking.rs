//! Keeping the guest's memory in memory: mlock(2) and the like for what is the guest's, so that nothing of emu's is
//! locked or unlocked, nor counted against the guest's limit. It must not know how mappings are made.

use crate::address_space::{AddressSpace, State};
use crate::host::{self, Args, Outcome};
use crate::process::Context;
use crate::regions::{Growth, Mapping};
use crate::tags::untagged;
use ir::{Errno, GuestAddr, GuestRange, PAGE_BYTES, Prot};
use linux_raw_sys::general::{MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT, MLOCK_ONFAULT};

/// MCL_FUTURE, until munlockall(2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct LockFuture {
    /// Of this process; a child does not inherit it.
    pid: u64,
    on_fault: bool,
}

fn pid() -> u64 {
    host::call3(libc::SYS_getpid, 0, 0, 0).unwrap_or(0)
}

impl State {
    fn lock_future(&self) -> Option<LockFuture> {
        self.lock_future.filter(|future| future.pid == pid())
    }

    /// The flag of mmap(2) that locks what is mapped.
    pub(crate) fn locked_flag(&self) -> i32 {
        if self.lock_future().is_some_and(|future| !future.on_fault) { libc::MAP_LOCKED } else { 0 }
    }

    /// Locks what has just been mapped, if that waits for its pages to be touched.
    pub(crate) fn lock_new(&self, at: GuestRange) {
        if self.lock_future().is_some_and(|future| future.on_fault) {
            let _ = host::call3(libc::SYS_mlock2, at.start.0, at.bytes(), MLOCK_ONFAULT.into());
        }
    }

    fn lock_all(&self, on_fault: bool) -> Result<(), Errno> {
        for (range, kind) in self.regions.all() {
            let Some(Mapping { prot, growth, .. }) = kind.mapping() else { continue };
            // Only what the guest has used of its stack is there for it; and what has no rights is never brought in.
            let later = on_fault || growth == Growth::Stack || prot == Prot::NONE;
            let locked = host::call3(libc::SYS_mlock2, range.start.0, range.bytes(), u64::from(later));
            if let Err(error) = locked {
                self.unlock_all();
                return Err(error);
            }
        }
        Ok(())
    }

    fn unlock_all(&self) {
        for (range, kind) in self.regions.all() {
            if kind.is_guest() {
                let _ = host::call3(libc::SYS_munlock, range.start.0, range.bytes(), 0);
            }
        }
    }
}

/// Does `number` to the whole pages of a range, up to the first hole.
fn up_to_a_hole(memory: &AddressSpace, number: i64, args: Args, flags: u64) -> Outcome {
    // As in all calls about memory, whether or not the thread uses tags.
    let at = untagged(args[0]);
    let start = GuestAddr(at).page();
    let bytes = args[1].checked_add(at - start.0).and_then(|bytes| bytes.checked_next_multiple_of(PAGE_BYTES));
    let bytes = bytes.filter(|bytes| start.0.checked_add(*bytes).is_some()).ok_or(Errno(libc::EINVAL))?;
    let act = |part: GuestRange| host::call3(number, part.start.0, part.bytes(), flags);
    memory.on_guest_memory_up_to_a_hole(GuestRange::new(start, bytes), act)
}

/// mlock implements Linux syscall mlock(2).
pub(crate) fn mlock(context: &mut Context<'_>, args: Args) -> Outcome {
    up_to_a_hole(context.process.memory(), libc::SYS_mlock, args, 0)
}

/// mlock2 implements Linux syscall mlock2(2).
pub(crate) fn mlock2(context: &mut Context<'_>, args: Args) -> Outcome {
    if args[2] & !u64::from(MLOCK_ONFAULT) != 0 {
        return Err(Errno(libc::EINVAL));
    }
    up_to_a_hole(context.process.memory(), libc::SYS_mlock2, args, args[2])
}

/// munlock implements Linux syscall munlock(2).
pub(crate) fn munlock(context: &mut Context<'_>, args: Args) -> Outcome {
    up_to_a_hole(context.process.memory(), libc::SYS_munlock, args, 0)
}

/// mlockall implements Linux syscall mlockall(2).
pub(crate) fn mlockall(context: &mut Context<'_>, args: Args) -> Outcome {
    let flags = args[0] as u32;
    if flags == 0 || flags & !(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0 || flags == MCL_ONFAULT {
        return Err(Errno(libc::EINVAL));
    }
    let mut state = context.process.memory().lock();
    let on_fault = flags & MCL_ONFAULT != 0;
    if flags & MCL_CURRENT != 0 {
        state.lock_all(on_fault)?;
    }
    state.lock_future = (flags & MCL_FUTURE != 0).then(|| LockFuture { pid: pid(), on_fault });
    Ok(0)
}

/// munlockall implements Linux syscall munlockall(2).
pub(crate) fn munlockall(context: &mut Context<'_>, _: Args) -> Outcome {
    let mut state = context.process.memory().lock();
    state.lock_future = None;
    state.unlock_all();
    Ok(0)
}
