#!/bin/sh
# Who may include whom. Prints every line that breaks a rule below and exits 1 if there is one. The map,
# lib/README.md, names every file.
set -u
cd "$(dirname "$0")/.." || exit 1

# Layers point one way. A file may include its own layer and those named beside it. api is every file
# that lies directly in lib/.
layers='
base
kernels   base
format    base
text      base format/json.h
image     base format/json.h kernels
gemm      base kernels
image     base kernels format/json.h
nn        base kernels gemm
models    base kernels format gemm nn
encoder   base kernels format gemm nn models
api       base kernels format text gemm image nn models encoder
'

# Of the C library, everyone may include these. Any other header has its places.
standard='float inttypes limits math stdarg stdatomic stdbool stddef stdint stdio stdlib string'
elsewhere='
cJSON.h       lib/format/json
cblas.h       lib/gemm/blas
dlfcn.h       lib/gemm/blas
immintrin.h   lib/kernels/ lib/base/
arm_neon.h    lib/kernels/
stb_image.h   lib/image/stb
jpeglib.h     lib/image/decode_jpeg.c
jerror.h      lib/image/decode_jpeg.c
setjmp.h      lib/image/decode_jpeg.c
other         lib/base/
'

# Conditional compilation (other than include guards and __cplusplus) lives here alone.
conditional='lib/base/ lib/gemm/ lib/kernels/'

# Tools and examples stand outside: of ours they see include/embed.h, and files beside themselves.

files=$(find lib tools examples -name '*.c' -o -name '*.h' | sort)
[ -n "$files" ] || { echo "check-layers: no sources found"; exit 1; }
failed=0
for file in $(find lib -name '*.c' -o -name '*.h' | sort); do
    grep -qF "\`${file##*/}\`" lib/README.md || { echo "$file: not in lib/README.md"; failed=1; }
done
awk -v layers="$layers" -v elsewhere="$elsewhere" -v standard="$standard" -v conditional="$conditional" '
function bad(why) { print FILENAME ":" FNR ": " $0 "    <- " why; failed = 1 }

function starts_with_one_of(path, prefixes,    part, n, i) {
    n = split(prefixes, part, " ")
    for (i = 1; i <= n; i++) if (index(path, part[i]) == 1) return 1
    return 0
}

function layer_of(path) {
    if (path !~ /^lib\//) return "user"
    sub(/^lib\//, "", path)
    if (path ~ /\//) { sub(/\/.*/, "", path); return path }
    return "api"
}

function resolved(path) { # relative to the including file, without "x/.."
    path = folder path
    while (sub(/[^\/.]+\/\.\.\//, "", path)) ;
    return path
}

function check_own(path,    layer, rest) { # #include "path"
    if (path == "embed.h" && mine == "user") return
    path = resolved(path)
    if (path == "include/embed.h") return
    if (mine == "user") {
        if (index(path, folder) != 1) bad("tools and examples include embed.h alone")
        return
    }
    if (path !~ /^lib\//) { bad("outside lib/"); return }
    layer = layer_of(path)
    rest = path
    sub(/^lib\//, "", rest)
    if (layer != mine && index(allowed[mine], " " layer " ") == 0 &&
        index(allowed[mine], " " rest " ") == 0) bad(mine " may not include " layer)
}

function check_system(header) { # #include <header>
    sub(/^cjson\//, "", header)
    if (header in is_standard || mine == "user") return
    if (!starts_with_one_of(FILENAME, header in places ? places[header] : places["other"]))
        bad("only " (header in places ? places[header] : places["other"]) " may include <" header ">")
}

BEGIN {
    n = split(layers, line, "\n")
    for (i = 1; i <= n; i++) {
        split(line[i], word, " ")
        allowed[word[1]] = " " substr(line[i], length(word[1]) + 1) " "
    }
    n = split(elsewhere, line, "\n")
    for (i = 1; i <= n; i++) {
        split(line[i], word, " ")
        where = substr(line[i], length(word[1]) + 1)
        sub(/^ +/, "", where)
        places[word[1]] = where
    }
    n = split(standard, word, " ")
    for (i = 1; i <= n; i++) is_standard[word[i] ".h"]
}
FNR == 1 {
    folder = FILENAME
    sub(/[^\/]*$/, "", folder)
    mine = layer_of(FILENAME)
    guard = ""
    if (mine != "user" && !(mine in allowed)) bad("a folder without a layer")
}
guard != "" && FNR == guard_line + 1 && $0 !~ "^#define " guard "$" { bad("not an include guard") }
/^[ \t]*#[ \t]*include[ \t]*"/ { split($0, part, "\""); check_own(part[2]); next }
/^[ \t]*#[ \t]*include[ \t]*</ { split($0, part, /[<>]/); check_system(part[2]); next }
/^[ \t]*#[ \t]*(if|ifdef|ifndef|elif)/ && mine != "user" {
    if (starts_with_one_of(FILENAME, conditional) || /__cplusplus/) next
    if (FILENAME ~ /\.h$/ && /^#ifndef EMB_[A-Z0-9_]*_H$/ && guard == "") {
        guard = $2
        guard_line = FNR
        next
    }
    bad("conditional compilation outside " conditional)
}
END { exit failed }
' $files && exit $failed
exit 1
