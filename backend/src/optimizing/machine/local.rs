//! Instructions that can be left out, made shorter, or put in the place of two, by those before them in the block and
//! by what is read behind them. Knows nothing of what the code does.

use super::machine_code::{FLAGS, Flow, MachineCode, Registers, bit};
use iced_x86::{Code, Instruction, MemoryOperand, Mnemonic, OpKind, Register};

/// What is known at a place.
#[derive(Clone, Copy, Default)]
struct Known {
    /// Registers of which the upper half is zero.
    extended: Registers,
    /// The number of the comparison that the flags are of, plus 1, if its operands are the same still.
    compared: u32,
}

/// Leaves out zero-extensions of what is zero-extended, and comparisons of which the flags are there already; and has
/// sums take short constants.
pub fn remove_repeated(code: &mut MachineCode) {
    let mut at_targets = vec![Known::default(); code.pieces().len()];
    let mut known = Known::default();
    let mut falls_through = true;
    for number in 0..code.pieces().len() {
        let piece = &code.pieces()[number];
        if piece.is_target {
            let is_one_way = piece.is_target_once && !falls_through && !piece.is_led_back_to;
            known = if is_one_way { at_targets[number] } else { Known::default() };
        }
        let Some((instruction, flow)) = code.instruction(number) else { continue };
        falls_through = matches!(flow, Flow::Next | Flow::Call | Flow::Branch);
        if let Flow::Jump | Flow::Branch = flow
            && let Some(target) = piece.target()
        {
            at_targets[target] = known;
        }
        if flow == Flow::Call {
            known = Known::default();
        }
        if flow != Flow::Next || code.is_gone(number) {
            continue;
        }
        if is_extension(instruction, known.extended) || is_known_comparison(code, instruction, known.compared) {
            code.remove(number);
            continue;
        }
        let shorter = shorter(instruction);
        known.extended &= !piece.writes;
        if extends(instruction) {
            known.extended |= piece.writes & bit(instruction.op0_register().full_register());
        }
        if is_comparison(instruction) {
            known.compared = number as u32 + 1;
        } else if known.compared > 0 {
            let operands = code.pieces()[known.compared as usize - 1].reads;
            if piece.writes & (operands | FLAGS) != 0 {
                known.compared = 0;
            }
        }
        if let Some(shorter) = shorter {
            code.replace(number, &shorter);
        }
    }
}

/// Whether it zero-extends what it writes to its first operand.
fn extends(instruction: &Instruction) -> bool {
    match instruction.mnemonic() {
        // They may write nothing.
        Mnemonic::Bsf | Mnemonic::Bsr => false,
        mnemonic => {
            instruction.op0_kind() == OpKind::Register
                && (mnemonic == Mnemonic::Movzx || instruction.op0_register().size() == 4)
        }
    }
}

/// Whether it zero-extends one of the registers in itself.
fn is_extension(instruction: &Instruction, extended: Registers) -> bool {
    matches!(instruction.code(), Code::Mov_r32_rm32 | Code::Mov_rm32_r32)
        && instruction.op0_register() == instruction.op1_register()
        && bit(instruction.op0_register().full_register()) & extended != 0
}

/// Whether it compares registers and constants.
fn is_comparison(instruction: &Instruction) -> bool {
    matches!(instruction.mnemonic(), Mnemonic::Cmp | Mnemonic::Test)
        && (0..2).all(|operand| match instruction.op_kind(operand) {
            OpKind::Memory => instruction.is_ip_rel_memory_operand(),
            _ => true,
        })
}

fn is_known_comparison(code: &MachineCode, instruction: &Instruction, compared: u32) -> bool {
    let compared = compared.checked_sub(1).and_then(|number| code.instruction(number as usize));
    compared.is_some_and(|(compared, _)| is_comparison(instruction) && compared == instruction)
}

/// What becomes of two instructions that follow each other.
pub type Pair = [Option<Instruction>; 2];

/// Puts a pair in the place of an instruction and the one before it.
pub fn put(code: &mut MachineCode, number: usize, pair: Pair) {
    for (number, changed) in (number - 1..).zip(pair) {
        match changed {
            Some(changed) => assert!(code.replace(number, &changed), "such an instruction exists"),
            None => code.remove(number),
        }
    }
}

