//! System V IPC where it differs: `struct semid64_ds`, and shared memory, which enters and leaves the address space
//! without mmap. Messages and the other control structures are the same on both sides.

use crate::host::{self, Args, Outcome};
use crate::process::Context;
use crate::user;
use ir::{Errno, GuestAddr, PAGE_BYTES, Prot};

const SHM_RDONLY: u64 = libc::SHM_RDONLY as u64;
const SHM_RND: u64 = libc::SHM_RND as u64;
const SHM_REMAP: u64 = libc::SHM_REMAP as u64;
const SHM_EXEC: u64 = libc::SHM_EXEC as u64;

/// `struct semid64_ds` of AArch64 in words: ipc64_perm (6), otime, ctime, nsems, two unused.
type GuestSem = [u64; 11];
/// Of x86-64: an unused word after each of the times.
type HostSem = [u64; 13];

fn sem_to_guest(host: HostSem) -> GuestSem {
    let mut guest: GuestSem = [0; 11];
    guest[..7].copy_from_slice(&host[..7]);
    guest[7] = host[8];
    guest[8] = host[10];
    guest
}

fn sem_to_host(guest: GuestSem) -> HostSem {
    let mut host: HostSem = [0; 13];
    host[..7].copy_from_slice(&guest[..7]);
    host[8] = guest[7];
    host[10] = guest[8];
    host
}

/// semctl implements Linux syscall semctl(2).
pub(crate) fn semctl(_: &mut Context<'_>, mut args: Args) -> Outcome {
    let at = args[3];
    match args[2] as i32 {
        libc::IPC_SET => {
            let mut host = sem_to_host(user::read(at)?);
            args[3] = host.as_mut_ptr() as u64;
            host::call(libc::SYS_semctl, args)
        }
        libc::IPC_STAT | libc::SEM_STAT | libc::SEM_STAT_ANY => {
            let mut host: HostSem = [0; 13];
            args[3] = host.as_mut_ptr() as u64;
            let result = host::call(libc::SYS_semctl, args)?;
            user::write(at, &sem_to_guest(host))?;
            Ok(result)
        }
        _ => host::call(libc::SYS_semctl, args),
    }
}

/// shmat implements Linux syscall shmat(2).
pub(crate) fn shmat(context: &mut Context<'_>, args: Args) -> Outcome {
    let [id, at, flags, ..] = args;
    // `shm_segsz` stands after the six words of ipc64_perm.
    let mut segment = [0u64; 14];
    host::call3(libc::SYS_shmctl, id, libc::IPC_STAT as u64, segment.as_mut_ptr() as u64)?;
    let bytes = segment[6].next_multiple_of(PAGE_BYTES);
    let is_rounded = flags & SHM_RND != 0;
    let wanted = match (at, at % PAGE_BYTES) {
        (0, _) if flags & SHM_REMAP != 0 => return Err(Errno(libc::EINVAL)),
        (0, _) => None,
        (at, 0) => Some(GuestAddr(at)),
        // Rounding to nothing is for the kernel to refuse.
        (at, _) if is_rounded && (at >= PAGE_BYTES || flags & SHM_REMAP == 0) => Some(GuestAddr(at).page()),
        _ => return Err(Errno(libc::EINVAL)),
    };
    let wanted = wanted.filter(|at| at.0 != 0);
    let write = if flags & SHM_RDONLY == 0 { Prot::WRITE } else { Prot::NONE };
    let exec = if flags & SHM_EXEC != 0 { Prot::EXEC } else { Prot::NONE };
    let prot = Prot::READ.union(write).union(exec);
    let memory = context.process.memory();
    let start = memory.attach(wanted, bytes, prot, id, flags & SHM_REMAP != 0, |at| {
        let attached = host::call3(libc::SYS_shmat, id, at.0, flags | SHM_REMAP)?;
        if flags & SHM_EXEC != 0 {
            // The host has said whether it may be executed; here it never is.
            let host_prot = prot.0 & !libc::PROT_EXEC;
            host::call3(libc::SYS_mprotect, at.0, bytes, host_prot as u64)?;
        }
        Ok(attached)
    })?;
    Ok(start.0)
}

/// shmdt implements Linux syscall shmdt(2).
pub(crate) fn shmdt(context: &mut Context<'_>, args: Args) -> Outcome {
    context.process.memory().detach(GuestAddr(args[0]), || host::call(libc::SYS_shmdt, args))
}
