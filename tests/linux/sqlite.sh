# sqlite3: several processes on one file, with its locks and its shared memory.
# suite: short
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
sqlite3 file.db 'pragma journal_mode=wal; create table t (p integer, i integer);' > /dev/null
for p in 1 2 3 4; do
    { echo '.timeout 60000'; for i in $(seq 50); do echo "insert into t values ($p, $i);"; done; } | sqlite3 file.db &
done
wait
[ "$(sqlite3 file.db 'select count(*), sum(i), count(distinct p) from t;')" = "200|5100|4" ]
[ "$(sqlite3 file.db 'pragma integrity_check;')" = ok ]; sqlite3 file.db .dump | sqlite3 copy.db; [ "$(sqlite3 copy.db 'select sum(p) from t')" = 500 ]
[ "$(sqlite3 :memory: "with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000) select sum(i), printf('%.4f', avg(sqrt(i))) from n;")" = "200010000|94.2844" ]
echo ok