/// What can be put in the place of an instruction and the one before it, given what is read behind them.
pub fn pair(code: &MachineCode, number: usize, instruction: &Instruction, live: Registers) -> Option<Pair> {
    match instruction.mnemonic() {
        Mnemonic::Add | Mnemonic::Sub | Mnemonic::Shl if live & FLAGS == 0 => {
            let address = address(code.instruction_before(number)?, instruction)?;
            Some([Some(address), None])
        }
        Mnemonic::Movzx if instruction.op1_kind() == OpKind::Register => {
            zero_then_set(code.instruction_before(number)?, instruction, live)
        }
        _ if instruction.memory_base() != Register::None && instruction.memory_index() == Register::None => {
            let piece = &code.pieces()[number];
            let base = bit(instruction.memory_base());
            let is_wanted = (live & !piece.kills | piece.held) & base != 0;
            if base == 0 || is_wanted || piece.target().is_some() {
                return None;
            }
            Some([None, Some(constant_address(code.instruction_before(number)?, instruction)?)])
        }
        _ => None,
    }
}

/// A copy and a sum, a difference or a product with a small power of two as the computation of an address.
fn address(copy: &Instruction, sum: &Instruction) -> Option<Instruction> {
    let is_copy =
        matches!(copy.code(), Code::Mov_r64_rm64 | Code::Mov_rm64_r64 | Code::Mov_r32_rm32 | Code::Mov_rm32_r32)
            && copy.op0_kind() == OpKind::Register
            && copy.op1_kind() == OpKind::Register;
    if !is_copy || sum.op0_kind() != OpKind::Register {
        return None;
    }
    let to = sum.op0_register();
    let (copied_to, from) = (copy.op0_register().full_register(), copy.op1_register().full_register());
    let is_wide = to.size() == 8;
    let fits = to.size() >= 4 && copied_to == to.full_register() && (copy.op0_register().size() == 8 || !is_wide);
    if !fits || from == copied_to || from == Register::RSP {
        return None;
    }
    let operand = match (sum.mnemonic(), sum.op1_kind()) {
        (Mnemonic::Shl, OpKind::Immediate8) => {
            let bits = u32::from(sum.immediate8());
            return match bits {
                1 => lea(to, MemoryOperand::with_base_index(from, from)),
                2 | 3 => {
                    let scaled = MemoryOperand::new(Register::None, from, 1 << bits, 0, 4, false, Register::None);
                    lea(to, scaled)
                }
                _ => None,
            };
        }
        (Mnemonic::Add, OpKind::Register) => {
            let other = sum.op1_register().full_register();
            let other = if other == copied_to { from } else { other };
            (other != Register::RSP).then(|| MemoryOperand::with_base_index(from, other))?
        }
        (Mnemonic::Add | Mnemonic::Sub, OpKind::Register | OpKind::Memory) => return None,
        (Mnemonic::Add, _) => MemoryOperand::with_base_displ(from, constant(sum)?),
        (Mnemonic::Sub, _) => MemoryOperand::with_base_displ(from, constant(sum)?.checked_neg()?),
        _ => return None,
    };
    lea(to, operand)
}

/// The second operand, if it is a constant.
fn constant(instruction: &Instruction) -> Option<i64> {
    let value = instruction.try_immediate(1).ok()?;
    let value = if instruction.op0_register().size() == 4 { i64::from(value as i32) } else { value as i64 };
    Some(value)
}

fn lea(to: Register, address: MemoryOperand) -> Option<Instruction> {
    i32::try_from(address.displacement).ok()?;
    let code = if to.size() == 8 { Code::Lea_r64_m } else { Code::Lea_r32_m };
    Instruction::with2(code, to, address).ok()
}

/// Whether it sets a byte by a condition.
fn is_set(instruction: &Instruction) -> bool {
    use Mnemonic::{
        Seta, Setae, Setb, Setbe, Sete, Setg, Setge, Setl, Setle, Setne, Setno, Setnp, Setns, Seto, Setp, Sets,
    };
    matches!(
        instruction.mnemonic(),
        Seta | Setae
            | Setb
            | Setbe
            | Sete
            | Setg
            | Setge
            | Setl
            | Setle
            | Setne
            | Setno
            | Setnp
            | Setns
            | Seto
            | Setp
            | Sets
    )
}

/// Clears a register and sets its lowest byte by a condition, instead of setting and then extending a byte: what waits
/// for the condition waits for one instruction less.
fn zero_then_set(set: &Instruction, extension: &Instruction, live: Registers) -> Option<Pair> {
    let byte = extension.op1_register();
    let is_so = is_set(set)
        && set.op0_kind() == OpKind::Register
        && extension.op1_kind() == OpKind::Register
        && set.op0_register() == byte
        && extension.op0_register().size() >= 4;
    let to = extension.op0_register().full_register();
    let is_wanted = byte.full_register() != to && live & bit(byte.full_register()) != 0;
    if !is_so || is_wanted {
        return None;
    }
    let clear = Instruction::with2(Code::Mov_r32_imm32, to.full_register32(), 0).ok()?;
    let mut set = *set;
    set.set_op0_register(low_byte(to)?);
    Some([Some(clear), Some(set)])
}

