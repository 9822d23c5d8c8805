#!/bin/sh
# The whole check of the Python package: a source distribution, a wheel built from it outside of the
# repository, that wheel in a virtual environment of its own (kept), ruff, mypy, and every test there, beside the
# reference libraries.
#
#   python/tests/run.sh
#
# BUILD is the folder for everything (build/python); EMBED_MODEL the directory of all-MiniLM-L6-v2, without
# which the live comparison is skipped; PYTHON the interpreter.
set -eu
cd "$(dirname "$0")/../.."
root=$(pwd)
BUILD=${BUILD:-build/python} PYTHON=${PYTHON:-python3}
export EMBED_MODEL="${EMBED_MODEL:-$root/build/models/all-MiniLM-L6-v2}"
export HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false PYTHONDONTWRITEBYTECODE=1
unset LIBEMBED_LIBRARY PYTHONPATH

say() { echo "== $*"; }
mkdir -p "$BUILD"
BUILD=$(cd "$BUILD" && pwd)
wheels=$BUILD/wheels venv=$BUILD/venv bin=$BUILD/venv/bin

if ! cat tests/parity/requirements.txt python/requirements-check.txt | cmp -s - "$venv/installed.txt"; then
    say "a fresh virtual environment"
    rm -rf "$venv"
    "$PYTHON" -m venv "$venv"
    "$bin/pip" install --quiet "$(grep '^torch==' tests/parity/requirements.txt)"
    "$bin/pip" install --quiet -r tests/parity/requirements.txt -r python/requirements-check.txt
    cat tests/parity/requirements.txt python/requirements-check.txt >"$venv/installed.txt"
fi
rm -rf "$wheels"

say "source distribution, and a wheel built from it in an empty folder"
"$bin/python" -m build --sdist --outdir "$wheels" python >"$BUILD/log" 2>&1 || { tail -n 40 "$BUILD/log"; exit 1; }
elsewhere=$(mktemp -d)
trap 'rm -rf "$elsewhere"' EXIT
cp "$wheels"/libembed-*.tar.gz "$elsewhere"
(cd "$elsewhere" && "$bin/pip" wheel --quiet --no-deps --wheel-dir "$wheels" libembed-*.tar.gz)
"$bin/pip" install --quiet --no-deps --force-reinstall "$wheels"/libembed-*.whl

say "sizes"
if [ "$(uname)" = Linux ]; then # with the libraries that it needs inside
    PATH="$bin:$PATH" "$bin/auditwheel" repair --wheel-dir "$wheels/repaired" "$wheels"/libembed-*.whl >"$BUILD/log" 2>&1 || { tail -n 40 "$BUILD/log"; exit 1; }
fi
find "$wheels" -type f -exec ls -l {} + | awk '{ sub(".*/", "", $9); print $5, $9 }'
for file in "$wheels"/*.whl "$wheels"/repaired/*.whl; do
    [ ! -f "$file" ] || [ "$(wc -c <"$file")" -lt 1500000 ] || { echo "$file: 1.5 MB or more"; exit 1; }
    case $file in
    *-py3-none-*) ;;
    *) echo "$file: expected a wheel for any Python 3"; exit 1 ;;
    esac
done

say "ruff, mypy"
(cd python && "$bin/ruff" check . && "$bin/ruff" format --check . && "$bin/mypy")

say "tests"
(cd python/tests && "$bin/python" -m pytest -q -p no:cacheprovider .)

if [ -d "$wheels/repaired" ]; then
    say "the wheel with its libraries"
    "$bin/pip" install --quiet --no-deps --force-reinstall "$wheels"/repaired/*.whl
    (cd python/tests && "$bin/python" test_plain.py)
fi
