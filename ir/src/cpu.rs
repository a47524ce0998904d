//! The guest's registers and what travels with them. `#[repr(C)]`: generated code reaches the fields at their
//! `offset_of!`, and the assertions at the end of this file hold the layout that it counts on.

use crate::{FlagOp, GuestAddr, Width};

/// Condition flags packed as in the NZCV system register: N bit 31, Z 30, C 29, V 28.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(transparent)]
pub struct Nzcv(pub u32);

impl Nzcv {
    /// Packs four flags.
    #[must_use]
    pub const fn new(n: bool, z: bool, c: bool, v: bool) -> Self {
        Self((n as u32) << 31 | (z as u32) << 30 | (c as u32) << 29 | (v as u32) << 28)
    }
    /// Negative.
    #[must_use]
    pub const fn n(self) -> bool {
        self.0 >> 31 & 1 != 0
    }
    /// Zero.
    #[must_use]
    pub const fn z(self) -> bool {
        self.0 >> 30 & 1 != 0
    }
    /// Carry; for subtraction, "no borrow".
    #[must_use]
    pub const fn c(self) -> bool {
        self.0 >> 29 & 1 != 0
    }
    /// Signed overflow.
    #[must_use]
    pub const fn v(self) -> bool {
        self.0 >> 28 & 1 != 0
    }
}

/// How the flags are recorded in [`LazyFlags`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum FlagKind {
    /// `a` is the packed NZCV value.
    Packed = 0,
    /// Flags of the 32-bit sum `a + b`.
    Add32 = 1,
    /// Flags of the 64-bit sum `a + b`.
    Add64 = 2,
    /// Flags of the 32-bit difference `a - b`.
    Sub32 = 3,
    /// Flags of the 64-bit difference `a - b`.
    Sub64 = 4,
    /// N and Z of the 32-bit result `a`; C and V clear.
    Logic32 = 5,
    /// N and Z of the 64-bit result `a`; C and V clear.
    Logic64 = 6,
    /// Flags of comparing two singles, given as their bits.
    Fp32 = 7,
    /// Flags of comparing two doubles, given as their bits.
    Fp64 = 8,
}

impl FlagKind {
    /// All but [`FlagKind::Packed`].
    pub const OPERATIONS: [Self; 8] =
        [Self::Add32, Self::Add64, Self::Sub32, Self::Sub64, Self::Logic32, Self::Logic64, Self::Fp32, Self::Fp64];

    /// How the flags of an operation are recorded; none if they depend on the carry.
    #[must_use]
    #[inline(always)]
    pub const fn of(op: FlagOp, width: Width) -> Option<Self> {
        Some(match (op, width) {
            (FlagOp::Add, Width::W) => Self::Add32,
            (FlagOp::Add, Width::X) => Self::Add64,
            (FlagOp::Sub, Width::W) => Self::Sub32,
            (FlagOp::Sub, Width::X) => Self::Sub64,
            (FlagOp::Logic, Width::W) => Self::Logic32,
            (FlagOp::Logic, Width::X) => Self::Logic64,
            (FlagOp::Adc | FlagOp::Sbc, _) => return None,
        })
    }

    /// Whether the operands have 32 bits.
    #[must_use]
    pub const fn is_narrow(self) -> bool {
        matches!(self, Self::Packed | Self::Add32 | Self::Sub32 | Self::Logic32 | Self::Fp32)
    }

    /// The kind that `LazyFlags::word` says.
    #[inline]
    const fn of_word(word: u32) -> Self {
        match word & LazyFlags::KIND {
            1 => Self::Add32,
            2 => Self::Add64,
            3 => Self::Sub32,
            4 => Self::Sub64,
            5 => Self::Logic32,
            6 => Self::Logic64,
            7 => Self::Fp32,
            8 => Self::Fp64,
            _ => Self::Packed,
        }
    }
}

