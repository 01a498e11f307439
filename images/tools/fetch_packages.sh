#!/bin/sh
# Fetches Debian packages with the libraries that they need, and unpacks them: `fetch_packages.sh DIRECTORY PACKAGE...`.
#
# DIRECTORY, a new one, gets debs/ (the packages) and root/ (their files, in a system whose /bin, /sbin, /lib and /lib64
# are links into /usr; none of the packages' scripts is run). Everything comes from the release that apt is set up for,
# as if nothing were installed here: so the versions fit each other, whatever this machine has.
# Needs apt-get (with package lists) and dpkg-deb; changes nothing outside DIRECTORY.
set -eu

[ $# -ge 2 ] || { echo "usage: $0 DIRECTORY PACKAGE..." >&2; exit 2; }
mkdir "$1"
directory=$(cd "$1" && pwd)
shift
root=$directory/root
mkdir "$directory/debs" "$root"
for name in bin sbin lib lib64; do # older packages say /lib for /usr/lib
    mkdir -p "$root/usr/$name"
    ln -s "usr/$name" "$root/$name"
done

libraries=$(apt-get install --simulate --no-install-recommends -o Dir::State::status=/dev/null "$@" |
    sed -n 's/^Inst \(lib[^ ]*\|zlib1g\) .*/\1/p')
# shellcheck disable=SC2086  # a list of words
(cd "$directory/debs" && apt-get download -qq -o APT::Sandbox::User=root "$@" $libraries)
for package in "$directory"/debs/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --keep-directory-symlink
done
