//! Leaves out the frame pointer, which Cranelift wants for tail calls and which nothing reads: what is in the frame is
//! addressed by rsp. Addresses relative to rsp stay as they are: where the caller's rbp was the frame has a word more.

use super::machine_code::{Flow, MachineCode, bit};
use iced_x86::{Code, Instruction, Mnemonic, OpKind, Register};

const RBP_BYTES: i32 = 8;

/// The numbers of the pieces that leave the frame.
struct Epilogue {
    add: Option<usize>,
    mov: usize,
    pop: usize,
}

/// Does it, if the code enters and leaves its frame as Cranelift has it do, and uses rbp nowhere else.
pub fn remove_frame_pointer(code: &mut MachineCode) {
    let Some((sub, bytes)) = prologue(code) else { return };
    let Some((epilogues, has_calls)) = epilogues(code, sub.map_or(2, |sub| sub + 1), bytes) else { return };
    // Calls want rsp to be a multiple of 16, less the return address.
    let bytes = if bytes > 0 || has_calls { bytes + RBP_BYTES } else { 0 };
    for Epilogue { add, mov, pop } in epilogues {
        put(code, add, &[mov, pop], Mnemonic::Add, bytes);
    }
    put(code, sub, &[1, 0], Mnemonic::Sub, bytes);
}

/// Puts one instruction, which moves rsp, in the place of the first and `others`, or none if it moves it nowhere.
fn put(code: &mut MachineCode, first: Option<usize>, others: &[usize], mnemonic: Mnemonic, bytes: i32) {
    let mut pieces = first.into_iter().chain(others.iter().copied());
    if bytes > 0 {
        let place = pieces.next().expect("there are others");
        let moved = move_sp(mnemonic, bytes);
        assert!(code.replace(place, &moved), "such an instruction exists");
    }
    pieces.for_each(|piece| code.remove(piece));
}

fn move_sp(mnemonic: Mnemonic, bytes: i32) -> Instruction {
    let opcode = match (mnemonic, i8::try_from(bytes).is_ok()) {
        (Mnemonic::Add, true) => Code::Add_rm64_imm8,
        (Mnemonic::Add, false) => Code::Add_rm64_imm32,
        (_, true) => Code::Sub_rm64_imm8,
        (_, false) => Code::Sub_rm64_imm32,
    };
    Instruction::with2(opcode, Register::RSP, bytes).expect("such an instruction exists")
}

/// If an instruction adds a number to rsp, or subtracts it, the number.
fn moves_sp(instruction: &Instruction, mnemonic: Mnemonic) -> Option<i32> {
    let is_so = instruction.mnemonic() == mnemonic
        && instruction.op0_kind() == OpKind::Register
        && instruction.op0_register() == Register::RSP
        && matches!(instruction.op1_kind(), OpKind::Immediate8to64 | OpKind::Immediate32to64);
    let bytes = if is_so { i32::try_from(instruction.immediate(1) as i64).ok()? } else { 0 };
    (bytes > 0).then_some(bytes)
}

fn is_move(instruction: &Instruction, to: Register, from: Register) -> bool {
    instruction.mnemonic() == Mnemonic::Mov
        && instruction.op0_register() == to
        && instruction.op1_kind() == OpKind::Register
        && instruction.op1_register() == from
}

/// The piece that makes the frame, if there is one, and the frame's size without the caller's rbp.
fn prologue(code: &MachineCode) -> Option<(Option<usize>, i32)> {
    let push = code.instruction_before(1)?;
    let mov = code.instruction_before(2)?;
    let is_so = push.code() == Code::Push_r64
        && push.op0_register() == Register::RBP
        && is_move(mov, Register::RBP, Register::RSP)
        && !code.pieces()[0].is_target;
    let bytes = code.instruction_before(3).and_then(|sub| moves_sp(sub, Mnemonic::Sub));
    is_so.then_some((bytes.map(|_| 2), bytes.unwrap_or(0)))
}

