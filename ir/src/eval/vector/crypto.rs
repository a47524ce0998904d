//! AES, SHA-1 and SHA-256 instructions (Arm ARM pseudocode AESSubBytes and the like, SHA1 and SHA256hash; FIPS 197
//! for the tables, which are computed).

use super::lanes::Element;

/// Product in AES's field of 256 elements.
const fn field_product(mut x: u8, mut y: u8) -> u8 {
    let mut product = 0;
    while y != 0 {
        if y & 1 != 0 {
            product ^= x;
        }
        x = x << 1 ^ if x & 0x80 != 0 { 0x1b } else { 0 };
        y >>= 1;
    }
    product
}

/// The S-box: the inverse in the field, and an affine map.
const SBOX: [u8; 256] = {
    let mut sbox = [0; 256];
    let mut x = 0;
    while x < 256 {
        let mut inverse = 0;
        let mut y = 1;
        while y < 256 {
            if field_product(x as u8, y as u8) == 1 {
                inverse = y as u8;
                break;
            }
            y += 1;
        }
        let i = inverse;
        sbox[x] = i ^ i.rotate_left(1) ^ i.rotate_left(2) ^ i.rotate_left(3) ^ i.rotate_left(4) ^ 0x63;
        x += 1;
    }
    sbox
};

const INVERSE_SBOX: [u8; 256] = {
    let mut inverse = [0; 256];
    let mut x = 0;
    while x < 256 {
        inverse[SBOX[x] as usize] = x as u8;
        x += 1;
    }
    inverse
};

/// AESE: add the key, shift rows, substitute bytes. The state's byte i is row i % 4, column i / 4.
#[must_use]
pub fn aese(state: u128, key: u128) -> u128 {
    let bytes = (state ^ key).to_le_bytes();
    u128::from_le_bytes(std::array::from_fn(|i| SBOX[usize::from(bytes[(i + i % 4 * 4) % 16])]))
}

/// AESD: the inverse row shift and substitution after adding the key.
#[must_use]
pub fn aesd(state: u128, key: u128) -> u128 {
    let bytes = (state ^ key).to_le_bytes();
    u128::from_le_bytes(std::array::from_fn(|i| INVERSE_SBOX[usize::from(bytes[(i + 16 - i % 4 * 4) % 16])]))
}

/// Every byte of the state doubled in the field.
fn doubled(state: u128) -> u128 {
    const LOW_BITS: u128 = u128::MAX / 255 * 0x7f;
    const ONES: u128 = u128::MAX / 255;
    ((state & LOW_BITS) << 1) ^ ((state >> 7 & ONES) * 0x1b)
}

/// Every column rotated by `rows` rows.
fn rotated(state: u128, rows: u32) -> u128 {
    u32::pack(u32::unpack(state).map(|column| column.rotate_right(8 * rows)))
}

/// AESMC: every column times the circulant matrix 2 3 1 1.
#[must_use]
pub fn aesmc(state: u128) -> u128 {
    let next = rotated(state, 1);
    doubled(state ^ next) ^ next ^ rotated(state, 2) ^ rotated(state, 3)
}

/// AESIMC: times the circulant matrix 14 11 13 9, which is 2 3 1 1 times 5 0 4 0.
#[must_use]
pub fn aesimc(state: u128) -> u128 {
    aesmc(state ^ doubled(doubled(state ^ rotated(state, 2))))
}

fn choose(x: u32, y: u32, z: u32) -> u32 {
    (y ^ z) & x ^ z
}

fn parity(x: u32, y: u32, z: u32) -> u32 {
    x ^ y ^ z
}

fn majority(x: u32, y: u32, z: u32) -> u32 {
    x & y | (x | y) & z
}

