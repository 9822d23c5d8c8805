#!/bin/sh
# What the two libraries offer to, and take from, the programs that link them:
#   - the archive defines no global name outside embed_ and emb_;
#   - the shared library exports the functions that include/embed.h declares, and nothing else;
#   - nothing of ours calls what prints, ends the process, or reads or changes its state.
#
#   tools/check-symbols.sh LIB.a LIB.so
set -u
[ $# -eq 2 ] || { echo "usage: tools/check-symbols.sh LIB.a LIB.so" >&2; exit 2; }
archive=$1
shared=$2
nm=${NM:-nm}
export LC_ALL=C # one order of names, for comm

never='abort _?exit quick_exit atexit getenv secure_getenv setenv putenv setlocale localeconv signal
sigaction chdir umask srand stdout stderr puts putchar perror __assert_fail
(__)?(v?f?printf)(_chk)? syslog openblas_set_num_threads'

folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
report() { # TITLE, lines on standard input
    sort -u >"$folder/bad"
    [ -s "$folder/bad" ] || return
    echo "check-symbols: $1:"
    sed 's/^/  /' "$folder/bad"
    : >"$folder/failed"
}
# NAME of each symbol line, without a Mach-O underscore, an ELF version, or a sanitizer's own.
names() { awk 'NF >= 2 && !/:$/ { print $NF }' | sed 's/^_\(emb\)/\1/; s/@.*//' |
    grep -Ev '^(__odr_asan|__asan|__ubsan|__tsan|__msan|__gcov|__llvm|_init$|_fini$)' | sort -u; }

"$nm" -g "$archive" >/dev/null || exit 1
"$nm" -g --defined-only "$archive" 2>/dev/null | names | grep -Ev '^emb(ed)?_' |
    report "global names in $archive outside embed_ and emb_"

case $(uname) in
Darwin) "$nm" -gU "$shared" ;;
*) "$nm" -D --defined-only "$shared" | grep -v ' A ' ;;
esac | names >"$folder/exported"
"$(dirname "$0")/gen-exports.sh" --names >"$folder/declared"
comm -23 "$folder/exported" "$folder/declared" | report "exported by $shared, not in embed.h"
comm -13 "$folder/exported" "$folder/declared" | report "in embed.h, not exported by $shared"

never=$(echo $never | tr ' ' '|')
"$nm" -A -u "$archive" 2>/dev/null |
    awk -v never="^_?($never)\$" '{ name = $NF; sub(/@.*/, "", name) } name ~ never' |
    report "called by $archive, which touches nothing of the process"

[ ! -e "$folder/failed" ] || exit 1
echo "check-symbols: $(($(wc -l <"$folder/declared"))) public functions, no other name"
