#!/bin/sh
# Installs into a staging folder and uses the library there as its users do: through pkg-config and
# CMake, shared and static, from C and C++, with both spellings of the include; the command too.
# Uninstalling leaves no file behind. Without any install, its sources are compiled into a program.
#
#   tests/install/run.sh MODEL_DIRECTORY [MAKE VARIABLES...]
set -u
cd "$(dirname "$0")/../.." || exit 1
[ $# -ge 1 ] || { echo "usage: tests/install/run.sh MODEL_DIRECTORY [VARIABLE=VALUE...]" >&2; exit 2; }
model=$1
shift

make=${MAKE:-make}
prefix=/opt/libembed # nowhere a compiler looks by itself
stage=$(mktemp -d) || exit 1
trap 'rm -rf "$stage"' EXIT
work=$stage/work
mkdir "$work"
tried=
cc=${CC:-cc}

fail() { echo "install: $*"; exit 1; }
step() { # NAME COMMAND...: silent unless it fails
    name=$1
    shift
    "$@" >"$work/log" 2>&1 || { cat "$work/log"; fail "$name: failed"; }
}
gives() { # NAME PROGRAM...: it prints what the first one did
    step "$@"
    [ -e "$work/expected" ] || cp "$work/log" "$work/expected"
    cmp -s "$work/log" "$work/expected" || { cat "$work/log"; fail "$1: other numbers than before"; }
}
pc() {
    PKG_CONFIG_LIBDIR="$root/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$stage" PKG_CONFIG_PATH='' \
        "${PKG_CONFIG:-pkg-config}" "$@" libembed
}
shared() { # with the library of the stage, wherever it was moved to
    env LD_LIBRARY_PATH="$root/lib" DYLD_LIBRARY_PATH="$root/lib" "$@"
}

pkg_config() {
    version=$(sed -nE 's/^#define EMBED_VERSION_(MAJOR|MINOR|PATCH) //p' include/embed.h | paste -sd . -)
    [ "$(pc --modversion)" = "$version" ] || fail "libembed.pc: version $(pc --modversion), not $version"
    [ -z "$(pc --print-requires --print-requires-private)" ] || fail "libembed.pc: requires other modules"
    for example in examples/*.c; do
        step "$example" $cc $example $(pc --cflags --libs) -o "$work/${example##*/}"
    done
    gives "shared, from C" shared "$work/sentence_similarity.c" "$model"
    static=$(pc --static --libs | sed "s|-lembed|$root/lib/libembed.a|")
    step "static" $cc examples/sentence_similarity.c $(pc --cflags) $static -o "$work/static"
    gives "static, from C" "$work/static" "$model"
    # Where a compiler looks by itself, the other spelling needs no flag of pkg-config.
    echo '#include <libembed/embed.h>' | $cc -I"$root/include" -fsyntax-only -x c - ||
        fail "<libembed/embed.h>: not found"
    tried="$tried, pkg-config"
}

cplusplus() { # COMPILER STANDARD
    command -v "$1" >/dev/null 2>&1 || return 0
    echo '#include <libembed/embed.hpp>' >"$work/use.cc"
    cat tests/cpp/wrapper.cpp >>"$work/use.cc"
    step "embed.hpp, $1, C++$2" "$1" -std=c++$2 -Wall -Wextra -Werror "$work/use.cc" $(pc --cflags --libs) \
        -o "$work/wrapper"
    step "embed.hpp, $1, C++$2, run" shared "$work/wrapper"
    step "shared, from C++" "$1" -std=c++$2 examples/sentence_similarity.cpp $(pc --cflags --libs) -o "$work/cpp"
    gives "shared, from C++" shared "$work/cpp" "$model"
    tried="$tried, $1"
}

cmake_package() {
    for tool in cmake cc c++; do $tool --version >/dev/null 2>&1 || return 0; done
    mv "$root" "$stage/elsewhere" # the tree may be moved as a whole
    step "cmake" env -u MAKEFLAGS -u MAKELEVEL cmake -S tests/install/cmake -B "$work/cmake" -DWANTED="$version" \
        -DCMAKE_PREFIX_PATH="$stage/elsewhere"
    step "cmake --build" env -u MAKEFLAGS -u MAKELEVEL cmake --build "$work/cmake"
    for program in c_libembed cpp_libembed c_static cpp_static; do
        gives "CMake, $program" "$work/cmake/$program" "$model"
    done
    mv "$stage/elsewhere" "$root"
    tried="$tried, CMake"
}

compiled_in() {
    mkdir "$work/app"
    cp examples/sentence_similarity.c "$work/app/program.c"
    step "compiled in" env -u MAKEFLAGS -u MAKELEVEL "$make" -C "$work/app" -f "$PWD/examples/compiled_in.mk" \
        -j"$(getconf _NPROCESSORS_ONLN)" CC="$cc" EMBED="$PWD" CFLAGS=-O0
    gives "compiled in" "$work/app/program" "$model"
    tried="$tried, compiled in"
}

root=$stage$prefix
step "make install" $make install DESTDIR="$stage" PREFIX=$prefix "$@"
pkg_config
cplusplus g++ 17
cplusplus clang++ 20
cmake_package
compiled_in
step "embed --version" "$root/bin/embed" --version
for page in man1/embed.1 man3/libembed.3; do
    [ -s "$root/share/man/$page" ] || fail "$page: not installed"
done

$make uninstall DESTDIR="$stage" PREFIX=$prefix "$@" >/dev/null || fail "make uninstall: failed"
left=$(find "$root" ! -type d; find "$root" -type d -name '*libembed?*')
[ -z "$left" ] || fail "make uninstall leaves: $left"

# Every folder can be chosen, also one outside of PREFIX.
step "make install, other folders" $make install DESTDIR="$stage" PREFIX=/a LIBDIR=/a/lib64 INCLUDEDIR=/b/include \
    CMAKEDIR=/c/cmake PKGCONFIGDIR=/c/pc MANDIR=/c/man BINDIR=/c/bin BASHCOMPDIR=/c/bash ZSHCOMPDIR=/c/zsh \
    FISHCOMPDIR=/c/fish "$@"
for file in a/lib64/libembed.a b/include/libembed/embed.h b/include/libembed/embed.hpp c/pc/libembed.pc \
    c/cmake/libembed-config.cmake c/man/man1/embed.1 c/bin/embed c/bash/embed c/zsh/_embed c/fish/embed.fish; do
    [ -e "$stage/$file" ] || fail "$file: not installed"
done
grep -qF '"/a/lib64/libembed.a"' "$stage/c/cmake/libembed-config.cmake" || fail "CMake: not /a/lib64"
grep -qFx 'libdir=${prefix}/lib64' "$stage/c/pc/libembed.pc" || fail "libembed.pc: not in lib64"
echo "install: shared and static work from a staged install${tried}"
