//! Random programs: basic blocks of random instructions joined by every kind of branch. Every program ends, because
//! whatever can go backwards takes from X27 first and leaves when that is used up. Knows encodings of its own branches,
//! and otherwise only the instruction table; must not know how programs are run.

mod items;
mod leaving;

use super::random::Random;
use super::registers::reads_counter;
use frontend::A64;
use frontend::table::{Class, FlowKind, Row, rows};
use ir::{Footprint, Frontend, GuestAddr};

/// X26: the middle of the data.
pub const DATA: u32 = 26;
/// X27: how many more steps may go backwards.
pub const FUEL: u32 = 27;
/// X30 is written by calls and by what takes it from the stack; it always holds the address of a block.
pub const LINK: u32 = 30;
/// Not written by random instructions.
const RESERVED: u32 = 1 << DATA | 1 << FUEL | 1 << LINK | 1 << 31;
/// The most that X27 may start with.
pub const MAX_FUEL: u64 = 100;
/// Blocks of a program at most.
const MAX_BLOCKS: u64 = 20;
/// Bytes below and above the start of SP that a program can reach: one entry for each block it runs.
pub const STACK_BYTES: u64 = 16 * MAX_BLOCKS * (MAX_FUEL + 2);
/// Bytes below and above X26 that may be used, of which the outermost page on each side may fault.
pub const DATA_REACH: u64 = 12 << 10;
/// BRK's immediate at the end.
pub const END: i32 = 0xe0d;
/// Where a program writes its own code: so much above where it runs.
pub const ALIAS: u64 = 16 << 20;

const NOP: u32 = 0xd503_201f;
/// Registers for addresses of branches and tables.
const TARGET: u32 = 24;
const OTHER: u32 = 25;

/// A program.
#[derive(Clone)]
pub struct Program {
    pub words: Vec<u32>,
    /// Index of each block's first word. The last is the end.
    pub blocks: Vec<usize>,
    /// Words that may become NOP: all but branches and what keeps the program finite.
    pub removable: Vec<bool>,
    /// Whether it writes its own code.
    pub rewrites: bool,
}

impl Program {
    /// The program without the word at `index`.
    pub fn without(&self, index: usize) -> Self {
        let mut shorter = self.clone();
        shorter.words[index] = NOP;
        shorter.removable[index] = false;
        shorter
    }
}

/// A place that needs a block's address.
enum Fix {
    Branch26,
    Branch19,
    Branch14,
    Adr,
    /// The address itself, in two words.
    Absolute,
    /// The distance from a word.
    Relative(usize),
}

struct Maker<'r> {
    random: &'r mut Random,
    code: u64,
    words: Vec<u32>,
    removable: Vec<bool>,
    fixes: Vec<(usize, usize, Fix)>,
    /// Tables come after the code: where their address is wanted, and what is in them.
    tables: Vec<(usize, Vec<usize>, bool)>,
    /// ADRs that want the address of a word to change.
    patches: Vec<usize>,
    rewrites: bool,
    /// The first of the blocks that make up short functions, which mostly return and are mostly what is called.
    functions: usize,
    end: usize,
}

/// A program that runs at `code`.
pub fn program(random: &mut Random, code: u64) -> Program {
    let count = 2 + random.below(MAX_BLOCKS - 1) as usize;
    let rewrites = random.below(5) == 0;
    let longest = 2 + random.below(16);
    let functions = if random.below(2) == 0 { count / 3 } else { count };
    let (words, removable, fixes, tables, patches) = Default::default();
    let mut maker = Maker { random, code, words, removable, fixes, tables, patches, rewrites, functions, end: count };
    let mut blocks = Vec::new();
    for index in 0..count {
        blocks.push(maker.words.len());
        let is_function = index >= functions;
        for _ in 0..maker.random.below(if is_function { 4 } else { longest }) {
            maker.item();
        }
        if is_function && maker.random.below(8) != 0 {
            maker.leave_in_function(index);
        } else {
            maker.leave(index);
        }
    }
    blocks.push(maker.words.len());
    maker.fixed(0xd420_0000 | (END as u32) << 5);
    maker.place_tables();
    maker.fix(&blocks);
    Program { words: maker.words, blocks, removable: maker.removable, rewrites }
}

fn add_imm(rd: u32, rn: u32, imm: u32) -> u32 {
    0x9100_0000 | imm << 10 | rn << 5 | rd
}

fn sub_imm(rd: u32, rn: u32, imm: u32) -> u32 {
    0xd100_0000 | imm << 10 | rn << 5 | rd
}

/// Rows of a class.
fn class(which: Class) -> Vec<&'static Row> {
    rows().filter(|row| row.class == which && row.flow == FlowKind::Next).collect()
}

fn random_row(random: &mut Random, which: Class) -> &'static Row {
    use std::sync::OnceLock;
    static BY_CLASS: OnceLock<Vec<(Class, Vec<&'static Row>)>> = OnceLock::new();
    let all = BY_CLASS.get_or_init(|| {
        let classes = rows().map(|row| row.class);
        let mut seen: Vec<(Class, Vec<&'static Row>)> = Vec::new();
        for one in classes {
            if seen.iter().all(|(known, _)| *known != one) {
                seen.push((one, class(one)));
            }
        }
        seen
    });
    let (_, rows) = all.iter().find(|(known, _)| *known == which).expect("every class has rows");
    rows[random.below(rows.len() as u64) as usize]
}

/// MRS of FPSR: compiled code may raise an exception that the program does not get to
/// (docs/design/floating-point.md).
fn reads_exceptions(word: u32) -> bool {
    word & 0xffff_ffe0 == 0xd53b_4420
}

/// Whether random code may contain the word: it leaves the reserved registers alone and always does the same.
fn is_allowed(word: u32, row: &Row) -> bool {
    let insn = A64::decode(word, GuestAddr(0));
    let mut footprint = Footprint::default();
    let Ok(()) = A64::lift(&insn, &mut footprint);
    let always_same = !reads_counter(word) && !reads_exceptions(word);
    insn.row().name == row.name && footprint.writes.x & RESERVED == 0 && always_same
}

impl Maker<'_> {
    fn fixed(&mut self, word: u32) {
        self.words.push(word);
        self.removable.push(false);
    }

    fn word(&mut self, word: u32) {
        self.words.push(word);
        self.removable.push(true);
    }

    /// A general register that random code may write.
    fn register(&mut self) -> u32 {
        self.random.below(24) as u32
    }
}
