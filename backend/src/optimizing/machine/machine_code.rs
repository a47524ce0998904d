//! Finished machine code as a list of instructions, of which some may be changed or left out, and back again: owns
//! everything that depends on where code lies. Knows nothing of what is changed and why.

mod discovery;

use discovery::{Discovery, Usage};
use iced_x86::{Encoder, Instruction, InstructionInfoFactory, InstructionInfoOptions, OpAccess, Register};
use std::ops::RangeInclusive;

/// General registers, a bit each, by their numbers in instructions, and `FLAGS`.
pub type Registers = u32;

/// The arithmetic flags, all as one.
pub const FLAGS: Registers = 1 << 16;

/// The bit of a general register of 64 bits; none of others.
pub const fn bit(register: Register) -> Registers {
    let number = (register as u32).wrapping_sub(Register::RAX as u32);
    if number < 16 { 1 << number } else { 0 }
}

/// The bits of several.
pub const fn register_bits(registers: &[Register]) -> Registers {
    match registers {
        [first, others @ ..] => bit(*first) | register_bits(others),
        [] => 0,
    }
}

/// How control goes on behind an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    /// To the next.
    Next,
    /// To the next, when what is called returns.
    Call,
    /// To the target.
    Jump,
    /// To the target or to the next.
    Branch,
    /// By the jump table behind it.
    Table,
    /// Out of this code, by a tail call.
    TailCall,
    /// Out of this code, to its caller.
    Return,
    /// Nowhere: it traps.
    Nowhere,
}

/// What a piece is.
#[derive(Clone, Copy, Debug)]
pub enum Content {
    /// An instruction: its number.
    Instruction(u32, Flow),
    /// A jump table: distances of blocks from its start, of 32 bits. Where in `MachineCode::table_targets` they are.
    Table(u32, u32),
    /// Constants, and code that nothing leads to.
    Data,
}

/// Part of the code.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// Its offset in the code.
    start: u32,
    bytes: u32,
    /// What it is.
    pub content: Content,
    /// Registers that an instruction reads.
    pub reads: Registers,
    /// Registers that it changes, in part perhaps.
    pub writes: Registers,
    /// Registers of which it leaves nothing.
    pub kills: Registers,
    /// Registers that are read if it faults.
    pub held: Registers,
    /// Whether something jumps there.
    pub is_target: bool,
    /// Whether something jumps there from one place only.
    pub is_target_once: bool,
    /// Whether something jumps back there.
    pub is_led_back_to: bool,
    /// What an instruction jumps to or addresses by its own place: the number of the piece.
    target: Option<u32>,
    /// How far in the target, which is then data, and where the instruction has its distance.
    in_target: u32,
    distance_at: u32,
    new: New,
}

/// What becomes of a piece.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum New {
    Same,
    Short,
    Gone,
    /// These bytes of `MachineCode::changed`.
    Changed(u32, u32),
}

/// Machine code as a list of pieces.
pub struct MachineCode<'a> {
    code: &'a [u8],
    /// Ascending, without gaps.
    pieces: Vec<Piece>,
    instructions: Vec<Instruction>,
    table_targets: Vec<u32>,
    encoder: Encoder,
    changed: Vec<u8>,
    usage: Usage,
}

/// Machine code that has been put together again.
#[derive(Debug, Default)]
pub struct Placed {
    /// The code.
    pub code: Vec<u8>,
    /// Old and new offsets of its pieces, ascending.
    moved: Vec<(u32, u32)>,
}

impl Placed {
    /// Code as it was.
    pub fn same(code: &[u8]) -> Self {
        Self { code: code.to_vec(), moved: vec![(0, 0)] }
    }

    /// Where what was at `offset` is now; of what is left out, what follows it.
    pub fn offset(&self, offset: u32) -> u32 {
        let behind = self.moved.partition_point(|moved| moved.0 <= offset);
        let (old, new) = self.moved[behind - 1];
        new + (offset - old)
    }
}

/// Constants keep their alignment: none needs more.
const ALIGNMENT: u32 = 64;
const TABLE_ENTRY_BYTES: u32 = 4;
const SHORT_JUMP_BYTES: u32 = 2;
impl Piece {
    fn new(start: u32, bytes: u32, content: Content) -> Self {
        Self {
            start,
            bytes,
            content,
            reads: 0,
            writes: 0,
            kills: 0,
            held: 0,
            is_target: false,
            is_target_once: false,
            is_led_back_to: false,
            target: None,
            in_target: 0,
            distance_at: 0,
            new: New::Same,
        }
    }

    fn end(&self) -> u32 {
        self.start + self.bytes
    }

    /// The piece jumped to or addressed.
    pub fn target(&self) -> Option<usize> {
        self.target.map(|target| target as usize)
    }
}

