//! How blocks of a random program end, and how the addresses in them are put in.

use super::*;

impl Maker<'_> {
    pub(super) fn any_block(&mut self) -> usize {
        self.random.below(self.end as u64 + 1) as usize
    }

    pub(super) fn branch(&mut self, word: u32, block: usize, fix: Fix) {
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
    pub(super) fn leave_in_function(&mut self, index: usize) {
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
    pub(super) fn leave(&mut self, index: usize) {
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

    pub(super) fn place_tables(&mut self) {
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

    pub(super) fn fix(&mut self, blocks: &[usize]) {
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
