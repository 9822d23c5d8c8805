#!/bin/sh
# The library and the command for Windows, built here by MinGW: the archive, the DLL and what it exports,
# embed.exe, a program that links each, an install that programs use by pkg-config and by CMake. Where wine is installed, the hidden states of every frozen model are
# byte for byte those of this machine's build, and paths and arguments are UTF-8. Part of `make check-cross`.
# EMBED is this machine's embed command; SYSROOT_WINDOWS a folder with cJSON for MinGW (lib/pkgconfig), which
# otherwise is built in WORK from Debian's source package.
set -u
cd "$(dirname "$0")/.." || exit 1
EMBED=${EMBED:-build/release/embed} MAKE=${MAKE:-make}
WORK=${WORK:-$PWD/build/cross-windows} SYSROOT=${SYSROOT_WINDOWS:-}
triple=x86_64-w64-mingw32
failed=0 passed=0

command -v $triple-gcc >/dev/null || { echo "windows: skipped, no $triple-gcc (gcc-mingw-w64-x86-64)"; exit 0; }
mkdir -p "$WORK" || exit 1
log=$WORK/log

result() { # STATUS NAME
    if [ "$1" -eq 0 ]; then
        passed=$((passed + 1))
        echo "ok      $2"
    else
        failed=$((failed + 1))
        echo "FAILED  $2"
        tail -n 40 "$log"
    fi
}

# The source package is fetched by an apt that is shown lists and a cache of its own.
fetch_cjson() {
    mkdir -p "$WORK/apt/state/lists/partial" "$WORK/apt/cache/archives/partial" "$WORK/cjson" || return 1
    cd "$WORK/apt" || return 1
    suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
    echo "deb-src http://deb.debian.org/debian $suite main" >sources.list
    set -- -o Dir::Etc::sourcelist="$PWD/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State="$PWD/state" -o Dir::Cache="$PWD/cache"
    apt-get "$@" update && apt-get "$@" source --download-only cjson &&
        tar xzf cjson_*.orig.tar.gz -C "$WORK/cjson" --strip-components=1
}
build_cjson() {
    SYSROOT=$WORK/sysroot
    [ -f "$SYSROOT/lib/pkgconfig/libcjson.pc" ] && return 0
    mkdir -p "$SYSROOT/include/cjson" "$SYSROOT/lib/pkgconfig" || return 1
    (fetch_cjson) && cp "$WORK/cjson/cJSON.h" "$SYSROOT/include/cjson/" &&
        $triple-gcc -O2 -DCJSON_HIDE_SYMBOLS -c "$WORK/cjson/cJSON.c" -o "$WORK/cJSON.o" &&
        $triple-ar rcs "$SYSROOT/lib/libcjson.a" "$WORK/cJSON.o" &&
        cat >"$SYSROOT/lib/pkgconfig/libcjson.pc" <<PC
Name: cJSON
Description: for MinGW
Version: 1
Libs: -L$SYSROOT/lib -lcjson
Cflags: -I$SYSROOT/include -DCJSON_HIDE_SYMBOLS
PC
}
if [ -z "$SYSROOT" ]; then
    build_cjson >"$log" 2>&1 || {
        tail -n 20 "$log"
        echo "windows: cannot get cJSON; give SYSROOT_WINDOWS, a folder with it"
        exit 1
    }
fi

build=$WORK/build
export PKG_CONFIG_LIBDIR="$SYSROOT/lib/pkgconfig"
echo "windows: building in $WORK"
stb=$(PKG_CONFIG_LIBDIR='' pkg-config --cflags stb 2>/dev/null)
for_windows() { # TARGET... of the Makefile
    $MAKE --no-print-directory CC=$triple-gcc AR=$triple-ar BLAS=none JPEG=stb SAN= BUILD="$build" LDFLAGS=-static \
        STB="${stb:--I/usr/include/stb}" "$@"
}
for_windows "$build/libembed.a" "$build/libembed-0.dll" "$build/embed.exe" >"$log" 2>&1
status=$?
result $status "libembed.a, libembed-0.dll, embed.exe"
[ $status -eq 0 ] || exit 1
! grep -q warning: "$log"
result $? "no warning of the compiler"

tools/gen-exports.sh --names >"$WORK/declared"
$triple-objdump -p "$build/libembed-0.dll" | grep -oE '\bembed_[a-z0-9_]+$' | LC_ALL=C sort -u >"$WORK/exported"
diff "$WORK/declared" "$WORK/exported" >"$log"
result $? "the DLL exports what embed.h declares"

example=examples/sentence_similarity.c
$triple-gcc -Iinclude $example "$build/libembed.dll.a" -o "$build/shared.exe" >"$log" 2>&1
result $? "a program with the DLL"
$triple-gcc -Iinclude $example "$build/libembed.a" -L"$SYSROOT/lib" -lcjson -static -pthread \
    -o "$build/static.exe" >"$log" 2>&1
result $? "a program with the archive"

# ---- install --------------------------------------------------------------------------------------

