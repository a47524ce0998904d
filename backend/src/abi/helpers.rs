//! What generated code calls when it has no instructions of its own: the functions that `Eval` uses, behind C
//! signatures, in a table whose order is [`Helper`]. Operations travel as numbers of the vocabulary.
//!
//! Unsafe because generated code passes it the address of the running thread's `CpuState`.
#![allow(unsafe_code)]
// The System V ABI passes __m128i in an XMM register, as generated code does; the lint knows Rust's layout only.
#![allow(improper_ctypes_definitions)]

use crate::abi::lane_shifts;
use crate::abi::layout;
use ir::eval::{fp, int, sysreg, vector};
use ir::{
    Arr, CpuState, Eval, Fp1, Fp2, FpInt, FpSize, IntHelper, Lane, Ops, Rounding, Stop, SysReg, Vec1, Vec2, Vec3,
    VecShift, Width,
};
use std::arch::x86_64::__m128i;

/// A vector as the C convention passes it.
type V = __m128i;

/// Index of a helper in the table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Helper {
    Int,
    ReadSysreg,
    WriteSysreg,
    Atomic,
    Vec1,
    Vec2,
    Vec3,
    ShiftLanes,
    VecShift,
    VecFpToInt,
    VecIntToFp,
    Fp1,
    Fp2,
    FpMulAdd,
    FpConvert,
    FpToInt,
    IntToFp,
    FpCompare,
    FpToIntJs,
}

/// Kind of a helper's parameter or result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A 64-bit integer, an address, or the bits of a number.
    Integer,
    /// A vector.
    Vector,
}

/// What a helper takes and gives.
pub struct Signature {
    /// Name, for statistics and listings.
    pub name: &'static str,
    /// Parameters after the `CpuState`.
    pub params: &'static [Kind],
    /// Result.
    pub result: Kind,
}

/// Number of helpers.
pub const COUNT: usize = 19;

macro_rules! helpers {
    ($($helper:ident $function:ident ($($param:ty),*) -> $result:ty;)*) => {
        /// Signatures by helper number.
        pub static SIGNATURES: &[Signature] =
            &[$(Signature {
                name: stringify!($function),
                params: &[$(<$param as Operand>::KIND),*],
                result: <$result as Operand>::KIND,
            }),*];
        const ORDER: &[Helper] = &[$(Helper::$helper),*];
        /// The table that `CpuState::backend[HELPERS]` points to: the helpers, then for each the thunk that calls it
        /// with operands from memory and preserves all registers.
        pub static TABLE: Table = Table([$($function as *const (),)* $(thunks::$function as *const ()),*]);

        /// Thunks by helper name; see `emu_preserving`.
        #[allow(clippy::module_inception)]
        mod thunks {
            $(
                #[unsafe(naked)]
                pub extern "C" fn $function() {
                    std::arch::naked_asm!(
                        "push rax",
                        "lea rax, [rip + {unpacking}]",
                        "jmp emu_preserving",
                        unpacking = sym super::unpacking::$function,
                    )
                }
            )*
        }

        /// Helpers by name that take their operands from `CpuState::operands`, and leave the result there.
        mod unpacking {
            use super::{CpuState, Operand, V};
            $(
                pub extern "C" fn $function(cpu: &mut CpuState) {
                    let mut operands = cpu.operands.into_iter();
                    let mut next = || operands.next().unwrap_or_default();
                    let result = super::$function(cpu, $(<$param>::from_memory(next())),*);
                    cpu.operands[0] = result.to_memory();
                }
            )*
        }
    };
}

/// A parameter or result of a helper.
trait Operand {
    const KIND: Kind;
    fn from_memory(memory: u128) -> Self;
    fn to_memory(self) -> u128;
}

impl Operand for u64 {
    const KIND: Kind = Kind::Integer;
    fn from_memory(memory: u128) -> Self {
        memory as Self
    }
    fn to_memory(self) -> u128 {
        self.into()
    }
}

impl Operand for V {
    const KIND: Kind = Kind::Vector;
    fn from_memory(memory: u128) -> Self {
        from_u128(memory)
    }
    fn to_memory(self) -> u128 {
        to_u128(self)
    }
}

