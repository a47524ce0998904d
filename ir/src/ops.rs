//! `Ops`: what an instruction can do. Every A64 instruction is lifted by one generic function over this trait, so
//! that its meaning is written once; [`crate::Eval`] performs the operations, the backend compiles them.
//!
//! Integer values are 64 bits wide. Operations of [`Width::W`] look at the low 32 bits of their operands and
//! zero-extend the result, so a lifter for Wd writes the result with [`Ops::set_x`] as it is.

use crate::{
    Arr, Barrier, Compare, Cond, Extend, FlagOp, Fp1, Fp2, FpInt, FpSize, GuestAddr, Int1, Int2, IntHelper, Lane,
    Prefetch, Rmw, Stop, SysReg, Vec1, Vec2, Vec3, VecShift, Width,
};

/// Number of a general register as encoded: 0 to 31. Whether 31 is ZR or SP depends on the accessor used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Reg(pub u8);

/// Number of a vector register, 0 to 31.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct VReg(pub u8);

impl VReg {
    /// The register `n` further on, modulo 32, as register lists count.
    #[must_use]
    pub const fn next(self, n: u8) -> Self {
        Self((self.0 + n) & 31)
    }
}

/// What a lifter returns: `Err` when the guest must stop at this instruction. An implementation that only builds
/// code never returns `Err`.
pub type Lifted<O> = Result<(), <O as Ops>::Stop>;

/// A memory access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access {
    /// Size in bytes: 1, 2, 4, 8 (16 for vectors and pairs).
    pub bytes: u8,
    /// How a loaded integer is extended: to 64 bits, zero- or sign-. Sign-extension to W is `SignW`.
    pub extend: Loaded,
    /// Acquire or release semantics.
    pub order: Order,
    /// Must be aligned to its size, or the access stops with [`Stop::Misaligned`].
    pub aligned: bool,
}

/// How a loaded integer fills its register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loaded {
    /// Zero-extended to 64 bits.
    Zero,
    /// Sign-extended to 32 bits, then zero-extended.
    SignW,
    /// Sign-extended to 64 bits.
    SignX,
}

/// Ordering of an access beyond the plain one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// None.
    Plain,
    /// Load-acquire (LDAR, LDAPR, LDLAR, the A forms) or store-release (STLR, STLLR, the L forms). Atomic
    /// read-modify-writes are fully ordered whatever is said here.
    AcquireRelease,
}

impl Access {
    /// A plain, zero-extending access of `bytes` bytes.
    #[must_use]
    pub const fn plain(bytes: u8) -> Self {
        Self { bytes, extend: Loaded::Zero, order: Order::Plain, aligned: false }
    }
    /// An ordered, alignment-checked access of `bytes` bytes.
    #[must_use]
    pub const fn ordered(bytes: u8) -> Self {
        Self { bytes, extend: Loaded::Zero, order: Order::AcquireRelease, aligned: true }
    }
}

/// The vocabulary. See the module's header.
///
/// Control flow: at most one of the exits (`jump` and the rest) is called, as the last thing a lifter does; without
/// one, the next instruction follows. Writes of registers come after the accesses that may fault.
pub trait Ops {
    /// A 64-bit integer.
    type Val: Copy;
    /// A truth value.
    type Bool: Copy;
    /// 128 bits of vector.
    type Vec: Copy;
    /// A scalar floating-point number, of a size the operations name.
    type Fp: Copy;
    /// Why the guest stops here.
    type Stop;

    // --- integers -------------------------------------------------------------------------------------------

