//! From words to decoded instructions: finds the row, asks yaxpeax-arm whether it agrees, makes the arguments.

use crate::{
    Args, Word,
    table::{self, FlowKind, Row},
    yaxpeax,
};
use ir::{Flow, Frontend, GuestAddr, LiftFn, Lifted, Ops};
use std::sync::OnceLock;

/// The AArch64 front end.
#[derive(Clone, Copy, Debug)]
pub struct A64;

/// A decoded instruction.
#[derive(Clone, Copy, Debug)]
pub struct Insn {
    row: &'static Row,
    args: Args,
}

impl Insn {
    /// The table row.
    #[must_use]
    pub fn row(&self) -> &'static Row {
        self.row
    }
}

/// Rows by bits 31 to 21 of the word. It is made at each start, so it is kept small.
struct Index {
    /// All rows, those that fix more bits first.
    all: Vec<&'static Row>,
    /// Where in `numbers` the rows of each key begin.
    starts: Vec<u16>,
    /// Numbers of rows in `all`.
    numbers: Vec<u16>,
}

const KEY_SHIFT: u32 = 21;
const KEYS: usize = 1 << (32 - KEY_SHIFT);

/// The keys of words that a row matches.
fn keys(row: &Row) -> impl Iterator<Item = usize> {
    let free = !(row.pattern.mask >> KEY_SHIFT) as usize & (KEYS - 1);
    let value = (row.pattern.value >> KEY_SHIFT) as usize;
    // Counts through the subsets of the free bits.
    let next = move |&subset: &usize| Some(subset.wrapping_sub(free) & free).filter(|&next| next != 0);
    std::iter::successors(Some(0), next).map(move |subset| value | subset)
}

impl Index {
    fn build() -> Self {
        let mut all: Vec<&'static Row> = table::rows().collect();
        all.sort_by_key(|row| std::cmp::Reverse(row.pattern.mask.count_ones()));
        let mut starts = vec![0u16; KEYS + 1];
        for row in &all {
            keys(row).for_each(|key| starts[key + 1] += 1);
        }
        for key in 0..KEYS {
            starts[key + 1] += starts[key];
        }
        let mut ends = starts.clone();
        let mut numbers = vec![0u16; usize::from(starts[KEYS])];
        for (number, row) in all.iter().enumerate() {
            for key in keys(row) {
                numbers[usize::from(ends[key])] = number as u16;
                ends[key] += 1;
            }
        }
        Self { all, starts, numbers }
    }

    fn candidates(&self, bits: u32) -> impl Iterator<Item = &'static Row> {
        let key = (bits >> KEY_SHIFT) as usize;
        let numbers = &self.numbers[usize::from(self.starts[key])..usize::from(self.starts[key + 1])];
        numbers.iter().map(|&number| self.all[usize::from(number)])
    }
}

fn find(word: Word) -> Option<(&'static Row, Args)> {
    static INDEX: OnceLock<Index> = OnceLock::new();
    let row = INDEX.get_or_init(Index::build).candidates(word.bits).find(|row| row.pattern.matches(word.bits))?;
    // The second opinion: with a row that has a wrong bit the guest would do something else unnoticed.
    if let Some(is_opcode) = row.is_opcode
        && !yaxpeax::opcode(word).is_some_and(is_opcode)
    {
        return None;
    }
    Some((row, (row.arguments)(word)?))
}

impl Frontend for A64 {
    type Insn = Insn;
    type Args = Args;

    fn decode(bits: u32, pc: GuestAddr) -> Insn {
        let word = Word { bits, pc };
        let (row, args) = find(word).unwrap_or_else(|| (table::system::undefined_row(), Args::undefined(word)));
        Insn { row, args }
    }

    fn flow(insn: &Insn, pc: GuestAddr) -> Flow {
        match insn.row.flow {
            FlowKind::Next => Flow::Next,
            FlowKind::Jump => Flow::Jump(insn.args.target()),
            FlowKind::Branch if insn.args.target() == pc.offset(4) => Flow::Jump(pc.offset(4)),
            FlowKind::Branch => Flow::Branch(insn.args.target()),
            FlowKind::Call => Flow::Call(insn.args.target()),
            FlowKind::Indirect => Flow::Indirect,
            FlowKind::IndirectCall => Flow::IndirectCall,
            FlowKind::Return => Flow::Return,
            FlowKind::Stop => Flow::Stop,
        }
    }

    fn lift<O: Ops>(insn: &Insn, ops: &mut O) -> Lifted<O> {
        table::lift(insn.row, ops, &insn.args)
    }

    fn lifter(insn: &Insn) -> (LiftFn<Self>, &Args) {
        (insn.row.eval, &insn.args)
    }

    fn name(insn: &Insn) -> &'static str {
        insn.row.name
    }

    fn disassemble(bits: u32, pc: GuestAddr) -> String {
        let word = Word { bits, pc };
        // For people (`-d in_asm`, reports of deaths), who want operands: the table has no text for these.
        yaxpeax::text(word).unwrap_or_else(|| match find(word) {
            Some((row, _)) => row.name.to_owned(),
            None => format!(".inst {bits:#010x}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_can_be_reached_and_agrees_with_yaxpeax() {
        let mut random = 0x9e37_79b9_7f4a_7c15u64;
        for row in table::rows() {
            let reached = (0..4000).any(|_| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let word = row.random_word((random >> 32) as u32);
                std::ptr::eq(A64::decode(word, GuestAddr(0)).row, row)
            });
            assert!(reached, "{}: no word of the row decodes to it", row.name);
        }
    }

    #[test]
    fn no_valid_word_is_lost_to_yaxpeax() {
        let mut random = 7u64;
        let mut lost = Vec::new();
        for row in table::rows() {
            let Some(is_opcode) = row.is_opcode else { continue };
            for _ in 0..2000 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let word = Word { bits: row.random_word((random >> 32) as u32), pc: GuestAddr(0) };
                let taken = A64::decode(word.bits, word.pc).row;
                let wanted = (row.arguments)(word).is_some() && (std::ptr::eq(taken, row) || taken.name == "UDF");
                if wanted && !yaxpeax::opcode(word).is_some_and(is_opcode) {
                    lost.push(format!("{}: {:#010x} is {:?}", row.name, word.bits, yaxpeax::opcode(word)));
                    break;
                }
            }
        }
        assert!(lost.is_empty(), "words that the row takes and yaxpeax-arm refuses or calls something else: {lost:#?}");
    }

    #[test]
    fn no_word_panics() {
        let mut random = 1u64;
        for _ in 0..200_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let word = (random >> 32) as u32;
            let _ = A64::decode(word, GuestAddr(0x1000));
            let _ = A64::disassemble(word, GuestAddr(0x1000));
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = table::rows().map(|row| row.name).collect();
        names.sort_unstable();
        let before = names.len();
        names.dedup();
        assert_eq!(names.len(), before);
    }
}
