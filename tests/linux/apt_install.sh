# apt: installs and removes packages with maintainer scripts, from files.
# system: full
# way: binfmt
# limit: 1200
set -eEu; trap 'echo "line $LINENO: status $?" >&2' ERR
export DEBIAN_FRONTEND=noninteractive; printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d; sed -i 's/^Status: install ok unpacked/Status: install ok installed/' /var/lib/dpkg/status
cd /srv/packages; dpkg-scanpackages . > /dev/null 2>&1 || true; cd /tmp/work; rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*
apt-get -y -o APT::Sandbox::User=root --no-install-recommends install /srv/packages/*.deb > out 2>&1 || { tail -n 40 out; exit 1; }; [ "$(hello)" = "Hello, world!" ]; /usr/games/cowsay moo | grep -q moo; id -u games > /dev/null; [ -e /etc/init.d/cron ] && grep -q "cron" /var/lib/dpkg/status
apt-get -y -o APT::Sandbox::User=root purge hello cron > out 2>&1 || { tail -n 40 out; exit 1; }; [ ! -e /usr/bin/hello ]; apt-cache policy hello > /dev/null; dpkg -l bash | grep -q '^ii'
echo ok