    /// A constant.
    fn imm(&mut self, value: u64) -> Self::Val;
    /// A guest address that depends on where the code is (ADR, ADRP, literals, return addresses).
    fn pc_imm(&mut self, addr: GuestAddr) -> Self::Val;
    /// Xn, or zero for number 31.
    fn x(&mut self, r: Reg) -> Self::Val;
    /// Xn, or SP for number 31.
    fn x_or_sp(&mut self, r: Reg) -> Self::Val;
    /// Writes Xn; number 31 is discarded.
    fn set_x(&mut self, r: Reg, value: Self::Val);
    /// Writes Xn, or SP for number 31.
    fn set_x_or_sp(&mut self, r: Reg, value: Self::Val);
    /// One operand.
    fn int1(&mut self, op: Int1, width: Width, a: Self::Val) -> Self::Val;
    /// Two operands.
    fn int2(&mut self, op: Int2, width: Width, a: Self::Val, b: Self::Val) -> Self::Val;
    /// Extension of the low bits to 64. For a W result follow with `int2(And, W, ..)` or an operation of width W.
    fn extend(&mut self, op: Extend, a: Self::Val) -> Self::Val;
    /// Bits `lsb .. lsb + bits` of a, zero-extended; `bits` is 1 to 64.
    fn extract(&mut self, a: Self::Val, lsb: u8, bits: u8) -> Self::Val {
        let mask = self.imm(if bits >= 64 { u64::MAX } else { (1 << bits) - 1 });
        let amount = self.imm(u64::from(lsb));
        let shifted = self.int2(Int2::Lsr, Width::X, a, amount);
        self.int2(Int2::And, Width::X, shifted, mask)
    }
    /// The `width` bits of `high:low` from bit `lsb` (EXTR).
    fn extract_pair(&mut self, width: Width, high: Self::Val, low: Self::Val, lsb: u8) -> Self::Val;
    /// An operation that is a helper everywhere.
    fn int_helper(&mut self, op: IntHelper, a: Self::Val, b: Self::Val) -> Self::Val;
    /// Compares the low `width` bits.
    fn compare(&mut self, op: Compare, width: Width, a: Self::Val, b: Self::Val) -> Self::Bool;
    /// `yes` if `c`, else `no`.
    fn select(&mut self, c: Self::Bool, yes: Self::Val, no: Self::Val) -> Self::Val;

    // --- flags ----------------------------------------------------------------------------------------------

    /// Sets all flags as the operation does. `Logic` ignores b.
    fn set_flags(&mut self, op: FlagOp, width: Width, a: Self::Val, b: Self::Val);
    /// Sets the flags from the low 32 bits of a value packed as in NZCV (other bits ignored).
    fn set_nzcv(&mut self, packed: Self::Val);
    /// The flags packed as in NZCV.
    fn nzcv(&mut self) -> Self::Val;
    /// CCMP and CCMN: if `cond` holds, flags of `op` (Add or Sub) on a and b; else `nzcv` (4 bits, N is bit 3).
    fn set_flags_if(&mut self, cond: Cond, op: FlagOp, width: Width, a: Self::Val, b: Self::Val, nzcv: u8);
    /// Whether the condition holds.
    fn cond(&mut self, cond: Cond) -> Self::Bool;
    /// a + b + C (ADC), or a + !b + C (SBC: `subtract`), without setting flags.
    fn add_with_carry(&mut self, width: Width, a: Self::Val, b: Self::Val, subtract: bool) -> Self::Val;

    // --- memory ---------------------------------------------------------------------------------------------

    /// `base + offset`, as an address. Wraps.
    fn address(&mut self, base: Self::Val, offset: i64) -> Self::Val {
        let offset = self.imm(offset as u64);
        self.int2(Int2::Add, Width::X, base, offset)
    }
    /// Loads an integer of 1 to 8 bytes. Single-copy atomic when aligned.
    fn load(&mut self, access: Access, addr: Self::Val) -> Result<Self::Val, Self::Stop>;
    /// Stores the low bytes of an integer. Single-copy atomic when aligned.
    fn store(&mut self, access: Access, addr: Self::Val, value: Self::Val) -> Result<(), Self::Stop>;
    /// Loads 1, 2, 4, 8 or 16 bytes into the low part of a vector, the rest zero.
    fn load_vec(&mut self, access: Access, addr: Self::Val) -> Result<Self::Vec, Self::Stop>;
    /// Stores the low 1, 2, 4, 8 or 16 bytes of a vector.
    fn store_vec(&mut self, access: Access, addr: Self::Val, value: Self::Vec) -> Result<(), Self::Stop>;
    /// Zeroes the 64 bytes of the block that holds `addr` (DC ZVA).
    fn zero_block(&mut self, addr: Self::Val) -> Result<(), Self::Stop>;
    /// PRFM: says that memory will be used soon. Never faults; may do nothing.
    fn prefetch(&mut self, place: Prefetch, addr: Self::Val);
    /// Loads (and discards) one byte: cache maintenance by address faults like a load.
    fn probe(&mut self, addr: Self::Val) -> Result<(), Self::Stop> {
        self.load(Access::plain(1), addr).map(|_| ())
    }

    // --- atomics (always alignment-checked, sequentially consistent) -------------------------------------------

