# systemd's tools that need no running manager.
# system: full
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
systemd-analyze calendar 'Mon *-*-* 10:00:00' | grep -q "Normalized form"; systemd-analyze timespan 1h30m | grep -q 5400; systemd-escape 'a b/c' | grep -qF 'a\x20b-c'; printf '[Service]\nExecStart=/bin/true\n' > t.service; systemd-analyze verify ./t.service > out 2>&1 || true
systemd-id128 new | grep -qE '^[0-9a-f]{32}$'; mkdir root; printf 'd /x 0755 - - -\nf /x/f 0644 - - - text\n' > c.conf; systemd-tmpfiles --root="$PWD/root" --create "$PWD/c.conf"; [ "$(cat root/x/f)" = text ]; systemctl status > out 2>&1 || true; [ -s out ]; systemd-path > /dev/null; systemd-detect-virt > /dev/null || true
systemd-cat --version > /dev/null; journalctl --version > /dev/null; [ "$(systemd-analyze security --offline=true ./t.service 2> /dev/null | grep -c '→')" -ge 1 ]; printf 'u tester 777\n' > u.conf; mkdir -p root/etc; systemd-sysusers --root="$PWD/root" "$PWD/u.conf" > /dev/null 2>&1; grep -q tester root/etc/passwd
echo ok
