# zsh, tcl, tmux, screen, jq, bc, socat, cmake with ninja, sudo.
# system: full
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
[ "$(zsh -fc 'a=(3 1 2); print ${(o)a}; for i in {1..3}; do (exit $i) & done; wait; print done')" = "$(printf '1 2 3\ndone')" ]; [ "$(echo 'puts [exec echo sub]; after 50 {set x 1}; vwait x; puts [expr {2**64}]' | tclsh)" = "$(printf 'sub\n18446744073709551616')" ]
[ "$(echo '{"a":[1,2,{"b":3}]}' | jq -c '.a | map(numbers) + [.[2].b]')" = "[1,2,3]" ]; [ "$(echo '2^100; scale=20; 1/7' | bc | tr '\n' ' ')" = "1267650600228229401496703205376 .14285714285714285714 " ]
socat TCP-LISTEN:8055,reuseaddr,fork EXEC:'tr a-z A-Z' & sleep 1; [ "$(echo hello | socat -t 5 - TCP:127.0.0.1:8055)" = HELLO ]; kill $!
mkdir c; cd c; printf 'cmake_minimum_required(VERSION 3.10)\nproject(t C)\nadd_executable(t t.c)\nenable_testing()\nadd_test(NAME t COMMAND t)\n' > CMakeLists.txt; printf 'int main(void) { return 0; }\n' > t.c; cmake -G Ninja -B build > log; ninja -C build > log; ctest --test-dir build > log; cd ..
export TERM=xterm TMUX_TMPDIR="$PWD"; tmux -f /dev/null new-session -d -s t -x 80 -y 24 'bash --norc'; sleep 1; tmux send-keys -t t 'echo in$((1 + 1))tmux > made' Enter; for i in $(seq 100); do [ -e made ] && break; sleep 0.1; done; grep -qx in2tmux made; tmux kill-server
echo ok
