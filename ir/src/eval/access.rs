//! Accesses to guest memory as instructions make them: with tags in addresses, of any size, and with what is known of
//! them after a fault in generated code.

use crate::memory::{self, Fault};
use crate::{CpuState, GuestAddr, Rmw};
use std::sync::atomic::{AtomicBool, Ordering};

/// What is known of plain accesses that generated code has made before, when it met a fault.
#[derive(Debug)]
pub enum Known {
    /// They have been performed: what was loaded is known, and stores are not done again.
    Performed(std::vec::IntoIter<u128>),
    /// The first that touches the address of this fault and is of its kind, loading or storing, has met it: it is not
    /// tried again, which would cost another signal of the host's.
    Faults(Fault),
    /// Nothing any more.
    Nothing,
}

impl Known {
    /// Accesses that have loaded these values, in order; of each value only as many bytes count as are loaded.
    #[must_use]
    pub fn performed(loaded: Vec<u128>) -> Self {
        Self::Performed(loaded.into_iter())
    }

    /// The next load. What is not known is loaded.
    #[cold]
    pub(super) fn load(&mut self, bytes: u8, addr: u64) -> Result<u128, Fault> {
        let known = match self {
            Self::Performed(loaded) => loaded.next(),
            Self::Faults(fault) if !fault.is_write && touches(bytes, addr, fault) => return Err(*fault),
            Self::Faults(_) | Self::Nothing => None,
        };
        match known {
            Some(value) => Ok(value & (u128::MAX >> (128 - 8 * u32::from(bytes)))),
            None => load_wide(bytes, addr),
        }
    }

    /// The next store, which `perform` performs.
    #[cold]
    pub(super) fn store(&self, bytes: u8, addr: u64, perform: impl FnOnce() -> Result<(), Fault>) -> Result<(), Fault> {
        match self {
            Self::Performed(_) => Ok(()),
            Self::Faults(fault) if fault.is_write && touches(bytes, addr, fault) => Err(*fault),
            Self::Faults(_) | Self::Nothing => perform(),
        }
    }

    /// An atomic operation or an exclusive access comes, which is tried again: generated code performs none of them
    /// twice, so the fault that is known was this one's, and says nothing of what follows if it works now.
    #[cold]
    pub(super) fn atomic(&mut self) {
        if matches!(self, Self::Faults(_)) {
            *self = Self::Nothing;
        }
    }
}

/// Whether the fault is at one of these bytes.
fn touches(bytes: u8, addr: u64, fault: &Fault) -> bool {
    fault.addr.0.wrapping_sub(addr) < u64::from(bytes)
}

/// An access to an address with a tag has worked: generated code should ignore tags from now on.
static TAGS_MET: AtomicBool = AtomicBool::new(false);

/// Whether the guest has accessed memory by an address with a tag. That never becomes false again.
pub fn tags_met() -> bool {
    TAGS_MET.load(Ordering::Relaxed)
}

/// Performs an access. The host ignores no tags: it refuses such an address, and only then is the tag taken off.
#[inline(always)]
pub(super) fn at<T>(addr: u64, access: impl Fn(GuestAddr) -> Result<T, Fault>) -> Result<T, Fault> {
    let addr = GuestAddr(addr);
    match access(addr) {
        Err(fault) => without_tag(addr, fault, access),
        done => done,
    }
}

#[cold]
fn without_tag<T>(addr: GuestAddr, fault: Fault, access: impl Fn(GuestAddr) -> Result<T, Fault>) -> Result<T, Fault> {
    let plain = addr.untagged();
    if plain == addr {
        return Err(fault);
    }
    let result = access(plain);
    TAGS_MET.fetch_or(result.is_ok(), Ordering::Relaxed);
    result.map_err(|fault| Fault { addr: fault.addr.tagged_as(addr), ..fault })
}

/// Loads `bytes` bytes (1, 2, 4 or 8), zero-extended.
#[inline(always)]
pub fn load_bytes(bytes: u8, addr: u64) -> Result<u64, Fault> {
    match bytes {
        1 => at(addr, |addr| memory::load_u8(addr).map(u64::from)),
        2 => at(addr, |addr| memory::load_u16(addr).map(u64::from)),
        4 => at(addr, |addr| memory::load_u32(addr).map(u64::from)),
        _ => at(addr, memory::load_u64),
    }
}

/// Stores the low `bytes` bytes (1, 2, 4 or 8) of `value`.
#[inline(always)]
pub fn store_bytes(bytes: u8, addr: u64, value: u64) -> Result<(), Fault> {
    match bytes {
        1 => at(addr, |addr| memory::store_u8(addr, value as u8)),
        2 => at(addr, |addr| memory::store_u16(addr, value as u16)),
        4 => at(addr, |addr| memory::store_u32(addr, value as u32)),
        _ => at(addr, |addr| memory::store_u64(addr, value)),
    }
}

/// Swaps `bytes` bytes; gives the old value.
pub fn swap_bytes(bytes: u8, addr: u64, value: u64) -> Result<u64, Fault> {
    at(addr, |addr| match bytes {
        1 => memory::swap_u8(addr, value as u8).map(u64::from),
        2 => memory::swap_u16(addr, value as u16).map(u64::from),
        4 => memory::swap_u32(addr, value as u32).map(u64::from),
        _ => memory::swap_u64(addr, value),
    })
}

