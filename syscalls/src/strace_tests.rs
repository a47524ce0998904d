use super::*;
use crate::testing::{AT_FDCWD, Guest, at, c, failed};
use crate::{After, Config};
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn traced(name: &str, args: &[u64]) -> String {
    let sink = Sink::default();
    let mut guest = Guest::new(Config { strace: Some(Box::new(sink.clone())), ..Config::default() });
    guest.call_after(name, args);
    let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    // The thread's id is not known here.
    text.split_once(' ').unwrap().1.to_owned()
}

#[test]
fn paths_and_flags_are_named() {
    let mut path = c("/does/not/exist");
    assert_eq!(
        traced("openat", &[AT_FDCWD, at(&mut path[..]), 0o2040000, 0]),
        "openat(AT_FDCWD,\"/does/not/exist\",O_RDONLY|O_DIRECTORY|O_CLOEXEC) = -1 errno=2 (No such file or directory)\n"
    );
    assert_eq!(
        traced("openat", &[AT_FDCWD, 8, 0o101, 0o644]),
        "openat(AT_FDCWD,0x8,O_WRONLY|O_CREAT,0644) = -1 errno=14 (Bad address)\n"
    );
}

#[test]
fn output_is_shown_after_the_call() {
    let mut buffer = [0u8; 8];
    let line = traced("read", &[u64::from(u32::MAX), at(&mut buffer), 8]);
    assert_eq!(line, format!("read(-1,{:#x},8) = -1 errno=9 (Bad file descriptor)\n", at(&mut buffer)));
    let mut path = c("/proc/self/exe");
    let sink = Sink::default();
    let exe = "/bin/guest".into();
    let mut guest = Guest::new(Config { strace: Some(Box::new(sink.clone())), exe, ..Config::default() });
    let mut buffer = [0u8; 64];
    assert_eq!(guest.call("readlinkat", &[AT_FDCWD, at(&mut path[..]), at(&mut buffer), 64]), 10);
    let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    assert!(text.ends_with(" readlinkat(AT_FDCWD,\"/proc/self/exe\",\"/bin/guest\",64) = 10\n"), "{text}");
}

#[test]
fn bytes_are_quoted_and_cut() {
    let mut text = *b"a\n\"\x01";
    let line = traced("write", &[u64::from(u32::MAX), at(&mut text), 4]);
    assert_eq!(line, "write(-1,\"a\\n\\\"\\x01\",4) = -1 errno=9 (Bad file descriptor)\n");
    let mut long = [b'x'; 100];
    let line = traced("write", &[u64::from(u32::MAX), at(&mut long), 100]);
    assert!(line.contains(&format!("\"{}\"...", "x".repeat(32))), "{line}");
}

#[test]
fn structures_and_sets_are_shown() {
    let mut time = [0u64, 1];
    assert_eq!(traced("nanosleep", &[at(&mut time), 0]), "nanosleep({0,1},NULL) = 0\n");
    let mut set = 1u64 << 1 | 1 << 14;
    assert_eq!(
        traced("rt_sigprocmask", &[9, at(&mut set), 0, 8]),
        "rt_sigprocmask(9,[SIGINT SIGTERM],NULL,8) = -1 errno=22 (Invalid argument)\n"
    );
    assert_eq!(
        traced("mmap", &[0, 0, 3, 0x22, u64::MAX, 0]),
        "mmap(NULL,0,PROT_READ|PROT_WRITE,MAP_PRIVATE|MAP_ANONYMOUS,-1,0x0) = -1 errno=22 (Invalid argument)\n"
    );
    assert!(traced("clone", &[0x11f00 | 17, 0, 0, 0, 0]).starts_with(
        "clone(CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_PIDFD|CLONE_THREAD|SIGCHLD,NULL,NULL,NULL,NULL)"
    ));
}

#[test]
fn calls_that_do_not_return_are_shown() {
    assert_eq!(traced("exit_group", &[3]), "exit_group(3)\n");
}

#[test]
fn unknown_numbers_are_shown_and_refused() {
    let sink = Sink::default();
    let mut guest = Guest::new(Config { strace: Some(Box::new(sink.clone())), ..Config::default() });
    guest.cpu.x[8] = 9999;
    guest.cpu.x[..6].fill(1);
    assert_eq!(guest.thread.syscall(&mut guest.cpu), After::Continue);
    assert_eq!(guest.cpu.x[0] as i64, failed(libc::ENOSYS));
    let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    let end = "syscall_9999(0x1,0x1,0x1,0x1,0x1,0x1) = -1 errno=38 (Function not implemented)\n";
    assert!(text.ends_with(end), "{text}");
}
