# ssh and sshd over the loopback: keys, commands, terminals, forwarding, sftp, rsync.
# system: full
# user: guest
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
mkdir -m 700 -p h; ssh-keygen -q -t ed25519 -N '' -f h/host; ssh-keygen -q -t rsa -N '' -f h/user; cp h/user.pub h/authorized; sshd=$(command -v sshd)
cat > h/sshd_config <<END
Port 2222
ListenAddress 127.0.0.1
HostKey $PWD/h/host
AuthorizedKeysFile $PWD/h/authorized
StrictModes no
PidFile $PWD/h/pid
Subsystem sftp /usr/lib/openssh/sftp-server
AcceptEnv LANG
END
printf 'Host there\nHostName 127.0.0.1\nPort 2222\nIdentityFile %s\nUserKnownHostsFile %s\nStrictHostKeyChecking accept-new\n' "$PWD/h/user" "$PWD/h/known" > h/config; "$sshd" -f "$PWD/h/sshd_config" -E "$PWD/h/log" || { cat h/log; exit 1; }
s() { ssh -F h/config there "$@"; }; for i in $(seq 50); do [ -e h/pid ] && break; sleep 0.1; done; [ "$(s 'echo $((6 * 7)); exit 0' 2> h/err)" = 42 ] || { cat h/err h/log; exit 1; }; status=0; s 'exit 9' || status=$?; [ $status = 9 ]; seq 50000 > data; [ "$(s md5sum < data)" = "$(md5sum < data)" ]
[ "$(ssh -F h/config -tt there 'tty > /dev/null && echo terminal' 2> /dev/null | tr -d '\r')" = terminal ]; printf 'put data %s/copy\n' "$PWD" | sftp -q -F h/config -b - there > /dev/null; cmp data copy; scp -q -F h/config "there:$PWD/copy" third; cmp data third
python3 -m http.server -b 127.0.0.1 8070 > /dev/null 2>&1 & ssh -F h/config -N -L 8071:127.0.0.1:8070 there & tunnel=$!; curl -s --retry 30 --retry-delay 1 --retry-all-errors http://127.0.0.1:8071/data | cmp - data; kill $tunnel %1
mkdir many; for i in $(seq 50); do echo "$i" > "many/$i"; done; rsync -a -e "ssh -F h/config" many "there:$PWD/received"; diff -r many received/many; rm many/7; rsync -a --delete -e "ssh -F h/config" many "there:$PWD/received"; diff -r many received/many; kill "$(cat h/pid)"
echo ok
