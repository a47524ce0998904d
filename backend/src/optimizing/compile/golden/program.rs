//! Programs of golden files: a few of the guest's instructions as text, of which regions are made without decoding any
//! words, for the backend knows no instruction set.

use crate::block::{Block, Words};
use crate::optimizing::region::{Limits, Region};
use ir::{
    Access, Compare, Cond, FlagOp, Flow, Fp1, Fp2, FpSize, Frontend, GuestAddr, Int2, LiftFn, Lifted, Ops, Reg, VReg,
    Width,
};
use std::collections::HashMap;
use std::sync::Arc;

/// Where programs begin.
const START: GuestAddr = GuestAddr(0x1000);

/// A register or a constant.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operand {
    Register(Reg),
    Constant(u64),
}

/// An instruction. Numbers are doubles, but for those of `ToFp` and `ToInt`, which move 64 bits.
#[derive(Clone, Copy, Debug)]
pub(super) enum Insn {
    Int(Int2, Reg, Reg, Operand),
    Load(Reg, Reg, i64),
    Store(Reg, Reg, i64),
    LoadFp(VReg, Reg, i64),
    StoreFp(VReg, Reg, i64),
    Fp(Fp2, VReg, VReg, VReg),
    Negate(VReg, VReg),
    ToFp(VReg, Reg),
    ToInt(Reg, VReg),
    Compare(Reg, Operand),
    BranchIf(Cond, GuestAddr),
    BranchUnlessZero(Reg, GuestAddr),
    Branch(GuestAddr),
    Call(GuestAddr),
    Return,
}

/// The instruction set.
#[derive(Clone, Copy)]
pub(super) struct Text;

impl Insn {
    fn flow(self) -> Flow {
        match self {
            Self::BranchIf(_, target) | Self::BranchUnlessZero(_, target) => Flow::Branch(target),
            Self::Branch(target) => Flow::Jump(target),
            Self::Call(target) => Flow::Call(target),
            Self::Return => Flow::Return,
            _ => Flow::Next,
        }
    }
}

fn operand<O: Ops>(ops: &mut O, operand: Operand) -> O::Val {
    match operand {
        Operand::Register(register) => ops.x(register),
        Operand::Constant(constant) => ops.imm(constant),
    }
}

fn address<O: Ops>(ops: &mut O, base: Reg, offset: i64) -> O::Val {
    let base = ops.x_or_sp(base);
    ops.address(base, offset)
}

fn lift<O: Ops>(ops: &mut O, &(insn, pc): &(Insn, GuestAddr)) -> Lifted<O> {
    let access = Access::plain(8);
    match insn {
        Insn::Int(op, rd, rn, rm) => {
            let (a, b) = (ops.x(rn), operand(ops, rm));
            let result = ops.int2(op, Width::X, a, b);
            ops.set_x(rd, result);
        }
        Insn::Load(rt, rn, offset) => {
            let at = address(ops, rn, offset);
            let value = ops.load(access, at)?;
            ops.set_x(rt, value);
        }
        Insn::Store(rt, rn, offset) => {
            let (at, value) = (address(ops, rn, offset), ops.x(rt));
            ops.store(access, at, value)?;
        }
        Insn::LoadFp(rt, rn, offset) => {
            let at = address(ops, rn, offset);
            let value = ops.load_vec(access, at)?;
            ops.set_v(rt, value);
        }
        Insn::StoreFp(rt, rn, offset) => {
            let (at, value) = (address(ops, rn, offset), ops.v(rt));
            ops.store_vec(access, at, value)?;
        }
        Insn::Fp(op, rd, rn, rm) => {
            let (a, b) = (ops.fp(FpSize::D, rn), ops.fp(FpSize::D, rm));
            let result = ops.fp2(op, FpSize::D, a, b);
            ops.set_fp(FpSize::D, rd, result);
        }
        Insn::Negate(rd, rn) => {
            let number = ops.fp(FpSize::D, rn);
            let result = ops.fp1(Fp1::Fneg, FpSize::D, number);
            ops.set_fp(FpSize::D, rd, result);
        }
        Insn::ToFp(rd, rn) => {
            let bits = ops.x(rn);
            let number = ops.fp_from_bits(FpSize::D, bits);
            ops.set_fp(FpSize::D, rd, number);
        }
        Insn::ToInt(rd, rn) => {
            let number = ops.fp(FpSize::D, rn);
            let bits = ops.fp_bits(FpSize::D, number);
            ops.set_x(rd, bits);
        }
        Insn::Compare(rn, rm) => {
            let (a, b) = (ops.x(rn), operand(ops, rm));
            ops.set_flags(FlagOp::Sub, Width::X, a, b);
        }
        Insn::BranchIf(cond, target) => {
            let holds = ops.cond(cond);
            ops.jump_if(holds, target);
        }
        Insn::BranchUnlessZero(rt, target) => {
            let (value, zero) = (ops.x(rt), ops.imm(0));
            let differs = ops.compare(Compare::Ne, Width::X, value, zero);
            ops.jump_if(differs, target);
        }
        Insn::Branch(target) => ops.jump(target),
        Insn::Call(target) => {
            let back = pc.offset(4);
            let link = ops.pc_imm(back);
            ops.set_x(Reg(30), link);
            ops.call(target, back);
        }
        Insn::Return => {
            let target = ops.x(Reg(30));
            ops.ret(target);
        }
    }
    Ok(())
}

impl Frontend for Text {
    type Insn = (Insn, GuestAddr);
    type Args = (Insn, GuestAddr);

