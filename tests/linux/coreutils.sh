# coreutils: files, text, processes; signals where they use them.
# suite: short
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
seq 100000 > numbers; [ "$(sort -R numbers | sort -n --parallel=4 -S 1M | sha256sum)" = "$(sha256sum < numbers)" ]
[ "$(shuf numbers | awk '{ s += $1 } END { printf "%.0f", s }')" = 5000050000 ]
split -l 30000 numbers part.; [ "$(cat part.* | md5sum)" = "$(md5sum < numbers)" ]; [ "$(wc -l < part.ad)" = 10000 ]
mkdir -p a/b/c; ln -s b a/link; ln numbers a/b/hard; cp -a a copy; [ "$(readlink copy/link)" = b ]; [ "$(stat -c %h numbers)" = 2 ]
diff -r a copy; rm -r copy; [ ! -e copy ]; mv a/b/hard moved; [ "$(stat -c '%s %F' moved)" = "588895 regular file" ]
mkfifo pipe; (echo through > pipe) & [ "$(cat pipe)" = through ]; wait
[ "$(date -u -d @1000000000 '+%F %T')" = "2001-09-09 01:46:40" ]; [ "$(factor 1234567890)" = "1234567890: 2 3 3 5 3607 3803" ]
[ "$(numfmt --to=iec 123456789)" = 118M ]; [ "$(printf 'b\na\nc\n' | tac | paste -sd,)" = c,a,b ]
[ "$(echo text | tee one two | base64)" = dGV4dAo= ]; cmp one two
truncate -s 1M sparse; [ "$(du -k sparse | cut -f1)" = 0 ]; dd if=/dev/zero of=zeros bs=64k count=16 status=none; cmp sparse zeros
stdbuf -oL echo buffered > out; [ "$(cat out)" = buffered ]
[ "$(env -i A=1 env)" = A=1 ]; nice -n 5 true; nohup true 2> /dev/null; [ "$(nproc)" -ge 1 ]
dd if=/dev/zero of=/dev/null bs=1 2> report & pid=$!; sleep 0.5; kill -USR1 $pid; sleep 0.5; kill $pid; status=0; wait $pid || status=$?
[ $status = 143 ]; [ "$(grep -c copied report)" = 1 ]
(sleep 0.5; echo new >> grows) & touch grows; timeout 5 tail -n +1 -f --pid=$! grows > tailed; wait; [ "$(cat tailed)" = new ]
chmod 640 one; [ "$(stat -c %A one)" = -rw-r----- ]; install -m 755 one two; [ "$(stat -c %a two)" = 755 ]
[ "$(id -un)" = root ] || [ "$(id -un)" = guest ]; [ "$(uname -m)" = aarch64 ]; touch -d '2020-01-02 03:04:05 UTC' one; [ "$(stat -c %Y one)" = 1577934245 ]
ls -la --color=always / > listing; [ -s listing ]; df . > /dev/null; sync .; [ "$(realpath a/link)" = "$PWD/a/b" ]; test -x /bin/ls
echo ok
