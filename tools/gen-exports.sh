#!/bin/sh
# The names that the shared library exports, from the EMBED_API declarations of include/embed.h: the
# version script of ELF linkers, the export list of Mach-O, the module definition of Windows.
#
#   tools/gen-exports.sh            write lib/libembed.map, .exports and .def
#   tools/gen-exports.sh --check    exit 1 if one of them is not what would be written
#   tools/gen-exports.sh --names    print the names
set -eu
cd "$(dirname "$0")/.."
abi=$(sed -n 's/^ABI *:= *//p' Makefile)

names() {
    tr '\n' ' ' <include/embed.h | grep -oE 'EMBED_API [^;]*;' | grep -oE 'embed_[a-z0-9_]+ *\(' |
        tr -d ' (' | LC_ALL=C sort
}
print() { # KIND
    case $1 in
    map)
        echo "EMBED_$abi {"
        echo "    global:"
        names | sed 's/.*/        &;/'
        printf '    local: *;\n};\n'
        ;;
    exports) names | sed 's/^/_/' ;;
    def) echo EXPORTS && names | sed 's/^/    /' ;;
    esac
}

case ${1:-} in
--names) names ;;
--check)
    for kind in map exports def; do
        print $kind | cmp -s - lib/libembed.$kind ||
            { echo "lib/libembed.$kind: not what embed.h says: run tools/gen-exports.sh"; exit 1; }
    done
    ;;
'') for kind in map exports def; do print $kind >lib/libembed.$kind; done ;;
*) echo "usage: tools/gen-exports.sh [--check | --names]" >&2; exit 2 ;;
esac