impl<'a> MachineCode<'a> {
    /// Reads code as Cranelift has made it, given where its basic blocks begin (ascending) and where relocations are,
    /// and by offsets of instructions the registers that are read if they fault. None if any of it is not understood.
    pub fn read(code: &'a [u8], block_starts: &[u32], relocations: &[u32], held: &[(u32, Registers)]) -> Option<Self> {
        if !block_starts.is_sorted() {
            return None;
        }
        let Discovery { pieces, instructions, table_targets, usage } = Discovery::of(code, block_starts, relocations)?;
        let (encoder, changed) = (Encoder::new(64), Vec::new());
        let mut read = Self { code, pieces, instructions, table_targets, encoder, changed, usage };
        read.resolve(relocations)?;
        for &(offset, registers) in held {
            let number = read.pieces.binary_search_by_key(&offset, |piece| piece.start).ok()?;
            read.pieces[number].held |= registers;
        }
        Some(read)
    }

    /// Puts numbers of pieces in the place of the offsets of targets. None if those are inside of instructions or
    /// tables, or a relocation is in data.
    fn resolve(&mut self, relocations: &[u32]) -> Option<()> {
        let mut number_at = vec![0; self.code.len()];
        for (number, piece) in self.pieces.iter().enumerate() {
            match piece.content {
                Content::Data => number_at[piece.start as usize..piece.end() as usize].fill(number as u32 + 1),
                _ => number_at[piece.start as usize] = number as u32 + 1,
            }
        }
        let number_at = |offset: u32| number_at[offset as usize].checked_sub(1);
        for number in 0..self.pieces.len() {
            let Some(offset) = self.pieces[number].target else { continue };
            let target = number_at(offset)?;
            self.pieces[number].target = Some(target);
            self.pieces[number].in_target = offset - self.pieces[target as usize].start;
            self.pieces[target as usize].is_target_once = !self.pieces[target as usize].is_target;
            self.pieces[target as usize].is_target = true;
            self.pieces[target as usize].is_led_back_to |= target as usize <= number;
        }
        for target in &mut self.table_targets {
            *target = number_at(*target)?;
            self.pieces[*target as usize].is_target = true;
            self.pieces[*target as usize].is_target_once = false;
            // As far as known.
            self.pieces[*target as usize].is_led_back_to = true;
        }
        let is_data = |&offset: &u32| {
            number_at(offset).is_some_and(|number| matches!(self.pieces[number as usize].content, Content::Data))
        };
        if relocations.iter().any(is_data) {
            return None;
        }
        // Code that nothing leads to.
        let unused = |piece: &&mut Piece| matches!(piece.content, Content::Data) && !piece.is_target;
        self.pieces.iter_mut().filter(unused).for_each(|piece| piece.new = New::Gone);
        Some(())
    }

    /// The pieces, ascending.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The instruction that a piece is.
    pub fn instruction(&self, number: usize) -> Option<(&Instruction, Flow)> {
        match self.pieces.get(number)?.content {
            Content::Instruction(instruction, flow) => Some((&self.instructions[instruction as usize], flow)),
            _ => None,
        }
    }

    /// Numbers of the pieces that the table behind a piece leads to.
    pub fn table_behind(&self, number: usize) -> &[u32] {
        match self.pieces.get(number + 1).map(|piece| &piece.content) {
            Some(&Content::Table(first, end)) => &self.table_targets[first as usize..end as usize],
            _ => &[],
        }
    }

    /// The instruction from which control comes to a piece, if it comes from one only, which is there still.
    pub fn instruction_before(&self, number: usize) -> Option<&Instruction> {
        if self.pieces.get(number).is_some_and(|piece| piece.is_target) {
            return None;
        }
        let before = number.checked_sub(1)?;
        match self.instruction(before) {
            Some((instruction, Flow::Next)) if self.pieces[before].new != New::Gone => Some(instruction),
            _ => None,
        }
    }

    /// Puts another instruction in the place of one that goes on to the next. False, and nothing is done, if it cannot.
    pub fn replace(&mut self, number: usize, instruction: &Instruction) -> bool {
        let piece = &mut self.pieces[number];
        assert!(piece.target.is_none(), "what depends on its place stays");
        let first = self.changed.len();
        self.encoder.set_buffer(std::mem::take(&mut self.changed));
        let is_encoded = self.encoder.encode(instruction, u64::from(piece.start)).is_ok();
        self.changed = self.encoder.take_buffer();
        if !is_encoded {
            self.changed.truncate(first);
            return false;
        }
        (piece.reads, piece.writes, piece.kills) = self.usage.of(instruction);
        if let Content::Instruction(number, _) = piece.content {
            self.instructions[number as usize] = *instruction;
        }
        piece.new = New::Changed(first as u32, self.changed.len() as u32);
        true
    }

