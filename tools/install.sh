#!/bin/sh
# What `make install` installs, and `make uninstall` removes: one list for both. The Makefile names the
# folders (PREFIX, LIBDIR...), BUILD, VERSION, SO, SO_LINKS, COMMAND, and LIBS, what the archive needs.
#
#   tools/install.sh install|uninstall
set -eu
cd "$(dirname "$0")/.."

case $SO in
*.dll) sodir=$BINDIR implib=libembed.dll.a ;; # found beside programs
*) sodir=$LIBDIR implib= ;;
esac

files() { # MODE SOURCE DESTINATION; what ends in .in is filled in; "link" makes a symbolic link
    cat <<LIST
644 include/embed.h $INCLUDEDIR/libembed/embed.h
644 include/embed.hpp $INCLUDEDIR/libembed/embed.hpp
644 $BUILD/libembed.a $LIBDIR/libembed.a
755 $BUILD/$SO $sodir/$SO
$([ -z "$implib" ] || echo "644 $BUILD/$implib $LIBDIR/$implib")
$(for link in $SO_LINKS; do echo "link $SO $LIBDIR/$link"; done)
644 pkgconfig/libembed.pc.in $PKGCONFIGDIR/libembed.pc
644 cmake/libembed-config.cmake.in $CMAKEDIR/libembed-config.cmake
644 cmake/libembed-config-version.cmake.in $CMAKEDIR/libembed-config-version.cmake
755 $COMMAND $BINDIR/$(basename "$COMMAND")
644 docs/man/embed.1 $MANDIR/man1/embed.1
644 docs/man/libembed.3 $MANDIR/man3/libembed.3
644 tools/completion/embed.bash $BASHCOMPDIR/embed
644 tools/completion/embed.zsh $ZSHCOMPDIR/_embed
644 tools/completion/embed.fish $FISHCOMPDIR/embed.fish
LIST
}
ours="$INCLUDEDIR/libembed $CMAKEDIR" # folders that nobody else writes to

below() { # FOLDER: by way of the variable that is called $prefix, if it lies below PREFIX
    case $prefix,$1 in
    ?*,"$PREFIX"/*) printf '${%s}%s' $prefix "${1#"$PREFIX"}" ;;
    *) printf %s "$1" ;;
    esac
}

fill() { # TEMPLATE DESTINATION: pkg-config and CMake have their own ways to write the same
    case $1 in
    cmake/*)
        prefix=_libembed_prefix
        libs=$(echo $LIBS | tr ' ' ';')
        case $CMAKEDIR in
        "$PREFIX"/*) up=$(echo "${CMAKEDIR#"$PREFIX"/}" | sed 's|[^/][^/]*|..|g') ;;
        *) up=. prefix= ;;
        esac
        ;;
    *) prefix=prefix libs=$LIBS up= ;;
    esac
    sed -e "s|@PREFIX@|$PREFIX|" -e "s|@LIBDIR@|$(below "$LIBDIR")|" -e "s|@UP@|$up|" \
        -e "s|@INCLUDEDIR@|$(below "$INCLUDEDIR")|g" -e "s|@LIBS@|$libs|" -e "s|@SO@|$SO|" \
        -e "s|@SODIR@|$(below "$sodir")|" -e "s|@IMPLIB@|$implib|" \
        -e "s|@VERSION@|$VERSION|" -e "s|@POINTER_SIZE@|$pointer|" "$1" >"$2"
}

put() { # MODE SOURCE DESTINATION
    echo "  $3"
    mkdir -p "$(dirname "$3")"
    case $1,$2 in
    link,*) ln -sf "$2" "$3" ;;
    *.in) fill "$2" "$3" && chmod "$1" "$3" ;;
    *) ${INSTALL:-install} -m "$1" "$2" "$3" ;;
    esac
}

case ${1:-} in
install)
    pointer=$(echo __SIZEOF_POINTER__ | ${CC:-cc} -E -P -x c -)
    files | grep . | while read -r mode source to; do put "$mode" "$source" "$DESTDIR$to"; done
    ;;
uninstall)
    files | grep . | while read -r mode source to; do rm -f "$DESTDIR$to"; done
    for folder in $ours; do rmdir "$DESTDIR$folder" 2>/dev/null || true; done
    ;;
*) echo "usage: tools/install.sh install|uninstall" >&2; exit 2 ;;
esac