    fn decode(_: u32, _: GuestAddr) -> Self::Insn {
        unreachable!("programs are text")
    }

    fn flow(&(insn, _): &Self::Insn, _: GuestAddr) -> Flow {
        insn.flow()
    }

    fn lift<O: Ops>(insn: &Self::Insn, ops: &mut O) -> Lifted<O> {
        lift(ops, insn)
    }

    fn lifter(insn: &Self::Insn) -> (LiftFn<Self>, &Self::Args) {
        (|eval, args| lift(eval, args), insn)
    }

    fn name((insn, _): &Self::Insn) -> &'static str {
        unreachable!("{insn:?} is asked for no name")
    }

    fn disassemble(_: u32, _: GuestAddr) -> String {
        unreachable!("programs are text")
    }
}

/// A program.
pub(super) struct Program(Vec<(Insn, GuestAddr)>);

fn register(text: &str) -> Option<Reg> {
    if text == "sp" { Some(Reg(31)) } else { text.strip_prefix('x')?.parse().ok().map(Reg) }
}

fn vector(text: &str) -> Option<VReg> {
    text.strip_prefix('d')?.parse().ok().map(VReg)
}

fn number(text: &str) -> Option<i64> {
    text.parse().ok()
}

fn operand_of(text: &str) -> Option<Operand> {
    register(text).map(Operand::Register).or_else(|| number(text).map(|number| Operand::Constant(number as u64)))
}

/// A label, or an address outside of the program.
fn target(labels: &HashMap<&str, GuestAddr>, text: &str) -> Option<GuestAddr> {
    let outside = || Some(GuestAddr(u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()?));
    labels.get(text).copied().or_else(outside)
}

fn insn(labels: &HashMap<&str, GuestAddr>, words: &[&str]) -> Option<Insn> {
    let target = |text| target(labels, text);
    Some(match *words {
        [name @ ("add" | "sub" | "eor"), d, n, m] => {
            let op = match name {
                "add" => Int2::Add,
                "sub" => Int2::Sub,
                _ => Int2::Eor,
            };
            Insn::Int(op, register(d)?, register(n)?, operand_of(m)?)
        }
        ["ldr", t, n, offset] if t.starts_with('d') => Insn::LoadFp(vector(t)?, register(n)?, number(offset)?),
        ["str", t, n, offset] if t.starts_with('d') => Insn::StoreFp(vector(t)?, register(n)?, number(offset)?),
        ["ldr", t, n, offset] => Insn::Load(register(t)?, register(n)?, number(offset)?),
        ["str", t, n, offset] => Insn::Store(register(t)?, register(n)?, number(offset)?),
        [name @ ("fadd" | "fsub" | "fmul"), d, n, m] => {
            let op = match name {
                "fadd" => Fp2::Fadd,
                "fsub" => Fp2::Fsub,
                _ => Fp2::Fmul,
            };
            Insn::Fp(op, vector(d)?, vector(n)?, vector(m)?)
        }
        ["fneg", d, n] => Insn::Negate(vector(d)?, vector(n)?),
        ["fmov", d, n] if d.starts_with('d') => Insn::ToFp(vector(d)?, register(n)?),
        ["fmov", d, n] => Insn::ToInt(register(d)?, vector(n)?),
        ["cmp", n, m] => Insn::Compare(register(n)?, operand_of(m)?),
        ["b.ne", to] => Insn::BranchIf(Cond::Ne, target(to)?),
        ["b.lt", to] => Insn::BranchIf(Cond::Lt, target(to)?),
        ["cbnz", t, to] => Insn::BranchUnlessZero(register(t)?, target(to)?),
        ["b", to] => Insn::Branch(target(to)?),
        ["bl", to] => Insn::Call(target(to)?),
        ["ret"] => Insn::Return,
        _ => return None,
    })
}

impl Program {
    /// Lines of `label:` and of `name operand, operand, [base, offset]`.
    pub(super) fn parse(text: &str) -> Self {
        let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
        let (mut labels, mut pc) = (HashMap::new(), START);
        for line in lines() {
            match line.strip_suffix(':') {
                Some(label) => drop(labels.insert(label, pc)),
                None => pc = pc.offset(4),
            }
        }
        let addresses = (0..).step_by(4).map(|offset| START.offset(offset));
        let insns = lines().filter(|line| !line.ends_with(':')).zip(addresses).map(|(line, pc)| {
            let words: Vec<&str> = line.split([' ', ',', '[', ']']).filter(|word| !word.is_empty()).collect();
            let insn = insn(&labels, &words).unwrap_or_else(|| panic!("no instruction of golden files: {line}"));
            (insn, pc)
        });
        Self(insns.collect())
    }

    /// The block at an address of the program.
    fn block(&self, at: GuestAddr) -> Option<Arc<Block<(Insn, GuestAddr)>>> {
        let first = self.0.iter().position(|&(_, pc)| pc == at)?;
        let rest = &self.0[first..];
        let bytes = rest.iter().position(|(insn, _)| insn.flow().ends_block()).map_or(rest.len(), |last| last + 1);
        let insns = &rest[..bytes];
        let flow = insns.last()?.0.flow();
        Some(Arc::new(Block { start: at, insns: insns.into(), words: Words::new(), flow }))
    }

    /// The region at its start.
    pub(super) fn region(&self) -> Region<(Insn, GuestAddr)> {
        let limits = Limits { insns: 200, callee_insns: 40 };
        Region::discover(START, limits, |at| self.block(at), |_| Vec::new()).expect("the program has a block")
    }
}
