//! `Eval`: the operations of [`Ops`], performed at once on a [`CpuState`]. Tier 0 runs on it, and the compiler is
//! tested against it. The arithmetic stands in this module's children as functions of values, which compiled code
//! calls too.

mod access;
pub mod fp;
pub mod int;
pub mod sysreg;
pub mod vector;

pub use access::{
    Known, add_bytes, cas_bytes, load_bytes, load_wide, rmw_bytes, rmw_value, store_bytes, store_wide, swap_bytes,
    tags_met,
};

use access::{at, join, split, store_exclusive_wide};

use crate::{
    Access, Arr, Barrier, Compare, Cond, CpuState, Extend, FlagKind, FlagOp, Fp1, Fp2, FpInt, FpSize, GuestAddr, Int1,
    Int2, IntHelper, Lane, LazyFlags, Loaded, Nzcv, Ops, Order, Prefetch, Reg, Rmw, Stop, SysReg, VReg, Vec1, Vec2,
    Vec3, VecShift, Width,
    memory::{self, Fault},
};

/// Performs operations on the guest registers it holds. Guest memory faults need the handler of
/// [`memory::install_handler`] or one that calls [`memory::recover`].
#[derive(Debug)]
pub struct Eval<'a> {
    /// The registers.
    pub cpu: &'a mut CpuState,
    /// What is known of the plain accesses to come, if anything is.
    pub known: Option<&'a mut Known>,
}

/// Records a fault in the registers; gives the stop to return.
#[cold]
pub fn record_fault(cpu: &mut CpuState, fault: Fault) -> Stop {
    cpu.stop.addr = fault.addr;
    cpu.stop.signal = fault.signal;
    cpu.stop.code = fault.code;
    cpu.stop.is_write = fault.is_write;
    Stop::Fault
}

impl<'a> Eval<'a> {
    /// Performs everything.
    #[inline(always)]
    pub fn new(cpu: &'a mut CpuState) -> Self {
        Self { cpu, known: None }
    }
}

impl Eval<'_> {
    #[inline(always)]
    fn ok<T>(&mut self, result: Result<T, Fault>) -> Result<T, Stop> {
        result.map_err(|fault| record_fault(self.cpu, fault))
    }

    #[inline(always)]
    fn store_known(&self, bytes: u8, addr: u64, value: u128) -> Result<(), Fault> {
        match &self.known {
            None => store_wide(bytes, addr, value),
            Some(known) => known.store(bytes, addr, || store_wide(bytes, addr, value)),
        }
    }

    /// Before an atomic operation or an exclusive access: it is aligned, and nothing is known of it.
    #[inline(always)]
    fn check_atomic(&mut self, is_write: bool, addr: u64, bytes: u8) -> Result<(), Stop> {
        if let Some(known) = &mut self.known {
            known.atomic();
        }
        self.check_aligned_for(is_write, addr, bytes)
    }

    #[inline(always)]
    fn check_aligned(&mut self, addr: u64, bytes: u8) -> Result<(), Stop> {
        self.check_aligned_for(false, addr, bytes)
    }

    #[inline(always)]
    fn check_aligned_for(&mut self, is_write: bool, addr: u64, bytes: u8) -> Result<(), Stop> {
        if addr & u64::from(bytes - 1) == 0 {
            return Ok(());
        }
        self.cpu.stop.addr = GuestAddr(addr);
        self.cpu.stop.is_write = is_write;
        Err(Stop::Misaligned)
    }
}