stage=$WORK/stage
rm -rf "$stage"
for_windows install DESTDIR="$stage" PREFIX=/opt/libembed >"$log" 2>&1 &&
    [ -e "$stage/opt/libembed/bin/libembed-0.dll" ] && [ -e "$stage/opt/libembed/bin/embed.exe" ] &&
    $triple-gcc $example $(PKG_CONFIG_LIBDIR="$stage/opt/libembed/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$stage" \
        pkg-config --cflags --libs libembed) -o "$stage/opt/libembed/bin/installed.exe" >>"$log" 2>&1
result $? "make install, a program by pkg-config"
if cmake --version >/dev/null 2>&1 && command -v $triple-g++ >/dev/null; then
    rm -rf "$WORK/cmake"
    version=$(sed -nE 's/^#define EMBED_VERSION_(MAJOR|MINOR|PATCH) //p' include/embed.h | paste -sd . -)
    env -u MAKEFLAGS -u MAKELEVEL cmake -S tests/install/cmake -B "$WORK/cmake" -DWANTED="$version" \
        -DCMAKE_SYSTEM_NAME=Windows -DCMAKE_C_COMPILER=$triple-gcc -DCMAKE_CXX_COMPILER=$triple-g++ \
        -DCMAKE_PREFIX_PATH="$stage/opt/libembed" >"$log" 2>&1 &&
        env -u MAKEFLAGS -u MAKELEVEL cmake --build "$WORK/cmake" >>"$log" 2>&1
    result $? "programs by CMake"
fi

# ---- wine -----------------------------------------------------------------------------------------

if ! command -v wine >/dev/null; then
    echo "windows: $passed passed, $failed failed; nothing was run: no wine"
    exit $((failed > 0))
fi
export WINEPREFIX="$WORK/wine" WINEDEBUG=-all LC_ALL=C.UTF-8
wine "$build/embed.exe" --version >"$log" 2>&1
result $? "wine: embed.exe runs"
for program in shared static; do
    wine "$build/$program.exe" tests/data/models/bert >"$log" 2>&1
    result $? "wine: a program with the library, $program"
done

wine "$stage/opt/libembed/bin/installed.exe" tests/data/models/bert >"$log" 2>&1
result $? "wine: a program beside the installed DLL"
rm "$stage/opt/libembed/bin/installed.exe"
for_windows uninstall DESTDIR="$stage" PREFIX=/opt/libembed >"$log" 2>&1
find "$stage" -type f >>"$log"
[ -z "$(find "$stage" -type f)" ]
result $? "make uninstall leaves nothing"

folder="$WORK/mödel-日本"
rm -rf "$folder" && cp -r tests/data/models/bert "$folder"
"$EMBED" tokens -m "$folder" 'a cät 日本' >"$WORK/here"
wine "$build/embed.exe" tokens -m "$folder" 'a cät 日本' >"$WORK/there" 2>"$log"
cmp "$WORK/here" "$WORK/there" >>"$log" 2>&1
result $? "wine: paths and arguments are UTF-8"

rm -rf "$WORK/out" && mkdir "$WORK/out"
printf 'ko\n\377\n' >"$WORK/bad.txt"
! wine "$build/embed.exe" text -m "$folder" -f "$WORK/bad.txt" -o "$WORK/out/v.npy" >"$log" 2>&1 &&
    [ -z "$(ls -A "$WORK/out")" ]
result $? "wine: nothing is left of a failure"
wine "$build/embed.exe" convert -m "$folder" -o "$WORK/out/m.embed" >"$log" 2>&1 &&
    "$EMBED" convert -m "$folder" -o "$WORK/here.embed" --force >"$log" 2>&1 &&
    cmp "$WORK/here.embed" "$WORK/out/m.embed" >>"$log" 2>&1 && [ "$(ls -A "$WORK/out")" = m.embed ]
result $? "wine: the same single file"

inputs() { # MODEL: texts, images, or token ids alone
    if [ -f "$1/texts.txt" ]; then echo -f "$1/texts.txt"
    elif [ -f "$1/preprocessor_config.json" ]; then echo --image -f "$WORK/images.txt"
    else echo --ids "$WORK/ids.jsonl"
    fi
}
ls tests/data/images/png-0*.png tests/data/images/bmp-0*.bmp >"$WORK/images.txt"
printf '%s\n' '[1,2,3,4,5,6,7,8,9]' '[9,8,7]' '[3]' >"$WORK/ids.jsonl"
for model in tests/data/models/*/; do
    model=${model%/}
    "$EMBED" hidden -m "$model" $(inputs "$model") -o "$WORK/here.npy" >"$log" 2>&1 &&
        wine "$build/embed.exe" hidden -m "$model" $(inputs "$model") -o "$WORK/there.npy" >>"$log" 2>&1 &&
        cmp "$WORK/here.npy" "$WORK/there.npy" >>"$log" 2>&1
    result $? "wine: the same bits, ${model##*/}"
done
echo "windows: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
