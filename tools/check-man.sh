#!/bin/sh
# The man pages say all there is: embed(1) every subcommand and every option of `embed completion`, and no
# other; libembed(3) every function of embed.h. Both are of this version, and clean to mandoc and groff.
#
#   tools/check-man.sh EMBED
set -u
cd "$(dirname "$0")/.." || exit 1
[ $# -eq 1 ] || { echo "usage: tools/check-man.sh EMBED" >&2; exit 2; }
embed=$1
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
failed=0
bad() { echo "check-man: $*"; failed=1; }
plain() { sed -e 's/\\-/-/g' -e 's/\\f[A-Z]//g' "$1"; }

plain docs/man/embed.1 | tr -c 'a-z0-9-' '\n' | sed 's/-*$//' | sort -u >"$folder/words"
"$embed" completion | cut -f 1 >"$folder/commands" || exit 1
for command in $(cat "$folder/commands"); do
    grep -qx ".B $command" docs/man/embed.1 || bad "embed(1): no subcommand $command"
    "$embed" completion "$command" | cut -f 1 | tr ' ' '\n'
done | sort -u >"$folder/options"
for option in $(comm -23 "$folder/options" "$folder/words"); do bad "embed(1): no $option"; done
for option in $(grep '^--[a-z]' "$folder/words" | comm -13 "$folder/options" -); do
    [ "$option" = --version ] || bad "embed(1): $option is no option"
done
for name in $(tools/gen-exports.sh --names); do
    plain docs/man/libembed.3 | grep -qw "$name" || bad "libembed(3): no $name"
done

version=$("$embed" --version | sed -n '1s/^embed //p')
for page in docs/man/*.[13]; do
    head -n 1 "$page" | grep -qF "libembed $version" || bad "$page: not of version $version"
    {
        if command -v mandoc >/dev/null 2>&1; then mandoc -T lint -W warning "$page"; fi
        if command -v groff >/dev/null 2>&1; then groff -man -ww -z -Tutf8 "$page"; fi
    } 2>&1 | grep -v 'missing date' >"$folder/log" && { cat "$folder/log"; failed=1; }
done
[ $failed -eq 0 ] && echo "check-man: $(wc -l <"$folder/commands") subcommands, $(wc -l <"$folder/options") options"
exit $failed
