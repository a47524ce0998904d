//! The integer instructions on `Eval`: corner cases worked by hand from the Arm ARM's pseudocode, and the bitfield
//! family against its definition bit by bit. Words come from GNU as.

mod bitfield;
mod branch;
mod data;
mod flags;
mod system;

use frontend::A64;
use ir::{CpuState, Eval, Frontend, GuestAddr, Nzcv, Stop};

/// Where the instruction under test stands.
pub const PC: GuestAddr = GuestAddr(0x1_2345_6788);

/// A processor about to execute the instruction under test: X0 is garbage, X1 to X3 and NZCV (4 bits) as given.
pub fn cpu(x1: u64, x2: u64, x3: u64, nzcv: u32) -> CpuState {
    let mut cpu = CpuState::new();
    cpu.pc = PC;
    cpu.x[..4].copy_from_slice(&[0xdead_dead_dead_dead, x1, x2, x3]);
    cpu.set_nzcv(Nzcv(nzcv << 28));
    cpu
}

/// Executes one instruction.
pub fn step(cpu: &mut CpuState, word: u32) -> Result<(), Stop> {
    let insn = A64::decode(word, cpu.pc);
    A64::lift(&insn, &mut Eval::new(cpu))
}

/// X0 and NZCV (4 bits) after the instruction.
pub fn result(word: u32, x1: u64, x2: u64, x3: u64, nzcv: u32) -> (u64, u32) {
    let mut cpu = cpu(x1, x2, x3, nzcv);
    assert_eq!(step(&mut cpu, word), Ok(()), "{}", A64::disassemble(word, PC));
    (cpu.x[0], cpu.nzcv().0 >> 28)
}

/// The word is undefined.
pub fn assert_undefined(word: u32) {
    let mut cpu = cpu(1, 2, 3, 0);
    assert_eq!(step(&mut cpu, word), Err(Stop::Undefined), "{word:#010x} {}", A64::disassemble(word, PC));
    assert_eq!(cpu.pc, PC);
}
