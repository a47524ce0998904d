//! Reproducible random numbers, and the values that instructions are likely to get wrong. Knows no instruction.

/// splitmix64 (Steele, Lea, Flood 2014).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Less than `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// Integers that matter more often than chance has them.
    pub fn integer(&mut self) -> u64 {
        match self.below(8) {
            0 => self.below(4),
            1 => self.below(4).wrapping_neg(),
            2 => 1 << self.below(64),
            3 => (1u64 << self.below(64)).wrapping_sub(1),
            4 => u64::from(self.next() as u32),
            5 => self.below(65),
            _ => self.next(),
        }
    }

    /// A vector whose lanes are likely to be zeros, infinities, NaNs, denormals, near-integers.
    pub fn vector(&mut self) -> u128 {
        const DOUBLES: [u64; 12] = [
            // A product of these is tiny before rounding only.
            0x3fef_ffff_ffff_fffe,
            0x0010_0000_0000_0001,
            0,
            1 << 63,
            0x7ff0_0000_0000_0000,
            0xfff0_0000_0000_0000,
            0x7ff8_0000_0000_0001,
            0xfff0_0000_0000_0001,
            0x3ff0_0000_0000_0000,
            0xc1e0_0000_0000_0000,
            0x000f_ffff_ffff_ffff,
            0x43df_ffff_ffff_ffff,
        ];
        const SINGLES: [u32; 12] = [
            0x3f7f_fffe,
            0x0080_0001,
            0,
            1 << 31,
            0x7f80_0000,
            0xff80_0000,
            0x7fc0_0001,
            0xff80_0001,
            0x3f80_0000,
            0xcf00_0000,
            0x007f_ffff,
            0x4eff_ffff,
        ];
        let mut half = || match self.below(6) {
            0 => DOUBLES[self.below(12) as usize],
            1 | 2 => {
                let pick = |r: u64| u64::from(SINGLES[(r % 12) as usize]);
                pick(self.next()) | pick(self.next()) << 32
            }
            3 => (self.next() as i64 as f64 / 1024.0).to_bits(),
            4 => self.integer(),
            _ => self.next(),
        };
        u128::from(half()) << 64 | u128::from(half())
    }
}
