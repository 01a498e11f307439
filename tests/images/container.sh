#!/bin/sh
# Runs startup.sh in a root filesystem, as a pod would: `container.sh DIR CAPABILITIES NAME=VALUE...`, under unshare
# (container.py). CAPABILITIES are those that it may have, as setpriv takes them; with "none" it starts as dev, in a pod
# without root.
# DIR holds lower (a file that names the image's layers), upper and work (the container's own layer), merged, and
# what the pod mounts: tools, config, keys and, if there is one, home.
set -eu

dir=$1
capabilities=$2
shift 2
mount -t overlay overlay -o "lowerdir=$(cat "$dir/lower"),upperdir=$dir/upper,workdir=$dir/work" "$dir/merged"
cd "$dir/merged"
mkdir -p proc dev opt/devserver etc/devserver etc/devserver-hostkeys
mount -t proc proc proc
mount -t tmpfs tmpfs dev
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
for device in full null random tty urandom zero; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mount --bind "$dir/tools" opt/devserver
mount --bind -o ro "$dir/config" etc/devserver
mount --bind -o ro "$dir/keys" etc/devserver-hostkeys
if [ -d "$dir/home" ]; then
    mkdir -p home/dev
    mount --bind "$dir/home" home/dev
fi
ip link set lo up
busybox=/opt/devserver/bin/busybox
script=/etc/devserver/startup.sh
if [ "$capabilities" != none ]; then
    exec setpriv --bounding-set "$capabilities" --inh-caps -all chroot . "$busybox" env -i "$@" "$busybox" sh "$script"
fi
# Those that chroot itself needs are gone with the change of the user.
as_dev() {
    exec setpriv --bounding-set -all,+setgid,+setuid,+sys_chroot --inh-caps -all --no-new-privs \
        chroot --userspec=1000:1000 --groups=1000 . "$busybox" env -i "$@"
}
(as_dev "$@" "$busybox" sh "$script" etc)
cd "$dir/tools/etc"
find . -type f | while read -r file; do
    mkdir -p "$dir/merged/etc/${file%/*}"
    [ -e "$dir/merged/etc/$file" ] || touch "$dir/merged/etc/$file"
    mount --bind "$file" "$dir/merged/etc/$file"
done
cd "$dir/merged"
mkdir -p tmp
mount -t tmpfs -o mode=2777,gid=1000 tmpfs tmp
as_dev "$@" "$busybox" sh "$script"
