#!/opt/devserver/bin/busybox sh
# shellcheck shell=sh
# Makes a container of any image a machine to log in to: creates the user dev, then becomes sshd.
#
# Run by the bundle's busybox as root, or as dev (see "without root"); the language is POSIX's. All commands are
# busybox's own, so the image may lack any of them, and libc, and /etc/passwd. Safe to run again, after a restart in
# place or a kill at any point: files are replaced by renames.
# Values from outside come in files and in the environment, and none is ever evaluated.
set -euf
umask 022

TOOLS=/opt/devserver
RUN=$TOOLS/run
BUNDLED_SHELL=$TOOLS/bin/sh
CONFIG=/etc/devserver
HOST_KEYS=/etc/devserver-hostkeys
HOME_DIR=/home/dev
ID=1000
ETC=/etc
DEFAULT_PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
NEWLINE='
'

# Puts the container's environment aside, for the sessions, and begins again without: variables such as IFS, OPTIND or
# LD_PRELOAD would do harm here.
start_over() {
    mkdir -p "$RUN"
    (umask 077 && cat "/proc/$$/environ" >"$RUN/environ")
    exec env -i "PATH=$DEFAULT_PATH" "IMAGE_PATH=${PATH:-$DEFAULT_PATH}" "$TOOLS/bin/busybox" sh "$0" clean "$@"
}

main() {
    trap 'exit 143' TERM # as process 1, a shell without this would not end
    case ${#IMAGE_PATH}:$IMAGE_PATH in
    *"$NEWLINE"* | [0-9][0-9][0-9][0-9][0-9]*:*)
        say "PATH holds a newline, or 10000 characters and more: the usual one is used instead"
        IMAGE_PATH=$DEFAULT_PATH
        ;;
    esac
    ln -sfn busybox "$BUNDLED_SHELL"
    if [ "${1-}" = etc ]; then
        make_etc
        return
    elif is_root; then
        create_accounts
        create_directories
        allow_root_commands
        override_broken_sudo
        keep_path_in_login_shells
        rm -f /etc/nologin # would keep dev out
    else
        do_without_root
    fi
    fill_home
    copy_host_keys
    write_environment
    show_at_login ''
    become_sshd
}

is_root() {
    [ "$(id -u)" -eq 0 ]
}

say() {
    echo "startup: $*" >&2
}

fail() {
    say "$*"
    exit 1
}

# --- accounts ---------------------------------------------------------------------------------------------------------

create_accounts() {
    touch "$ETC/passwd" "$ETC/group"
    (umask 077 && touch "$ETC/shadow")
    shell=$(login_shell)
    has_entry "$ETC/passwd" root || put_entry "$ETC/passwd" root 0 "root:x:0:0:root:/root:$shell"
    has_entry "$ETC/group" root || put_entry "$ETC/group" root 0 root:x:0:
    if ! has_entry "$ETC/passwd" sshd; then
        # sshd confines its unprivileged part to a user of its own.
        id=$(unused_system_id)
        put_entry "$ETC/passwd" sshd "$id" "sshd:x:$id:65534::/run/sshd:/bin/false"
    fi
    report_conflicts "$ETC/passwd" user
    report_conflicts "$ETC/group" group
    put_entry "$ETC/passwd" dev "$ID" "dev:x:$ID:$ID::$HOME_DIR:$shell"
    put_entry "$ETC/group" dev "$ID" "dev:x:$ID:"
    # "*": no password will do. With "!" the account would count as locked, for keys too.
    put_entry "$ETC/shadow" dev none 'dev:*:::::::'
}

has_entry() {
    grep -q "^$2:" "$1"
}

# put_entry FILE NAME ID LINE: makes LINE the one entry of NAME, ahead of any other name of the same ID. That other
# name stays valid, and what belongs to it belongs to NAME as well.
put_entry() {
    cp -p "$1" "$1.devserver" # for its owner and mode
    # The environment, not -v: awk would interpret backslashes there.
    name=$2 id=$3 line=$4 awk -F: '
        $1 == ENVIRON["name"] { next }
        $3 == ENVIRON["id"] && !placed { print ENVIRON["line"]; placed = 1 }
        { print }
        END { if (!placed) print ENVIRON["line"] }
    ' "$1" >"$1.devserver"
    mv -f "$1.devserver" "$1"
}

