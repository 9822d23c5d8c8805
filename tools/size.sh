#!/bin/sh
# How large the library is, and what of it is: bytes of code, constants and data by folder, the largest
# files, the shared library without symbols, a program that contains the archive, and the wheels.
#
#   tools/size.sh BUILD
set -eu
[ $# -eq 1 ] || { echo "usage: tools/size.sh BUILD" >&2; exit 2; }
build=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
strip=${STRIP:-strip} size=${SIZE:-size}

# FILE, bytes of code, of constants and tables for unwinding, of writable data, for each object
(cd "$build" && find lib -name '*.o' | sort | xargs "$size" -A) | awk '
    function flush() { if (file) print file, code, constant, data }
    / :$/ { flush(); file = $1; code = constant = data = 0 }
    /^\.text/ { code += $2 }
    /^\.(rodata|eh_frame|data\.rel\.ro)/ { constant += $2 }
    /^\.(data|bss)/ && !/^\.data\.rel\.ro/ { data += $2 }
    END { flush() }' >"$work/objects"

printf '%-28s %9s %9s %9s %9s\n' folder code constants data all
awk '{ folder = $1; sub(/\/[^\/]*$/, "", folder)
       code[folder] += $2; constant[folder] += $3; data[folder] += $4 }
     END { for (f in code) print f, code[f], constant[f], data[f], code[f] + constant[f] + data[f] }' "$work/objects" |
    sort -k5,5nr | awk '{ printf "%-28s %9d %9d %9d %9d\n", $1, $2, $3, $4, $5
                          code += $2; constant += $3; data += $4 }
                        END { printf "%-28s %9d %9d %9d %9d\n", "all", code, constant, data, code + constant + data }'

printf '\n%-28s %9s %9s %9s %9s\n' 'largest files' code constants data all
awk '{ print $1, $2, $3, $4, $2 + $3 + $4 }' "$work/objects" | sort -k5,5nr | head -n 10 |
    awk '{ printf "%-28s %9d %9d %9d %9d\n", $1, $2, $3, $4, $5 }'

echo
report() { # WHAT FILE
    "$strip" -o "$work/stripped" "$2"
    printf '%-58s %9d\n' "$1" "$(wc -c <"$work/stripped")"
}
report 'libembed.so, stripped (OpenBLAS is not in it; limit 1000000)' "$build/libembed.so"
report 'a program of 60 lines with the archive in it, stripped' "$build/examples/sentence_similarity"
report 'embed, the command, stripped' "$build/embed"
for wheel in "${build%/*}"/python/wheels/*.whl "${build%/*}"/python/wheels/repaired/*.whl; do # of make python-check
    [ ! -f "$wheel" ] || printf '%-58s %9d\n' "${wheel##*/} (limit 1500000)" "$(wc -c <"$wheel")"
done
