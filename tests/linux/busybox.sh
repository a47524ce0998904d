# busybox: its shell and applets, which it runs by starting /proc/self/exe or by a fork alone; a web server.
# suite: short
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
cat > script <<'END'
set -e
trap 'echo got usr1' USR1; kill -USR1 $$
for i in 1 2 3; do echo $i; done | tac | tr '\n' ' '; echo
seq 100 | awk '{ s += $1 } END { print s }'
mkdir www; echo page > www/index.html; httpd -f -p 127.0.0.1:8090 -h www & sleep 1; wget -q -O - http://127.0.0.1:8090/index.html; kill $!
tar c www | gzip | gunzip | tar t | sort | tr '\n' ' '; echo; find www -type f -exec md5sum {} \;
timeout 1 sleep 5 || echo "status $?"; echo abc | sed s/b/B/; vi --help 2> /dev/null || true
END
busybox sh script > out; cat > expected <<'END'
got usr1
3 2 1 
5050
page
www/ www/index.html 
5bd7ef1ffe1e4b1f4e6d9fdd6e9ff3d6  www/index.html
END
sed -i "s/^[0-9a-f]\{32\}/$(md5sum < www/index.html | cut -c1-32)/" expected; head -n 6 out | diff expected -; sed -n 7,8p out | diff - <(printf 'status 143\naBc\n')
echo ok
