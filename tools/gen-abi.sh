#!/bin/sh
# What programs that are compiled against embed.h have built in: sizes of its structs and places of their
# fields (64-bit), its numbers, its functions. tests/unit/test_abi.c holds embed.h against that list.
#
#   tools/gen-abi.sh            write tests/abi/abi_0.h anew; see in the diff that nothing changed which may not
#   tools/gen-abi.sh --check    exit 1 if something of embed.h is not in the list, or the reverse
set -eu
cd "$(dirname "$0")/.."
list=tests/abi/abi_$(sed -n 's/^ABI *:= *//p' Makefile).h

# SIZE type, FIELD type name, VALUE name, FUNCTION name declaration, as embed.h has them, without the numbers.
names() {
    sed -nE 's/^ +X\(([A-Z0-9]+),.*/VALUE EMBED_\1/p' include/embed.h
    echo VALUE EMBED_WORKSPACE_ALIGN
    awk -v RS='\001' '{
        gsub(/\/\*[^*]*\*+([^\/*][^*]*\*+)*\//, " ") # comments
        gsub(/#[^\n]*(\\\n[^\n]*)*/, " ")            # directives
        gsub(/[ \t\n]+/, " ")
        while (match($0, /(enum|typedef struct [a-z_]+) \{[^}]*\}/)) {
            block = substr($0, RSTART, RLENGTH - 1)
            $0 = substr($0, RSTART + RLENGTH)
            split(block, part, " ")
            type = part[1] == "enum" ? "" : part[3]
            sub(/^[^{]*\{/, "", block)
            if (type == "") {
                count = split(block, item, ",")
                for (i = 1; i <= count; i++)
                    if (match(item[i], /[A-Z0-9_]+ =/)) print "VALUE", substr(item[i], RSTART, RLENGTH - 2)
                continue
            }
            print "SIZE", type
            count = split(block, line, ";")
            for (i = 1; i <= count; i++) {
                fields = split(line[i], item, ",")
                for (j = 1; j <= fields; j++) {
                    sub(/\[.*/, "", item[j])
                    if (match(item[j], /[a-z_]+ *$/)) print "FIELD", type, substr(item[j], RSTART)
                }
            }
        }
    }' include/embed.h
    tr -s ' \n' ' ' <include/embed.h | grep -oE 'EMBED_API [a-z][^;]*;' |
        sed -E -e 's/;//' -e 's/EMBED_API (.*[ *](embed_[a-z0-9_]+)\(.*)/FUNCTION \2 \1/' | LC_ALL=C sort
}

case ${1:-} in
--check)
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    names | LC_ALL=C sort >"$folder/declared"
    sed -nE 's/^([A-Z]+)\((.*)\)$/\1 \2/p' "$list" | sed -E -e 's/,//' -e '/^FUNCTION/!s/,? -?[0-9]+$//' |
        LC_ALL=C sort >"$folder/listed"
    diff "$folder/declared" "$folder/listed" && exit 0
    echo "$list: not what embed.h declares: run tools/gen-abi.sh"
    exit 1
    ;;
'')
    program=$(mktemp)
    trap 'rm -f "$program" "$program.c"' EXIT
    {
        echo '#include <stdio.h>'
        echo '#include "embed.h"'
        echo 'int main(void) {'
        echo 'puts("/* Written by tools/gen-abi.sh from embed.h; 64-bit. */");'
        names | sed -E -e 's/^SIZE (.*)/printf("SIZE(\1, %zu)\\n", sizeof(\1));/' \
            -e 's/^FIELD (.*) (.*)/printf("FIELD(\1, \2, %zu)\\n", offsetof(\1, \2));/' \
            -e 's/^VALUE (.*)/printf("VALUE(\1, %d)\\n", \1);/' \
            -e 's/^FUNCTION ([a-z0-9_]*) (.*)/puts("FUNCTION(\1, \2)");/'
        echo 'return 0; }'
    } >"$program.c"
    ${CC:-cc} -Iinclude "$program.c" -o "$program"
    "$program" >"$list"
    ;;
*) echo "usage: tools/gen-abi.sh [--check]" >&2; exit 2 ;;
esac
