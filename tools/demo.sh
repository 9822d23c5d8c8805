#!/bin/sh
# The demo: installs and builds what is missing, brings a model if none is given, and shows on a few
# sentences what embeddings are for, and how fast they come.
#
#   make demo                 with all-MiniLM-L6-v2
#   make demo MODEL=dir       with a model directory of yours
set -u
cd "$(dirname "$0")/.." || exit 1

model=${MODEL:-}
sentences=examples/sentences.txt
embed=${EMBED:-build/release/embed}
cores=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)

tools/install-deps.sh || exit 1
${MAKE:-make} -s -j"$cores" all || exit 1
if [ -z "$model" ]; then
    model=build/models/all-MiniLM-L6-v2
    tools/fetch-model.sh $model || exit 1
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

echo
echo "== $(basename "$model"): the lines of $sentences nearest in meaning to a question"
echo
for query in "How do I reset my login?" "What did the physician say?" "travelling by rail"; do
    echo "\$ embed search -m $model -f $sentences --top 3 \"$query\""
    "$embed" search -m "$model" -f $sentences --top 3 "$query" || exit 1
    echo
done

echo "== How near four sentences are to each other (1 is the same)"
echo
echo "\$ embed similar -m $model TEXT..."
"$embed" similar -m "$model" "A cat is sleeping on the sofa." "The kitten naps on the couch." \
    "Shares fell after the results." "The stock lost value." || exit 1
echo

echo "== Speed"
echo
now() { # seconds, to a hundredth
    if [ -r /proc/uptime ]; then
        cut -d ' ' -f 1 /proc/uptime
    else
        perl -MTime::HiRes=time -e 'printf "%.2f", time'
    fi
}
seconds() { # that embedding the file takes, start-up included
    start=$(now)
    "$embed" text -m "$model" -f "$1" -o "$work/vectors.npy" 2>"$work/log" || { cat "$work/log"; exit 1; }
    now | awk -v start="$start" '{ print $1 - start }'
}
repeated() { # TIMES: the file that many times over
    awk -v times="$1" '{ line[NR] = $0 }
        END { while (times--) for (i = 1; i <= NR; i++) print line[i] }' $sentences
}
: >"$work/none"
repeated 1 >"$work/some"
startup=$(seconds "$work/none") || exit 1
first=$(seconds "$work/some") || exit 1
# As many as take about three seconds.
times=$(awk -v a="$startup" -v b="$first" 'BEGIN { d = b - a; if (d < 0.01) d = 0.01
    n = int(3 / d); if (n < 1) n = 1; if (n > 200) n = 200; print n }')
repeated "$times" >"$work/many"
total=$(seconds "$work/many") || exit 1
cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1)
[ -n "$cpu" ] || cpu=$(sysctl -n machdep.cpu.brand_string 2>/dev/null || uname -m)
awk -v n="$(wc -l <"$work/many")" -v total="$total" -v startup="$startup" -v cores="$cores" -v cpu="$cpu" \
    'BEGIN { t = total - startup; if (t < 0.01) t = 0.01
    printf "%d sentences in %.2f s: %.0f a second, on %d %s of %s.\n", n, t, n / t, cores,
        cores == 1 ? "core" : "cores", cpu
    printf "Opening the model and starting took %.2f s.\n", startup }'
echo
echo "Next: $embed text -m $model \"any text\"    $embed --help    README.md"
