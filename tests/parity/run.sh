#!/bin/sh
# Proves the library against the reference libraries, live. Makes a virtual environment of the pinned
# versions in build/parity-venv (kept), or uses the interpreter that PARITY_PYTHON names.
#   tests/parity/run.sh              every check
#   tests/parity/run.sh hidden.py    one of them
# EMBED is the command under test, EMBED_MODEL the directory of all-MiniLM-L6-v2, which is fetched if that is unset.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root" || exit 2

EMBED=${EMBED:-build/release/embed}
export EMBED
export TOKENIZERS_PARALLELISM=false HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 PYTHONDONTWRITEBYTECODE=1

make_environment() {
    venv=build/parity-venv
    if [ ! -x "$venv/bin/python" ]; then
        python3 -m venv "$venv" || return 1
    fi
    if ! cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
        "$venv/bin/pip" install --quiet "$(grep '^torch==' "$here/requirements.txt")" &&
            "$venv/bin/pip" install --quiet -r "$here/requirements.txt" &&
            cp "$here/requirements.txt" "$venv/installed.txt" || return 1
    fi
    PARITY_PYTHON=$venv/bin/python
}

if [ ! -x "$EMBED" ]; then
    echo "parity: $EMBED: not built (run make)" >&2
    exit 2
fi
if [ -z "${PARITY_PYTHON:-}" ]; then
    make_environment || { echo "parity: cannot make the virtual environment" >&2; exit 2; }
fi

"$PARITY_PYTHON" "$here/versions.py" || exit 2
if [ -z "${EMBED_MODEL:-}" ]; then
    tools/fetch-model.sh || echo "parity: without the model its checks fail"
fi
failed=
checks="tokens.py pipelines.py text_engines.py sentencepiece_tokens.py reference_numpy.py hub_models.py hidden.py heads.py
    image_decode.py image_preprocess.py images.py vit_tiny.py static.py sentence.py clip_recipe.py recipes.py safetensors_check.py single_file.py"
for check in ${*:-$checks}; do
    [ -f "$here/$check" ] || continue
    echo "== $check"
    "$PARITY_PYTHON" "$here/$check" || failed="$failed $check"
done
if [ -n "$failed" ]; then
    echo "parity: FAILED:$failed"
    exit 1
fi
echo "parity: all checks passed"
