//! System registers as Linux shows them to EL0.

use crate::{CpuState, SysReg};

/// MRS.
pub fn read(_cpu: &mut CpuState, _reg: SysReg) -> u64 {
    todo!()
}
/// MSR.
pub fn write(_cpu: &mut CpuState, _reg: SysReg, _value: u64) {
    todo!()
}
