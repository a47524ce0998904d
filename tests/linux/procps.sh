# procps: the processes of the test as its tools see them.
# suite: short
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
sleep 321 & pid=$!; [ "$(ps -o pid= -p $pid | tr -d ' ')" = $pid ]; [ "$(ps -o ppid= -p $pid | tr -d ' ')" = $$ ]; [ "$(ps -o stat= -p $pid | cut -c1)" = S ]
ps aux > list; [ "$(wc -l < list)" -ge 3 ]; top -b -n 1 > list; free > list; uptime > list; vmstat > list; w > list || true; pwdx $pid | grep -q "$PWD"; kill $pid; wait $pid || true
sysctl kernel.ostype | grep -q Linux; watch -v > /dev/null
echo ok
