# dash: a script of the usual kind, with a trap, a pipeline and a thousand forks.
# suite: short
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
cat > script <<'END'
set -eu
cleanup() { echo cleaned; }
trap cleanup EXIT
trap 'echo usr1' USR1
kill -USR1 $$
total=0
for i in $(seq 1 1000); do x=$(echo "$i"); total=$((total + x)); done
echo "$total"
seq 5 | while read -r n; do printf '%s,' "$n"; done; echo
case abc in a*c) echo match ;; esac
(exit 4) || echo "status $?"
{ sleep 0.1; echo late; } & wait $!
END
[ "$(dash script | tr '\n' ' ')" = "usr1 500500 1,2,3,4,5, match status 4 late cleaned " ]
echo ok