    /// How an instruction uses one of its operands.
    pub fn access(&self, instruction: &Instruction, operand: u32) -> OpAccess {
        let options = InstructionInfoOptions::NO_MEMORY_USAGE | InstructionInfoOptions::NO_REGISTER_USAGE;
        InstructionInfoFactory::new().info_options(instruction, options).op_access(operand)
    }

    /// Whether a piece is left out.
    pub fn is_gone(&self, number: usize) -> bool {
        self.pieces[number].new == New::Gone
    }

    /// Leaves a piece out.
    pub fn remove(&mut self, number: usize) {
        self.pieces[number].new = New::Gone;
    }

    /// Puts the code together again, with short jumps where they do. None if that fails.
    pub fn place(mut self) -> Option<Placed> {
        self.shorten_jumps();
        let starts = self.layout();
        let mut code: Vec<u8> = Vec::with_capacity(self.code.len() + self.changed.len());
        // Up to where the old code has been dealt with: what stays is copied in one go.
        let mut done = 0;
        for (number, piece) in self.pieces.iter().enumerate() {
            let stays = piece.new == New::Same && piece.target.is_none();
            if stays && matches!(piece.content, Content::Instruction(..)) {
                continue;
            }
            code.extend(&self.code[done..piece.start as usize]);
            done = piece.end() as usize;
            // Never executed.
            code.resize(starts[number] as usize, 0);
            self.place_piece(number, &starts, &mut code)?;
        }
        code.extend(&self.code[done..]);
        let moved = self.pieces.iter().zip(starts).map(|(piece, start)| (piece.start, start)).collect();
        Some(Placed { code, moved })
    }

    /// Adds what becomes of a piece to the code, given where the pieces begin.
    fn place_piece(&self, number: usize, starts: &[u32], code: &mut Vec<u8>) -> Option<()> {
        let piece = &self.pieces[number];
        let old = &self.code[piece.start as usize..piece.end() as usize];
        match (piece.new, piece.content) {
            (New::Gone, _) => {}
            (New::Changed(first, end), _) => code.extend(&self.changed[first as usize..end as usize]),
            (New::Short, _) => {
                let end = starts[number] + SHORT_JUMP_BYTES;
                let distance = i64::from(starts[piece.target()?]) - i64::from(end);
                // The near form 0F 8x has the condition where the short 7x has it.
                let opcode = match *old {
                    [short, _] => short,
                    [0x0f, condition, ..] => 0x70 | (condition & 15),
                    _ => 0xeb,
                };
                code.extend([opcode, i8::try_from(distance).ok()? as u8]);
            }
            (New::Same, Content::Table(first, end)) => {
                for &target in &self.table_targets[first as usize..end as usize] {
                    code.extend((starts[target as usize].wrapping_sub(starts[number])).to_le_bytes());
                }
            }
            (New::Same, _) => {
                code.extend(old);
                if let Some(target) = piece.target() {
                    let distance = starts[target] + piece.in_target;
                    let distance = distance.wrapping_sub(code.len() as u32).to_le_bytes();
                    let at = (starts[number] + piece.distance_at) as usize;
                    code[at..at + 4].copy_from_slice(&distance);
                }
            }
        }
        Some(())
    }

    /// Where each piece will begin.
    fn layout(&self) -> Vec<u32> {
        let mut at: u32 = 0;
        let place = |piece: &Piece| {
            if matches!(piece.content, Content::Data) && piece.new != New::Gone {
                at += piece.start.wrapping_sub(at) % ALIGNMENT;
            }
            let start = at;
            at += match piece.new {
                New::Same => piece.bytes,
                New::Short => SHORT_JUMP_BYTES,
                New::Gone => 0,
                New::Changed(first, end) => end - first,
            };
            start
        };
        self.pieces.iter().map(place).collect()
    }

    /// Takes the short form of jumps that do not go far.
    fn shorten_jumps(&mut self) {
        // As far as a short jump goes, from its start.
        const REACH: RangeInclusive<i64> = -126..=129;
        // They are no further from each other when other jumps are shorter, unless there are constants between.
        let starts = self.layout();
        for (number, piece) in self.pieces.iter_mut().enumerate() {
            let Content::Instruction(_, Flow::Jump | Flow::Branch) = piece.content else { continue };
            let Some(target) = piece.target() else { continue };
            let distance = i64::from(starts[target]) - i64::from(starts[number]);
            if piece.new == New::Same && REACH.contains(&distance) {
                piece.new = New::Short;
            }
        }
    }
}
