//! Changes of machine code that Cranelift has finished, before it is placed. Knows of generated code what
//! docs/design/links-and-generations.md says of how it goes on, and nothing of what it does.
//!
//! Cranelift cannot address by the pinned register: CLIF gets a copy of it in each block. Here what uses a copy uses
//! r15 instead, and copies that nothing reads any more are left out. So are the frame pointer (`frame.rs`), loads of
//! words that are only compared, stores that are there to keep values in registers until then, copies and loads of what
//! another register has (`copies.rs`), and what can be said with one instruction less, or sooner (`local.rs`). Jumps that
//! do not go far become short ones (`machine_code.rs`).

mod copies;
mod frame;
mod local;
mod machine_code;

pub use machine_code::{Placed, Registers};

use crate::abi::layout;
use crate::inject::{self, Failure};
use iced_x86::{Code, FastFormatter, Instruction, MemoryOperand, Mnemonic, OpKind, Register};
use machine_code::{Flow, MachineCode, bit, register_bits};

/// Improves code. `block_starts` are the offsets of its basic blocks, ascending, `relocations` those of its
/// relocations, `held` has by offsets of instructions the registers that are read if they fault. None if the code is
/// not understood; then it stays as it is.
pub fn improve(code: &[u8], block_starts: &[u32], relocations: &[u32], held: &[(u32, Registers)]) -> Option<Placed> {
    let mut code = MachineCode::read(code, block_starts, relocations, held)?;
    inject::panic_if_due(Failure::MachineCode);
    use_pinned(&mut code)?;
    remove_uses(&mut code);
    local::remove_repeated(&mut code);
    copies::take_originals(&mut code);
    remove_unread(&mut code);
    frame::remove_frame_pointer(&mut code);
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
        let Some((instruction, flow)) = code.instruction(number) else { continue };
        if piece.writes & bit(Register::R15) != 0 {
            return None;
        }
        let may_change = flow == Flow::Next && piece.target().is_none();
        if may_change
            && piece.reads & copies != 0
            && let Some(changed) = without_copies(instruction, copies)
        {
            code.replace(number, &changed);
        }
        let piece = &code.pieces()[number];
        copies &= !piece.writes;
        if let Some((instruction, _)) = code.instruction(number)
            && is_copy(instruction)
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

/// Leaves out stores to `layout::KEEP_ALIVE`.
fn remove_uses(code: &mut MachineCode) {
    let place = layout::backend_word(layout::KEEP_ALIVE) as u64;
    for number in 0..code.pieces().len() {
        if let Some((instruction, _)) = code.instruction(number)
            && instruction.op0_kind() == OpKind::Memory
            && instruction.memory_base() == Register::R15
            && instruction.memory_index() == Register::None
            && instruction.memory_displacement64() == place
        {
            code.remove(number);
        }
    }
}

/// Whether it moves 64 bits, between registers or a register and memory.
fn is_move(instruction: &Instruction) -> bool {
    matches!(instruction.code(), Code::Mov_r64_rm64 | Code::Mov_rm64_r64)
}

/// Whether it moves something, from a register or the frame, that nothing reads.
fn is_unread(instruction: &Instruction, live: Registers) -> bool {
    let is_harmless = match instruction.op1_kind() {
        OpKind::Register => true,
        OpKind::Memory => instruction.memory_base() == Register::RSP,
        _ => false,
    };
    is_move(instruction)
        && is_harmless
        && instruction.op0_kind() == OpKind::Register
        && bit(instruction.op0_register()) & !bit(Register::RBP) & !bit(Register::RSP) & !live != 0
}

/// Whether it copies r15.
fn is_copy(instruction: &Instruction) -> bool {
    is_move(instruction) && bit(instruction.op0_register()) != 0 && instruction.op1_register() == Register::R15
}

/// The instruction with r15 where copies of it are the base of an address, what is moved, or what is compared.
fn without_copies(instruction: &Instruction, copies: Registers) -> Option<Instruction> {
    let mut changed = *instruction;
    if bit(instruction.memory_base()) & copies != 0 {
        changed.set_memory_base(Register::R15);
    }
    if is_move(instruction) && bit(instruction.op1_register()) & copies != 0 {
        changed.set_op1_register(Register::R15);
    }
    if matches!(instruction.code(), Code::Cmp_r64_rm64 | Code::Cmp_rm64_r64)
        && bit(instruction.op0_register()) & copies != 0
    {
        changed.set_op0_register(Register::R15);
    }
    (changed != *instruction).then_some(changed)
}

/// Leaves out copies of r15 that nothing reads, and has comparisons take words of the `CpuState` from memory, where
/// nothing else wants them. Loads of the guest's memory are left alone: a fault must be at their place.
fn remove_unread(code: &mut MachineCode) {
    let mut live_in = vec![Live::default(); code.pieces().len()];
    let mut copies = Vec::new();
    let mut comparisons = Vec::new();
    let mut pairs = Vec::new();
    // What is read at a place that a jump leads back to is known once all behind it is.
    let has_loops = code.pieces().iter().any(|piece| piece.is_led_back_to);
    if has_loops {
        look_back(code, &mut live_in, |_, _, _| ());
    }
    let mut is_more = true;
    while is_more {
        copies.clear();
        comparisons.clear();
        pairs.clear();
        is_more = look_back(code, &mut live_in, |number, instruction, live| {
            if is_copy(instruction) && bit(instruction.op0_register()) & live.copies == 0
                || is_unread(instruction, live.any)
            {
                copies.push(number);
            } else if let Some((load, changed)) = comparison_in_memory(code, number, instruction, live.any) {
                comparisons.push((load, number, changed));
            } else if let Some(pair) = local::pair(code, number, instruction, live.any) {
                pairs.push((number, pair));
            }
        });
    }
    copies.into_iter().for_each(|number| code.remove(number));
    for (load, comparison, changed) in comparisons {
        if code.replace(comparison, &changed) {
            (load..comparison).for_each(|number| code.remove(number));
        }
    }
    pairs.into_iter().for_each(|(number, pair)| local::put(code, number, pair));
}

/// A comparison with its operand in memory, and the number of the load that it replaces with all between: in the check
/// at the entry a copy of rsp.
fn comparison_in_memory(
    code: &MachineCode,
    number: usize,
    comparison: &Instruction,
    live: Registers,
) -> Option<(usize, Instruction)> {
    let is_comparison = matches!(comparison.mnemonic(), Mnemonic::Test | Mnemonic::Cmp)
        && comparison.op0_kind() == OpKind::Register
        && comparison.op1_kind() == OpKind::Register;
    if !is_comparison {
        return None;
    }
    let (one, other) = (comparison.op0_register(), comparison.op1_register());
    let before = code.instruction_before(number)?;
    let is_sp = is_move(before) && before.op1_register() == Register::RSP && before.op0_register() == one;
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
    let changed = match comparison.code() {
        Code::Test_rm32_r32 if one == other && !is_sp => Instruction::with2(Code::Cmp_rm32_imm8, word, 0),
        Code::Test_rm64_r64 if one == other && !is_sp => Instruction::with2(Code::Cmp_rm64_imm8, word, 0),
        Code::Cmp_rm64_r64 | Code::Cmp_r64_rm64 if one != other => {
            let one = if is_sp { Register::RSP } else { one };
            Instruction::with2(Code::Cmp_r64_rm64, one, word)
        }
        Code::Cmp_rm32_r32 | Code::Cmp_r32_rm32 if one != other => Instruction::with2(Code::Cmp_r32_rm32, one, word),
        _ => return None,
    };
    Some((at, changed.ok()?))
}

/// Registers that may be read.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Live {
    any: Registers,
    /// Less those that may not be read while they are a copy of r15.
    copies: Registers,
}

