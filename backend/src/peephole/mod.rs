//! Changes of machine code that Cranelift has finished, before it is placed. Knows of generated code what
//! ARCHITECTURE.md says of it, and nothing of what it does.
//!
//! Cranelift cannot address by the pinned register: CLIF gets a copy of it in each block. Here what uses a copy uses
//! r15 instead, and copies that nothing reads any more are left out. Jumps that do not go far become short ones.

mod machine_code;

pub use machine_code::Placed;

use iced_x86::{Code, FastFormatter, Instruction, MemoryOperand, Mnemonic, OpKind, Register};
use machine_code::{Content, Flow, MachineCode, Registers, bit, register_bits};

/// Improves code. `block_starts` are the offsets of its basic blocks, ascending, `relocations` those of its
/// relocations. None if the code is not understood; then it stays as it is.
pub fn improve(code: &[u8], block_starts: &[u32], relocations: &[u32]) -> Option<Placed> {
    let mut code = MachineCode::read(code, block_starts, relocations)?;
    use_pinned(&mut code)?;
    remove_copies(&mut code);
    compare_in_memory(&mut code);
    code.place()
}

/// Where in a block registers that are copies of r15 are used, has r15 used instead. None if r15 is changed.
fn use_pinned(code: &mut MachineCode) -> Option<()> {
    // None is known where ways meet.
    let mut copies: Registers = 0;
    for number in 0..code.pieces().len() {
        let piece = &code.pieces()[number];
        if piece.is_target {
            copies = 0;
        }
        let Content::Instruction(instruction, flow) = piece.content else { continue };
        if piece.writes & bit(Register::R15) != 0 {
            return None;
        }
        let may_change = flow == Flow::Next && piece.target().is_none();
        if may_change
            && piece.reads & copies != 0
            && let Some(changed) = without_copies(&instruction, copies)
        {
            code.replace(number, &changed);
        }
        let piece = &code.pieces()[number];
        copies &= !piece.writes;
        if let Content::Instruction(instruction, _) = piece.content
            && is_copy(&instruction)
        {
            copies |= bit(instruction.op0_register());
        }
        if flow == Flow::Call {
            // Most preserve nothing.
            copies = 0;
        }
    }
    Some(())
}

/// Whether it copies r15.
fn is_copy(instruction: &Instruction) -> bool {
    instruction.mnemonic() == Mnemonic::Mov
        && instruction.op1_kind() == OpKind::Register
        && instruction.op1_register() == Register::R15
        && bit(instruction.op0_register()) != 0
}

/// The instruction with r15 where copies of it are the base of an address or what is moved.
fn without_copies(instruction: &Instruction, copies: Registers) -> Option<Instruction> {
    let mut changed = *instruction;
    let has_memory = (0..instruction.op_count()).any(|n| instruction.op_kind(n) == OpKind::Memory);
    if has_memory && bit(instruction.memory_base()) & copies != 0 {
        changed.set_memory_base(Register::R15);
    }
    let moves_register = instruction.mnemonic() == Mnemonic::Mov && instruction.op1_kind() == OpKind::Register;
    if moves_register && bit(instruction.op1_register()) & copies != 0 {
        changed.set_op1_register(Register::R15);
    }
    (changed != *instruction).then_some(changed)
}

/// Leaves out copies of r15 that nothing reads. Calls of helpers may read one in rdi: the `CpuState` is their first
/// argument. Their other arguments are none, nor is what other code is given or returns.
fn remove_copies(code: &mut MachineCode) {
    let mut unread = Vec::new();
    let read_outside = ReadOutside { by_calls: bit(Register::RDI), by_tail_calls: 0, by_callers: 0 };
    look_back(code, &read_outside, |number, instruction, live| {
        if is_copy(instruction) && bit(instruction.op0_register()) & live == 0 {
            unread.push(number);
        }
    });
    unread.into_iter().for_each(|number| code.remove(number));
}

/// Has comparisons take words of the `CpuState` from memory, where nothing else wants them. Loads of the guest's
/// memory are left alone: a fault must be at their place.
fn compare_in_memory(code: &mut MachineCode) {
    let mut changes = Vec::new();
    look_back(code, &OUTSIDE, |number, _, live| {
        // A comparison, with a load before it; between them, in the check at the entry, a copy of rsp.
        if let Some((load, changed)) = comparison_in_memory(code, number, live) {
            changes.push((load, number, changed));
        }
    });
    for (load, comparison, changed) in changes {
        if code.replace(comparison, &changed) {
            (load..comparison).for_each(|number| code.remove(number));
        }
    }
}

