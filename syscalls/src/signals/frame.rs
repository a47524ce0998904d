//! The frame by which a handler finds what was interrupted, as arm64's kernel lays it out (asm/sigcontext.h,
//! `struct rt_sigframe`): siginfo, ucontext with the registers, records of what else there is, and above it a frame
//! record, so that unwinders go on to the interrupted function. Owns the layout; it must not know which signal, or why.

use super::AltStack;
use super::slot::SigInfo;
use crate::user::{self, EFAULT};
use ir::eval::fp;
use ir::{CpuState, Errno, GuestAddr, Nzcv};

/// `struct rt_sigframe`: siginfo (128), ucontext (4560).
const FRAME_BYTES: u64 = 4688;
/// `struct frame_record`: x29, x30.
const RECORD_BYTES: u64 = 16;

// Offsets into the frame.
pub(super) const INFO: u64 = 0;
pub(super) const UCONTEXT: u64 = 128;
const UC_FLAGS: usize = 128;
const UC_STACK: usize = 144;
const UC_SIGMASK: usize = 168;
const FAULT_ADDRESS: usize = 304;
const REGS: usize = 312;
const SP: usize = 560;
const PC: usize = 568;
const PSTATE: usize = 576;
const RESERVED: usize = 592;
/// `sizeof(sigcontext.__reserved)`.
const RESERVED_BYTES: u64 = 4096;

const FPSIMD_MAGIC: u32 = 0x4650_8001;
const FPSIMD_BYTES: usize = 528;
const ESR_MAGIC: u32 = 0x4553_5201;
const ESR_BYTES: usize = 16;
const EXTRA_MAGIC: u32 = 0x4558_5401;
const EXTRA_BYTES: u32 = 32;
const TERMINATOR_BYTES: usize = 16;
/// Largest frame with an extra record (SIGFRAME_MAXSZ).
const MOST_BYTES: u64 = 64 << 10;

/// What is written of a frame: all up to the last record.
const WRITTEN_BYTES: usize = RESERVED + FPSIMD_BYTES + ESR_BYTES + TERMINATOR_BYTES;

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

struct Bytes([u8; WRITTEN_BYTES]);

impl Bytes {
    fn put(&mut self, at: usize, word: u64) {
        self.0[at..at + 8].copy_from_slice(&word.to_le_bytes());
    }

    fn put_head(&mut self, at: usize, magic: u32, bytes: usize) {
        self.put(at, u64::from(magic) | (bytes as u64) << 32);
    }
}

/// Writes a frame below `top`. Fails where the stack cannot be written.
pub(super) fn write(cpu: &CpuState, top: u64, content: &Content) -> Result<Placed, Errno> {
    let record = top.wrapping_sub(RECORD_BYTES) & !15;
    let frame = record.wrapping_sub(FRAME_BYTES);
    let mut bytes = Bytes([0; WRITTEN_BYTES]);
    for (at, word) in content.info.iter().flatten().enumerate() {
        bytes.put(8 * at, *word);
    }
    bytes.put(UC_STACK, content.stack.sp);
    bytes.put(UC_STACK + 8, u64::from(content.stack.flags));
    bytes.put(UC_STACK + 16, content.stack.size);
    bytes.put(UC_SIGMASK, content.mask);
    bytes.put(FAULT_ADDRESS, content.fault.address);
    for (number, value) in cpu.x[..31].iter().enumerate() {
        bytes.put(REGS + 8 * number, *value);
    }
    bytes.put(SP, cpu.x[CpuState::SP]);
    bytes.put(PC, cpu.pc.0);
    bytes.put(PSTATE, u64::from(cpu.nzcv().0));

    bytes.put_head(RESERVED, FPSIMD_MAGIC, FPSIMD_BYTES);
    bytes.put(RESERVED + 8, fp::saved_fpsr(cpu) | fp::read_fpcr(cpu) << 32);
    for (number, value) in cpu.v.iter().enumerate() {
        let at = RESERVED + 16 + 16 * number;
        bytes.put(at, *value as u64);
        bytes.put(at + 8, (*value >> 64) as u64);
    }
    let mut end = RESERVED + FPSIMD_BYTES;
    if content.fault.esr != 0 {
        bytes.put_head(end, ESR_MAGIC, ESR_BYTES);
        bytes.put(end + 8, content.fault.esr);
        end += ESR_BYTES;
    }
    // The terminator is zeros.
    end += TERMINATOR_BYTES;
    match content.info {
        Some(_) => user::write_bytes(frame, &bytes.0[..end])?,
        None => user::write_bytes(frame.wrapping_add(UCONTEXT), &bytes.0[UC_FLAGS..end])?,
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
    let mut fixed = [0; RESERVED];
    user::read_bytes(frame.wrapping_add(UCONTEXT), &mut fixed[UC_FLAGS..])?;
    let word = |at: usize| word_of(&fixed, at);
    *mask = Some(word(UC_SIGMASK));
    let stack = AltStack { sp: word(UC_STACK), flags: word(UC_STACK + 8) as u32, pad: 0, size: word(UC_STACK + 16) };
    let registers: [u64; 34] = std::array::from_fn(|index| word(REGS + 8 * index));
    let (pc, pstate) = (registers[32], registers[33]);
    cpu.x.copy_from_slice(&registers[..32]);
    cpu.pc = GuestAddr(pc);
    cpu.set_nzcv(Nzcv(pstate as u32 & 0xf000_0000));
    if pstate & PRIVILEGED != 0 {
        return Err(EFAULT);
    }
    let at = find_fpsimd(frame.wrapping_add(RESERVED as u64))?;
    let mut fpsimd = [0; FPSIMD_BYTES];
    user::read_bytes(at, &mut fpsimd)?;
    for (number, value) in cpu.v.iter_mut().enumerate() {
        let at = 16 + 16 * number;
        *value = u128::from(word_of(&fpsimd, at + 8)) << 64 | u128::from(word_of(&fpsimd, at));
    }
    let control = word_of(&fpsimd, 8);
    fp::restore_saved(cpu, control >> 32, control & 0xffff_ffff);
    Ok(stack)
}

fn word_of(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 8].iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
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
        let head = user::read::<u64>(at)?;
        let (magic, bytes) = (head as u32, (head >> 32) as u32);
        if limit - offset < u64::from(bytes) {
            return Err(EFAULT);
        }
        match magic {
            0 if bytes == 0 => return found.ok_or(EFAULT),
            FPSIMD_MAGIC if found.is_none() && bytes as usize == FPSIMD_BYTES => found = Some(at),
            ESR_MAGIC => {}
            EXTRA_MAGIC if !has_extra && bytes == EXTRA_BYTES => {
                has_extra = true;
                let after = at.wrapping_add(u64::from(EXTRA_BYTES));
                let [data, extra_bytes] = user::read::<[u64; 2]>(at.wrapping_add(8))?;
                let extra_bytes = extra_bytes & 0xffff_ffff;
                // A terminator, and then at once the rest of the records.
                let expected = after.wrapping_add(TERMINATOR_BYTES as u64);
                let is_ended = user::read::<u64>(after)? == 0;
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
        offset += u64::from(bytes);
    }
}
