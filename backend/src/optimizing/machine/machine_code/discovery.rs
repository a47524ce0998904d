//! Finds the instructions of finished machine code.

use super::{Content, FLAGS, Flow, New, Piece, Registers, SHORT_JUMP_BYTES, TABLE_ENTRY_BYTES, bit};
use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, InstructionInfoOptions, Mnemonic,
    OpAccess, Register, RflagsBits,
};
use std::ops::Range;

/// The flags that `FLAGS` stands for: generated code does not use others.
const ALL_FLAGS: u32 = RflagsBits::OF | RflagsBits::SF | RflagsBits::ZF | RflagsBits::CF | RflagsBits::PF;

/// Which registers instructions use.
pub struct Usage(InstructionInfoFactory);

impl Usage {
    /// Those read, changed, and changed as a whole.
    pub fn of(&mut self, instruction: &Instruction) -> (Registers, Registers, Registers) {
        let info = self.0.info_options(instruction, InstructionInfoOptions::NO_MEMORY_USAGE);
        let (mut reads, mut writes, mut kills) = (0, 0, 0);
        for used in info.used_registers() {
            let register = bit(used.register().full_register());
            match used.access() {
                OpAccess::Read | OpAccess::CondRead => reads |= register,
                OpAccess::Write => {
                    writes |= register;
                    // Writes of 32 bits clear the others.
                    if used.register().size() >= 4 {
                        kills |= register;
                    }
                }
                OpAccess::CondWrite => writes |= register,
                OpAccess::ReadWrite | OpAccess::ReadCondWrite => {
                    reads |= register;
                    writes |= register;
                }
                OpAccess::None | OpAccess::NoMemAccess => {}
            }
        }
        if instruction.rflags_read() != RflagsBits::NONE {
            reads |= FLAGS;
        }
        if instruction.rflags_modified() != RflagsBits::NONE {
            writes |= FLAGS;
        }
        // Not INC, which leaves one, nor shifts by CL, which may leave all.
        if instruction.rflags_modified() & ALL_FLAGS == ALL_FLAGS && instruction.op1_register() != Register::CL {
            kills |= FLAGS;
        }
        (reads, writes, kills)
    }
}

/// What has been found in code.
pub struct Discovery {
    /// In order, without gaps. Targets are offsets still, and so are those of tables.
    pub pieces: Vec<Piece>,
    pub instructions: Vec<Instruction>,
    pub table_targets: Vec<u32>,
    pub usage: Usage,
}

impl Discovery {
    /// Of code of which it is known where its basic blocks begin (ascending) and where relocations are. None if any of
    /// it is not understood.
    pub fn of(code: &[u8], block_starts: &[u32], relocations: &[u32]) -> Option<Self> {
        let mut search = Search {
            code,
            block_starts,
            relocations,
            usage: Usage(InstructionInfoFactory::new()),
            found: Vec::with_capacity(code.len() / 4),
            instructions: Vec::with_capacity(code.len() / 4),
            runs: Vec::new(),
            waiting: vec![0],
            is_found: vec![false; code.len()],
            table_targets: Vec::new(),
        };
        search.run()?;
        let pieces = search.in_order()?;
        let Search { instructions, table_targets, usage, .. } = search;
        Some(Self { pieces, instructions, table_targets, usage })
    }
}

/// Follows the control flow from the entry, so that it never takes data for instructions.
struct Search<'a> {
    code: &'a [u8],
    block_starts: &'a [u32],
    relocations: &'a [u32],
    usage: Usage,
    /// In the order found. Targets are offsets still.
    found: Vec<Piece>,
    instructions: Vec<Instruction>,
    /// Parts of `found` that are in order, and without gaps.
    runs: Vec<Range<usize>>,
    /// Offsets of instructions to begin at.
    waiting: Vec<u32>,
    is_found: Vec<bool>,
    table_targets: Vec<u32>,
}

