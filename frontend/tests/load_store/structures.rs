//! Advanced SIMD structures, checked against the element order of the Arm ARM's pseudocode: memory holds element 0 of
//! every register, then element 1 of every register, and so on.

use crate::machine::Machine;

const LOAD: u32 = 1 << 22;
const POST: u32 = 1 << 23 | 31 << 16;

/// Encoding of a multiple structures form with base x1 and first register v30: opcode and number of registers.
const INTERLEAVED: [(u32, u32); 4] = [(0b0111, 1), (0b1000, 2), (0b0100, 3), (0b0000, 4)];
const CONSECUTIVE: [(u32, u32); 4] = [(0b0111, 1), (0b1010, 2), (0b0110, 3), (0b0010, 4)];

fn multiple(opcode: u32, size: u32, q: u32) -> u32 {
    0x0c00_0000 | q << 30 | opcode << 12 | size << 10 | 1 << 5 | 30
}

fn register(i: u32) -> usize {
    ((30 + i) % 32) as usize
}

/// Register, and byte in it, of each byte of memory.
fn places(registers: u32, lane_bytes: u32, vector_bytes: u32, interleaved: bool) -> Vec<(usize, usize)> {
    let mut places = Vec::new();
    if interleaved {
        for lane in 0..vector_bytes / lane_bytes {
            for r in 0..registers {
                places.extend((0..lane_bytes).map(|i| (register(r), (lane * lane_bytes + i) as usize)));
            }
        }
    } else {
        for r in 0..registers {
            places.extend((0..vector_bytes).map(|i| (register(r), i as usize)));
        }
    }
    places
}

fn check_multiple(opcode: u32, registers: u32, size: u32, q: u32, interleaved: bool) {
    let word = multiple(opcode, size, q);
    let places = places(registers, 1 << size, 8 << q, interleaved);

    let mut m = Machine::new();
    m.cpu.x[1] = m.at(99);
    let mut expected = m.cpu.v.map(u128::to_le_bytes);
    for i in 0..registers {
        expected[register(i)] = [0; 16];
    }
    for (&(r, i), byte) in places.iter().zip(m.read(m.at(99), places.len())) {
        expected[r][i] = byte;
    }
    m.run(word | LOAD | POST).unwrap();
    assert_eq!(m.cpu.v.map(u128::to_le_bytes), expected, "load {word:#x}");
    assert_eq!(m.cpu.x[1], m.at(99 + places.len() as u64), "load {word:#x}");

    let mut m = Machine::new();
    m.cpu.x[1] = m.at(99);
    for r in 0..registers {
        m.cpu.v[register(r)] = u128::from_le_bytes(std::array::from_fn(|i| (r * 16) as u8 + i as u8));
    }
    let mut expected = m.read(m.at(99), 80);
    for (byte, &(r, i)) in expected.iter_mut().zip(&places) {
        *byte = m.cpu.v[r].to_le_bytes()[i];
    }
    m.run(word).unwrap();
    assert_eq!(m.read(m.at(99), 80), expected, "store {word:#x}");
    assert_eq!(m.cpu.x[1], m.at(99), "store {word:#x}");
}

#[test]
fn multiple_structures() {
    for size in 0..4 {
        for q in 0..2 {
            for (opcode, registers) in INTERLEAVED {
                if registers == 1 || (size, q) != (3, 0) {
                    check_multiple(opcode, registers, size, q, true);
                }
            }
            for (opcode, registers) in CONSECUTIVE {
                check_multiple(opcode, registers, size, q, false);
            }
        }
    }
}

/// Encoding of a single structure form with base x1 and first register v30: opcode<2:1> is `scale`.
fn single(registers: u32, scale: u32, q_s_size: u32) -> u32 {
    let (r, opcode) = ((registers - 1) & 1, scale << 1 | (registers - 1) >> 1);
    let (q, s_size) = (q_s_size >> 3, q_s_size & 7);
    0x0d00_0000 | q << 30 | r << 21 | opcode << 13 | s_size << 10 | 1 << 5 | 30
}

