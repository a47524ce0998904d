//! The list of known failures, `tests/known-failures.toml`: a listed test may fail, and must.
//! Reads the part of TOML that the list uses: `"test name" = "reason"`, comments, blank lines.

use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Test name to reason.
pub fn listed() -> &'static BTreeMap<String, String> {
    static LIST: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    LIST.get_or_init(|| {
        let path = super::root().join("tests/known-failures.toml");
        let text = std::fs::read_to_string(&path).expect("tests/known-failures.toml is in the repository");
        parse(&text).unwrap_or_else(|line| panic!("{}: not understood: {line}", path.display()))
    })
}

fn parse(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut list = BTreeMap::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, reason) = line.split_once('=').ok_or(line)?;
        let unquote = |part: &str| part.trim().strip_prefix('"')?.strip_suffix('"').map(str::to_owned);
        let (name, reason) = unquote(name).zip(unquote(reason)).ok_or(line)?;
        if reason.is_empty() || list.insert(name, reason).is_some() {
            return Err(line.to_owned());
        }
    }
    Ok(list)
}

/// Ends the test called `name`: a failure panics unless it is listed, a success panics if it is listed.
pub fn settle(name: &str, result: Result<(), String>) {
    if let Err(report) = judge(name, result) {
        panic!("{report}");
    }
}

/// The same without the panic, for tests that have many names.
pub fn judge(name: &str, result: Result<(), String>) -> Result<(), String> {
    // The list is about emu; with another emulator in its place every result speaks for itself.
    let reason = if super::stand_in().is_some() { None } else { listed().get(name) };
    match (result, reason) {
        (Ok(()), None) => Ok(()),
        (Err(report), None) => Err(format!("{name}:\n{report}")),
        (Err(report), Some(reason)) => {
            println!("known failure: {name}: {reason}\n{report}");
            Ok(())
        }
        (Ok(()), Some(reason)) => {
            Err(format!("{name} passes but tests/known-failures.toml lists it ({reason}): take it off the list"))
        }
    }
}