/// The comparison with its operand in memory, and the number of the load that it replaces with all between.
fn comparison_in_memory(code: &MachineCode, number: usize, live: Registers) -> Option<(usize, Instruction)> {
    let comparison = code.instruction_before(number + 1)?;
    if !matches!(comparison.mnemonic(), Mnemonic::Test | Mnemonic::Cmp) || comparison.op1_kind() != OpKind::Register {
        return None;
    }
    let (one, other) = (comparison.op0_register(), comparison.op1_register());
    let before = code.instruction_before(number)?;
    let is_sp = before.mnemonic() == Mnemonic::Mov
        && before.op1_kind() == OpKind::Register
        && before.op1_register() == Register::RSP
        && before.op0_register() == one;
    let (at, load) = if is_sp { (number - 2, code.instruction_before(number - 1)?) } else { (number - 1, before) };
    let is_load = load.mnemonic() == Mnemonic::Mov
        && load.op1_kind() == OpKind::Memory
        && load.memory_base() == Register::R15
        && load.memory_index() == Register::None
        && load.op0_register() == other;
    let unwanted = bit(other.full_register()) | if is_sp { bit(one) } else { 0 };
    if !is_load || unwanted & live != 0 {
        return None;
    }
    let word = MemoryOperand::with_base_displ(Register::R15, load.memory_displacement64() as i64);
    let changed = match (comparison.code(), one == other) {
        (Code::Test_rm32_r32, true) => Instruction::with2(Code::Cmp_rm32_imm8, word, 0),
        (Code::Test_rm64_r64, true) => Instruction::with2(Code::Cmp_rm64_imm8, word, 0),
        (Code::Cmp_rm64_r64 | Code::Cmp_r64_rm64, false) => {
            let one = if is_sp { Register::RSP } else { one };
            Instruction::with2(Code::Cmp_r64_rm64, one, word)
        }
        (Code::Cmp_rm32_r32 | Code::Cmp_r32_rm32, false) => Instruction::with2(Code::Cmp_r32_rm32, one, word),
        _ => return None,
    };
    Some((at, changed.ok()?))
}

/// Registers that are read outside of the code.
struct ReadOutside {
    by_calls: Registers,
    by_tail_calls: Registers,
    by_callers: Registers,
}

/// Helpers have the arguments of C, all else has one argument in rdi and its result in rax.
const OUTSIDE: ReadOutside = ReadOutside {
    by_calls: register_bits(&[Register::RDI, Register::RSI, Register::RDX, Register::RCX, Register::R8, Register::R9]),
    by_tail_calls: register_bits(&[Register::RDI]),
    by_callers: register_bits(&[Register::RAX]),
};

/// Goes through the code from its end to its start, and calls `visit` with each instruction and the registers that may
/// be read behind it.
fn look_back(code: &MachineCode, outside: &ReadOutside, visit: impl FnMut(usize, &Instruction, Registers)) {
    let mut live_in: Vec<Registers> = vec![0; code.pieces().len()];
    // What is live at a place that a jump leads back to is known once all behind it is.
    while sweep_back(code, outside, &mut live_in, |_, _, _| {}) {}
    sweep_back(code, outside, &mut live_in, visit);
}

/// Does it once, given what is live before each piece as far as known. Gives whether that has become more.
fn sweep_back(
    code: &MachineCode,
    outside: &ReadOutside,
    live_in: &mut [Registers],
    mut visit: impl FnMut(usize, &Instruction, Registers),
) -> bool {
    let mut is_more = false;
    let mut live: Registers = 0;
    for (number, piece) in code.pieces().iter().enumerate().rev() {
        let Content::Instruction(instruction, flow) = &piece.content else { continue };
        let at_target = piece.target().map_or(0, |target| live_in[target]);
        live = match flow {
            Flow::Next => live,
            Flow::Call => live | outside.by_calls,
            Flow::Jump => at_target,
            Flow::Branch => live | at_target,
            Flow::Table => match code.pieces()[number + 1].content {
                Content::Table(first, end) => code.table(first, end).iter().fold(0, |all, &at| all | live_in[at]),
                _ => Registers::MAX,
            },
            Flow::TailCall => outside.by_tail_calls,
            Flow::Return => outside.by_callers,
            Flow::Nowhere => 0,
        };
        visit(number, instruction, live);
        if !piece.is_gone() {
            live = (live & !piece.kills) | piece.reads;
        }
        if piece.is_target && live_in[number] != live {
            live_in[number] = live;
            is_more = true;
        }
    }
    is_more
}

/// The instructions of code, for `-d out_asm`: all of them that are reached by direct jumps, and those only.
pub fn listing(code: &[u8], block_starts: &[u32], relocations: &[u32]) -> String {
    let Some(code) = MachineCode::read(code, block_starts, relocations) else { return String::new() };
    let mut formatter = FastFormatter::new();
    let mut text = String::new();
    for piece in code.pieces() {
        if let Content::Instruction(instruction, _) = &piece.content {
            text += &format!("{:6x}  ", instruction.ip());
            formatter.format(instruction, &mut text);
            text.push('\n');
        }
    }
    text
}
