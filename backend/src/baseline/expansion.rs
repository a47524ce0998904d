//! An expansion of `lower` on its way to host code: the instructions are noted first, and emitted when it is known
//! which results are used until when. So what is computed in between lies in scratch registers, each as short as need
//! be, and the guest's registers stay where they are. `host.rs` says which instructions there are.

use super::Emitter;
use super::asm::{Cc, Gpr, Label, MAP_0F, MAP_38, Op, Rm, Xmm};
use super::exits::{Call, Cold, Place};
use super::value::Vector;
use crate::lower::callee::Callee;

const MOVAPS: Op = Op(0, MAP_0F, 0x28);
const PTEST: Op = Op(0x66, MAP_38, 0x17);

/// Scratch registers: xmm0 to xmm5.
const SCRATCH: u8 = 0x3f;

/// The longest is TBX with four registers, of some forty.
const MOST_NODES: usize = 64;

/// A vector of an expansion: a number in its list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Temp(u8);

/// How a vector is made, or an effect.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// The guest's, or another value of the instruction's.
    Given(Xmm),
    Constant(u128),
    Zero,
    /// A general register's 32 or 64 bits, zeros above.
    General {
        wide: bool,
        from: Gpr,
    },
    One {
        op: Op,
        a: Temp,
        immediate: Option<u8>,
    },
    Two {
        op: Op,
        a: Temp,
        b: Temp,
        immediate: Option<u8>,
    },
    /// A shift by a constant: opcode and its extension.
    Shifted {
        opcode: u8,
        which: u8,
        amount: u8,
        a: Temp,
    },
    /// addend + a * b
    Fused {
        wide: bool,
        addend: Temp,
        a: Temp,
        b: Temp,
    },
    /// Sets FPSR.QC if a bit is set.
    Saturated(Temp),
    /// Has the helper make the result if the sign of a lane of 32 bits is set.
    Aside(Temp),
}

/// An entry of the list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    what: What,
    /// Bits from here up are zero.
    width: u8,
}

impl What {
    /// What is first, and in the first register of an instruction that has two operands only, and the others.
    fn operands(self) -> [Option<Temp>; 3] {
        match self {
            Self::Given(_) | Self::Constant(_) | Self::Zero | Self::General { .. } => [None; 3],
            Self::One { a, .. } | Self::Shifted { a, .. } | Self::Saturated(a) | Self::Aside(a) => {
                [Some(a), None, None]
            }
            Self::Two { a, b, .. } => [Some(a), Some(b), None],
            Self::Fused { addend, a, b, .. } => [Some(addend), Some(a), Some(b)],
        }
    }

    fn is_effect(self) -> bool {
        matches!(self, Self::Saturated(_) | Self::Aside(_))
    }

    /// Whether an instruction puts it into a register.
    fn is_computed(self) -> bool {
        !self.is_effect() && !matches!(self, Self::Given(_) | Self::Constant(_))
    }
}

/// An expansion. See the module's header.
pub(super) struct Expansion<'e> {
    pub emitter: &'e mut Emitter,
    nodes: Vec<Node>,
    aside: Option<Call>,
}

impl Emitter {
    /// What an expansion makes of some vectors.
    pub(super) fn expand<const N: usize>(
        &mut self,
        operands: [Vector; N],
        expansion: impl FnOnce(&mut Expansion<'_>, [Temp; N]) -> Temp,
    ) -> Vector {
        let mut nodes = std::mem::take(&mut self.nodes);
        nodes.clear();
        let mut e = Expansion { emitter: self, nodes, aside: None };
        let operands = operands.map(|operand| e.vector(operand));
        let result = expansion(&mut e, operands);
        e.finish(result)
    }
}

impl Expansion<'_> {
    pub(super) fn push(&mut self, what: What, width: u32) -> Temp {
        assert!(self.nodes.len() < MOST_NODES, "expansions are short");
        self.nodes.push(Node { what, width: width as u8 });
        Temp(self.nodes.len() as u8 - 1)
    }

    pub(super) fn what(&self, a: Temp) -> What {
        self.nodes[usize::from(a.0)].what
    }

    pub(super) fn width(&self, a: Temp) -> u32 {
        self.nodes[usize::from(a.0)].width.into()
    }

    pub(super) fn set_width(&mut self, a: Temp, width: u32) {
        self.nodes[usize::from(a.0)].width = width as u8;
    }

