//! The names of operations that [`crate::Ops`] performs: plain enumerations, so that one helper call per family
//! can stand for any of them, and so that lifters pass the variant on instead of being written once per variant.
//!
//! Lane-wise operations work on `arr.count` lanes of `arr.lane`, from the least significant up, and clear the
//! rest of the result. A count of 1 is the scalar form of an Advanced SIMD instruction.

/// Defines an enumeration with a dense numbering that can travel through generated code and back.
macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant),* }
        impl $name {
            /// Every variant, at the index of its number.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
            /// The variant with this number.
            ///
            /// # Panics
            /// If there is none: numbers come from `as u8` of a variant.
            #[must_use]
            pub fn from_number(number: u8) -> Self { Self::ALL[usize::from(number)] }
        }
    };
}

vocabulary! {
    /// Width of an integer operation. Values are always 64 bits; results of `W` operations are zero-extended.
    Width { /** 32 bits */ W, /** 64 bits */ X }
}

impl Width {
    /// Number of bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        match self {
            Self::W => 32,
            Self::X => 64,
        }
    }
    /// Ones in the bits that belong to the width.
    #[must_use]
    pub const fn mask(self) -> u64 {
        match self {
            Self::W => 0xffff_ffff,
            Self::X => u64::MAX,
        }
    }
}

vocabulary! {
    /// Integer operations with one operand.
    Int1 {
        /// Bitwise complement.
        Not,
        /// Two's complement.
        Neg,
        /// Count leading zeros.
        Clz,
        /// Count leading sign bits, the sign itself not counted.
        Cls,
        /// Reverse the bits.
        Rbit,
        /// Reverse the bytes.
        Rev,
        /// Reverse the bytes of each halfword.
        Rev16,
        /// Reverse the bytes of each word.
        Rev32,
    }
}

vocabulary! {
    /// Integer operations with two operands.
    Int2 {
        /// a + b
        Add,
        /// a - b
        Sub,
        /// a & b
        And,
        /// a | b
        Orr,
        /// a ^ b
        Eor,
        /// a & !b
        Bic,
        /// a | !b
        Orn,
        /// a ^ !b
        Eon,
        /// a << (b mod width)
        Lsl,
        /// a >> (b mod width), zeros shifted in
        Lsr,
        /// a >> (b mod width), sign shifted in
        Asr,
        /// a rotated right by (b mod width)
        Ror,
        /// Low half of the product.
        Mul,
        /// High 64 bits of the signed 128-bit product (width X).
        Smulh,
        /// High 64 bits of the unsigned 128-bit product (width X).
        Umulh,
        /// Signed quotient towards zero; 0 when b is 0; MIN / -1 is MIN.
        Sdiv,
        /// Unsigned quotient; 0 when b is 0.
        Udiv,
    }
}

vocabulary! {
    /// Extensions of the low bits of a value to 64 bits.
    Extend { /** zero, 8 */ Uxtb, /** zero, 16 */ Uxth, /** zero, 32 */ Uxtw, /** none */ Uxtx, /** sign, 8 */ Sxtb, /** sign, 16 */ Sxth, /** sign, 32 */ Sxtw, /** none */ Sxtx }
}

vocabulary! {
    /// Comparisons that give a truth value.
    Compare { /** equal */ Eq, /** not equal */ Ne, /** unsigned less */ Ult, /** unsigned less or equal */ Ule, /** signed less */ Slt, /** signed less or equal */ Sle }
}

vocabulary! {
    /// A64 condition codes, numbered as encoded.
    Cond { /** Z */ Eq, /** !Z */ Ne, /** C */ Cs, /** !C */ Cc, /** N */ Mi, /** !N */ Pl, /** V */ Vs, /** !V */ Vc, /** C && !Z */ Hi, /** !(C && !Z) */ Ls, /** N == V */ Ge, /** N != V */ Lt, /** !Z && N == V */ Gt, /** !(!Z && N == V) */ Le, /** always */ Al, /** always */ Nv }
}

vocabulary! {
    /// What sets the flags.
    FlagOp {
        /// Sum a + b.
        Add,
        /// Difference a - b.
        Sub,
        /// N and Z of a; b is ignored.
        Logic,
        /// Sum a + b + C. The flags' own C goes in.
        Adc,
        /// a + !b + C.
        Sbc,
    }
}

