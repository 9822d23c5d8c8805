#!/bin/sh
# The completion of each shell that is here: what it offers on some command lines.
set -u
cd "$(dirname "$0")/../.." || exit 1
embed=${EMBED:-build/release/embed}
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
ln -s "$(realpath "$embed")" "$folder/embed"
PATH=$folder:$PATH
failed=0 shells=

offers() { # SHELL LINE EXPECTED: the function SHELL prints what it offers at the end of LINE, a word a line
    found=$($1 "$2" | grep . | sort | tr '\n' ' ')
    [ "$found" = "$3" ] || { echo "completion: $1: \"$2\": expected $3, found $found"; failed=1; }
}

in_bash() {
    bash -c '. tools/completion/embed.bash
        line=${1//=/ = }
        COMP_WORDS=($line)
        case $line in *" ") COMP_WORDS+=("") ;; esac
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _embed embed
        printf "%s\n" "${COMPREPLY[@]}"' bash "$1"
}
in_fish() {
    fish --no-config -c 'source tools/completion/embed.fish; complete -C $argv[1]' "$1" | cut -f 1 | sed 's/^.*=//'
}
for shell in bash fish; do
    command -v $shell >/dev/null 2>&1 || continue
    shells="$shells $shell"
    offers in_$shell "embed se" "search "
    offers in_$shell "embed text --trunc" "--truncation-side "
    offers in_$shell "embed text --truncation-side " "left right "
    offers in_$shell "embed text --truncation-side l" "left "
    offers in_$shell "embed info --truncation" ""
done
if command -v zsh >/dev/null 2>&1; then # read, not run: its completion needs a terminal
    zsh -n tools/completion/embed.zsh || failed=1
fi
[ $failed -eq 0 ] && echo "completion: right in$shells"
exit $failed
