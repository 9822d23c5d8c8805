#!/bin/sh
# A second opinion on the ABI, beside tests/unit/test_abi.c: abidiff of the shared library against the dump of
# the last release (until there is one, of the header as it was when somebody last looked). New functions
# pass; any other difference must be looked at, and is accepted by --update.
#
#   tools/check-abi.sh LIB.so [--update]
set -u
[ $# -ge 1 ] || { echo "usage: tools/check-abi.sh LIB.so [--update]" >&2; exit 2; }
library=$1
cd "$(dirname "$0")/.." || exit 1
dump=tests/abi/libembed_$(sed -n 's/^ABI *:= *//p' Makefile).abi

for tool in abidiff abidw; do
    command -v $tool >/dev/null 2>&1 || { echo "skipped: no $tool (abigail-tools)"; exit 0; }
done
[ "$(uname -m)" = x86_64 ] || { echo "skipped: the dump is of x86-64"; exit 0; }
readelf -S "$library" | grep -q debug_info || { echo "skipped: $library has no debug information"; exit 0; }

if [ "${2:-}" = --update ]; then
    abidw --headers-dir include --drop-private-types --exported-interfaces-only --no-show-locs --no-corpus-path \
        --no-comp-dir-path --no-elf-needed "$library" >"$dump"
    exit
fi
abidiff --headers-dir2 include --drop-private-types --exported-interfaces-only --no-added-syms "$dump" "$library" || {
    echo "check-abi: what a compiled program sees has changed. If it may, tools/check-abi.sh $library --update"
    exit 1
}