impl Live {
    fn union(self, other: Self) -> Self {
        Self { any: self.any | other.any, copies: self.copies | other.copies }
    }

    fn reading(self, registers: Registers) -> Self {
        self.union(Self { any: registers, copies: registers })
    }

    fn without(self, registers: Registers) -> Self {
        Self { any: self.any & !registers, copies: self.copies & !registers }
    }

    /// Before a call. The `CpuState` is the first argument of helpers, and no other.
    fn calling(self) -> Self {
        self.union(Self { any: ARGUMENTS, copies: bit(Register::RDI) })
    }
}

/// Registers with arguments of helpers.
const ARGUMENTS: Registers =
    register_bits(&[Register::RDI, Register::RSI, Register::RDX, Register::RCX, Register::R8, Register::R9]);

/// Goes through the code from its end to its start, and calls `visit` with each instruction and the registers that may
/// be read behind it, given those that may be read before each piece as far as known. Gives whether that has become
/// more at a place that a jump leads back to.
fn look_back(code: &MachineCode, live_in: &mut [Live], mut visit: impl FnMut(usize, &Instruction, Live)) -> bool {
    let mut is_more = false;
    let mut live = Live::default();
    for (number, piece) in code.pieces().iter().enumerate().rev() {
        let Some((instruction, flow)) = code.instruction(number) else { continue };
        if !code.is_gone(number) {
            let at_target = || piece.target().map_or(Live::default(), |target| live_in[target]);
            live = match flow {
                Flow::Next => live,
                Flow::Call => live.calling(),
                Flow::Jump => at_target(),
                Flow::Branch => live.union(at_target()),
                Flow::Table => {
                    let targets = code.table_behind(number).iter();
                    targets.fold(Live::default(), |all, &target| all.union(live_in[target as usize]))
                }
                // All other code has one argument, in rdi, and its result in rax: a guest address.
                Flow::TailCall => Live { any: bit(Register::RDI), copies: 0 },
                Flow::Return => Live { any: bit(Register::RAX), copies: 0 },
                Flow::Nowhere => Live::default(),
            };
            visit(number, instruction, live);
            live = live.without(piece.kills).reading(piece.reads | piece.held);
        }
        if piece.is_target && live_in[number] != live {
            live_in[number] = live;
            is_more |= piece.is_led_back_to;
        }
    }
    is_more
}

