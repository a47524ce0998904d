//! Branches: where they go, what they write, and how the front end classifies them.

use crate::{PC, cpu, step};
use frontend::A64;
use ir::{CpuState, Flow, Frontend, GuestAddr};

/// Where the branch goes; `PC` stands for "falls through", since a lifter that takes no exit leaves pc alone.
fn goes(word: u32, cpu: &mut CpuState) -> i64 {
    assert_eq!(step(cpu, word), Ok(()));
    cpu.pc.0.wrapping_sub(PC.0) as i64
}

#[test]
fn targets() {
    assert_eq!(goes(0x17ff_ffff, &mut cpu(0, 0, 0, 0)), -4, "B . - 4");
    assert_eq!(goes(0x3400_0081, &mut cpu(1 << 32, 0, 0, 0)), 16, "CBZ W1 looks at 32 bits");
    assert_eq!(goes(0x3400_0081, &mut cpu(1, 0, 0, 0)), 0);
    assert_eq!(goes(0xb5ff_ff81, &mut cpu(1 << 32, 0, 0, 0)), -16, "CBNZ X1");
    assert_eq!(goes(0xb6f8_0101, &mut cpu(u64::MAX >> 1, 0, 0, 0)), 32, "TBZ X1, #63");
    assert_eq!(goes(0xb6f8_0101, &mut cpu(1 << 63, 0, 0, 0)), 0);
    assert_eq!(goes(0x37f8_0101, &mut cpu(1 << 31, 0, 0, 0)), 32, "TBNZ W1, #31");
    assert_eq!(goes(0x5400_020d, &mut cpu(0, 0, 0, 0b0100)), 64, "B.LE when Z");
    assert_eq!(goes(0x5400_020d, &mut cpu(0, 0, 0, 0b1001)), 0, "B.LE when N and V");
}

#[test]
fn conditions() {
    // By hand: the condition for N Z C V counted up from 0000 to 1111, as a bit string from the right.
    let tables: [u16; 16] = [
        0xf0f0, 0x0f0f, 0xcccc, 0x3333, 0xff00, 0x00ff, 0xaaaa, 0x5555, // EQ NE CS CC MI PL VS VC
        0x0c0c, 0xf3f3, 0xaa55, 0x55aa, 0x0a05, 0xf5fa, 0xffff, 0xffff, // HI LS GE LT GT LE AL NV
    ];
    for (cond, table) in tables.into_iter().enumerate() {
        for nzcv in 0..16 {
            let taken = goes(0x5400_0200 | cond as u32, &mut cpu(0, 0, 0, nzcv)) == 64;
            assert_eq!(taken, table >> nzcv & 1 != 0, "condition {cond}, flags {nzcv:04b}");
        }
    }
}

#[test]
fn links() {
    let mut c = cpu(0, 0, 0, 0);
    assert_eq!(goes(0x9400_0002, &mut c), 8, "BL . + 8");
    assert_eq!(c.x[30], PC.0 + 4);
    let mut c = cpu(0, 0, 0, 0);
    c.x[30] = 0x4002;
    step(&mut c, 0xd63f_03c0).expect("BLR X30");
    assert_eq!((c.pc, c.x[30]), (GuestAddr(0x4002), PC.0 + 4), "the target is read first, and not masked");
    let mut c = cpu(0, 0, 0x1234, 0);
    step(&mut c, 0xd61f_0060).expect("BR X3");
    assert_eq!(c.pc, GuestAddr(0x1234));
    let mut c = cpu(0, 0, 0, 0);
    c.x[5] = 0x5550;
    step(&mut c, 0xd65f_00a0).expect("RET X5");
    assert_eq!(c.pc, GuestAddr(0x5550));
}

#[test]
fn flows() {
    let flow = |word| A64::flow(&A64::decode(word, PC), PC);
    assert_eq!(flow(0x17ff_ffff), Flow::Jump(PC.offset(-4)));
    assert_eq!(flow(0x9400_0002), Flow::Call(PC.offset(8)));
    assert_eq!(flow(0x3400_0081), Flow::Branch(PC.offset(16)));
    assert_eq!(flow(0xb6f8_0101), Flow::Branch(PC.offset(32)));
    assert_eq!(flow(0xb600_0021), Flow::Jump(PC.offset(4)), "a branch to the next instruction");
    assert_eq!(flow(0xd63f_03c0), Flow::IndirectCall);
    assert_eq!(flow(0xd61f_0060), Flow::Indirect);
    assert_eq!(flow(0xd65f_03c0), Flow::Return);
    assert_eq!(flow(0xd400_0001), Flow::Stop);
    assert_eq!(flow(0xd50b_7521), Flow::Stop, "IC IVAU");
    assert_eq!(flow(0xd503_201f), Flow::Next, "NOP");
    assert_eq!(flow(0x8b02_0020), Flow::Next);
}
