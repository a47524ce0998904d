//! Debian's arm64 programs with small inputs, under emu and under qemu-aarch64: the same output and exit status.
//! `bench/programs arm64` fetches them into `bench/.programs/arm64`; `bench/run` measures the same programs.
#![allow(missing_docs, reason = "tests")]

mod harness;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use harness::child::End;
use harness::{run, settle_ways};

const LIMIT: Duration = Duration::from_secs(120);

fn tree() -> PathBuf {
    let path = harness::root().join("bench/.programs/arm64");
    assert!(path.with_extension("packages").exists(), "{} is not there: bench/programs fetches it", path.display());
    path
}

/// cc1, which stands in a directory named after its version.
fn compiler() -> PathBuf {
    let directories = ["usr/lib", "usr/libexec"].map(|part| tree().join(part).join("gcc/aarch64-linux-gnu"));
    directories
        .iter()
        .filter_map(|directory| directory.read_dir().ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("cc1")))
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("no cc1 in {}", directories[0].display()))
}

/// The path of a script that the bench measures.
fn script(name: &str) -> String {
    harness::root().join("bench/scripts").join(name).display().to_string()
}

/// Runs `program` with `arguments` in a directory that holds `inputs`, a name and a content each.
fn real(name: &str, program: &Path, arguments: &[&str], inputs: &[(&str, &str)]) {
    let directory = harness::scratch(name);
    for (input, content) in inputs {
        std::fs::write(directory.join(input), content).expect("an input can be written");
    }
    let start = |mut command: Command| {
        command.arg("-L").arg(tree()).arg(program).args(arguments).current_dir(&directory).env_clear();
        command.env("PATH", "/usr/bin:/bin").env("HOME", "/nonexistent").env("LC_ALL", "C").env("TZ", "UTC");
        command.env("PERL5LIB", tree().join("usr/lib/aarch64-linux-gnu/perl-base")).env("PERL_HASH_SEED", "0");
        command.env("PYTHONHOME", tree().join("usr")).env("PYTHONHASHSEED", "0");
        run(&mut command, LIMIT)
    };
    // First, so that Python's compiled modules are in the tree for all others, as they are after an installation.
    let expected = start(Command::new("qemu-aarch64"));
    assert_eq!(expected.status, End::Exited(0), "qemu-aarch64: {}", expected.stderr_text());
    settle_ways(&format!("real_programs::{name}"), &expected, start);
    let _ = std::fs::remove_dir_all(&directory);
}

/// Lines of words and a number: the same in every run.
fn text(lines: usize) -> String {
    let words =
        ["bubo", "kule", "nifistofu", "kemo", "toneso", "nedusofa", "bafebi", "moni", "fosu", "mite", "kamolaka"];
    let mut state = 42_u64;
    let mut random = |limit: u64| {
        state = state * 16807 % 2_147_483_647;
        state % limit
    };
    let mut text = String::new();
    for _ in 0..lines {
        for _ in 0..4 + random(6) {
            // The product of two makes the words at the front more frequent.
            let index = random(11) * random(11) / 11;
            text += words[usize::try_from(index).expect("an index")];
            text.push(' ');
        }
        writeln!(text, "{}", random(100_000)).expect("a string takes everything");
    }
    text
}

const SQL: &str = "
create table item (id integer primary key, name text, price real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 500)
    insert into item select i, 'name ' || (i * 7919 % 101), (i * 31 % 97) / 4.0 from n;
create index item_name on item (name);
select name, count(*), sum(price), max(id) from item group by name having count(*) > 4 order by 3 desc, 1 limit 7;
update item set price = price * 2 where name like '%3%';
delete from item where id % 13 = 0;
select count(*), printf('%.3f', avg(price)), group_concat(substr(name, 6, 1), '') from item where id between 100 and 180;
";

const C: &str = "
struct node { struct node *next; long key; double weight; };
static int sum(const int *v, int n) { int s = 0; for (int i = 0; i < n; i++) s += v[i] > 3 ? v[i] * 2 : i; return s; }
long find(struct node *list, long key, double *weight) {
    for (; list; list = list->next) {
        *weight += list->weight / 3.0;
        switch (list->key % 5) {
        case 0: key += 2; break;
        case 1: key ^= list->key; /* falls through */
        case 2: key *= 3; break;
        default: if (list->key == key) return key;
        }
    }
    return sum((const int *)weight, 2);
}
";

#[test]
fn busybox_gzip() {
    real("busybox_gzip", &tree().join("bin/busybox"), &["gzip", "-c", "text"], &[("text", &text(1000))]);
}

#[test]
fn busybox_sha256sum() {
    real("busybox_sha256sum", &tree().join("bin/busybox"), &["sha256sum", "text"], &[("text", &text(3000))]);
}

#[test]
fn busybox_sort() {
    real("busybox_sort", &tree().join("bin/busybox"), &["sort", "text"], &[("text", &text(2000))]);
}

#[test]
fn busybox_awk() {
    let program = "{ count[$1]++; total += $NF } /k[aeo]mo/ { n++ } END { print NR, total, n, count[\"moni\"], n / 7 }";
    real("busybox_awk", &tree().join("bin/busybox"), &["awk", program, "text"], &[("text", &text(2000))]);
}

#[test]
fn xz() {
    real("xz", &tree().join("usr/bin/xz"), &["-c", "-3", "-T1", "text"], &[("text", &text(1000))]);
}

#[test]
fn zstd() {
    // It reads, compresses and writes in threads of their own.
    real("zstd", &tree().join("usr/bin/zstd"), &["-q", "-c", "-5", "-T2", "text"], &[("text", &text(2000))]);
}

#[test]
fn lua() {
    real("lua", &tree().join("usr/bin/lua5.4"), &[&script("mix.lua"), "1"], &[]);
}

/// Compiles to arm64 code itself.
#[test]
fn luajit() {
    real("luajit", &tree().join("usr/bin/luajit"), &[&script("mix.lua"), "2"], &[]);
}

#[test]
fn sqlite() {
    real(
        "sqlite",
        &tree().join("usr/bin/sqlite3"),
        &["-batch", ":memory:", ".read statements"],
        &[("statements", SQL)],
    );
}

#[test]
fn perl_start() {
    real("perl_start", &tree().join("usr/bin/perl"), &["-e", "print qq($]\\n)"], &[]);
}

#[test]
fn perl() {
    real("perl", &tree().join("usr/bin/perl"), &[&script("words.pl"), "text"], &[("text", &text(500))]);
}

#[test]
fn python_start() {
    real("python_start", &tree().join("usr/bin/python3"), &["-c", "import sys; print(sys.version_info[:2])"], &[]);
}

#[test]
fn python() {
    real("python", &tree().join("usr/bin/python3"), &[&script("mix.py"), "1"], &[]);
}

#[test]
fn cc1() {
    let arguments = ["-quiet", "-O2", "-fpreprocessed", "source.c", "-o", "-"];
    real("cc1", &compiler(), &arguments, &[("source.c", C)]);
}
