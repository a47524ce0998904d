//! Memory calls: their arguments, for [`crate::AddressSpace`] to act on. It must not know how mappings are recorded.

use crate::host::{self, Args, Outcome};
use crate::process::Context;
use crate::tags;
use crate::user;
use ir::{Errno, GuestAddr, GuestRange, MapRequest, PAGE_BYTES, Prot};
use linux_raw_sys::general as kernel;

/// These calls take tagged addresses from everybody.
fn untagged(addr: u64) -> GuestAddr {
    GuestAddr(tags::untagged(addr))
}

fn page_range(args: &Args) -> GuestRange {
    GuestRange::new(untagged(args[0]), args[1])
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
    memory.remap(untagged(args[0]), args[1], args[2], args[3] as i32, GuestAddr(args[4])).map(|addr| addr.0)
}

/// A range of whole pages that starts at one.
fn whole_pages(addr: u64, bytes: u64, too_long: i32) -> Result<GuestRange, Errno> {
    let start = untagged(addr);
    if !start.is_aligned(PAGE_BYTES) {
        return Err(Errno(libc::EINVAL));
    }
    let bytes = bytes.checked_next_multiple_of(PAGE_BYTES).ok_or(Errno(too_long))?;
    start.0.checked_add(bytes).ok_or(Errno(too_long))?;
    Ok(GuestRange::new(start, bytes))
}

/// Does call `number` to the parts of the range that are the guest's; ENOMEM if that is not all of it.
fn on_guest_parts(context: &Context<'_>, number: i64, args: Args, too_long: i32) -> Outcome {
    let range = whole_pages(args[0], args[1], too_long)?;
    let [_, _, a, b, c, d] = args;
    let act = |part: GuestRange| host::call(number, [part.start.0, part.bytes(), a, b, c, d]);
    if range.bytes() == 0 {
        return act(range);
    }
    if context.process.memory().on_guest_parts(range, act)? {
        return Ok(0);
    }
    // Where nothing is mapped the kernel tells nonsense from good arguments too, as it does for nothing at all.
    act(GuestRange::new(GuestAddr(0), 0)).and(Err(Errno(libc::ENOMEM)))
}

/// madvise implements Linux syscall madvise(2), for the parts of the range that are the guest's: some advice throws
/// contents away.
pub(crate) fn madvise(context: &mut Context<'_>, args: Args) -> Outcome {
    let populates = matches!(args[2] as i32, libc::MADV_POPULATE_READ | libc::MADV_POPULATE_WRITE);
    let result = if populates {
        let range = whole_pages(args[0], args[1], libc::EINVAL)?;
        let act = |part: GuestRange| host::call3(libc::SYS_madvise, part.start.0, part.bytes(), args[2]);
        context.process.memory().on_guest_memory_up_to_a_hole(range, act)
    } else {
        on_guest_parts(context, libc::SYS_madvise, args, libc::EINVAL)
    };
    if let Ok(range) = whole_pages(args[0], args[1], libc::EINVAL) {
        let memory = context.process.memory();
        // What comes before a hole, or behind one, follows the advice all the same.
        let is_followed = matches!(result, Ok(_) | Err(Errno(libc::ENOMEM)));
        match args[2] as i32 {
            advice if discards(advice) => memory.contents_changed(range, advice == libc::MADV_REMOVE),
            libc::MADV_DONTFORK if is_followed => memory.not_for_children(range, true),
            libc::MADV_DOFORK if is_followed => memory.not_for_children(range, false),
            _ => {}
        }
    }
    result
}

/// Whether advice throws contents away.
fn discards(advice: i32) -> bool {
    const MADV_GUARD_INSTALL: i32 = kernel::MADV_GUARD_INSTALL as i32;
    const MADV_GUARD_REMOVE: i32 = kernel::MADV_GUARD_REMOVE as i32;
    matches!(
        advice,
        libc::MADV_DONTNEED
            | libc::MADV_FREE
            | libc::MADV_REMOVE
            | libc::MADV_DONTNEED_LOCKED
            | MADV_GUARD_INSTALL
            | MADV_GUARD_REMOVE
    )
}

