#!/bin/sh
# Measures this build: tests/bench/bench.c on a model, and with PEERS=1 the same weights in other engines
# beside it (tests/bench/peers.py). The machine should have nothing else to do.
#
#   make bench                        tables
#   make bench MODEL=dir CSV=f.csv    another model; every figure as CSV
#   make bench PEERS=1                beside other engines, whose outputs are compared first, in a virtual
#                                     environment of their own (BENCH_PYTHON names another interpreter); an hour
#   make bench PEERS=1 PAGE=docs      and docs/performance.md of what came out
set -u
cd "$(dirname "$0")/../.." || exit 1

build=${BUILD:-build/release}
fetched=build/models/all-MiniLM-L6-v2
tiny=tests/data/models/bert
model=${MODEL:-}
if [ -z "$model" ] && [ -d $fetched ]; then
    model=$fetched
elif [ -z "$model" ]; then
    model=$tiny
    echo "bench: no $fetched (tools/fetch-model.sh brings it, MODEL=dir names another): this is $tiny,"
    echo "bench: which is tiny: its figures say nothing of real models"
fi

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
texts=$work/sentences.txt

# 2,000 natural sentences: those of the examples and, where they are at hand, conversation and prose.
conversation=../shared/data/texts/tatoeba-laser/v1/tatoeba.deu-eng.eng
prose=../shared/data/texts/gutenberg-sentencepiece/botchan.txt
repeated() { # FILE: its lines over and over
    awk '{ line[NR] = $0 } END { for (;;) for (i = 1; i <= NR; i++) print line[i] }' "$1"
}
{
    cat examples/sentences.txt
    if [ -r $conversation ] && [ -r $prose ]; then
        head -n 980 $conversation >"$work/short"
        tr -d '\r' <$prose | awk 'BEGIN { RS = "" }
            { gsub(/[ \n]+/, " "); gsub(/[.!?]"? /, "&\n"); print }' |
            awk 'length > 20' | sed -n '20,999p' >"$work/long"
        paste -d '\n' "$work/short" "$work/long"
    fi
    repeated examples/sentences.txt
} 2>/dev/null | head -n 2000 >"$texts"

echo "$("$build/embed" --version | head -n 1), $(basename "$model"), $(uname -m)," \
    "load $(uptime | sed 's/.*average[s]*: //')"
sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1
echo
"$build/bench" --csv "${CSV:-$work/bench.csv}" --seconds "${SECONDS_EACH:-0.3}" --text "$texts" \
    --embed "$build/embed" "$model" || exit 1

[ -n "${PEERS:-}" ] && [ "$PEERS" != 0 ] || exit 0
echo
${MAKE:-make} -s BUILD="$build" all || exit 1
if [ -z "${BENCH_PYTHON:-}" ]; then
    venv=build/bench-venv
    if ! cmp -s tests/bench/requirements.txt $venv/installed.txt; then
        python3 -m venv $venv && $venv/bin/pip install --quiet "$(grep '^torch==' tests/bench/requirements.txt)" &&
            $venv/bin/pip install --quiet -r tests/bench/requirements.txt || exit 1
        $venv/bin/pip install --quiet llama-cpp-python || echo "bench: no llama-cpp-python: it needs a C++ compiler"
        cp tests/bench/requirements.txt $venv/installed.txt
    fi
    BENCH_PYTHON=$venv/bin/python
fi
export TOKENIZERS_PARALLELISM=false HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 PYTHONDONTWRITEBYTECODE=1
csv=${CSV:-$work/bench.csv}
csv=${csv%.csv}
library=$build/libembed.so
"$BENCH_PYTHON" tests/bench/peers.py --library "$library" --embed "$build/embed" --bench "$build/bench" --model "$model" \
    --texts "$texts" --csv "$csv-peers.csv" || exit 1
"$BENCH_PYTHON" tests/bench/images.py --library "$library" --csv "$csv-peers.csv" || exit 1
"$BENCH_PYTHON" tests/bench/tokenizer_speed.py --library "$library" --texts "$texts" --csv "$csv-tokenizers.csv" || exit 1
[ -z "${PAGE:-}" ] || "$BENCH_PYTHON" tests/bench/page.py --peers "$csv-peers.csv" --bench "$csv.csv" \
    --tokenizers "$csv-tokenizers.csv" --out "$PAGE" \
    --machine "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1), $(nproc) cores"
