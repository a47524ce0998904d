# python3: signals, threads, processes, sockets, TLS, sqlite, mmap, ctypes in one script.
# suite: short
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost 2> /dev/null
cat > test.py <<'END'
import asyncio, ctypes, faulthandler, mmap, multiprocessing, os, select, signal, socket, sqlite3, ssl, subprocess, sys, threading, time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
def square(x): return x * x
def main():
    seen = []
    signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
    os.kill(os.getpid(), signal.SIGUSR1); assert seen == [signal.SIGUSR1], seen
    signal.setitimer(signal.ITIMER_REAL, 0.1); signal.signal(signal.SIGALRM, lambda *a: seen.append("alarm")); time.sleep(0.5); assert seen[-1] == "alarm"
    assert signal.sigtimedwait([signal.SIGUSR2], 0.01) is None
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2]); os.kill(os.getpid(), signal.SIGUSR2); assert signal.sigwait([signal.SIGUSR2]) == signal.SIGUSR2
    done = subprocess.run(["sh", "-c", "cat; exit 5"], input=b"through", capture_output=True); assert (done.stdout, done.returncode) == (b"through", 5)
    assert subprocess.run(["sh", "-c", "kill -9 $$"]).returncode == -9
    try: subprocess.run(["/nonexistent"]); assert False
    except FileNotFoundError: pass
    try: subprocess.run(["sleep", "9"], timeout=0.2); assert False
    except subprocess.TimeoutExpired: pass
    with ThreadPoolExecutor(8) as pool: assert sum(pool.map(square, range(1000))) == 332833500
    with ProcessPoolExecutor(2) as pool: assert sum(pool.map(square, range(100), chunksize=10)) == 328350
    spawn = multiprocessing.get_context("spawn"); queue = spawn.Queue(); process = spawn.Process(target=queue.put, args=(42,)); process.start(); assert queue.get(timeout=60) == 42; process.join(); assert process.exitcode == 0
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); context.load_cert_chain("cert.pem", "key.pem"); listener = socket.create_server(("127.0.0.1", 0))
    def serve():
        with context.wrap_socket(listener.accept()[0], server_side=True) as c: c.sendall(c.recv(100).upper())
    thread = threading.Thread(target=serve); thread.start(); client = ssl.create_default_context(cafile="cert.pem")
    with client.wrap_socket(socket.create_connection(listener.getsockname()), server_hostname="localhost") as c: c.sendall(b"hello"); assert c.recv(100) == b"HELLO"
    thread.join()
    with sqlite3.connect("data.db") as db:
        db.execute("create table t (a integer, b text)"); db.executemany("insert into t values (?, ?)", ((i, str(i)) for i in range(1000))); assert db.execute("select sum(a), max(length(b)) from t").fetchone() == (499500, 3)
    with open("mapped", "wb+") as f:
        f.truncate(8192); m = mmap.mmap(f.fileno(), 8192); m[4096:4101] = b"mmap!"; m.flush(); f.seek(4096); assert f.read(5) == b"mmap!"
    shared = mmap.mmap(-1, 4096); pid = os.fork()
    if pid == 0: shared[0] = 77; os._exit(0)
    os.waitpid(pid, 0); assert shared[0] == 77
    c = ctypes.CDLL(None); c.strlen.restype = ctypes.c_size_t; assert c.strlen(b"seven..") == 7
    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int)); numbers = (ctypes.c_int * 5)(5, 1, 4, 2, 3); c.qsort(numbers, 5, 4, compare(lambda a, b: a[0] - b[0])); assert list(numbers) == [1, 2, 3, 4, 5]
    async def echo(reader, writer): writer.write(await reader.readline()); await writer.drain(); writer.close()
    async def talk():
        server = await asyncio.start_server(echo, "127.0.0.1", 0); port = server.sockets[0].getsockname()[1]
        async def one(i):
            reader, writer = await asyncio.open_connection("127.0.0.1", port); writer.write(b"%d\n" % i); line = await reader.readline(); writer.close(); return int(line)
        assert await asyncio.gather(*map(one, range(50))) == list(range(50))
        process = await asyncio.create_subprocess_exec("echo", "child", stdout=subprocess.PIPE); assert (await process.communicate())[0] == b"child\n"; server.close()
    asyncio.run(talk())
    done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", "import ctypes; ctypes.string_at(0)"], capture_output=True, text=True); assert done.returncode == -signal.SIGSEGV and "Fatal Python error: Segmentation fault" in done.stderr and "string_at" in done.stderr, done
    epoll = select.epoll(); a, b = socket.socketpair(); epoll.register(a, select.EPOLLIN); b.send(b"x"); assert epoll.poll(5) == [(a.fileno(), select.EPOLLIN)]
    print("ok")
if __name__ == "__main__": main()
END
python3 test.py
