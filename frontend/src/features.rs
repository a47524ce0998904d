//! What the guest is told about the processor: AT_HWCAP, AT_HWCAP2 and AT_HWCAP3, derived from the ID registers of
//! [`ir::eval::sysreg`] as the kernel derives them. Names and bit numbers are those of the kernel's `uapi/asm/hwcap.h`
//! for arm64.

use ir::eval::sysreg::{
    ID_AA64ISAR0, ID_AA64ISAR1, ID_AA64ISAR2, ID_AA64MMFR0, ID_AA64MMFR1, ID_AA64MMFR2, ID_AA64PFR0, ID_AA64PFR1,
};

/// A capability bit, and the field that it follows from.
#[derive(Clone, Copy, Debug)]
pub struct Capability {
    /// The kernel's name, without the HWCAP prefix; /proc/cpuinfo shows it in lower case.
    pub name: &'static str,
    /// 1 for AT_HWCAP, 2 for AT_HWCAP2.
    pub word: u8,
    /// Bit number.
    pub bit: u8,
    register: u64,
    lsb: u8,
    minimum: u8,
}

impl Capability {
    /// Whether emu has it: the field is at least the minimum, and is not the "absent" that signed fields know.
    #[must_use]
    pub const fn present(&self) -> bool {
        let field = (self.register >> self.lsb & 0xf) as u8;
        field >= self.minimum && field != 0xf
    }
}

const fn capability(name: &'static str, word: u8, bit: u8, register: u64, lsb: u8, minimum: u8) -> Capability {
    Capability { name, word, bit, register, lsb, minimum }
}

/// Every capability that a field above decides. SVE, SME and what belongs to them have no fields here: absent.
#[rustfmt::skip]
pub const CAPABILITIES: &[Capability] = &[
    capability("FP",        1,  0, ID_AA64PFR0, 16, 0),
    capability("ASIMD",     1,  1, ID_AA64PFR0, 20, 0),
    capability("AES",       1,  3, ID_AA64ISAR0, 4, 1),
    capability("PMULL",     1,  4, ID_AA64ISAR0, 4, 2),
    capability("SHA1",      1,  5, ID_AA64ISAR0, 8, 1),
    capability("SHA2",      1,  6, ID_AA64ISAR0, 12, 1),
    capability("CRC32",     1,  7, ID_AA64ISAR0, 16, 1),
    capability("ATOMICS",   1,  8, ID_AA64ISAR0, 20, 2),
    capability("FPHP",      1,  9, ID_AA64PFR0, 16, 1),
    capability("ASIMDHP",   1, 10, ID_AA64PFR0, 20, 1),
    // The kernel's own: reads of ID registers are emulated.
    capability("CPUID",     1, 11, 0, 0, 0),
    capability("ASIMDRDM",  1, 12, ID_AA64ISAR0, 28, 1),
    capability("JSCVT",     1, 13, ID_AA64ISAR1, 12, 1),
    capability("FCMA",      1, 14, ID_AA64ISAR1, 16, 1),
    capability("LRCPC",     1, 15, ID_AA64ISAR1, 20, 1),
    capability("DCPOP",     1, 16, ID_AA64ISAR1, 0, 1),
    capability("SHA3",      1, 17, ID_AA64ISAR0, 32, 1),
    capability("SM3",       1, 18, ID_AA64ISAR0, 36, 1),
    capability("SM4",       1, 19, ID_AA64ISAR0, 40, 1),
    capability("ASIMDDP",   1, 20, ID_AA64ISAR0, 44, 1),
    capability("SHA512",    1, 21, ID_AA64ISAR0, 12, 2),
    capability("ASIMDFHM",  1, 23, ID_AA64ISAR0, 48, 1),
    capability("DIT",       1, 24, ID_AA64PFR0, 48, 1),
    capability("USCAT",     1, 25, ID_AA64MMFR2, 32, 1),
    capability("ILRCPC",    1, 26, ID_AA64ISAR1, 20, 2),
    capability("FLAGM",     1, 27, ID_AA64ISAR0, 52, 1),
    capability("SSBS",      1, 28, ID_AA64PFR1, 4, 2),
    capability("SB",        1, 29, ID_AA64ISAR1, 36, 1),
    capability("DCPODP",    2,  0, ID_AA64ISAR1, 0, 2),
    capability("FLAGM2",    2,  7, ID_AA64ISAR0, 52, 2),
    capability("FRINT",     2,  8, ID_AA64ISAR1, 32, 1),
    capability("I8MM",      2, 13, ID_AA64ISAR1, 52, 1),
    capability("BF16",      2, 14, ID_AA64ISAR1, 44, 1),
    capability("DGH",       2, 15, ID_AA64ISAR1, 48, 1),
    capability("RNG",       2, 16, ID_AA64ISAR0, 60, 1),
    capability("BTI",       2, 17, ID_AA64PFR1, 0, 1),
    capability("MTE",       2, 18, ID_AA64PFR1, 8, 2),
    capability("ECV",       2, 19, ID_AA64MMFR0, 60, 1),
    capability("AFP",       2, 20, ID_AA64MMFR1, 44, 1),
    capability("RPRES",     2, 21, ID_AA64ISAR2, 4, 1),
    capability("WFXT",      2, 31, ID_AA64ISAR2, 0, 2),
    capability("CSSC",      2, 34, ID_AA64ISAR2, 52, 1),
    capability("MOPS",      2, 43, ID_AA64ISAR2, 16, 1),
    capability("HBC",       2, 44, ID_AA64ISAR2, 20, 1),
];

