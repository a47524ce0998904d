# unshare: user, process, host name and mount namespaces, from programs with one thread.
# suite: short
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
[ "$(unshare -Ur id -u)" = 0 ]
[ "$(unshare -Urpf --mount-proc bash -c 'echo $$')" = 1 ]
[ "$(unshare -Uru bash -c 'hostname inside
hostname')" = inside ]
[ "$(unshare -Urm bash -c 'mkdir here && mount -t tmpfs tmp here && touch here/inside && ls here')" = inside ]; [ ! -e here/inside ]
echo ok
