# python3's own tests of one module.
# each: signal threading subprocess socket ssl mmap ctypes faulthandler asyncio multiprocessing_fork multiprocessing_spawn
# each: multiprocessing_forkserver os posix time select selectors epoll thread queue io pty concurrent_futures threadsignals
# limit: 1500
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
# Sockets between virtual machines are the machine's affair.
# Its users end at 65535, where chown(2) to others is refused.
without=(); [ "$1" != posix ] || without=(-i test_chown -i test_fchown -i test_lchown)
python3 -m test -q --timeout 600 -i '*VSOCK*' "${without[@]}" "test_$1" > out 2>&1 || { tail -n 200 out; exit 1; }
tail -n 3 out
echo ok
