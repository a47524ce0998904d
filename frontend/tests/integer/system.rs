//! System instructions, exceptions and system registers.

use crate::{PC, assert_undefined, cpu, result, step};
use ir::{CpuState, GuestAddr, Stop};

fn x0(word: u32) -> u64 {
    result(word, 0, 0, 0, 0).0
}

#[test]
fn exceptions() {
    let stops = |word| {
        let mut cpu = cpu(0, 0, 0, 0);
        let stop = step(&mut cpu, word).expect_err("an exception");
        assert_eq!(cpu.pc, PC);
        (stop, cpu.stop.code)
    };
    assert_eq!(stops(0xd400_00e1), (Stop::Svc, 7));
    assert_eq!(stops(0xd420_2460), (Stop::Breakpoint, 0x123));
    assert_eq!(stops(0x0000_0005), (Stop::Undefined, 5));
}

#[test]
fn not_for_el0() {
    assert_undefined(0xd400_0002); // HVC
    assert_undefined(0xd400_0003); // SMC
    assert_undefined(0xd440_0000); // HLT
    assert_undefined(0xd69f_03e0); // ERET
    assert_undefined(0xd503_42df); // MSR DAIFSet, #2
    assert_undefined(0xd538_1000); // MRS X0, SCTLR_EL1
    assert_undefined(0xd538_0100); // MRS X0, ID_PFR0_EL1: CRm = 1 is not emulated
    assert_undefined(0xd518_0001); // MSR MIDR_EL1, X1
    assert_undefined(0xd51b_d061); // MSR TPIDRRO_EL0, X1
    assert_undefined(0xd51b_e041); // MSR CNTVCT_EL0, X1
    assert_undefined(0xd53b_e020); // MRS X0, CNTPCT_EL0
    assert_undefined(0xd503_1000); // WFET X0
    assert_undefined(0xd508_711f); // IC IALLUIS
    assert_undefined(0xd50b_7461); // DC GVA, X1
}

#[test]
fn registers() {
    assert_eq!(x0(0xd53b_0020), 0x9444_c004, "CTR_EL0: 64-byte lines, IDC, no DIC");
    assert_eq!(x0(0xd53b_00e0), 4, "DCZID_EL0: 64 bytes, allowed");
    assert_eq!(x0(0xd53b_d060), 0, "TPIDRRO_EL0");
    assert_eq!(x0(0xd538_00a0), 1 << 31, "MPIDR_EL1");
    assert_eq!(x0(0xd538_03e0), 0, "S3_0_C0_C3_7");
    let midr = x0(0xd538_0000);
    assert_eq!([midr >> 24, midr >> 16 & 0xf, midr >> 4 & 0xfff], [0x41, 0xf, 0xd0c], "MIDR_EL1: Arm, Neoverse N1");
    let isar0 = x0(0xd538_0600);
    assert_eq!([16, 20, 52].map(|lsb| isar0 >> lsb & 0xf), [1, 2, 2], "CRC32, Atomic, TS");
    let mut cpu = cpu(0x1234_5678_9abc_def0, 0, 0, 0);
    step(&mut cpu, 0xd51b_d041).expect("MSR TPIDR_EL0, X1");
    step(&mut cpu, 0xd53b_d040).expect("MRS X0, TPIDR_EL0");
    assert_eq!(cpu.x[0], 0x1234_5678_9abc_def0);
}

#[test]
fn the_counter_runs_at_its_frequency() {
    let start = std::time::Instant::now();
    let before = x0(0xd53b_e040);
    std::thread::sleep(std::time::Duration::from_millis(20));
    let after = x0(0xd53b_e040);
    let counted = (after - before) as f64 / x0(0xd53b_e000) as f64;
    assert!(counted >= 0.02 && counted <= start.elapsed().as_secs_f64(), "{counted} s");
    assert!(x0(0xd53b_e0c0) >= after, "CNTVCTSS_EL0 is the same counter");
}

#[test]
fn hints_and_barriers_change_nothing() {
    let (clrex, others) = (0xd503_3f5f, [0xd503_3f9f, 0xd503_3bbf, 0xd503_3fdf, 0xd503_30ff, 0xd503_309f]);
    let hints = (0..128).map(|hint| 0xd503_201f | hint << 5);
    for word in hints.chain(others) {
        let (mut before, mut after) = (cpu(1, 2, 3, 5), cpu(1, 2, 3, 5));
        for cpu in [&mut before, &mut after] {
            cpu.x[30] = 0xff00_0000_0000_1234;
            cpu.exclusive_addr = 64;
        }
        assert_eq!(step(&mut after, word), Ok(()), "{word:#x}");
        assert_eq!(format!("{before:?}"), format!("{after:?}"), "{word:#x}");
    }
    let mut c = cpu(0, 0, 0, 0);
    c.exclusive_addr = 64;
    step(&mut c, clrex).expect("CLREX");
    assert_eq!(c.exclusive_addr, CpuState::NO_EXCLUSIVE);
}

#[test]
fn cache_maintenance() {
    ir::memory::install_handler();
    #[repr(align(64))]
    struct Lines([u8; 192]);
    let mut lines = Lines([0xff; 192]);
    let at = lines.0.as_mut_ptr() as u64;
    step(&mut cpu(at + 64 + 13, 0, 0, 0), 0xd50b_7421).expect("DC ZVA, X1");
    assert!(lines.0.iter().enumerate().all(|(i, &byte)| (byte == 0) == (64..128).contains(&i)));
    // DC ZVA, CVAC, CVAU, CVAP, CVADP, CIVAC
    for word in [0xd50b_7421, 0xd50b_7a21, 0xd50b_7b21, 0xd50b_7c21, 0xd50b_7d21, 0xd50b_7e21] {
        assert_eq!(step(&mut cpu(at, 0, 0, 0), word), Ok(()));
        let mut wild = cpu(0x80, 0, 0, 0);
        assert_eq!(step(&mut wild, word), Err(Stop::Fault), "{word:#x}");
        assert_eq!((wild.stop.addr, wild.stop.signal), (GuestAddr(0x80), 11));
    }
    let mut c = cpu(at + 70, 0, 0, 0);
    assert_eq!(step(&mut c, 0xd50b_7521), Err(Stop::CodeChanged), "IC IVAU, X1");
    assert_eq!(c.stop.addr, GuestAddr(at + 64));
}