    /// A vector of the emitter's.
    pub(super) fn vector(&mut self, vector: Vector) -> Temp {
        match vector {
            Vector::Imm(value) => self.push(What::Constant(value), 128 - value.leading_zeros()),
            Vector::Reg(r) => {
                let same = |node: &Node| matches!(node.what, What::Given(other) if other == r);
                match self.nodes.iter().position(same) {
                    Some(at) => Temp(at as u8),
                    None => {
                        let width = self.emitter.regs.width(r);
                        self.push(What::Given(r), width.into())
                    }
                }
            }
        }
    }

    /// The same as a vector of the emitter's, if nothing need be computed for it.
    fn as_vector(&self, a: Temp) -> Option<Vector> {
        match self.what(a) {
            What::Given(r) => Some(Vector::Reg(r)),
            What::Constant(value) => Some(Vector::Imm(value)),
            _ => None,
        }
    }

    /// An operand of the guest's operation.
    pub(super) fn operand(&self, a: Temp) -> Vector {
        self.as_vector(a).expect("helpers take the operands of the guest's operation")
    }

    pub(super) fn one(&mut self, op: Op, a: Temp) -> Temp {
        self.push(What::One { op, a, immediate: None }, 128)
    }

    pub(super) fn one_imm(&mut self, op: Op, a: Temp, immediate: u8) -> Temp {
        self.push(What::One { op, a, immediate: Some(immediate) }, 128)
    }

    pub(super) fn two(&mut self, op: Op, a: Temp, b: Temp) -> Temp {
        let b = if matches!(self.what(b), What::Constant(0)) { self.push(What::Zero, 0) } else { b };
        self.push(What::Two { op, a, b, immediate: None }, 128)
    }

    pub(super) fn two_imm(&mut self, op: Op, a: Temp, b: Temp, immediate: u8) -> Temp {
        self.push(What::Two { op, a, b, immediate: Some(immediate) }, 128)
    }

    /// In a register, for instructions that do not take a constant.
    pub(super) fn in_register(&mut self, a: Temp) -> Temp {
        if matches!(self.what(a), What::Constant(_)) { self.one(MOVAPS, a) } else { a }
    }

    pub(super) fn saturated(&mut self, a: Temp) {
        let a = self.in_register(a);
        self.push(What::Saturated(a), 0);
    }

    /// From here on the helper makes the result if the sign of a lane of 32 bits is set.
    pub(super) fn leave_if_any(&mut self, bad: Temp, callee: Callee, operands: &[Temp]) {
        assert!(self.aside.is_none(), "an expansion asks once whether its result is doubtful");
        let operands = operands.iter().map(|&operand| self.operand(operand).into());
        self.aside = Some(Call::new(callee, operands));
        let bad = self.in_register(bad);
        self.push(What::Aside(bad), 0);
    }

    // --- emission ---------------------------------------------------------------------------------------------------

    fn finish(mut self, mut result: Temp) -> Vector {
        if self.aside.is_some() && !self.what(result).is_computed() {
            result = self.one(MOVAPS, result);
        }
        let last_uses = self.last_uses(result);
        let to = self.what(result).is_computed().then(|| self.emitter.new_xmm());
        let registers = self.registers(result, to, &last_uses);
        let place = to.map_or(Place::Nowhere, Place::Xmm);
        let aside = self.aside.take().map(|call| self.emitter.call_aside(call, place));
        for (at, &node) in self.nodes.iter().enumerate() {
            if node.what.is_effect() || node.what.is_computed() && last_uses[at] != 0 {
                emit(self.emitter, &self.nodes, &registers, at, aside.map(|(at, _)| at));
            }
        }
        if let Some((_, back)) = aside {
            self.emitter.asm.bind(back);
        }
        let vector = match to {
            Some(to) => {
                self.emitter.regs.set_width(to, self.width(result).max(32) as u8);
                Vector::Reg(to)
            }
            None => self.operand(result),
        };
        self.emitter.nodes = self.nodes;
        vector
    }

    /// For each node the number, counted from 1, of the last that uses it: 0 if it is not needed.
    fn last_uses(&self, result: Temp) -> [u8; MOST_NODES] {
        let mut last_uses = [0; MOST_NODES];
        last_uses[usize::from(result.0)] = u8::MAX;
        for (at, node) in self.nodes.iter().enumerate().rev() {
            if node.what.is_effect() || last_uses[at] != 0 {
                for operand in node.what.operands().into_iter().flatten() {
                    let last = &mut last_uses[usize::from(operand.0)];
                    *last = (*last).max(at as u8 + 1);
                }
            }
        }
        last_uses
    }

