#!/bin/sh
# Makes a root filesystem in the manner of Red Hat: `red_hat.sh ROOTFS`. Its programs come from Debian's packages.
#
# As there: libraries in /usr/lib64, bash as /bin/sh, rpm with a database, useradd, the group wheel, an unreadable
# /etc/shadow, /etc/redhat-release, /etc/profile that reads /etc/profile.d, no apt, no dpkg, no sudo. Not as there: the
# versions, dnf (its Python alone would be larger than all else), SELinux, PAM's and crypto's policies.
set -eu

PACKAGES='bash coreutils findutils gawk grep passwd rpm rpm-common sed util-linux'

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
target=$(cd "$1" && pwd)
work=$target/.work
root=$work/root
for directory in bin sbin lib lib64; do
    mkdir -p "$target/usr/$directory"
    ln -s "usr/$directory" "$target/$directory"
done

# shellcheck disable=SC2086  # a list of words
sh "$here/../../images/tools/fetch_packages.sh" "$work" $PACKAGES

# The programs of the packages asked for, and what libraries these need.
loader=$(find "$root/usr/lib" -name 'ld-linux-*.so.*' -type f | head -n 1)
directories=$(find "$root/usr/lib" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
for name in $PACKAGES; do
    dpkg-deb --contents "$work"/debs/"$name"_*.deb | sed -n 's|^[-l].* \./\(usr/\)\{0,1\}\(s\{0,1\}bin/[^ ]*\).*|\2|p'
done | while read -r path; do
    [ ! -e "$root/usr/$path" ] || cp -a "$root/usr/$path" "$target/usr/$path"
done
for program in "$target"/usr/bin/* "$target"/usr/sbin/*; do
    [ ! -L "$program" ] && [ -f "$program" ] || continue
    "$loader" --library-path "$directories" --list "$program" 2>/dev/null |
        sed -n "s|.* => \($root/[^ ]*\) .*|\1|p"
done | sort -u | while read -r library; do
    cp -L "$library" "$target/usr/lib64/"
done
cp -L "$loader" "$target/usr/lib64/"
cp -a "$root/usr/lib/rpm" "$target/usr/lib/"
ln -sf bash "$target/usr/bin/sh"

mkdir -p "$target/etc/profile.d" "$target/etc/rpm" "$target/etc/skel" "$target/etc/sysconfig" "$target/root" "$target/home" \
    "$target/var/lib" "$target/usr/share"
mkdir -m 1777 "$target/tmp"
echo 'Red Hat in manner only, release 9' >"$target/etc/redhat-release"
printf 'NAME="In the manner of Red Hat"\nID=rhel\nID_LIKE=fedora\nVERSION_ID=9\n' >"$target/etc/os-release"
echo '%_dbpath /var/lib/rpm' >"$target/etc/rpm/macros"
echo /usr/lib64 >"$target/etc/ld.so.conf"
printf '%s\n' 'UID_MIN 1000' 'USERGROUPS_ENAB yes' 'CREATE_HOME yes' 'UMASK 022' >"$target/etc/login.defs"
cat >"$target/etc/passwd" <<'END'
root:x:0:0:root:/root:/bin/bash
bin:x:1:1:bin:/bin:/sbin/nologin
nobody:x:65534:65534:Kernel Overflow User:/:/sbin/nologin
END
printf '%s\n' root:x:0: bin:x:1: wheel:x:10: users:x:100: nobody:x:65534: >"$target/etc/group"
printf '%s\n' 'root:!locked::0:99999:7:::' 'bin:*:19347:0:99999:7:::' >"$target/etc/shadow"
chmod 000 "$target/etc/shadow"
cat >"$target/etc/profile" <<'END'
# /etc/profile
pathmunge () {
    case ":${PATH}:" in
        *:"$1":*) ;;
        *) PATH=$1:$PATH ;;
    esac
}
pathmunge /usr/sbin
for i in /etc/profile.d/*.sh; do
    if [ -r "$i" ]; then . "$i" >/dev/null; fi
done
unset i
unset -f pathmunge
END
echo '[ ! -f ~/.bashrc ] || . ~/.bashrc' >"$target/etc/skel/.bash_profile"
echo '[ ! -f /etc/bashrc ] || . /etc/bashrc' >"$target/etc/skel/.bashrc"
echo "PS1='[\\u@\\h \\W]\\\$ '" >"$target/etc/bashrc"
rm -r "$work"
ldconfig -r "$target"
chroot "$target" /usr/bin/rpm --initdb
