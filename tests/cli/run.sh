#!/bin/sh
# Tests of the embed command over the small models of tests/data/models: spellings, output byte by byte where it
# is fixed, and what a failure looks like. EMBED names the command (default build/release/embed).
#
#   input FORMAT           standard input of the next expect, as printf writes it
#   expect NAME STATUS ARGUMENT...     run embed; a failure must be one line on standard error
#   out_is TEXT, out_has TEXT, err_has TEXT, lines N   what the run before printed
#   is NAME FOUND EXPECTED             two strings are equal

set -u
LC_ALL=C
export LC_ALL
unset TMPDIR

embed=${EMBED:-build/release/embed}
models=${MODELS:-tests/data/models}
plain=$models/bert     # no modules.json, hidden_size 20, 24 positions
sentence=$models/st-dense # Dense to 12 numbers, Normalize, prompts
passed=0
failed=0
name=

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

if ! [ -x "$embed" ]; then
    echo "$embed: not there; build it or set EMBED" >&2
    exit 1
fi

verdict() # STATUS WHAT
{
    if [ "$1" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $name: $2"
        sed 's/^/    err: /' "$work/err" | head -n 3
    fi
}

input()
{
    # shellcheck disable=SC2059
    printf "$@" > "$work/in"
}

expect()
{
    name=$1
    expected=$2
    shift 2
    "$embed" "$@" < "$work/in" > "$work/out" 2> "$work/err"
    status=$?
    : > "$work/in"
    [ "$status" -eq "$expected" ]
    verdict $? "exit $status, expected $expected"
    errors=$(grep -vc '^warning: ' "$work/err")
    if [ "$expected" -eq 0 ]; then
        [ "$errors" -eq 0 ]
    else
        [ "$errors" -eq 1 ] && grep -q '^embed: ..*[^.]' "$work/err"
    fi
    verdict $? "standard error"
}

out_is()
{
    printf '%s\n' "$1" > "$work/expected"
    cmp -s "$work/expected" "$work/out"
    verdict $? "printed $(head -c 200 "$work/out"), expected $1"
}

out_has() { grep -qF -e "$1" "$work/out"; verdict $? "does not print $1"; }
err_has() { grep -qF -e "$1" "$work/err"; verdict $? "does not say $1"; }
lines() { [ "$(wc -l < "$work/out")" -eq "$1" ]; verdict $? "$(wc -l < "$work/out") lines, expected $1"; }
is() { name=$1; [ "$2" = "$3" ]; verdict $? "found $2, expected $3"; }
header() { tail -c +11 "$1" | head -c 117 | sed 's/ *$//'; }
size() { wc -c < "$1" | tr -d ' '; }
files() { ls -A "$work/$1" | tr '\n' ' '; }
keep() { cp "$work/out" "$work/$1"; }
same() { cmp -s "$work/out" "$work/$1"; verdict $? "differs from $1"; }
: > "$work/in"

# ---- spellings --------------------------------------------------------------------------

expect "version" 0 --version
grep -q '^embed [0-9]*\.[0-9]*\.[0-9]*$' "$work/out"; verdict $? "no version"
expect "help" 0 --help; out_has 'Exit status'
sed 's/\\-/-/g' docs/man/embed.1 > "$work/manual"
for command in text image score hidden chunks table tokens similar search map pixels info; do
    expect "$command --help" 0 $command --help; out_has 'Examples:'; out_has "Usage: embed $command "
    keep help.$command
    expect "$command without a model" 2 $command; err_has '-m'; err_has "try embed $command --help"
    expect "$command, unknown option" 2 $command -m "$plain" --bogus; err_has '--bogus'
    text=a
    [ $command = info ] && text=
    [ $command = score ] && text='a b'
    [ $command = table ] && text=/dev/null
    # shellcheck disable=SC2086
    expect "$command, no such model" 1 $command -m "$work/nowhere" $text; err_has 'nowhere'
    for option in $(grep -o '^ .*-[-a-z]*' "$work/help.$command" | grep -o -e '--[-a-z]*'); do
        grep -qF -e "$option" "$work/manual"; verdict $? "$command $option is not in the manual page"
    done
done
expect "no subcommand" 2; err_has 'try embed --help'
expect "unknown subcommand" 2 embiggen; err_has 'embiggen'
expect "value missing" 2 text -m; err_has '--model'
expect "value missing at the end" 2 text -m "$plain" --dim; err_has '--dim'
expect "value not wanted" 2 text -m "$plain" --null=yes a; err_has '--null'
expect "number with a tail" 2 text -m "$plain" --dim 3x a; err_has '"3x"'
expect "negative number" 2 text -m "$plain" --layer -1 a; err_has '--layer'
expect "number of nothing" 2 text -m "$plain" --dim= a; err_has '--dim'
expect "number too large" 2 text -m "$plain" --threads 99999999999 a; err_has '--threads'
expect "unknown choice" 2 text -m "$plain" --pool avg a; err_has 'sqrt_len'
expect "prefix of a choice" 2 text -m "$plain" --pool mea a; err_has '"mea"'
expect "file and arguments" 2 text -m "$plain" -f "$plain/texts.txt" a; err_has '-f'
expect "null and jsonl" 2 text -m "$plain" --null --jsonl text; err_has '--jsonl'
expect "suffix unknown" 2 text -m "$plain" -o x.bin a; err_has '.npy'
expect "ranges without a precision" 2 text -m "$plain" --ranges x a b; err_has '--precision'
expect "quantised .f32" 2 text -m "$plain" --precision binary -o "$work/x.f32" a; err_has '.f32'
expect "info takes no text" 2 info -m "$plain" a; err_has '"a"'
expect "no query" 2 search -m "$plain"; err_has 'query'
for option in "--pool cls" "--pool mean" "--pool max" "--pool last" "--pool weighted" "--pool sqrt_len" \
    "--pool mean_all" "--layer 0" --normalize --no-normalize --no-modules "--dim 3" "--precision float32" \
    "--precision binary" "--precision ubinary" "--max-length 5" "--truncation-side left" \
    "--truncation-side right" "--threads 1" "--gemm auto" "--gemm packed" "--compute f32" "--isa c" "--batch-tokens 64" \
    --replace-invalid --no-truncation "--prompt-text x" "-o -"; do
    # shellcheck disable=SC2086
    expect "text $option" 0 text -m "$plain" $option kola; lines 1; out_has '{"index":0,"embedding":['
done

# ---- texts in -----------------------------------------------------------------------------

expect "arguments" 0 text -m "$plain" 'ko la' 'mi'; lines 2; out_has '{"index":1,"embedding":['; keep two
input 'ko la\nmi\n'; expect "standard input" 0 text -m "$plain"; same two
input 'ko la\nmi'; expect "no terminator at the end" 0 text -m "$plain" -f -; same two
input 'ko la\0mi\0'; expect "texts ended by NUL" 0 text --model="$plain" --null; same two
printf 'ko la\nmi\n' > "$work/texts"
expect "a file" 0 text "-m$plain" --file="$work/texts"; same two
expect "options after texts" 0 text 'ko la' mi -m "$plain"; same two
expect "-- ends options" 0 text -m "$plain" -- 'ko la' mi; same two
expect "a dash is a text" 0 text -m "$plain" - --; lines 1
input ''; expect "no texts" 0 text -m "$plain"; lines 0
input '\n'; expect "an empty line is an empty text" 0 text -m "$plain"; lines 1; keep empty
expect "an empty argument" 0 text -m "$plain" ''; same empty
input '\n\nko\n'; expect "empty lines" 0 text -m "$plain"; lines 3
bytes_kept() # NAME INPUT TEXTS [OPTION]
{
    input "$2"
    expect "$1" 0 similar --json -m "$plain" ${4:+"$4"}; out_has "\"texts\":$3,"
}
bytes_kept "CR belongs to a text" 'ko\r\nko\n' '["ko\r","ko"]'
bytes_kept "CR does not end a text" 'ko\rmi\r' '["ko\rmi\r"]'
bytes_kept "NUL inside a line" 'ko\0mi\nla\n' '["ko\u0000mi","la"]'
bytes_kept "LF inside a text" 'ko\nmi\0' '["ko\nmi"]' --null
bytes_kept "spaces, a mark, a byte order mark" ' k\314\201 \t\n\357\273\277\n' "[\" k$(printf '\314\201') \\t\",\"$(printf '\357\273\277')\"]"
expect "no such file" 1 text -m "$plain" -f "$work/nowhere"; err_has 'nowhere: cannot open'
expect "a folder" 1 text -m "$plain" -f "$work"; err_has 'directory'

input '{"id":7,"text":"ko la","more":{"a":[1,2.50,null]}}\n{"text":"mi"}'
expect "JSON lines" 0 text -m "$plain" --jsonl text; lines 2
sed 's/"id":7,"more":{"a":\[1,2.50,null\]},//' "$work/out" | cmp -s - "$work/two"; verdict $? "keys pass"
input '{"text":"\\u006bo\\u0020la"}\n{"text":"\\u006di"}\n'; expect "escapes" 0 text -m "$plain" --jsonl text; same two
input '{"index":"x","text":"ko","embedding":[1]}\n'; expect "own keys" 0 text -m "$plain" --jsonl text
out_has '{"index":"x","embedding":['
is "embedding once" "$(grep -o embedding "$work/out" | wc -l | tr -d ' ')" 1
json_error() { input "$2"; expect "$1" 1 text -m "$plain" --jsonl text; err_has "standard input: line $3"; }
json_error "no such field" '{"text":"a"}\n{"txt":"a"}\n' '2: no field "text"'
json_error "not a string" '{"text":3}\n' '1: column 9'
json_error "not an object" '["text"]\n' '1: column 1'
json_error "an empty line" '{"text":"a"}\n\n' '2: column 1'
json_error "cut short" '{"text":"a' '1: column 11'
json_error "something after it" '{"text":"a"} x\n' '1: column 14'
json_error "comma at the end" '{"text":"a",}\n' '1: column 13'
json_error "half a surrogate" '{"text":"\\ud83d"}\n' '1: column 10'
json_error "unknown escape" '{"text":"\\x"}\n' '1: column 11'
json_error "control character" '{"text":"\001"}\n' '1: column 10'
json_error "a field twice" '{"text":"a","text":"b"}\n' '1: column'
json_error "number with a leading 0" '{"n":01,"text":"b"}\n' '1: column 7'
json_error "deep nesting" "{\"n\":$(printf '%0200d' 0 | tr 0 '[')" '1: column'

input 'ko\tla\nmi\tko la\n'; expect "pairs" 0 text -m "$plain" --pair; lines 2
input 'ko\tla\nmi\n'; expect "a line without a tab" 1 text -m "$plain" --pair; err_has 'standard input: line 2'
input 'ko\nk\377o\n'; expect "invalid UTF-8" 1 text -m "$plain"; err_has 'standard input: line 2: '
printf 'ko\nla\nk\377o\n' > "$work/bad.txt"
expect "invalid UTF-8 in a file" 1 text -m "$plain" -f "$work/bad.txt"; err_has 'bad.txt: line 3: '
expect "the same for tokens" 1 tokens -m "$plain" -f "$work/bad.txt"; err_has 'bad.txt: line 3: '
expect "the same for hidden" 1 hidden -m "$plain" -f "$work/bad.txt" -o "$work/x.npy"; err_has 'bad.txt: line 3: '
{ yes ko | head -n 4999; printf '\377\n'; } > "$work/late.txt"
expect "a late line is named" 1 text -m "$plain" -f "$work/late.txt" -o "$work/x.npy"; err_has 'line 5000: '
expect "replaced on request" 0 text -m "$plain" -f "$work/bad.txt" --replace-invalid; lines 3
input 'ko\0\377'; expect "texts are counted with --null" 1 text -m "$plain" --null; err_has 'standard input: text 2: '
expect "an argument is named" 1 text -m "$plain" ko "$(printf '\377')"; err_has 'argument 2: '

# ---- vectors out -----------------------------------------------------------------------------

mkdir "$work/o"
expect ".npy" 0 text -m "$plain" 'ko la' mi -o "$work/o/v.npy"; out=$work/o/v.npy; lines 0
is "npy header" "$(header "$out")" "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 20), }"
is "npy size" "$(size "$out")" $((128 + 2 * 20 * 4))
is "npy magic" "$(head -c 10 "$out" | od -An -tx1 | tr -d ' \n')" 934e554d505901007600
expect ".f32" 0 text -m "$plain" 'ko la' mi -o "$work/o/v.f32"
is "the same floats" "$(tail -c +129 "$out" | cksum)" "$(cksum < "$work/o/v.f32")"
expect ".jsonl" 0 text -m "$plain" 'ko la' mi -o "$work/o/v.jsonl"; cp "$work/o/v.jsonl" "$work/out"; same two
is "nothing else is left" "$(files o)" 'v.f32 v.jsonl v.npy '
name='nine digits'; grep -Eq '[[,]-?0\.[1-9][0-9]{8}[],]' "$work/two"; verdict $? "no number of nine digits"
expect ".npy to a pipe" 0 text -m "$plain" 'ko la' mi --format npy; same o/v.npy
expect "no texts, .npy" 0 text -m "$plain" -o "$work/o/v.npy"
is "its header" "$(header "$out")" "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 20), }"
is "its size" "$(size "$out")" 128
expect "--dim" 0 text -m "$plain" --dim 3 ko -o "$work/o/v.npy"; is "three numbers" "$(size "$out")" 140
quantised() # PRECISION DESCR COLUMNS
{
    expect "$1" 0 text -m "$plain" 'ko la' mi ko --precision "$1" -o "$work/o/v.npy"
    is "$1 header" "$(header "$out")" "{'descr': '$2', 'fortran_order': False, 'shape': (3, $3), }"
    is "$1 size" "$(size "$out")" $((128 + 3 * $3))
}
quantised int8 '|i1' 20; quantised uint8 '|u1' 20; quantised binary '|i1' 3; quantised ubinary '|u1' 3
expect "int8 of one vector" 1 text -m "$plain" --precision int8 ko; err_has '--ranges'
expect "int8 of none" 0 text -m "$plain" --precision int8 -o "$work/o/v.npy"
is "int8 of none, header" "$(header "$out")" "{'descr': '|i1', 'fortran_order': False, 'shape': (0, 20), }"
expect "ranges of the run" 0 text -m "$plain" --precision uint8 'ko la' mi ko; keep quantised
expect "--save-ranges" 0 text -m "$plain" 'ko la' mi ko --save-ranges "$work/r.npy"
is "ranges header" "$(header "$work/r.npy")" "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 20), }"
expect "--ranges" 0 text -m "$plain" --precision uint8 --ranges "$work/r.npy" 'ko la' mi ko; same quantised
expect "ranges of another width" 1 text -m "$plain" --dim 3 --precision int8 --ranges "$work/r.npy" a; err_has '(2, 3)'
expect "ranges that are none" 1 text -m "$plain" --precision int8 --ranges "$0" a; err_has '.npy'
head -c 200 "$work/r.npy" > "$work/short.npy"
expect "ranges cut short" 1 text -m "$plain" --precision int8 --ranges "$work/short.npy" a; err_has 'short.npy'

mkdir "$work/e"
expect "nothing is left of a failure" 1 text -m "$plain" -f "$work/bad.txt" -o "$work/e/v.npy"
is "no file" "$(files e)" ''
echo old > "$work/e/v.npy"
expect "a failure keeps the old file" 1 text -m "$plain" -f "$work/bad.txt" -o "$work/e/v.npy"
is "the old file" "$(cat "$work/e/v.npy")" old
expect "no such folder" 1 text -m "$plain" -o "$work/nowhere/v.npy" a; err_has 'cannot create'
ln -s v.npy "$work/e/link.npy"
expect "a link is followed" 0 text -m "$plain" -o "$work/e/link.npy" ko
is "what it leads to" "$(size "$work/e/v.npy"),$(files e)" '208,link.npy v.npy '
if [ -c /dev/full ]; then
    name="full disk"; "$embed" text -m "$plain" ko > /dev/full 2> "$work/err"
    is "full disk" "$?,$(grep -c 'cannot write' "$work/err")" '1,1'
    expect "full disk, -o" 1 text -m "$plain" ko -o /dev/full --format f32; err_has '/dev/full: cannot write'
fi
"$embed" text -m "$plain" ko >&- 2> "$work/err"; is "closed output" "$?,$(wc -l < "$work/err" | tr -d ' ')" '1,1'
{ yes ko | head -n 20000 | "$embed" text -m "$plain" 2> "$work/err"; echo $? > "$work/rc"; } | head -n 1 > "$work/out"
is "closed pipe is quiet" "$(cat "$work/rc"),$(size "$work/err")" '1,0'
mkfifo "$work/pipe"; exec 3<> "$work/pipe"; mkdir "$work/s"
"$embed" text -m "$plain" -f "$work/pipe" -o "$work/s/v.npy" 2> "$work/err" & process=$!
tries=0; while [ -z "$(files s)" ] && [ $tries -lt 30 ]; do sleep 1; tries=$((tries + 1)); done
is "a temporary file while it runs" "$(files s | sed 's/[^.]* $//')" 'v.npy.'
kill -TERM $process; { wait $process; } 2> /dev/null; is "stopped by the signal" $? 143; is "removed" "$(files s)" ''
is "and says so" "$(cat "$work/err")" "embed: stopped by a signal: $work/s/v.npy is not written"
printf 'ko\n' >&3; "$embed" text -m "$plain" -f "$work/pipe" > "$work/answer" & process=$!
tries=0; while ! [ -s "$work/answer" ] && [ $tries -lt 30 ]; do sleep 1; tries=$((tries + 1)); done
is "a line is answered at once" "$(wc -l < "$work/answer" | tr -d ' ')" 1
kill $process; { wait $process; } 2> /dev/null; exec 3>&-
if script -qec true /dev/null > /dev/null 2>&1; then
    script -qec "'$embed' hidden -m '$plain' ko" /dev/null > "$work/out" 2>&1 < /dev/null
    name="no array on a terminal"; out_has 'terminal'
fi

# ---- what the model can do ------------------------------------------------------------------------

expect "unknown layer" 1 text -m "$plain" --layer 99 ko; err_has 'layer'
expect "unknown layer, hidden" 1 hidden -m "$plain" --layer 99 ko -o "$work/x.npy"; err_has 'layer'
expect "unknown prompt" 1 text -m "$sentence" --prompt nope ko; err_has 'nope'
expect "--dim too large" 1 text -m "$plain" --dim 999 ko
expect "pooler that is not there" 1 text -m "$models/electra" --pool pooler ko; err_has 'pooler'
long='ko la ko la ko la ko la ko la ko la ko la ko la ko la ko la ko la ko la ko la ko la ko la'
expect "a text over the limit is cut" 0 text -m "$plain" "$long"; lines 1
expect "or an error" 1 text -m "$plain" --no-truncation ko "$long"; err_has 'argument 2: '
expect "the recipe normalises" 0 text -m "$sentence" ko; keep normalised
expect "prompt by name" 0 text -m "$sentence" --prompt query ko; keep prompted
expect "prompt by text" 0 text -m "$sentence" --prompt-text 'kola: ' ko; same prompted
expect "no prompt" 0 text -m "$sentence" --prompt-text '' ko; same normalised
expect "threads change nothing" 0 text -m "$sentence" --threads 2 ko mi la; keep three
expect "nor does the kernel" 0 text -m "$sentence" --threads 1 --isa c --batch-tokens 32 ko mi la; same three

# ---- hidden ------------------------------------------------------------------------------------------

expect "hidden" 0 hidden -m "$plain" ko 'ko la mi' -o "$work/h.npy"
header "$work/h.npy" | grep -q "^{'descr': '<f4', 'fortran_order': False, 'shape': (2, [0-9]*, 20), }$"; verdict $? header
expect "hidden to a pipe" 0 hidden -m "$plain" ko 'ko la mi'; same h.npy
expect "hidden, JSON lines" 0 hidden -m "$plain" ko 'ko la mi' -o "$work/h.jsonl"
is "its keys" "$(sed 's/[0-9][^,]*,"hidden.*//; s/[0-9]*,"tokens//' "$work/h.jsonl" | sort -u)" '{"index":":'
input '[2,5,3]\n[2,3]\n'; expect "ids" 0 hidden -m "$plain" --ids - -o "$work/i.npy"
is "ids header" "$(header "$work/i.npy")" "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3, 20), }"
is "zero rows" "$(tail -c 80 "$work/i.npy" | tr -d '\0' | wc -c | tr -d ' ')" 0
expect "no texts, hidden" 0 hidden -m "$plain" -o "$work/i.npy"
is "its shape" "$(header "$work/i.npy")" "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 0, 20), }"
ids_error() { input "$2"; expect "$1" 1 hidden -m "$plain" --ids - -o "$work/x.npy"; err_has "standard input: line $3"; }
ids_error "id outside the vocabulary" '[2,3]\n[2,5000,3]\n' 2
ids_error "negative id" '[2,-1,3]\n' 1
ids_error "huge id" '[2,99999999999,3]\n' 1
ids_error "ids with a fraction" '[2,1.5,3]\n' '1: column 4'
ids_error "ids that are no list" '{"ids":[2]}\n' '1: column 1'
ids_error "more ids than positions" "[2$(printf '%030d' 0 | sed 's/0/,5/g'),3]\n" 1
is "nothing was written" "$(ls "$work"/x.npy* 2> /dev/null)" ''
expect "ids and texts" 2 hidden -m "$plain" --ids - a; err_has '--ids'

# ---- tokens ---------------------------------------------------------------------------------------------

expect "tokens" 0 tokens -m "$plain" 'ko'
sed 's/\[[^a-z]*\]\(,"\|}\)/[]\1/g; s/"tokens":\[.*\],"type/"tokens":[],"type/' "$work/out" > "$work/keys"
is "keys of tokens" "$(cat "$work/keys" | sed 's/\[[^]]*\]*/[]/g')" \
    '{"index":0,"ids":[],"tokens":[],"type_ids":[],"offsets":[],"word_ids":[]}'
out_has '"offsets":[[0,0],[0,'; out_has '"word_ids":[null,0'; out_has '"tokens":["[CLS]",'
expect "tokens are not cut" 0 tokens -m "$plain" "$long"; is "all" "$(grep -o '\[[0-9]*,[0-9]*\]' "$work/out" | wc -l | awk '{print ($1 >= 32)}')" 1
expect "unless asked" 0 tokens -m "$plain" --max-length 5 "$long"; is "five" "$(grep -o '\[[0-9]*,[0-9]*\]' "$work/out" | wc -l | tr -d ' ')" 5
input 'ko\tla\n'; expect "tokens of a pair" 0 tokens -m "$plain" --pair; out_has '"sequence_ids":[null,0,'
input '{"id":"\\u00e9","t":"ko"}\n'; expect "tokens of JSON lines" 0 tokens -m "$plain" --jsonl t; out_has '{"index":0,"id":"\u00e9","ids":['

# ---- similar, search, info -----------------------------------------------------------------------------------

expect "similar" 0 similar -m "$sentence" 'ko la' mi; out_has 'cosine'; out_has '1.0000'; lines 5
expect "similar --json" 0 similar -m "$sentence" --json 'ko la' mi; lines 1; out_has '"texts":["ko la","mi"],"scores":[['
expect "similar by distance" 0 similar -m "$sentence" --similarity euclidean ko mi; out_has 'euclidean'
printf 'mi\nko la\nla\n' > "$work/docs"
expect "search" 0 search -m "$models/bert" -f "$work/docs" --top 1 'ko la'; lines 1; out_has '2  ko la'
expect "search of two" 0 search -m "$plain" -f "$work/docs" mi la; lines 9
expect "search --json" 0 search -m "$plain" -f "$work/docs" --json --top 1 mi; out_has '"line":1,"text":"mi"}]}'
input '{"id":9,"t":"mi"}\n'; expect "search in JSON lines" 0 search -m "$plain" --jsonl t --json mi; out_has '"record":{"id":9}'
expect "search with no lines" 0 search -m "$plain" mi; lines 0
expect "unknown query prompt" 1 search -m "$sentence" --query-prompt nope mi; err_has 'nope'
expect "info" 0 info -m "$plain"; out_has 'bert'; out_has 'workspace'; out_has 'cls'
expect "info --json" 0 info -m "$plain" --json; lines 1; out_has '"workspace_bytes":'; out_has '"family":"bert"'
expect "info of a budget" 0 info -m "$plain" --batch-tokens 4096 --threads 1; out_has '4096 tokens'

# ---- score ----------------------------------------------------------------------------------

cp -R "$models/bert-classifier" "$work/reranker"
cp "$models/bert/tokenizer.json" "$models/bert/tokenizer_config.json" "$work/reranker"
expect "score" 0 score -m "$work/reranker" 'ko la' mi 'ko la'; lines 2; out_has '{"index":1,"scores":[0.'; keep score
input 'ko la\tmi\nko la\tko la\n'; expect "score of pairs" 0 score -m "$work/reranker"; same score
input 'ko la\tmi\nko la\tko la\n'; expect "score as text does" 0 text -m "$work/reranker" --pair --pool scores; same score
expect "score .npy" 0 score -m "$work/reranker" 'ko la' mi -o "$work/scores.npy"; is "header" "$(grep -ac "(1, 1)" "$work/scores.npy")" 1
expect "a query alone" 2 score -m "$work/reranker" 'ko la'; err_has 'without a text'
expect "a tab in a text" 2 score -m "$work/reranker" ko "mi$(printf '\t')la"; err_has 'a tab'
expect "no head" 1 score -m "$plain" ko mi; err_has 'no sequence-classification head'

# ---- images ----------------------------------------------------------------------------------

vit=$models/vit # hidden_size 15, images of 9 x 9, 10 tokens
clip=$models/clip
photos=$work/photos
mkdir "$photos" "$photos/b" "$photos/.hidden" "$work/bleak"
floats() { tail -c "$1" "$work/o/$2.npy" | od -An -v -tf4 | tr -s ' -' '\n' | sed '/^$/d' | sort -u; } # different ones at the end
picture() { printf 'P3 2 2 255 %s %s %s 255 255 255\n' "$2" "$2" "$2" > "$1"; }
picture "$photos/z.PPM" '255 0 0'
picture "$photos/a.pnm" '0 255 0'
picture "$photos/b/c.jpg" '0 0 255' # told by its content
picture "$photos/b.ppm" '90 90 90'
picture "$photos/.dot.ppm" '1 2 3'
picture "$photos/.hidden/x.ppm" '1 2 3'
picture "$photos/no-suffix" '1 2 3'
echo text > "$photos/notes.txt"
ln -s .. "$photos/b/up"
red=$photos/z.PPM
printf 'P6 9 9 255\nshort' > "$work/broken.ppm"
files_are() # NAME...: the files of JSON lines
{
    for file in "$@"; do printf '"file":"%s"\n' "$file"; done > "$work/expected"
    grep -o '"file":"[^"]*"' "$work/out" | cmp -s - "$work/expected"; verdict $? "files: $(grep -o '"file":"[^"]*"' "$work/out" | tr '\n' ' ')"
}

expect "a folder" 0 image -m "$vit" "$photos"; lines 4; keep folder
files_are "$photos/a.pnm" "$photos/b.ppm" "$photos/b/c.jpg" "$photos/z.PPM"
expect "a folder that ends with a slash" 0 image -m "$vit" "$photos/"; same folder
out_has '{"index":0,"file":"'
name="byte order of paths"; find "$photos" -type f ! -path '*/.*' \( -name '*.p*m' -o -name '*.P*M' -o -name '*.jpg' \) | sort > "$work/list"
expect "a list" 0 image -m "$vit" -f "$work/list"; same folder
cp "$work/list" "$work/in"; expect "a list on standard input" 0 image -m "$vit" -f -; same folder
cp "$work/list" "$work/in"; expect "the same without -f" 0 image -m "$vit"; same folder
tr '\n' '\0' < "$work/list" > "$work/in"; expect "a list ended by NUL" 0 image -m "$vit" --null; same folder
input '%s\n' "$photos"; expect "a folder in a list" 0 image -m "$vit"; same folder
expect "a folder as the list" 0 image -m "$vit" -f "$photos"; same folder
input '{"id":7,"path":"%s"}\n' "$red"; expect "JSON lines of images" 0 image -m "$vit" --jsonl path
out_has "{\"index\":0,\"file\":\"$red\",\"id\":7,\"embedding\":["
expect "a file without a suffix" 0 image -m "$vit" "$photos/no-suffix"; lines 1
cp "$red" "$work/in"; expect "an image on standard input" 0 image -m "$vit" -; out_has '"file":"-"'
expect "an empty folder" 0 image -m "$vit" "$work/bleak"; lines 0; grep -q 'no images' "$work/err"; verdict $? "no warning"
input '%s\n\n' "$red"; expect "an empty line" 1 image -m "$vit"; err_has 'standard input: line 2'
expect "an image as the list" 1 image -m "$vit" -f "$embed"; err_has 'a list'

expect "among others" 1 image -m "$vit" "$red" "$work/broken.ppm" "$photos/a.pnm"; lines 3
err_has "$work/broken.ppm"; out_has "{\"index\":1,\"file\":\"$work/broken.ppm\",\"error\":\""
expect "the others" 0 image -m "$vit" "$red" "$photos/a.pnm"
expect "one that is missing" 1 image -m "$vit" "$work/nowhere.png"; err_has 'nowhere.png'; lines 1
expect "in an array" 1 image -m "$vit" "$red" "$work/broken.ppm" -o "$work/o/i.npy"
is "an array keeps its place" "$(header "$work/o/i.npy")" "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 15), }"
is "as NaN" "$(floats 60 i)" nan
expect "without it" 0 image -m "$vit" "$red" -o "$work/o/j.f32"
is "the same row" "$(tail -c +129 "$work/o/i.npy" | head -c 60 | cksum)" "$(cksum < "$work/o/j.f32")"
expect "ranges of the others" 1 image -m "$vit" "$work/broken.ppm" "$photos" --save-ranges "$work/o/r.npy"
expect "ranges of them alone" 0 image -m "$vit" "$photos" --save-ranges "$work/o/s.npy"
is "the same ranges" "$(cksum < "$work/o/r.npy")" "$(cksum < "$work/o/s.npy")"
expect "hidden of one" 1 hidden -m "$vit" "$red" "$work/broken.ppm" --format jsonl; lines 2; out_has '"error":"'
expect "hidden, an array" 1 hidden -m "$vit" "$red" "$work/broken.ppm" -o "$work/o/h.npy"
is "its shape" "$(header "$work/o/h.npy")" "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 10, 15), }"
is "its NaN" "$(floats 600 h)" nan
expect "pixels of one" 1 pixels -m "$vit" "$red" "$work/broken.ppm" -o "$work/o/p.npy"
is "their NaN" "$(floats 972 p)" nan
expect "pixels of none" 1 pixels -m "$vit" "$work/broken.ppm" -o "$work/o/none.npy"; is "no array" "$(ls "$work/o/none.npy" 2>&1 | grep -c npy)" 1

for option in "--pool cls" "--pool mean" "--pool max" "--pool patches" "--pool mean_all" "--layer 1" --normalize "--dim 3" \
    --exif "--alpha white" "--alpha drop" "--image-size 9" "--threads 1" "--isa c" "--batch-tokens 64" "--precision binary"; do
    # shellcheck disable=SC2086
    expect "image $option" 0 image -m "$vit" $option "$red"; lines 1; out_has '"embedding":['
done
expect "the default is" 0 image -m "$vit" "$red"; keep default
expect "mean_all" 0 image -m "$vit" --pool mean_all "$red"; same default
expect "mean" 0 image -m "$vit" --pool mean "$red"; same default
expect "another size" 1 image -m "$vit" --image-size 12 "$red"
expect "another size, interpolated" 0 hidden -m "$vit" --image-size 12 --interpolate-pos-encoding "$red" -o "$work/o/h.npy"
is "its tokens" "$(header "$work/o/h.npy")" "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 17, 15), }"

expect "pixels" 0 pixels -m "$vit" "$photos" -o "$work/o/p.npy"
is "pixels header" "$(header "$work/o/p.npy")" "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 3, 9, 9), }"
expect "--pixels" 0 image -m "$vit" --pixels "$work/o/p.npy"; lines 4
sed 's/"file":"[^"]*",//' "$work/folder" | cmp -s - "$work/out"; verdict $? "other vectors than those of the files"
expect "hidden --pixels" 0 hidden -m "$vit" --pixels "$work/o/p.npy" --layer 0 -o "$work/o/h.npy"; keep x
is "its layer" "$(header "$work/o/h.npy")" "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 10, 15), }"
expect "pixels of another shape" 1 image -m "$vit" --pixels "$work/r.npy"; err_has '(n, 3, n, n)'
mkdir "$work/bare"; cp "$vit/preprocessor_config.json" "$work/bare"
expect "pixels need no weights" 0 pixels -m "$work/bare" "$photos" -o "$work/o/q.npy"
is "the same pixels" "$(cksum < "$work/o/q.npy")" "$(cksum < "$work/o/p.npy")"
expect "two inputs" 2 image -m "$vit" --pixels x "$red"; err_has '--pixels'

expect "similar images" 0 similar -m "$vit" "$photos"; out_has '4 images'; out_has 'a.pnm'; lines 7
expect "similar images --json" 0 similar -m "$vit" --json "$red" "$red"; out_has '"files":["'
expect "search images" 0 search -m "$vit" -f "$photos" --top 2 "$red"; lines 2; out_has "1.0000  $red"
expect "search images --json" 0 search -m "$vit" -f "$photos" --json --top 1 "$red"; out_has '"index":3,"file":"'
cp "$work/list" "$work/in"; expect "search a list of images" 0 search -m "$vit" "$red"; lines 4
echo "$work/broken.ppm" >> "$work/list"
expect "search with one unreadable" 1 search -m "$vit" -f "$work/list" "$red"; lines 4
expect "text of a model of images" 1 text -m "$vit" kola
expect "image of a model of texts" 1 image -m "$plain" "$red"
expect "info of images" 0 info -m "$vit"; out_has 'vit'; out_has 'image'

# ---- long texts, chunks, tables -------------------------------------------------------------------

long="a b c d e f g h i j k l m n o p q r s t u v w x y z a b c d e f g h i j k l m n o p q r s t u v w x y z"
expect "refused" 1 text -m "$plain" --long-texts refuse a "$long"; err_has 'argument 2: expected at most max_length = 24 tokens, found 54'
expect "cut" 0 text -m "$plain" "$long"; keep cut
expect "windows" 0 text -m "$plain" --long-texts windows --stride 4 "$long"; lines 1
cmp -s "$work/cut" "$work/out"; is "windows are another vector" $? 1
expect "a stride of nothing" 1 text -m "$plain" --stride 4 "$long"; err_has 'stride'

expect "sentences" 0 chunks -m "$plain" --dim 1 'Ko la. "Mi?" 3.7 e'; lines 3
out_has '"chunk":0,"start":0,"end":6,"text":"Ko la.","embedding":['; out_has '"text":"\"Mi?\""'; out_has '"start":13,"end":18,"text":"3.7 e"'
input 'a b\nc\n \t\nd. e\n\0f。g\0'; expect "paragraphs" 0 chunks -m "$plain" --null --chunks paragraph --dim 1; lines 3
out_has '"index":0,"chunk":0,"start":0,"end":5,"text":"a b\nc"'; out_has '"index":0,"chunk":1,"start":9,"end":13,"text":"d. e"'
input 'a b\nc\n\nd\0'; expect "lines" 0 chunks -m "$plain" --null --chunks line --dim 1; lines 3
expect "wide stops" 0 chunks -m "$plain" --dim 1 'a。b！c'; lines 3
expect "tokens of a chunk" 0 chunks -m "$plain" --chunks 2 --dim 1 'a b c d e'; lines 3; out_has '"start":4,"end":7,"text":"c d"'
expect "no chunks" 0 chunks -m "$plain" '' ' '; lines 0
expect "chunks of no kind" 2 chunks -m "$plain" --chunks word a; err_has '--chunks'
expect "a text too long for one pass" 1 chunks -m "$plain" --chunks 9 "$long"; err_has 'argument 1: expected at most max_length = 24'
expect "chunks in windows" 0 chunks -m "$plain" --chunks 9 --long-texts windows --stride 4 --dim 1 "$long"; lines 6
input '{"id":7,"body":"a. b."}\n'; expect "chunks of JSON" 0 chunks -m "$plain" --jsonl body --dim 1; lines 2; out_has '"id":7,"chunk":1,"start":3'

table() { name=$1; shift; printf "$@" > "$work/t.csv"; } # CSV...
table csv '\357\273\277work_class,"a, ""b""\nc",age\r\n private ,x,39\n\n"two\nlines",,"4"'
expect "a table" 0 table -m "$plain" --dim 1 "$work/t.csv"; lines 2
out_has '"prompt":"The work class is private. The a, \"b\"\nc is x. The age is 39.","embedding":['
out_has '"prompt":"The work class is two\nlines. The a, \"b\"\nc is . The age is 4."'
expect "the same as text" 0 text -m "$plain" --format npy 'The work class is private. The age is 39.'; keep one
expect "columns" 0 table -m "$plain" --columns work_class,age "$work/t.csv" -o "$work/t.npy"
is "its shape" "$(header "$work/t.npy")" "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 20), }"
is "its row" "$(tail -c 80 "$work/one" | cksum)" "$(tail -c 160 "$work/t.npy" | head -c 80 | cksum)"
expect "a label" 0 table -m "$plain" --columns age --label work_class --dim 1 "$work/t.csv"; out_has '" The classification label is  private . The age is 39."'
expect "all but the label" 0 table -m "$plain" --label age --dim 1 "$work/t.csv"; out_has 'is 39. The work class is private. The a, '
expect "no such column" 1 table -m "$plain" --columns work "$work/t.csv"; err_has 'no column "work"'
cp "$work/t.csv" "$work/in"; expect "a table on standard input" 0 table -m "$plain" -; lines 2
table tabs 'a\tb\n1\t2,"\n'; expect "a stray quote" 1 table -m "$plain" --delimiter tab "$work/t.csv"; err_has 'line 2: a quote in a field'
table ragged 'a,b\n"1\n",2\n3,4,5\n'; expect "a ragged row" 1 table -m "$plain" "$work/t.csv"; err_has 'line 4: expected 2 fields, as the header has, found 3'
table open 'a,b\n1,"2\n\n'; expect "no closing quote" 1 table -m "$plain" "$work/t.csv"; err_has 'line 2: a quoted field that begins here has no end'
table after 'a,b\n"1"x,2\n'; expect "more after a quote" 1 table -m "$plain" "$work/t.csv"; err_has 'line 2: expected a delimiter'
table twice 'a,b,a\n1,2,3\n'; expect "a column twice" 1 table -m "$plain" "$work/t.csv"; err_has 'line 1: column "a" twice'
table nameless 'a,\n1,2\n'; expect "a column without name" 1 table -m "$plain" "$work/t.csv"; err_has 'column 2 has no name'
table empty ''; expect "an empty file" 1 table -m "$plain" "$work/t.csv"; err_has 'expected a header'
table head 'a,b\n'; expect "a header alone" 0 table -m "$plain" "$work/t.csv"; lines 0
expect "a delimiter of two" 2 table -m "$plain" --delimiter ab "$work/t.csv"; err_has '--delimiter'
expect "no table" 2 table -m "$plain"; err_has 'expected one table'

# ---- maps (map.sh opens them in a browser) --------------------------------------------------------

points() { grep -c "^<g class='p'" "$1"; }
input 'ko la\n</script>\nmi "&'"'"'<>\n'; expect "a map of texts" 0 map -m "$plain" -o "$work/o/m.html"
is "its points" "$(points "$work/o/m.html")" 3
grep -qF "dir='auto'>mi &quot;&amp;&#39;&lt;&gt;</li>" "$work/o/m.html"; verdict $? "texts are not escaped"
is "one script" "$(grep -c '</script>' "$work/o/m.html")" 1
is "nothing from elsewhere" "$(grep -c '://' "$work/o/m.html")" 0
expect "a map to a pipe" 0 map -m "$plain" --title 'a < b' ko la; out_has '<title>a &lt; b</title>'; out_has 'explain 100.0&nbsp;%'; keep page
expect "the same again" 0 map -m "$plain" --title 'a < b' ko la; same page
expect "a map of nothing" 1 map -m "$plain" -o "$work/o/none.html"; err_has 'no texts'
expect "a map of images" 1 map -m "$vit" "$photos" "$work/broken.ppm" -o "$work/o/m.html"
is "its pictures" "$(points "$work/o/m.html"),$(grep -c "href='data:image/jpeg;base64,/9j" "$work/o/m.html")" 4,4

# ---- single-file models ---------------------------------------------------------------------------

small() { "$embed" text -m "$1" kola 'ma la' > "$work/vectors"; }
one=$work/o/one.embed
expect "convert" 0 convert -m "$sentence" -o "$one"; out_has 'golden'; out_has '4 inputs'; lines 4
expect "info of a single file" 0 info "$one"; out_has 'golden'; out_has 'libembed 0.'; out_has 'f32'
expect "info as JSON" 0 info -m "$one" --json; out_has '"file":{"format":2,"bytes":'
small "$sentence"; cp "$work/vectors" "$work/keep.x"; small "$one"
cmp -s "$work/vectors" "$work/keep.x"; verdict $? "other vectors than those of the directory"
expect "verify" 0 verify "$one"; out_has 'c        4 of 4 vectors have the same bits'
expect "verify one set" 0 verify -m "$one" --isa c; lines 1
expect "convert over a file" 1 convert -m "$sentence" -o "$one"; err_has 'is there already; --force replaces it'
cp "$one" "$work/before"
expect "convert over a file by force" 0 convert -m "$sentence" -o "$one" --force
cmp -s "$one" "$work/before"; verdict $? "other bytes the second time"
expect "convert a single file" 0 convert -m "$one" -o "$work/o/again.embed"
cmp -s "$one" "$work/o/again.embed"; verdict $? "other bytes from the file"
for dtype in f16 bf16 int8; do
    expect "convert to $dtype" 0 convert -m "$sentence" -o "$work/o/$dtype.embed" --dtype $dtype; out_has 'cosine to f32     smallest '
    expect "verify $dtype" 0 verify "$work/o/$dtype.embed"
    expect "vectors of the directory in $dtype" 0 text -m "$sentence" --weights $dtype kola 'ma la'; keep x
    expect "vectors of the file in $dtype" 0 text -m "$work/o/$dtype.embed" kola 'ma la'; same x
done
printf 'kola\nma la\n' > "$work/sample"
expect "convert with a sample" 0 convert -m "$sentence" -o "$one" --force --dtype int8 --sample "$work/sample"; out_has 'of 2 texts'
printf '%s\n' "$red" > "$work/one"
expect "convert a model of images" 0 convert -m "$vit" -o "$work/o/vit.embed" --dtype bf16; out_has 'of 4 images built in'
expect "a sample of images" 0 convert -m "$vit" -o "$work/o/vit.embed" --dtype bf16 --force --sample "$work/one"; out_has 'of 1 images'
expect "image of a single file" 0 image -m "$work/o/vit.embed" "$red"; lines 1
mkdir "$work/m"
far=$models/gte-new
least() { sed -n 's/^cosine to f32 *smallest \([0-9.]*\),.*/\1/p' "$work/out"; }
kept() { sed -n 's/^keep-float *//p' "$work/out"; }
least_kept() { is "$1" "$(least | awk '{ print ($1 >= '"$2"') }')" 1; } # NAME COSINE
same_file() { cmp -s "$work/m/kept" "$work/m/$1"; verdict $? "other bytes in $1"; }
expect "an int8 file that is far off" 0 convert -m "$far" -o "$work/m/far" --dtype int8
out_has 'below 0.999       7 of them: --min-cosine 0.999 '; lines 6
expect "products kept until it is not" 0 convert -m "$far" -o "$work/m/kept" --dtype int8 --min-cosine 0.999; lines 6
least_kept "near enough" 0.999; names=$(kept)
expect "the same by name" 0 convert -m "$far" -o "$work/m/named" --dtype int8 --keep-float "$names"; same_file named
expect "the same in another way" 0 convert -m "$far" -o "$work/m/other" --dtype int8 --min-cosine 0.999 --isa c --threads 1
same_file other
expect "few are kept where few are enough" 0 convert -m "$plain" -o "$work/m/few" --dtype int8 --min-cosine 0.9999
least_kept "near enough with few" 0.9999
is "which few" "$(kept | sed 's/bert.encoder.layer.//g')" "0.intermediate.dense,1.intermediate.dense"
expect "none where none is needed" 0 convert -m "$plain" -o "$work/m/none" --dtype int8 --min-cosine 0.999; is "none" "$(kept)" none
expect "with those that are named" 0 convert -m "$plain" -o "$work/m/both" --dtype int8 --min-cosine 0.9999 --keep-float 1.output.dense
least_kept "near enough with those" 0.9999
case $(kept) in 1.output.dense,bert.*) verdict 0 ;; *) verdict 1 "kept $(kept)" ;; esac
expect "as near as can be" 0 convert -m "$vit" -o "$work/m/exact" --dtype int8 --min-cosine 1; least_kept "exact" 1
before_it=$(files m)
expect "nearer than can be" 1 convert -m "$plain" -o "$work/m/x" --dtype int8 --min-cosine 1; lines 0
err_has '--min-cosine 1: the best reached is 0.99999996886'; is "no file of it" "$(files m)" "$before_it"
expect "over a file by force" 1 convert -m "$plain" -o "$work/m/kept" --force --dtype int8 --min-cosine 1; same_file named
refused() { expect "--min-cosine $*" 2 convert -m "$plain" -o "$work/m/x" --min-cosine "$@"; err_has 'min-cosine'; }
refused 0.999; err_has 'goes with --dtype int8'
refused 0.999 --dtype f16; err_has 'goes with --dtype int8'
for x in 0 1.001 -0.5 nan 0.9x ''; do refused "$x" --dtype int8; err_has "above 0 and at most 1, found \"$x\""; done
expect "convert to nothing" 2 convert -m "$sentence"; err_has 'give its name with -o FILE'
expect "convert to a pipe" 2 convert -m "$sentence" -o -
expect "convert to a folder" 1 convert -m "$sentence" -o "$work/o" --force; err_has 'is a directory'
expect "convert into no folder" 1 convert -m "$sentence" -o "$work/none/x.embed"; err_has 'cannot create'
expect "convert what is not there" 1 convert -m "$work/none" -o "$work/o/x.embed"
expect "no such dtype" 2 convert -m "$sentence" -o "$work/o/x.embed" --dtype f8
expect "verify a directory" 1 verify "$sentence"; err_has 'no golden inputs'
expect "other weights than the file's" 1 text -m "$one" --weights f16 x; err_has 'weights: expected int8, which is what the file was converted to, found f16'
head -c 20000 "$work/before" > "$work/cut.embed"; expect "a file cut short" 1 verify "$work/cut.embed"; err_has 'cut short'
mkdir "$work/full"
( ulimit -f 8; "$embed" convert -m "$sentence" -o "$work/full/x.embed" > "$work/out" 2> "$work/err" ); status=$?
is "no room for the file" "$status,$(grep -c 'cannot write' "$work/err"),$(find "$work/full" -type f | wc -l | tr -d ' ')" "1,1,0"
readonly=$work/full
[ "$(id -u)" -ne 0 ] || readonly=/proc # where root cannot write either
[ ! -d $readonly ] || {
    chmod a-w "$work/full"
    expect "a folder that is read-only" 1 convert -m "$sentence" -o "$readonly/x.embed"; err_has "$readonly/x.embed: cannot create"
}

# Stopped at any moment there is the old file, or the whole new one, and nothing beside it.
stopped_after() # SIGNAL STATUS SECONDS
{
    echo old > "$work/k/x.embed"
    timeout --preserve-status -s "$1" "$3" "$embed" convert -m "$sentence" -o "$work/k/x.embed" --force \
        > "$work/out" 2> "$work/err"
    status=$?
    name="convert, $1 after $3 s"
    [ $status -eq 0 ] || [ $status -eq "$2" ]
    verdict $? "exit status $status"
    echo old | cmp -s - "$work/k/x.embed" || cmp -s "$work/before" "$work/k/x.embed"
    verdict $? "neither the old file nor the new one"
    is "$name" "$(files k)" 'x.embed '
}
mkdir "$work/k"
if timeout --preserve-status -s INT 9 true > /dev/null 2>&1; then
    for time in 01 02 03 04 05 06 07 08 09 10 11 12 14 16 18 20 25 30 40 60; do
        stopped_after INT 130 0.0$time
        stopped_after TERM 143 0.0$time
    done
else
    echo "skipped: signals while converting, no timeout of GNU"
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
