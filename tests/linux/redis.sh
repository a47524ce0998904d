# redis-server with its benchmark: persistence by fork, scripts, pub/sub.
# system: full
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
redis-server --port 6400 --dir "$PWD" --save '' --daemonize no --enable-debug-command yes > log 2>&1 & pid=$!; r() { redis-cli -p 6400 "$@"; }; for i in $(seq 100); do [ "$(r ping 2> /dev/null)" = PONG ] && break; sleep 0.1; done
[ "$(r set key value)" = OK ]; [ "$(r get key)" = value ]; [ "$(r eval 'return redis.call("incrby", KEYS[1], 41) + 1' 1 n)" = 42 ]; for i in $(seq 50); do echo "rpush list $i"; done | r > /dev/null; [ "$(r llen list)" = 50 ]
redis-benchmark -p 6400 -q -n 5000 -c 20 -t set,get,lpush,lrange_100,mset -P 4 > bench; [ "$(tr '\r' '\n' < bench | grep -c 'requests per second')" -ge 5 ]
r bgsave > /dev/null; for i in $(seq 100); do [ "$(r info persistence | grep -c 'rdb_bgsave_in_progress:0')" = 1 ] && break; sleep 0.1; done; [ -s dump.rdb ]; [ "$(r save)" = OK ]
r subscribe channel > sub & sleep 1; r publish channel hello > /dev/null; sleep 0.5; kill $!; grep -q hello sub; kill -TERM $pid; status=0; wait $pid || status=$?; [ $status = 0 ]; grep -q "bye bye" log
echo ok
