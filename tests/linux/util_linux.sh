# util-linux and what makes processes of special kinds: locks, sessions, namespaces, limits, terminals.
# suite: short
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
(flock 9; sleep 0.5; echo first) 9> lock >> order & sleep 0.2; (flock 9; echo second) 9> lock >> order; wait; [ "$(tr '\n' ' ' < order)" = "first second " ]
[ "$(setsid -w bash -c 'ps -o sid= -p $$ | tr -d " "; echo $$' | uniq | wc -l)" = 1 ]
[ "$(script -qec 'tty > /dev/null && echo terminal' typescript | tr -d '\r')" = terminal ]
[ "$(prlimit --nofile=50 bash -c 'ulimit -n')" = 50 ]; taskset -c 0 true; [ "$(taskset -c 0 nproc)" = 1 ]; ionice -c 3 true; chrt -b 0 true; renice -n 1 $$ > /dev/null
[ "$(getopt -o ab: --long long: -- -a -b 1 --long=2 rest)" = " -a -b '1' --long '2' -- 'rest'" ]
[ "$(setpriv --no-new-privs cat /proc/self/status | grep NoNewPrivs | tr -d '\t')" = NoNewPrivs:1 ]; truncate -s 1M image; lsblk > /dev/null 2>&1 || true
[ "$(rev <<< abc)" = cba ] || true; mountpoint -q /proc; fallocate -l 64K file; [ "$(stat -c %s file)" = 65536 ]; [ "$(setarch --uname-2.6 uname -r | cut -d. -f1)" = 2 ]
echo ok