/// The epilogues behind the prologue, and whether there are calls. None if something else has to do with the frame.
fn epilogues(code: &MachineCode, first: usize, bytes: i32) -> Option<(Vec<Epilogue>, bool)> {
    let mut epilogues: Vec<Epilogue> = Vec::new();
    let mut has_calls = false;
    // Where the frame may be changed.
    let mut expected = 0;
    for number in first..code.pieces().len() {
        let Some((instruction, flow)) = code.instruction(number) else { continue };
        let piece = &code.pieces()[number];
        has_calls |= flow == Flow::Call;
        if moves_sp(instruction, Mnemonic::Add).is_some() || is_move(instruction, Register::RSP, Register::RBP) {
            if number < expected {
                continue;
            }
            let epilogue = epilogue_at(code, number, bytes)?;
            expected = epilogue.pop + 1;
            epilogues.push(epilogue);
            continue;
        }
        let uses_rbp = (piece.reads | piece.writes) & bit(Register::RBP) != 0;
        let is_outside = matches!(flow, Flow::Call | Flow::Return);
        let moves_sp = piece.writes & bit(Register::RSP) != 0 && !is_outside;
        let reads_sp = flow == Flow::TailCall && piece.reads & bit(Register::RSP) != 0;
        // Without an epilogue nothing leaves.
        let leaves = matches!(flow, Flow::Return | Flow::TailCall) && number != expected;
        if (uses_rbp || moves_sp) && number >= expected || reads_sp || leaves {
            return None;
        }
    }
    Some((epilogues, has_calls))
}

/// The epilogue that begins there, with a way out of the code behind it.
fn epilogue_at(code: &MachineCode, number: usize, bytes: i32) -> Option<Epilogue> {
    let add = if bytes > 0 { Some(number) } else { None };
    if add.is_some() && moves_sp(code.instruction_before(number + 1)?, Mnemonic::Add) != Some(bytes) {
        return None;
    }
    let mov = number + usize::from(bytes > 0);
    let pop = code.instruction_before(mov + 2)?;
    let is_so = is_move(code.instruction_before(mov + 1)?, Register::RSP, Register::RBP)
        && pop.code() == Code::Pop_r64
        && pop.op0_register() == Register::RBP;
    is_so.then_some(Epilogue { add, mov, pop: mov + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUSH: &[u8] = &[0x55];
    const MOV: &[u8] = &[0x48, 0x89, 0xe5];
    // mov rsp, rbp; pop rbp
    const END: &[u8] = &[0x48, 0x89, 0xec, 0x5d];
    const CALL: &[u8] = &[0xff, 0xd0];
    const RET: &[u8] = &[0xc3];
    // jmp rax
    const TAIL_CALL: &[u8] = &[0xff, 0xe0];

    fn sub(bytes: u8) -> [u8; 4] {
        [0x48, 0x83, 0xec, bytes]
    }

    fn add(bytes: u8) -> [u8; 4] {
        [0x48, 0x83, 0xc4, bytes]
    }

    fn changed(parts: &[&[u8]]) -> Vec<u8> {
        let code = parts.concat();
        let mut read = MachineCode::read(&code, &[0], &[], &[]).unwrap();
        remove_frame_pointer(&mut read);
        read.place().unwrap().code
    }

    #[test]
    fn code_without_a_frame_has_none() {
        assert_eq!(changed(&[PUSH, MOV, END, RET]), RET);
        assert_eq!(changed(&[PUSH, MOV, &[0x74, 0x06], END, TAIL_CALL, END, RET]), [0x74, 0x02, 0xff, 0xe0, 0xc3]);
    }

    #[test]
    fn frames_are_as_large_as_before() {
        let store = [0x48, 0x89, 0x44, 0x24, 0x08]; // mov [rsp + 8], rax
        let code = changed(&[PUSH, MOV, &sub(16), &store, CALL, &add(16), END, TAIL_CALL]);
        assert_eq!(code, [&sub(24)[..], &store, CALL, &add(24), TAIL_CALL].concat());
        let code = changed(&[PUSH, MOV, CALL, END, RET]);
        assert_eq!(code, [&sub(8)[..], CALL, &add(8), RET].concat());
        // Too large for a byte.
        let code = changed(&[PUSH, MOV, &sub(120), &add(120), END, RET]);
        assert_eq!(code, [0x48, 0x81, 0xec, 128, 0, 0, 0, 0x48, 0x81, 0xc4, 128, 0, 0, 0, 0xc3]);
    }

    #[test]
    fn other_uses_leave_it_alone() {
        let cases: [&[&[u8]]; 8] = [
            &[PUSH, MOV, &[0x48, 0x89, 0x45, 0xf8], END, RET], // mov [rbp - 8], rax
            &[PUSH, MOV, &[0x50], END, RET],                   // push rax
            &[PUSH, MOV, &sub(16), &add(8), END, RET],
            &[PUSH, MOV, &sub(16), END, RET],
            &[PUSH, MOV, END, &[0x90], RET],
            &[PUSH, MOV, RET],
            &[PUSH, MOV, &[0x74, 0x03], END, RET], // je to pop
            &[PUSH, MOV, &[0x74, 0xfb], END, RET], // je to the start
        ];
        for parts in cases {
            assert_eq!(changed(parts), parts.concat());
        }
    }
}