vocabulary! {
    /// Atomic read-modify-write operations (LSE names): memory op register.
    Rmw { /** m + r */ Add, /** m & !r */ Clr, /** m ^ r */ Eor, /** m | r */ Set, /** signed maximum */ Smax, /** signed minimum */ Smin, /** unsigned maximum */ Umax, /** unsigned minimum */ Umin, /** r */ Swp }
}

vocabulary! {
    /// Memory barriers, by what they order.
    Barrier { /** everything: DMB ISH, DSB and the like, ISB */ Full, /** loads before later accesses */ Load, /** stores before later stores */ Store }
}

vocabulary! {
    /// Where a prefetch wants a cache line: by the level of the cache, to be loaded, or ready to be stored to.
    Prefetch { /** level 1 */ L1, /** level 2 */ L2, /** level 3 and beyond */ L3, /** to be stored to */ Store }
}

vocabulary! {
    /// System registers that EL0 can name. Reads of ID registers give what Linux emulates for EL0.
    SysReg {
        /// Condition flags.
        Nzcv,
        /// Floating-point control.
        Fpcr,
        /// Floating-point status.
        Fpsr,
        /// Thread pointer.
        TpidrEl0,
        /// Read-only thread pointer; zero under Linux.
        TpidrroEl0,
        /// Cache type.
        CtrEl0,
        /// DC ZVA block size.
        DczidEl0,
        /// Virtual counter.
        CntvctEl0,
        /// Virtual counter, self-synchronised.
        CntvctssEl0,
        /// Counter frequency in Hz.
        CntfrqEl0,
        /// Main ID register.
        MidrEl1,
        /// Multiprocessor affinity.
        MpidrEl1,
        /// Revision ID.
        RevidrEl1,
        /// AArch64 instruction set attributes 0.
        IdAa64isar0El1,
        /// AArch64 instruction set attributes 1.
        IdAa64isar1El1,
        /// AArch64 instruction set attributes 2.
        IdAa64isar2El1,
        /// AArch64 processor features 0.
        IdAa64pfr0El1,
        /// AArch64 processor features 1.
        IdAa64pfr1El1,
        /// AArch64 debug features 0.
        IdAa64dfr0El1,
        /// AArch64 memory model features 0.
        IdAa64mmfr0El1,
        /// AArch64 memory model features 1.
        IdAa64mmfr1El1,
        /// AArch64 memory model features 2.
        IdAa64mmfr2El1,
        /// SVE features.
        IdAa64zfr0El1,
        /// An ID register that Linux shows to EL0 as zero.
        IdZero,
    }
}

vocabulary! {
    /// Instructions that compute on registers only and always go to a helper: `helper_int(op, a, b)`.
    IntHelper {
        /// CRC32B: accumulator a, data b.
        Crc32b, /** CRC32H */ Crc32h, /** CRC32W */ Crc32w, /** CRC32X */ Crc32x,
        /** CRC32CB */ Crc32cb, /** CRC32CH */ Crc32ch, /** CRC32CW */ Crc32cw, /** CRC32CX */ Crc32cx,
    }
}

vocabulary! {
    /// Element size of a vector.
    Lane { /** 8 bits */ B, /** 16 bits */ H, /** 32 bits */ S, /** 64 bits */ D, /** 128 bits */ Q }
}

impl Lane {
    /// Bits in a lane.
    #[must_use]
    pub const fn bits(self) -> u32 {
        8 << (self as u32)
    }
    /// Bytes in a lane.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        1 << (self as u32)
    }
    /// The lane twice as wide. `Q` has none and stays `Q`.
    #[must_use]
    pub const fn wider(self) -> Self {
        match self {
            Self::B => Self::H,
            Self::H => Self::S,
            Self::S => Self::D,
            Self::D | Self::Q => Self::Q,
        }
    }
    /// The lane half as wide. `B` has none and stays `B`.
    #[must_use]
    pub const fn narrower(self) -> Self {
        match self {
            Self::B | Self::H => Self::B,
            Self::S => Self::H,
            Self::D => Self::S,
            Self::Q => Self::D,
        }
    }
}

/// An arrangement: how many lanes of which size an operation works on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Arr {
    /// Lane size.
    pub lane: Lane,
    /// Number of lanes: 1 for scalars, else as many as fill 64 or 128 bits.
    pub count: u8,
}