unused_system_id() {
    awk -F: '{ used[$3] = 1 } END { for (id = 999; id in used; id--); print id }' "$ETC/passwd"
}

# report_conflicts FILE KIND
report_conflicts() {
    id=$ID kind=$2 awk -F: '
        { gsub(/[^ -~]/, "?") }
        $1 == "dev" && $3 != ENVIRON["id"] {
            print "startup: " ENVIRON["kind"] " dev had id " $3 ", now " ENVIRON["id"] \
                ": files of the old id keep it"
        }
        $1 != "dev" && $3 == ENVIRON["id"] {
            print "startup: " ENVIRON["kind"] " " $1 " has id " $3 ": now a second name of dev"
        }
    ' "$1" >&2
}

# Prints the shell that dev has, else bash, else sh, else the bundle's.
login_shell() {
    current=$(awk -F: '$1 == "dev" { print $7; exit }' "$ETC/passwd")
    for shell in "$current" $(find_programs bash) $(find_programs sh); do
        # Being there is not enough: it may be nologin, or lack its libraries.
        if [ -x "$shell" ] && timeout 5 "$shell" -c : >/dev/null 2>&1 </dev/null; then
            echo "$shell"
            return
        fi
    done
    echo "$BUNDLED_SHELL"
}

# Prints the paths of the image's programs named $1; `command -v` would answer with busybox's.
find_programs() (
    IFS=:
    for directory in $IMAGE_PATH:$DEFAULT_PATH; do
        case $directory in
        "$TOOLS"/* | *[!A-Za-z0-9/._+-]*) ;; # not the image's, or of no use in a line of passwd
        /*) [ ! -x "$directory/$1" ] || echo "$directory/$1" ;;
        esac
    done
)

# --- files ------------------------------------------------------------------------------------------------------------

create_directories() {
    [ -d /tmp ] || mkdir -m 1777 /tmp
    mkdir -p /run/sshd /var/log "$HOME_DIR"
    chown 0:0 /run/sshd
    chmod 755 /run/sshd
    # Where sshd keeps account of logins; it only complains when they are missing.
    [ -e /var/run ] || ln -s /run /var/run || :
    touch /var/run/utmp /var/log/wtmp /var/log/lastlog || :
    # A volume belongs to root at first. Only its top: what is in it was put there by dev, and may be much.
    { chown "$ID:$ID" "$HOME_DIR" && chmod go-w "$HOME_DIR"; } ||
        say "cannot give $HOME_DIR to dev: the volume must allow it, or belong to user $ID"
}

fill_home() {
    [ -d /etc/skel ] || return 0
    [ -z "$(find "$HOME_DIR" -mindepth 1 -maxdepth 1 ! -name lost+found)" ] || return 0
    # As dev, so that a copy cut short leaves nothing of root's.
    as_dev "cp -dR /etc/skel/. $HOME_DIR/" || say "cannot copy all of /etc/skel"
}

as_dev() {
    if is_root; then su -s "$BUNDLED_SHELL" -c "$1" dev; else "$BUNDLED_SHELL" -c "$1"; fi
}

allow_root_commands() {
    # Of PATH alone, keepenv would make the system's default.
    rule='permit nopass keepenv setenv { PATH } dev'
    # The last rule that matches decides.
    touch /etc/doas.conf
    if [ "$(tail -n 1 /etc/doas.conf)" != "$rule" ]; then
        { cat /etc/doas.conf && echo && echo "$rule"; } >/etc/doas.conf.devserver
        mv -f /etc/doas.conf.devserver /etc/doas.conf
    fi
    if [ -z "$(find_programs doas)" ]; then
        mkdir -p /etc/pam.d
        for service in auth account session; do
            echo "$service required $TOOLS/lib/pam_permit.so"
        done >/etc/pam.d/doas
    fi
    if [ -d /etc/sudoers.d ]; then
        # sudo skips names with a dot, such as this one until it is complete.
        echo 'dev ALL=(ALL:ALL) NOPASSWD: ALL' >/etc/sudoers.d/devserver.new
        chmod 440 /etc/sudoers.d/devserver.new
        mv -f /etc/sudoers.d/devserver.new /etc/sudoers.d/devserver
    fi
}

# The bundle's sudo, which is doas, is last on PATH: the image's own goes before it, unless it does not work.
override_broken_sudo() {
    overrides=
    sudo=$(find_programs sudo | head -n 1)
    [ -n "$sudo" ] || return 0
    # It may lack its libraries, the setuid bit, or a policy that reads sudoers.d.
    got=$(timeout 5 su -s "$BUNDLED_SHELL" -c "$sudo -n $TOOLS/bin/busybox id -u" dev 2>/dev/null </dev/null) || :
    [ "$got" = 0 ] && return
    say "the image's $sudo does not make dev root without a password: sessions get doas by that name"
    overrides=$RUN/overrides
    mkdir -p "$overrides"
    ln -sfn "$TOOLS/bin/sudo" "$overrides/sudo"
}

# sshd wants private keys that only root can read; the mode of those on a volume is not ours to say.
copy_host_keys() {
    found=
    for type in ed25519 ecdsa; do
        key=ssh_host_${type}_key
        [ -e "$HOST_KEYS/$key" ] || continue
        # The newline at the end gets lost easily on the way into a Secret, and sshd insists on it.
        (umask 077 && { cat "$HOST_KEYS/$key"; echo; } >"$RUN/$key.new")
        mv -f "$RUN/$key.new" "$RUN/$key"
        found=yes
    done
    [ -n "$found" ] || fail "$HOST_KEYS holds no host key: the Secret needs ssh_host_ed25519_key or ssh_host_ecdsa_key"
}

# --- environment ------------------------------------------------------------------------------------------------------

# sshd starts sessions with an environment of its own: this hands them the container's.
write_environment() {
    path=${overrides:+$overrides:}$IMAGE_PATH:$TOOLS/bin
    {
        printf SetEnv
        {
            printf 'PATH=%s\nDEVSERVER_PATH=%s\n' "$path" "$path"
            session_variables
        } | sed 's/["\\]/\\&/g; s/.*/ "&"/' | tr -d '\n'
    } >"$RUN/environment.conf.new"
    mv -f "$RUN/environment.conf.new" "$RUN/environment.conf"
}

