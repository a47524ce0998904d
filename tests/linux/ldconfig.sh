# ldconfig of three releases of Debian: the static program that dies where low addresses are taken.
# system: full
# way: binfmt
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
for release in bullseye bookworm trixie; do for i in 1 2 3 4 5; do rm -f cache; "/opt/$release/sbin/ldconfig" -C "$PWD/cache" -X; [ "$("/opt/$release/sbin/ldconfig" -p -C "$PWD/cache" | grep -c libc.so.6)" -ge 1 ] || { echo "$release"; exit 1; }; done; done
/opt/bookworm/sbin/ldconfig; python3 -c 'import ctypes.util; assert ctypes.util.find_library("c") == "libc.so.6"'
echo ok
