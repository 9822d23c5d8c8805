#!/bin/sh
# include/embed.h alone, and every initialiser in it, as C99 to C17 and C++98 to C++20 without a
# warning, by every compiler found; embed.hpp and the program that calls all of it as C++17 and C++20.
set -u
cd "$(dirname "$0")/.." || exit 1

program() { # one variable for each EMBED_..._INIT: EMBED_TOKENS_INIT is of type embed_tokens
    echo '#include "embed.h"'
    sed -n 's/^#define EMBED_\([A-Z_]*\)_INIT .*/\1/p' include/embed.h | while read -r name; do
        type=embed_$(echo "$name" | tr '[:upper:]' '[:lower:]')
        echo "$type *use_$type(void);"
        echo "$type *use_$type(void) { static $type it = EMBED_${name}_INIT; return &it; }"
    done
    # The header may be included twice, and after others.
    echo '#include <errno.h>'
    echo '#include "embed.h"'
}

failed=0
compile() { # COMPILER LANGUAGE STANDARDS...
    command -v "$1" >/dev/null 2>&1 || return 1
    compiler=$1
    language=$2
    shift 2
    flags="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Werror -Iinclude -fsyntax-only"
    [ "$language" = c ] && flags="$flags -Wstrict-prototypes"
    for standard in "$@"; do
        if program | "$compiler" -x "$language" "-std=$standard" $flags -; then
            count=$((count + 1))
        else
            echo "check-headers: embed.h as $standard with $compiler: failed"
            failed=1
        fi
        case $standard in
        c++17 | c++20) "$compiler" "-std=$standard" $flags -Wold-style-cast tests/cpp/wrapper.cpp || failed=1 ;;
        esac
    done
}

count=0
any=
for compiler in gcc clang; do
    compile $compiler c c99 c11 c17 && any=yes
done
[ -n "$any" ] || compile cc c c99 c11 c17
any=
for compiler in g++ clang++; do
    compile $compiler c++ c++98 c++11 c++17 c++20 && any=yes
done
[ -n "$any" ] || echo "check-headers: no C++ compiler: C++98 to C++20 not tried"
echo "check-headers: embed.h in $count language and compiler pairs"
exit $failed
