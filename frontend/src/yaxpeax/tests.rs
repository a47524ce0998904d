//! Whether yaxpeax-arm calls what it decodes by the name that the table has for it.

use super::text;
use crate::Word;
use crate::decode::A64;
use crate::table::{self, Class, Row};
use ir::{Frontend, GuestAddr};
use std::collections::{BTreeMap, BTreeSet};

/// Words looked at of each row.
const WORDS: usize = 4000;

/// A name of the table's, and what yaxpeax-arm says instead.
type Other = (&'static str, &'static [&'static str]);

/// Why it says something else: because that is right, or not to be helped. Each must occur.
const EXCEPTIONS: [(&str, &[Other]); 5] = [
    (
        "the alias is what Arm prefers, or may be said",
        &[
            ("adds", &["cmn"]),
            ("ands", &["tst"]),
            ("asrv", &["asr"]),
            ("bfm", &["bfc", "bfi", "bfxil"]),
            ("csinc", &["cinc", "cset"]),
            ("csinv", &["cinv", "csetm"]),
            ("csneg", &["cneg"]),
            ("dsb", &["pssbb", "ssbb"]),
            ("dup", &["mov"]),
            ("extr", &["ror"]),
            ("hint", &["pacm"]),
            ("ins", &["mov"]),
            ("lslv", &["lsl"]),
            ("lsrv", &["lsr"]),
            ("madd", &["mul"]),
            ("movn", &["mov"]),
            ("movz", &["mov"]),
            ("msub", &["mneg"]),
            ("not", &["mvn"]),
            ("orn", &["mvn"]),
            ("orr", &["mov"]),
            ("rorv", &["ror"]),
            ("sbc", &["ngc"]),
            ("sbcs", &["ngcs"]),
            ("sbfm", &["asr", "sbfiz", "sbfx"]),
            ("smaddl", &["smull"]),
            ("smsubl", &["smnegl"]),
            ("sub", &["neg"]),
            ("subs", &["cmp", "negs"]),
            ("ubfm", &["lsl", "lsr", "ubfiz", "ubfx", "uxtb", "uxth"]),
            ("umaddl", &["umull"]),
            ("umov", &["mov"]),
            ("umsubl", &["umnegl"]),
        ],
    ),
    (
        "the table has the name of what is an alias, yaxpeax-arm that of what it is one of",
        &[("bti", &["hint"]), ("dc", &["sys"]), ("dgh", &["hint"]), ("ic", &["sys"]), ("sevl", &["hint"])],
    ),
    (
        "a bug of yaxpeax-arm's: instructions of their own among the encodings of MSR are taken for that",
        &[("axflag", &["msr"]), ("cfinv", &["msr"]), ("xaflag", &["msr"])],
    ),
    (
        "a bug of yaxpeax-arm's: of the bits that tell CRm, some are not looked at; the table takes all of these for HINT",
        &[("hint", &["csdb", "esb", "nop", "psb", "sev", "tsb", "wfe", "wfi", "yield"])],
    ),
    ("a bug of yaxpeax-arm's: another hint is taken for SEVL", &[("hint", &["sevl"])]),
];

/// Mnemonics that end in 2 when the upper half of a vector is meant.
const HALVES: [&str; 44] = [
    "addhn", "fcvtl", "fcvtn", "fcvtxn", "pmull", "raddhn", "rshrn", "rsubhn", "sabal", "sabdl", "saddl", "saddw",
    "shll", "shrn", "smlal", "smlsl", "smull", "sqdmlal", "sqdmlsl", "sqdmull", "sqrshrn", "sqrshrun", "sqshrn",
    "sqshrun", "sqxtn", "sqxtun", "sshll", "ssubl", "ssubw", "subhn", "uabal", "uabdl", "uaddl", "uaddw", "umlal",
    "umlsl", "umull", "uqrshrn", "uqshrn", "uqxtn", "ushll", "usubl", "usubw", "xtn",
];

const CONDITIONS: [&str; 16] =
    ["eq", "ne", "hs", "lo", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le", "al", "nv"];

/// Arm's mnemonic of a word of the row.
fn mnemonic(row: &Row, word: Word) -> String {
    let (name, variant) = row.name.split_once('_').unwrap_or((row.name, ""));
    let name = name.to_lowercase();
    if name == "b" && variant == "cond" {
        return format!("b.{}", CONDITIONS[word.field(3, 0) as usize]);
    }
    if HALVES.contains(&&*name) && matches!(variant, "vec" | "elem") && word.bit(30) {
        return format!("{name}2");
    }
    let is_cas = name.starts_with("cas");
    let is_load = ["ldadd", "ldclr", "ldeor", "ldset", "ldsm", "ldum"].iter().any(|start| name.starts_with(start));
    if row.class == Class::Atomics && (is_cas || is_load || name.starts_with("swp")) {
        // The letters for acquire and release come before that of the size.
        let operation = name.trim_end_matches(['b', 'h']);
        let size = &name[operation.len()..];
        let [acquire, release] = if is_cas { [22, 15] } else { [23, 22] }.map(|bit| word.bit(bit));
        let letters = format!("{}{}", if acquire { "a" } else { "" }, if release { "l" } else { "" });
        let is_store = is_load && !acquire && word.rd().0 == 31;
        let operation = if is_store { operation.replacen("ld", "st", 1) } else { operation.to_owned() };
        return format!("{operation}{letters}{size}");
    }
    name
}

/// Words of the row, with more ones or zeros than there would be by chance in some: registers and constants that have
/// all or none are special.
fn words(row: &'static Row) -> impl Iterator<Item = Word> {
    // Each row has numbers of its own, so that a new row changes nothing for the others.
    let seed = row
        .name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let mut state = seed;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as u32
    };
    (0..WORDS).map(move |n| {
        let bits = match n % 4 {
            0 => next() & next(),
            1 => next() | next(),
            _ => next(),
        };
        Word { bits: row.random_word(bits), pc: GuestAddr(0) }
    })
}

#[test]
fn what_both_decode_has_the_same_name() {
    let pairs = EXCEPTIONS.iter().flat_map(|(_, pairs)| pairs.iter());
    let excepted: BTreeSet<(&str, &str)> =
        pairs.flat_map(|&(name, others)| others.iter().map(move |&other| (name, other))).collect();
    let (mut wrong, mut met, mut agreed) = (BTreeMap::new(), BTreeSet::new(), 0);
    for row in table::rows() {
        for word in words(row).filter(|word| std::ptr::eq(A64::decode(word.bits, word.pc).row(), row)) {
            let Some(text) = text(word) else { continue };
            let (name, printed) = (mnemonic(row, word), text.split(' ').next().unwrap_or_default());
            if name == printed {
                agreed += 1;
                continue;
            }
            match excepted.iter().find(|&&pair| pair == (&*name, printed)) {
                Some(&pair) => drop(met.insert(pair)),
                None => drop(wrong.entry((row.name, name)).or_insert_with(|| format!("{:#010x} {text}", word.bits))),
            }
        }
    }
    assert!(wrong.is_empty(), "the table and yaxpeax-arm call these by different names: {wrong:#?}");
    let gone: Vec<_> = excepted.difference(&met).collect();
    assert!(gone.is_empty(), "these exceptions do not occur any more: {gone:?}");
    // The table has some 900 rows, and yaxpeax-arm knows all but one.
    assert!(agreed > 1_000_000, "only {agreed} words have been compared");
}
