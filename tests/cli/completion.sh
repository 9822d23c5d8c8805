#!/bin/sh
# The completion of each shell that is here: what it offers on some command lines. Shells that are not here are
# named.
set -u
cd "$(dirname "$0")/../.." || exit 1
embed=${EMBED:-build/release/embed}
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
ln -s "$(realpath "$embed")" "$folder/embed"
PATH=$folder:$PATH
failed=0 shells='' skipped=''

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
# An interactive shell on a terminal of its own, which notes what is added for the tab that it gets, and ends.
in_zsh() {
    : >"$folder/found"
    ZDOTDIR=$folder zsh -fc 'zmodload zsh/zpty
        zpty shell "zsh -di"
        zpty -wn shell "$1"$'"'\t'"'
        while zpty -r shell; do :; done' zsh "$1" >/dev/null
    cat "$folder/found"
}
cp tools/completion/embed.zsh "$folder/_embed"
cat >"$folder/.zshrc" <<'ZSH'
TMOUT=20 # seconds until it gives up
fpath=($ZDOTDIR $fpath)
autoload -Uz compinit && compinit -u -D
compadd() {
    local -a found
    (( ${@[(I)-[OAD]*]} )) && { builtin compadd "$@"; return }
    builtin compadd -O found "$@"
    print -rl -- $found >>$ZDOTDIR/found
    builtin compadd "$@"
}
comppostfuncs=(exit)
ZSH

usable() { # SHELL
    case $1 in
    zsh) zsh -fc 'zmodload zsh/zpty' ;;
    *) command -v $1 ;;
    esac >/dev/null 2>&1
}
for shell in bash fish zsh; do
    usable $shell || { skipped="$skipped no $shell"; continue; }
    shells="$shells $shell"
    offers in_$shell "embed se" "search "
    offers in_$shell "embed text --trunc" "--truncation-side "
    offers in_$shell "embed text --truncation-side " "left right "
    offers in_$shell "embed text --truncation-side l" "left "
    offers in_$shell "embed info --truncation" ""
done
[ $failed -eq 0 ] && echo "completion: right in$shells"
[ -z "$skipped" ] || echo "skipped:$skipped"
exit $failed
