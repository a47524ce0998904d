//! A guest thread's registers together with the words by which others make it leave guest code. The registers belong
//! to whoever runs the thread, by `&mut`; the words to everybody, other threads and signal handlers, at any time. So no
//! `&mut` may cover the words: they lie behind the registers, in the same allocation, where generated code finds them
//! at a fixed distance.
//!
//! Unsafe because of that allocation, of which two parts are borrowed in different ways.
#![allow(unsafe_code)]

use crate::CpuState;
use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The words of a guest thread that other threads and signal handlers store to.
#[derive(Debug, Default)]
#[repr(C)]
pub struct ControlWords {
    /// Nonzero: leave guest code at the next safepoint. Set it with [`ControlWords::request_safepoint`], which sets
    /// the highest bit too: generated code compares it with an address, and leaves if it is greater.
    pub safepoint: AtomicU64,
    /// Least host stack pointer with which generated code may go on at a region's entry; all ones when a safepoint is
    /// wanted, so that one comparison answers both questions.
    pub stack_guard: AtomicU64,
}

impl ControlWords {
    /// Bit of `safepoint`: translated code has changed.
    pub const CODE_CHANGED: u32 = 1 << 31;
    /// Bit of `safepoint`: a signal has been recorded for the guest.
    pub const SIGNAL: u32 = 1;
    /// Bit of `safepoint`: the process is dying; show the registers and go no further.
    pub const PARK: u32 = 2;
    /// Bit of `safepoint`: a safepoint is wanted, for whatever reason.
    pub const WANTED: u64 = 1 << 63;

    /// Makes the thread leave guest code at its next safepoint, with `Stop::Safepoint` but for
    /// [`ControlWords::CODE_CHANGED`] alone. `reason` is a bit that whoever answers the safepoint understands.
    /// Async-signal-safe.
    pub fn request_safepoint(&self, reason: u32) {
        // In this order: whoever opens the guard looks at the word afterwards.
        self.safepoint.fetch_or(Self::WANTED | u64::from(reason), Ordering::SeqCst);
        self.stack_guard.store(u64::MAX, Ordering::SeqCst);
    }

    /// The reasons for which a safepoint is wanted, but for [`ControlWords::CODE_CHANGED`], which may be set at any time
    /// and concerns nobody outside of generated code.
    #[must_use]
    pub fn reasons(&self) -> u32 {
        self.safepoint.load(Ordering::SeqCst) as u32 & !Self::CODE_CHANGED
    }

    /// The same, and forgets them. What is asked for from here on makes the thread leave again. For the thread itself,
    /// when it is not in generated code.
    pub fn take_reasons(&self) -> u32 {
        self.safepoint.swap(0, Ordering::SeqCst) as u32 & !Self::CODE_CHANGED
    }
}

#[derive(Debug, Default)]
#[repr(C)]
struct Block {
    cpu: UnsafeCell<CpuState>,
    words: ControlWords,
}

// SAFETY: `cpu` is reached through the one `Vcpu` of the block only, whose borrows are those of its registers.
unsafe impl Sync for Block {}

/// Offset of [`ControlWords::safepoint`] from the registers.
pub const SAFEPOINT_OFFSET: usize = std::mem::offset_of!(Block, words) + std::mem::offset_of!(ControlWords, safepoint);
/// Offset of [`ControlWords::stack_guard`] from the registers.
pub const STACK_GUARD_OFFSET: usize =
    std::mem::offset_of!(Block, words) + std::mem::offset_of!(ControlWords, stack_guard);

const _: () = assert!(std::mem::offset_of!(Block, cpu) == 0);

/// A guest thread's registers, which it derefs to, and its control words.
#[derive(Debug, Default)]
pub struct Vcpu(Arc<Block>);

/// A guest thread's control words, for as long as anybody wants them.
#[derive(Clone, Debug)]
pub struct Words(Arc<Block>);

impl Vcpu {
    /// A thread with these registers.
    #[must_use]
    pub fn new(cpu: CpuState) -> Self {
        Self(Arc::new(Block { cpu: UnsafeCell::new(cpu), words: ControlWords::default() }))
    }

    /// Its control words. They stay where they are for as long as it lives.
    #[must_use]
    pub fn words(&self) -> &ControlWords {
        &self.0.words
    }

    /// The same, to be kept.
    #[must_use]
    pub fn share_words(&self) -> Words {
        Words(Arc::clone(&self.0))
    }

    /// The registers, as a pointer by which the words may be reached too.
    pub fn as_mut_ptr(&mut self) -> *mut CpuState {
        Arc::as_ptr(&self.0).cast_mut().cast()
    }
}

impl From<CpuState> for Vcpu {
    fn from(cpu: CpuState) -> Self {
        Self::new(cpu)
    }
}

impl Deref for Vcpu {
    type Target = CpuState;

    fn deref(&self) -> &CpuState {
        // SAFETY: only this `Vcpu` gives out references to the registers, shared ones for as long as it is shared.
        unsafe { &*self.0.cpu.get() }
    }
}

impl DerefMut for Vcpu {
    fn deref_mut(&mut self) -> &mut CpuState {
        // SAFETY: as above, and it is borrowed by one.
        unsafe { &mut *self.0.cpu.get() }
    }
}

impl Words {
    /// Whether they are those of `vcpu`.
    #[must_use]
    pub fn are_of(&self, vcpu: &Vcpu) -> bool {
        Arc::ptr_eq(&self.0, &vcpu.0)
    }
}

impl Deref for Words {
    type Target = ControlWords;

    fn deref(&self) -> &ControlWords {
        &self.0.words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_stored_to_while_the_registers_are_borrowed() {
        let mut vcpu = Vcpu::new(CpuState::new());
        let words = vcpu.share_words();
        let cpu: &mut CpuState = &mut vcpu;
        std::thread::scope(|scope| {
            scope.spawn(|| words.request_safepoint(4));
            for n in 0..1000 {
                cpu.x[0] = n;
            }
        });
        assert_eq!(vcpu.x[0], 999);
        assert_eq!(vcpu.words().reasons(), 4);
        assert_eq!(vcpu.words().stack_guard.load(Ordering::SeqCst), u64::MAX);
        assert_eq!(vcpu.words().take_reasons(), 4);
        assert_eq!((vcpu.words().reasons(), vcpu.words().take_reasons()), (0, 0));
    }

    #[test]
    fn words_lie_at_their_offsets() {
        let mut vcpu = Vcpu::default();
        let (base, words) = (vcpu.as_mut_ptr() as usize, vcpu.words());
        assert_eq!(&raw const words.safepoint as usize, base + SAFEPOINT_OFFSET);
        assert_eq!(&raw const words.stack_guard as usize, base + STACK_GUARD_OFFSET);
    }

    #[test]
    fn words_outlive_the_registers() {
        let words = Vcpu::default().share_words();
        words.request_safepoint(1);
        assert_eq!(words.take_reasons(), 1);
    }
}
