//! Registers of a checkpoint that are not stored: generated code keeps their values where the host has them anyway, in
//! its registers and in its frame, as long as an access of the segment may fault. The fault handler saves those
//! (`FaultFrame`), and the code's table of deopt values says which is which.
//!
//! Knows nothing of how code is built: `optimizing/clif/held.rs` says which values are kept, `optimizing/compile.rs` where they came to
//! be.

use crate::abi::frame::{FaultFrame, Place};
use crate::abi::layout;
use crate::deopt::source::Source;
use ir::{CpuState, RegSet};

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
            Self::FlagsByEdge | Self::Loaded => RegSet::ALL,
        }
    }
}

/// At an access that may fault, where a register of its checkpoint is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeoptValue {
    /// Offset of the host instruction in the code.
    pub offset: u32,
    /// The register.
    pub register: Register,
    /// Where it is.
    pub place: Place,
}

/// Puts the registers of the checkpoint where they belong; gives what has been loaded.
pub fn recover(saved: &FaultFrame, cpu: &mut CpuState, deopt_values: &[DeoptValue], sources: &[Source]) -> Vec<u128> {
    // A register's source may be what another has in memory.
    let value = |deopt_value: &DeoptValue| match deopt_value.place {
        Place::Source(number) => u128::from(sources[number as usize].value(cpu, saved)),
        place => saved.value(place),
    };
    let values: Vec<u128> = deopt_values.iter().map(value).collect();
    let mut loaded = Vec::new();
    for (deopt_value, value) in deopt_values.iter().zip(values) {
        match deopt_value.register {
            Register::X(n) => cpu.x[usize::from(n)] = value as u64,
            Register::V(n) => cpu.v[usize::from(n)] = value,
            Register::Loaded => loaded.push(value),
            Register::FlagsByEdge => cpu.backend[layout::FLAGS_BY_EDGE] = value as u64,
        }
    }
    loaded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::frame::FRAME_BYTES;

    #[test]
    fn registers_are_recovered_from_every_place() {
        let saved = FaultFrame::default();
        (0..16).for_each(|n| saved.set_general(n, 100 + n as u64));
        (0..16).for_each(|n| saved.set_vector(n, (200 + n as u128) | (7 << 64)));
        // Only as much as there is room for.
        saved.set_frame(300..10_000);
        let mut cpu = CpuState::new();
        let deopt_values = [
            (Register::X(3), Place::General(15)),
            (Register::X(31), Place::Frame(8)),
            (Register::X(0), Place::Frame(FRAME_BYTES as u16 - 8)),
            (Register::V(1), Place::Vector(2)),
            (Register::V(2), Place::Frame(32)),
            (Register::Loaded, Place::Vector(3)),
        ];
        let deopt_values = deopt_values.map(|(register, place)| DeoptValue { offset: 0, register, place });
        let loaded = recover(&saved, &mut cpu, &deopt_values, &[]);
        assert_eq!((cpu.x[3], cpu.x[31], cpu.x[0]), (115, 301, 300 + FRAME_BYTES / 8 - 1));
        assert_eq!(loaded, [203 | (7 << 64)]);
        assert_eq!((cpu.v[1], cpu.v[2]), (202 | 7 << 64, 304 | 305 << 64));
    }
}