/// The flags, kept as the operation that last set them: most are never read. Generated code stores them in one of
/// several forms, as few words as will do; `word` says which. Whoever reads them takes them from
/// [`LazyFlags::operation`] or [`LazyFlags::nzcv`].
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct LazyFlags {
    /// First operand, result or packed value, unless `word` says that it is elsewhere. For kinds of 32 bits the low
    /// half counts.
    pub a: u64,
    /// Second operand, unless `word` says that it is elsewhere. For kinds of 32 bits the low half counts.
    pub b: u64,
    /// The [`FlagKind`], and of [`LazyFlags::B_IN_WORD`] and [`LazyFlags::A_ABOVE`] what applies.
    pub word: u32,
    /// The first operand, by [`LazyFlags::A_ABOVE`]: generated code stores it with `word` at once.
    pub above: u32,
}

impl LazyFlags {
    /// Bits of `word` that are the [`FlagKind`].
    pub const KIND: u32 = 0xf;
    /// Bit of `word`: the second operand is what stands above the low byte of `word`, with its sign. Packed flags stand
    /// there themselves, at the top of `word`.
    pub const B_IN_WORD: u32 = 1 << 4;
    /// Bit of `word`: the first operand is `above`, with zeros above.
    pub const A_ABOVE: u32 = 1 << 5;
    /// Where in `word` the second operand begins.
    pub const B_SHIFT: u32 = 8;

    /// The flags of an operation.
    #[must_use]
    pub const fn new(kind: FlagKind, a: u64, b: u64) -> Self {
        Self { a, b, word: kind as u32, above: 0 }
    }

    /// What `word` is for an operation with this second operand in it; None if there is no room.
    #[must_use]
    pub fn word_with(kind: FlagKind, b: u64) -> Option<u32> {
        let b = if kind.is_narrow() { i64::from(b as i32) } else { b as i64 };
        let word = (b << Self::B_SHIFT) as i32;
        (i64::from(word >> Self::B_SHIFT) == b).then_some(word as u32 | Self::B_IN_WORD | kind as u32)
    }

    /// What `word` is for flags that are known.
    #[must_use]
    pub const fn word_of(nzcv: Nzcv) -> u32 {
        nzcv.0 & 0xf000_0000 | Self::B_IN_WORD | FlagKind::Packed as u32
    }

    /// The operation and its operands, wherever they are.
    #[inline]
    #[must_use]
    pub fn operation(self) -> (FlagKind, u64, u64) {
        let kind = FlagKind::of_word(self.word);
        let mut a = if self.word & Self::A_ABOVE != 0 { u64::from(self.above) } else { self.a };
        let mut b = self.b;
        if self.word & Self::B_IN_WORD != 0 {
            b = (self.word as i32 >> Self::B_SHIFT) as u64;
            if kind == FlagKind::Packed {
                a = u64::from(self.word & 0xf000_0000);
            }
        }
        (kind, a, b)
    }

    /// The flags themselves (Arm ARM, AddWithCarry).
    #[must_use]
    pub fn nzcv(self) -> Nzcv {
        let (kind, a, b) = self.operation();
        match kind {
            FlagKind::Packed => Nzcv(a as u32),
            FlagKind::Add64 => {
                let r = a.wrapping_add(b);
                Nzcv::new((r as i64) < 0, r == 0, r < a, ((a ^ r) & (b ^ r)) >> 63 != 0)
            }
            FlagKind::Sub64 => {
                let r = a.wrapping_sub(b);
                Nzcv::new((r as i64) < 0, r == 0, a >= b, ((a ^ b) & (a ^ r)) >> 63 != 0)
            }
            FlagKind::Add32 => {
                let (a, b) = (a as u32, b as u32);
                let r = a.wrapping_add(b);
                Nzcv::new((r as i32) < 0, r == 0, r < a, ((a ^ r) & (b ^ r)) >> 31 != 0)
            }
            FlagKind::Sub32 => {
                let (a, b) = (a as u32, b as u32);
                let r = a.wrapping_sub(b);
                Nzcv::new((r as i32) < 0, r == 0, a >= b, ((a ^ b) & (a ^ r)) >> 31 != 0)
            }
            FlagKind::Logic64 => Nzcv::new((a as i64) < 0, a == 0, false, false),
            FlagKind::Logic32 => Nzcv::new((a as i32) < 0, a as u32 == 0, false, false),
            // Left-aligned, a single orders as a double does.
            FlagKind::Fp32 => fp_flags(a << 32, b << 32, 0x7f80_0000 << 32),
            FlagKind::Fp64 => fp_flags(a, b, 0x7ff0_0000_0000_0000),
        }
    }
}

