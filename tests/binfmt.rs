//! Emu as the interpreter that the kernel starts for arm64 programs (binfmt_misc), with each of its flags, and the
//! command that registers it. Each test has a user namespace and a binfmt_misc of its own, so that nothing is registered
//! on the machine; that takes Linux 6.7.
#![allow(missing_docs, reason = "tests")]

mod harness;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use harness::build::Source;
use harness::child::End;
use harness::{Link, Outcome, known, run, stand_in};

const LIMIT: Duration = Duration::from_secs(120);

/// Exit status of a script that has no binfmt_misc.
const NO_BINFMT: i32 = 77;

/// Who the script is in its namespace.
#[derive(Clone, Copy)]
enum Users {
    /// Root, alone.
    Root,
    /// Root, and all others: that takes root outside.
    All,
}

/// What a script finds in its directory.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = harness::scratch(&format!("binfmt-{name}"));
        let copy = |from: &Path, to: &str| std::fs::copy(from, path.join(to)).expect("a copy in the scratch directory");
        copy(Path::new(env!("CARGO_BIN_EXE_emu")), "emu");
        copy(&Source::new("exec_report.c").for_arm64(Link::Static), "report");
        copy(&Source::new("exec_report.c").for_host(Link::Static), "host");
        Self(path)
    }

    fn run(&self, users: Users, script: &str) -> Outcome {
        let script = format!(
            "mount -t binfmt_misc none /proc/sys/fs/binfmt_misc || exit {NO_BINFMT}\n\
             register() {{ ./emu binfmt install --flags $1 >registered || exit 9; }}\n{script}"
        );
        let mut command = match users {
            Users::Root => {
                let mut command = Command::new("unshare");
                command.args(["-U", "-r", "-m", "bash", "-c", &script]);
                command
            }
            Users::All => {
                // Whoever has made the namespace may not map others' ids, but root outside may.
                let inside = "until grep -q . /proc/self/gid_map; do sleep 0.01; done; exec bash -c \"$0\"";
                let outside = "unshare -U -m bash -c \"$1\" \"$0\" & \
                               until [ /proc/$!/ns/user -ef /proc/self/ns/user ]; do sleep 0.01; break; done; \
                               while [ \"$(readlink /proc/$!/ns/user)\" = \"$(readlink /proc/self/ns/user)\" ]; \
                               do sleep 0.01; done; \
                               echo 0 0 65536 >/proc/$!/uid_map && echo 0 0 65536 >/proc/$!/gid_map; wait $!";
                let mut command = Command::new("bash");
                command.args(["-c", outside, &script, inside]);
                command
            }
        };
        run(command.current_dir(&self.0).env("EMU_GUEST_VARIABLE", "set"), LIMIT)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn judge(outcome: &Outcome, expected: &str) -> Result<(), String> {
    let shown = format!("{}\nstdout:\n{}\nstderr:\n{}", outcome.status, outcome.stdout_text(), outcome.stderr_text());
    match outcome.status {
        End::Exited(NO_BINFMT) => {
            Err(format!("binfmt_misc cannot be mounted in a user namespace (Linux 6.7)\n{shown}"))
        }
        End::Exited(0) if outcome.stdout_text() == expected => Ok(()),
        _ => Err(format!("expected:\n{expected}\n{shown}")),
    }
}

fn check(name: &str, users: Users, script: &str, expected: &str) {
    if stand_in().is_some() {
        return;
    }
    let place = Place::new(name);
    known::settle(&format!("binfmt::{name}"), judge(&place.run(users, script), expected));
}

/// The two lines that the program says, started as root.
fn report(execfn: &str, comm: &str, lowest: i32, argv: &str) -> String {
    format!(
        "  execfn '{execfn}' comm '{comm}' secure 0 lowest {lowest} argv {argv}\n  \
         uid 0 euid 0 gid 0 egid 0, variable set\n"
    )
}

#[test]
fn without_flags() {
    let script = "register none; ./report a -h; ./host exec ./report zero | tail -n 2; ./report <&-";
    let expected = report("./report", "report", 3, "'./report' 'a' '-h'")
        + &report("./report", "report", 3, "'./report'")
        + &report("./report", "report", 0, "'./report'");
    check("without_flags", Users::Root, script, &expected);
}

#[test]
fn argv0_is_kept() {
    let script =
        "register P; ./report a; ./host exec ./report zero b | tail -n 2; ./host exec ./report '' c | tail -n 2";
    let expected = report("./report", "report", 3, "'./report' 'a'")
        + &report("./report", "report", 3, "'zero' 'b'")
        + &report("./report", "report", 3, "'' 'c'");
    check("argv0_is_kept", Users::Root, script, &expected);
}

#[test]
fn program_is_handed_over_open() {
    let script = "register O; ./report a; ./report <&-; ./report exec ./report zero <&-";
    let expected = report("./report", "report", 3, "'./report' 'a'")
        + &report("./report", "report", 0, "'./report'")
        + &report("./report", "report", 0, "'./report' 'exec' './report' 'zero'")
        + &report("./report", "report", 0, "'zero'");
    check("program_is_handed_over_open", Users::Root, script, &expected);
}

#[test]
fn both() {
    let script = "register PO; ./host exec ./report zero a <&- | tail -n 2; ./report run ./report one; ./report exec ./report -L x";
    let expected = report("./report", "report", 0, "'zero' 'a'")
        + &report("./report", "report", 3, "'./report' 'run' './report' 'one'")
        + "child\n"
        + &report("./report", "report", 3, "'one'")
        + "  status 0\n"
        + &report("./report", "report", 3, "'./report' 'exec' './report' '-L' 'x'")
        + &report("./report", "report", 3, "'-L' 'x'");
    check("both", Users::Root, script, &expected);
}

/// Nothing that the kernel passes is an option or a command of emu's.
#[test]
fn odd_names() {
    let script = "cp report -- -h; cp report binfmt; for flags in none P O; do register $flags\n\
                  ./host exec -h -h status | tail -n 2; ./host exec binfmt binfmt status | tail -n 2; done";
    let one = report("-h", "-h", 3, "'-h' 'status'") + &report("binfmt", "binfmt", 3, "'binfmt' 'status'");
    check("odd_names", Users::Root, script, &one.repeat(3));
}

#[test]
fn scripts() {
    let script = "register POF; printf '#!./report an argument\\n' >script; chmod +x script; ./script x";
    let expected = report("./script", "script", 3, "'./report' 'an argument' './script' 'x'");
    check("scripts", Users::Root, script, &expected);
}

/// Variables of emu's count for whoever may set them, and children inherit what they say.
#[test]
fn variables() {
    let script = "register PO; QEMU_SET_ENV=EMU_GUEST_VARIABLE=changed ./report; QEMU_ARGV0=other ./report";
    let expected = report("./report", "report", 3, "'./report'").replace("variable set", "variable changed")
        + &report("./report", "report", 3, "'./report'");
    check("variables", Users::Root, script, &expected);
}

/// A root that holds arm64 files only; `$1` says whether /proc is there.
const CHROOT: &str = "\
mkdir -p root/bin root/proc; cp report root/bin/report; cp \"$BUSYBOX\" root/bin/busybox
for name in sh cat true; do ln -s busybox root/bin/$name; done
printf '#!/bin/sh\\necho script $0 $1 | /bin/cat\\n' >root/script; chmod +x root/script
inside() {
    chroot root /bin/sh -c '/bin/report run /bin/report zero; /bin/true && /script x; (exit 5); echo $?'
    chroot root /bin/report exec /bin/sh sh -c 'exec /script y'
}
";

fn in_chroot(name: &str, flags: &str, with_proc: bool) {
    let busybox = harness::root().join("bench/.programs/arm64/bin/busybox");
    let proc = if with_proc { "mount --rbind /proc root/proc; " } else { "" };
    let script = format!("BUSYBOX={}\n{CHROOT}{proc}register {flags}; mv emu gone; inside", busybox.display());
    let expected = report("/bin/report", "report", 3, "'/bin/report' 'run' '/bin/report' 'zero'")
        + "child\n"
        + &report("/bin/report", "report", 3, "'zero'")
        + "  status 0\nscript /script x\n5\n"
        + &report("/bin/report", "report", 3, "'/bin/report' 'exec' '/bin/sh' 'sh' '-c' 'exec /script y'")
        + "script /script y\n";
    check(name, Users::Root, &script, &expected);
}

#[test]
fn chroot_without_proc() {
    in_chroot("chroot_without_proc", "F", false);
}

#[test]
fn chroot_with_proc() {
    in_chroot("chroot_with_proc", "F", true);
}

#[test]
fn chroot_with_all_flags() {
    in_chroot("chroot_with_all_flags", "POCF", false);
}

/// Without F the kernel cannot find emu in the chroot; a tree that has been started outside goes in all the same.
#[test]
fn chroot_entered_by_the_guest() {
    let busybox = harness::root().join("bench/.programs/arm64/bin/busybox");
    let script = format!(
        "BUSYBOX={}\n{CHROOT}register P; cp \"$BUSYBOX\" busybox; ./busybox chroot root /bin/sh -c '/bin/report; /script z'",
        busybox.display()
    );
    let expected = report("/bin/report", "report", 3, "'/bin/report'") + "script /script z\n";
    check("chroot_entered_by_the_guest", Users::Root, &script, &expected);
}

const AS_USER: &str = "user() { setpriv --reuid=1000 --regid=1000 --clear-groups \"$@\"; }\n";

/// A file that may be executed but not read is opened by the kernel (O), or refused in plain words.
#[test]
fn execute_only() {
    let script = format!(
        "{AS_USER}chmod 0711 report; register OF; user ./report; user ./report exec ./report again\n\
         register F; user ./report 2>&1; echo $?"
    );
    let user = |argv: &str| report("./report", "report", 3, argv).replace("d 0", "d 1000");
    let refused = "emu: ./report: may be executed but not read; with binfmt_misc and flag O the kernel would open it \
                   (emu binfmt install)\n126\n";
    let expected = user("'./report'") + &user("'./report' 'exec' './report' 'again'") + &user("'./report'") + refused;
    // Without P the kernel passes the path in place of argv[0].
    check("execute_only", Users::All, &script, &expected);
}

/// With C a set-user-ID program has its owner's rights, knows that it has them, and is not steered by whoever starts it:
/// neither variables nor options of emu's count.
#[test]
fn credentials() {
    let script = format!(
        "{AS_USER}cp report setuid; chmod 4755 setuid; register PCF; export QEMU_STRACE=1 QEMU_LOG_FILENAME=written\n\
         export QEMU_SET_ENV=EMU_GUEST_VARIABLE=wrong; user ./setuid 2>&1; user ./host exec ./setuid -strace 2>&1 | tail -n 2\n\
         unset QEMU_STRACE QEMU_SET_ENV QEMU_LOG_FILENAME; user ./report exec ./setuid child; ls written 2>/dev/null\n\
         register PF; user ./setuid"
    );
    let lines = |comm: &str, secure: i32, argv: &str, euid: i32| {
        format!(
            "  execfn './{comm}' comm '{comm}' secure {secure} lowest 3 argv {argv}\n  \
             uid 1000 euid {euid} gid 1000 egid 1000, variable set\n"
        )
    };
    let expected = lines("setuid", 1, "'./setuid'", 0)
        + &lines("setuid", 1, "'-strace'", 0)
        + &lines("report", 0, "'./report' 'exec' './setuid' 'child'", 1000)
        + &lines("setuid", 1, "'child'", 0)
        + &lines("setuid", 0, "'./setuid'", 1000);
    check("credentials", Users::All, &script, &expected);
}

/// If emu's own file gives rights, it refuses to: anyone could have anything run with them.
#[test]
fn own_file_with_rights() {
    let script = format!("{AS_USER}chmod 4755 emu; user ./emu ./report 2>&1; echo $?; ./emu ./report");
    let expected =
        "emu: its file is set-user-ID or set-group-ID, which would let anyone run anything with those rights\n126\n"
            .to_owned()
            + &report("./report", "report", 3, "'./report'");
    check("own_file_with_rights", Users::All, &script, &expected);
}

#[test]
fn command() {
    let script = "\
say() { echo \"-- $*\"; ./emu binfmt \"$@\" 2>&1 | sed \"s,$PWD,.,g\"; echo \"${PIPESTATUS[0]}\"; }
say status; say install; say status; ./report; say install --flags cf; say status
echo ':qemu-aarch64:M::\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00::/usr/bin/env:' \\
    >/proc/sys/fs/binfmt_misc/register
say status; echo 0 >/proc/sys/fs/binfmt_misc/emu-aarch64; say status; echo 1 >/proc/sys/fs/binfmt_misc/emu-aarch64
cp emu other; mv emu away; mv other emu; say install --flags none; cp emu new; rm emu; mv new emu2
sed_emu2() { ./emu2 binfmt status | sed \"s,$PWD,.,g\"; echo \"${PIPESTATUS[0]}\"; }
sed_emu2; mv emu2 emu; say uninstall; say uninstall; say status; say install --flags X; say nonsense
umount /proc/sys/fs/binfmt_misc; say status";
    let again =
        "until the machine is started again; for every start: emu binfmt print >/etc/binfmt.d/emu-aarch64.conf\n";
    let usage = "emu: usage: emu binfmt install [--flags FLAGS] | status | uninstall | print [--flags FLAGS]\n125\n";
    let qemu = "qemu-aarch64 is registered for arm64 programs too: /usr/bin/env";
    let expected = format!(
        "-- status\nemu is not registered (emu binfmt install)\n1\n\
         -- install\nthe kernel now starts ./emu for arm64 programs, with flags POF\n{again}0\n\
         -- status\nemu-aarch64 is registered: ./emu, flags POF\n0\n{}\
         -- install --flags cf\ntook back the older entry\nthe kernel now starts ./emu for arm64 programs, with flags CF\n\
         {again}0\n\
         -- status\nemu-aarch64 is registered: ./emu, flags OCF\n0\n\
         -- status\nemu-aarch64 is registered: ./emu, flags OCF\n{qemu}; the one registered last is used\n0\n\
         -- status\nemu-aarch64 is registered, but switched off: ./emu, flags OCF\n{qemu}; the one registered last is used\n\
         1\n\
         -- install --flags none\ntook back the older entry\nthe kernel now starts ./emu for arm64 programs, with no flags\n\
         {again}note: qemu-aarch64 is registered for them too; the one registered last is used\n0\n\
         emu-aarch64 is registered: ./emu, no flags\n  ./emu is not there (any more): no arm64 program starts\n\
         {qemu}; the one registered last is used\n1\n\
         -- uninstall\nthe kernel no longer starts emu for arm64 programs; emu-aarch64 is gone\n0\n\
         -- uninstall\nemu-aarch64 is not registered\n0\n\
         -- status\nemu is not registered (emu binfmt install)\n{qemu}\n1\n\
         -- install --flags X\nemu: --flags: there are P, O, C and F, each once; not X\n125\n\
         -- nonsense\n{usage}\
         -- status\nbinfmt_misc is not mounted on /proc/sys/fs/binfmt_misc: arm64 programs run by emu's name only\n1\n",
        report("./report", "report", 3, "'./report'")
    );
    check("command", Users::Root, script, &expected);
}

/// What stands in the way is said.
#[test]
fn command_refused() {
    let script = format!(
        "{AS_USER}chmod 755 emu; user ./emu binfmt install 2>&1; echo $?; umount /proc/sys/fs/binfmt_misc\n\
         user ./emu binfmt install 2>&1; echo $?; mount -t binfmt_misc -o ro none /proc/sys/fs/binfmt_misc\n\
         ./emu binfmt install 2>&1; echo $?; ./emu binfmt print | cut -c 1-20"
    );
    let place = "/proc/sys/fs/binfmt_misc";
    let expected = format!(
        "emu: cannot register: that takes root\n1\n\
         emu: binfmt_misc is not mounted, and cannot be mounted on {place}: that takes root\n1\n\
         emu: cannot register: {place} is read-only here, as in most containers\n1\n:emu-aarch64:M::\\x7f\n"
    );
    check("command_refused", Users::All, &script, &expected);
}
