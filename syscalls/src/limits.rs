//! Resource limits. Those on memory are kept for the guest: on the host they would hold emu's own memory to the guest's
//! limit. The address space and its stack follow them. It must not know how memory is mapped.

use crate::address_space::AddressSpace;
use crate::host::{self, Args, Outcome};
use crate::process::{Context, Process};
use crate::user;
use ir::{Errno, Guard, Lock, Rank};
use std::collections::BTreeMap;

/// `struct rlimit`: soft, hard.
pub type Limit = [u64; 2];

/// What emu may need of a limit that another emu is given.
const EMUS_BYTES: u64 = 1 << 30;

/// Limits that the guest has set and the host has not, by RLIMIT_*.
pub(crate) struct Limits(Lock<BTreeMap<u32, Limit>>);

impl Limits {
    /// Those that a program has `inherited`; `memory` follows them.
    pub(crate) fn new(inherited: &[(u32, Limit)], memory: &AddressSpace) -> Self {
        for (resource, limit) in inherited {
            apply(memory, *resource, *limit);
        }
        Self::with(inherited.iter().copied().collect())
    }

    fn with(limits: BTreeMap<u32, Limit>) -> Self {
        Self(Lock::new(Rank::Limits, limits))
    }

    /// A copy, for another process.
    pub(crate) fn copy(&self) -> Self {
        Self::with(self.0.lock().clone())
    }

    /// Keeps other threads out.
    pub(crate) fn lock_for_fork(&self) -> Guard<'_, impl Sized> {
        self.0.lock()
    }

    /// All of them.
    pub(crate) fn set_by_the_guest(&self) -> Vec<(u32, Limit)> {
        self.0.lock().iter().map(|(resource, limit)| (*resource, *limit)).collect()
    }
}

fn apply(memory: &AddressSpace, resource: u32, [soft, hard]: Limit) {
    match resource {
        libc::RLIMIT_AS => memory.bound(|bounds| bounds.address_space = soft),
        libc::RLIMIT_DATA => memory.bound(|bounds| {
            bounds.heap = soft;
            // Programs that want no heap set it to nothing. The kernel lets them map what the hard limit allows.
            bounds.data = if soft == 0 { hard } else { soft };
        }),
        _ => {}
    }
}

fn is_recorded(resource: u64) -> bool {
    matches!(resource as u32, libc::RLIMIT_AS | libc::RLIMIT_DATA | libc::RLIMIT_STACK)
}

fn host_limit(resource: u64) -> Result<Limit, Errno> {
    let mut limit: Limit = [0; 2];
    host::call(libc::SYS_prlimit64, [0, resource, 0, limit.as_mut_ptr() as u64, 0, 0])?;
    Ok(limit)
}

/// How much address space the host gives emu and the guest together, in bytes.
pub(crate) fn host_address_space() -> u64 {
    host_limit(libc::RLIMIT_AS.into()).map_or(libc::RLIM_INFINITY, |[soft, _]| soft)
}

/// RLIMIT_CORE, soft.
pub(crate) fn soft_core_limit() -> u64 {
    host_limit(libc::RLIMIT_CORE.into()).map_or(0, |[soft, _]| soft)
}

/// Sets RLIMIT_CORE, soft.
pub(crate) fn limit_core(soft: u64) {
    if let Ok([_, hard]) = host_limit(libc::RLIMIT_CORE.into()) {
        let limit: Limit = [soft.min(hard), hard];
        let _ = host::call3(libc::SYS_setrlimit, libc::RLIMIT_CORE.into(), limit.as_ptr() as u64, 0);
    }
}

/// RLIMIT_STACK as the guest knows it.
pub(crate) fn of_stack(process: &Process) -> Limit {
    get(process, libc::RLIMIT_STACK.into()).unwrap_or([libc::RLIM_INFINITY; 2])
}

/// How many bytes of arguments and environment, with a pointer to each, the kernel gives a program whose caller has this
/// limit on its stack (`bprm_stack_limits`).
pub(crate) fn argument_bytes(soft_stack: u64) -> u64 {
    const MOST_BYTES: u64 = 6 << 20;
    const LEAST_BYTES: u64 = 128 << 10;
    (soft_stack / 4).clamp(LEAST_BYTES, MOST_BYTES)
}