impl Ops for Eval<'_> {
    type Val = u64;
    type Bool = bool;
    type Vec = u128;
    type Fp = u64;
    type Stop = Stop;

    #[inline(always)]
    fn imm(&mut self, value: u64) -> u64 {
        value
    }
    #[inline(always)]
    fn pc_imm(&mut self, addr: GuestAddr) -> u64 {
        addr.0
    }
    #[inline(always)]
    fn x(&mut self, r: Reg) -> u64 {
        if r.0 >= 31 { 0 } else { self.cpu.x[usize::from(r.0)] }
    }
    #[inline(always)]
    fn x_or_sp(&mut self, r: Reg) -> u64 {
        self.cpu.x[usize::from(r.0 & 31)]
    }
    #[inline(always)]
    fn set_x(&mut self, r: Reg, value: u64) {
        if r.0 < 31 {
            self.cpu.x[usize::from(r.0)] = value;
        }
    }
    #[inline(always)]
    fn set_x_or_sp(&mut self, r: Reg, value: u64) {
        self.cpu.x[usize::from(r.0 & 31)] = value;
    }
    #[inline(always)]
    fn int1(&mut self, op: Int1, width: Width, a: u64) -> u64 {
        int::int1(op, width, a)
    }
    #[inline(always)]
    fn int2(&mut self, op: Int2, width: Width, a: u64, b: u64) -> u64 {
        int::int2(op, width, a, b)
    }
    #[inline(always)]
    fn extend(&mut self, op: Extend, a: u64) -> u64 {
        int::extend(op, a)
    }
    #[inline(always)]
    fn extract_pair(&mut self, width: Width, high: u64, low: u64, lsb: u8) -> u64 {
        match width {
            Width::W => (((high & 0xffff_ffff) << 32 | low & 0xffff_ffff) >> lsb) & 0xffff_ffff,
            Width::X => ((u128::from(high) << 64 | u128::from(low)) >> lsb) as u64,
        }
    }
    fn int_helper(&mut self, op: IntHelper, a: u64, b: u64) -> u64 {
        int::int_helper(op, a, b)
    }
    #[inline(always)]
    fn compare(&mut self, op: Compare, width: Width, a: u64, b: u64) -> bool {
        int::compare(op, width, a, b)
    }
    #[inline(always)]
    fn select(&mut self, c: bool, yes: u64, no: u64) -> u64 {
        if c { yes } else { no }
    }

    #[inline(always)]
    fn set_flags(&mut self, op: FlagOp, width: Width, a: u64, b: u64) {
        let (a, b) = (a & width.mask(), b & width.mask());
        let Some(kind) = FlagKind::of(op, width) else {
            let b = if op == FlagOp::Sbc { !b } else { b };
            let carry = self.cpu.nzcv().c();
            return self.cpu.set_nzcv(int::add_with_carry(width, a, b, carry).1);
        };
        self.cpu.flags = LazyFlags::new(kind, a, b);
    }
    fn set_nzcv(&mut self, packed: u64) {
        self.cpu.set_nzcv(Nzcv(packed as u32));
    }
    fn nzcv(&mut self) -> u64 {
        u64::from(self.cpu.nzcv().0)
    }
    #[inline(always)]
    fn set_flags_if(&mut self, cond: Cond, op: FlagOp, width: Width, a: u64, b: u64, nzcv: u8) {
        if self.cond(cond) {
            self.set_flags(op, width, a, b);
        } else {
            self.cpu.set_nzcv(Nzcv(u32::from(nzcv) << 28));
        }
    }
    #[inline(always)]
    fn cond(&mut self, cond: Cond) -> bool {
        int::cond_holds(cond, self.cpu.nzcv())
    }
    fn add_with_carry(&mut self, width: Width, a: u64, b: u64, subtract: bool) -> u64 {
        let b = if subtract { !b } else { b };
        let carry = self.cpu.nzcv().c();
        int::add_with_carry(width, a, b, carry).0
    }

    #[inline(always)]
    fn load(&mut self, access: Access, addr: u64) -> Result<u64, Stop> {
        if access.aligned {
            self.check_aligned(addr, access.bytes)?;
        }
        let value = match &mut self.known {
            None => load_bytes(access.bytes, addr),
            Some(known) => known.load(access.bytes, addr).map(|value| value as u64),
        };
        let value = self.ok(value)?;
        let unused = 64 - 8 * u32::from(access.bytes);
        Ok(match access.extend {
            Loaded::Zero => value,
            Loaded::SignX => ((value << unused) as i64 >> unused) as u64,
            Loaded::SignW => ((value << unused) as i64 >> unused) as u64 & 0xffff_ffff,
        })
    }
    #[inline(always)]
    fn store(&mut self, access: Access, addr: u64, value: u64) -> Result<(), Stop> {
        if access.aligned {
            self.check_aligned_for(true, addr, access.bytes)?;
        }
        let perform = || match access.order {
            Order::Plain => store_bytes(access.bytes, addr, value),
            // A later LDAR may not pass a STLR, and on the host a load may pass a plain store.
            Order::AcquireRelease => swap_bytes(access.bytes, addr, value).map(|_| ()).map_err(Fault::of_store),
        };
        let result = match &self.known {
            None => perform(),
            Some(known) => known.store(access.bytes, addr, perform),
        };
        self.ok(result)
    }
    #[inline(always)]
    fn load_vec(&mut self, access: Access, addr: u64) -> Result<u128, Stop> {
        let value = match &mut self.known {
            None => load_wide(access.bytes, addr),
            Some(known) => known.load(access.bytes, addr),
        };
        self.ok(value)
    }
    #[inline(always)]
    fn store_vec(&mut self, access: Access, addr: u64, value: u128) -> Result<(), Stop> {
        let result = self.store_known(access.bytes, addr, value);
        self.ok(result)
    }
    fn zero_block(&mut self, addr: u64) -> Result<(), Stop> {
        let block = addr & !63;
        let result = (0..4).try_for_each(|i| self.store_known(16, block + 16 * i, 0));
        self.ok(result)
    }
    #[inline(always)]
    fn prefetch(&mut self, _: Prefetch, _: u64) {
        // What is interpreted takes longer than a cache miss.
    }

    fn rmw(&mut self, op: Rmw, bytes: u8, addr: u64, value: u64) -> Result<u64, Stop> {
        self.check_atomic(false, addr, bytes)?;
        let old = rmw_bytes(op, bytes, addr, value);
        self.ok(old)
    }
    fn cas(&mut self, bytes: u8, addr: u64, expected: u64, new: u64) -> Result<u64, Stop> {
        self.check_atomic(false, addr, bytes)?;
        let old = cas_bytes(bytes, addr, expected, new);
        self.ok(old)
    }
    fn cas_pair(&mut self, bytes: u8, addr: u64, expected: [u64; 2], new: [u64; 2]) -> Result<[u64; 2], Stop> {
        self.check_atomic(false, addr, 2 * bytes)?;
        let (expected, new) = (join(bytes, expected), join(bytes, new));
        let old = if bytes == 8 {
            at(addr, |addr| memory::cas_u128(addr, expected, new))
        } else {
            cas_bytes(8, addr, expected as u64, new as u64).map(u128::from)
        };
        Ok(split(bytes, self.ok(old)?))
    }
    fn load_exclusive(&mut self, bytes: u8, addr: u64) -> Result<u64, Stop> {
        self.check_atomic(false, addr, bytes)?;
        let value = load_bytes(bytes, addr);
        let value = self.ok(value)?;
        self.cpu.exclusive_addr = GuestAddr(addr).untagged().0;
        self.cpu.exclusive_bytes = u64::from(bytes);
        self.cpu.exclusive_value = [value, 0];
        Ok(value)
    }
    fn store_exclusive(&mut self, bytes: u8, addr: u64, value: u64) -> Result<u64, Stop> {
        self.check_atomic(true, addr, bytes)?;
        let status = store_exclusive_wide(self.cpu, bytes, addr, u128::from(value));
        self.ok(status.map_err(Fault::of_store))
    }
    fn load_exclusive_pair(&mut self, bytes: u8, addr: u64) -> Result<[u64; 2], Stop> {
        self.check_atomic(false, addr, 2 * bytes)?;
        let pair = load_wide(2 * bytes, addr);
        let pair = self.ok(pair)?;
        self.cpu.exclusive_addr = GuestAddr(addr).untagged().0;
        self.cpu.exclusive_bytes = u64::from(2 * bytes);
        self.cpu.exclusive_value = [pair as u64, (pair >> 64) as u64];
        Ok(split(bytes, pair))
    }
    fn store_exclusive_pair(&mut self, bytes: u8, addr: u64, values: [u64; 2]) -> Result<u64, Stop> {
        self.check_atomic(true, addr, 2 * bytes)?;
        let status = store_exclusive_wide(self.cpu, 2 * bytes, addr, join(bytes, values));
        self.ok(status.map_err(Fault::of_store))
    }
    fn clear_exclusive(&mut self) {
        self.cpu.exclusive_addr = CpuState::NO_EXCLUSIVE;
    }
    fn barrier(&mut self, kind: Barrier) {
        if kind == Barrier::Full {
            memory::fence();
        }
    }

    fn read_sysreg(&mut self, reg: SysReg) -> u64 {
        sysreg::read(self.cpu, reg)
    }
    fn write_sysreg(&mut self, reg: SysReg, value: u64) {
        sysreg::write(self.cpu, reg, value);
    }
    fn spin_hint(&mut self) {
        std::hint::spin_loop();
    }

    #[inline(always)]
    fn jump(&mut self, target: GuestAddr) {
        self.cpu.pc = target;
    }
    #[inline(always)]
    fn jump_if(&mut self, c: bool, target: GuestAddr) {
        if c {
            self.cpu.pc = target;
        }
    }
    #[inline(always)]
    fn call(&mut self, target: GuestAddr, _back: GuestAddr) {
        self.cpu.pc = target;
    }
    #[inline(always)]
    fn jump_indirect(&mut self, target: u64) {
        self.cpu.pc = GuestAddr(target).untagged();
    }
    #[inline(always)]
    fn call_indirect(&mut self, target: u64, _back: GuestAddr) {
        self.cpu.pc = GuestAddr(target).untagged();
    }
    #[inline(always)]
    fn ret(&mut self, target: u64) {
        self.cpu.pc = GuestAddr(target).untagged();
    }
    fn stop(&mut self, stop: Stop, code: i32) -> Result<(), Stop> {
        self.cpu.stop.code = code;
        Err(stop)
    }
    fn code_changed(&mut self, addr: u64) -> Result<(), Stop> {
        self.cpu.stop.addr = GuestAddr(addr & !63);
        Err(Stop::CodeChanged)
    }

    #[inline(always)]
    fn v(&mut self, r: VReg) -> u128 {
        self.cpu.v[usize::from(r.0 & 31)]
    }
    #[inline(always)]
    fn set_v(&mut self, r: VReg, value: u128) {
        self.cpu.v[usize::from(r.0 & 31)] = value;
    }
    #[inline(always)]
    fn vec_imm(&mut self, value: u128) -> u128 {
        value
    }
    #[inline(always)]
    fn lane(&mut self, lane: Lane, index: u8, a: u128) -> u64 {
        vector::lane(lane, index, a)
    }
    #[inline(always)]
    fn set_lane(&mut self, lane: Lane, index: u8, a: u128, value: u64) -> u128 {
        vector::set_lane(lane, index, a, value)
    }
    fn splat(&mut self, arr: Arr, value: u64) -> u128 {
        (0..arr.count).fold(0, |v, i| vector::set_lane(arr.lane, i, v, value))
    }
    #[inline(always)]
    fn low_half(&mut self, a: u128) -> u128 {
        a & u128::from(u64::MAX)
    }
    #[inline(always)]
    fn high_half(&mut self, a: u128) -> u128 {
        a >> 64
    }
    #[inline(always)]
    fn join_halves(&mut self, low: u128, high: u128) -> u128 {
        low & u128::from(u64::MAX) | high << 64
    }
    fn vec1(&mut self, op: Vec1, arr: Arr, a: u128) -> u128 {
        vector::vec1(self.cpu, op, arr, a)
    }
    fn vec2(&mut self, op: Vec2, arr: Arr, a: u128, b: u128) -> u128 {
        vector::vec2(self.cpu, op, arr, a, b)
    }
    fn vec3(&mut self, op: Vec3, arr: Arr, a: u128, b: u128, c: u128) -> u128 {
        vector::vec3(self.cpu, op, arr, a, b, c)
    }
    fn vec_shift(&mut self, op: VecShift, arr: Arr, amount: u8, a: u128) -> u128 {
        vector::shift(self.cpu, op, arr, amount, a)
    }
    fn vec_ext(&mut self, arr: Arr, index: u8, a: u128, b: u128) -> u128 {
        vector::ext(arr, index, a, b)
    }
    fn vec_table(&mut self, arr: Arr, table: &[u128], index: u128, fallback: u128) -> u128 {
        vector::table(arr, table, index, fallback)
    }
    fn vec_fp_to_int(&mut self, how: FpInt, arr: Arr, a: u128) -> u128 {
        vector::fp_to_int(self.cpu, how, arr, a)
    }
    fn vec_int_to_fp(&mut self, how: FpInt, arr: Arr, a: u128) -> u128 {
        vector::int_to_fp(self.cpu, how, arr, a)
    }

    #[inline(always)]
    fn fp(&mut self, size: FpSize, r: VReg) -> u64 {
        vector::lane(size.lane(), 0, self.cpu.v[usize::from(r.0 & 31)])
    }
    #[inline(always)]
    fn set_fp(&mut self, _size: FpSize, r: VReg, value: u64) {
        self.cpu.v[usize::from(r.0 & 31)] = u128::from(value);
    }
    #[inline(always)]
    fn fp_from_bits(&mut self, size: FpSize, bits: u64) -> u64 {
        bits & (u64::MAX >> (64 - size.bits()))
    }
    #[inline(always)]
    fn fp_bits(&mut self, _size: FpSize, a: u64) -> u64 {
        a
    }
    fn fp1(&mut self, op: Fp1, size: FpSize, a: u64) -> u64 {
        fp::fp1(self.cpu, op, size, a)
    }
    fn fp2(&mut self, op: Fp2, size: FpSize, a: u64, b: u64) -> u64 {
        fp::fp2(self.cpu, op, size, a, b)
    }
    fn fp_mul_add(&mut self, size: FpSize, addend: u64, a: u64, b: u64) -> u64 {
        fp::mul_add(self.cpu, size, addend, a, b)
    }
    fn fp_convert(&mut self, from: FpSize, to: FpSize, a: u64) -> u64 {
        fp::convert(self.cpu, from, to, a)
    }
    fn fp_to_int(&mut self, how: FpInt, size: FpSize, width: Width, a: u64) -> u64 {
        fp::to_int(self.cpu, how, size, width.bits(), a)
    }
    fn int_to_fp(&mut self, how: FpInt, size: FpSize, width: Width, a: u64) -> u64 {
        fp::from_int(self.cpu, how, size, width.bits(), a)
    }
    fn fp_compare(&mut self, size: FpSize, signal_quiet: bool, a: u64, b: u64) {
        let nzcv = fp::compare(self.cpu, size, signal_quiet, a, b);
        self.cpu.set_nzcv(nzcv);
    }
    fn fp_compare_if(&mut self, cond: Cond, size: FpSize, signal_quiet: bool, a: u64, b: u64, nzcv: u8) {
        if self.cond(cond) {
            self.fp_compare(size, signal_quiet, a, b);
        } else {
            self.cpu.set_nzcv(Nzcv(u32::from(nzcv) << 28));
        }
    }
    #[inline(always)]
    fn fp_select(&mut self, c: bool, yes: u64, no: u64) -> u64 {
        if c { yes } else { no }
    }
    fn fp_to_int_js(&mut self, a: u64) -> u64 {
        let (value, exact) = fp::to_int_js(self.cpu, a);
        self.cpu.set_nzcv(Nzcv::new(false, exact, false, false));
        value
    }
}
