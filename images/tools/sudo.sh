#!/opt/devserver/bin/busybox sh
# shellcheck shell=sh
# `sudo` for images that have none that works, for scripts and habits that call it: hands its usual options on to doas.
set -euf

tools=/opt/devserver/bin
user=root
shell=
login=
forget=

refuse() {
    echo "sudo: $*; this is doas by another name" >&2
    exit 1
}

# Becomes "$@", as the other user.
as_user() {
    exec "$tools/doas" -u "${user#'#'}" -- "$@"
}

while [ $# -gt 0 ]; do
    case $1 in
    --) shift; break ;;
    -[up] | --user | --prompt)
        [ $# -gt 1 ] || refuse "option $1 needs a value"
        case $1 in -u | --user) user=$2 ;; esac
        shift
        ;;
    --user=*) user=${1#*=} ;;
    -u?*) user=${1#-u} ;;
    -i | --login) shell=yes login=yes ;;
    -s | --shell) shell=yes ;;
    # The environment is kept and a password is never asked for, whatever is said.
    -k | --reset-timestamp) forget=yes ;;
    -[AEHPSn] | --askpass | --non-interactive | --preserve-env | --preserve-env=* | --preserve-groups | --prompt=*) ;;
    --set-home | --stdin) ;;
    -v | --validate) as_user "$tools/busybox" true ;;
    -K | --remove-timestamp) exit 0 ;;
    -[AEHPSiknsv]?*) # several in one word
        rest=${1#-?}
        option=${1%"$rest"}
        shift
        set -- "$option" "-$rest" "$@"
        continue
        ;;
    -*) refuse "option $1 is not supported" ;;
    *) break ;;
    esac
    shift
done

if [ $# -gt 0 ]; then
    case $1 in
    [A-Za-z_]*=*) set -- "$tools/busybox" env "$@" ;;
    esac
fi
# shellcheck disable=SC2016  # for the other user's shell to expand
if [ -n "$login" ] && [ $# -gt 0 ]; then
    as_user "$tools/sh" -lc 'cd; exec "$@"' sudo "$@"
elif [ $# -gt 0 ]; then
    as_user "$@"
elif [ -n "$login" ]; then
    as_user "$tools/sh" -c 'cd; [ -x "$SHELL" ] || SHELL=$0; exec "$SHELL" -l' "$tools/sh"
elif [ -n "$shell" ]; then
    exec "$tools/doas" -u "${user#'#'}" -s
elif [ -n "$forget" ]; then
    exit 0
fi
echo "usage: sudo [-u USER] [-i | -s] [NAME=VALUE...] [COMMAND...]" >&2
exit 1
