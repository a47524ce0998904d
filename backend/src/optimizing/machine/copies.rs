//! What is in another register, or was stored in the frame from one, is taken from there: fewer places of the frame are
//! loaded, and copies that nothing reads any more can be left out. Knows nothing of what the code does.

use super::machine_code::{Flow, MachineCode, Piece, Registers, bit, register_bits};
use iced_x86::{Code, Instruction, Mnemonic, OpAccess, OpKind, Register};

const REGISTERS: usize = 16;
/// As many words of the frame are known at most.
const WORDS: usize = 16;
const WORD_BYTES: u64 = 8;

/// What is known at a place.
#[derive(Default)]
struct Known {
    /// By number, the register that each is a copy of.
    copied: [Option<Register>; REGISTERS],
    /// Registers that are copies.
    copies: Registers,
    /// Registers that are copied.
    originals: Registers,
    /// Words of the frame, by their distance from rsp, and registers that have the same value.
    frame: Vec<(u64, Register)>,
}

impl Known {
    fn clear(&mut self) {
        *self = Self { frame: std::mem::take(&mut self.frame), ..Self::default() };
        self.frame.clear();
    }

    /// Registers are changed.
    fn change(&mut self, registers: Registers) {
        if registers & bit(Register::RSP) != 0 {
            self.frame.clear();
        }
        self.frame.retain(|&(_, register)| bit(register) & registers == 0);
        if (self.copies | self.originals) & registers == 0 {
            return;
        }
        self.originals = 0;
        for (number, copied) in self.copied.iter_mut().enumerate() {
            let Some(from) = *copied else { continue };
            if (bit(from) | 1 << number) & registers != 0 {
                *copied = None;
                self.copies &= !(1 << number);
            } else {
                self.originals |= bit(from);
            }
        }
    }

    /// The register that another is a copy of.
    fn original(&self, register: Register) -> Option<Register> {
        if bit(register) & self.copies == 0 { None } else { self.copied[bit(register).trailing_zeros() as usize] }
    }

    fn add_copy(&mut self, to: Register, from: Register) {
        // These are what they are for.
        const OTHERS: Registers = register_bits(&[Register::RSP, Register::RBP, Register::R15]);
        let from = self.original(from).unwrap_or(from);
        if to == from || bit(to) == 0 || (bit(to) | bit(from)) & OTHERS != 0 {
            return;
        }
        self.copied[bit(to).trailing_zeros() as usize] = Some(from);
        self.copies |= bit(to);
        self.originals |= bit(from);
    }

    fn add_word(&mut self, at: u64, register: Register) {
        if bit(register) != 0 && self.frame.len() < WORDS {
            self.frame.push((at, register));
        }
    }
}

/// Does it, within blocks.
pub fn take_originals(code: &mut MachineCode) {
    let mut known = Known::default();
    for number in 0..code.pieces().len() {
        let piece = &code.pieces()[number];
        if piece.is_target {
            known.clear();
        }
        let Some((instruction, flow)) = code.instruction(number) else { continue };
        if flow != Flow::Next || code.is_gone(number) {
            if flow == Flow::Call {
                known.clear();
            }
            continue;
        }
        let changed = if is_load(instruction) {
            known_word(instruction, &known)
        } else if piece.reads & known.copies != 0 {
            of_originals(code, piece, instruction, &known)
        } else {
            None
        };
        if let Some(changed) = changed {
            if is_move(&changed) && changed.op0_register() == changed.op1_register() {
                code.remove(number);
                continue;
            }
            code.replace(number, &changed);
        }
        let writes = code.pieces()[number].writes;
        if let Some((instruction, _)) = code.instruction(number) {
            known.change(writes);
            note(instruction, &mut known);
        }
    }
}

/// Whether it moves 64 bits between registers.
fn is_move(instruction: &Instruction) -> bool {
    matches!(instruction.code(), Code::Mov_r64_rm64 | Code::Mov_rm64_r64)
        && instruction.op0_kind() == OpKind::Register
        && instruction.op1_kind() == OpKind::Register
}