/// Four rounds of SHA-1: a..d in `state`, e in the low word of `e`.
fn sha1_rounds(state: u128, e: u128, schedule: u128, mix: fn(u32, u32, u32) -> u32) -> u128 {
    let (mut x, mut y, w) = (u32::unpack(state), e as u32, u32::unpack(schedule));
    for word in w {
        y = y.wrapping_add(x[0].rotate_left(5)).wrapping_add(mix(x[1], x[2], x[3])).wrapping_add(word);
        (x, y) = ([y, x[0], x[1].rotate_left(30), x[2]], x[3]);
    }
    u32::pack(x)
}

/// SHA1C.
#[must_use]
pub fn sha1c(d: u128, n: u128, m: u128) -> u128 {
    sha1_rounds(d, n, m, choose)
}

/// SHA1P.
#[must_use]
pub fn sha1p(d: u128, n: u128, m: u128) -> u128 {
    sha1_rounds(d, n, m, parity)
}

/// SHA1M.
#[must_use]
pub fn sha1m(d: u128, n: u128, m: u128) -> u128 {
    sha1_rounds(d, n, m, majority)
}

/// SHA1H.
#[must_use]
pub fn sha1h(n: u128) -> u128 {
    u128::from((n as u32).rotate_left(30))
}

/// SHA1SU0.
#[must_use]
pub fn sha1su0(d: u128, n: u128, m: u128) -> u128 {
    (n << 64 | d >> 64) ^ d ^ m
}

/// SHA1SU1.
#[must_use]
pub fn sha1su1(d: u128, n: u128) -> u128 {
    let t = u32::unpack(d ^ n >> 32);
    let mut lanes = t.map(|word| word.rotate_left(1));
    lanes[3] ^= t[0].rotate_left(2);
    u32::pack(lanes)
}

/// Four rounds of SHA-256: a..d in `x`, e..h in `y`; gives both anew.
fn sha256_rounds(x: u128, y: u128, schedule: u128) -> (u128, u128) {
    let (mut x, mut y, w) = (u32::unpack(x), u32::unpack(y), u32::unpack(schedule));
    for word in w {
        let sigma1 = y[0].rotate_right(6) ^ y[0].rotate_right(11) ^ y[0].rotate_right(25);
        let sigma0 = x[0].rotate_right(2) ^ x[0].rotate_right(13) ^ x[0].rotate_right(22);
        let t = y[3].wrapping_add(sigma1).wrapping_add(choose(y[0], y[1], y[2])).wrapping_add(word);
        let top = t.wrapping_add(sigma0).wrapping_add(majority(x[0], x[1], x[2]));
        (x, y) = ([top, x[0], x[1], x[2]], [t.wrapping_add(x[3]), y[0], y[1], y[2]]);
    }
    (u32::pack(x), u32::pack(y))
}

/// SHA256H.
#[must_use]
pub fn sha256h(d: u128, n: u128, m: u128) -> u128 {
    sha256_rounds(d, n, m).0
}

/// SHA256H2.
#[must_use]
pub fn sha256h2(d: u128, n: u128, m: u128) -> u128 {
    sha256_rounds(n, d, m).1
}

/// SHA256SU0.
#[must_use]
pub fn sha256su0(d: u128, n: u128) -> u128 {
    let old = u32::unpack(d);
    let next = u32::unpack(n << 96 | d >> 32);
    u32::pack(std::array::from_fn(|i| {
        let sigma = next[i].rotate_right(7) ^ next[i].rotate_right(18) ^ next[i] >> 3;
        old[i].wrapping_add(sigma)
    }))
}

/// SHA256SU1.
#[must_use]
pub fn sha256su1(d: u128, n: u128, m: u128) -> u128 {
    let (old, recent) = (u32::unpack(d), u32::unpack(m));
    let middle = u32::unpack(m << 96 | n >> 32);
    let mut lanes = [0u32; 4];
    for i in 0..4 {
        let source = if i < 2 { recent[i + 2] } else { lanes[i - 2] };
        let sigma = source.rotate_right(17) ^ source.rotate_right(19) ^ source >> 10;
        lanes[i] = old[i].wrapping_add(middle[i]).wrapping_add(sigma);
    }
    u32::pack(lanes)
}