impl Arr {
    /// One lane: the scalar forms.
    #[must_use]
    pub const fn scalar(lane: Lane) -> Self {
        Self { lane, count: 1 }
    }
    /// As many lanes as fill 128 bits (`q`) or 64.
    #[must_use]
    pub const fn vector(lane: Lane, q: bool) -> Self {
        let bytes: u32 = if q { 16 } else { 8 };
        Self { lane, count: (bytes / lane.bytes()) as u8 }
    }
    /// Bits covered.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.lane.bits() * self.count as u32
    }
    /// Whether all 128 bits are covered.
    #[must_use]
    pub const fn is_full(self) -> bool {
        self.bits() == 128
    }
    /// The same number of lanes, twice as wide.
    #[must_use]
    pub const fn wider(self) -> Self {
        Self { lane: self.lane.wider(), count: self.count }
    }
    /// The same number of lanes, half as wide.
    #[must_use]
    pub const fn narrower(self) -> Self {
        Self { lane: self.lane.narrower(), count: self.count }
    }
}

vocabulary! {
    /// Vector operations with one operand. `arr` is the arrangement of the operand; of the result too, unless said.
    Vec1 {
        /// Bitwise complement.
        Not, /** two's complement */ Neg, /** absolute value, wrapping */ Abs, /** saturating NEG; sets QC */ Sqneg, /** saturating ABS; sets QC */ Sqabs,
        /// Population count of bytes.
        Cnt, /** leading zeros */ Clz, /** leading sign bits */ Cls, /** reverse bits of bytes */ Rbit,
        /// Reverse the lanes within each 16 bits; `arr.lane` is the lane that moves.
        Rev16, /** within each 32 bits */ Rev32, /** within each 64 bits */ Rev64,
        /// Unsigned reciprocal estimate (lanes S).
        Urecpe, /** unsigned reciprocal square root estimate */ Ursqrte,
        /// Widen: lanes of `arr`, taken from the low bits, sign-extended to `arr.wider()`.
        Sxtl, /** zero-extended */ Uxtl,
        /// Narrow: the low half of each lane, to `arr.narrower()`.
        Xtn, /** signed saturating; sets QC */ Sqxtn, /** unsigned saturating */ Uqxtn, /** signed to unsigned saturating */ Sqxtun,
        /// Add adjacent pairs, result lanes twice as wide, half as many.
        Saddlp, /** unsigned */ Uaddlp,
        /// Across lanes: result is one lane.
        Addv, /** signed maximum */ Smaxv, /** unsigned maximum */ Umaxv, /** signed minimum */ Sminv, /** unsigned minimum */ Uminv,
        /// Across lanes: result is one lane twice as wide.
        Saddlv, /** unsigned */ Uaddlv,
        /// Floating point, across lanes, pairwise as the pseudocode's Reduce.
        Fmaxv, /** minimum */ Fminv, /** maxNum */ Fmaxnmv, /** minNum */ Fminnmv,
        /// Floating point: absolute value (no exceptions, NaNs only lose their sign).
        Fabs, /** negate the sign bit */ Fneg, /** square root */ Fsqrt,
        /// Round to integral: ties to even.
        Frintn, /** towards plus infinity */ Frintp, /** towards minus infinity */ Frintm, /** towards zero */ Frintz, /** ties away */ Frinta, /** FPCR mode, inexact raised */ Frintx, /** FPCR mode */ Frinti,
        /// Reciprocal estimate.
        Frecpe, /** reciprocal square root estimate */ Frsqrte, /** reciprocal exponent */ Frecpx,
        /// Floating point widening: low `arr` lanes to `arr.wider()`.
        Fcvtl, /** narrowing, FPCR rounding: `arr` to `arr.narrower()` */ Fcvtn, /** narrowing, round to odd */ Fcvtxn,
        /// AES mix columns.
        Aesmc, /** AES inverse mix columns */ Aesimc,
        /// SHA1 fixed rotate.
        Sha1h,
    }
}

