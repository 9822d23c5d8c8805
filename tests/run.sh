#!/bin/sh
# Every test of `make check`: one line for each program, the output of those that fail, and the count.
# BUILD is the folder of the build under test; CC, SAN, MAKE and BLAS are those of the Makefile.
set -u
cd "$(dirname "$0")/.." || exit 1
BUILD=${BUILD:-build/release} SAN=${SAN:-} BLAS=${BLAS:-dlopen}
export EMBED="$BUILD/embed"
case $SAN in *thread*) export OPENBLAS_NUM_THREADS=1 ;; esac # its own threads are none that a sanitizer sees through
model=tests/data/models/bert
passed=0 failed=0
log=$(mktemp) && reranker=$(mktemp -d) || exit 1
trap 'rm -rf "$log" "$reranker"' EXIT

run() { # NAME COMMAND...
    name=$1
    shift
    "$@" >"$log" 2>&1
    status=$?
    if [ $status -eq 0 ]; then
        passed=$((passed + 1))
        echo "ok      $name$(sed -n '$s/^skipped/ (skipped/p' "$log" | sed 's/$/)/')"
    else
        failed=$((failed + 1))
        echo "FAILED  $name (exit $status)"
        tail -n 60 "$log"
    fi
}

run "layers: who includes whom" tools/check-layers.sh
run "headers: C99 to C17, C++98 to C++20" tools/check-headers.sh
run "exports: what embed.h declares" tools/gen-exports.sh --check
run "ABI: all of embed.h is in the list" tools/gen-abi.sh --check
[ -n "$SAN" ] || run "ABI: abidiff" tools/check-abi.sh "$BUILD/libembed.so"
[ -n "$SAN" ] || run "symbols: nothing outside our prefixes" tools/check-symbols.sh "$BUILD/libembed.a" "$BUILD/libembed.so"
for test in tests/unit/test_*.c; do
    name=$(basename "$test" .c)
    run "$name" "$BUILD/tests/$name"
done
for target in model json tokenizer image; do
    run "fuzz_$target, replayed and mutated" "$BUILD/fuzz/fuzz_$target" -mutate 200 1 "tests/fuzz/corpus/$target"
done
run "the embed command" tests/cli/run.sh
run "embed map in a browser" tests/cli/map.sh
run "completion of shells" tests/cli/completion.sh
run "man pages: all options, all functions" tools/check-man.sh "$EMBED"
run "docs: links, files, options, functions" tools/check-docs.sh "$EMBED"
cp "$model"/tokenizer*.json tests/data/models/bert-classifier/* "$reranker"
for example in examples/*.c; do
    name=$(basename "$example" .c)
    case $name in
    single_file)
        run "example $name" "$BUILD/examples/$name" "$model" "$log.embed"
        rm -f "$log.embed"
        ;;
    image_*) run "example $name" "$BUILD/examples/$name" tests/data/models/vit tests/data/images tests/data/images/bmp-00.bmp ;;
    reranking) run "example $name" "$BUILD/examples/$name" "$reranker" ;;
    *) run "example $name" "$BUILD/examples/$name" "$model" ;;
    esac
done
[ -n "$SAN" ] || run "the Python package" env BUILD="$BUILD" CC="${CC:-cc}" python/tests/check.sh
[ -n "$SAN" ] || run "install, use, uninstall" tests/install/run.sh "$model" BUILD="$BUILD" BLAS="$BLAS"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
