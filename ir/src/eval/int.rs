//! Integer operations of [`crate::Eval`], as functions of their operands: also what compiled code calls where it has
//! no instruction of its own. Sources: Arm ARM, shared pseudocode.

use crate::{Compare, Cond, Extend, Int1, Int2, IntHelper, Nzcv, Width};

/// See [`Int1`].
#[inline(always)]
#[must_use]
pub fn int1(op: Int1, width: Width, a: u64) -> u64 {
    let mask = width.mask();
    let a = a & mask;
    let unused = 64 - width.bits();
    match op {
        Int1::Not => !a & mask,
        Int1::Neg => a.wrapping_neg() & mask,
        Int1::Clz => u64::from(a.leading_zeros() - unused),
        Int1::Cls => {
            let signed = (a << unused) as i64;
            u64::from(((signed ^ (signed >> 1)).leading_zeros().min(width.bits())) - 1)
        }
        Int1::Rbit => a.reverse_bits() >> unused,
        Int1::Rev => a.swap_bytes() >> unused,
        Int1::Rev16 => ((a & 0x00ff_00ff_00ff_00ff) << 8 | (a >> 8) & 0x00ff_00ff_00ff_00ff) & mask,
        Int1::Rev32 => u64::from((a as u32).swap_bytes()) | u64::from(((a >> 32) as u32).swap_bytes()) << 32,
    }
}

/// See [`Int2`].
#[inline(always)]
#[must_use]
pub fn int2(op: Int2, width: Width, a: u64, b: u64) -> u64 {
    let mask = width.mask();
    let amount = (b as u32) & (width.bits() - 1);
    match op {
        Int2::Add => a.wrapping_add(b) & mask,
        Int2::Sub => a.wrapping_sub(b) & mask,
        Int2::And => a & b & mask,
        Int2::Orr => (a | b) & mask,
        Int2::Eor => (a ^ b) & mask,
        Int2::Bic => a & !b & mask,
        Int2::Orn => (a | !b) & mask,
        Int2::Eon => (a ^ !b) & mask,
        Int2::Lsl => a << amount & mask,
        Int2::Lsr => (a & mask) >> amount,
        Int2::Asr => match width {
            Width::W => u64::from((a as i32 >> amount) as u32),
            Width::X => (a as i64 >> amount) as u64,
        },
        Int2::Ror => match width {
            Width::W => u64::from((a as u32).rotate_right(amount)),
            Width::X => a.rotate_right(amount),
        },
        Int2::Mul => a.wrapping_mul(b) & mask,
        Int2::Smulh => ((i128::from(a as i64) * i128::from(b as i64)) >> 64) as u64,
        Int2::Umulh => ((u128::from(a) * u128::from(b)) >> 64) as u64,
        Int2::Sdiv => match width {
            Width::W if b as u32 == 0 => 0,
            Width::W => u64::from((a as i32).wrapping_div(b as i32) as u32),
            Width::X if b == 0 => 0,
            Width::X => (a as i64).wrapping_div(b as i64) as u64,
        },
        Int2::Udiv => (a & mask).checked_div(b & mask).unwrap_or(0),
    }
}

/// See [`Extend`].
#[inline(always)]
#[must_use]
pub fn extend(op: Extend, a: u64) -> u64 {
    match op {
        Extend::Uxtb => u64::from(a as u8),
        Extend::Uxth => u64::from(a as u16),
        Extend::Uxtw => u64::from(a as u32),
        Extend::Uxtx | Extend::Sxtx => a,
        Extend::Sxtb => a as i8 as u64,
        Extend::Sxth => a as i16 as u64,
        Extend::Sxtw => a as i32 as u64,
    }
}

/// See [`Compare`].
#[inline(always)]
#[must_use]
pub fn compare(op: Compare, width: Width, a: u64, b: u64) -> bool {
    let (a, b) = (a & width.mask(), b & width.mask());
    let unused = 64 - width.bits();
    let (sa, sb) = ((a << unused) as i64, (b << unused) as i64);
    match op {
        Compare::Eq => a == b,
        Compare::Ne => a != b,
        Compare::Ult => a < b,
        Compare::Ule => a <= b,
        Compare::Slt => sa < sb,
        Compare::Sle => sa <= sb,
    }
}

