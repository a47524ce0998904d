# unshare: user, process, host name and mount namespaces, from programs with one thread.
# suite: short
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
[ "$(unshare -Ur id -u)" = 0 ]
[ "$(unshare -Urpf --mount-proc bash -c 'echo $$')" = 1 ]
[ "$(unshare -Uru bash -c 'hostname inside
hostname')" = inside ]
[ "$(unshare -Urm bash -c 'mount -t tmpfs tmp /mnt && touch /mnt/inside && ls /mnt')" = inside ]; [ ! -e /mnt/inside ]
echo ok