vocabulary! {
    /// Vector operations with two operands, a and b in the order of the assembly's Vn, Vm.
    Vec2 {
        /// Integer sum, wrapping.
        Add, /** difference */ Sub, /** product */ Mul,
        /// Bitwise.
        And, /** or */ Orr, /** exclusive or */ Eor, /** a and not b */ Bic, /** a or not b */ Orn,
        /// Signed maximum.
        Smax, /** unsigned */ Umax, /** signed minimum */ Smin, /** unsigned minimum */ Umin,
        /// Signed absolute difference.
        Sabd, /** unsigned */ Uabd,
        /// Halving sums and differences; the R forms round.
        Shadd, /** u */ Uhadd, /** s, rounding */ Srhadd, /** u, rounding */ Urhadd, /** s */ Shsub, /** u */ Uhsub,
        /// Saturating; set QC.
        Sqadd, /** u */ Uqadd, /** s */ Sqsub, /** u */ Uqsub,
        /// SUQADD: a is Vn (unsigned), b is Vd (signed).
        Suqadd, /** USQADD: a is Vn (signed), b is Vd (unsigned) */ Usqadd,
        /// Shift a by the signed low byte of each lane of b.
        Sshl, /** u */ Ushl, /** s, rounding */ Srshl, /** u, rounding */ Urshl, /** s, saturating */ Sqshl, /** u, saturating */ Uqshl, /** s, rounding, saturating */ Sqrshl, /** u, rounding, saturating */ Uqrshl,
        /// Comparisons: all ones where true.
        Cmeq, /** signed a >= b */ Cmge, /** signed a > b */ Cmgt, /** unsigned a >= b */ Cmhs, /** unsigned a > b */ Cmhi, /** a & b != 0 */ Cmtst,
        /// Pairwise over a:b (a's pairs give the low result lanes).
        Addp, /** signed max */ Smaxp, /** unsigned max */ Umaxp, /** signed min */ Sminp, /** unsigned min */ Uminp,
        /// Doubling multiply returning the high half, saturating; sets QC.
        Sqdmulh, /** rounding */ Sqrdmulh,
        /// Polynomial multiply of bytes.
        Pmul,
        /// Long: operands' low `arr` lanes, results `arr.wider()`.
        Smull, /** u */ Umull, /** doubling, saturating; sets QC */ Sqdmull, /** polynomial (B to H, D to Q) */ Pmull,
        /// Long absolute difference.
        Sabdl, /** u */ Uabdl,
        /// Narrowing high half of the sum: `arr` to `arr.narrower()`.
        Addhn, /** of the difference */ Subhn, /** rounding sum */ Raddhn, /** rounding difference */ Rsubhn,
        /// Interleave and friends (Arm ARM ZIP, UZP, TRN).
        Zip1, /** zip2 */ Zip2, /** uzp1 */ Uzp1, /** uzp2 */ Uzp2, /** trn1 */ Trn1, /** trn2 */ Trn2,
        /// Floating point.
        Fadd, /** difference */ Fsub, /** product */ Fmul, /** negated product (scalar FNMUL) */ Fnmul, /** quotient */ Fdiv, /** product, 0 * inf = 2 */ Fmulx,
        /// Maximum, NaNs propagate.
        Fmax, /** minimum */ Fmin, /** maxNum */ Fmaxnm, /** minNum */ Fminnm,
        /// Absolute difference.
        Fabd,
        /// Comparisons: all ones where true, all zeros where unordered.
        Fcmeq, /** a >= b */ Fcmge, /** a > b */ Fcmgt, /** |a| >= |b| */ Facge, /** |a| > |b| */ Facgt,
        /// Pairwise over a:b.
        Faddp, /** max */ Fmaxp, /** min */ Fminp, /** maxNum */ Fmaxnmp, /** minNum */ Fminnmp,
        /// Newton steps, fused.
        Frecps, /** for square roots */ Frsqrts,
        /// AESE: a is Vd, b is Vn.
        Aese, /** AESD */ Aesd,
        /// SHA1SU1: a is Vd, b is Vn.
        Sha1su1, /** SHA256SU0 */ Sha256su0,
    }
}

impl Vec1 {
    /// Whether it computes with floating-point numbers. (They stand together.)
    #[must_use]
    pub const fn is_floating_point(self) -> bool {
        Self::Fmaxv as u8 <= self as u8 && self as u8 <= Self::Fcvtxn as u8
    }
}

impl Vec2 {
    /// Whether it computes with floating-point numbers. (They stand together.)
    #[must_use]
    pub const fn is_floating_point(self) -> bool {
        Self::Fadd as u8 <= self as u8 && self as u8 <= Self::Frsqrts as u8
    }