/// Whether its operand in memory, if there is one, is in the frame.
fn is_in_frame(instruction: &Instruction) -> bool {
    instruction.memory_base() == Register::RSP && instruction.memory_index() == Register::None
}

/// Whether it loads a word of the frame.
fn is_load(instruction: &Instruction) -> bool {
    instruction.code() == Code::Mov_r64_rm64 && instruction.op1_kind() == OpKind::Memory && is_in_frame(instruction)
}

/// Takes note of what a move makes the same.
fn note(instruction: &Instruction, known: &mut Known) {
    let at = instruction.memory_displacement64();
    if is_move(instruction) {
        known.add_copy(instruction.op0_register(), instruction.op1_register());
    } else if is_load(instruction) {
        known.add_word(at, instruction.op0_register());
    } else if instruction.op0_kind() == OpKind::Memory && instruction.memory_base() == Register::RSP {
        if instruction.code() == Code::Mov_rm64_r64 && is_in_frame(instruction) {
            known.frame.retain(|&(other, _)| other.abs_diff(at) >= WORD_BYTES);
            known.add_word(at, instruction.op1_register());
        } else {
            known.frame.clear();
        }
    }
}

/// A move from a register instead of a load.
fn known_word(load: &Instruction, known: &Known) -> Option<Instruction> {
    let at = load.memory_displacement64();
    let (_, from) = known.frame.iter().find(|(other, _)| *other == at)?;
    Instruction::with2(Code::Mov_r64_rm64, load.op0_register(), *from).ok()
}

/// The instruction with the originals of the copies that it reads.
fn of_originals(code: &MachineCode, piece: &Piece, instruction: &Instruction, known: &Known) -> Option<Instruction> {
    if piece.target().is_some() || instruction.mnemonic() == Mnemonic::Xchg {
        return None;
    }
    let mut changed = *instruction;
    if let Some(from) = known.original(instruction.memory_base()) {
        changed.set_memory_base(from);
    }
    if let Some(from) = known.original(instruction.memory_index()) {
        changed.set_memory_index(from);
    }
    for operand in 0..instruction.op_count() {
        if instruction.op_kind(operand) != OpKind::Register {
            continue;
        }
        let register = instruction.op_register(operand);
        if let Some(from) = known.original(register.full_register())
            && let Some(from) = part(from, register)
            && code.access(instruction, operand) == OpAccess::Read
        {
            changed.set_op_register(operand, from);
        }
    }
    (changed != *instruction).then_some(changed)
}

