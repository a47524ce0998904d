//! Registers of a checkpoint that are not stored: generated code keeps their values where the host has them anyway, in
//! its registers and in its frame, as long as an access of the segment may fault. The fault handler saves those
//! (`FaultFrame`), and the code's table of recoveries says which is which.
//!
//! Knows nothing of how code is built: `builder/held.rs` says which values are kept, `compile.rs` where they came to
//! be.

use crate::checkpoint;
use crate::flag_source::Source;
use crate::layout;
use ir::{CpuState, RegSet};
use std::sync::atomic::{AtomicU64, Ordering};

/// A register of the guest's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Register {
    /// Xn; 31 is SP.
    X(u8),
    /// Vn.
    V(u8),
    /// What `layout::FLAGS_BY_EDGE` is for.
    FlagsByEdge,
    /// None: it is what the next load has loaded.
    Loaded,
}

impl Register {
    /// The registers that are not to be held if this cannot be.
    pub fn set(self) -> RegSet {
        match self {
            Self::X(n) => RegSet { x: 1 << n, v: 0 },
            Self::V(n) => RegSet { x: 0, v: 1 << n },
            Self::FlagsByEdge | Self::Loaded => checkpoint::ALL,
        }
    }
}

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

/// At an access that may fault, where a register of its checkpoint is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recovery {
    /// Offset of the host instruction in the code.
    pub offset: u32,
    /// The register.
    pub register: Register,
    /// Where it is.
    pub place: Place,
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

    /// Puts the registers of the checkpoint where they belong; gives what has been loaded.
    pub fn recover(&self, cpu: &mut CpuState, recoveries: &[Recovery], sources: &[Source]) -> Vec<u128> {
        // A register's source may be what another has in memory.
        let value = |recovery: &Recovery| match recovery.place {
            Place::Source(number) => u128::from(sources[number as usize].value(cpu, self)),
            place => self.value(place),
        };
        let values: Vec<u128> = recoveries.iter().map(value).collect();
        let mut loaded = Vec::new();
        for (recovery, value) in recoveries.iter().zip(values) {
            match recovery.register {
                Register::X(n) => cpu.x[usize::from(n)] = value as u64,
                Register::V(n) => cpu.v[usize::from(n)] = value,
                Register::Loaded => loaded.push(value),
                Register::FlagsByEdge => cpu.backend[layout::FLAGS_BY_EDGE] = value as u64,
            }
        }
        loaded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_recovered_from_every_place() {
        let saved = FaultFrame::default();
        (0..16).for_each(|n| saved.set_general(n, 100 + n as u64));
        (0..16).for_each(|n| saved.set_vector(n, (200 + n as u128) | (7 << 64)));
        // Only as much as there is room for.
        saved.set_frame(300..10_000);
        let mut cpu = CpuState::new();
        let recoveries = [
            (Register::X(3), Place::General(15)),
            (Register::X(31), Place::Frame(8)),
            (Register::X(0), Place::Frame(FRAME_BYTES as u16 - 8)),
            (Register::V(1), Place::Vector(2)),
            (Register::V(2), Place::Frame(32)),
            (Register::Loaded, Place::Vector(3)),
        ];
        let recoveries = recoveries.map(|(register, place)| Recovery { offset: 0, register, place });
        let loaded = saved.recover(&mut cpu, &recoveries, &[]);
        assert_eq!((cpu.x[3], cpu.x[31], cpu.x[0]), (115, 301, 300 + FRAME_BYTES / 8 - 1));
        assert_eq!(loaded, [203 | (7 << 64)]);
        assert_eq!((cpu.v[1], cpu.v[2]), (202 | 7 << 64, 304 | 305 << 64));
    }
}