/// mseal implements Linux syscall mseal(2), which does all of the range or nothing.
pub(crate) fn mseal(context: &mut Context<'_>, args: Args) -> Outcome {
    let range = whole_pages(args[0], args[1], libc::EINVAL)?;
    if args[2] != 0 || range.bytes() == 0 {
        return host::call3(libc::SYS_mseal, range.start.0, range.bytes(), args[2]);
    }
    context.process.memory().on_guest_memory(range, || host::call3(libc::SYS_mseal, range.start.0, range.bytes(), 0))
}

/// msync implements Linux syscall msync(2).
pub(crate) fn msync(context: &mut Context<'_>, args: Args) -> Outcome {
    on_guest_parts(context, libc::SYS_msync, args, libc::ENOMEM)
}

/// mincore implements Linux syscall mincore(2), which tells what it finds before a hole.
pub(crate) fn mincore(context: &mut Context<'_>, args: Args) -> Outcome {
    let range = whole_pages(args[0], args[1], libc::ENOMEM)?;
    let told_at = |part: GuestRange| args[2].wrapping_add((part.start.0 - range.start.0) / PAGE_BYTES);
    let ask = |part: GuestRange| host::call3(libc::SYS_mincore, part.start.0, part.bytes(), told_at(part));
    context.process.memory().on_guest_memory_up_to_a_hole(range, ask)
}

/// mbind implements Linux syscall mbind(2).
pub(crate) fn mbind(context: &mut Context<'_>, args: Args) -> Outcome {
    let range = whole_pages(args[0], args[1], libc::EINVAL)?;
    if range.bytes() == 0 {
        return host::call(libc::SYS_mbind, args);
    }
    on_guest_parts(context, libc::SYS_mbind, args, libc::EINVAL)
        .map_err(|error| if error.0 == libc::ENOMEM { Errno(libc::EFAULT) } else { error })
}

/// set_mempolicy_home_node implements Linux syscall set_mempolicy_home_node(2).
pub(crate) fn set_mempolicy_home_node(context: &mut Context<'_>, args: Args) -> Outcome {
    on_guest_parts(context, libc::SYS_set_mempolicy_home_node, args, libc::EINVAL)
}

/// remap_file_pages implements Linux syscall remap_file_pages(2) as the kernel does: by mapping the file anew.
pub(crate) fn remap_file_pages(context: &mut Context<'_>, args: Args) -> Outcome {
    let [addr, bytes, prot, first_page, ..] = args;
    let start = untagged(addr).page();
    let bytes = bytes & !(PAGE_BYTES - 1);
    let is_sound = prot == 0
        && bytes > 0
        && start.0.checked_add(bytes).is_some()
        && first_page.checked_add(bytes / PAGE_BYTES).is_some_and(|end| end < 1 << 52);
    if !is_sound {
        return Err(Errno(libc::EINVAL));
    }
    let range = GuestRange::new(start, bytes);
    let host_args = [start.0, bytes, 0, first_page, args[4], 0];
    context
        .process
        .memory()
        .show_other_pages(range, first_page * PAGE_BYTES, || host::call(libc::SYS_remap_file_pages, host_args))
}

/// process_madvise implements Linux syscall process_madvise(2). What throws contents away the kernel does to the caller
/// only, and must then meet nothing of emu's.
pub(crate) fn process_madvise(context: &mut Context<'_>, args: Args) -> Outcome {
    const MOST_PARTS: u64 = libc::UIO_MAXIOV as u64;
    let [fd, list, count, advice, flags, _] = args;
    if !discards(advice as i32) || count > MOST_PARTS {
        return host::call(libc::SYS_process_madvise, args);
    }
    let mut done = 0;
    for index in 0..count {
        let part: [u64; 2] = user::read(list.wrapping_add(16 * index))?;
        let advise = || {
            let part_at = part.as_ptr() as u64;
            host::call(libc::SYS_process_madvise, [fd, part_at, 1, advice, flags, 0])
        };
        let result = whole_pages(part[0], part[1], libc::EINVAL).and_then(|range| {
            context.process.memory().on_guest_memory(range, advise).inspect(|_| {
                context.process.memory().contents_changed(range, advice as i32 == libc::MADV_REMOVE);
            })
        });
        match result {
            Ok(bytes) => done += bytes,
            Err(_) if done > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(done)
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
