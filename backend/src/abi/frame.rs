//! What the host had in its registers and in its frame when generated code met a fault. It must not know what that
//! means to the guest.

use std::sync::atomic::{AtomicU64, Ordering};

/// Where the host has a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// A general register, by its number in instructions.
    General(u8),
    /// A vector register.
    Vector(u8),
    /// In the frame, this many bytes above the stack pointer: a multiple of 8, less than `FRAME_BYTES`.
    Frame(u16),
    /// It follows from others: its number among the code's sources.
    Source(u32),
}

/// As much of a frame as is saved, from the stack pointer up.
pub const FRAME_BYTES: u64 = 1024;
const FRAME_WORDS: usize = FRAME_BYTES as usize / 8;

/// What the host had at a fault in generated code. Written by the fault handler of the thread that reads it.
pub struct FaultFrame {
    general: [AtomicU64; 16],
    vector: [[AtomicU64; 2]; 16],
    frame: [AtomicU64; FRAME_WORDS],
}

impl Default for FaultFrame {
    fn default() -> Self {
        Self {
            general: [const { AtomicU64::new(0) }; 16],
            vector: [const { [const { AtomicU64::new(0) }; 2] }; 16],
            frame: [const { AtomicU64::new(0) }; FRAME_WORDS],
        }
    }
}

impl FaultFrame {
    /// Where it lies, for `layout::FAULT_FRAME`.
    pub fn address(&self) -> u64 {
        std::ptr::from_ref(self) as u64
    }

    /// Saves a general register.
    pub fn set_general(&self, number: usize, value: u64) {
        self.general[number].store(value, Ordering::Relaxed);
    }

    /// Saves a vector register.
    pub fn set_vector(&self, number: usize, value: u128) {
        self.vector[number][0].store(value as u64, Ordering::Relaxed);
        self.vector[number][1].store((value >> 64) as u64, Ordering::Relaxed);
    }

    /// Saves words of the frame, from the stack pointer up.
    pub fn set_frame(&self, words: impl Iterator<Item = u64>) {
        for (place, word) in self.frame.iter().zip(words) {
            place.store(word, Ordering::Relaxed);
        }
    }

    /// The value at a place; of a general register or a word of the frame, with something above.
    pub fn value(&self, place: Place) -> u128 {
        let pair = |low: &AtomicU64, high: u64| u128::from(low.load(Ordering::Relaxed)) | u128::from(high) << 64;
        match place {
            Place::General(number) => pair(&self.general[usize::from(number)], 0),
            Place::Vector(number) => {
                let [low, high] = &self.vector[usize::from(number)];
                pair(low, high.load(Ordering::Relaxed))
            }
            Place::Frame(above) => {
                let word = usize::from(above) / 8;
                let high = self.frame.get(word + 1).map_or(0, |high| high.load(Ordering::Relaxed));
                pair(&self.frame[word], high)
            }
            Place::Source(_) => unreachable!("a source knows where the host has its values"),
        }
    }
}