# A login shell sets PATH anew, in /etc/profile; the files in this directory are read after that.
keep_path_in_login_shells() {
    [ -d "$ETC/profile.d" ] || return 0
    # shellcheck disable=SC2016  # for the login shell to expand
    echo 'PATH=${DEVSERVER_PATH:-$PATH}' >"$ETC/profile.d/00-devserver.sh"
}

# Prints NAME=VALUE, one a line. In the file each ends with a NUL and may hold newlines; exchanged, each is a line.
# sshd's settings have no way to say a newline (here \001), so such a variable is left out; and they must stay below
# 256 KiB in all, or no login works.
session_variables() {
    tr '\n\000' '\001\n' <"$RUN/environ" | awk '
        function leave_out(reason) {
            gsub(/[^ -~]/, "?", name)
            print "startup: sessions do not get the variable " substr(name, 1, 100) ": " reason >"/dev/stderr"
        }
        { name = substr($0, 1, index($0, "=") - 1) }
        # What sshd says itself.
        name ~ /^(HOME|LOGNAME|MAIL|OLDPWD|PATH|PWD|SHELL|SHLVL|TERM|USER|_|DEVSERVER_PATH|SSH_.*)$/ { next }
        name !~ /^[A-Za-z_][A-Za-z0-9_.-]*$/ { leave_out("odd name"); next }
        /\001/ { leave_out("it holds a newline"); next }
        (total += length($0)) > 100000 { total -= length($0); leave_out("too much"); next }
        { print }
    '
}

# --- warnings before the DevServer's end ------------------------------------------------------------------------------

