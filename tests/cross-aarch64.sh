#!/bin/sh
# The library for aarch64, built here and run by qemu's user-mode emulation: every unit test on a CPU with
# dot products and I8MM, those of kernels and models also on one without; and of every frozen model the
# hidden states, byte for byte those of this machine's build with plain C. Part of `make check-cross`.
# EMBED is this machine's embed command; SYSROOT a folder with cJSON, cmocka and utf8proc for aarch64,
# which otherwise comes from Debian's archive into WORK.
set -u
cd "$(dirname "$0")/.." || exit 1
EMBED=${EMBED:-build/release/embed} MAKE=${MAKE:-make}
WORK=${WORK:-$PWD/build/cross-aarch64} SYSROOT=${SYSROOT:-}
triple=aarch64-linux-gnu
small='test_kernels test_int8 test_gemm test_models test_vision_models test_int8_models'
failed=0 passed=0

tools/install-deps.sh cross-aarch64 || exit 1
qemu=$(command -v qemu-aarch64-static || command -v qemu-aarch64) || exit 1
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

# Packages of another architecture, unpacked into a folder: apt is shown a state and a cache of its own.
fetch_sysroot() {
    SYSROOT=$WORK/sysroot
    [ -f "$SYSROOT/complete" ] && return 0
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || {
        echo "cross-aarch64: no apt-get here: give SYSROOT, a folder with cJSON, cmocka and utf8proc for $triple"
        return 1
    }
    rm -rf "$WORK/apt" "$SYSROOT"
    mkdir -p "$WORK/apt/state/lists/partial" "$WORK/apt/cache/archives/partial" "$SYSROOT" || return 1
    (
        cd "$WORK/apt" || exit 1
        set -- -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State="$PWD/state" \
            -o Dir::State::status=/dev/null -o Dir::Cache="$PWD/cache"
        apt-get "$@" update &&
            apt-get "$@" download libcjson1 libcjson-dev libcmocka0 libcmocka-dev libutf8proc2 libutf8proc-dev &&
            for package in *.deb; do dpkg -x "$package" "$SYSROOT" || exit 1; done
    ) >"$log" 2>&1 && touch "$SYSROOT/complete" && rm -rf "$WORK/apt" && return 0
    tail -n 20 "$log"
    echo "cross-aarch64: cannot get cJSON, cmocka and utf8proc for arm64; give SYSROOT, a folder with them"
    return 1
}

fetch_sysroot || exit 1
libraries=$SYSROOT/usr/lib/$triple
libc=$($triple-gcc -print-file-name=libc.so.6) # below the folder that a program takes for its root
root=$(cd "$(dirname "$libc")/.." && pwd)

emulated() { # CPU PROGRAM ARGUMENT...
    cpu=$1
    shift
    "$qemu" -cpu "$cpu" -L "$root" -E LD_LIBRARY_PATH="$libraries" "$@"
}

export PKG_CONFIG_LIBDIR="$libraries/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$SYSROOT"
echo "aarch64: building in $WORK"
$MAKE --no-print-directory CC=$triple-gcc BLAS=none JPEG=stb SAN= BUILD="$WORK/build" \
    LDFLAGS="-Wl,-rpath-link,$libraries" build-tests >"$log" 2>&1
status=$?
[ $status -eq 0 ] || { result $status "build for aarch64"; exit 1; }

for test in tests/unit/test_*.c; do
    name=$(basename "$test" .c)
    emulated max "$WORK/build/tests/$name" >"$log" 2>&1
    result $? "aarch64: $name"
    case " $small " in *" $name "*)
        emulated cortex-a53 "$WORK/build/tests/$name" >"$log" 2>&1
        result $? "aarch64, Cortex-A53: $name" ;;
    esac
done

# Inputs of a model: texts, images, or token ids alone.
inputs() { # MODEL
    if [ -f "$1/texts.txt" ]; then echo -f "$1/texts.txt"
    elif [ -f "$1/preprocessor_config.json" ]; then echo --image -f "$WORK/images.txt"
    else echo --ids "$WORK/ids.jsonl"
    fi
}

ls tests/data/images/png-0*.png tests/data/images/bmp-0*.bmp >"$WORK/images.txt"
printf '%s\n' '[1,2,3,4,5,6,7,8,9]' '[9,8,7]' '[3]' '[2,2,4,4,8,8,16,16,5,5,10,10,20,20,1,1,2]' >"$WORK/ids.jsonl"
for model in tests/data/models/*/; do
    model=${model%/} different=
    for weights in f32 f16 int8; do
        "$EMBED" hidden -m "$model" $(inputs "$model") --weights $weights --isa c \
            -o "$WORK/here.npy" >"$log" 2>&1 || different="$different $weights-here"
        for cpu in max cortex-a53; do
            emulated $cpu "$WORK/build/embed" hidden -m "$model" $(inputs "$model") --weights $weights \
                --isa neon -o "$WORK/there.npy" >>"$log" 2>&1 &&
                cmp "$WORK/here.npy" "$WORK/there.npy" >>"$log" 2>&1 || different="$different $weights-$cpu"
        done
    done
    [ -z "$different" ]
    result $? "plain C here = NEON there: ${model##*/}${different:+ ($different)}"
done

echo "aarch64: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
