#!/bin/sh
# What the pages name is there: links and #anchors, files of the repository in backticks, subcommands and options
# of the command, targets of make, functions and numbers of embed.h. The block after a line "From [file](file):"
# stands in that file; "..." in it leaves something out, and indentation does not count. docs/README.md names
# every page. Spelling, of the sources too, by codespell, where it is installed.
#
#   tools/check-docs.sh EMBED
set -u
cd "$(dirname "$0")/.." || exit 1
[ $# -eq 1 ] || { echo "usage: tools/check-docs.sh EMBED" >&2; exit 2; }
embed=$1
pages=$(ls ./*.md docs/*.md lib/*.md python/*.md | sed 's,^\./,,')
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT

"$embed" completion | cut -f 1 >"$folder/commands" || exit 1
while read -r command; do
    "$embed" completion "$command" | cut -f 1 | tr ' ' '\n' | sed "s/^/$command /"
done <"$folder/commands" >"$folder/options"
grep -oE '^[a-z-]+:' Makefile | tr -d : >"$folder/targets"
{
    grep -hoE '\b(embed|EMBED)_[A-Za-z0-9_]+' include/embed.h include/embed.hpp lib/libembed.map
    sed -n 's/^ *X(\([A-Z0-9]*\),.*/EMBED_\1/p' include/embed.h
} | sort -u >"$folder/names"

# Prints "PAGE:LINE<tab>FILE" of each file that is named, for the shell; faults go to standard error.
awk -v folder="$folder" '
function bad(why) { print "check-docs: " FILENAME ":" FNR ": " why >"/dev/stderr"; failed = 1 }

function trimmed(text) { gsub(/^[ \t]+|[ \t\r]+$/, "", text); return text }

function anchor(heading) {
    sub(/^#+ +/, "", heading)
    gsub(/\]\([^)]*\)/, "", heading)
    heading = tolower(heading)
    gsub(/[^a-z0-9 _-]/, "", heading)
    gsub(/ /, "-", heading)
    return heading
}

function path_of(link) { # from the root
    link = FILENAME ~ /\// ? substr(FILENAME, 1, match(FILENAME, /[^\/]*$/) - 1) link : link
    while (sub(/[^\/.]+\/\.\.\//, "", link)) ;
    return link
}

function check_link(target,    part) {
    if (target ~ /^[a-z]+:/) return
    split(target, part, "#")
    part[1] = part[1] == "" ? FILENAME : path_of(part[1])
    print FILENAME ":" FNR "\t" part[1]
    if (FILENAME == "docs/README.md") indexed[part[1]] = 1
    if (part[2] != "" && part[1] ~ /\.md$/ && !((part[1] "#" part[2]) in anchors))
        bad("no such heading: " target)
}

function check_links(line) {
    while (match(line, /\]\([^) ]+\)/)) {
        check_link(substr(line, RSTART + 2, RLENGTH - 3))
        line = substr(line, RSTART + RLENGTH)
    }
}