    /// Atomic read-modify-write of `bytes` bytes; gives the old value, zero-extended.
    fn rmw(&mut self, op: Rmw, bytes: u8, addr: Self::Val, value: Self::Val) -> Result<Self::Val, Self::Stop>;
    /// Compare and swap of `bytes` bytes; gives the old value, zero-extended.
    fn cas(&mut self, bytes: u8, addr: Self::Val, expected: Self::Val, new: Self::Val)
    -> Result<Self::Val, Self::Stop>;
    /// Compare and swap of a pair of `bytes`-byte values (4 or 8) at `addr`; first element first.
    fn cas_pair(
        &mut self,
        bytes: u8,
        addr: Self::Val,
        expected: [Self::Val; 2],
        new: [Self::Val; 2],
    ) -> Result<[Self::Val; 2], Self::Stop>;
    /// LDXR and LDAXR: loads `bytes` bytes and sets the monitor.
    fn load_exclusive(&mut self, bytes: u8, addr: Self::Val) -> Result<Self::Val, Self::Stop>;
    /// STXR and STLXR: gives 0 when stored, 1 when the monitor was lost.
    fn store_exclusive(&mut self, bytes: u8, addr: Self::Val, value: Self::Val) -> Result<Self::Val, Self::Stop>;
    /// LDXP and LDAXP: two elements of `bytes` bytes (4 or 8), read as one.
    fn load_exclusive_pair(&mut self, bytes: u8, addr: Self::Val) -> Result<[Self::Val; 2], Self::Stop>;
    /// STXP and STLXP.
    fn store_exclusive_pair(
        &mut self,
        bytes: u8,
        addr: Self::Val,
        values: [Self::Val; 2],
    ) -> Result<Self::Val, Self::Stop>;
    /// CLREX.
    fn clear_exclusive(&mut self);
    /// Memory barrier.
    fn barrier(&mut self, kind: Barrier);

    // --- system -----------------------------------------------------------------------------------------------

    /// MRS.
    fn read_sysreg(&mut self, reg: SysReg) -> Self::Val;
    /// MSR.
    fn write_sysreg(&mut self, reg: SysReg, value: Self::Val);
    /// A hint to the processor that a spin loop is running (YIELD, WFE).
    fn spin_hint(&mut self) {}

    // --- exits ------------------------------------------------------------------------------------------------

    /// Continues at `target`.
    fn jump(&mut self, target: GuestAddr);
    /// Continues at `target` if `c`, else at the next instruction.
    fn jump_if(&mut self, c: Self::Bool, target: GuestAddr);
    /// A call of `target` that will come back to `back`. X30 has been set by the lifter.
    fn call(&mut self, target: GuestAddr, back: GuestAddr);
    /// Continues at a computed address.
    fn jump_indirect(&mut self, target: Self::Val);
    /// A call of a computed address that will come back to `back`. X30 has been set by the lifter.
    fn call_indirect(&mut self, target: Self::Val, back: GuestAddr);
    /// A return to `target`.
    fn ret(&mut self, target: Self::Val);
    /// Stops at this instruction: `Svc`, `Undefined`, `Breakpoint` (with its immediate in `code`).
    fn stop(&mut self, stop: Stop, code: i32) -> Lifted<Self>
    where
        Self: Sized;
    /// IC IVAU: the 64 bytes around `addr` may have been rewritten. The next instruction is fetched anew.
    fn code_changed(&mut self, addr: Self::Val) -> Lifted<Self>
    where
        Self: Sized;

    // --- vectors ----------------------------------------------------------------------------------------------

