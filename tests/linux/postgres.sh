# postgres: initdb, a server, pgbench, crash of a backend and recovery.
# system: full
# user: guest
# limit: 900
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
export PATH="$PATH:$(echo /usr/lib/postgresql/*/bin)" PGHOST="$PWD" PGPORT=5433 PGDATABASE=postgres PGUSER=guest; ls -d /usr/lib/postgresql/*/bin > /dev/null
initdb -D data -A trust -N > init 2>&1 || { cat init; exit 1; }; pg_ctl -D data -w -t 120 -l log -o "-k $PWD -p 5433 -c listen_addresses=127.0.0.1" start > start || { cat log; exit 1; }
[ "$(psql -Atc 'select sum(i), count(*) from generate_series(1, 10000) i')" = "50005000|10000" ]; pgbench -i -q -s 1 > /dev/null 2>&1; pgbench -c 4 -j 2 -t 50 -n > bench 2>&1; grep -q "number of transactions actually processed: 200/200" bench
psql -qc "create table t (a int primary key, b text); insert into t select i, md5(i::text) from generate_series(1, 2000) i;"; [ "$(psql -Atc "select count(*) from t where b like 'a%'")" -gt 50 ]; [ "$(psql -h 127.0.0.1 -Atc 'select 1')" = 1 ]
psql -Atc "set max_parallel_workers_per_gather = 2; set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0; select count(*) from pgbench_accounts" | tail -n 1 | grep -qx 100000
psql -Atc 'select pg_sleep(60)' > /dev/null 2>&1 & sleep 1; psql -Atc "select pg_cancel_backend(pid) from pg_stat_activity where query like '%pg_sleep(60)%' and pid <> pg_backend_pid()" > /dev/null; status=0; wait $! || status=$?; [ $status != 0 ]
backend=$(psql -Atc "select pid from pg_stat_activity where backend_type = 'walwriter'"); kill -KILL "$backend"; until grep -q "PID $backend) was terminated by signal 9" log; do sleep 0.2; done; for i in $(seq 60); do psql -Atc 'select 1' > /dev/null 2>&1 && break; sleep 1; done; [ "$(psql -Atc 'select count(*) from t')" = 2000 ]
pg_ctl -D data -w -m fast stop > /dev/null; grep -q "database system is shut down" log
echo ok
