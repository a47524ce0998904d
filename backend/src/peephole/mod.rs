//! Changes of machine code that Cranelift has finished, before it is placed. Knows of generated code what
//! ARCHITECTURE.md says of it, and nothing of what it does.
//!
//! Cranelift cannot address by the pinned register: CLIF gets a copy of it in each block. Here what uses a copy uses
//! r15 instead, and copies that nothing reads any more are left out. Jumps that do not go far become short ones.

mod machine_code;

pub use machine_code::Placed;

use iced_x86::{FastFormatter, Instruction, Mnemonic, OpKind, Register};
use machine_code::{Content, Flow, MachineCode, Registers, bit};

/// Improves code. `block_starts` are the offsets of its basic blocks, ascending, `relocations` those of its
/// relocations. None if the code is not understood; then it stays as it is.
pub fn improve(code: &[u8], block_starts: &[u32], relocations: &[u32]) -> Option<Placed> {
    let mut code = MachineCode::read(code, block_starts, relocations)?;
    use_pinned(&mut code)?;
    remove_copies(&mut code);
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
    let mut live_in: Vec<Registers> = vec![0; code.pieces().len()];
    // What is live at a place that a jump leads back to is known once all behind it is.
    while look_back(code, &mut live_in, |_, _, _| {}) {}
    let mut unread = Vec::new();
    look_back(code, &mut live_in, |number, instruction, live| {
        if is_copy(instruction) && bit(instruction.op0_register()) & live == 0 {
            unread.push(number);
        }
    });
    unread.into_iter().for_each(|number| code.remove(number));
}

/// Goes through the code from its end to its start, and calls `visit` with each instruction and the registers whose copies of r15 may be
/// read behind it, given those that are live before each piece as far as known. Gives whether more are live before a
/// piece that something behind it jumps to.
fn look_back(
    code: &MachineCode,
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
            Flow::Call => live | bit(Register::RDI),
            Flow::Jump => at_target,
            Flow::Branch => live | at_target,
            Flow::Table => match code.pieces()[number + 1].content {
                Content::Table(first, end) => code.table(first, end).iter().fold(0, |all, &at| all | live_in[at]),
                _ => Registers::MAX,
            },
            Flow::TailCall | Flow::Return | Flow::Nowhere => 0,
        };
        visit(number, instruction, live);
        live = (live & !piece.kills) | piece.reads;
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
