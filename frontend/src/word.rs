//! An instruction word with its address, and the bit fields that A64 encodings share.

use ir::{FpSize, GuestAddr, Lane, Reg, VReg, Width};

/// An instruction word as fetched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Word {
    /// The 32 bits.
    pub bits: u32,
    /// Where it was fetched.
    pub pc: GuestAddr,
}

impl Word {
    /// Bits `high` to `low`, both included.
    #[must_use]
    pub const fn field(self, high: u32, low: u32) -> u32 {
        (self.bits >> low) & (u32::MAX >> (31 - (high - low)))
    }
    /// Bits `high` to `low`, sign-extended.
    #[must_use]
    pub const fn signed(self, high: u32, low: u32) -> i64 {
        ((self.bits << (31 - high)) as i32 >> (31 - high + low)) as i64
    }
    /// One bit.
    #[must_use]
    pub const fn bit(self, index: u32) -> bool {
        self.bits >> index & 1 != 0
    }
    /// Rd, Rt: bits 4 to 0.
    #[must_use]
    pub const fn rd(self) -> Reg {
        Reg(self.field(4, 0) as u8)
    }
    /// Rn: bits 9 to 5.
    #[must_use]
    pub const fn rn(self) -> Reg {
        Reg(self.field(9, 5) as u8)
    }
    /// Ra, Rt2: bits 14 to 10.
    #[must_use]
    pub const fn ra(self) -> Reg {
        Reg(self.field(14, 10) as u8)
    }
    /// Rm, Rs: bits 20 to 16.
    #[must_use]
    pub const fn rm(self) -> Reg {
        Reg(self.field(20, 16) as u8)
    }
    /// Vd, Vt: bits 4 to 0.
    #[must_use]
    pub const fn vd(self) -> VReg {
        VReg(self.field(4, 0) as u8)
    }
    /// Vn: bits 9 to 5.
    #[must_use]
    pub const fn vn(self) -> VReg {
        VReg(self.field(9, 5) as u8)
    }
    /// Va, Vt2: bits 14 to 10.
    #[must_use]
    pub const fn va(self) -> VReg {
        VReg(self.field(14, 10) as u8)
    }
    /// Vm: bits 20 to 16.
    #[must_use]
    pub const fn vm(self) -> VReg {
        VReg(self.field(20, 16) as u8)
    }
    /// sf, bit 31: X when set.
    #[must_use]
    pub const fn sf(self) -> Width {
        if self.bit(31) { Width::X } else { Width::W }
    }
    /// Q, bit 30: the vector is 128 bits.
    #[must_use]
    pub const fn q(self) -> bool {
        self.bit(30)
    }
    /// Integer element size, bits 23 and 22.
    #[must_use]
    pub const fn lane(self) -> Lane {
        match self.field(23, 22) {
            0 => Lane::B,
            1 => Lane::H,
            2 => Lane::S,
            _ => Lane::D,
        }
    }
    /// Scalar floating-point type, bits 23 and 22; none for the unallocated one.
    #[must_use]
    pub const fn fp_size(self) -> Option<FpSize> {
        match self.field(23, 22) {
            0 => Some(FpSize::S),
            1 => Some(FpSize::D),
            3 => Some(FpSize::H),
            _ => None,
        }
    }
    /// Vector floating-point element, bit 22: D when set, else S.
    #[must_use]
    pub const fn sz(self) -> Lane {
        if self.bit(22) { Lane::D } else { Lane::S }
    }
    /// `pc` plus a byte offset.
    #[must_use]
    pub const fn target(self, offset: i64) -> GuestAddr {
        self.pc.offset(offset)
    }
    /// The next instruction's address.
    #[must_use]
    pub const fn next(self) -> GuestAddr {
        self.pc.offset(4)
    }
}
