#!/opt/devserver/bin/busybox sh
# shellcheck shell=busybox
# `sudo` for images that have none, for scripts and habits that call it: hands its usual options on to doas.
set -eu

tools=/opt/devserver/bin
user=root
shell=
while [ $# -gt 0 ]; do
    case $1 in
    -u | --user) user=${2?a user must follow $1}; shift ;;
    --user=*) user=${1#--user=} ;;
    -i | -s | --login | --shell) shell=-s ;;
    # The environment is kept and a password is never asked for, whatever is said.
    -E | -H | -n | -S | -k | --preserve-env | --preserve-env=* | --set-home | --non-interactive | --stdin) ;;
    -v | --validate) exit 0 ;;
    --) shift; break ;;
    -*) echo "sudo: option $1 is not supported; this is doas by another name" >&2; exit 1 ;;
    [A-Za-z_]*=*) export "${1?}" ;;
    *) break ;;
    esac
    shift
done
if [ $# -gt 0 ]; then
    exec "$tools/doas" -u "$user" -- "$@"
elif [ -n "$shell" ]; then
    exec "$tools/doas" -u "$user" -s
fi
echo "usage: sudo [-u USER] [NAME=VALUE...] COMMAND..., or sudo -s" >&2
exit 1
