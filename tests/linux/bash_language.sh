# bash: what scripts use of the language, many processes, their statuses.
# suite: short
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
[ "$(echo one two three | { read -r a b; echo "$b"; })" = "two three" ]
[ "$(seq 1000 | sort -rn | head -n 3 | tr '\n' ' ')" = "1000 999 998 " ]
declare -A colour=([apple]=green [plum]=blue)
list=(x y z "with space")
[ "${#list[@]} ${list[3]} ${colour[plum]} ${list[*]:1:2}" = "4 with space blue y z" ]
diff <(seq 10) <(printf '%s\n' {1..10})
[[ "file-123.tar.gz" =~ ^([a-z]+)-([0-9]+)\.(.*)$ ]] && [ "${BASH_REMATCH[2]}" = 123 ]
[ "$(printf '%05.2f|%x|%q' 3.14159 255 'a b')" = '03.14|ff|a\ b' ]
coproc upper { while read -r line; do echo "${line^^}"; done; }
echo "hello there" >&"${upper[1]}"; read -r answer <&"${upper[0]}"; [ "$answer" = "HELLO THERE" ]
eval "exec ${upper[1]}>&-"; wait "$upper_PID"
fib() { if (($1 < 2)); then echo "$1"; else echo $(($(fib $(($1 - 1))) + $(fib $(($1 - 2))))); fi; }
[ "$(fib 9)" = 34 ]
cat > text <<END
line $((6 * 7))
END
[ "$(< text)" = "line 42" ]
status=0; (exit 37) || status=$?; [ $status = 37 ]
status=0; nothing_of_this_name 2> message || status=$?; [ $status = 127 ]
status=0; /etc/passwd 2> message || status=$?; [ $status = 126 ]
set -o pipefail; status=0; false | true || status=$?; [ $status = 1 ]
for i in 1 2 3 4 5 6 7 8; do (sleep 0.0$i; exit "$i") & pids[i]=$!; done
for i in 1 2 3 4 5 6 7 8; do status=0; wait "${pids[i]}" || status=$?; [ $status = "$i" ]; done
count=0; while ((count < 200)); do /bin/true; count=$((count + 1)); done
[ "$(bash -c 'echo $0 $1; exec -a other bash -c "echo \$0 \$BASH_ARGV0"' first second)" = "$(printf 'first second\nother other')" ]
mapfile -t lines < <(seq 5); [ "${lines[4]}" = 5 ]
printf '#!/bin/bash -e\necho script "$@"\n' > script; chmod +x script; [ "$(./script a 'b c')" = "script a b c" ]
printf '#!/usr/bin/env python3\nimport sys\nprint(sys.argv[1:])\n' > script; [ "$(./script a)" = "['a']" ]
ulimit -n 64; [ "$(bash -c 'ulimit -n')" = 64 ]
echo ok
