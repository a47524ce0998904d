//! The stack that a new program finds: its size and place, the strings at its top, and below them argc, argv, envp and
//! the auxiliary vector, laid out as Linux does on arm64 (fs/binfmt_elf.c, create_elf_tables).

use crate::error::describe;
use crate::{Identity, LoadError};
use ir::{Errno, GuestAddr, GuestMemory, GuestRange, MapRequest, PAGE_BYTES, Prot};
use std::ffi::{CStr, CString};
use std::path::Path;

/// Longest single argument or environment string, with its NUL (MAX_ARG_STRLEN).
const MAX_STRING_BYTES: usize = 32 * PAGE_BYTES as usize;
/// Arguments and environment may take a quarter of the stack, but not more than this (3/4 of _STK_LIM), and may
/// always take `MIN_STRINGS_BYTES` (ARG_MAX).
const MAX_STRINGS_BYTES: u64 = 6 << 20;
const MIN_STRINGS_BYTES: u64 = 128 << 10;

const PLATFORM: &CStr = c"aarch64";

/// The strings of a new program.
#[derive(Clone, Debug, Default)]
pub struct StackStrings {
    /// AT_EXECFN: the path by which it was started.
    pub execfn: CString,
    /// Arguments, argv\[0\] first.
    pub argv: Vec<CString>,
    /// Environment.
    pub envp: Vec<CString>,
}

/// What the auxiliary vector says about the processor and kernel that the guest believes to run on.
#[derive(Clone, Debug, Default)]
pub struct MachineInfo {
    /// AT_HWCAP, AT_HWCAP2, AT_HWCAP3.
    pub hwcap: [u64; 3],
    /// AT_MINSIGSTKSZ: what a signal frame needs of the stack.
    pub min_signal_stack_bytes: u64,
    /// AT_FLAGS.
    pub flags: u64,
    /// Further entries, as (type, value): AT_RSEQ_*.
    pub extra_auxv: Vec<(u64, u64)>,
}

/// Where the stack is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stack {
    pub range: GuestRange,
}

/// What the auxiliary vector says about the program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ImageInfo {
    pub phdr: GuestAddr,
    pub phdr_count: u16,
    pub interpreter_base: GuestAddr,
    pub entry: GuestAddr,
    pub vdso: GuestAddr,
}

/// All that goes on the stack.
pub(crate) struct Content<'a> {
    pub strings: &'a StackStrings,
    pub machine: &'a MachineInfo,
    pub identity: Identity,
    pub image: ImageInfo,
    pub at_random: [u8; 16],
    /// Bytes left free between strings and tables, to vary addresses; less than 8192.
    pub shift_bytes: u64,
}

/// A filled stack.
#[derive(Clone, Debug)]
pub(crate) struct Filled {
    pub sp: GuestAddr,
    pub argv: GuestRange,
    pub envp: GuestRange,
    pub auxv: Vec<(u64, u64)>,
}

/// Maps the stack, as large as it gets.
pub(crate) fn map_stack(memory: &mut dyn GuestMemory, place: GuestRange, executable: bool) -> Result<Stack, Errno> {
    let prot = Prot::READ.union(Prot::WRITE).union(if executable { Prot::EXEC } else { Prot::NONE });
    let flags =
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK | libc::MAP_FIXED_NOREPLACE;
    memory.map(MapRequest { addr: place.start, bytes: place.bytes(), prot, flags, fd: -1, offset: 0 })?;
    Ok(Stack { range: place })
}

/// Writes everything that a new program finds on its stack.
pub(crate) fn fill(file: &Path, stack: Stack, content: &Content<'_>) -> Result<Filled, LoadError> {
    let mut top = Downwards::new(stack.range.end);
    top.push(&[0; 8]);
    let execfn = top.push(content.strings.execfn.as_bytes_with_nul());
    let envp_end = top.addr();
    let envp = top.push_strings(&content.strings.envp);
    let envp_range = GuestRange { start: top.addr(), end: envp_end };
    let argv = top.push_strings(&content.strings.argv);
    let argv_range = GuestRange { start: top.addr(), end: envp_range.start };
    top.skip(content.shift_bytes);
    let platform = top.push(PLATFORM.to_bytes_with_nul());
    let random = top.push(&content.at_random);
    top.align();
    let auxv = auxiliary_vector(content, execfn, platform, random);

    let mut words = vec![argv.len() as u64];
    for list in [&argv, &envp] {
        words.extend(list.iter().map(|addr| addr.0));
        words.push(0);
    }
    words.extend(auxv.iter().flat_map(|&(kind, value)| [kind, value]));
    if words.len() % 2 == 1 {
        top.skip(8);
    }
    let tables: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let sp = top.push(&tables);
    ir::memory::write_bytes(sp, &top.into_bytes())
        .map_err(|fault| LoadError::new(file, libc::EFAULT, format!("cannot write its stack at {}", fault.addr)))?;
    Ok(Filled { sp, argv: argv_range, envp: envp_range, auxv })
}