/// FPCompare on bits aligned to the left, so that reading flags raises no exception: those have been raised.
fn fp_flags(a: u64, b: u64, infinity: u64) -> Nzcv {
    const SIGN: u64 = 1 << 63;
    let is_nan = |x: u64| x & !SIGN > infinity;
    if is_nan(a) || is_nan(b) {
        return Nzcv::new(false, false, true, true);
    }
    let order = |x: u64| if x & SIGN != 0 { 0i64.wrapping_sub((x & !SIGN) as i64) } else { x as i64 };
    let (a, b) = (order(a), order(b));
    Nzcv::new(a < b, a == b, a >= b, false)
}

/// Why guest execution stopped at an instruction. `CpuState::pc` is that instruction's address; what else is to
/// be known stands in `CpuState::stop`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Stop {
    /// A load, store or fetch faulted: `stop.addr`, `stop.signal` (SIGSEGV or SIGBUS) and `stop.code`.
    Fault = 1,
    /// SVC: a system call. The kernel ignores the immediate.
    Svc = 2,
    /// An unallocated or unimplemented encoding, or UDF: SIGILL, ILL_ILLOPC.
    Undefined = 3,
    /// BRK: SIGTRAP. `stop.code` holds the immediate.
    Breakpoint = 4,
    /// A misaligned exclusive or atomic access: SIGBUS, BUS_ADRALN, address in `stop.addr`.
    Misaligned = 5,
    /// IC IVAU: translations of the 64 bytes at `stop.addr` must go before the next instruction.
    CodeChanged = 6,
    /// The safepoint word was set: look what is wanted.
    Safepoint = 7,
}

/// Details of a [`Stop`].
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct StopDetail {
    /// The address concerned.
    pub addr: GuestAddr,
    /// The signal, for `Stop::Fault`.
    pub signal: i32,
    /// `si_code` of the fault, or the immediate of BRK.
    pub code: i32,
    /// For `Stop::Fault` and `Stop::Misaligned`: whether Arm would call it one of writing (ESR's WnR).
    pub is_write: bool,
}

/// One guest thread's registers and its ties to emu.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct CpuState {
    /// X0 to X30, and SP as number 31.
    pub x: [u64; 32],
    /// The next instruction, or the one that stopped.
    pub pc: GuestAddr,
    /// NZCV.
    pub flags: LazyFlags,
    /// V0 to V31.
    pub v: [u128; 32],
    /// FPCR as the guest wrote it (implemented bits only).
    pub fpcr: u32,
    /// FPSR bits that MXCSR does not hold: QC, and exceptions raised outside host FP instructions.
    pub fpsr: u32,
    /// Guest floating-point environment as the host's MXCSR: live in the register while guest code runs, saved
    /// here otherwise. Rounding mode and flush bits follow FPCR; the sticky bits are part of FPSR.
    pub mxcsr: u32,
    /// TPIDR_EL0.
    pub tpidr_el0: u64,
    /// Exclusive monitor: address, or `NO_EXCLUSIVE`.
    pub exclusive_addr: u64,
    /// Exclusive monitor: what LDXR saw, low and high 64 bits.
    pub exclusive_value: [u64; 2],
    /// Exclusive monitor: size in bytes of the LDXR (16 for pairs of X).
    pub exclusive_bytes: u64,
    /// Details of the last stop.
    pub stop: StopDetail,
    /// For the backend: pointers generated code needs (helper table, lookup table, host stack pointer, ...).
    pub backend: [u64; 16],
    /// For the backend: operands of helpers that are called from unlikely places, then their result.
    pub operands: [u128; 8],
}

