# node: worker threads with shared memory, child processes, cluster.
# system: full
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
cat > test.js <<'END'
const { Worker, isMainThread, workerData, parentPort } = require("worker_threads"), assert = require("assert"), cp = require("child_process");
if (!isMainThread) { const a = new Int32Array(workerData); for (let i = 0; i < 10000; i++) Atomics.add(a, 0, 1); parentPort.postMessage(Atomics.load(a, 0) > 0); return; }
(async () => {
  const shared = new SharedArrayBuffer(8); const workers = [...Array(4)].map(() => new Promise((r, e) => { const w = new Worker(__filename, { workerData: shared }); w.on("message", r); w.on("error", e); }));
  assert.deepStrictEqual(await Promise.all(workers), [true, true, true, true]); await new Promise((r) => setTimeout(r, 100)); assert.strictEqual(new Int32Array(shared)[0], 40000);
  assert.strictEqual(cp.execSync("echo from child").toString(), "from child\n"); assert.strictEqual(cp.spawnSync("sh", ["-c", "exit 3"]).status, 3); assert.strictEqual(cp.spawnSync("sh", ["-c", "kill -9 $$"]).signal, "SIGKILL"); assert.strictEqual(cp.spawnSync("/nonexistent").error.code, "ENOENT");
  const child = cp.spawn("cat"); let out = ""; child.stdout.on("data", (d) => (out += d)); child.stdin.end("through"); const code = await new Promise((r) => child.on("close", r)); assert.strictEqual(code, 0); assert.strictEqual(out, "through");
  const forked = cp.fork("child.js"); forked.send({ n: 20 }); assert.strictEqual(await new Promise((r) => forked.on("message", r)), 400); forked.disconnect();
  const results = await Promise.all([...Array(5)].map((_, i) => new Promise((r) => cp.exec("node -e 'console.log(" + i + " * 2)'", (e, o) => r(+o))))); assert.deepStrictEqual(results, [0, 2, 4, 6, 8]);
  console.log("ok");
})();
END
echo 'process.on("message", (m) => process.send(m.n * m.n));' > child.js
node test.js