// Generated code calls helpers from unlikely places too, to fix up a NaN. Such a call must cost the likely way
// nothing: it preserves all registers, or what is live across it would be spilled there, and its operands travel in
// memory, or values would be moved there to where the C convention wants them. Entered with rax pushed and the
// helper in rax; r15 is the CpuState, as everywhere in generated code.
std::arch::global_asm!(
    ".pushsection .text.emu_preserving,\"ax\",@progbits",
    ".globl emu_preserving",
    ".hidden emu_preserving",
    "emu_preserving:",
    "push rcx",
    "push rdx",
    "push rsi",
    "push rdi",
    "push r8",
    "push r9",
    "push r10",
    "push r11",
    "sub rsp, 256",
    ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "movups [rsp + 16 * \\n], xmm\\n",
    ".endr",
    "mov rdi, r15",
    "call rax",
    ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "movups xmm\\n, [rsp + 16 * \\n]",
    ".endr",
    "add rsp, 256",
    "pop r11",
    "pop r10",
    "pop r9",
    "pop r8",
    "pop rdi",
    "pop rsi",
    "pop rdx",
    "pop rcx",
    "pop rax",
    "ret",
    ".popsection",
);

/// Function addresses in the order of [`Helper`].
pub struct Table([*const (); 2 * COUNT]);
// SAFETY: the pointers are addresses of functions, never written.
unsafe impl Sync for Table {}

impl Table {
    /// Its address, for `CpuState::backend`.
    pub fn address(&self) -> u64 {
        self.0.as_ptr() as u64
    }
}

helpers! {
    Int         int_helper      (u64, u64, u64) -> u64;
    ReadSysreg  read_sysreg     (u64) -> u64;
    WriteSysreg write_sysreg    (u64, u64) -> u64;
    Atomic      atomic          (u64, u64, u64, u64, u64, u64, u64) -> u64;
    Vec1        vec1            (u64, u64, V) -> V;
    Vec2        vec2            (u64, u64, V, V) -> V;
    Vec3        vec3            (u64, u64, V, V, V) -> V;
    ShiftLanes  shift_lanes     (u64, V, V) -> V;
    VecShift    vec_shift       (u64, u64, u64, V) -> V;
    VecFpToInt  vec_fp_to_int   (u64, u64, V) -> V;
    VecIntToFp  vec_int_to_fp   (u64, u64, V) -> V;
    Fp1         fp1             (u64, u64, u64) -> u64;
    Fp2         fp2             (u64, u64, u64, u64) -> u64;
    FpMulAdd    fp_mul_add      (u64, u64, u64, u64) -> u64;
    FpConvert   fp_convert      (u64, u64, u64) -> u64;
    FpToInt     fp_to_int       (u64, u64, u64, u64) -> u64;
    IntToFp     int_to_fp       (u64, u64, u64, u64) -> u64;
    FpCompare   fp_compare      (u64, u64, u64, u64) -> u64;
    FpToIntJs   fp_to_int_js    (u64) -> u64;
}

const _: () = {
    let mut i = 0;
    while i < ORDER.len() {
        assert!(ORDER[i] as usize == i, "the table is in the order of Helper");
        i += 1;
    }
};

/// A helper's name and, where its first parameter is one, the operation's.
pub fn name_of(helper: usize, op: u8) -> String {
    fn op_name<T: Copy + std::fmt::Debug>(all: &[T], op: u8) -> String {
        all.get(usize::from(op)).map(|op| format!(" {op:?}")).unwrap_or_default()
    }
    let Some(&which) = ORDER.get(helper) else { return "unknown".to_owned() };
    let op = match which {
        Helper::Int => op_name(IntHelper::ALL, op),
        Helper::ReadSysreg | Helper::WriteSysreg => op_name(SysReg::ALL, op),
        Helper::Vec1 => op_name(Vec1::ALL, op),
        Helper::Vec2 => op_name(Vec2::ALL, op),
        Helper::Vec3 => op_name(Vec3::ALL, op),
        Helper::VecShift => op_name(VecShift::ALL, op),
        Helper::Fp1 => op_name(Fp1::ALL, op),
        Helper::Fp2 => op_name(Fp2::ALL, op),
        Helper::Atomic => format!(" {:?}", AtomicOp::ALL.get(usize::from(op))),
        _ => String::new(),
    };
    format!("{}{op}", SIGNATURES[helper].name)
}

