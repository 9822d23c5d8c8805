#!/bin/sh
# Installs what a build, the tests and the demo need and this machine lacks. With nothing missing it
# returns at once, silently, and touches neither network nor package manager.
#
#   tools/install-deps.sh [NEED...]           install what is missing
#   tools/install-deps.sh --check [NEED...]   only say what is missing; exit 1 if anything is
#
# NEED is a name of the first column; none given means those above the line. What the tests can do without
# (codespell) comes along where something is installed for them, if it can.
set -u

table() {
    cat <<'TABLE'
need        apt-get               dnf                 apk           brew
compiler    gcc,libc6-dev         gcc                 gcc,musl-dev  gcc
make        make                  make                make          make
pkg-config  pkg-config            pkgconf-pkg-config  pkgconf       pkgconf
openblas    libopenblas-dev       openblas-devel      openblas-dev  openblas
cjson       libcjson-dev          cjson-devel         cjson-dev     cjson
utf8proc    libutf8proc-dev       utf8proc-devel      utf8proc-dev  utf8proc
stb         libstb-dev            stb_image-devel,stb_image_write-devel stb stb
jpeg        libjpeg-dev           libjpeg-turbo-devel libjpeg-turbo-dev jpeg-turbo
cmocka      libcmocka-dev         libcmocka-devel     cmocka-dev    cmocka
----
curl        curl,ca-certificates  curl                curl          curl
pip         python3-pip           python3-pip         py3-pip       python
codespell   codespell             codespell           codespell     codespell
cross-aarch64 gcc-aarch64-linux-gnu,libc6-dev-arm64-cross,qemu-user-static - - -
TABLE
}

works() { "$@" >/dev/null 2>&1; }
module() { works "${PKG_CONFIG:-pkg-config}" --exists "$1"; }

have() {
    case $1 in
    compiler) echo 'int main(void) { return 0; }' | works ${CC:-cc} -x c - -o /dev/null ;;
    make) works command -v make || works command -v gmake ;;
    pkg-config) works command -v "${PKG_CONFIG:-pkg-config}" ;;
    openblas) [ "${BLAS:-}" = none ] || module openblas || [ -d "$keg" ] ||
        echo '#include <cblas.h>' | works ${CC:-cc} -x c -E - ;;
    cjson) module libcjson ;;
    stb) module stb || [ -f /usr/include/stb/stb_image.h ] ;;
    jpeg) [ "${JPEG:-}" = stb ] || module libjpeg ;;
    utf8proc) module libutf8proc ;;
    cmocka) module cmocka ;;
    curl | codespell) works command -v $1 ;;
    pip) works python3 -m pip --version ;;
    cross-aarch64)
        works command -v aarch64-linux-gnu-gcc &&
            { works command -v qemu-aarch64-static || works command -v qemu-aarch64; } ;;
    esac
}

missing() {
    for need in $needs; do
        have "$need" || printf '%s ' "$need"
    done
}

packages() { # of manager $1 for the needs in $2
    table | awk -v manager="$1" -v missing="$2" '
        NR == 1 { for (i = 2; i <= NF; i++) if ($i == manager) column = i }
        (" " missing " ") ~ (" " $1 " ") { gsub(",", " ", $column); printf " %s", $column }'
}

check='' extra=''
[ "${1:-}" = --check ] && check=yes && shift
[ $# -gt 0 ] || have codespell || extra=codespell
needs=${*:-$(table | awk 'NR > 1 { if ($1 == "----") exit; print $1 }')}
keg=$(command -v brew >/dev/null 2>&1 && brew --prefix openblas 2>/dev/null || echo /nonexistent)

for need in $needs; do
    table | grep -q "^$need " || { echo "install-deps: no such need: $need" >&2; exit 2; }
done
missing=$(missing)
[ -z "$missing" ] && exit 0

manager=
for m in apt-get dnf apk brew; do
    works command -v $m && manager=$m && break
done
case $manager in
apt-get) install="apt-get install -y --no-install-recommends" ;;
dnf) install="dnf install -y" ;;
apk) install="apk add" ;;
brew) install="brew install" ;;
*)
    echo "missing: ${missing% }. No package manager known here: please install them by hand."
    exit 1
    ;;
esac
packages=$(packages $manager "$missing")
case "$packages " in *" - "*)
    echo "missing: ${missing% }. $manager has no package for it: please install it by hand."
    exit 1 ;;
esac

root= # how to become root: nothing, sudo, or not possible
if [ $manager != brew ] && [ "$(id -u)" -ne 0 ]; then
    root="sudo -n"
    works sudo -n true || check=yes
fi
if [ -n "$check" ]; then
    echo "missing: ${missing% }. This installs what is missing:"
    echo "  ${root:+sudo }$install$packages"
    exit 1
fi

echo "installing with $manager:$packages"
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
{
    if [ $manager = apt-get ]; then
        install="env DEBIAN_FRONTEND=noninteractive $install -o DPkg::Lock::Timeout=300"
        $root apt-get update
    fi
    $root $install$packages
} </dev/null >"$log" 2>&1
status=$?
missing=$(missing)
if [ $status -eq 0 ] && [ -z "$missing" ]; then
    [ -z "$extra" ] || $root $install$(packages $manager "$extra") </dev/null >/dev/null 2>&1 || :
    exit 0
fi

tail -n 20 "$log"
if [ $status -eq 0 ]; then
    echo "install-deps: installed, but still not found: $missing"
else
    echo "install-deps: failed: $root $install$packages"
fi
exit 1
