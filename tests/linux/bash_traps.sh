# bash: traps, signals between processes, statuses of those that die.
# suite: short
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
trap 'seen="$seen usr1"' USR1; trap 'seen="$seen usr2"' USR2; seen=
kill -USR1 $$; kill -USR2 $$; [ "$seen" = " usr1 usr2" ]
[ "$(trap 'echo end' EXIT; echo begin)" = "$(printf 'begin\nend')" ]
[ "$(bash -c 'trap "echo err \$?" ERR; false; (exit 3); true')" = "$(printf 'err 1\nerr 3')" ]
sleep 100 & pid=$!; kill "$pid"; status=0; wait "$pid" || status=$?; [ $status = 143 ]
sleep 100 & pid=$!; kill -KILL "$pid"; status=0; wait "$pid" || status=$?; [ $status = 137 ]
# A trapped signal ends the wait; the child is still there.
sleep 2 & pid=$!; (sleep 0.2; kill -USR1 $$) & status=0; seen=
wait "$pid" || status=$?; [ $status = 138 ]; [ "$seen" = " usr1" ]; kill -0 "$pid"; kill "$pid"; wait || true
set -o pipefail; status=0; yes | head -n 1 > /dev/null || status=$?; [ $status = 141 ]
# An ignored signal stays ignored over exec.
(trap '' TERM; exec sleep 0.5) & pid=$!; sleep 0.1; kill "$pid"; wait "$pid"
status=0; timeout 0.2 sleep 10 || status=$?; [ $status = 124 ]
status=0; timeout -s KILL 0.2 sleep 10 || status=$?; [ $status = 137 ]
status=0; bash -c 'kill -SEGV $$' 2> message || status=$?; [ $status = 139 ]
status=0; bash -c 'trap "exit 9" TERM; kill $$; sleep 5' || status=$?; [ $status = 9 ]
count=0; trap 'count=$((count + 1))' CHLD; set -m; for i in 1 2 3 4 5; do /bin/true; done; set +m; trap - CHLD
i=0; seen=; while [ $i -lt 200 ]; do kill -USR1 $$; i=$((i + 1)); done; [ "$(echo "$seen" | wc -w)" = 200 ]
for signal in $(seq 1 64); do
    case $signal in 3|9|17|18|19|20|21|22|23|28|32|33) continue ;; esac
    status=0; bash -c "kill -$signal \$\$; sleep 5" 2> message || status=$?
    [ $status = $((128 + signal)) ] || { echo "signal $signal: status $status"; exit 1; }
done
echo ok