/// The part of a register that another is of its own.
fn part(register: Register, other: Register) -> Option<Register> {
    match other.size() {
        8 => Some(register),
        4 => Some(register.full_register32()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::optimizing::machine::{improve, listing};

    const RET: &[u8] = &[0xc3];
    // mov [rsp + 8], rcx
    const STORE: &[u8] = &[0x48, 0x89, 0x4c, 0x24, 0x08];
    // mov rax, [rsp + 8]
    const LOAD: &[u8] = &[0x48, 0x8b, 0x44, 0x24, 0x08];
    // mov rdx, rcx
    const COPY: &[u8] = &[0x48, 0x89, 0xca];

    /// What becomes of code, as text.
    fn improved(parts: &[&[u8]], held: &[(u32, u32)]) -> Vec<String> {
        let code = [&parts.concat(), RET].concat();
        let placed = improve(&code, &[0], &[], held).expect("the code is understood");
        let text = listing(&placed.code, &[0], &[]);
        text.lines().map(|line| line[8..].to_owned()).filter(|line| line != "ret").collect()
    }

    fn unchanged(parts: &[&[u8]]) {
        let code = [&parts.concat(), RET].concat();
        assert_eq!(improve(&code, &[0], &[], &[]).unwrap().code, code);
    }

    #[test]
    fn what_was_stored_is_not_loaded() {
        // mov [rsp + 8], rcx; mov rdi, [rsp + 8]; lea rax, [rdi + 1]
        let code = improved(&[STORE, &[0x48, 0x8b, 0x7c, 0x24, 0x08], &[0x48, 0x8d, 0x47, 0x01]], &[]);
        assert_eq!(code, ["mov [rsp+8h],rcx", "lea rax,[rcx+1h]"]);
        // mov rcx, [rsp + 8]; mov rdi, [rsp + 8]; lea rax, [rdi + rcx]
        let loads = [0x48, 0x8b, 0x4c, 0x24, 0x08, 0x48, 0x8b, 0x7c, 0x24, 0x08];
        let code = improved(&[&loads, &[0x48, 0x8d, 0x04, 0x0f]], &[]);
        assert_eq!(code, ["mov rcx,[rsp+8h]", "lea rax,[rcx+rcx]"]);
        assert_eq!(improved(&[STORE, LOAD], &[]), ["mov [rsp+8h],rcx", "mov rax,rcx"]);
    }

    #[test]
    fn what_may_be_another_is_loaded() {
        let between: [&[u8]; 4] = [
            &[0x48, 0x8b, 0x0a],             // mov rcx, [rdx]
            &[0x48, 0x89, 0x54, 0x24, 0x0c], // mov [rsp + 12], rdx
            &[0x88, 0x54, 0x24, 0x09],       // mov [rsp + 9], dl
            &[0xff, 0xd2],                   // call rdx
        ];
        for between in between {
            unchanged(&[STORE, between, LOAD, &[0x48, 0x01, 0xc8]]); // add rax, rcx
        }
        // jne over the store
        unchanged(&[&[0x75, 0x05], STORE, LOAD]);
        // sub rsp, 8; mov rax, [rsp + 8]; add rsp, 8
        unchanged(&[STORE, &[0x48, 0x83, 0xec, 0x08], LOAD, &[0x48, 0x83, 0xc4, 0x08]]);
    }

    #[test]
    fn copies_are_read_as_their_originals() {
        // mov rax, [rdx + 8 * rsi]
        let load = [0x48, 0x8b, 0x04, 0xf2];
        assert_eq!(improved(&[COPY, &load], &[]), ["mov rax,[rcx+rsi*8]"]);
        // If the load faults rdx is wanted.
        assert_eq!(improved(&[COPY, &load], &[(3, 1 << 2)]), ["mov rdx,rcx", "mov rax,[rcx+rsi*8]"]);
        // mov eax, edx
        assert_eq!(improved(&[COPY, &[0x89, 0xd0]], &[]), ["mov eax,ecx"]);
        // mov [rsi], edx
        assert_eq!(improved(&[COPY, &[0x89, 0x16]], &[]), ["mov [rsi],ecx"]);
        // mov rsi, rdx; lea rax, [rsi + 1]
        assert_eq!(improved(&[COPY, &[0x48, 0x89, 0xd6], &[0x48, 0x8d, 0x46, 0x01]], &[]), ["lea rax,[rcx+1h]"]);
    }

    #[test]
    fn copies_end_where_one_is_changed() {
        // mov rcx, [rsi]; lea rax, [rdx + rcx]
        unchanged(&[COPY, &[0x48, 0x8b, 0x0e], &[0x48, 0x8d, 0x04, 0x0a]]);
        // xor rdx, rsi; mov rax, rdx
        unchanged(&[COPY, &[0x48, 0x31, 0xf2], &[0x48, 0x89, 0xd0]]);
        // jne over mov rcx, [rsi]; lea rax, [rdx + rcx]
        unchanged(&[COPY, &[0x75, 0x03], &[0x48, 0x8b, 0x0e], &[0x48, 0x8d, 0x04, 0x0a]]);
        // Bytes; a register that the instruction is for: mov rcx, rdx; shl rax, cl
        unchanged(&[COPY, &[0x88, 0x16]]);
        unchanged(&[&[0x48, 0x89, 0xd1], &[0x48, 0xd3, 0xe0]]);
    }
}
