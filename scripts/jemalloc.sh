#!/usr/bin/env bash
# Builds jemalloc as zmem uses it (prefix je_, static only: docs/design.md) and installs its header,
# libjemalloc.a and jemalloc.pc into PREFIX (default /usr/local). Does nothing where that is done.
# JEMALLOC_TARBALL names a source archive, for a machine that can fetch none.
set -euo pipefail

version=5.3.0
sha256=2db82d1e7119df3e71b7640219b6dfe84789bc0537983c3b7ac4f7189aecfeaa
malloc_conf=background_thread:true,metadata_thp:auto
archive=jemalloc-$version.tar.bz2
upstream=https://github.com/jemalloc/jemalloc/releases/download/$version/$archive

prefix=${PREFIX:-/usr/local}
cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/zmem
CC=${CC:-cc}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/debian.sh
. "$here/debian.sh"

say() { echo "jemalloc.sh: $*"; }
die() {
    say "$*" >&2
    exit 1
}

installed() {
    local header=$prefix/include/jemalloc/jemalloc.h lib=$prefix/lib/libjemalloc.a
    [ -r "$lib" ] && [ -r "$header" ] &&
        grep -q "^#define JEMALLOC_VERSION \"$version-" "$header" &&
        grep -q '^# *define je_malloc je_malloc$' "$header" &&
        grep -aq "$malloc_conf" "$lib"
}

# Names all that is missing at once, before anything is fetched.
check_machine() {
    local missing=() tool dir=$prefix
    for tool in make bzip2 tar; do
        command -v "$tool" >/dev/null || missing+=("$tool")
    done
    # shellcheck disable=SC2086  # CC may carry arguments
    printf '#include <stdlib.h>\nint main(void) { return 0; }\n' |
        $CC -x c -o "$work/probe" - 2>/dev/null || missing+=("a working C compiler ($CC)")
    if [ ${#missing[@]} -gt 0 ]; then
        die "missing: $(printf '%s, ' "${missing[@]}" | sed 's/, $//')"
    fi
    while [ ! -e "$dir" ]; do dir=$(dirname "$dir"); done
    for dir in "$dir" "$prefix/include" "$prefix/lib"; do
        if [ -e "$dir" ] && [ ! -w "$dir" ]; then
            die "cannot write to $dir: use sudo, or choose another place with PREFIX=..."
        fi
    done
}

# verify FILE: nothing but the checksum makes an archive good, wherever it comes from.
verify() {
    local actual
    actual=$({ sha256sum "$1" 2>/dev/null || shasum -a 256 "$1"; } | cut -d ' ' -f 1)
    [ "$actual" = "$sha256" ] || die "$1: wrong SHA-256: expected $sha256, actual $actual"
}

# fetch_debian FILE: Debian's source package holds the upstream archive byte for byte.
fetch_debian() {
    local uri suite dir=$work/apt versions match
    is_debian || return 1
    while read -r uri suite; do
        rm -rf "$dir"
        debian_private "$dir" deb-src "$uri" "$suite" || continue
        versions=$(apt-cache -c "$dir/apt.conf" showsrc jemalloc 2>/dev/null |
            sed -n 's/^Version: //p')
        match=$(grep -m 1 "^$version-" <<<"$versions") || {
            say "$uri $suite has no source of jemalloc $version (found: ${versions:-none})"
            continue
        }
        say "fetching the source package jemalloc $match from $uri $suite"
        (cd "$dir" && apt-get -qq -c apt.conf source --download-only --tar-only "jemalloc=$match") \
            >"$dir/source.log" 2>&1 || continue
        mv "$dir/jemalloc_$version.orig.tar.bz2" "$1" && return
    done < <(debian_archives)
    return 1
}

fetch_upstream() {
    say "fetching $upstream"
    if command -v curl >/dev/null; then
        curl -fsSL --retry 2 --connect-timeout 20 -o "$1" "$upstream"
    elif command -v wget >/dev/null; then
        wget -q --tries=3 --timeout=20 -O "$1" "$upstream"
    else
        return 1
    fi
}

# Sets `tarball` to an archive that is verified.
find_tarball() {
    tarball=${JEMALLOC_TARBALL:-$cache/$archive}
    if [ -n "${JEMALLOC_TARBALL:-}" ] || [ -e "$tarball" ]; then
        [ -f "$tarball" ] || die "$tarball: no such file (JEMALLOC_TARBALL)"
        [ -r "$tarball" ] || die "$tarball: not readable"
        verify "$tarball"
        return
    fi
    tarball=$work/$archive
    fetch_debian "$tarball" || fetch_upstream "$tarball" ||
        die "cannot fetch $archive: get $upstream by hand and name it in JEMALLOC_TARBALL"
    verify "$tarball"
    # Renamed into place, so that an interrupted copy is never taken for the archive.
    if mkdir -p "$cache" && cp "$tarball" "$cache/$$.part"; then
        mv "$cache/$$.part" "$cache/$archive"
    fi
}

# Runs a command whose output shows only where it fails.
quietly() {
    "$@" >>"$work/log" 2>&1 || {
        tail -n 20 "$work/log" >&2
        die "failed: $*"
    }
}

case $prefix in
*[[:space:]]*) die "PREFIX=$prefix: jemalloc cannot be built for a path with spaces" ;;
/*) ;;
*) die "PREFIX=$prefix: not an absolute path" ;;
esac
if installed; then
    say "jemalloc $version is in $prefix already"
    exit
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
check_machine
find_tarball

say "building jemalloc $version (under a minute)"
tar -xjf "$tarball" -C "$work"
cd "$work/jemalloc-$version"
# What a calling make hands down is meant for its own targets.
unset MAKEFLAGS MFLAGS MAKELEVEL
lib=lib/libjemalloc.a # naming it leaves out libjemalloc_pic.a, a second build of everything
# -g1 comes after jemalloc's own -g3, and saves 4 MB in every program that links it.
quietly ./configure CC="$CC" EXTRA_CFLAGS=-g1 --prefix="$prefix" --libdir="$prefix/lib" \
    --with-jemalloc-prefix=je_ --with-malloc-conf="$malloc_conf" \
    --disable-cxx --disable-shared --disable-doc
quietly make -j "$(getconf _NPROCESSORS_ONLN)" STATIC_LIBS="$lib" build_lib_static
quietly make STATIC_LIBS="$lib" install_include install_lib_static install_lib_pc
installed || die "what is in $prefix now is not what was asked for"
say "installed jemalloc $version in $prefix"
case $prefix in /usr | /usr/local) exit ;; esac
cat <<END
jemalloc.sh: compilers do not search $prefix: export these before building with -tags jemalloc
export CGO_CFLAGS="-I$prefix/include"
export CGO_LDFLAGS="-L$prefix/lib"
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
END
