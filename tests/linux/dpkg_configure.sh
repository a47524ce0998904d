# dpkg: configures every package of the system, with its maintainer scripts.
# system: full
# way: binfmt
# limit: 3000
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
export DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes; printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d
dpkg --configure -a --force-confold > out 2>&1 || { tail -n 40 out; exit 1; }
dpkg --audit; [ -z "$(dpkg --audit)" ]; [ -x /etc/alternatives/awk ]; [ -s /etc/ld.so.cache ]; awk 'BEGIN { exit 0 }'
echo ok