/// An arrangement as one integer.
pub fn encode_arr(arr: Arr) -> u64 {
    arr.lane as u64 | u64::from(arr.count) << 8
}
fn decode_arr(code: u64) -> Arr {
    Arr { lane: Lane::from_number(code as u8), count: (code >> 8) as u8 }
}

/// A conversion as one integer.
pub fn encode_fp_int(how: FpInt) -> u64 {
    how.rounding as u64 | u64::from(how.signed) << 8 | u64::from(how.fbits) << 16
}
fn decode_fp_int(code: u64) -> FpInt {
    FpInt { rounding: Rounding::from_number(code as u8), signed: code >> 8 & 1 != 0, fbits: (code >> 16) as u8 }
}

fn to_u128(v: V) -> u128 {
    zerocopy::transmute!(v)
}
fn from_u128(v: u128) -> V {
    zerocopy::transmute!(v)
}

extern "C" fn int_helper(_: &mut CpuState, op: u64, a: u64, b: u64) -> u64 {
    int::int_helper(IntHelper::from_number(op as u8), a, b)
}
extern "C" fn read_sysreg(cpu: &mut CpuState, reg: u64) -> u64 {
    sysreg::read(cpu, SysReg::from_number(reg as u8))
}
extern "C" fn write_sysreg(cpu: &mut CpuState, reg: u64, value: u64) -> u64 {
    sysreg::write(cpu, SysReg::from_number(reg as u8), value);
    0
}

/// Which atomic operation [`Helper::Atomic`] performs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum AtomicOp {
    Rmw,
    Cas,
    CasPair,
    LoadExclusive,
    StoreExclusive,
    LoadExclusivePair,
    StoreExclusivePair,
}

impl AtomicOp {
    const ALL: [Self; 7] = [
        Self::Rmw,
        Self::Cas,
        Self::CasPair,
        Self::LoadExclusive,
        Self::StoreExclusive,
        Self::LoadExclusivePair,
        Self::StoreExclusivePair,
    ];
}

/// `op` is an [`AtomicOp`] in bits 7 to 0, the size in bytes in 15 to 8, an `ir::Rmw` in 23 to 16. Results stand in
/// `CpuState::backend[RESULT]` and the next word; gives 0, or the `Stop`.
extern "C" fn atomic(cpu: &mut CpuState, op: u64, addr: u64, a: u64, b: u64, c: u64, d: u64, _: u64) -> u64 {
    let bytes = (op >> 8) as u8;
    let mut eval = Eval::new(cpu);
    let one = |v| [v, 0];
    let result = match AtomicOp::ALL[usize::from(op as u8)] {
        AtomicOp::Rmw => eval.rmw(ir::Rmw::from_number((op >> 16) as u8), bytes, addr, a).map(one),
        AtomicOp::Cas => eval.cas(bytes, addr, a, b).map(one),
        AtomicOp::CasPair => eval.cas_pair(bytes, addr, [a, b], [c, d]),
        AtomicOp::LoadExclusive => eval.load_exclusive(bytes, addr).map(one),
        AtomicOp::StoreExclusive => eval.store_exclusive(bytes, addr, a).map(one),
        AtomicOp::LoadExclusivePair => eval.load_exclusive_pair(bytes, addr),
        AtomicOp::StoreExclusivePair => eval.store_exclusive_pair(bytes, addr, [a, b]).map(one),
    };
    finish(cpu, result)
}

fn finish(cpu: &mut CpuState, result: Result<[u64; 2], Stop>) -> u64 {
    match result {
        Ok([first, second]) => {
            cpu.backend[layout::RESULT] = first;
            cpu.backend[layout::RESULT + 1] = second;
            0
        }
        Err(stop) => stop as u64,
    }
}