    /// Vn.
    fn v(&mut self, r: VReg) -> Self::Vec;
    /// Writes all 128 bits of Vn.
    fn set_v(&mut self, r: VReg, value: Self::Vec);
    /// A constant.
    fn vec_imm(&mut self, value: u128) -> Self::Vec;
    /// One lane, zero-extended. `lane` is B to D.
    fn lane(&mut self, lane: Lane, index: u8, a: Self::Vec) -> Self::Val;
    /// `a` with one lane replaced by the low bits of `value`.
    fn set_lane(&mut self, lane: Lane, index: u8, a: Self::Vec, value: Self::Val) -> Self::Vec;
    /// The low bits of a value in every lane of `arr`, the rest zero.
    fn splat(&mut self, arr: Arr, value: Self::Val) -> Self::Vec;
    /// Lane `index` of `a` in every lane of `arr`, the rest zero (by-element forms, DUP).
    fn splat_lane(&mut self, arr: Arr, index: u8, a: Self::Vec) -> Self::Vec {
        let value = self.lane(arr.lane, index, a);
        self.splat(arr, value)
    }
    /// The low 64 bits, the rest zero.
    fn low_half(&mut self, a: Self::Vec) -> Self::Vec;
    /// The high 64 bits moved to the low ones, the rest zero.
    fn high_half(&mut self, a: Self::Vec) -> Self::Vec;
    /// The low halves of two vectors: `low` below, `high` above.
    fn join_halves(&mut self, low: Self::Vec, high: Self::Vec) -> Self::Vec;
    /// One operand.
    fn vec1(&mut self, op: Vec1, arr: Arr, a: Self::Vec) -> Self::Vec;
    /// Two operands.
    fn vec2(&mut self, op: Vec2, arr: Arr, a: Self::Vec, b: Self::Vec) -> Self::Vec;
    /// Three operands.
    fn vec3(&mut self, op: Vec3, arr: Arr, a: Self::Vec, b: Self::Vec, c: Self::Vec) -> Self::Vec;
    /// Shift by a constant.
    fn vec_shift(&mut self, op: VecShift, arr: Arr, amount: u8, a: Self::Vec) -> Self::Vec;
    /// Bytes `index ..` of the pair b:a, as many as `arr` covers (EXT; `arr.lane` is B).
    fn vec_ext(&mut self, arr: Arr, index: u8, a: Self::Vec, b: Self::Vec) -> Self::Vec;
    /// TBL and TBX: byte i is byte `index[i]` of the table, or of `fallback` at i when out of range.
    fn vec_table(&mut self, arr: Arr, table: &[Self::Vec], index: Self::Vec, fallback: Self::Vec) -> Self::Vec;
    /// Floating point to integer, lane-wise, saturating.
    fn vec_fp_to_int(&mut self, how: FpInt, arr: Arr, a: Self::Vec) -> Self::Vec;
    /// Integer to floating point, lane-wise.
    fn vec_int_to_fp(&mut self, how: FpInt, arr: Arr, a: Self::Vec) -> Self::Vec;

    // --- scalar floating point ----------------------------------------------------------------------------------

    /// The low bits of Vn as a number.
    fn fp(&mut self, size: FpSize, r: VReg) -> Self::Fp;
    /// Writes the low bits of Vn and clears the rest.
    fn set_fp(&mut self, size: FpSize, r: VReg, value: Self::Fp);
    /// A number from its bits in the low part of an integer.
    fn fp_from_bits(&mut self, size: FpSize, bits: Self::Val) -> Self::Fp;
    /// The bits of a number, zero-extended.
    fn fp_bits(&mut self, size: FpSize, a: Self::Fp) -> Self::Val;
    /// One operand.
    fn fp1(&mut self, op: Fp1, size: FpSize, a: Self::Fp) -> Self::Fp;
    /// Two operands.
    fn fp2(&mut self, op: Fp2, size: FpSize, a: Self::Fp, b: Self::Fp) -> Self::Fp;
    /// addend + a * b, fused (FPMulAdd). FMSUB and the negated forms negate operands with `Fp1::Fneg` first.
    fn fp_mul_add(&mut self, size: FpSize, addend: Self::Fp, a: Self::Fp, b: Self::Fp) -> Self::Fp;
    /// Converts between formats, FPCR rounding.
    fn fp_convert(&mut self, from: FpSize, to: FpSize, a: Self::Fp) -> Self::Fp;
    /// Converts to an integer of `width`, saturating, zero-extended; NaN gives 0.
    fn fp_to_int(&mut self, how: FpInt, size: FpSize, width: Width, a: Self::Fp) -> Self::Val;
    /// Converts an integer of `width`.
    fn int_to_fp(&mut self, how: FpInt, size: FpSize, width: Width, a: Self::Val) -> Self::Fp;
    /// FCMP (FCMPE with `signal_quiet`): sets the flags (less N; equal ZC; greater C; unordered CV).
    fn fp_compare(&mut self, size: FpSize, signal_quiet: bool, a: Self::Fp, b: Self::Fp);
    /// FCCMP: compares if `cond` holds, else sets the flags to `nzcv` (4 bits).
    fn fp_compare_if(&mut self, cond: Cond, size: FpSize, signal_quiet: bool, a: Self::Fp, b: Self::Fp, nzcv: u8);
    /// `yes` if `c`, else `no`.
    fn fp_select(&mut self, c: Self::Bool, yes: Self::Fp, no: Self::Fp) -> Self::Fp;
    /// FJCVTZS: double to a 32-bit integer modulo 2^32, Z set if exact.
    fn fp_to_int_js(&mut self, a: Self::Fp) -> Self::Val;
}
