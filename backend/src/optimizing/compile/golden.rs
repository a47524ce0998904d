//! Golden files of what leans on Cranelift's insides. Each in `backend/tests/golden` holds a tiny program of the guest's
//! (`program.rs`) and what becomes of it on its way to the host; what stands there has been looked at. Another Cranelift
//! that does otherwise fails here, with the lines that differ; so does a change of ours. `EMU_BLESS=1 cargo test -p
//! backend golden` writes the files anew, to be looked at again.
//!
//! What a file shows is chosen by its headings. Nothing depends on the host: code is made for a processor with AVX2.

mod diff;
mod program;

use super::*;
use program::{Program, Text};
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

/// The files, by the technique that each is about.
const FILES: [&str; 9] = [
    "scalarize-phis",
    "upper-zeroing",
    "convention",
    "labels",
    "keep-alive",
    "pinned-register",
    "frame-pointer",
    "comparisons",
    "short-jumps",
];

/// The guest's program, and what becomes of it, in order.
const GUEST: &str = "guest";
const CHANGED: &str = "what is changed in CLIF before Cranelift compiles it";
const PREPARED: &str = "CLIF that Cranelift compiles";
const COMPILED: &str = "code that Cranelift makes";
const PLACED: &str = "code that is placed";
const HELD: &str = "what is held, by offsets in that";

const RULE: &str = "---- ";

fn directory() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden"))
}

/// A compiler for a processor with what most have by now, whichever this one is.
fn compiler() -> Compiler {
    let mut isa = isa::lookup_by_name("x86_64-unknown-linux-gnu").expect("x86-64 is supported");
    let extensions = [
        "has_cmpxchg16b",
        "has_sse3",
        "has_ssse3",
        "has_sse41",
        "has_sse42",
        "has_popcnt",
        "has_avx",
        "has_avx2",
        "has_fma",
        "has_bmi1",
        "has_bmi2",
        "has_lzcnt",
    ];
    for extension in extensions {
        isa.enable(extension).expect("Cranelift knows the extension");
    }
    let generation = Generation::new(1 << 22).expect("memory for code");
    Compiler::with(generation, &isa).expect("a compiler")
}

/// All that may be shown of a program, with its headings.
fn stages(program: &Program) -> Vec<(&'static str, String)> {
    let (mut compiler, region) = (compiler(), program.region());
    let mut built = compiler.build::<Text>(&region, Mode::default(), RegSet::ALL).expect("the region is built");
    let before = compiler.context.func.display().to_string();
    simplify(&mut compiler.context.func);
    compiler.prepare(&mut built.labels).expect("it is prepared");
    let after = compiler.context.func.display().to_string();
    let mut stages = vec![(CHANGED, diff::lines(&before, &after)), (PREPARED, after)];
    // What is prepared is so only once.
    let isa = if built.labels.is_empty() { &*compiler.isa } else { &*compiler.optimized };
    let compiled = compiler.context.compile(isa, &mut ControlPlane::default()).expect("it is compiled");
    let relocations: Vec<u32> = compiled.buffer.relocs().iter().map(|relocation| relocation.offset).collect();
    stages.push((COMPILED, machine::listing(compiled.code_buffer(), &compiled.bb_starts, &relocations)));
    let block_starts = compiled.bb_starts.clone();
    let (deopt_values, sources) = deopt_values(compiled, &built).expect("nothing that is held is lost");
    let (_, placed) = compiler.place(&held(&deopt_values, &sources)).expect("it is placed");
    let [block_starts, relocations] = [block_starts, relocations]
        .map(|offsets| offsets.iter().map(|&offset| placed.offset(offset)).collect::<Vec<_>>());
    stages.push((PLACED, machine::listing(&placed.code, &block_starts, &relocations)));
    let mut text = String::new();
    for DeoptValue { offset, register, place } in deopt_values {
        let offset = placed.offset(offset);
        let _ = match place {
            Place::Source(number) => writeln!(text, "{offset:6x}  {register:?}: {:?}", sources[number as usize]),
            place => writeln!(text, "{offset:6x}  {register:?}: {place:?}"),
        };
    }
    stages.push((HELD, text));
    stages
}

/// What a file should hold: its own head, program and headings, with what there is to be under these.
fn expected(text: &str) -> String {
    let parts: Vec<&str> = text.split(&format!("\n{RULE}")).collect();
    let [head, guest, wanted @ ..] = &parts[..] else { panic!("a file has a head and a program") };
    let program = guest.strip_prefix(GUEST).expect("the program comes first");
    let stages = stages(&Program::parse(program));
    let mut whole = format!("{head}\n{RULE}{guest}");
    for part in wanted {
        let heading = part.lines().next().unwrap_or_default();
        let (_, stage) = stages.iter().find(|(name, _)| *name == heading).unwrap_or_else(|| panic!("{heading:?}?"));
        let stage: String = stage.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        whole = format!("{}\n\n{RULE}{heading}\n{}", whole.trim_end(), stage.trim_end());
    }
    whole + "\n"
}

#[test]
fn golden_files_hold() {
    let bless = std::env::var_os("EMU_BLESS").is_some();
    let mut wrong = String::new();
    for name in FILES {
        let path = directory().join(name).with_extension("txt");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let expected = expected(&text);
        if bless {
            fs::write(&path, expected).expect("the file can be written");
        } else if expected != text {
            let _ = write!(wrong, "\nbackend/tests/golden/{name}.txt\n{}", diff::lines(&text, &expected));
        }
    }
    assert!(wrong.is_empty(), "- is in the file, + is now (EMU_BLESS=1 writes the files anew):\n{wrong}");
}

#[test]
fn all_golden_files_are_looked_at() {
    let entries = fs::read_dir(directory()).expect("the directory").map(|entry| entry.expect("an entry").path());
    let mut found: Vec<String> = entries.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    let mut listed = FILES.map(str::to_owned);
    found.sort_unstable();
    listed.sort_unstable();
    assert_eq!(found, listed);
}
