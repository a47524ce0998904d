//! The page that lists every instruction emu knows, made from the table: docs/instructions.md. `EMU_WRITE_DOCS=1 cargo
//! test --test coverage` writes it anew; without that the test says whether it is out of date.

use frontend::table::{Class, rows};
use std::fmt::Write;

fn title(class: Class) -> &'static str {
    match class {
        Class::DataImm => "Data processing, immediate",
        Class::DataReg => "Data processing, register",
        Class::Branch => "Branches",
        Class::System => "System, hints, barriers, exceptions",
        Class::LoadStore => "Loads and stores",
        Class::Atomics => "Exclusive, ordered and atomic accesses",
        Class::SimdLoadStore => "Advanced SIMD structure loads and stores",
        Class::Fp => "Scalar floating point",
        Class::SimdThree => "Advanced SIMD: three registers of the same type",
        Class::SimdLong => "Advanced SIMD: long, wide and narrow; by element",
        Class::SimdMisc => "Advanced SIMD: two registers, across lanes, pairwise",
        Class::SimdShift => "Advanced SIMD: shifts and immediates",
        Class::SimdPermute => "Advanced SIMD: copies, permutes, tables",
        Class::SimdCrypto => "Cryptography",
    }
}

fn page() -> String {
    let count = rows().count();
    let mut text = format!(
        "# Instructions\n\nThe {count} rows of the instruction table, by class: Arm's mnemonic with the variant, and the \
         encoding, in which\nletters are fields. Made from `frontend/src/table` by `tests/coverage.rs`; everything not \
         here is undefined (SIGILL).\n"
    );
    let mut current = None;
    for row in rows() {
        if current != Some(row.class) {
            if current.is_some() {
                text += "```\n";
            }
            let _ = write!(text, "\n## {}\n\n```text\n", title(row.class));
            current = Some(row.class);
        }
        let _ = writeln!(text, "{:<24} {}", row.name, row.pattern.text);
    }
    text + "```\n"
}

#[test]
fn the_page_of_instructions_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/instructions.md");
    let expected = page();
    if std::env::var_os("EMU_WRITE_DOCS").is_some() {
        std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/docs")).expect("docs/ can be made");
        std::fs::write(path, &expected).expect("the page can be written");
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(found == expected, "docs/instructions.md is out of date: run EMU_WRITE_DOCS=1 cargo test --test coverage");
}
