//! Memory calls: their arguments, for [`crate::AddressSpace`] to act on. It must not know how mappings are recorded.

use crate::host::{self, Args, Outcome};
use crate::process::Context;
use ir::{Errno, GuestAddr, GuestRange, MapRequest, PAGE_BYTES, Prot};

fn page_range(args: &Args) -> GuestRange {
    GuestRange::new(GuestAddr(args[0]), args[1])
}

/// brk implements Linux syscall brk(2), which gives the old end when it cannot move it.
pub(crate) fn brk(context: &mut Context<'_>, args: Args) -> Outcome {
    Ok(context.process.memory().brk(GuestAddr(args[0])).0)
}

/// mmap implements Linux syscall mmap(2).
pub(crate) fn mmap(context: &mut Context<'_>, args: Args) -> Outcome {
    if !args[5].is_multiple_of(PAGE_BYTES) {
        return Err(Errno(libc::EINVAL));
    }
    let request = MapRequest {
        addr: GuestAddr(args[0]),
        bytes: args[1],
        prot: Prot(args[2] as i32),
        flags: args[3] as i32,
        fd: args[4] as i32,
        offset: args[5] as i64,
    };
    context.process.memory().map(request).map(|addr| addr.0)
}

/// munmap implements Linux syscall munmap(2).
pub(crate) fn munmap(context: &mut Context<'_>, args: Args) -> Outcome {
    context.process.memory().unmap(page_range(&args)).map(|()| 0)
}

/// mprotect implements Linux syscall mprotect(2).
pub(crate) fn mprotect(context: &mut Context<'_>, args: Args) -> Outcome {
    context.process.memory().protect(page_range(&args), Prot(args[2] as i32)).map(|()| 0)
}

/// mremap implements Linux syscall mremap(2).
pub(crate) fn mremap(context: &mut Context<'_>, args: Args) -> Outcome {
    let memory = context.process.memory();
    memory.remap(GuestAddr(args[0]), args[1], args[2], args[3] as i32, GuestAddr(args[4])).map(|addr| addr.0)
}

/// madvise implements Linux syscall madvise(2), for the parts of the range that are the guest's: some advice throws
/// contents away.
pub(crate) fn madvise(context: &mut Context<'_>, args: Args) -> Outcome {
    on_guest_parts(context, libc::SYS_madvise, args)
}

/// mseal implements Linux syscall mseal(2), for the parts of the range that are the guest's.
pub(crate) fn mseal(context: &mut Context<'_>, args: Args) -> Outcome {
    const SYS_MSEAL: i64 = 462;
    on_guest_parts(context, SYS_MSEAL, args)
}

fn on_guest_parts(context: &Context<'_>, number: i64, args: Args) -> Outcome {
    let start = GuestAddr(args[0]);
    let bytes = args[1].checked_next_multiple_of(PAGE_BYTES).ok_or(Errno(libc::EINVAL))?;
    if !start.is_aligned(PAGE_BYTES) || args[0].checked_add(bytes).is_none() {
        return Err(Errno(libc::EINVAL));
    }
    if bytes == 0 {
        return host::call(number, args);
    }
    let act = |part: GuestRange| host::call3(number, part.start.0, part.bytes(), args[2]);
    let whole = context.process.memory().on_guest_parts(GuestRange::new(start, bytes), act)?;
    if whole { Ok(0) } else { Err(Errno(libc::ENOMEM)) }
}

/// pkey_mprotect implements Linux syscall pkey_mprotect(2) for a machine without protection keys.
pub(crate) fn pkey_mprotect(context: &mut Context<'_>, args: Args) -> Outcome {
    if args[3] as i32 != -1 {
        return Err(Errno(libc::EINVAL));
    }
    mprotect(context, args)
}

/// pkey_alloc implements Linux syscall pkey_alloc(2) for a machine without protection keys.
pub(crate) fn pkey_alloc(_: &mut Context<'_>, _: Args) -> Outcome {
    Err(Errno(libc::ENOSPC))
}

/// pkey_free implements Linux syscall pkey_free(2) for a machine without protection keys.
pub(crate) fn pkey_free(_: &mut Context<'_>, _: Args) -> Outcome {
    Err(Errno(libc::EINVAL))
}