/// Adds to `bytes` bytes; gives the old value.
pub fn add_bytes(bytes: u8, addr: u64, value: u64) -> Result<u64, Fault> {
    at(addr, |addr| match bytes {
        1 => memory::add_u8(addr, value as u8).map(u64::from),
        2 => memory::add_u16(addr, value as u16).map(u64::from),
        4 => memory::add_u32(addr, value as u32).map(u64::from),
        _ => memory::add_u64(addr, value),
    })
}

/// Compares and swaps `bytes` bytes; gives the old value, zero-extended.
pub fn cas_bytes(bytes: u8, addr: u64, expected: u64, new: u64) -> Result<u64, Fault> {
    at(addr, |addr| match bytes {
        1 => memory::cas_u8(addr, expected as u8, new as u8).map(u64::from),
        2 => memory::cas_u16(addr, expected as u16, new as u16).map(u64::from),
        4 => memory::cas_u32(addr, expected as u32, new as u32).map(u64::from),
        _ => memory::cas_u64(addr, expected, new),
    })
}

/// What an atomic operation stores, given what memory holds and the register; only the low `bytes` bytes count.
#[must_use]
pub fn rmw_value(op: Rmw, bytes: u8, memory: u64, register: u64) -> u64 {
    let unused = 64 - 8 * u32::from(bytes);
    let (m, r) = (memory << unused, register << unused);
    let (sm, sr) = (m as i64, r as i64);
    let result = match op {
        Rmw::Add => m.wrapping_add(r),
        Rmw::Clr => m & !r,
        Rmw::Eor => m ^ r,
        Rmw::Set => m | r,
        Rmw::Smax => sm.max(sr) as u64,
        Rmw::Smin => sm.min(sr) as u64,
        Rmw::Umax => m.max(r),
        Rmw::Umin => m.min(r),
        Rmw::Swp => r,
    };
    result >> unused
}

/// Atomic read-modify-write of `bytes` bytes; gives the old value.
pub fn rmw_bytes(op: Rmw, bytes: u8, addr: u64, value: u64) -> Result<u64, Fault> {
    match op {
        Rmw::Swp => return swap_bytes(bytes, addr, value),
        Rmw::Add => return add_bytes(bytes, addr, value),
        _ => {}
    }
    let mut seen = load_bytes(bytes, addr)?;
    loop {
        let old = cas_bytes(bytes, addr, seen, rmw_value(op, bytes, seen, value))?;
        if old == seen {
            return Ok(old);
        }
        seen = old;
    }
}

/// Loads 1, 2, 4, 8 or 16 bytes, zero-extended.
#[inline(always)]
pub fn load_wide(bytes: u8, addr: u64) -> Result<u128, Fault> {
    if bytes == 16 { at(addr, memory::load_u128) } else { load_bytes(bytes, addr).map(u128::from) }
}

/// Stores the low 1, 2, 4, 8 or 16 bytes.
#[inline(always)]
pub fn store_wide(bytes: u8, addr: u64, value: u128) -> Result<(), Fault> {
    if bytes == 16 { at(addr, |addr| memory::store_u128(addr, value)) } else { store_bytes(bytes, addr, value as u64) }
}

/// Stores if the monitor still holds (address, size, and memory unchanged); opens the monitor. 0 when stored, else 1.
pub(super) fn store_exclusive_wide(cpu: &mut CpuState, bytes: u8, addr: u64, value: u128) -> Result<u64, Fault> {
    let armed = cpu.exclusive_addr == GuestAddr(addr).untagged().0 && cpu.exclusive_bytes == u64::from(bytes);
    let [low, high] = cpu.exclusive_value;
    let stored = if !armed {
        false
    } else if bytes == 16 {
        let expected = u128::from(high) << 64 | u128::from(low);
        at(addr, |addr| memory::cas_u128(addr, expected, value))? == expected
    } else {
        cas_bytes(bytes, addr, low, value as u64)? == low
    };
    // Not before: what faults may be performed again.
    cpu.exclusive_addr = CpuState::NO_EXCLUSIVE;
    Ok(u64::from(!stored))
}

pub(super) fn join(bytes: u8, [first, second]: [u64; 2]) -> u128 {
    let bits = 8 * u32::from(bytes);
    let low = u128::from(first) & ((1 << bits) - 1);
    let pair = low | u128::from(second) << bits;
    if bits == 64 { pair } else { pair & u128::from(u64::MAX) }
}

pub(super) fn split(bytes: u8, pair: u128) -> [u64; 2] {
    let bits = 8 * u32::from(bytes);
    let mask = u64::MAX >> (64 - bits);
    [pair as u64 & mask, (pair >> bits) as u64 & mask]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::Eval;
    use crate::{Access, Ops, Stop};

    fn load(cpu: &mut CpuState, known: &mut Known, addr: u64) -> Result<u64, Stop> {
        Eval { cpu, known: Some(known) }.load(Access::plain(8), addr)
    }

    #[test]
    fn an_atomic_operation_that_works_was_the_one_that_faulted() {
        let mut cpu = CpuState::default();
        let word = Box::new(5u64);
        let addr = &raw const *word as u64;
        let fault = Fault { addr: GuestAddr(addr), signal: libc::SIGSEGV, code: 2, is_write: false };
        let mut known = Known::Faults(fault);
        assert_eq!(load(&mut cpu, &mut known, addr), Err(Stop::Fault));
        let old = Eval { cpu: &mut cpu, known: Some(&mut known) }.rmw(Rmw::Add, 8, addr, 1);
        assert_eq!(old, Ok(5));
        assert_eq!(load(&mut cpu, &mut known, addr), Ok(6));
    }
}