/// AddWithCarry: the sum and its flags.
#[inline(always)]
#[must_use]
pub fn add_with_carry(width: Width, a: u64, b: u64, carry: bool) -> (u64, Nzcv) {
    let (a, b) = (a & width.mask(), b & width.mask());
    let wide = u128::from(a) + u128::from(b) + u128::from(carry);
    let r = wide as u64 & width.mask();
    let sign = width.bits() - 1;
    let overflow = ((a ^ r) & (b ^ r)) >> sign & 1 != 0;
    (r, Nzcv::new(r >> sign & 1 != 0, r == 0, wide >> width.bits() & 1 != 0, overflow))
}

/// ConditionHolds.
#[inline(always)]
#[must_use]
pub fn cond_holds(cond: Cond, f: Nzcv) -> bool {
    match cond {
        Cond::Eq => f.z(),
        Cond::Ne => !f.z(),
        Cond::Cs => f.c(),
        Cond::Cc => !f.c(),
        Cond::Mi => f.n(),
        Cond::Pl => !f.n(),
        Cond::Vs => f.v(),
        Cond::Vc => !f.v(),
        Cond::Hi => f.c() && !f.z(),
        Cond::Ls => !f.c() || f.z(),
        Cond::Ge => f.n() == f.v(),
        Cond::Lt => f.n() != f.v(),
        Cond::Gt => !f.z() && f.n() == f.v(),
        Cond::Le => f.z() || f.n() != f.v(),
        Cond::Al | Cond::Nv => true,
    }
}

const fn crc_table(reflected_polynomial: u32) -> [u32; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ (reflected_polynomial & (crc & 1).wrapping_neg());
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
}

static CRC32: [u32; 256] = crc_table(0xedb8_8320);
static CRC32C: [u32; 256] = crc_table(0x82f6_3b78);

/// See [`IntHelper`].
#[must_use]
pub fn int_helper(op: IntHelper, a: u64, b: u64) -> u64 {
    let (table, bytes) = match op {
        IntHelper::Crc32b => (&CRC32, 1),
        IntHelper::Crc32h => (&CRC32, 2),
        IntHelper::Crc32w => (&CRC32, 4),
        IntHelper::Crc32x => (&CRC32, 8),
        IntHelper::Crc32cb => (&CRC32C, 1),
        IntHelper::Crc32ch => (&CRC32C, 2),
        IntHelper::Crc32cw => (&CRC32C, 4),
        IntHelper::Crc32cx => (&CRC32C, 8),
    };
    let step = |crc: u32, byte: &u8| crc >> 8 ^ table[usize::from(crc as u8 ^ byte)];
    u64::from(b.to_le_bytes()[..bytes].iter().fold(a as u32, step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corner_cases_by_hand() {
        assert_eq!(int2(Int2::Sdiv, Width::X, i64::MIN as u64, u64::MAX), i64::MIN as u64);
        assert_eq!(int2(Int2::Sdiv, Width::W, 0x8000_0000, 0xffff_ffff), 0x8000_0000);
        assert_eq!(int2(Int2::Udiv, Width::W, 7, 1 << 32), 0);
        assert_eq!(int1(Int1::Cls, Width::W, 0), 31);
        assert_eq!(int1(Int1::Cls, Width::X, u64::MAX), 63);
        assert_eq!(int1(Int1::Cls, Width::W, 0x4000_0000), 0);
        assert_eq!(int1(Int1::Clz, Width::W, 0), 32);
        assert_eq!(int1(Int1::Rbit, Width::W, 1), 0x8000_0000);
        // The check values of CRC-32 and CRC-32C over "123456789".
        let run = |op| !b"123456789".iter().fold(0xffff_ffff, |c, &b| int_helper(op, c, u64::from(b))) as u32;
        assert_eq!(run(IntHelper::Crc32b), 0xcbf4_3926);
        assert_eq!(run(IntHelper::Crc32cb), 0xe306_9283);
    }
}