#[test]
fn single_structures() {
    for log2_bytes in 0..4u32 {
        for (index, registers) in (0..16u32 >> log2_bytes).flat_map(|index| (1..5).map(move |n| (index, n))) {
            let bytes = 1usize << log2_bytes;
            let (scale, q_s_size) =
                if log2_bytes == 3 { (2, index << 3 | 1) } else { (log2_bytes, index << log2_bytes) };
            let word = single(registers, scale, q_s_size);
            let at = index as usize * bytes;

            let mut m = Machine::new();
            (m.cpu.x[1], m.cpu.x[2]) = (m.at(50), 0x1000);
            let mut expected = m.cpu.v.map(u128::to_le_bytes);
            for r in 0..registers {
                let element = m.read(m.at(50) + u64::from(r) * bytes as u64, bytes);
                expected[register(r)][at..at + bytes].copy_from_slice(&element);
            }
            m.run(word | LOAD | 1 << 23 | 2 << 16).unwrap();
            assert_eq!(m.cpu.v.map(u128::to_le_bytes), expected, "load {word:#x}");
            assert_eq!(m.cpu.x[1], m.at(50) + 0x1000, "load {word:#x}");

            let mut m = Machine::new();
            m.cpu.x[1] = m.at(50);
            for r in 0..registers {
                m.cpu.v[register(r)] = u128::from_le_bytes(std::array::from_fn(|i| (r * 16) as u8 + i as u8));
            }
            let mut expected = m.read(m.at(50), 40);
            for r in 0..registers as usize {
                expected[r * bytes..][..bytes]
                    .copy_from_slice(&m.cpu.v[register(r as u32)].to_le_bytes()[at..at + bytes]);
            }
            m.run(word | POST).unwrap();
            assert_eq!(m.read(m.at(50), 40), expected, "store {word:#x}");
            assert_eq!(m.cpu.x[1], m.at(50) + u64::from(registers) * bytes as u64, "store {word:#x}");
        }
    }
}

#[test]
fn replicated_structures() {
    for (size, q) in (0..4u32).flat_map(|size| [(size, 0), (size, 1)]) {
        for registers in 1..5 {
            let bytes = 1usize << size;
            let word = single(registers, 3, q << 3 | size) | LOAD | POST;
            let mut m = Machine::new();
            m.cpu.x[1] = m.at(50);
            let mut expected = m.cpu.v.map(u128::to_le_bytes);
            for r in 0..registers {
                let element = m.read(m.at(50) + u64::from(r) * bytes as u64, bytes);
                expected[register(r)] = [0; 16];
                expected[register(r)][..8 << q].copy_from_slice(&element.repeat((8 << q) / bytes));
            }
            m.run(word).unwrap();
            assert_eq!(m.cpu.v.map(u128::to_le_bytes), expected, "{word:#x}");
            assert_eq!(m.cpu.x[1], m.at(50) + u64::from(registers) * bytes as u64, "{word:#x}");
        }
    }
}

#[test]
fn assembled_words_mean_what_the_encoders_above_say() {
    let mut m = Machine::new();
    m.cpu.x[1] = m.at(64);
    m.run(0x4cdf_2020).unwrap(); // ld1 {v0.16b-v3.16b}, [x1], #64
    let memory = m.read(m.at(64), 64);
    for i in 0..4 {
        assert_eq!(m.cpu.v[i].to_le_bytes(), memory[16 * i..][..16]);
    }
    (m.cpu.x[1], m.cpu.x[2]) = (m.at(64), 5);
    m.run(0x4cc2_0820).unwrap(); // ld4 {v0.4s-v3.4s}, [x1], x2
    assert_eq!(m.cpu.v[2].to_le_bytes()[4..8], memory[24..28]);
    assert_eq!(m.cpu.x[1], m.at(69));
    m.run(0x4d00_1c20).unwrap(); // st1 {v0.b}[15], [x1]
    assert_eq!(m.read(m.at(69), 1)[0], memory[51]);
}
