//! Random programs: basic blocks of random instructions joined by every kind of branch. Every program ends, because
//! whatever can go backwards takes from X27 first and leaves when that is used up. Knows encodings of its own branches,
//! and otherwise only the instruction table; must not know how programs are run.

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

    fn item(&mut self) {
        match self.random.below(100) {
            0..48 => self.data_processing(),
            48..52 => self.counted_loop(),
            52..60 => self.fp_chain(),
            60..85 => self.access(),
            85..88 => self.compare(),
            88..90 => self.wild_access(),
            90..93 => self.fixed(0xf81f_0ffe), // str x30, [sp, #-16]!
            93..96 => self.fixed(0xf841_07fe), // ldr x30, [sp], #16
            96 => self.stop(),
            97 => self.fp_mode(),
            98 => self.invalidate(),
            _ => self.rewrite(),
        }
    }

    fn data_processing(&mut self) {
        let which = match self.random.below(64) {
            0..18 => Class::DataImm,
            18..38 => Class::DataReg,
            38..45 => Class::Fp,
            45..50 => Class::SimdThree,
            50..52 => Class::SimdLong,
            52..55 => Class::SimdMisc,
            55..58 => Class::SimdShift,
            58..61 => Class::SimdPermute,
            61 => Class::SimdCrypto,
            _ => Class::System,
        };
        loop {
            let row = random_row(self.random, which);
            let word = row.random_word(self.random.next() as u32);
            // Operations on addresses in registers of their own are made elsewhere.
            if !row.name.starts_with("DC_") && is_allowed(word, row) {
                return self.word(word);
            }
        }
    }

    /// Floating-point operations that use each other's results, of which many are NaNs or barely normal, and among them
    /// what looks at a result's bits. Sometimes a comparison at the end.
    fn fp_chain(&mut self) {
        let fields = |n: u32, m: u32, d: u32| m << 16 | n << 5 | d;
        let is_double = self.random.below(2) as u32;
        for _ in 0..3 + self.random.below(10) {
            let mut v = || self.random.below(5) as u32;
            let (n, m, a, d) = (v(), v(), v(), v());
            let word = match self.random.below(20) {
                // ldr q, [DATA, #imm]
                0..3 => 0x3dc0_0000 | (self.random.below(64) as u32) << 10 | DATA << 5 | d,
                // fmul, fdiv, fadd, fsub; fnmul
                3..9 => 0x1e20_0800 | is_double << 22 | (self.random.below(4) as u32) << 12 | fields(n, m, d),
                9 => 0x1e20_8800 | is_double << 22 | fields(n, m, d),
                // fmadd, fmsub, fnmadd, fnmsub
                10..13 => {
                    let signs = self.random.below(4) as u32;
                    0x1f00_0000 | is_double << 22 | (signs & 1) << 15 | (signs >> 1) << 21 | a << 10 | fields(n, m, d)
                }
                // fsqrt
                13 => 0x1e21_c000 | is_double << 22 | fields(n, 0, d),
                // fadd, fsub, fmul, fdiv, fmla, fabd by lanes
                14..17 => {
                    let words = [0x0e20_d400, 0x0ea0_d400, 0x2e20_dc00, 0x2e20_fc00, 0x0e20_cc00, 0x2ea0_d400];
                    let full = is_double | self.random.below(2) as u32;
                    words[self.random.below(6) as usize] | full << 30 | is_double << 22 | fields(n, m, d)
                }
                _ => {
                    let which = [Class::Fp, Class::SimdThree, Class::SimdMisc, Class::SimdPermute];
                    let which = which[self.random.below(4) as usize];
                    let row = random_row(self.random, which);
                    let word = row.random_word(self.random.next() as u32);
                    let near = word & !fields(31, 31, 31) | fields(n, m, d);
                    let word = if row.pattern.matches(near) { near } else { word };
                    if !row.pattern.matches(word) || !is_allowed(word, row) {
                        continue;
                    }
                    word
                }
            };
            self.word(word);
        }
        if self.random.below(2) == 0 {
            // fadd; fcmp with another or with zero; str xzr, [DATA]: the flags live on to accesses that may fault.
            let (n, m, d) = (self.random.below(5) as u32, self.random.below(5) as u32, self.random.below(5) as u32);
            let other = if self.random.below(2) == 0 { 8 } else { m << 16 };
            self.word(0x1e20_2800 | is_double << 22 | fields(n, m, d));
            self.word(0x1e20_2000 | is_double << 22 | d << 5 | other);
            self.word(0xf900_0000 | DATA << 5 | 31);
            if self.random.below(4) == 0 { self.wild_access() } else { self.access() }
        }
    }

    /// A load or store whose base is `base`, with a small offset.
    fn access_word(&mut self, base: u32) -> (u32, Option<u32>) {
        if self.random.below(32) == 0 {
            return (0xd50b_7420 | base, None); // dc zva, base
        }
        loop {
            let which = match self.random.below(10) {
                0..6 => Class::LoadStore,
                6..8 => Class::Atomics,
                _ => Class::SimdLoadStore,
            };
            let row = random_row(self.random, which);
            let mut word = row.random_word(self.random.next() as u32);
            let mut index = None;
            if row.name.contains("_lit") {
                word &= !(0x7ffc0 << 5) | row.pattern.mask;
            } else {
                word = word & !(31 << 5) | base << 5;
                if row.name.contains("_imm") && which == Class::LoadStore {
                    word &= !(0x3f << 16);
                }
                if row.name.contains("_reg") {
                    let register = (base + 1) % 24;
                    word = word & !(31 << 16) | register << 16;
                    index = Some(register);
                }
            }
            if row.pattern.matches(word) && is_allowed(word, row) {
                return (word, index);
            }
        }
    }

    fn access(&mut self) {
        let base = self.register();
        let distance = 16 * self.random.below(256) as u32;
        let address = if self.random.below(2) == 0 { add_imm } else { sub_imm };
        self.word(address(base, DATA, distance));
        // Several through the same base, as compilers make them.
        for _ in 0..1 + self.random.below(3) {
            let (word, index) = self.access_word(base);
            if let Some(index) = index {
                self.word(0x9240_0000 | 60 << 16 | 4 << 10 | index << 5 | index); // and index, index, #0x1f0
            }
            self.word(word);
        }
    }

    /// A load or store that is likely to fault.
    fn wild_access(&mut self) {
        let base = self.register();
        let near = self.random.below(40) as u32;
        match self.random.below(6) {
            // Below the lowest address that can be mapped.
            0 => {
                let address = self.random.below(4096) as u32;
                self.word(0xd280_0000 | address << 5 | base);
            }
            // About the start of the page that cannot be read, and of the one that cannot be written.
            1 => {
                self.word(add_imm(base, DATA, 2) | 1 << 22);
                self.word(sub_imm(base, base, near));
            }
            2 => {
                self.word(sub_imm(base, DATA, 2) | 1 << 22);
                self.word(sub_imm(base, base, near));
            }
            // Not an address at all.
            3 => {
                self.word(add_imm(base, DATA, near));
                self.word(0xf2e0_0000 | 0xdead << 5 | base);
            }
            4 => self.word(add_imm(base, DATA, 1 + near)),
            _ => {}
        }
        let (word, _) = self.access_word(base);
        self.word(word);
    }

    /// A loop of one block that walks through memory, mostly towards pages that fault, a few turns long: X25 counts
    /// them.
    fn counted_loop(&mut self) {
        let base = self.register();
        let (near, pages) = (self.random.below(160) as u32, self.random.below(3) as u32);
        if self.random.below(2) == 0 {
            self.word(add_imm(base, DATA, pages) | 1 << 22);
            self.word(sub_imm(base, base, near));
        } else {
            self.word(sub_imm(base, DATA, pages) | 1 << 22);
            self.word(add_imm(base, base, near));
        }
        let index = (base + 1) % 24;
        self.word(0x9240_0000 | 60 << 16 | 4 << 10 | index << 5 | index); // and index, index, #0x1f0
        let turns = 1 + self.random.below(24) as u32;
        self.fixed(0xd280_0000 | turns << 5 | OTHER);
        let start = self.words.len();
        if self.random.below(2) == 0 {
            self.update_in_loop(base);
        } else {
            for _ in 0..1 + self.random.below(7) {
                self.in_loop(base, index);
            }
        }
        // Nothing else may change the counter.
        for place in start..self.words.len() {
            let mut footprint = Footprint::default();
            let Ok(()) = A64::lift(&A64::decode(self.words[place], GuestAddr(0)), &mut footprint);
            if footprint.writes.x >> OTHER & 1 != 0 {
                self.words[place] = NOP;
            }
        }
        let (mut back, register) = (0xb500_0000 | OTHER, self.register()); // cbnz x25
        match self.random.below(4) {
            0 => self.fixed(sub_imm(OTHER, OTHER, 1)),
            1 => {
                self.word(0xeb00_001f | register << 16 | base << 5); // cmp base, register
                self.fixed(sub_imm(OTHER, OTHER, 1));
            }
            2 => {
                self.fixed(sub_imm(OTHER, OTHER, 1) | 1 << 29);
                back = 0x5400_0001; // b.ne
            }
            _ => {
                self.fixed(sub_imm(OTHER, OTHER, 1));
                self.fixed(0x7100_001f | OTHER << 5); // cmp w25, #0
                back = 0x5400_000c; // b.gt
            }
        }
        let distance = start.wrapping_sub(self.words.len()) as u32 & 0x7_ffff;
        self.fixed(back | distance << 5);
    }

    /// What a loop does that changes memory in place, and then uses memory at `base`, which may fault: what it had
    /// loaded cannot be loaded again.
    fn update_in_loop(&mut self, base: u32) {
        for _ in 0..1 + self.random.below(3) {
            let (value, offset) = (self.register(), (self.random.below(4) as u32) << 10);
            match self.random.below(4) {
                0 => {
                    self.word(0x3dc0_0000 | offset << 2 | DATA << 5 | value); // ldr q, [x26, #offset]
                    self.word(0x4e20_8400 | value << 16 | value << 5 | value); // add v.16b, v.16b, v.16b
                    self.word(0x3d80_0000 | offset << 2 | DATA << 5 | value); // str q, [x26, #offset]
                }
                1 => {
                    self.word(0x3980_0000 | offset | DATA << 5 | value); // ldrsb value, [x26, #offset]
                    self.word(add_imm(value, value, 5));
                    self.word(0x3900_0000 | offset | DATA << 5 | value); // strb value, [x26, #offset]
                }
                2 => {
                    self.word(0xfd40_0000 | offset | DATA << 5 | value); // ldr d, [x26, #offset]
                    self.word(0x5ee0_8400 | value << 16 | value << 5 | value); // add d, d, d
                    self.word(0xfd00_0000 | offset | DATA << 5 | value); // str d, [x26, #offset]
                }
                _ => {
                    self.word(0xf940_0000 | offset | DATA << 5 | value); // ldr value, [x26, #offset]
                    self.word(add_imm(value, value, 3));
                    self.word(0xf900_0000 | offset | DATA << 5 | value); // str value, [x26, #offset]
                }
            }
            if self.random.below(3) == 0 {
                self.data_processing();
            }
        }
        let other = self.register();
        match self.random.below(4) {
            0 => self.word(0xa881_0000 | DATA << 10 | base << 5 | other), // stp other, x26, [base], #16
            1 => self.word(0xf801_0400 | base << 5 | other),              // str other, [base], #16
            2 => {
                self.word(0xf940_0000 | base << 5 | other); // ldr other, [base]
                self.word(0xf801_0400 | base << 5 | other); // str other, [base], #16
            }
            _ => {
                self.word(0x3c81_0400 | base << 5 | other); // str q, [base], #16
                self.word(0xf85f_0000 | base << 5 | other); // ldur other, [base, #-16]
            }
        }
    }

    /// Something in a loop that goes through memory by `base`, or by `index` from it.
    fn in_loop(&mut self, base: u32, index: u32) {
        let (other, step) = (self.register(), [1, 8, 16, 48, 4095][self.random.below(5) as usize]);
        match self.random.below(16) {
            0..4 => {
                let (word, _) = self.access_word(base);
                self.word(word);
            }
            4 => self.word(add_imm(base, base, step)),
            5 => self.word(sub_imm(base, base, step)),
            6 => self.word(add_imm(index, index, step)),
            7 => self.word(0xf820_6800 | index << 16 | base << 5 | other), // str other, [base, index]
            8 => self.word(0x3ce0_6800 | index << 16 | base << 5 | other), // ldr q, [base, index]
            9 => self.word(0x3c81_0400 | base << 5 | other),               // str q, [base], #16
            10 => self.word(0xf841_0400 | base << 5 | other),              // ldr other, [base], #16
            11 => self.word(0xf81f_0c00 | base << 5 | other),              // str other, [base, #-16]!
            // The base out of memory.
            12 => self.word(0xf940_0000 | DATA << 5 | base),
            13 => self.fp_chain(),
            _ => self.data_processing(),
        }
    }

    /// Sets flags, perhaps overwrites what they were made of, and goes on to what may fault or look at them.
    fn compare(&mut self) {
        let (a, b) = (self.register(), self.register());
        match self.random.below(4) {
            // Values that are often equal.
            0 | 1 => self.word(0x9240_0400 | a << 5 | a), // and a, a, #3
            2 => self.word(0xaa00_03e0 | a << 16 | b),    // mov b, a
            _ => {}
        }
        let wide = (self.random.below(2) as u32) << 31;
        let (imm, low) = ((self.random.below(4) as u32) << 10, self.random.below(32) as u32);
        let set = match self.random.below(10) {
            0 | 1 => 0x7100_001f | imm | a << 5,                                  // cmp a, #imm
            2 => 0x3100_001f | imm | a << 5,                                      // cmn a, #imm
            3 => 0x6b00_001f | b << 16 | a << 5,                                  // cmp a, b
            4 => 0x6b00_001f | b << 16 | low << 10 | a << 5,                      // cmp a, b, lsl #low
            5 => 0x6b20_001f | b << 16 | (low & 7) << 13 | a << 5,                // cmp a, b, extended
            6 => 0x6a00_001f | b << 16 | a << 5,                                  // tst a, b
            7 => [0x7100_0000, 0x3100_0000][low as usize & 1] | imm | a << 5 | a, // subs, adds a, a, #imm
            8 => 0x6b00_0000 | b << 16 | a << 5 | b,                              // subs b, a, b
            _ => 0x6a00_0000 | b << 16 | a << 5 | a,                              // ands a, a, b
        };
        self.word(set | wide);
        if self.random.below(4) == 0 {
            let (cond, nzcv) = (self.random.below(16) as u32, self.random.below(16) as u32);
            let form = [0x7a40_0000 | b << 16, 0x7a40_0800 | low << 16][self.random.below(2) as usize];
            self.word(form | wide | cond << 12 | a << 5 | nzcv); // ccmp
        }
        if self.random.below(2) == 0 {
            // A store ends a segment (`backend/src/checkpoint.rs`): the flags live on into the next.
            self.word(0xf900_0000 | low << 10 | DATA << 5 | b); // str b, [x26, #8 * low]
        }
        for _ in 0..self.random.below(4) {
            match self.random.below(6) {
                0 => self.word(add_imm(a, a, 8)),
                1 => self.word(sub_imm(b, b, 8)),
                2 => self.word(0xaa00_03e0 | b << 16 | a), // mov a, b
                3 => {
                    let cond = [0, 1, self.random.below(14) as u32][self.random.below(3) as usize];
                    self.fixed(0x5400_0040 | cond); // over the next
                    self.word(add_imm(b, a, 1));
                }
                4 => self.access(),
                _ => self.data_processing(),
            }
        }
        self.wild_access();
    }

    fn stop(&mut self) {
        let imm = (self.random.below(100) as u32) << 5;
        let word = [0xd400_0001 | imm, 0xd420_0000 | imm, imm >> 5][self.random.below(3) as usize];
        self.word(word);
    }

    /// Sets the rounding mode, default NaN, and seldom flush-to-zero; or clears the exception flags.
    fn fp_mode(&mut self) {
        let register = self.register();
        let mode = match self.random.below(8) {
            0 => 4,
            1 | 2 => 0,
            _ => self.random.below(16) as u32 & 0b1011,
        };
        if self.random.below(3) == 0 {
            self.word(0xd51b_4420 | 31);
        } else {
            self.word(0xd2a0_0000 | mode << (6 + 5) | register);
            self.word(0xd51b_4400 | register);
        }
    }

    fn adr(&mut self, register: u32, block: usize) {
        self.fixes.push((self.words.len(), block, Fix::Adr));
        self.fixed(0x1000_0000 | register);
    }

    /// IC IVAU of some block.
    fn invalidate(&mut self) {
        let block = self.any_block();
        self.adr(TARGET, block);
        self.word(0xd50b_7520 | TARGET);
    }

    /// Changes the immediate of an addition, and says so.
    fn rewrite(&mut self) {
        if !self.rewrites {
            return self.data_processing();
        }
        let register = self.register();
        // One to change, in case there is no other.
        self.word(add_imm(register, register, 7));
        self.patches.push(self.words.len());
        self.fixed(0x1000_0000 | TARGET);
        for word in [
            0xd2a0_0000 | ((ALIAS >> 16) as u32) << 5 | OTHER, // movz x25, #ALIAS
            0x8b00_0000 | OTHER << 16 | TARGET << 5 | OTHER,   // add x25, x24, x25
            0xb940_0000 | OTHER << 5 | register,               // ldr w, [x25]
            0x5216_0000 | register << 5 | register,            // eor w, w, #0x400
            0xb900_0000 | OTHER << 5 | register,               // str w, [x25]
        ] {
            self.fixed(word);
        }
        self.fixed(0xd50b_7520 | TARGET); // ic ivau, x24
    }

    fn any_block(&mut self) -> usize {
        self.random.below(self.end as u64 + 1) as usize
    }

    fn branch(&mut self, word: u32, block: usize, fix: Fix) {
        self.fixes.push((self.words.len(), block, fix));
        self.fixed(word);
    }

    /// Leaves for the end if X27 is used up.
    fn burn(&mut self) {
        let end = self.end;
        match self.random.below(4) {
            0 => {
                self.fixed(sub_imm(FUEL, FUEL, 1) | 1 << 29);
                self.branch(0x5400_000d, end, Fix::Branch19); // b.le
            }
            1 => {
                self.fixed(sub_imm(FUEL, FUEL, 1));
                self.branch(0xb7f8_0000 | FUEL, end, Fix::Branch14); // tbnz x27, #63
            }
            _ => {
                self.fixed(sub_imm(FUEL, FUEL, 1));
                // TBNZ in another place may have let it become zero and go on.
                self.branch(0xb7f8_0000 | FUEL, end, Fix::Branch14);
                self.branch(0xb400_0000 | FUEL, end, Fix::Branch19); // cbz
            }
        }
    }

    /// A block to call.
    fn function(&mut self) -> usize {
        if self.functions == self.end || self.random.below(8) == 0 {
            return self.any_block();
        }
        self.functions + self.random.below((self.end - self.functions) as u64) as usize
    }

    /// Ends a block of a function: it returns, perhaps elsewhere, or goes on in the next blocks, or calls.
    fn leave_in_function(&mut self, index: usize) {
        let target = self.end.min(index + 1 + self.random.below(2) as usize);
        match self.random.below(16) {
            0 => {}
            1 => self.branch(0x1400_0000, target, Fix::Branch26),
            2..5 => {
                let (register, form) = (self.register(), self.random.below(4) as u32);
                self.branch(0x3400_0000 | (form & 1) << 24 | (form >> 1) << 31 | register, target, Fix::Branch19);
            }
            5..8 => {
                let called = self.function();
                self.burn();
                self.branch(0x9400_0000, called, Fix::Branch26); // bl
            }
            8 => {
                let called = self.function();
                self.burn();
                self.adr(TARGET, called);
                self.fixed(0xd63f_0000 | TARGET << 5); // blr x24
            }
            9 => {
                let elsewhere = self.any_block();
                self.burn();
                if self.random.below(2) == 0 {
                    // In half of the returns.
                    let register = self.register();
                    self.fixed(0x3600_0040 | register); // tbz w, #0, over the next
                }
                self.adr(LINK, elsewhere);
                self.fixed(0xd65f_03c0);
            }
            _ => {
                self.burn();
                self.fixed(0xd65f_03c0);
            }
        }
    }

    /// Ends the block at `index`.
    fn leave(&mut self, index: usize) {
        let kind = self.random.below(40);
        let target = if (22..30).contains(&kind) { self.function() } else { self.any_block() };
        if kind >= 22 || target <= index {
            self.burn();
        }
        let register = self.random.below(31) as u32;
        match kind {
            0..3 if target == index + 1 || self.random.below(2) == 0 => {}
            0..5 => self.branch(0x1400_0000, target, Fix::Branch26),
            5..11 => {
                let condition = self.random.below(16) as u32;
                self.branch(0x5400_0000 | condition, target, Fix::Branch19);
            }
            11..16 => {
                let form = self.random.below(4) as u32;
                self.branch(0x3400_0000 | (form & 1) << 24 | (form >> 1) << 31 | register, target, Fix::Branch19);
            }
            16..20 => {
                let (bit, set) = (self.random.below(64) as u32, self.random.below(2) as u32);
                let word = 0x3600_0000 | set << 24 | bit >> 5 << 31 | (bit & 31) << 19 | register;
                self.branch(word, target, Fix::Branch14);
            }
            20..22 => {
                // Both ways to the same place, or a comparison right before its branch.
                let (a, b) = (self.register(), self.register());
                self.fixed(0xeb00_001f | a << 16 | b << 5); // cmp
                let condition = self.random.below(14) as u32;
                self.branch(0x5400_0000 | condition, target, Fix::Branch19);
                let second = self.random.below(14) as u32;
                self.branch(0x5400_0000 | second, self.end.min(index + 1), Fix::Branch19);
            }
            22..28 => self.branch(0x9400_0000, target, Fix::Branch26), // bl
            28..30 => {
                let via = if self.random.below(3) == 0 { LINK } else { TARGET };
                self.adr(via, target);
                self.fixed(0xd63f_0000 | via << 5); // blr
            }
            30..32 => {
                self.adr(TARGET, target);
                self.fixed(0xd61f_0000 | TARGET << 5); // br
            }
            32..34 => self.jump_by_table(),
            34 => {
                self.adr(TARGET, target);
                self.fixed(0xd65f_0000 | TARGET << 5); // ret x24
            }
            35 => {
                // BL to the next instruction.
                self.fixed(0x9400_0001);
                self.branch(0x1400_0000, target, Fix::Branch26);
            }
            36 => {
                // Return past the call.
                self.fixed(0xd61f_0000 | LINK << 5); // br x30
            }
            _ => self.fixed(0xd65f_03c0), // ret
        }
    }

    fn jump_by_table(&mut self) {
        let relative = self.random.below(2) == 0;
        let entries = (0..8).map(|_| self.any_block()).collect();
        let selector = self.random.below(31) as u32;
        self.fixed(0x9240_0800 | selector << 5 | OTHER); // and x25, x, #7
        self.tables.push((self.words.len(), entries, relative));
        self.fixed(0x1000_0000 | TARGET);
        if relative {
            self.fixed(0xb8a0_7800 | OTHER << 16 | TARGET << 5 | OTHER); // ldrsw x25, [x24, x25, lsl 2]
            self.fixed(0x8b00_0000 | OTHER << 16 | TARGET << 5 | TARGET); // add x24, x24, x25
        } else {
            self.fixed(0xf860_7800 | OTHER << 16 | TARGET << 5 | TARGET); // ldr x24, [x24, x25, lsl 3]
        }
        self.fixed(0xd61f_0000 | TARGET << 5);
    }

    fn place_tables(&mut self) {
        for (user, entries, relative) in std::mem::take(&mut self.tables) {
            if !self.words.len().is_multiple_of(2) {
                self.fixed(0);
            }
            let start = self.words.len();
            self.words[user] |= adr_offset(user, start);
            for block in entries {
                let fix = if relative { Fix::Relative(start) } else { Fix::Absolute };
                self.fixes.push((self.words.len(), block, fix));
                self.fixed(0);
                if !relative {
                    self.fixed(0);
                }
            }
        }
    }

    fn fix(&mut self, blocks: &[usize]) {
        for (place, block, fix) in std::mem::take(&mut self.fixes) {
            let (target, distance) = (blocks[block], blocks[block].wrapping_sub(place) as u32);
            match fix {
                Fix::Branch26 => self.words[place] |= distance & 0x3ff_ffff,
                Fix::Branch19 => self.words[place] |= (distance & 0x7_ffff) << 5,
                Fix::Branch14 => self.words[place] |= (distance & 0x3fff) << 5,
                Fix::Adr => self.words[place] |= adr_offset(place, target),
                Fix::Relative(from) => self.words[place] = (4 * target).wrapping_sub(4 * from) as u32,
                Fix::Absolute => {
                    let address = self.code + 4 * target as u64;
                    (self.words[place], self.words[place + 1]) = (address as u32, (address >> 32) as u32);
                }
            }
        }
        // Additions with an immediate are what a program may change of itself.
        let is_addition = |word: u32| word & 0xffc0_0000 == 0x9100_0000;
        let additions: Vec<usize> = (0..blocks[self.end])
            .filter(|&i| self.removable[i] && is_addition(self.words[i]) && self.words[i] & 31 < 24)
            .collect();
        for place in std::mem::take(&mut self.patches) {
            let target = additions[self.random.below(additions.len() as u64) as usize];
            self.words[place] |= adr_offset(place, target);
            self.removable[target] = false;
        }
    }
}

/// The offset field of an ADR at one word that names another.
fn adr_offset(from: usize, to: usize) -> u32 {
    let bytes = (4 * to).wrapping_sub(4 * from) as u32;
    (bytes & 3) << 29 | (bytes >> 2 & 0x7_ffff) << 5
}