fn low_byte(register: Register) -> Option<Register> {
    const BYTES: [Register; 16] = [
        Register::AL,
        Register::CL,
        Register::DL,
        Register::BL,
        Register::SPL,
        Register::BPL,
        Register::SIL,
        Register::DIL,
        Register::R8L,
        Register::R9L,
        Register::R10L,
        Register::R11L,
        Register::R12L,
        Register::R13L,
        Register::R14L,
        Register::R15L,
    ];
    BYTES.get((register as usize).checked_sub(Register::RAX as usize)?).copied()
}

/// The instruction with a constant address instead of one in a register, if nothing else in it reads that.
fn constant_address(load: &Instruction, instruction: &Instruction) -> Option<Instruction> {
    let is_load = matches!(load.code(), Code::Mov_r32_imm32 | Code::Mov_rm64_imm32 | Code::Mov_rm32_imm32)
        && load.op0_kind() == OpKind::Register
        && load.op0_register().full_register() == instruction.memory_base();
    // Only moves: their other operand is the last they read.
    let is_move = matches!(
        instruction.mnemonic(),
        Mnemonic::Mov | Mnemonic::Movzx | Mnemonic::Vmovsd | Mnemonic::Vmovss | Mnemonic::Vmovdqu
    );
    if !is_load || !is_move {
        return None;
    }
    let is_stored = (0..instruction.op_count()).any(|operand| {
        operand > 0
            && instruction.op_kind(operand) == OpKind::Register
            && instruction.op_register(operand).full_register() == instruction.memory_base()
    });
    let address = (constant(load)?).checked_add(instruction.memory_displacement64() as i64)?;
    if is_stored || i32::try_from(address).is_err() || address < 0 {
        return None;
    }
    let mut changed = *instruction;
    changed.set_memory_base(Register::None);
    changed.set_memory_displacement64(address as u64);
    changed.set_memory_displ_size(8);
    Some(changed)
}

/// The same instruction with a constant of one byte, if it has a longer one that would do.
fn shorter(instruction: &Instruction) -> Option<Instruction> {
    let code = match instruction.code() {
        Code::Add_rm64_imm32 | Code::Add_RAX_imm32 => Code::Add_rm64_imm8,
        Code::Add_rm32_imm32 | Code::Add_EAX_imm32 => Code::Add_rm32_imm8,
        Code::Sub_rm64_imm32 | Code::Sub_RAX_imm32 => Code::Sub_rm64_imm8,
        Code::Sub_rm32_imm32 | Code::Sub_EAX_imm32 => Code::Sub_rm32_imm8,
        _ => return None,
    };
    if instruction.op0_kind() != OpKind::Register {
        return None;
    }
    let value = i8::try_from(constant(instruction)?).ok()?;
    Instruction::with2(code, instruction.op0_register(), i32::from(value)).ok()
}

#[cfg(test)]
mod tests {
    use crate::optimizing::machine::{improve, listing};

    // cmp rsi, rdi: the flags before are not read.
    const OTHER_FLAGS: &[u8] = &[0x48, 0x39, 0xfe];
    const RET: &[u8] = &[0xc3];

    /// What becomes of code, as text.
    fn improved(parts: &[&[u8]], held: &[(u32, u32)]) -> Vec<String> {
        let placed = improve(&parts.concat(), &[0], &[], held).expect("the code is understood");
        let text = listing(&placed.code, &[0], &[]);
        text.lines().map(|line| line[8..].to_owned()).collect()
    }

    fn unchanged(code: &[u8], held: &[(u32, u32)]) {
        let parts = [code, RET];
        assert_eq!(improve(&parts.concat(), &[0], &[], held).unwrap().code, parts.concat());
    }

