#!/bin/sh
# Installs into a staging folder and uses the library there as its users do: through pkg-config, shared
# and static, from C and C++, with both spellings of the include; the command too. Uninstalling leaves
# no file behind.
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
export LD_LIBRARY_PATH="$stage$prefix/lib" DYLD_LIBRARY_PATH="$stage$prefix/lib"

fail() { echo "install: $*"; exit 1; }
step() { # NAME COMMAND...: silent unless it fails
    name=$1
    shift
    "$@" >"$stage/log" 2>&1 || { cat "$stage/log"; fail "$name: failed"; }
}
pc() { "${PKG_CONFIG:-pkg-config}" "$@" libembed; }

step "make install" $make install DESTDIR="$stage" PREFIX=$prefix "$@"
export PKG_CONFIG_LIBDIR="$stage$prefix/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$stage" PKG_CONFIG_PATH=
version=$(sed -nE 's/^#define EMBED_VERSION_(MAJOR|MINOR|PATCH) //p' include/embed.h | paste -sd . -)
[ "$(pc --modversion)" = "$version" ] || fail "libembed.pc: version $(pc --modversion), not $version"
[ -z "$(pc --print-requires --print-requires-private)" ] || fail "libembed.pc: requires other modules"

example=examples/sentence_similarity.c
cc=${CC:-cc}
step "shared" $cc $example $(pc --cflags --libs) -o "$stage/shared"
step "shared program" "$stage/shared" "$model"
mv "$stage/log" "$stage/shared.out"

archive=$stage$prefix/lib/libembed.a
static=$(pc --static --libs | sed "s|-lembed|$archive|")
step "static" $cc $example $(pc --cflags) $static -o "$stage/static"
step "static program" env -u LD_LIBRARY_PATH -u DYLD_LIBRARY_PATH "$stage/static" "$model"
cmp -s "$stage/log" "$stage/shared.out" || fail "the static and the shared program differ"

cat >"$stage/use.cc" <<'C'
#include <libembed/embed.h>
#include <cstdio>
int main(int, char **argv)
{
    embed_error error = EMBED_ERROR_INIT;
    embed_model *model = NULL;
    if (embed_model_open(argv[1], NULL, &model, &error) < 0)
        return std::fprintf(stderr, "%s\n", error.message), 1;
    embed_model_free(model);
    return 0;
}
C
cxx=${CXX:-c++}
if command -v "$cxx" >/dev/null 2>&1; then
    step "C++" $cxx -std=c++98 "$stage/use.cc" $(pc --cflags --libs) -o "$stage/use"
    step "C++ program" "$stage/use" "$model"
else
    echo "install: no C++ compiler: not tried from C++"
fi
step "embed --version" "$stage$prefix/bin/embed" --version

rm -rf "$stage/shared" "$stage/shared.out" "$stage/static" "$stage/use" "$stage/use.cc" "$stage/log"
$make uninstall DESTDIR="$stage" PREFIX=$prefix "$@" >/dev/null || fail "make uninstall: failed"
left=$(find "$stage" ! -type d)
[ -z "$left" ] || fail "make uninstall leaves: $left"
echo "install: shared, static, C++ and the command work from a staged install"
