#!/bin/sh
# What `make check` runs of the package's tests: the binding against embed.h, and where NumPy is installed
# the frozen models through the library in BUILD, and the examples, which print what those in C of the same
# name print. The whole check is run.sh.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build/release}
export PYTHONDONTWRITEBYTECODE=1

python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null || { echo "skipped: no Python 3.9"; exit 0; }
python3 python/tests/abi.py || exit 1
python3 -c 'import numpy' 2>/dev/null || { echo "skipped: no numpy, but for the binding"; exit 0; }

examples() {
    failed=0
    folder=$(mktemp -d) || return 1
    cp tests/data/models/bert/tokenizer*.json tests/data/models/bert-classifier/* "$folder"
    for example in examples/*.py; do
        name=$(basename "$example" .py) model=tests/data/models/bert
        [ "$name" != reranking ] || model=$folder
        "$BUILD/examples/$name" "$model" >"$folder/expected" && python3 "$example" "$model" >"$folder/found" &&
            cmp "$folder/expected" "$folder/found" || { echo "$example: failed"; failed=1; }
    done
    rm -r "$folder"
    return $failed
}

case $BUILD in
/*) ;;
*) BUILD=$(pwd)/$BUILD ;;
esac
for library in "$BUILD/libembed.so" "$BUILD/libembed.dylib"; do
    [ -e "$library" ] || continue
    export LIBEMBED_LIBRARY="$library" PYTHONPATH=python
    python3 python/tests/test_plain.py && examples
    exit
done
echo "$BUILD: no shared library"
exit 1