    #[test]
    fn zero_extensions_are_made_once() {
        // movsx r10d, cl; mov r10d, r10d; mov eax, r10d
        let code = improved(&[&[0x44, 0x0f, 0xbe, 0xd1, 0x45, 0x89, 0xd2, 0x44, 0x89, 0xd0], RET], &[]);
        assert_eq!(code, ["movsx r10d,cl", "mov eax,r10d", "ret"]);
        // add ecx, edx; mov ecx, ecx
        assert_eq!(improved(&[&[0x01, 0xd1, 0x89, 0xc9], RET], &[]), ["add ecx,edx", "ret"]);
        // movzx rcx, cl; mov ecx, ecx
        assert_eq!(improved(&[&[0x48, 0x0f, 0xb6, 0xc9, 0x89, 0xc9], RET], &[]), ["movzx rcx,cl", "ret"]);
        // mov rcx, [rcx]; mov ecx, ecx
        unchanged(&[0x48, 0x8b, 0x09, 0x89, 0xc9], &[]);
        // A way around: mov ecx, edx; jne to mov ecx, ecx; mov rcx, [rcx]; mov ecx, ecx
        unchanged(&[0x89, 0xd1, 0x75, 0x03, 0x48, 0x8b, 0x09, 0x89, 0xc9], &[]);
    }

    #[test]
    fn comparisons_are_made_once() {
        // cmp ecx, edx; seta al; mov [rsi], al; cmp ecx, edx; setb al
        let code = improved(&[&[0x39, 0xd1, 0x0f, 0x97, 0xc0, 0x88, 0x06, 0x39, 0xd1, 0x0f, 0x92, 0xc0], RET], &[]);
        assert_eq!(code, ["cmp ecx,edx", "seta al", "mov [rsi],al", "setb al", "ret"]);
        // The other way around; ecx is loaded in between; the flags are changed; the memory is not the code's.
        unchanged(&[0x39, 0xd1, 0x0f, 0x97, 0xc0, 0x88, 0x06, 0x39, 0xca, 0x0f, 0x92, 0xc0], &[]);
        unchanged(&[0x39, 0xd1, 0x8b, 0x0e, 0x39, 0xd1, 0x0f, 0x92, 0xc0], &[]);
        unchanged(&[0x39, 0xd1, 0x48, 0x01, 0xfe, 0x39, 0xd1, 0x0f, 0x92, 0xc0], &[]);
        unchanged(&[0x3b, 0x0e, 0x0f, 0x97, 0xc0, 0x88, 0x06, 0x3b, 0x0e, 0x0f, 0x92, 0xc0], &[]);
    }

    #[test]
    fn comparisons_are_known_where_one_way_leads() {
        // cmp ecx, edx; jne over ret; cmp ecx, edx; setb al
        let code = [0x39, 0xd1, 0x75, 0x01, 0xc3, 0x39, 0xd1, 0x0f, 0x92, 0xc0];
        assert_eq!(improved(&[&code, RET], &[])[3..], ["setb al", "ret"]);
        // Two ways: jne there and ja there.
        unchanged(&[0x39, 0xd1, 0x75, 0x03, 0x77, 0x01, 0xc3, 0x39, 0xd1, 0x0f, 0x92, 0xc0], &[]);
        // A jump and the instruction before: cmp ecx, edx; jne over add ecx, edx
        unchanged(&[0x39, 0xd1, 0x75, 0x02, 0x01, 0xd1, 0x39, 0xd1, 0x0f, 0x92, 0xc0], &[]);
        // A loop: cmp ecx, edx; mov ecx, [rsi]; jne back
        unchanged(&[0x39, 0xd1, 0x8b, 0x0e, 0x75, 0xfa], &[]);
    }

    #[test]
    fn copies_and_sums_become_addresses() {
        let cases: [(&[u8], &str); 6] = [
            (&[0x48, 0x89, 0xc8, 0x83, 0xe8, 0x02], "lea eax,[rcx-2h]"), // mov rax, rcx; sub eax, 2
            (&[0x89, 0xc8, 0x83, 0xe8, 0x02], "lea eax,[rcx-2h]"),       // mov eax, ecx; sub eax, 2
            (&[0x48, 0x89, 0xc8, 0x48, 0x83, 0xc0, 0x02], "lea rax,[rcx+2h]"), // mov rax, rcx; add rax, 2
            (&[0x48, 0x89, 0xc8, 0x48, 0x01, 0xd0], "lea rax,[rcx+rdx]"), // mov rax, rcx; add rax, rdx
            (&[0x48, 0x89, 0xc8, 0x48, 0xc1, 0xe0, 0x03], "lea rax,[rcx*8]"), // mov rax, rcx; shl rax, 3
            (&[0x89, 0xc8, 0xd1, 0xe0], "lea eax,[rcx+rcx]"),            // mov eax, ecx; shl eax, 1
        ];
        for (code, expected) in cases {
            assert_eq!(improved(&[code, OTHER_FLAGS, RET], &[]), [expected, "cmp rsi,rdi", "ret"]);
            // sete al
            unchanged(&[code, &[0x0f, 0x94, 0xc0]].concat(), &[]);
        }
        // mov rax, rcx; add rax, rax
        let code = improved(&[&[0x48, 0x89, 0xc8, 0x48, 0x01, 0xc0], OTHER_FLAGS, RET], &[]);
        assert_eq!(code, ["lea rax,[rcx+rcx]", "cmp rsi,rdi", "ret"]);
        let cases: [&[u8]; 4] = [
            &[0x89, 0xc8, 0x48, 0x83, 0xe8, 0x02],          // mov eax, ecx; sub rax, 2
            &[0x48, 0x89, 0xc8, 0x48, 0xc1, 0xe0, 0x04],    // mov rax, rcx; shl rax, 4
            &[0x48, 0x89, 0xc8, 0x48, 0x29, 0xd0],          // mov rax, rcx; sub rax, rdx
            &[0x48, 0x89, 0xc8, 0x48, 0x2d, 0, 0, 0, 0x80], // mov rax, rcx; sub rax, -80000000h
        ];
        cases.into_iter().for_each(|code| unchanged(code, &[]));
    }

