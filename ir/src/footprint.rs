//! What instructions read, write and may do, found by lifting them over [`Footprint`]: a third implementation of
//! [`Ops`] whose values are nothing. The compiler plans its write-backs with it.

use crate::{
    Access, Arr, Barrier, Compare, Cond, Extend, FlagOp, Fp1, Fp2, FpInt, FpSize, GuestAddr, Int1, Int2, IntHelper,
    Lane, Ops, Prefetch, Reg, Rmw, Stop, SysReg, VReg, Vec1, Vec2, Vec3, VecShift, Width,
};

/// A set of guest registers: bit n of `x` is Xn (31: SP), bit n of `v` is Vn.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RegSet {
    /// General registers.
    pub x: u32,
    /// Vector registers.
    pub v: u32,
}

impl RegSet {
    /// All registers.
    pub const ALL: Self = Self { x: u32::MAX, v: u32::MAX };

    /// The registers in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self { x: self.x | other.x, v: self.v | other.v }
    }
    /// The registers that are not in the other set.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self { x: self.x & !other.x, v: self.v & !other.v }
    }
    /// The registers in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self { x: self.x & other.x, v: self.v & other.v }
    }
    /// Whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.x == 0 && self.v == 0
    }
}

/// Records what the lifted instruction reads, writes and may do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Footprint {
    /// Registers read.
    pub reads: RegSet,
    /// Registers written.
    pub writes: RegSet,
    /// The flags are read.
    pub reads_flags: bool,
    /// All flags are written, whatever they were. Set only if they were not read before.
    pub writes_flags: bool,
    /// The registers must be exact in memory: it may fault, stop, or call something that looks at them.
    pub needs_state: bool,
    /// Guest memory is read, in a way that may be repeated.
    pub loads: bool,
    /// An access of it stops if its address is not aligned.
    pub may_misalign: bool,
    /// Number of plain stores.
    pub stores: u8,
    /// It has another effect that must not be repeated, or looks at the state in another way than by plain accesses.
    pub unique: bool,
}

type Nothing = Result<(), std::convert::Infallible>;

impl Footprint {
    fn flags_read(&mut self) {
        self.reads_flags = true;
    }
    fn flags_written(&mut self) {
        self.writes_flags = true;
    }
    fn exact(&mut self) -> Nothing {
        self.needs_state = true;
        self.unique = true;
        Ok(())
    }
    fn plain_load(&mut self, access: Access) -> Nothing {
        self.may_misalign |= access.aligned;
        self.needs_state = true;
        self.loads = true;
        Ok(())
    }
    fn plain_store(&mut self, access: Access) -> Nothing {
        self.may_misalign |= access.aligned;
        self.needs_state = true;
        self.stores += 1;
        Ok(())
    }
}

impl Ops for Footprint {
    type Val = ();
    type Bool = ();
    type Vec = ();
    type Fp = ();
    type Stop = std::convert::Infallible;

    fn imm(&mut self, _: u64) {}
    fn pc_imm(&mut self, _: GuestAddr) {}
    fn x(&mut self, r: Reg) {
        if r.0 < 31 {
            self.reads.x |= 1 << r.0;
        }
    }
    fn x_or_sp(&mut self, r: Reg) {
        self.reads.x |= 1 << (r.0 & 31);
    }
    fn set_x(&mut self, r: Reg, (): ()) {
        if r.0 < 31 {
            self.writes.x |= 1 << r.0;
        }
    }
    fn set_x_or_sp(&mut self, r: Reg, (): ()) {
        self.writes.x |= 1 << (r.0 & 31);
    }
    fn int1(&mut self, _: Int1, _: Width, (): ()) {}
    fn int2(&mut self, _: Int2, _: Width, (): (), (): ()) {}
    fn extend(&mut self, _: Extend, (): ()) {}
    fn extract_pair(&mut self, _: Width, (): (), (): (), _: u8) {}
    fn int_helper(&mut self, _: IntHelper, (): (), (): ()) {}
    fn compare(&mut self, _: Compare, _: Width, (): (), (): ()) {}
    fn select(&mut self, (): (), (): (), (): ()) {}

    fn set_flags(&mut self, op: FlagOp, _: Width, (): (), (): ()) {
        if matches!(op, FlagOp::Adc | FlagOp::Sbc) {
            self.flags_read();
        }
        self.flags_written();
    }
    fn set_nzcv(&mut self, (): ()) {
        self.flags_written();
    }
    fn nzcv(&mut self) {
        self.flags_read();
    }
    fn set_flags_if(&mut self, _: Cond, _: FlagOp, _: Width, (): (), (): (), _: u8) {
        self.flags_read();
        self.flags_written();
    }
    fn cond(&mut self, _: Cond) {
        self.flags_read();
    }
    fn add_with_carry(&mut self, _: Width, (): (), (): (), _: bool) {
        self.flags_read();
    }

