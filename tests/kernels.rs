//! The bench's kernels with little work: built for arm64 and run under emu, built for the host and run natively, and
//! the same output from both.
#![allow(missing_docs, reason = "tests")]

mod harness;

use std::process::Command;
use std::time::Duration;

use harness::build::Source;
use harness::{Link, run, settle_ways};

const LIMIT: Duration = Duration::from_secs(60);

fn kernel(name: &str, source: Source, rounds: &str) {
    let expected = run(Command::new(source.for_host(Link::Static)).arg(rounds), LIMIT);
    let program = source.for_arm64(Link::Static);
    settle_ways(name, &expected, |mut command| run(command.arg(&program).arg(rounds), LIMIT));
}

macro_rules! kernels {
    ($($name:ident: $rounds:literal $(, $flag:literal)*;)*) => {$(
        #[test]
        fn $name() {
            let source = Source::kernel(concat!(stringify!($name), ".c")).both(&[$($flag),*]);
            kernel(concat!("kernels::", stringify!($name)), source, $rounds);
        }
    )*};
}

// The number of rounds: enough for the hot code to be compiled in each tier.
kernels! {
    sort: "1";
    crc: "2";
    sha256: "300";
    fib: "22";
    matmul: "1";
    nbody: "20000";
    interpreter: "100000";
    strings: "50";
    tree: "20000";
    indirect: "300000";
    vector: "200", "-O3";
    sieve: "1";
}
