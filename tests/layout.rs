//! Rules of the repository that a compiler does not check: who may depend on whom, where unsafe code stands, that locks
//! have their place in the order, and that the list of known failures names tests that exist.
#![allow(missing_docs, reason = "tests")]

mod harness;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use harness::{known, root};

const CRATES: [&str; 6] = ["emu", "ir", "frontend", "backend", "syscalls", "loader"];

/// The crates of the workspace that each crate may use.
const MAY_USE: [(&str, &[&str]); 6] = [
    ("ir", &[]),
    ("frontend", &["ir"]),
    ("backend", &["ir"]),
    ("syscalls", &["ir"]),
    ("loader", &["ir"]),
    ("emu", &["ir", "frontend", "backend", "syscalls", "loader"]),
];

/// Packages from outside that one crate alone may name, by the start of their names.
const CONFINED: [(&str, &str); 4] =
    [("yaxpeax", "frontend"), ("cranelift", "backend"), ("iced", "backend"), ("goblin", "loader")];

/// The rooms of `backend`, from the ground up: one imports only those before it, and itself.
const ROOMS: [&str; 9] = ["", "abi", "deopt", "interp", "codecache", "lower", "baseline", "optimizing", "engine"];

/// Rooms that never import each other, though one comes before the other.
const STRANGERS: [(&str, &str); 1] = [("optimizing", "baseline")];

/// Packages that only one room may name.
const ROOM_OF: [(&str, &str); 2] = [("cranelift_", "optimizing"), ("iced_x86", "optimizing")];

/// A file that is longer is usually two, and so is a function.
const FILE_LINES: usize = 600;
const FUNCTION_LINES: usize = 70;

/// Longer ones, with the reason: "FILE" or "FILE FUNCTION".
const LONG: &[(&str, &str)] = &[
    ("backend/src/baseline/asm/tests.rs encodings_are_those_of_the_gnu_assembler", "a table"),
    ("backend/src/optimizing/compile/golden/program.rs lift", "a match over operations"),
    ("ir/src/eval/vector/mod.rs vec2", "a match over operations"),
];

fn manifest(name: &str) -> PathBuf {
    if name == "emu" { root().join("Cargo.toml") } else { root().join(name).join("Cargo.toml") }
}

/// The names in the manifest's own dependency tables, that for tests included; the workspace's table only gives
/// versions, so it does not count.
fn dependencies(name: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(manifest(name)).expect("a manifest");
    let mut names = BTreeSet::new();
    let mut table = "";
    for line in text.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            table = header.trim_end_matches(']');
            let last = table.rsplit_once("dependencies.").map(|(before, name)| (before, name.trim_matches('"')));
            if let Some((before, name)) = last
                && !before.starts_with("workspace")
            {
                names.insert(name.to_owned());
            }
        } else if table.ends_with("dependencies") && !table.starts_with("workspace") {
            let key = line.split(['=', '.', ' ']).next().unwrap_or_default().trim_matches('"');
            if !key.is_empty() && !key.starts_with('#') {
                names.insert(key.to_owned());
            }
        }
    }
    names
}