# Shows each warning once to those who are logged in, and to others at their login. The file changes when the end does;
# its last line whose time has come is the warning that holds.
watch_for_the_end() {
    set +e # a full disk, say, must not end it
    shown=
    while :; do
        warning=$(awk '
            $1 ~ /^[0-9]+$/ && $1 <= systime() { sub(/^[^ ]+ /, ""); last = $0 }
            END { gsub(/[^ -~]/, "", last); print substr(last, 1, 1000) }
        ' "$CONFIG/warnings")
        if [ "$warning" != "$shown" ]; then
            shown=$warning
            show_at_login "$warning"
            [ -z "$warning" ] || show_on_terminals "$warning"
        fi
        is_root || show_at_login "$warning"
        sleep 5
    done
}

# show_at_login WARNING: links what sshd shows at each login, to the mounted file itself if there is no warning. Without
# root there is no such link, but a copy, which must follow the file.
show_at_login() {
    motd=$CONFIG/motd
    if [ -n "$1" ]; then
        { cat "$motd" && printf '  %s\n\n' "$1"; } >"$RUN/motd.new" && mv -f "$RUN/motd.new" "$RUN/motd"
        motd=$RUN/motd
    fi
    if is_root; then
        ln -sfn "$motd" /etc/motd.devserver
        mv -fT /etc/motd.devserver /etc/motd
    else
        cmp -s "$motd" /etc/motd || cat "$motd" >/etc/motd
    fi
}

# show_on_terminals WARNING: those of dev's sessions, and those that its programs made, such as tmux.
show_on_terminals() {
    say "$1"
    find /dev/pts -type c -user "$ID" | while read -r terminal; do
        # A terminal that is stopped must not hold up the others.
        printf '\r\n%s\r\n' "$1" | timeout 1 tee "$terminal" >/dev/null
    done
}

# --- without root -----------------------------------------------------------------------------------------------------

# Makes, in an init container of the same image, what the pod mounts into an /etc that dev cannot write to.
make_etc() {
    ETC=$TOOLS/etc
    mkdir -p "$ETC/profile.d"
    for file in passwd group; do
        cat "/etc/$file" 2>/dev/null >"$ETC/$file" || say "the image has no /etc/$file that dev can read"
    done
    create_accounts
    # sshd gives terminals to group tty, as dev only if they are its own already: that which they are mounted with, or dev's.
    terminals=$(sed -n '/^devpts /s/.*[ ,]gid=\([0-9]*\).*/\1/p' /proc/mounts | head -n 1)
    put_entry "$ETC/group" tty "${terminals:-none}" "tty:x:${terminals:-$ID}:"
    keep_path_in_login_shells
    cat "$CONFIG/motd" >"$ETC/motd"
}

do_without_root() {
    [ -w "$HOME_DIR" ] ||
        say "cannot write to $HOME_DIR: its volume must honour fsGroup, or belong to user or group $ID"
    # The first time that a volume is given to group dev, all in it is; ssh refuses private keys that a group can read.
    find "$HOME_DIR/.ssh" -type f ! -name '*.pub' -exec chmod go-rwx {} + 2>/dev/null || :
    [ ! -e /etc/nologin ] || say "the image has an /etc/nologin: sshd will let nobody in"
    overrides=$RUN/overrides
    mkdir -p "$overrides"
    for command in doas sudo; do
        printf '%s\n' "#!$TOOLS/bin/busybox sh" \
            "echo '$command: there is no root here: the securityProfile of the flavor is restricted' >&2" \
            'exit 1' >"$overrides/$command.new"
        chmod 755 "$overrides/$command.new"
        mv -f "$overrides/$command.new" "$overrides/$command"
    done
}

# --- the end of this script -------------------------------------------------------------------------------------------

become_sshd() {
    set -- "$TOOLS/bin/sshd" -D -e -f "$CONFIG/sshd_config"
    # Newer versions are several programs.
    [ ! -e "$TOOLS/bin/sshd-session" ] || set -- "$@" -o "SshdSessionPath=$TOOLS/bin/sshd-session"
    [ ! -e "$TOOLS/bin/sshd-auth" ] || set -- "$@" -o "SshdAuthPath=$TOOLS/bin/sshd-auth"
    # As dev, it would refuse to run a program of dev's, and to read keys in a directory that is open to all. Nobody else
    # is here, though.
    is_root || set -- "$@" -o StrictModes=no -o AuthorizedKeysCommand=none \
        -o "AuthorizedKeysFile=$CONFIG/authorized_keys"
    watch_for_the_end &
    say "starting sshd"
    # The image's openssl.cnf is not meant for sshd. tini collects the processes that outlive their session; sshd would
    # leave them as zombies.
    exec env -i "PATH=$DEFAULT_PATH" OPENSSL_CONF=/dev/null "$TOOLS/bin/tini" -- "$@"
}

if [ "${1-}" = clean ]; then
    shift
    main "$@"
else
    start_over "$@"
fi