/// E2BIG, as execve(2) has it.
pub(crate) fn check_strings(file: &Path, stack: GuestRange, strings: &StackStrings) -> Result<(), LoadError> {
    let all = || strings.argv.iter().chain(&strings.envp).chain([&strings.execfn]);
    let bytes: usize = all().map(|string| string.count_bytes() + 1 + size_of::<u64>()).sum();
    let limit = (stack.bytes() / 4).clamp(MIN_STRINGS_BYTES, MAX_STRINGS_BYTES);
    let one_is_too_long = all().any(|string| string.count_bytes() >= MAX_STRING_BYTES);
    if one_is_too_long || bytes as u64 > limit {
        return Err(LoadError::new(file, libc::E2BIG, describe(libc::E2BIG)));
    }
    Ok(())
}

fn auxiliary_vector(
    content: &Content<'_>,
    execfn: GuestAddr,
    platform: GuestAddr,
    random: GuestAddr,
) -> Vec<(u64, u64)> {
    let Content { machine, identity, image, .. } = content;
    let [hwcap, hwcap2, hwcap3] = machine.hwcap;
    let mut auxv = vec![(libc::AT_SYSINFO_EHDR, image.vdso.0)];
    auxv.extend(&machine.extra_auxv);
    auxv.extend([
        (libc::AT_MINSIGSTKSZ, machine.min_signal_stack_bytes),
        (libc::AT_HWCAP, hwcap),
        (libc::AT_PAGESZ, PAGE_BYTES),
        (libc::AT_CLKTCK, identity.clock_ticks),
        (libc::AT_PHDR, image.phdr.0),
        (libc::AT_PHENT, 56),
        (libc::AT_PHNUM, u64::from(image.phdr_count)),
        (libc::AT_BASE, image.interpreter_base.0),
        (libc::AT_FLAGS, machine.flags),
        (libc::AT_ENTRY, image.entry.0),
        (libc::AT_UID, u64::from(identity.uid)),
        (libc::AT_EUID, u64::from(identity.euid)),
        (libc::AT_GID, u64::from(identity.gid)),
        (libc::AT_EGID, u64::from(identity.egid)),
        (libc::AT_SECURE, u64::from(identity.secure)),
        (libc::AT_RANDOM, random.0),
        (libc::AT_HWCAP2, hwcap2),
        (libc::AT_HWCAP3, hwcap3),
        (libc::AT_EXECFN, execfn.0),
        (libc::AT_PLATFORM, platform.0),
        (libc::AT_NULL, 0),
    ]);
    auxv
}

/// Bytes collected from the highest address downwards.
struct Downwards {
    end: GuestAddr,
    /// In reverse: the byte at the highest address first.
    reversed: Vec<u8>,
}

impl Downwards {
    fn new(end: GuestAddr) -> Self {
        Self { end, reversed: Vec::with_capacity(8192) }
    }

    /// The lowest address so far.
    fn addr(&self) -> GuestAddr {
        self.end.offset(-(self.reversed.len() as i64))
    }

    fn push(&mut self, bytes: &[u8]) -> GuestAddr {
        self.reversed.extend(bytes.iter().rev());
        self.addr()
    }

    /// Puts strings so that the first is lowest; gives their addresses in order.
    fn push_strings(&mut self, strings: &[CString]) -> Vec<GuestAddr> {
        let mut addrs: Vec<_> = strings.iter().rev().map(|string| self.push(string.as_bytes_with_nul())).collect();
        addrs.reverse();
        addrs
    }

    fn skip(&mut self, bytes: u64) {
        self.reversed.resize(self.reversed.len() + bytes as usize, 0);
    }

    fn align(&mut self) {
        self.skip(self.addr().0 % 16);
    }

    fn into_bytes(self) -> Vec<u8> {
        let mut bytes = self.reversed;
        bytes.reverse();
        bytes
    }
}