/// The instructions of code, for `-d out_asm`, without what they never lead to.
pub fn listing(code: &[u8], block_starts: &[u32], relocations: &[u32]) -> String {
    let Some(code) = MachineCode::read(code, block_starts, relocations, &[]) else {
        return "not understood\n".to_owned();
    };
    let mut formatter = FastFormatter::new();
    let mut text = String::new();
    for number in 0..code.pieces().len() {
        if let Some((instruction, _)) = code.instruction(number) {
            text += &format!("{:6x}  ", instruction.ip());
            formatter.format(instruction, &mut text);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    // mov rax, r15
    const COPY: &[u8] = &[0x4c, 0x89, 0xf8];
    const RET: &[u8] = &[0xc3];

    fn improved(parts: &[&[u8]]) -> Vec<u8> {
        improve(&parts.concat(), &[0], &[], &[]).expect("the code is understood").code
    }

    #[test]
    fn copies_of_r15_are_left_out() {
        let code = [
            COPY,
            &[0x48, 0x8b, 0x88, 0x98, 0, 0, 0], // mov rcx, [rax + 98h]
            &[0x8b, 0x50, 0x08],                // mov edx, [rax + 8]
            &[0x48, 0x8d, 0x70, 0x10],          // lea rsi, [rax + 10h]
            &[0xc5, 0xfa, 0x6f, 0x40, 0x20],    // vmovdqu xmm0, [rax + 20h]
            RET,
        ];
        let expected: [&[u8]; 5] = [
            &[0x49, 0x8b, 0x8f, 0x98, 0, 0, 0],
            &[0x41, 0x8b, 0x57, 0x08],
            &[0x49, 0x8d, 0x77, 0x10],
            &[0xc4, 0xc1, 0x7a, 0x6f, 0x47, 0x20],
            RET,
        ];
        let placed = improve(&code.concat(), &[0], &[], &[]).unwrap();
        assert_eq!(placed.code, expected.concat());
        let old = [0, 3, 10, 13, 17, 22];
        assert_eq!(old.map(|offset| placed.offset(offset)), [0, 0, 7, 11, 15, 21]);
    }

    #[test]
    fn stores_that_only_keep_values_are_left_out() {
        let kept = layout::backend_word(layout::KEEP_ALIVE).to_le_bytes();
        let store = [&[0x48, 0x89, 0x88][..], &kept].concat(); // mov [rax + KEEP_ALIVE], rcx
        let store_vector = [&[0xc5, 0xfa, 0x7f, 0x80][..], &kept].concat(); // vmovdqu [rax + KEEP_ALIVE], xmm0
        let other = [0x48, 0x89, 0x88, 0x98, 0, 0, 0]; // mov [rax + 98h], rcx
        let load = [&[0x48, 0x8b, 0x88][..], &kept].concat(); // mov rcx, [rax + KEEP_ALIVE]
        let code = improved(&[COPY, &store, &other, &store_vector, &load, RET]);
        let load = [&[0x49, 0x8b, 0x8f][..], &kept].concat();
        assert_eq!(code, [&[0x49, 0x89, 0x8f, 0x98, 0, 0, 0][..], &load, RET].concat());
    }

    #[test]
    fn what_is_compared_may_be_a_copy() {
        // mov rcx, [rax + 330h]; cmp rax, rcx; jb over ret
        let code = improved(&[COPY, &[0x48, 0x8b, 0x88, 0x30, 3, 0, 0], &[0x48, 0x39, 0xc8], &[0x72, 1], RET, RET]);
        assert_eq!(code, [&[0x4d, 0x3b, 0xbf, 0x30, 3, 0, 0, 0x72, 1], RET, RET].concat());
    }

    #[test]
    fn copies_of_copies_are_copies() {
        // mov rcx, rax; mov rdx, [rcx]
        let code = improved(&[COPY, &[0x48, 0x89, 0xc1], &[0x48, 0x8b, 0x11], RET]);
        assert_eq!(code, [&[0x49, 0x8b, 0x17], RET].concat());
    }

    #[test]
    fn copies_end_where_the_register_is_changed() {
        // mov rax, [rax + 8]; mov rcx, [rax]
        let code = improved(&[COPY, &[0x48, 0x8b, 0x40, 0x08], &[0x48, 0x8b, 0x08], RET]);
        assert_eq!(code, [0x49, 0x8b, 0x47, 0x08, 0x48, 0x8b, 0x08, 0xc3]);
    }

    #[test]
    fn copies_that_are_wanted_otherwise_stay() {
        let unchanged: [&[&[u8]]; 4] = [
            &[COPY, &[0x48, 0x01, 0xc1], RET],          // add rcx, rax
            &[COPY, &[0x48, 0x8b, 0x0c, 0xc2], RET],    // mov rcx, [rdx + 8 * rax]
            &[&[0x4c, 0x89, 0xff], &[0xff, 0xd0], RET], // mov rdi, r15; call rax
            &[COPY, &[0xeb, 0x00], &[0x8b, 0x08], RET], // jmp to mov ecx, [rax]
        ];
        for parts in unchanged {
            assert_eq!(improved(parts), parts.concat());
        }
    }

    #[test]
    fn copies_are_no_results_and_no_other_arguments() {
        // mov rsi, r15; call rdx
        assert_eq!(improved(&[&[0x4c, 0x89, 0xfe], &[0xff, 0xd2], RET]), [0xff, 0xd2, 0xc3]);
        assert_eq!(improved(&[COPY, RET]), RET);
    }

    #[test]
    fn loops_read_what_they_begin_with() {
        // mov rcx, [rax]; mov rdx, [rax]; jne back to the second; jmp to ret
        let body: [&[u8]; 4] = [&[0x48, 0x8b, 0x08], &[0x48, 0x8b, 0x10], &[0x75, 0xfb], RET];
        let changed: [&[u8]; 4] = [&[0x49, 0x8b, 0x0f], &[0x48, 0x8b, 0x10], &[0x75, 0xfb], RET];
        assert_eq!(improved(&[COPY, &body.concat()]), [COPY, &changed.concat()].concat());
    }

    #[test]
    fn code_that_changes_r15_is_left_alone() {
        // pop r15
        assert!(improve(&[COPY, &[0x41, 0x5f], RET].concat(), &[0], &[], &[]).is_none());
    }

    #[test]
    fn words_of_the_state_are_compared_in_memory() {
        let far_jump = [0x0f, 0x85, 0x01, 0, 0, 0];
        // mov ecx, [r15 + 10h]; test ecx, ecx; jne over ret
        let load = [0x41, 0x8b, 0x4f, 0x10];
        let code = improved(&[&load, &[0x85, 0xc9], &far_jump, RET, RET]);
        assert_eq!(code, [0x41, 0x83, 0x7f, 0x10, 0, 0x75, 0x01, 0xc3, 0xc3]);
        // mov rax, [r15 + 10h]; mov rcx, rsp; cmp rcx, rax
        let code =
            improved(&[&[0x49, 0x8b, 0x47, 0x10], &[0x48, 0x89, 0xe1], &[0x48, 0x39, 0xc1], &far_jump, RET, RET]);
        // The result, rax, is wanted.
        assert_eq!(code[..4], [0x49, 0x8b, 0x47, 0x10]);
        // mov rdx, [r15 + 10h]; mov rcx, rsp; cmp rcx, rdx
        let code =
            improved(&[&[0x49, 0x8b, 0x57, 0x10], &[0x48, 0x89, 0xe1], &[0x48, 0x39, 0xd1], &far_jump, RET, RET]);
        assert_eq!(code, [0x49, 0x3b, 0x67, 0x10, 0x75, 0x01, 0xc3, 0xc3]);
        // mov ecx, [rdx + 10h]; test ecx, ecx: memory of the guest's.
        let code = improved(&[&[0x8b, 0x4a, 0x10], &[0x85, 0xc9], &far_jump, RET, RET]);
        assert_eq!(code, [0x8b, 0x4a, 0x10, 0x85, 0xc9, 0x75, 0x01, 0xc3, 0xc3]);
    }

    #[test]
    fn constants_keep_their_alignment() {
        let code = [
            COPY,
            &[0x48, 0x8b, 0x08],                // mov rcx, [rax]
            &[0x0f, 0x28, 0x05, 0x03, 0, 0, 0], // movaps xmm0, [rip + 3]: at 16
            RET,
            &[0xff; 2],
            &[7; 16],
        ];
        let placed = improve(&code.concat(), &[0], &[], &[]).unwrap();
        let expected: [&[u8]; 5] = [&[0x49, 0x8b, 0x0f], &[0x0f, 0x28, 0x05, 0x06, 0, 0, 0], RET, &[0; 3], &[0xff; 2]];
        assert_eq!(placed.code, [&expected.concat()[..], &[7; 16]].concat());
        assert_eq!(placed.offset(16), 16);
    }

    /// A jump by a table of two entries, to blocks that each have a copy.
    fn table() -> (Vec<u8>, Vec<u32>) {
        let go: [&[u8]; 4] = [
            &[0x48, 0x8d, 0x0d, 0x09, 0, 0, 0], // lea rcx, [rip + 9]: the table
            &[0x48, 0x63, 0x14, 0x81],          // movsxd rdx, [rcx + 4 * rax]
            &[0x48, 0x01, 0xd1],                // add rcx, rdx
            &[0xff, 0xe1],                      // jmp rcx
        ];
        let block: [&[u8]; 3] = [COPY, &[0x48, 0x8b, 0x10], RET];
        let start = go.concat().len() as u32;
        let entries = [8i32, 15].map(i32::to_le_bytes).concat();
        ([&go.concat()[..], &entries, &block.concat(), &block.concat()].concat(), vec![0, start + 8, start + 15])
    }

    #[test]
    fn jump_tables_follow_their_blocks() {
        let (code, block_starts) = table();
        let placed = improve(&code, &block_starts, &[], &[]).unwrap();
        let block: &[u8] = &[0x49, 0x8b, 0x17, 0xc3];
        assert_eq!(placed.code[..16], code[..16]);
        assert_eq!(placed.code[16..24], [8i32, 12].map(i32::to_le_bytes).concat());
        assert_eq!(placed.code[24..], [block, block].concat());
        assert!(listing(&placed.code, &[0, 24, 28], &[]).contains("mov rdx,[r15]"));
    }

    #[test]
    fn code_that_nothing_leads_to_is_left_out() {
        let code = improved(&[&[0xe9, 2, 0, 0, 0], &[0x90; 2], RET, &[0x90; 3]]);
        assert_eq!(code, [0xeb, 0, 0xc3]);
    }

    #[test]
    fn tables_that_are_not_understood_leave_the_code_alone() {
        let (mut code, block_starts) = table();
        // Where it ends is not known; it does not lead to blocks.
        assert!(improve(&code, &[0], &[], &[]).is_none());
        code[16] += 1;
        assert!(improve(&code, &block_starts, &[], &[]).is_none());
    }

    #[test]
    fn what_is_no_code_leaves_the_code_alone() {
        // Invalid; into the middle of an instruction; out of the code; behind its end; a relocation in data.
        assert!(improve(&[0x06], &[0], &[], &[]).is_none());
        assert!(improve(&[0x75, 0x01, 0xb8, 0x90, 0x90, 0x90, 0xc3, 0xc3], &[0], &[], &[]).is_none());
        assert!(improve(&[0xeb, 0x7f], &[0], &[], &[]).is_none());
        assert!(improve(&[0x90], &[0], &[], &[]).is_none());
        assert!(improve(&[0xc3, 1, 2, 3, 4], &[0], &[1], &[]).is_none());
    }

    #[test]
    fn relocated_calls_stay() {
        // mov rcx, [rax]; call
        let code = [COPY, &[0x48, 0x8b, 0x08], &[0xe8, 0, 0, 0, 0], RET].concat();
        let placed = improve(&code, &[0], &[7], &[]).unwrap();
        assert_eq!(placed.code, [0x49, 0x8b, 0x0f, 0xe8, 0, 0, 0, 0, 0xc3]);
        assert_eq!(placed.offset(7), 4);
        assert!(improve(&code, &[0], &[], &[]).is_none());
    }

    #[test]
    fn near_jumps_become_short() {
        // je over 100 bytes, je over 200; what they jump over is reached too.
        let nops = |n| vec![0x90; n];
        let far = |distance: u8| [0x0f, 0x84, distance, 0, 0, 0];
        let code = improved(&[&far(100), &nops(100), &far(200), &nops(200), RET]);
        assert_eq!(code, [&[0x74, 100][..], &nops(100), &far(200), &nops(200), RET].concat());
        // jmp back, at the end.
        let code = improved(&[&nops(10), &[0xe9, 0xf1, 0xff, 0xff, 0xff]]);
        assert_eq!(code, [&nops(10)[..], &[0xeb, 0xf4]].concat());
    }
}