    /// The register of each node that is computed. Where there are not enough scratch registers others are freed, so
    /// this comes before all instructions.
    fn registers(&mut self, result: Temp, to: Option<Xmm>, last_uses: &[u8; MOST_NODES]) -> [Xmm; MOST_NODES] {
        let mut registers = [Xmm(0); MOST_NODES];
        let dies = |operand: Temp, at: usize| last_uses[usize::from(operand.0)] == at as u8 + 1;
        // What is computed for the result alone, one after the other, is computed where that will be.
        let mut in_place = [false; MOST_NODES];
        let mut next = to.map(|_| result);
        while let Some(node) = next {
            in_place[usize::from(node.0)] = true;
            let first = self.what(node).operands()[0];
            next = first.filter(|&first| self.what(first).is_computed() && dies(first, node.0.into()));
        }
        let mut free = SCRATCH;
        for at in 0..self.nodes.len() {
            let what = self.nodes[at].what;
            let is_needed = what.is_effect() || what.is_computed() && last_uses[at] != 0;
            if !is_needed {
                continue;
            }
            let scratch = |e: &Self, operand: Temp| {
                (e.what(operand).is_computed() && !in_place[usize::from(operand.0)] && dies(operand, at))
                    .then_some(operand)
            };
            let [first, second, third] = what.operands();
            let mut dying = [first, second, third].map(|operand| operand.and_then(|operand| scratch(self, operand)));
            if what.is_computed() {
                registers[at] = match (in_place[at], to) {
                    (true, Some(to)) => to,
                    _ => match dying[0].take() {
                        Some(first) => {
                            let register = registers[usize::from(first.0)];
                            dying = dying.map(|other| other.filter(|&other| other != first));
                            register
                        }
                        None if free != 0 => {
                            let register = free.trailing_zeros() as u8;
                            free &= free - 1;
                            Xmm(register)
                        }
                        None => self.emitter.new_xmm(),
                    },
                };
            }
            for operand in dying.into_iter().flatten() {
                let register = registers[usize::from(operand.0)].0;
                free |= (1u8.checked_shl(register.into()).unwrap_or(0)) & SCRATCH;
            }
        }
        registers
    }
}

fn emit(emitter: &mut Emitter, nodes: &[Node], registers: &[Xmm; MOST_NODES], at: usize, aside: Option<Label>) {
    let to = registers[at];
    let what = |operand: Temp| nodes[usize::from(operand.0)].what;
    let register = |operand: Temp| match what(operand) {
        What::Given(r) => r,
        _ => registers[usize::from(operand.0)],
    };
    // A constant as the first operand is put where the result will be.
    let first = |emitter: &mut Emitter, operand: Temp| match what(operand) {
        What::Constant(value) => {
            emitter.put_vector(to, Vector::Imm(value));
            to
        }
        _ => register(operand),
    };
    let other = |emitter: &mut Emitter, operand: Temp| match what(operand) {
        What::Constant(value) => Rm::from(emitter.asm.constant(value)),
        _ => Rm::from(register(operand)),
    };
    match nodes[at].what {
        What::Given(_) | What::Constant(_) => {}
        What::Zero => emitter.put_vector(to, Vector::Imm(0)),
        What::General { wide, from } => emitter.gpr_to_xmm(wide, to, from),
        What::One { op, a, immediate } => {
            let a = other(emitter, a);
            match immediate {
                Some(immediate) => emitter.sse_imm(op, to, a, immediate),
                None => emitter.sse(op, to, a),
            }
        }
        What::Two { op, a, b, immediate } => {
            let (a, b) = (first(emitter, a), other(emitter, b));
            match immediate {
                Some(immediate) => emitter.sse3_imm(op, to, a, b, immediate),
                None => emitter.sse3(op, to, a, b),
            }
        }
        What::Shifted { opcode, which, amount, a } => {
            let a = first(emitter, a);
            emitter.sse_shift(opcode, which, to, a, amount);
        }
        What::Fused { wide, addend, a, b } => {
            let addend = first(emitter, addend);
            emitter.move_xmm(to, addend);
            emitter.asm.vex(Op(0x66, MAP_38, 0xb8), wide, to.0, register(a).0, register(b).into());
        }
        What::Saturated(a) => {
            let a = register(a);
            emitter.sse(PTEST, a, a);
            let (at, back) = (emitter.asm.label(), emitter.asm.label());
            emitter.asm.jcc(Cc::Ne, at);
            emitter.asm.bind(back);
            emitter.cold.push(Cold::Saturated { at, back });
        }
        What::Aside(a) => emitter.jump_if_any(register(a), aside.expect("it has been made")),
    }
}