impl Search<'_> {
    fn run(&mut self) -> Option<()> {
        let code = self.code;
        let mut decoder = Decoder::new(64, code, DecoderOptions::NONE);
        while let Some(start) = self.waiting.pop() {
            decoder.set_position(start as usize).ok()?;
            decoder.set_ip(u64::from(start));
            let first = self.found.len();
            loop {
                let at = decoder.ip() as usize;
                if *self.is_found.get(at)? {
                    break;
                }
                self.is_found[at] = true;
                let instruction = decoder.decode();
                let distance_at = if instruction.is_ip_rel_memory_operand() {
                    decoder.get_constant_offsets(&instruction).displacement_offset() as u32
                } else {
                    instruction.len() as u32 - 4.min(instruction.len() as u32)
                };
                if !self.add(&instruction, distance_at)? {
                    break;
                }
            }
            if self.found.len() > first {
                self.runs.push(first..self.found.len());
            }
        }
        Some(())
    }

    /// Adds an instruction. Gives whether control may go on to the next. None if it is not understood.
    fn add(&mut self, instruction: &Instruction, distance_at: u32) -> Option<bool> {
        if instruction.is_invalid() {
            return None;
        }
        let (start, end) = (instruction.ip() as u32, instruction.next_ip() as u32);
        let is_relocated = self.relocations.iter().any(|at| (start..end).contains(at));
        let branch_target = || {
            let target = instruction.near_branch_target();
            (target < self.code.len() as u64 && !is_relocated).then_some(target as u32)
        };
        let mut target = None;
        let flow = match instruction.flow_control() {
            FlowControl::Next => Flow::Next,
            FlowControl::IndirectCall => Flow::Call,
            // To outside, where the relocation says.
            FlowControl::Call if is_relocated => Flow::Call,
            FlowControl::UnconditionalBranch if matches!(instruction.len(), 2 | 5) => {
                target = Some(branch_target()?);
                Flow::Jump
            }
            FlowControl::ConditionalBranch if matches!(instruction.len(), 2 | 6) => {
                target = Some(branch_target()?);
                Flow::Branch
            }
            FlowControl::IndirectBranch if self.is_table(instruction) => Flow::Table,
            FlowControl::IndirectBranch => Flow::TailCall,
            FlowControl::Return => Flow::Return,
            FlowControl::Exception => Flow::Nowhere,
            _ => return None,
        };
        self.waiting.extend(target);
        if instruction.is_ip_rel_memory_operand() && !is_relocated {
            let address = instruction.ip_rel_memory_address();
            target = Some((address < self.code.len() as u64).then_some(address as u32)?);
        }
        let (reads, writes, kills) = self.usage.of(instruction);
        let content = Content::Instruction(self.instructions.len() as u32, flow);
        self.instructions.push(*instruction);
        let is_short = matches!(flow, Flow::Jump | Flow::Branch) && end - start == SHORT_JUMP_BYTES;
        let new = if is_short { New::Short } else { New::Same };
        let piece = Piece { reads, writes, kills, target, distance_at, new, ..Piece::new(start, end - start, content) };
        self.found.push(piece);
        if flow == Flow::Table {
            self.add_table(end)?;
        }
        Some(matches!(flow, Flow::Next | Flow::Call | Flow::Branch))
    }

    /// Whether a jump is the last of the four instructions with which Cranelift goes by a table behind them.
    fn is_table(&self, jump: &Instruction) -> bool {
        let Some([lea, load, add]) = self.instructions.last_chunk() else { return false };
        lea.mnemonic() == Mnemonic::Lea
            && lea.is_ip_rel_memory_operand()
            && lea.ip_rel_memory_address() == jump.next_ip()
            && load.mnemonic() == Mnemonic::Movsxd
            && load.memory_base() == lea.op0_register()
            && add.mnemonic() == Mnemonic::Add
            && add.op0_register() == lea.op0_register()
            && jump.op0_register() == lea.op0_register()
    }

    /// Adds the jump table at `start`. It ends where the next block begins.
    fn add_table(&mut self, start: u32) -> Option<()> {
        let next = self.block_starts.partition_point(|&block| block < start);
        let end = *self.block_starts.get(next)?;
        let entries = self.code.get(start as usize..end as usize)?;
        if entries.is_empty() || !entries.len().is_multiple_of(TABLE_ENTRY_BYTES as usize) {
            return None;
        }
        let first = self.table_targets.len() as u32;
        for entry in entries.chunks_exact(TABLE_ENTRY_BYTES as usize) {
            let distance = i32::from_le_bytes(entry.try_into().ok()?);
            let target = start.checked_add_signed(distance)?;
            self.block_starts.binary_search(&target).ok()?;
            self.table_targets.push(target);
            self.waiting.push(target);
        }
        let content = Content::Table(first, self.table_targets.len() as u32);
        self.found.push(Piece::new(start, end - start, content));
        Some(())
    }

    /// What has been found in the order of offsets, with data between. None if instructions overlap.
    fn in_order(&mut self) -> Option<Vec<Piece>> {
        let bytes = self.code.len() as u32;
        self.runs.sort_by_key(|run| self.found[run.start].start);
        let mut pieces: Vec<Piece> = Vec::with_capacity(self.found.len() + self.runs.len());
        let mut at = 0;
        for run in &self.runs {
            let run = &self.found[run.clone()];
            let start = run[0].start;
            if start > at {
                pieces.push(Piece::new(at, start - at, Content::Data));
            } else if start < at {
                return None;
            }
            at = run[run.len() - 1].end();
            pieces.extend_from_slice(run);
        }
        if at > bytes {
            return None;
        }
        if at < bytes {
            pieces.push(Piece::new(at, bytes - at, Content::Data));
        }
        Some(pieces)
    }
}