impl CpuState {
    /// Value of `exclusive_addr` when the monitor is open.
    pub const NO_EXCLUSIVE: u64 = u64::MAX;
    /// FPCR.FZ: flush denormals to zero.
    pub const FPCR_FZ: u32 = 1 << 24;
    /// Index of SP in `x`.
    pub const SP: usize = 31;
    /// Host MXCSR with the reset value of FPCR: all exceptions masked, round to nearest.
    pub const MXCSR_RESET: u32 = 0x1f80;

    /// Registers as the kernel gives them to a new program: all zero.
    #[must_use]
    pub fn new() -> Self {
        Self {
            x: [0; 32],
            pc: GuestAddr(0),
            flags: LazyFlags::new(FlagKind::Packed, 0, 0),
            v: [0; 32],
            fpcr: 0,
            fpsr: 0,
            mxcsr: Self::MXCSR_RESET,
            tpidr_el0: 0,
            exclusive_addr: Self::NO_EXCLUSIVE,
            exclusive_value: [0; 2],
            exclusive_bytes: 0,
            stop: StopDetail::default(),
            backend: [0; 16],
            operands: [0; 8],
        }
    }

    /// What a new thread begins with: the same registers, nothing reserved for an exclusive store, and none of the
    /// ties to emu.
    #[must_use]
    pub fn for_new_thread(&self) -> Self {
        Self {
            x: self.x,
            pc: self.pc,
            flags: self.flags,
            v: self.v,
            fpcr: self.fpcr,
            fpsr: self.fpsr,
            mxcsr: self.mxcsr,
            tpidr_el0: self.tpidr_el0,
            ..Self::new()
        }
    }

    /// The stack pointer.
    #[must_use]
    pub fn sp(&self) -> GuestAddr {
        GuestAddr(self.x[Self::SP])
    }

    /// The flags, packed.
    #[must_use]
    pub fn nzcv(&self) -> Nzcv {
        self.flags.nzcv()
    }

    /// Sets the flags from their packed form.
    pub fn set_nzcv(&mut self, nzcv: Nzcv) {
        self.flags = LazyFlags::new(FlagKind::Packed, u64::from(nzcv.0 & 0xf000_0000), 0);
    }
}

impl Default for CpuState {
    fn default() -> Self {
        Self::new()
    }
}