function check_names(line,    name) {
    while (match(line, /(embed|EMBED)_[A-Za-z0-9_]+/)) {
        name = substr(line, RSTART, RLENGTH)
        if (RSTART > 1 && substr(line, RSTART - 1, 1) ~ /[A-Za-z0-9_]/) name = ""
        line = substr(line, RSTART + RLENGTH)
        if (name ~ /_$/ && (line ~ /^(\*|\.\.\.|<|`)/)) { # a family of names
            if (!(name in prefixes)) bad("nothing in embed.h begins with " name)
        } else if (name != "" && !(name in names)) bad("not in embed.h: " name)
    }
}

# "embed SUBCOMMAND ..." anywhere in code, up to the end of the command.
function check_command(code,    n, word, i) {
    gsub(/\\"/, "", code)
    gsub(/"[^"]*"/, "TEXT", code)
    sub(/ #.*/, "", code)
    if (!match(code, /(^|[ $(\/|])embed [a-z]/)) return
    code = substr(code, RSTART + RLENGTH - 1)
    sub(/ [|;&].*/, "", code)
    n = split(code, word, /[ ,=)]+/)
    if (!(word[1] in commands)) {
        bad("no subcommand " word[1])
        return
    }
    for (i = 2; i <= n; i++)
        if (word[i] ~ /^--?[a-z]/ && !((word[1] " " word[i]) in options))
            bad("embed " word[1] " has no option " word[i])
}

function check_make(code,    n, word, i) {
    sub(/ #.*/, "", code)
    sub(/   .*/, "", code)
    if (code !~ /^make( [A-Za-z\/-]+(=[^ ]*)?)*$/) return
    n = split(code, word, " ")
    for (i = 2; i <= n; i++)
        if (word[i] ~ /^[a-z-]+$/ && word[i] !~ /^-/ && !(word[i] in targets)) bad("make has no target " word[i])
}

function check_code(code,    word, n) {
    check_command(code)
    check_make(code)
    n = split(code, word, /[ ,=]+/)
    if (code ~ /^--[a-z]/ && !(word[1] in any_option)) bad("no subcommand has an option " word[1])
    if (n == 1 && code ~ /^(lib|tools|tests|docs|examples|include|python)\/[^<]*$/)
        print FILENAME ":" FNR "\t" code
}

function check_quote(    n, line, at, i, k, text) { # block[1..lines] against the file quoted
    n = at = 0
    while ((getline text <quoted) > 0) line[++n] = trimmed(text)
    close(quoted)
    for (i = 1; i <= lines; i++) {
        if (block[i] == "...") continue
        if (i == 1 || block[i - 1] == "...") { # from here on, somewhere further down
            for (k = at + 1; k <= n && !follows(line, k, n, i); k++) ;
            at = k - 1
        }
        if (line[++at] != block[i] || at > n) {
            bad("not so in " quoted ": " block[i])
            return
        }
    }
}

function follows(line, k, n, i) { # the lines up to the next "..."
    for (; i <= lines && block[i] != "..."; i++) if (k > n || line[k++] != block[i]) return 0
    return 1
}

BEGIN {
    while ((getline name <(folder "/names")) > 0) {
        names[name] = 1
        for (i = length(name); i > 6; i--) if (substr(name, i, 1) == "_") prefixes[substr(name, 1, i)] = 1
    }
    while ((getline name <(folder "/commands")) > 0) commands[name] = 1
    while ((getline name <(folder "/targets")) > 0) targets[name] = 1
    while ((getline name <(folder "/options")) > 0) {
        options[name] = 1
        sub(/^[^ ]* /, "", name)
        any_option[name] = 1
    }
    any_option["--help"] = any_option["--version"] = 1
    for (i = 1; i < ARGC; i++) { # headings of all pages first: links lead forward too
        fence = 0
        while ((getline name <ARGV[i]) > 0) {
            if (name ~ /^```/) fence = !fence
            if (!fence && name ~ /^#+ /) {
                name = ARGV[i] "#" anchor(name)
                anchors[name in anchors ? name "-" ++again[name] : name] = 1
            }
        }
        close(ARGV[i])
    }
}
FNR == 1 { fence = code = 0; quoted = "" }
{ check_names($0) }
/^ *```/ {
    fence = !fence
    if (fence) lines = 0
    else if (quoted != "") {
        check_quote()
        quoted = ""
    }
    next
}
fence { block[++lines] = trimmed($0); check_command(block[lines]); next }
/^    [^ ]/ { check_command(trimmed($0)); check_make(trimmed($0)); next }
/^ *$/ { code = 0; next }
{
    plain = ""
    n = split($0, part, "`")
    for (i = 1; i <= n; i++) {
        if (i > 1) code = !code
        if (code) check_code(part[i]); else plain = plain part[i]
    }
    check_links(plain)
    if ($0 ~ /^From \[.*\]\(.*\):$/) {
        quoted = $0
        sub(/.*\(/, "", quoted)
        quoted = path_of(substr(quoted, 1, length(quoted) - 2))
    } else quoted = ""
}
END {
    FILENAME = "docs/README.md"
    FNR = 1
    for (i = 1; i < ARGC; i++)
        if (ARGV[i] ~ /^docs\// && ARGV[i] != FILENAME && !(ARGV[i] in indexed)) bad("does not name " ARGV[i])
    exit failed
}' $pages >"$folder/files"
failed=$?

while IFS='	' read -r where file; do
    for found in $file; do
        [ -e "$found" ] || { echo "check-docs: $where: no such file: $found"; failed=1; }
    done
done <"$folder/files"

if command -v codespell >/dev/null 2>&1; then
    codespell -L nd,paeth,whats $pages Makefile docs/man include examples lib tools python/libembed || failed=1
else
    spelling="skipped: spelling, no codespell"
fi
[ $failed -eq 0 ] || exit 1
echo "check-docs: $(echo "$pages" | wc -l) pages, $(wc -l <"$folder/files") files and links"
[ -z "${spelling-}" ] || echo "$spelling"