/// Has the host's kernel give the next program as many bytes of arguments as it ever does, if it would give less than
/// `wanted`. Gives the limit on the stack from before, if it has changed.
pub(crate) fn make_room_for_arguments(wanted: u64) -> Option<Limit> {
    let old = host_limit(libc::RLIMIT_STACK.into()).ok().filter(|[soft, _]| argument_bytes(*soft) < wanted)?;
    let enough = 4 * argument_bytes(libc::RLIM_INFINITY);
    set_host_stack([enough.min(old[1]), old[1]]);
    Some(old)
}

/// Sets RLIMIT_STACK on the host.
pub(crate) fn set_host_stack(limit: Limit) {
    let _ = host::call3(libc::SYS_setrlimit, libc::RLIMIT_STACK.into(), limit.as_ptr() as u64, 0);
}

/// Follows a limit that the host has.
fn note(process: &Process, resource: u64) {
    if resource as u32 == libc::RLIMIT_CORE {
        follow_core_limit(process);
    }
}

/// Has signals that leave a core file come to emu if there is to be one.
pub(crate) fn follow_core_limit(process: &Process) {
    process.actions.catch_cores(soft_core_limit() != 0);
}

fn get(process: &Process, resource: u64) -> Result<Limit, Errno> {
    match process.limits.0.lock().get(&(resource as u32)) {
        Some(limit) => Ok(*limit),
        None => host_limit(resource),
    }
}

fn set(process: &Process, resource: u64, new: Limit) -> Result<(), Errno> {
    let [soft, hard] = new;
    if soft > hard {
        return Err(Errno(libc::EINVAL));
    }
    let old = get(process, resource)?;
    let privileged = host::call3(libc::SYS_geteuid, 0, 0, 0) == Ok(0);
    if hard > old[1] && !privileged {
        return Err(Errno(libc::EPERM));
    }
    process.limits.0.lock().insert(resource as u32, new);
    apply(process.memory(), resource as u32, new);
    if resource as u32 == libc::RLIMIT_STACK && soft != old[0] {
        process.memory().resize_stack(soft);
    }
    Ok(())
}

/// getrlimit implements Linux syscall getrlimit(2).
pub(crate) fn getrlimit(context: &mut Context<'_>, args: Args) -> Outcome {
    prlimit64(context, [0, args[0], 0, args[1], 0, 0])
}

/// setrlimit implements Linux syscall setrlimit(2).
pub(crate) fn setrlimit(context: &mut Context<'_>, args: Args) -> Outcome {
    let new: Limit = user::read(args[1])?;
    if is_recorded(args[0]) {
        return set(context.process, args[0], new).map(|()| 0);
    }
    let result = host::call(libc::SYS_setrlimit, args)?;
    note(context.process, args[0]);
    Ok(result)
}

/// prlimit64 implements Linux syscall prlimit64(2).
pub(crate) fn prlimit64(context: &mut Context<'_>, args: Args) -> Outcome {
    let own =
        args[0] as i32 == 0 || host::call3(libc::SYS_getpid, 0, 0, 0).is_ok_and(|pid| pid as i32 == args[0] as i32);
    let new: Option<Limit> = if args[2] == 0 { None } else { Some(user::read(args[2])?) };
    if !is_recorded(args[1]) {
        let result = host::call(libc::SYS_prlimit64, args)?;
        if own {
            note(context.process, args[1]);
        }
        return Ok(result);
    }
    if !own {
        return of_another(args, new);
    }
    let old = get(context.process, args[1])?;
    if let Some(new) = new {
        set(context.process, args[1], new)?;
    }
    if args[3] != 0 {
        user::write(args[3], &old)?;
    }
    Ok(0)
}

/// A limit on the memory of another process, which is likely another emu: the host counts its own memory too.
fn of_another(args: Args, new: Option<Limit>) -> Outcome {
    let [pid, resource, _, old, ..] = args;
    let generous = new.map(|limit| limit.map(|bytes| bytes.saturating_add(EMUS_BYTES)));
    let at = generous.as_ref().map_or(0, |limit| limit.as_ptr() as u64);
    host::call(libc::SYS_prlimit64, [pid, resource, at, old, 0, 0])
}