// Generated code addresses X registers with 8-bit displacements from the pinned register and V registers aligned.
const _: () = assert!(std::mem::offset_of!(CpuState, x) == 0);
const _: () = assert!(std::mem::offset_of!(CpuState, v) % 16 == 0);
const _: () = assert!(std::mem::align_of::<CpuState>() == 64);
// What is above is stored with the word at once.
const _: () = assert!(std::mem::offset_of!(LazyFlags, above) == std::mem::offset_of!(LazyFlags, word) + 4);
const _: () = assert!(std::mem::offset_of!(CpuState, flags) % 8 == 0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_of_an_operation_are_the_same() {
        const JUNK: u64 = 0x5555_aaaa_7777_3333;
        let of_integers = |kind: &FlagKind| !matches!(kind, FlagKind::Fp32 | FlagKind::Fp64);
        let operations = FlagKind::OPERATIONS.into_iter().filter(of_integers);
        for kind in operations.chain([FlagKind::Packed]) {
            for a in [0, 1, 7, 0x7fff_ffff, 0x8000_0000, 0xf000_0000, 0xffff_ffff] {
                for b in [0, 1, 7, 0x7f_ffff, 0x80_0000, (-1i64) as u64, (-0x80_0000i64) as u64, 1 << 40] {
                    if kind == FlagKind::Packed && b != 0 {
                        continue;
                    }
                    let expected = LazyFlags::new(kind, a, b).nzcv();
                    let above = a as u32;
                    let flags = LazyFlags { a: JUNK, b, word: kind as u32 | LazyFlags::A_ABOVE, above };
                    assert_eq!(flags.nzcv(), expected, "{kind:?} {a:#x} {b:#x}");
                    let Some(word) = LazyFlags::word_with(kind, b).filter(|_| kind != FlagKind::Packed) else {
                        continue;
                    };
                    let flags = LazyFlags { a, b: JUNK, word, above: JUNK as u32 };
                    assert_eq!(flags.nzcv(), expected, "{kind:?} {a:#x} {b:#x}, b in the word");
                    let flags = LazyFlags { a: JUNK, b: JUNK, word: word | LazyFlags::A_ABOVE, above };
                    assert_eq!(flags.nzcv(), expected, "{kind:?} {a:#x} {b:#x}, all in the word");
                }
            }
        }
    }

    #[test]
    fn a_word_has_room_for_23_bits_and_a_sign() {
        let sub = |b: i64| LazyFlags::word_with(FlagKind::Sub64, b as u64);
        assert_eq!(sub(5), Some(0x514));
        assert_eq!(sub(-1), Some(0xffff_ff14));
        assert_eq!(sub(0x7f_ffff), Some(0x7fff_ff14));
        assert_eq!(sub(-0x80_0000), Some(0x8000_0014));
        assert_eq!(sub(0x80_0000), None);
        assert_eq!(sub(-0x80_0001), None);
        // -1 in 32 bits.
        assert_eq!(LazyFlags::word_with(FlagKind::Sub32, 0xffff_ffff), Some(0xffff_ff13));
        assert_eq!(LazyFlags::word_with(FlagKind::Sub64, 0xffff_ffff), None);
    }

    #[test]
    fn known_flags_are_one_word() {
        for nzcv in (0..16).map(|nzcv| Nzcv(nzcv << 28)) {
            let flags = LazyFlags { a: 1 << 31, b: 0, word: LazyFlags::word_of(nzcv), above: 7 };
            assert_eq!(flags.nzcv(), nzcv);
        }
    }

    #[test]
    fn flags_of_comparisons_follow_fpcompare() {
        let flags = |kind, a, b| LazyFlags::new(kind, a, b).nzcv().0 >> 28;
        let double = |a: f64, b: f64| flags(FlagKind::Fp64, a.to_bits(), b.to_bits());
        let single = |a: f32, b: f32| flags(FlagKind::Fp32, u64::from(a.to_bits()), u64::from(b.to_bits()));
        // Less N; equal Z and C; greater C; unordered C and V (Arm ARM, FPCompare).
        let cases = [
            (1.0, 2.0, 0b1000),
            (2.0, 1.0, 0b0010),
            (-1.0, 1.0, 0b1000),
            (-1.0, -2.0, 0b0010),
            (-2.0, -1.0, 0b1000),
            (0.0, -0.0, 0b0110),
            (-0.0, 0.0, 0b0110),
            (3.5, 3.5, 0b0110),
            (f64::INFINITY, f64::NEG_INFINITY, 0b0010),
            (f64::NEG_INFINITY, f64::INFINITY, 0b1000),
            (f64::INFINITY, f64::INFINITY, 0b0110),
            (f64::NAN, 1.0, 0b0011),
            (1.0, -f64::NAN, 0b0011),
            (-1e-40, 0.0, 0b1000),
        ];
        for (a, b, expected) in cases {
            assert_eq!(double(a, b), expected, "double {a} {b}");
            assert_eq!(single(a as f32, b as f32), expected, "single {a} {b}");
        }
    }
}
