# git: history, merges, packs; clone, fetch and push by file and by HTTP.
# suite: short
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
export GIT_CONFIG_GLOBAL="$PWD/config"; git config --global user.name Name; git config --global user.email a@b; git config --global init.defaultBranch main; git config --global safe.directory '*'; git config --global advice.detachedHead false
git init -q work; cd work
for i in $(seq 10); do seq "$i" 200 > file; git add file; git commit -qm "change $i"; done
git checkout -qb side HEAD~3; echo side > other; git add other; git commit -qm side; git checkout -q main; git merge -q --no-edit side
[ "$(git log --oneline | wc -l)" = 12 ]; git fsck --strict 2> /dev/null; git gc -q; git repack -adq; [ "$(git show HEAD~2:file | head -n 1)" = 9 ]
git tag v1; git bisect start v1 HEAD~8 > /dev/null; git bisect run sh -c '[ "$(head -n 1 file)" -lt 6 ]' > found; grep -q 'change 6' found; git bisect reset > /dev/null 2>&1; git stash list; git blame file | head -n 1 > /dev/null; git diff --stat HEAD~3 | grep -q file
cd ..; git clone -q "file://$PWD/work" copy; [ "$(git -C copy rev-parse HEAD)" = "$(git -C work rev-parse main)" ]; git clone -q --bare work served.git; git -C served.git config http.receivepack true; git -C served.git update-server-info
cat > serve.py <<'END'
import http.server, os, subprocess, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def serve(self):
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            while (size := int(self.rfile.readline(), 16)): body += self.rfile.read(size); self.rfile.readline()
            self.rfile.readline()
        env = dict(os.environ, GIT_PROJECT_ROOT=os.getcwd(), GIT_HTTP_EXPORT_ALL="1", PATH_INFO=path, QUERY_STRING=query, REQUEST_METHOD=self.command, CONTENT_TYPE=self.headers.get("Content-Type", ""), CONTENT_LENGTH=str(len(body)), REMOTE_ADDR="127.0.0.1", HTTP_CONTENT_ENCODING=self.headers.get("Content-Encoding", ""), GIT_PROTOCOL=self.headers.get("Git-Protocol", ""))
        done = subprocess.run(["git", "http-backend"], input=body, env=env, stdout=subprocess.PIPE)
        head, _, rest = done.stdout.partition(b"\r\n\r\n"); fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items(): self.send_header(name, value)
        self.end_headers(); self.wfile.write(rest)
    do_GET = do_POST = serve
    def log_message(self, *a): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8123), Handler); open("ready", "w"); server.serve_forever()
END
python3 serve.py & server=$!; for i in $(seq 300); do [ -e ready ] && break; sleep 0.1; done
git clone -q http://127.0.0.1:8123/served.git over-http; cd over-http; echo new > new; git add new; git commit -qm new; git push -q origin main
[ "$(git -C ../served.git rev-parse main)" = "$(git rev-parse HEAD)" ]; cd ../copy; git pull -q http://127.0.0.1:8123/served.git main; [ -e new ]; kill $server
git submodule --quiet status; git rebase -q --root > /dev/null; git log -1 --format=%s | grep -qx new
echo ok
