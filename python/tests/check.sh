#!/bin/sh
# What `make check` runs of the package's tests: the binding against embed.h, and where NumPy is installed
# the frozen models through the library in BUILD. The whole check is run.sh.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build/release}
export PYTHONDONTWRITEBYTECODE=1

python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null || { echo "skipped: no Python 3.9"; exit 0; }
python3 python/tests/abi.py || exit 1
python3 -c 'import numpy' 2>/dev/null || { echo "skipped: no numpy, but for the binding"; exit 0; }
case $BUILD in
/*) ;;
*) BUILD=$(pwd)/$BUILD ;;
esac
for library in "$BUILD/libembed.so" "$BUILD/libembed.dylib"; do
    [ -e "$library" ] || continue
    LIBEMBED_LIBRARY=$library PYTHONPATH=python python3 python/tests/test_plain.py
    exit
done
echo "$BUILD: no shared library"
exit 1
