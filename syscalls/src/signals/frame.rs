//! The frame by which a handler finds what was interrupted, as arm64's kernel lays it out (asm/sigcontext.h,
//! `struct rt_sigframe`): siginfo, ucontext with the registers, records of what else there is, and above it a frame
//! record, so that unwinders go on to the interrupted function. Owns the layout; it must not know which signal, or why.

use super::AltStack;
use super::slot::SigInfo;
use crate::user::{self, EFAULT};
use ir::eval::fp;
use ir::{CpuState, Errno, GuestAddr, Nzcv};
use std::mem::offset_of;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes};

/// `struct rt_sigframe` with room for all records that there may be.
const FRAME_BYTES: u64 = offset_of!(Frame, fpsimd) as u64 + RESERVED_BYTES;
/// `sizeof(sigcontext.__reserved)`.
const RESERVED_BYTES: u64 = 4096;
/// `struct frame_record`: x29, x30.
const RECORD_BYTES: u64 = 16;
/// Of zeros, behind the last record.
const TERMINATOR_BYTES: usize = 16;
/// Largest frame with an extra record (SIGFRAME_MAXSZ).
const MOST_BYTES: u64 = 64 << 10;

pub(super) const INFO: u64 = offset_of!(Frame, info) as u64;
pub(super) const UCONTEXT: u64 = offset_of!(Frame, context) as u64;

/// What is written of a frame: all up to the last record.
#[repr(C)]
#[derive(FromBytes, IntoBytes, Immutable)]
struct Frame {
    info: SigInfo,
    context: UserContext,
    // What follows is `sigcontext.__reserved`.
    fpsimd: Fpsimd,
    esr: Esr,
    terminator: [u8; TERMINATOR_BYTES],
}

/// `struct ucontext`, with the `struct sigcontext` that ends it, up to the records.
#[repr(C)]
#[derive(FromBytes, IntoBytes, Immutable)]
struct UserContext {
    flags: u64,
    link: u64,
    stack: AltStack,
    mask: u64,
    unused: [u64; 16],
    fault_address: u64,
    /// X0 to X30, then SP.
    regs: [u64; 32],
    pc: u64,
    pstate: u64,
    pad: u64,
}

/// `struct _aarch64_ctx`, which each record begins with; all zero at their end.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
struct Head {
    magic: u32,
    bytes: u32,
}

/// `struct fpsimd_context`
#[repr(C)]
#[derive(FromBytes, IntoBytes, Immutable)]
struct Fpsimd {
    head: Head,
    fpsr: u32,
    fpcr: u32,
    vregs: [u128; 32],
}

/// `struct esr_context`
#[repr(C)]
#[derive(FromBytes, IntoBytes, Immutable)]
struct Esr {
    head: Head,
    esr: u64,
}

// Offsets and sizes printed by a program built with AArch64's headers.
const _: () = {
    assert!(FRAME_BYTES == 4688);
    assert!(UCONTEXT == 128);
    assert!(offset_of!(Frame, context.stack) == 144);
    assert!(offset_of!(Frame, context.mask) == 168);
    assert!(offset_of!(Frame, context.fault_address) == 304);
    assert!(offset_of!(Frame, context.pstate) == 576);
    assert!(offset_of!(Frame, fpsimd) == 592);
    assert!(size_of::<Fpsimd>() == 528);
};

impl Head {
    const FPSIMD: Self = Self { magic: 0x4650_8001, bytes: size_of::<Fpsimd>() as u32 };
    const ESR: Self = Self { magic: 0x4553_5201, bytes: size_of::<Esr>() as u32 };
    const EXTRA: Self = Self { magic: 0x4558_5401, bytes: 32 };
    const END: Self = Self { magic: 0, bytes: 0 };
}

/// The last fault of a thread, which the kernel shows in all frames from then on.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct FaultRecord {
    /// The address, without tag.
    pub address: u64,
    /// The exception's syndrome; 0 for none.
    pub esr: u64,
}

/// What a frame is made of beside the registers.
pub(super) struct Content {
    /// None for a handler without SA_SIGINFO, whose frame has room for it all the same.
    pub info: Option<SigInfo>,
    /// The mask that sigreturn sets.
    pub mask: u64,
    pub stack: AltStack,
    pub fault: FaultRecord,
}

/// A frame on the stack.
pub(super) struct Placed {
    /// Its address: the handler's stack pointer.
    pub frame: u64,
    /// The frame record's: the handler's x29.
    pub record: u64,
}