    fn load(&mut self, access: Access, (): ()) -> Nothing {
        self.plain_load(access)
    }
    fn store(&mut self, access: Access, (): (), (): ()) -> Nothing {
        self.plain_store(access)
    }
    fn load_vec(&mut self, access: Access, (): ()) -> Nothing {
        self.plain_load(access)
    }
    fn store_vec(&mut self, access: Access, (): (), (): ()) -> Nothing {
        self.plain_store(access)
    }
    fn zero_block(&mut self, (): ()) -> Nothing {
        // One store: it faults before it has written anything, or not at all.
        self.plain_store(Access::plain(8))
    }
    fn prefetch(&mut self, _: Prefetch, (): ()) {}
    fn rmw(&mut self, _: Rmw, _: u8, (): (), (): ()) -> Nothing {
        self.exact()
    }
    fn cas(&mut self, _: u8, (): (), (): (), (): ()) -> Nothing {
        self.exact()
    }
    fn cas_pair(&mut self, _: u8, (): (), _: [(); 2], _: [(); 2]) -> Result<[(); 2], Self::Stop> {
        self.exact()?;
        Ok([(); 2])
    }
    fn load_exclusive(&mut self, _: u8, (): ()) -> Nothing {
        self.exact()
    }
    fn store_exclusive(&mut self, _: u8, (): (), (): ()) -> Nothing {
        self.exact()
    }
    fn load_exclusive_pair(&mut self, _: u8, (): ()) -> Result<[(); 2], Self::Stop> {
        self.exact()?;
        Ok([(); 2])
    }
    fn store_exclusive_pair(&mut self, _: u8, (): (), _: [(); 2]) -> Nothing {
        self.exact()
    }
    fn clear_exclusive(&mut self) {
        self.unique = true;
    }
    fn barrier(&mut self, _: Barrier) {}

    fn read_sysreg(&mut self, reg: SysReg) {
        match reg {
            SysReg::Nzcv => self.flags_read(),
            // The floating-point results before this must have been computed: the write-back forces them.
            SysReg::Fpsr => (self.needs_state, self.unique) = (true, true),
            _ => {}
        }
    }
    fn write_sysreg(&mut self, reg: SysReg, (): ()) {
        match reg {
            SysReg::Nzcv => self.flags_written(),
            SysReg::Fpsr | SysReg::Fpcr => (self.needs_state, self.unique) = (true, true),
            _ => self.unique = true,
        }
    }

    fn jump(&mut self, _: GuestAddr) {}
    fn jump_if(&mut self, (): (), _: GuestAddr) {}
    fn call(&mut self, _: GuestAddr, _: GuestAddr) {}
    fn jump_indirect(&mut self, (): ()) {}
    fn call_indirect(&mut self, (): (), _: GuestAddr) {}
    fn ret(&mut self, (): ()) {}
    fn stop(&mut self, _: Stop, _: i32) -> Nothing {
        self.exact()
    }
    fn code_changed(&mut self, (): ()) -> Nothing {
        self.exact()
    }

    fn v(&mut self, r: VReg) {
        self.reads.v |= 1 << (r.0 & 31);
    }
    fn set_v(&mut self, r: VReg, (): ()) {
        self.writes.v |= 1 << (r.0 & 31);
    }
    fn vec_imm(&mut self, _: u128) {}
    fn lane(&mut self, _: Lane, _: u8, (): ()) {}
    fn set_lane(&mut self, _: Lane, _: u8, (): (), (): ()) {}
    fn splat(&mut self, _: Arr, (): ()) {}
    fn low_half(&mut self, (): ()) {}
    fn high_half(&mut self, (): ()) {}
    fn join_halves(&mut self, (): (), (): ()) {}
    fn vec1(&mut self, _: Vec1, _: Arr, (): ()) {}
    fn vec2(&mut self, _: Vec2, _: Arr, (): (), (): ()) {}
    fn vec3(&mut self, _: Vec3, _: Arr, (): (), (): (), (): ()) {}
    fn vec_shift(&mut self, _: VecShift, _: Arr, _: u8, (): ()) {}
    fn vec_ext(&mut self, _: Arr, _: u8, (): (), (): ()) {}
    fn vec_table(&mut self, _: Arr, _: &[()], (): (), (): ()) {}
    fn vec_fp_to_int(&mut self, _: FpInt, _: Arr, (): ()) {}
    fn vec_int_to_fp(&mut self, _: FpInt, _: Arr, (): ()) {}

    fn fp(&mut self, _: FpSize, r: VReg) {
        self.v(r);
    }
    fn set_fp(&mut self, _: FpSize, r: VReg, (): ()) {
        self.set_v(r, ());
    }
    fn fp_from_bits(&mut self, _: FpSize, (): ()) {}
    fn fp_bits(&mut self, _: FpSize, (): ()) {}
    fn fp1(&mut self, _: Fp1, _: FpSize, (): ()) {}
    fn fp2(&mut self, _: Fp2, _: FpSize, (): (), (): ()) {}
    fn fp_mul_add(&mut self, _: FpSize, (): (), (): (), (): ()) {}
    fn fp_convert(&mut self, _: FpSize, _: FpSize, (): ()) {}
    fn fp_to_int(&mut self, _: FpInt, _: FpSize, _: Width, (): ()) {}
    fn int_to_fp(&mut self, _: FpInt, _: FpSize, _: Width, (): ()) {}
    fn fp_compare(&mut self, _: FpSize, _: bool, (): (), (): ()) {
        self.flags_written();
    }
    fn fp_compare_if(&mut self, _: Cond, _: FpSize, _: bool, (): (), (): (), _: u8) {
        self.flags_read();
        self.flags_written();
    }
    fn fp_select(&mut self, (): (), (): (), (): ()) {}
    fn fp_to_int_js(&mut self, (): ()) {
        self.flags_written();
    }
}