    /// The scalar operation that does the same on a single lane.
    #[must_use]
    pub const fn as_scalar(self) -> Option<Fp2> {
        Some(match self {
            Self::Fadd => Fp2::Fadd,
            Self::Fsub => Fp2::Fsub,
            Self::Fmul => Fp2::Fmul,
            Self::Fnmul => Fp2::Fnmul,
            Self::Fdiv => Fp2::Fdiv,
            Self::Fmax => Fp2::Fmax,
            Self::Fmin => Fp2::Fmin,
            Self::Fmaxnm => Fp2::Fmaxnm,
            Self::Fminnm => Fp2::Fminnm,
            _ => return None,
        })
    }
}

vocabulary! {
    /// Vector operations with three operands.
    Vec3 {
        /// (a & b) | (!a & c): BSL with a = Vd; BIT and BIF by other orders.
        Bsl,
        /// a + b * c, integer, wrapping.
        Mla, /** a - b * c */ Mls,
        /// a + b * c, fused; NaN rules of FPMulAdd(a, b, c).
        Fmla,
        /// Saturating rounding doubling multiply accumulate high: a + (2bc).
        Sqrdmlah, /** subtract */ Sqrdmlsh,
        /// Dot products of bytes into words: a + b . c, signed.
        Sdot, /** unsigned */ Udot,
        /// SHA1C: a = Vd, b = Vn (word in lane 0), c = Vm.
        Sha1c, /** SHA1P */ Sha1p, /** SHA1M */ Sha1m, /** SHA1SU0 */ Sha1su0,
        /// SHA256H: a = Vd, b = Vn, c = Vm.
        Sha256h, /** SHA256H2 */ Sha256h2, /** SHA256SU1 */ Sha256su1,
    }
}

vocabulary! {
    /// Shifts of every lane by a constant amount.
    VecShift {
        /// Left, 0 to lane bits - 1.
        Shl, /** signed right, 1 to lane bits */ Sshr, /** unsigned right */ Ushr, /** signed, rounding */ Srshr, /** unsigned, rounding */ Urshr,
        /// Left, saturating; set QC.
        Sqshl, /** u */ Uqshl, /** signed to unsigned */ Sqshlu,
        /// Right and narrow: `arr` to `arr.narrower()`.
        Shrn, /** rounding */ Rshrn, /** saturating */ Sqshrn, /** u */ Uqshrn, /** s to u */ Sqshrun, /** rounding */ Sqrshrn, /** u, rounding */ Uqrshrn, /** s to u, rounding */ Sqrshrun,
    }
}

vocabulary! {
    /// Floating-point formats.
    FpSize { /** half */ H, /** single */ S, /** double */ D }
}

impl FpSize {
    /// The lane of the same size.
    #[must_use]
    pub const fn lane(self) -> Lane {
        match self {
            Self::H => Lane::H,
            Self::S => Lane::S,
            Self::D => Lane::D,
        }
    }
    /// Bits in the format.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.lane().bits()
    }
}

vocabulary! {
    /// Rounding of conversions to integers.
    Rounding { /** ties to even */ N, /** towards plus infinity */ P, /** towards minus infinity */ M, /** towards zero */ Z, /** ties away from zero */ A, /** as FPCR says */ Current }
}

vocabulary! {
    /// Scalar floating-point operations with one operand. The names are those of [`Vec1`].
    Fp1 { /** absolute value */ Fabs, /** negate */ Fneg, /** square root */ Fsqrt, /** ties to even */ Frintn, /** up */ Frintp, /** down */ Frintm, /** to zero */ Frintz, /** ties away */ Frinta, /** FPCR, inexact raised */ Frintx, /** FPCR */ Frinti }
}

vocabulary! {
    /// Scalar floating-point operations with two operands. The names are those of [`Vec2`].
    Fp2 { /** sum */ Fadd, /** difference */ Fsub, /** product */ Fmul, /** negated product */ Fnmul, /** quotient */ Fdiv, /** maximum */ Fmax, /** minimum */ Fmin, /** maxNum */ Fmaxnm, /** minNum */ Fminnm }
}

/// A conversion between floating point and integers, lane-wise or scalar.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct FpInt {
    /// Rounding (to integers; conversions from integers round as FPCR says).
    pub rounding: Rounding,
    /// Whether the integer is signed.
    pub signed: bool,
    /// Fraction bits of the integer side: the value is integer / 2^fbits.
    pub fbits: u8,
}