/// Writes a frame below `top`. Fails where the stack cannot be written.
pub(super) fn write(cpu: &CpuState, top: u64, content: &Content) -> Result<Placed, Errno> {
    let record = top.wrapping_sub(RECORD_BYTES) & !15;
    let frame = record.wrapping_sub(FRAME_BYTES);
    let mut new = Frame::new_zeroed();
    new.context.stack = content.stack;
    new.context.mask = content.mask;
    new.context.fault_address = content.fault.address;
    new.context.regs.copy_from_slice(&cpu.x[..32]);
    new.context.pc = cpu.pc.0;
    new.context.pstate = u64::from(cpu.nzcv().0);
    new.fpsimd.head = Head::FPSIMD;
    new.fpsimd.fpsr = fp::saved_fpsr(cpu) as u32;
    new.fpsimd.fpcr = fp::read_fpcr(cpu) as u32;
    new.fpsimd.vregs = cpu.v;
    let mut end = offset_of!(Frame, terminator);
    if content.fault.esr != 0 {
        new.esr = Esr { head: Head::ESR, esr: content.fault.esr };
        end = size_of::<Frame>();
    }
    match content.info {
        Some(info) => {
            new.info = info;
            user::write_bytes(frame, &new.as_bytes()[..end])?;
        }
        None => user::write_bytes(frame.wrapping_add(UCONTEXT), &new.as_bytes()[UCONTEXT as usize..end])?,
    }
    user::write(record, &[cpu.x[29], cpu.x[30]])?;
    Ok(Placed { frame, record })
}

/// Makes `cpu` what the frame at `frame` says, and gives the alternate stack; `mask` becomes the mask if that can be read.
/// After an error part of the registers may have been set.
pub(super) fn read(cpu: &mut CpuState, frame: u64, mask: &mut Option<u64>) -> Result<AltStack, Errno> {
    /// PSTATE bits that user space must not have set: modes, 32-bit state and masked interrupts.
    const PRIVILEGED: u64 = 0x3df;
    if !frame.is_multiple_of(16) {
        return Err(EFAULT);
    }
    // In few pieces: each guarded copy costs as much as a hundred bytes.
    let mut context = UserContext::new_zeroed();
    user::read_bytes(frame.wrapping_add(UCONTEXT), context.as_mut_bytes())?;
    *mask = Some(context.mask);
    cpu.x.copy_from_slice(&context.regs);
    cpu.pc = GuestAddr(context.pc);
    cpu.set_nzcv(Nzcv(context.pstate as u32 & 0xf000_0000));
    if context.pstate & PRIVILEGED != 0 {
        return Err(EFAULT);
    }
    let at = find_fpsimd(frame.wrapping_add(offset_of!(Frame, fpsimd) as u64))?;
    let mut fpsimd = Fpsimd::new_zeroed();
    user::read_bytes(at, fpsimd.as_mut_bytes())?;
    cpu.v = fpsimd.vregs;
    fp::restore_saved(cpu, fpsimd.fpcr.into(), fpsimd.fpsr.into());
    Ok(AltStack { pad: 0, ..context.stack })
}

/// Goes through the records as the kernel does (`parse_user_sigframe`); gives the address of the one that matters.
fn find_fpsimd(mut base: u64) -> Result<u64, Errno> {
    let (mut limit, mut offset) = (RESERVED_BYTES, 0);
    let (mut found, mut has_extra) = (None, false);
    loop {
        if limit - offset < 8 || !offset.is_multiple_of(16) {
            return Err(EFAULT);
        }
        let at = base.wrapping_add(offset);
        let head: Head = user::read(at)?;
        let bytes = u64::from(head.bytes);
        if limit - offset < bytes {
            return Err(EFAULT);
        }
        match head {
            Head::END => return found.ok_or(EFAULT),
            Head::FPSIMD if found.is_none() => found = Some(at),
            Head { magic, .. } if magic == Head::ESR.magic => {}
            Head::EXTRA if !has_extra => {
                has_extra = true;
                let after = at.wrapping_add(bytes);
                let [data, extra_bytes] = user::read::<[u64; 2]>(at.wrapping_add(8))?;
                let extra_bytes = extra_bytes & 0xffff_ffff;
                // A terminator, and then at once the rest of the records.
                let expected = after.wrapping_add(TERMINATOR_BYTES as u64);
                let is_ended = user::read::<Head>(after)? == Head::END;
                if data != expected || !extra_bytes.is_multiple_of(16) || extra_bytes > MOST_BYTES || !is_ended {
                    return Err(EFAULT);
                }
                (base, offset, limit) = (data, 0, extra_bytes);
                continue;
            }
            _ => return Err(EFAULT),
        }
        if bytes < 8 {
            return Err(EFAULT);
        }
        offset += bytes;
    }
}
