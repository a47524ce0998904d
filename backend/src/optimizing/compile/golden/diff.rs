//! The lines in which two texts differ, for a failure that can be read.

use std::fmt::Write;

/// Lines shown around each difference.
const AROUND: usize = 3;

/// A line of the first text, of the second, or of both.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gone,
    New,
    Same,
}

/// By lines of both texts, how many lines they have in common from there on.
fn common(old: &[&str], new: &[&str]) -> Vec<Vec<usize>> {
    let mut common = vec![vec![0; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] =
                if old[i] == new[j] { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    common
}

/// Both texts, as one list of lines.
fn merged<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(Kind, &'a str)> {
    let common = common(old, new);
    let (mut i, mut j, mut merged) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            merged.push((Kind::Same, old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || i < old.len() && common[i + 1][j] >= common[i][j + 1] {
            merged.push((Kind::Gone, old[i]));
            i += 1;
        } else {
            merged.push((Kind::New, new[j]));
            j += 1;
        }
    }
    merged
}

/// Lines of `old` that are not in `new` with `-` before them, lines that are only there with `+`, and some around them.
pub(super) fn lines(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let merged = merged(&old, &new);
    let is_near = |at: usize| {
        let around = at.saturating_sub(AROUND)..(at + AROUND + 1).min(merged.len());
        merged[around].iter().any(|(kind, _)| *kind != Kind::Same)
    };
    let (mut text, mut skipped) = (String::new(), false);
    for (at, (kind, line)) in merged.iter().enumerate() {
        if !is_near(at) {
            skipped = true;
            continue;
        }
        if std::mem::take(&mut skipped) {
            text.push_str("  ...\n");
        }
        let sign = match kind {
            Kind::Gone => '-',
            Kind::New => '+',
            Kind::Same => ' ',
        };
        let _ = writeln!(text, "{sign} {line}");
    }
    text
}

#[test]
fn what_differs_is_shown_with_what_is_around() {
    let old = "a\nb\nc\nd\ne\nf\ng\nh";
    let new = "a\nb\nc\nd\ne\nF\nG\ng\nh";
    assert_eq!(lines(old, new), "  ...\n  c\n  d\n  e\n- f\n+ F\n+ G\n  g\n  h\n");
    assert_eq!(lines(old, old), "");
    assert_eq!(lines("", "a\n"), "+ a\n");
}
