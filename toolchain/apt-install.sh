#!/bin/sh
# Installs the packages named as arguments; starts and enables none of their services.
# To be run by root in a mount namespace of its own: what it hides there, nobody else misses.
set -eu

for starter in /usr/sbin/invoke-rc.d /usr/sbin/update-rc.d /usr/bin/deb-systemd-invoke /usr/bin/deb-systemd-helper; do
    if [ -e "$starter" ]; then
        mount --bind /bin/true "$starter"
    fi
done

# An earlier run may have been killed between unpacking and configuring.
dpkg --configure -a
apt-get update
# --no-remove: rather fail than take away, for example, a Docker engine that brings its own containerd.
exec apt-get install --yes --no-install-recommends --no-remove -o DPkg::Lock::Timeout=300 "$@"
