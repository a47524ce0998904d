# ruby: threads, fork, signals, sockets, fibers, GC.
# system: full
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
cat > test.rb <<'END'
require "socket"; require "open3"; require "json"; require "digest"; require "timeout"; require "set"
def must(x, what) = (x or abort "failed: #{what}")
seen = []; trap("USR1") { seen << 1 }; Process.kill("USR1", Process.pid); sleep 0.1; must seen == [1], "trap"
pid = fork { exit 7 }; Process.wait pid; must $?.exitstatus == 7, "fork"; out, st = Open3.capture2("cat; exit 3", stdin_data: "x"); must out == "x" && st.exitstatus == 3, "open3"
must (begin; Timeout.timeout(0.2) { sleep 5 }; rescue Timeout::Error; :late; end) == :late, "timeout"
server = TCPServer.new("127.0.0.1", 0); t = Thread.new { c = server.accept; c.puts c.gets.upcase; c.close }; c = TCPSocket.new("127.0.0.1", server.addr[1]); c.puts "hello"; must c.gets == "HELLO\n", "socket"; t.join
q = Queue.new; ts = 4.times.map { |i| Thread.new { 100.times { |j| q << i * j } } }; ts.each(&:join); must q.size == 400, "queue"; f = Fiber.new { |x| y = Fiber.yield x * 2; y + 1 }; must f.resume(4) == 8 && f.resume(1) == 2, "fiber"
must (1..50).inject(:*).to_s.length == 65 && Digest::MD5.hexdigest("a")[0, 4] == "0cc1" && JSON.parse(JSON.dump({ "a" => [1, nil] })) == { "a" => [1, nil] }, "libs"; 100000.times { |i| "s#{i}" * 3 }; GC.start
def deep(n) = n == 0 ? 0 : 1 + deep(n - 1)
must (begin; deep(10_000_000); rescue SystemStackError; :deep; end) == :deep, "stack"; r = Ractor.new { 6 * 7 } if false; must `echo sub` == "sub\n", "sub"; puts "ok"
END
ruby -W0 test.rb