    #[test]
    fn bytes_are_set_in_what_is_clear() {
        // setb r11b; movzx rdx, r11b; mov rax, [rcx + 8 * rdx]
        let code: &[u8] = &[0x41, 0x0f, 0x92, 0xc3, 0x49, 0x0f, 0xb6, 0xd3, 0x48, 0x8b, 0x04, 0xd1];
        assert_eq!(improved(&[code, RET], &[]), ["mov edx,0h", "setb dl", "mov rax,[rcx+rdx*8]", "ret"]);
        // If the load faults r11 is wanted.
        unchanged(code, &[(8, 1 << 11)]);
        // setb al; movzx eax, al
        let code = improved(&[&[0x0f, 0x92, 0xc0, 0x0f, 0xb6, 0xc0], RET], &[]);
        assert_eq!(code, ["mov eax,0h", "setb al", "ret"]);
        // setb cl; movzx eax, cl; mov [rdx], cl
        unchanged(&[0x0f, 0x92, 0xc1, 0x0f, 0xb6, 0xc1, 0x88, 0x0a], &[]);
    }

    #[test]
    fn constant_addresses_need_no_register() {
        // mov eax, 490008h; mov rdi, [rax + 8]; xor eax, eax
        let code: &[u8] = &[0xb8, 0x08, 0, 0x49, 0, 0x48, 0x8b, 0x78, 0x08, 0x31, 0xc0];
        assert_eq!(improved(&[code, RET], &[]), ["mov rdi,[490010h]", "xor eax,eax", "ret"]);
        let placed = improve(&[code, RET].concat(), &[0], &[], &[]).unwrap();
        assert_eq!((placed.offset(5), placed.offset(9)), (0, 8));
        // If the load faults rax is wanted.
        unchanged(code, &[(5, 1)]);
        // mov eax, 490008h; mov rax, [rax]
        let code = improved(&[&[0xb8, 0x08, 0, 0x49, 0, 0x48, 0x8b, 0], RET], &[]);
        assert_eq!(code, ["mov rax,[490008h]", "ret"]);
        // mov eax, 490008h; mov [rax], rcx; xor eax, eax
        let code = improved(&[&[0xb8, 0x08, 0, 0x49, 0, 0x48, 0x89, 0x08, 0x31, 0xc0], RET], &[]);
        assert_eq!(code, ["mov [490008h],rcx", "xor eax,eax", "ret"]);
        // rax is stored; it is read later; the address is not one of 31 bits.
        unchanged(&[0xb8, 0x08, 0, 0x49, 0, 0x48, 0x89, 0, 0x31, 0xc0], &[]);
        unchanged(&[0xb8, 0x08, 0, 0x49, 0, 0x48, 0x8b, 0x38], &[]);
        unchanged(&[0xb8, 0, 0, 0, 0x80, 0x48, 0x8b, 0x38, 0x31, 0xc0], &[]);
    }

    #[test]
    fn constants_are_short() {
        // add rcx, 1; sub ecx, -1, with constants of 32 bits
        let code = [&[0x48, 0x81, 0xc1, 0x01, 0, 0, 0], &[0x81, 0xe9, 0xff, 0xff, 0xff, 0xff][..], RET].concat();
        let placed = improve(&code, &[0], &[], &[]).unwrap();
        assert_eq!(placed.code, [0x48, 0x83, 0xc1, 0x01, 0x83, 0xe9, 0xff, 0xc3]);
        // add rcx, 80h
        unchanged(&[0x48, 0x81, 0xc1, 0x80, 0, 0, 0], &[]);
    }
}
