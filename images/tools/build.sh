#!/bin/sh
# Makes the bundle that brings sshd, doas and a shell into any image: `build.sh BUNDLE`.
#
# BUNDLE, a new directory, gets bin/ (programs), lib/ (their loader and libraries) and install.sh. Everything comes
# from Debian packages of the release that apt is set up for. The bundle works at /opt/devserver only: its programs
# name their loader and libraries by absolute paths, so that neither the image's libc nor its absence matters.
# Needs apt-get (with package lists), dpkg-deb and patchelf; changes nothing outside BUNDLE.
set -eu

HOME_OF_BUNDLE=/opt/devserver
PACKAGES='busybox-static openssh-client openssh-server openssh-sftp-server opendoas rsync tini'
# sshd has split itself into several programs over time: what an older release lacks is left out.
PROGRAMS='bin/doas bin/rsync bin/scp bin/ssh bin/ssh-add bin/ssh-keygen
    lib/openssh/sftp-server sbin/sshd'
LATER_PROGRAMS='lib/openssh/sshd-auth lib/openssh/sshd-session'

[ $# -eq 1 ] || { echo "usage: $0 BUNDLE" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir "$1"
bundle=$(cd "$1" && pwd)
work=$bundle/.work
root=$work/root
mkdir "$bundle/bin" "$bundle/lib"
# shellcheck disable=SC2086  # a list of words
sh "$here/fetch_packages.sh" "$work" $PACKAGES

loader=$(patchelf --print-interpreter "$root/sbin/sshd")
directories=$(find "$root/usr/lib" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)

# Copies the libraries that $1 needs; those of $root, never those of this machine.
copy_libraries_of() {
    "$root$loader" --library-path "$directories" --list "$1" | sed -n "s|.* => \($root/[^ ]*\) .*|\1|p" |
        while read -r library; do cp -L "$library" "$bundle/lib/"; done
}

cp -L "$root$loader" "$bundle/lib/"
pam=$(find "$root" -name pam_permit.so)
cp "$pam" "$bundle/lib/"
copy_libraries_of "$pam"
for path in $PROGRAMS $LATER_PROGRAMS; do
    program=$root/$path
    if [ ! -e "$program" ]; then
        case " $LATER_PROGRAMS " in *" $path "*) continue ;; esac
        echo "$path is in none of the packages: $PACKAGES" >&2
        exit 1
    fi
    copy_libraries_of "$program"
    cp "$program" "$bundle/bin/"
    # RPATH, not RUNPATH: it goes before an LD_LIBRARY_PATH of the image.
    patchelf --set-interpreter "$HOME_OF_BUNDLE/lib/${loader##*/}" --force-rpath --set-rpath "$HOME_OF_BUNDLE/lib" \
        "$bundle/bin/${path##*/}"
done
for library in "$bundle"/lib/*; do
    case ${library##*/} in
    ld-* | libc.so.*) ;; # patchelf breaks the loader, and libc needs nothing but it
    *) patchelf --force-rpath --set-rpath "$HOME_OF_BUNDLE/lib" "$library" ;;
    esac
done
for file in "$bundle"/bin/* "$bundle"/lib/*; do
    for library in $(patchelf --print-needed "$file"); do
        [ -e "$bundle/lib/$library" ] || { echo "${file##*/} needs $library, which no package brought" >&2; exit 1; }
    done
done

cp "$root/bin/busybox" "$bundle/bin/"
cp "$root/bin/tini-static" "$bundle/bin/tini"
cp "$here/sudo.sh" "$bundle/bin/sudo"
cp "$here/install.sh" "$bundle/"
chmod 755 "$bundle" "$bundle"/bin "$bundle"/bin/* "$bundle"/lib
chmod 644 "$bundle/install.sh"
chmod 4755 "$bundle/bin/doas"
rm -r "$work"
