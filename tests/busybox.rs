//! Debian's arm64 busybox-static as a shell: builtins only, so that nothing has to be executed anew. Expected output
//! is what POSIX says of each script. `tests/run` fetches the program into `bench/.programs`.
#![allow(missing_docs, reason = "tests")]

mod harness;

use std::path::PathBuf;
use std::time::Duration;

use harness::child::End;
use harness::{Tier, emu, known, run};

fn busybox() -> PathBuf {
    let path = harness::root().join("bench/.programs/arm64/bin/busybox");
    assert!(path.exists(), "{} is not there: bench/programs fetches it", path.display());
    path
}

fn script(name: &str, text: &str, status: i32, stdout: &str) {
    let mut report = String::new();
    for tier in Tier::ALL {
        let directory = harness::scratch(&format!("{}-{}", name.replace(':', "-"), tier.name()));
        let mut command = emu(tier);
        command.arg(busybox()).args(["sh", "-c", text, "zero", "first argument", "second"]);
        command.current_dir(&directory).env_clear().env("FROM_OUTSIDE", "seen");
        let outcome = run(&mut command, Duration::from_secs(60));
        let _ = std::fs::remove_dir_all(&directory);
        if outcome.status != End::Exited(status) || outcome.stdout_text() != stdout {
            let shown = (outcome.stdout_text(), outcome.stderr_text());
            report += &format!("{}: {}\nstdout: {}\nstderr: {}\n", tier.name(), outcome.status, shown.0, shown.1);
        }
    }
    known::settle(name, if report.is_empty() { Ok(()) } else { Err(report) });
}

macro_rules! scripts {
    ($($name:ident: $text:literal => $status:literal, $stdout:literal;)*) => {$(
        #[test]
        fn $name() {
            script(concat!("busybox::", stringify!($name)), $text, $status, $stdout);
        }
    )*};
}

scripts! {
    echo: r#"echo hello; printf '%s-%05d-%x\n' text 42 255"# => 0, "hello\ntext-00042-ff\n";
    arguments: r#"echo "$0|$1|$2|$#"; shift; echo "$1""# => 0, "zero|first argument|second|2\nsecond\n";
    environment: r#"echo "$FROM_OUTSIDE"; X=inner; export X; echo "${X}${UNSET:-default}""# => 0, "seen\ninnerdefault\n";
    arithmetic: r#"echo $((6*7)) $((7/2)) $((-7%3)) $((1<<40)) $((0x10|3)) $((5>3&&2>1))"# => 0,
        "42 3 -1 1099511627776 19 1\n";
    loops: r#"i=0; s=0; while [ $i -lt 1000 ]; do i=$((i+1)); s=$((s+i)); done; echo $s; for x in a b c; do echo $x; done"# => 0,
        "500500\na\nb\nc\n";
    functions: r#"f() { local n=$1; if [ $n -le 1 ]; then echo 1; return 3; fi; f $((n-1)); }; f 20; echo $?"# => 0, "1\n3\n";
    case_and_patterns: r#"for w in apple banana 42; do case $w in a*) echo A;; *[0-9]) echo N;; *) echo other;; esac; done"# => 0,
        "A\nother\nN\n";
    expansions: r#"p=/a/b/file.tar.gz; echo ${p##*/} ${p%.*} ${p%%.*} ${p#/a} ${#p}; set -- x y z; echo "$*" $#"# => 0,
        "file.tar.gz /a/b/file.tar /a/b/file /b/file.tar.gz 16\nx y z 3\n";
    read_and_files: r#"echo "one two" >f; echo three >>f; while read -r a b; do echo "[$a][$b]"; done <f; test -s f && test ! -d f && echo file"# => 0,
        "[one][two]\n[three][]\nfile\n";
    here_document: "while read -r line; do echo \"<$line>\"; done <<END\nalpha\n$((2+3))\nEND\n" => 0, "<alpha>\n<5>\n";
    directories: r#"mkdir() { command mkdir "$@"; }; cd /; pwd; cd /usr && pwd; cd - >/dev/null; echo "$PWD $OLDPWD""# => 0,
        "/\n/usr\n/ /usr\n";
    exit_status: r#"trap 'echo leaving' EXIT; false || echo failed; (exit 5) 2>/dev/null; exit 77"# => 77, "failed\nleaving\n";
    errors: r#"cd /nonexistent 2>/dev/null || echo no; [ a = b ]; echo $?; type cd"# => 0, "no\n1\ncd is a shell builtin\n";
}