#[test]
fn crates_depend_as_designed() {
    let allowed: BTreeMap<_, _> = MAY_USE.into_iter().collect();
    let mut wrong = String::new();
    for name in CRATES {
        for dependency in dependencies(name) {
            let ours = CRATES.contains(&dependency.as_str());
            if ours && !allowed[name].contains(&dependency.as_str()) {
                wrong += &format!("{name} uses {dependency}\n");
            }
            for (package, owner) in CONFINED {
                if dependency.starts_with(package) && name != owner {
                    wrong += &format!("{name} uses {dependency}, which only {owner} may\n");
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    // The reader above is worth something only if it finds what is there.
    assert!(dependencies("backend").iter().any(|name| name.starts_with("cranelift")));
    assert!(dependencies("emu").contains("loader"));
}

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for name in CRATES {
        let base = if name == "emu" { root() } else { root().join(name) };
        for part in ["src", "tests", "examples", "benches"] {
            let directory = base.join(part);
            if directory.is_dir() {
                rust_files(&directory, &mut found);
            }
        }
    }
    found
}

/// The line without its comment and without what stands in plain string literals.
fn code_of(line: &str) -> String {
    let mut code = String::new();
    let mut in_string = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if in_string => {
                characters.next();
            }
            '"' => in_string = !in_string,
            '/' if !in_string && characters.peek() == Some(&'/') => break,
            _ if !in_string => code.push(character),
            _ => {}
        }
    }
    code
}

fn has_word(code: &str, word: &str) -> bool {
    code.split(|character: char| !character.is_alphanumeric() && character != '_').any(|part| part == word)
}

const MARKER: &str = "#![allow(unsafe_code";

#[test]
fn unsafe_code_stands_in_marked_files() {
    let mut wrong = String::new();
    for path in sources() {
        let text = fs::read_to_string(&path).expect("a source");
        let marked = text.lines().any(|line| line.starts_with(MARKER));
        let first = text.lines().enumerate().find(|(_, line)| has_word(&code_of(line), "unsafe"));
        match first {
            Some((number, line)) if !marked => {
                wrong += &format!("{}:{}: {}\n", path.display(), number + 1, line.trim());
            }
            None if marked => wrong += &format!("{}: marked, but has no unsafe code\n", path.display()),
            _ => {}
        }
        // A module that is allowed as a whole would hide the files below it.
        if text.lines().any(|line| code_of(line).trim_start().starts_with("#[allow(unsafe_code")) {
            wrong += &format!("{}: allows unsafe code for an item, not for its file\n", path.display());
        }
    }
    assert!(wrong.is_empty(), "unsafe code where it may not be:\n{wrong}");
}

/// The file that lists all locks.
const LOCKS: &str = "ir/src/lock.rs";

/// Whether a file is part of what is shipped: tests may lock as they like.
fn is_shipped(relative: &str) -> bool {
    !relative.split('/').any(|part| part == "tests" || part.ends_with("tests.rs"))
}

#[test]
fn locks_have_their_place_in_the_order() {
    let list = fs::read_to_string(root().join(LOCKS)).expect("the list");
    let (_, ranks) = list.split_once("\norder! {").expect("the list");
    let (ranks, _) = ranks.split_once("\n}\n").expect("its end");
    let ranks = ranks.lines().map(str::trim).filter(|line| !line.starts_with("///"));
    let ranks: Vec<&str> = ranks.filter_map(|line| line.strip_suffix(',')).collect();
    assert!(ranks.contains(&"AddressSpace"), "the list has another shape: {ranks:?}");
    let mut wrong = String::new();
    let mut made: BTreeMap<&str, usize> = ranks.iter().map(|&rank| (rank, 0)).collect();
    for path in sources() {
        let relative = path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("a source");
        for (number, line) in text.lines().enumerate().filter(|_| is_shipped(&relative)) {
            let code = code_of(line);
            if relative != LOCKS && ["Mutex", "RwLock", "ReentrantLock"].iter().any(|word| has_word(&code, word)) {
                wrong += &format!("{relative}:{}: a lock that {LOCKS} does not know\n", number + 1);
            }
            for (rank, places) in &mut made {
                let is_made = code.contains("Lock::new(") || code.contains("Ranked::new(");
                let is_test = relative == LOCKS && !code.contains("StandardError");
                *places += usize::from(is_made && has_word(&code, rank) && !is_test);
            }
        }
    }
    for (rank, places) in made {
        if places == 0 {
            wrong += &format!("{LOCKS} lists {rank}, which nobody has\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// A crate forbids dependencies in its manifest; this finds paths that reach through another crate's re-export.
#[test]
fn confined_packages_are_named_by_their_owner_only() {
    let mut wrong = String::new();
    for path in sources() {
        let relative = path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
        if relative == "tests/layout.rs" {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source");
        for (package, owner) in CONFINED {
            let prefix = format!("{package}_");
            let named = text.lines().map(code_of).any(|code| {
                code.contains(&format!("{package}::"))
                    || (code.contains(&prefix) && code.contains("::") && code.contains("use "))
            });
            if named && !relative.starts_with(&format!("{owner}/")) {
                wrong += &format!("{relative} names {package}\n");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The room of a file of `backend`: the folder, or none for what stands at the ground.
fn room_of(relative: &Path) -> String {
    let folder = relative.parent().and_then(|parent| parent.components().next());
    folder.map_or(String::new(), |folder| folder.as_os_str().to_string_lossy().into_owned())
}

/// The rooms that a line of code names, by paths that begin at the crate's root.
fn rooms_in(code: &str) -> Vec<&str> {
    let named = code.split("crate::").skip(1);
    named.map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()).collect()
}

#[test]
fn rooms_import_from_the_ground_up() {
    let base = root().join("backend/src");
    let mut files = Vec::new();
    rust_files(&base, &mut files);
    let height = |room: &str| ROOMS.iter().position(|&name| name == room);
    let mut wrong = String::new();
    let mut seen = BTreeSet::new();
    for path in files {
        let relative = path.strip_prefix(&base).expect("below it");
        // It says what others may use.
        if relative == Path::new("lib.rs") {
            continue;
        }
        let room = room_of(relative);
        let Some(here) = height(&room) else {
            wrong += &format!("{}: a room that ROOMS does not list\n", relative.display());
            continue;
        };
        seen.insert(here);
        let text = fs::read_to_string(&path).expect("a source");
        for (number, line) in text.lines().enumerate() {
            let code = code_of(line);
            let at = || format!("{}:{}: ", relative.display(), number + 1);
            for name in rooms_in(&code) {
                let there = height(name).unwrap_or(0);
                let is_stranger = STRANGERS.contains(&(room.as_str(), name));
                if there > here || is_stranger {
                    wrong += &format!("{}{room} imports {name}\n", at());
                }
            }
            for (package, owner) in ROOM_OF {
                if code.contains(package) && code.contains("::") && room != owner {
                    wrong += &format!("{}names {package}\n", at());
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!(seen.len(), ROOMS.len(), "a room that ROOMS lists has no file");
}

/// Functions of a source and how many lines each has. Needs the form that rustfmt gives them.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = code_of(line);
        let Some((before, after)) = code.split_once("fn ") else { continue };
        let name: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let is_item = before.split_whitespace().all(|word| {
            word.starts_with("pub")
                || ["const", "unsafe", "extern", "async", "in"].contains(&word)
                || word.ends_with(')')
        });
        if name.is_empty() || !is_item {
            continue;
        }
        let indent = &line[..line.len() - line.trim_start().len()];
        let opening = lines[start..].iter().position(|line| line.ends_with(['{', ';', '}'])).map(|n| start + n);
        if let Some(opening) = opening.filter(|&at| lines[at].ends_with('{')) {
            let closing = format!("{indent}}}");
            let length =
                lines[opening..].iter().position(|line| *line == closing).map_or(0, |n| opening + n + 1 - start);
            found.push((name, length));
        }
    }
    found
}

#[test]
fn files_and_functions_are_short() {
    let mut long = BTreeSet::new();
    let mut count = 0;
    for path in sources() {
        let relative = path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("a source");
        if text.lines().count() > FILE_LINES {
            long.insert(relative.clone());
        }
        let functions = functions(&text);
        count += functions.len();
        let over = functions.into_iter().filter(|&(_, lines)| lines > FUNCTION_LINES);
        long.extend(over.map(|(name, _)| format!("{relative} {name}")));
    }
    let listed: BTreeSet<String> = LONG.iter().map(|&(name, _)| name.to_owned()).collect();
    assert_eq!(long, listed, "what is too long, and what LONG says of it");
    // The reader above is worth something only if it finds what is there.
    assert!(count > 3000, "{count} functions");
}

#[test]
fn known_failures_name_tests() {
    let mut sources = String::new();
    for entry in fs::read_dir(root().join("tests")).expect("tests/") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            sources += &fs::read_to_string(path).expect("a test");
        }
    }
    for name in known::listed().keys() {
        // `file::test` or `file::program::tier`; the second part stands in the file as written.
        let part = name.split("::").nth(1).unwrap_or_default();
        // Rows of the instruction table are listed as `vectors::ROW`.
        let row = name.starts_with("vectors::") && frontend::table::rows().any(|row| row.name == part);
        let known = row || sources.contains(&format!("fn {part}(")) || sources.contains(&format!("{part}: "));
        assert!(!part.is_empty() && known, "tests/known-failures.toml lists {name}, which is no test");
    }
}
