# bash: job control on a terminal, driven as a person would.
# suite: short
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
cat > drive.py <<'END'
import os, pty, re, select, signal, sys, time
pid, terminal = pty.fork()
if pid == 0:
    os.environ["PS1"] = "> "
    os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
text = b""
def expect(pattern, seconds=30):
    global text
    end = time.monotonic() + seconds
    while True:
        found = re.search(pattern, text)
        if found:
            shown, text = text[:found.end()], text[found.end():]
            return shown
        left = end - time.monotonic()
        if left <= 0 or not select.select([terminal], [], [], left)[0]:
            sys.exit(f"waited for {pattern!r}, have {text!r}")
        text += os.read(terminal, 4096)
def say(line): os.write(terminal, line)
expect(rb"> ")
say(b"stty -echo; echo rea''dy\n"); expect(rb"ready\r\n"); expect(rb"> ")
say(b"sleep 100\n"); time.sleep(0.5); say(b"\x1a"); expect(rb"Stopped +sleep 100"); expect(rb"> ")
say(b"jobs\n"); expect(rb"\[1\]\+ +Stopped +sleep 100"); expect(rb"> ")
say(b"bg\n"); expect(rb"\[1\]\+ sleep 100 &"); expect(rb"> ")
say(b"jobs\n"); expect(rb"Running +sleep 100"); expect(rb"> ")
say(b"fg\n"); expect(rb"sleep 100\r\n"); time.sleep(0.5); say(b"\x03"); expect(rb"> ")
say(b"echo status $?\n"); expect(rb"status 130\r\n"); expect(rb"> ")
say(b"cat\n"); say(b"typed\n"); expect(rb"typed\r\n"); say(b"\x04"); expect(rb"> ")
say(b"sleep 200 | cat &\n"); expect(rb"\[1\] \d+"); expect(rb"> ")
say(b"kill %1; wait; echo gone\n"); expect(rb"gone\r\n"); expect(rb"> ")
say(b"python3 -c 'import time; time.sleep(60)'\n"); time.sleep(1.5); say(b"\x03"); expect(rb"KeyboardInterrupt"); expect(rb"> ")
say(b"trap 'echo resized' WINCH\n"); expect(rb"> ")
import fcntl, struct, termios
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 90, 0, 0)); say(b"\n"); expect(rb"resized"); expect(rb"> ")
say(b"stty size\n"); expect(rb"50 90\r\n"); expect(rb"> ")
say(b"cat < /dev/tty &\n"); expect(rb"> "); time.sleep(0.5); say(b"jobs\n"); expect(rb"Stopped|Running"); expect(rb"> ")
# It may stop once more before it dies, and bash stays where a job is stopped.
say(b"kill -CONT %1; kill %1; while jobs %1 > /dev/null 2>&1; do sleep 0.1; done; exit 7\n")
_, status = os.waitpid(pid, 0)
assert os.waitstatus_to_exitcode(status) == 7, status
print("ok")
END
python3 drive.py