const fn collect(word: u8) -> u64 {
    let (mut bits, mut i) = (0, 0);
    while i < CAPABILITIES.len() {
        let capability = &CAPABILITIES[i];
        if capability.word == word && capability.present() {
            bits |= 1 << capability.bit;
        }
        i += 1;
    }
    bits
}

/// AT_HWCAP.
pub const HWCAP: u64 = collect(1);
/// AT_HWCAP2.
pub const HWCAP2: u64 = collect(2);
/// AT_HWCAP3: nothing in it is implemented.
pub const HWCAP3: u64 = 0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table;

    /// Instructions that come with a capability, enough to show that it is there entirely; names as in the table.
    const INSTRUCTIONS: &[(&str, &[&str])] = &[
        ("AES", &["AESE", "AESD", "AESMC", "AESIMC"]),
        ("PMULL", &["PMULL_vec"]),
        ("SHA1", &["SHA1C", "SHA1P", "SHA1M", "SHA1H", "SHA1SU0", "SHA1SU1"]),
        ("SHA2", &["SHA256H", "SHA256H2", "SHA256SU0", "SHA256SU1"]),
        ("CRC32", &["CRC32B", "CRC32H", "CRC32W", "CRC32X", "CRC32CB", "CRC32CH", "CRC32CW", "CRC32CX"]),
        ("ATOMICS", &["LDADDB", "LDCLRH", "LDEOR_w", "LDSET_x", "LDSMAX_x", "LDUMIN_w", "SWPB", "CAS_x", "CASP_x"]),
        ("CPUID", &["MRS_MIDR_EL1", "MRS_ID_AA64ISAR0_EL1", "MRS_ID_AArch64"]),
        ("ASIMDRDM", &["SQRDMLAH_vec", "SQRDMLSH_vec", "SQRDMLAH_scalar", "SQRDMLAH_elem", "SQRDMLSH_elem_scalar"]),
        ("JSCVT", &["FJCVTZS"]),
        ("LRCPC", &["LDAPRB", "LDAPRH", "LDAPR_w", "LDAPR_x"]),
        ("DCPOP", &["DC_CVAP"]),
        ("ASIMDDP", &["SDOT_vec", "UDOT_vec", "SDOT_elem", "UDOT_elem"]),
        ("ILRCPC", &["STLURB", "STLURH", "STLUR_w", "STLUR_x", "LDAPURB", "LDAPURSB_w", "LDAPURSW", "LDAPUR_x"]),
        ("FLAGM", &["CFINV", "RMIF", "SETF8", "SETF16"]),
        ("SB", &["SB"]),
        ("DCPODP", &["DC_CVADP"]),
        ("FLAGM2", &["AXFLAG", "XAFLAG"]),
        ("DGH", &["DGH"]),
        ("ECV", &["MRS_CNTVCTSS_EL0"]),
    ];

    #[test]
    fn capabilities_are_those_of_the_rows() {
        for (name, rows) in INSTRUCTIONS {
            let capability = CAPABILITIES.iter().find(|c| c.name == *name).expect("a known name");
            let implemented = rows.iter().all(|wanted| table::rows().any(|row| row.name == *wanted));
            assert_eq!(capability.present(), implemented, "{name}");
        }
    }

    #[test]
    fn bits_are_the_kernels() {
        // By hand from hwcap.h: fp asimd aes pmull sha1 sha2 crc32 atomics cpuid asimdrdm jscvt lrcpc dcpop asimddp
        // ilrcpc flagm sb; dcpodp flagm2 dgh ecv.
        let bits = |numbers: &[u32]| numbers.iter().map(|number| 1 << number).sum::<u64>();
        assert_eq!(HWCAP, bits(&[0, 1, 3, 4, 5, 6, 7, 8, 11, 12, 13, 15, 16, 20, 26, 27, 29]));
        assert_eq!(HWCAP2, bits(&[0, 7, 15, 19]));
    }

    #[test]
    fn names_and_bits_are_unique() {
        for (i, a) in CAPABILITIES.iter().enumerate() {
            for b in &CAPABILITIES[i + 1..] {
                assert!(a.name != b.name && (a.word, a.bit) != (b.word, b.bit), "{} and {}", a.name, b.name);
            }
        }
    }
}
