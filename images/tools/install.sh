#!/opt/devserver/bin/busybox sh
# The tools image's only command: copies the bundle into the volume that is mounted at TARGET, `install.sh TARGET`.
#
# Each file is put in place by a rename, so that it does no harm to find a complete or half copy of an earlier run
# there, nor programs that are in use.
#
# As root it keeps owner and mode of each file, for doas is setuid. Otherwise it cannot, and need not.
set -eu

[ $# -eq 1 ] || { echo "usage: $0 TARGET" >&2; exit 2; }
cd /opt/devserver
preserve=
if [ "$(id -u)" -eq 0 ]; then
    preserve=-p
    # An emptyDir is writable by everyone; sshd does not trust programs in such a directory.
    chmod 755 "$1"
fi
mkdir -p "$1/bin" "$1/lib"
for file in install.sh bin/* lib/*; do
    # shellcheck disable=SC2086  # an option or none
    cp $preserve "$file" "$1/$file.new"
    mv -f "$1/$file.new" "$1/$file"
done
