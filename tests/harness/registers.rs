//! Everything of a guest thread that its program can see, to compare two ways of running it. Knows no instruction.

use super::random::Random;
use ir::{CpuState, FlagKind, Frontend, GuestAddr, LazyFlags, Stop};

/// The registers at one moment.
#[derive(Clone, PartialEq, Debug)]
pub struct Registers {
    pub x: [u64; 32],
    pub v: [u128; 32],
    pub nzcv: u32,
    pub fpcr: u32,
    pub fpsr: u64,
    pub tpidr: u64,
    pub exclusive: (u64, bool),
}

impl Registers {
    pub fn of(cpu: &CpuState) -> Self {
        Self {
            x: cpu.x,
            v: cpu.v,
            nzcv: cpu.nzcv().0,
            fpcr: cpu.fpcr,
            fpsr: ir::eval::fp::saved_fpsr(cpu),
            tpidr: cpu.tpidr_el0,
            exclusive: (cpu.exclusive_addr, cpu.exclusive_addr != CpuState::NO_EXCLUSIVE),
        }
    }

    /// Where these, which `Eval` computed, differ from what compiled code did: one line each.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        for n in 0..32 {
            if self.x[n] != other.x[n] {
                lines.push(format!("x{n}: eval {:#x}, compiled {:#x}", self.x[n], other.x[n]));
            }
            if self.v[n] != other.v[n] {
                lines.push(format!("v{n}: eval {:#034x}, compiled {:#034x}", self.v[n], other.v[n]));
            }
        }
        let mut field = |name, a: String, b: String| {
            if a != b {
                lines.push(format!("{name}: eval {a}, compiled {b}"));
            }
        };
        field("nzcv", format!("{:#x}", self.nzcv), format!("{:#x}", other.nzcv));
        field("fpcr", format!("{:#x}", self.fpcr), format!("{:#x}", other.fpcr));
        field("fpsr", format!("{:#x}", self.fpsr), format!("{:#x}", other.fpsr));
        field("tpidr", format!("{:#x}", self.tpidr), format!("{:#x}", other.tpidr));
        field("exclusive", format!("{:?}", self.exclusive), format!("{:?}", other.exclusive));
        lines
    }
}

/// A state with the same registers that has not run anywhere yet.
pub fn copy(cpu: &CpuState) -> CpuState {
    let mut new = CpuState::new();
    new.x = cpu.x;
    new.v = cpu.v;
    new.flags = cpu.flags;
    new.fpcr = cpu.fpcr;
    new.mxcsr = cpu.mxcsr;
    new.tpidr_el0 = cpu.tpidr_el0;
    new
}

/// Random registers; `data` and the bytes there are what every other X register points into.
pub fn random_state(random: &mut Random, data: u64, data_bytes: u64) -> CpuState {
    let mut cpu = CpuState::new();
    for (n, x) in cpu.x.iter_mut().enumerate() {
        // Mostly aligned; the rest are numbers.
        *x = match (n % 2, random.below(8)) {
            (0, 0) => data + random.below(data_bytes),
            (0, 1) => data + (data_bytes - 64 + random.below(80)),
            (0, _) => data + 16 * random.below(data_bytes / 16),
            _ => random.integer(),
        };
    }
    cpu.v = std::array::from_fn(|_| random.vector());
    cpu.flags = random_flags(random);
    cpu.tpidr_el0 = random.next();
    // Rounding mode and default NaN; flush-to-zero now and then.
    let fpcr = match random.below(4) {
        0 => (random.below(4) << 22 | random.below(2) << 25) as u32,
        1 if random.below(4) == 0 => 1 << 24,
        _ => 0,
    };
    ir::eval::fp::restore_saved(&mut cpu, u64::from(fpcr), 0);
    cpu
}

/// Flags in any of the forms that generated code stores them in, and what does not count is random. Half of them are
/// packed, so that all flags are about as often set as clear.
fn random_flags(random: &mut Random) -> LazyFlags {
    let kind = if random.below(2) == 0 { FlagKind::Packed } else { FlagKind::OPERATIONS[random.below(8) as usize] };
    let [mut a, mut b] = match kind {
        FlagKind::Packed => [random.next() & 0xf000_0000, 0],
        FlagKind::Fp32 | FlagKind::Fp64 => [random.vector() as u64, random.vector() as u64],
        _ => [random.integer(), random.integer()],
    };
    if random.below(4) == 0 && kind != FlagKind::Packed {
        b = a;
    }
    let (mut word, mut above) = (kind as u32, random.next() as u32);
    if random.below(2) == 0 {
        (above, a) = (a as u32, random.next());
        word |= LazyFlags::A_ABOVE;
    }
    if random.below(2) == 0 {
        word |= LazyFlags::B_IN_WORD | random.integer() as u32 & 0xffff_ff00;
        b = random.next();
    }
    LazyFlags { a, b, word, above }
}

/// A word whose result is not a function of the registers: the counter moves between two runs.
pub fn reads_counter(word: u32) -> bool {
    // MRS of CNTVCT_EL0 (S3_3_C14_C0_2) and CNTVCTSS_EL0 (.._6).
    matches!(word & 0xffff_ffe0, 0xd53b_e040 | 0xd53b_e0c0)
}

/// What is to be known of a stop: address, signal and code, as far as it has them.
pub fn detail(stop: Stop, cpu: &CpuState) -> (u64, i32, i32) {
    let is_write = i32::from(cpu.stop.is_write) << 16;
    match stop {
        Stop::Fault => (cpu.stop.addr.0, cpu.stop.signal, cpu.stop.code | is_write),
        Stop::Misaligned => (cpu.stop.addr.0, 0, is_write),
        Stop::CodeChanged => (cpu.stop.addr.0, 0, 0),
        Stop::Breakpoint | Stop::Undefined => (0, 0, cpu.stop.code),
        Stop::Svc | Stop::Safepoint => (0, 0, 0),
    }
}

/// A word as a report shows it.
pub fn listed<F: Frontend>(word: u32, pc: u64) -> String {
    format!("{word:08x}  {}", F::disassemble(word, GuestAddr(pc)))
}
