# node: an HTTP server and a hundred clients, streams, timers, TLS.
# system: full
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
cat > test.js <<'END'
const http = require("http"), assert = require("assert"), crypto = require("crypto"), zlib = require("zlib"), fs = require("fs"), stream = require("stream/promises");
const server = http.createServer((req, res) => { let body = ""; req.on("data", (d) => (body += d)); req.on("end", () => res.end(JSON.stringify({ url: req.url, body: body.toUpperCase() }))); });
const ask = (port, i) => new Promise((resolve, reject) => { const req = http.request({ host: "127.0.0.1", port, path: "/" + i, method: "POST" }, (res) => { let t = ""; res.on("data", (d) => (t += d)); res.on("end", () => resolve(JSON.parse(t))); }); req.on("error", reject); req.end("body " + i); });
server.listen(0, "127.0.0.1", async () => {
  const answers = await Promise.all([...Array(100).keys()].map((i) => ask(server.address().port, i)));
  answers.forEach((a, i) => assert.deepStrictEqual(a, { url: "/" + i, body: "BODY " + i })); server.close();
  fs.writeFileSync("plain", "text ".repeat(100000)); await stream.pipeline(fs.createReadStream("plain"), zlib.createGzip(), zlib.createGunzip(), fs.createWriteStream("again")); assert(fs.readFileSync("plain").equals(fs.readFileSync("again")));
  assert.strictEqual(crypto.createHash("sha256").update("abc").digest("hex").slice(0, 8), "ba7816bf");
  let order = []; setTimeout(() => order.push(2), 20); setImmediate(() => order.push(1)); process.nextTick(() => order.push(0)); await new Promise((r) => setTimeout(r, 200)); assert.deepStrictEqual(order, [0, 1, 2]);
  let got = 0; process.on("SIGUSR2", () => got++); process.kill(process.pid, "SIGUSR2"); await new Promise((r) => setTimeout(r, 200)); assert.strictEqual(got, 1);
  function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); } assert.strictEqual(fib(27), 196418);
  const m = new Map(); for (let i = 0; i < 200000; i++) m.set("k" + (i % 1000), { i, list: [i, i + 1] }); assert.strictEqual(m.size, 1000); console.log("ok");
});
END
node test.js
