# procps: names and command lines are the programs', not the emulator's.
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
sleep 321 & pid=$!; sleep 0.5
[ "$(ps -o comm= -p $pid)" = sleep ]; [ "$(ps -o args= -p $pid)" = "sleep 321" ]; [ "$(pgrep -x sleep)" = $pid ]; pkill -x sleep; status=0; wait $pid || status=$?; [ $status = 143 ]
echo ok
