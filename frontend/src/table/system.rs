//! System instructions, hints, barriers, exceptions. What EL0 may not use (HVC, SMC, HLT, ERET, MSR DAIFSet, system
//! registers not listed) has no row: it is undefined, as Linux makes it.

use super::instruction_class;
use crate::lift::system::*;
use ir::{Stop, SysReg};

instruction_class! { System;
    // yaxpeax-arm does not decode UDF.
    UDF                 "00000000 00000000 iiiiiiii iiiiiiii" []               Undefined     Stop  undefined();
    SVC                 "11010100 000iiiii iiiiiiii iii00001" [SVC]            ExceptionImm  Stop  exception(Stop::Svc);
    BRK                 "11010100 001iiiii iiiiiiii iii00000" [BRK]            ExceptionImm  Stop  exception(Stop::Breakpoint);

    // The whole hint space does nothing unless listed. Pointer authentication is absent: its hints do nothing either.
    HINT                "11010101 00000011 0010cccc ppp11111" [HINT | PACM]    NoArguments   Next  nop();
    NOP                 "11010101 00000011 00100000 00011111" [HINT]           NoArguments   Next  nop();
    YIELD               "11010101 00000011 00100000 00111111" [HINT]           NoArguments   Next  spin_hint();
    WFE                 "11010101 00000011 00100000 01011111" [HINT]           NoArguments   Next  spin_hint();
    WFI                 "11010101 00000011 00100000 01111111" [HINT]           NoArguments   Next  spin_hint();
    SEV                 "11010101 00000011 00100000 10011111" [HINT]           NoArguments   Next  nop();
    SEVL                "11010101 00000011 00100000 10111111" [HINT]           NoArguments   Next  nop();
    DGH                 "11010101 00000011 00100000 11011111" [HINT]           NoArguments   Next  nop();
    XPACLRI             "11010101 00000011 00100000 11111111" [XPACLRI]        NoArguments   Next  nop();
    PACIA1716           "11010101 00000011 00100001 00011111" [PACIA1716]      NoArguments   Next  nop();
    PACIB1716           "11010101 00000011 00100001 01011111" [PACIB1716]      NoArguments   Next  nop();
    AUTIA1716           "11010101 00000011 00100001 10011111" [AUTIA1716]      NoArguments   Next  nop();
    AUTIB1716           "11010101 00000011 00100001 11011111" [AUTIB1716]      NoArguments   Next  nop();
    ESB                 "11010101 00000011 00100010 00011111" [HINT]           NoArguments   Next  nop();
    PSB_CSYNC           "11010101 00000011 00100010 00111111" [HINT]           NoArguments   Next  nop();
    TSB_CSYNC           "11010101 00000011 00100010 01011111" [HINT]           NoArguments   Next  nop();
    CSDB                "11010101 00000011 00100010 10011111" [HINT]           NoArguments   Next  nop();
    PACIAZ              "11010101 00000011 00100011 00011111" [PACIAZ]         NoArguments   Next  nop();
    PACIASP             "11010101 00000011 00100011 00111111" [PACIASP]        NoArguments   Next  nop();
    PACIBZ              "11010101 00000011 00100011 01011111" [PACIBZ]         NoArguments   Next  nop();
    PACIBSP             "11010101 00000011 00100011 01111111" [PACIBSP]        NoArguments   Next  nop();
    AUTIAZ              "11010101 00000011 00100011 10011111" [AUTIAZ]         NoArguments   Next  nop();
    AUTIASP             "11010101 00000011 00100011 10111111" [AUTIASP]        NoArguments   Next  nop();
    AUTIBZ              "11010101 00000011 00100011 11011111" [AUTIBZ]         NoArguments   Next  nop();
    AUTIBSP             "11010101 00000011 00100011 11111111" [AUTIBSP]        NoArguments   Next  nop();
    BTI                 "11010101 00000011 00100100 pp011111" [HINT]           NoArguments   Next  nop();

    CLREX               "11010101 00000011 0011cccc 01011111" [CLREX]          NoArguments   Next  clrex();
    // DSB with its reserved options SSBB and PSSBB. It waits for completion, so even DSB ISHST orders later loads.
    DSB                 "11010101 00000011 0011cccc 10011111" [DSB(_) | SSBB | PSSBB]  NoArguments  Next  full_barrier();
    DMB                 "11010101 00000011 0011cccc 10111111" [DMB(_)]         DataBarrier   Next  dmb();
    // What follows is fetched anew: it ends the block, and the next one's entry sees what other threads have announced.
    ISB                 "11010101 00000011 0011cccc 11011111" [ISB]            NoArguments   Stop  full_barrier();
    SB                  "11010101 00000011 00110000 11111111" [SB]             NoArguments   Next  full_barrier();

    CFINV               "11010101 00000000 01000000 00011111" [MSR]            NoArguments   Next  cfinv();
    XAFLAG              "11010101 00000000 01000000 00111111" [MSR]            NoArguments   Next  xaflag();
    AXFLAG              "11010101 00000000 01000000 01011111" [MSR]            NoArguments   Next  axflag();

    DC_ZVA              "11010101 00001011 01110100 001ttttt" [SYS(_)]         SystemReg     Next  dc_zva();
    DC_CVAC             "11010101 00001011 01111010 001ttttt" [SYS(_)]         SystemReg     Next  dc_clean();
    DC_CVAU             "11010101 00001011 01111011 001ttttt" [SYS(_)]         SystemReg     Next  dc_clean();
    DC_CVAP             "11010101 00001011 01111100 001ttttt" [SYS(_)]         SystemReg     Next  dc_clean();
    DC_CVADP            "11010101 00001011 01111101 001ttttt" [SYS(_)]         SystemReg     Next  dc_clean();
    DC_CIVAC            "11010101 00001011 01111110 001ttttt" [SYS(_)]         SystemReg     Next  dc_clean();
    IC_IVAU             "11010101 00001011 01110101 001ttttt" [SYS(_)]         SystemReg     Stop  ic_ivau();

    MSR_NZCV            "11010101 00011011 01000010 000ttttt" [MSR]            SystemReg     Next  msr(SysReg::Nzcv);
    MSR_FPCR            "11010101 00011011 01000100 000ttttt" [MSR]            SystemReg     Stop  msr(SysReg::Fpcr);
    MSR_FPSR            "11010101 00011011 01000100 001ttttt" [MSR]            SystemReg     Stop  msr(SysReg::Fpsr);
    MSR_TPIDR_EL0       "11010101 00011011 11010000 010ttttt" [MSR]            SystemReg     Next  msr(SysReg::TpidrEl0);

    MRS_NZCV            "11010101 00111011 01000010 000ttttt" [MRS]            SystemReg     Next  mrs(SysReg::Nzcv);
    MRS_FPCR            "11010101 00111011 01000100 000ttttt" [MRS]            SystemReg     Next  mrs(SysReg::Fpcr);
    MRS_FPSR            "11010101 00111011 01000100 001ttttt" [MRS]            SystemReg     Next  mrs(SysReg::Fpsr);
    MRS_TPIDR_EL0       "11010101 00111011 11010000 010ttttt" [MRS]            SystemReg     Next  mrs(SysReg::TpidrEl0);
    MRS_TPIDRRO_EL0     "11010101 00111011 11010000 011ttttt" [MRS]            SystemReg     Next  mrs(SysReg::TpidrroEl0);
    MRS_CTR_EL0         "11010101 00111011 00000000 001ttttt" [MRS]            SystemReg     Next  mrs(SysReg::CtrEl0);
    MRS_DCZID_EL0       "11010101 00111011 00000000 111ttttt" [MRS]            SystemReg     Next  mrs(SysReg::DczidEl0);
    MRS_CNTFRQ_EL0      "11010101 00111011 11100000 000ttttt" [MRS]            SystemReg     Next  mrs(SysReg::CntfrqEl0);
    MRS_CNTVCT_EL0      "11010101 00111011 11100000 010ttttt" [MRS]            SystemReg     Next  mrs(SysReg::CntvctEl0);
    MRS_CNTVCTSS_EL0    "11010101 00111011 11100000 110ttttt" [MRS]            SystemReg     Next  mrs(SysReg::CntvctssEl0);

    // The ID registers that Linux emulates: CRn = 0, CRm = 0 and 2 to 7; those not listed read as zero.
    MRS_MIDR_EL1        "11010101 00111000 00000000 000ttttt" [MRS]            SystemReg     Next  mrs(SysReg::MidrEl1);
    MRS_MPIDR_EL1       "11010101 00111000 00000000 101ttttt" [MRS]            SystemReg     Next  mrs(SysReg::MpidrEl1);
    MRS_REVIDR_EL1      "11010101 00111000 00000000 110ttttt" [MRS]            SystemReg     Next  mrs(SysReg::RevidrEl1);
    MRS_ID_AArch32      "11010101 00111000 0000001c pppttttt" [MRS]            SystemReg     Next  mrs(SysReg::IdZero);
    MRS_ID_AArch64      "11010101 00111000 000001cc pppttttt" [MRS]            SystemReg     Next  mrs(SysReg::IdZero);
    MRS_ID_AA64PFR0_EL1 "11010101 00111000 00000100 000ttttt" [MRS]            SystemReg     Next  mrs(SysReg::IdAa64pfr0El1);
    MRS_ID_AA64PFR1_EL1 "11010101 00111000 00000100 001ttttt" [MRS]            SystemReg     Next  mrs(SysReg::IdAa64pfr1El1);
    MRS_ID_AA64ZFR0_EL1 "11010101 00111000 00000100 100ttttt" [MRS]            SystemReg     Next  mrs(SysReg::IdAa64zfr0El1);
    MRS_ID_AA64DFR0_EL1 "11010101 00111000 00000101 000ttttt" [MRS]            SystemReg     Next  mrs(SysReg::IdAa64dfr0El1);
    MRS_ID_AA64ISAR0_EL1 "11010101 00111000 00000110 000ttttt" [MRS]           SystemReg     Next  mrs(SysReg::IdAa64isar0El1);
    MRS_ID_AA64ISAR1_EL1 "11010101 00111000 00000110 001ttttt" [MRS]           SystemReg     Next  mrs(SysReg::IdAa64isar1El1);
    MRS_ID_AA64ISAR2_EL1 "11010101 00111000 00000110 010ttttt" [MRS]           SystemReg     Next  mrs(SysReg::IdAa64isar2El1);
    MRS_ID_AA64MMFR0_EL1 "11010101 00111000 00000111 000ttttt" [MRS]           SystemReg     Next  mrs(SysReg::IdAa64mmfr0El1);
    MRS_ID_AA64MMFR1_EL1 "11010101 00111000 00000111 001ttttt" [MRS]           SystemReg     Next  mrs(SysReg::IdAa64mmfr1El1);
    MRS_ID_AA64MMFR2_EL1 "11010101 00111000 00000111 010ttttt" [MRS]           SystemReg     Next  mrs(SysReg::IdAa64mmfr2El1);
}

/// The row that unallocated encodings decode to.
pub(crate) fn undefined_row() -> &'static super::Row {
    &ROWS[Id::UDF as usize]
}