extern "C" fn vec1(cpu: &mut CpuState, op: u64, arr: u64, a: V) -> V {
    from_u128(vector::vec1(cpu, Vec1::from_number(op as u8), decode_arr(arr), to_u128(a)))
}
extern "C" fn vec2(cpu: &mut CpuState, op: u64, arr: u64, a: V, b: V) -> V {
    from_u128(vector::vec2(cpu, Vec2::from_number(op as u8), decode_arr(arr), to_u128(a), to_u128(b)))
}
/// `code` is what `lane_shifts::encode` has given.
extern "C" fn shift_lanes(_: &mut CpuState, code: u64, a: V, b: V) -> V {
    // SAFETY: that has found AVX2.
    unsafe { lane_shifts::shift(code, a, b) }
}
extern "C" fn vec3(cpu: &mut CpuState, op: u64, arr: u64, a: V, b: V, c: V) -> V {
    let op = Vec3::from_number(op as u8);
    from_u128(vector::vec3(cpu, op, decode_arr(arr), to_u128(a), to_u128(b), to_u128(c)))
}
extern "C" fn vec_shift(cpu: &mut CpuState, op: u64, arr: u64, amount: u64, a: V) -> V {
    from_u128(vector::shift(cpu, VecShift::from_number(op as u8), decode_arr(arr), amount as u8, to_u128(a)))
}
extern "C" fn vec_fp_to_int(cpu: &mut CpuState, how: u64, arr: u64, a: V) -> V {
    from_u128(vector::fp_to_int(cpu, decode_fp_int(how), decode_arr(arr), to_u128(a)))
}
extern "C" fn vec_int_to_fp(cpu: &mut CpuState, how: u64, arr: u64, a: V) -> V {
    from_u128(vector::int_to_fp(cpu, decode_fp_int(how), decode_arr(arr), to_u128(a)))
}

extern "C" fn fp1(cpu: &mut CpuState, op: u64, size: u64, a: u64) -> u64 {
    fp::fp1(cpu, Fp1::from_number(op as u8), FpSize::from_number(size as u8), a)
}
extern "C" fn fp2(cpu: &mut CpuState, op: u64, size: u64, a: u64, b: u64) -> u64 {
    fp::fp2(cpu, Fp2::from_number(op as u8), FpSize::from_number(size as u8), a, b)
}
extern "C" fn fp_mul_add(cpu: &mut CpuState, size: u64, addend: u64, a: u64, b: u64) -> u64 {
    fp::mul_add(cpu, FpSize::from_number(size as u8), addend, a, b)
}
extern "C" fn fp_convert(cpu: &mut CpuState, from: u64, to: u64, a: u64) -> u64 {
    fp::convert(cpu, FpSize::from_number(from as u8), FpSize::from_number(to as u8), a)
}
extern "C" fn fp_to_int(cpu: &mut CpuState, how: u64, size: u64, width: u64, a: u64) -> u64 {
    let bits = Width::from_number(width as u8).bits();
    fp::to_int(cpu, decode_fp_int(how), FpSize::from_number(size as u8), bits, a)
}
extern "C" fn int_to_fp(cpu: &mut CpuState, how: u64, size: u64, width: u64, a: u64) -> u64 {
    let bits = Width::from_number(width as u8).bits();
    fp::from_int(cpu, decode_fp_int(how), FpSize::from_number(size as u8), bits, a)
}
/// Gives NZCV, packed.
extern "C" fn fp_compare(cpu: &mut CpuState, size: u64, signal_quiet: u64, a: u64, b: u64) -> u64 {
    u64::from(fp::compare(cpu, FpSize::from_number(size as u8), signal_quiet != 0, a, b).0)
}
/// Gives the value in the low 32 bits, and in bit 62 (Z of a packed NZCV shifted by 32) whether it is exact.
extern "C" fn fp_to_int_js(cpu: &mut CpuState, a: u64) -> u64 {
    let (value, exact) = fp::to_int_js(cpu, a);
    value & 0xffff_ffff | u64::from(exact) << 62
}
