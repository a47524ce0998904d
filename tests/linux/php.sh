# php: processes, streams, regular expressions with their JIT, a built-in server.
# system: full
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
cat > test.php <<'END'
<?php function must($ok, $what) { if (!$ok) { echo "failed: $what\n"; exit(1); } }
must(array_sum(array_map(fn($x) => $x * $x, range(1, 1000))) === 333833500, "sum"); must(preg_replace('/(\w+) (\w+)/', '$2 $1', "hello world") === "world hello" && preg_match_all('/\d+/', str_repeat("a1b22 ", 10000), $m) === 20000, "preg");
$p = proc_open("cat; exit 4", [["pipe", "r"], ["pipe", "w"]], $pipes); fwrite($pipes[0], "in"); fclose($pipes[0]); must(stream_get_contents($pipes[1]) === "in" && proc_close($p) === 4, "proc");
$pid = pcntl_fork(); if ($pid === 0) exit(5); pcntl_waitpid($pid, $st); must(pcntl_wexitstatus($st) === 5, "fork"); pcntl_async_signals(true); $n = 0; pcntl_signal(SIGUSR1, function () use (&$n) { $n++; }); posix_kill(posix_getpid(), SIGUSR1); must($n === 1, "signal");
try { intdiv(1, 0); must(false, "div"); } catch (DivisionByZeroError $e) { } must(hash("sha256", "abc")[0] === "b" && json_decode(json_encode(["a" => [1.5, null]]), true) === ["a" => [1.5, null]], "libs"); function fib($n) { return $n < 2 ? $n : fib($n - 1) + fib($n - 2); } must(fib(23) === 28657, "fib"); echo "passed\n";
END
[ "$(php -d extension=posix test.php)" = passed ]; [ "$(php -d extension=posix -d zend_extension=opcache -d opcache.enable_cli=1 -d opcache.jit_buffer_size=16M -d opcache.jit=tracing test.php)" = passed ]
php -S 127.0.0.1:8099 > /dev/null 2>&1 & sleep 2; echo '<?php echo 6 * 7;' > page.php; [ "$(curl -s --retry 20 --retry-delay 1 --retry-all-errors http://127.0.0.1:8099/page.php)" = 42 ]; kill $!
echo ok
