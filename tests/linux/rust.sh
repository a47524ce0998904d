# rustc and cargo: a project with tests; threads, panics, processes, sockets.
# system: full
# limit: 900
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
export CARGO_HOME="$PWD/cargo" HOME="$PWD"; cargo new -q --vcs none --name project p; cd p
cat > src/main.rs <<'END'
use std::{collections::HashMap, io::{Read, Write}, net::{TcpListener, TcpStream}, process::Command, sync::{mpsc, Arc, Mutex}, thread};
fn fib(n: u32) -> u64 { if n < 2 { n.into() } else { fib(n - 1) + fib(n - 2) } }
fn main() {
    assert_eq!(fib(27), 196418);
    let (tx, rx) = mpsc::channel(); let m = Arc::new(Mutex::new(HashMap::new()));
    let ts: Vec<_> = (0..8).map(|i| { let (tx, m) = (tx.clone(), m.clone()); thread::spawn(move || { for j in 0..500 { *m.lock().unwrap().entry(j).or_insert(0) += i; tx.send(i * j).unwrap(); } }) }).collect();
    drop(tx); assert_eq!(rx.iter().sum::<i32>(), 28 * 124750); for t in ts { t.join().unwrap(); }
    std::panic::set_hook(Box::new(|_| ())); assert!(thread::spawn(|| panic!("expected")).join().is_err()); assert!(std::panic::catch_unwind(|| { let v: Vec<i32> = Vec::new(); v[std::env::args().count()] }).is_err());
    assert_eq!(Command::new("sh").args(["-c", "exit 9"]).status().unwrap().code(), Some(9)); assert!(Command::new("/nonexistent").spawn().is_err());
    let l = TcpListener::bind("127.0.0.1:0").unwrap(); let a = l.local_addr().unwrap(); let t = thread::spawn(move || { let mut s = l.accept().unwrap().0; let mut b = [0; 4]; s.read_exact(&mut b).unwrap(); s.write_all(&b).unwrap(); });
    let mut s = TcpStream::connect(a).unwrap(); s.write_all(b"ping").unwrap(); let mut b = [0; 4]; s.read_exact(&mut b).unwrap(); assert_eq!(&b, b"ping"); t.join().unwrap(); println!("ran");
}
#[cfg(test)]
mod tests { #[test] fn fib() { assert_eq!(super::fib(10), 55); } #[test] #[should_panic] fn panics() { panic!("x") } }
END
[ "$(cargo run -q --offline)" = ran ]; cargo test -q --offline 2>&1 | grep -q "2 passed"; cargo build -q --release --offline; [ "$(target/release/project)" = ran ]; echo 'fn main() { let x: i32 = "a"; }' > wrong.rs; status=0; rustc wrong.rs 2> errors || status=$?; [ $status = 1 ]; grep -q E0308 errors
echo 'fn f(n: u64) -> u64 { let a = [n; 100]; if n == u64::MAX { 0 } else { f(n + 1) + a[(n % 100) as usize] } } fn main() { println!("{}", f(0)); }' > deep.rs; rustc -O deep.rs 2> /dev/null; status=0; ./deep > out 2> errors || status=$?; [ $status = 134 ]; grep -q "has overflowed its stack" errors
echo ok
