#!/bin/sh
# Counts instructions of fixed work under callgrind and compares them with counts.txt: a regression shows
# on a machine whose times mean nothing. callgrind knows no AVX-512: plain C (with the CPU's FMA) and AVX2.
#   tests/bench/counts.sh            compare; fails where a count grew by more than 2 per cent
#   tests/bench/counts.sh --record   write counts.txt
# Counts depend on the compiler: with another one than counts.txt names, they are only shown.
set -u
cd "$(dirname "$0")/../.." || exit 1
counts=${BUILD:-build/release}/counts
recorded=tests/bench/counts.txt
command -v valgrind >/dev/null || { echo "bench-counts: skipped: no valgrind (apt-get install valgrind)"; exit 0; }

compiler=$(${CC:-cc} --version | head -n 1)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

count() { # CASE ISA
    valgrind --tool=callgrind --callgrind-out-file="$work/out" --collect-atstart=no --toggle-collect=counted \
        "$counts" "$1" "$2" >"$work/said" 2>&1 || { cat "$work/said" >&2; return 1; }
    awk '/^(summary|totals):/ { n = $2 } END { print n }' "$work/out"
}

echo "compiler: $compiler" >"$work/now"
for isa in c avx2; do
    "$counts" | while read -r name; do
        n=$(count "$name" $isa) || exit 1
        printf '%-6s%-24s%12s\n' $isa "$name" "$n"
    done || exit 1
done >>"$work/now" || exit 1

if [ "${1:-}" = --record ]; then
    cp "$work/now" $recorded
    cat $recorded
    exit 0
fi
same=yes
[ "$(head -n 1 $recorded)" = "compiler: $compiler" ] || same=no
awk -v same=$same 'function key() { return substr($0, 1, 30) }
    FNR == 1 { next }
    NR == FNR { was[key()] = $NF; next }
    {
        change = was[key()] ? 100 * ($NF / was[key()] - 1) : 0
        printf "%s  %+6.1f%%\n", $0, change
        if (!was[key()] || change > 2) worse++
    }
    END {
        if (same == "no") print "bench-counts: another compiler than recorded: shown only"
        else if (worse) { print "bench-counts: " worse " above what counts.txt says"; exit 1 }
    }' $recorded "$work/now"
