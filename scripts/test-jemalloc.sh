#!/usr/bin/env bash
# Tests of jemalloc.sh: what it refuses, what it installs, and that it does so once. Builds jemalloc
# one time, into a temporary PREFIX.
set -euo pipefail
# shellcheck source=scripts/testlib.sh
. "$(dirname "${BASH_SOURCE[0]}")/testlib.sh"

given=${JEMALLOC_TARBALL:-}
unset JEMALLOC_TARBALL
unset MAKEFLAGS MFLAGS MAKELEVEL
jemalloc=$root/scripts/jemalloc.sh
version=5.3.0
prefix=$work/prefix
export PREFIX=$prefix

# refused TEXT...: the last run's output, in $work/run, has each TEXT, and nothing was installed.
refused() {
    local text
    for text in "$@"; do says "$text" "$work/run"; done
    fails test -e "$PREFIX"
}

test_wrong_checksum() {
    echo "not jemalloc" >"$work/wrong.tar.bz2"
    JEMALLOC_TARBALL=$work/wrong.tar.bz2 fails "$jemalloc" >"$work/run" 2>&1
    refused "$work/wrong.tar.bz2: wrong SHA-256: expected 2db82d1e" \
        "actual $(sha256sum "$work/wrong.tar.bz2" | cut -d ' ' -f 1)"
}

test_wrong_cached_copy() {
    mkdir -p "$work/cache/zmem"
    echo "not jemalloc" >"$work/cache/zmem/jemalloc-$version.tar.bz2"
    XDG_CACHE_HOME=$work/cache fails "$jemalloc" >"$work/run" 2>&1
    refused "$work/cache/zmem/jemalloc-$version.tar.bz2: wrong SHA-256"
}

# Without Debian's archive the upstream release is fetched; here a curl that fetches nonsense.
test_wrong_download() {
    mkdir "$work/bin"
    printf '#!/bin/sh\nexit 1\n' >"$work/bin/apt-get"
    cat >"$work/bin/curl" <<'END'
#!/bin/sh
while [ "$1" != -o ]; do shift; done
echo nonsense >"$2"
END
    chmod +x "$work"/bin/*
    PATH=$work/bin:$PATH XDG_CACHE_HOME=$work/empty fails "$jemalloc" >"$work/run" 2>&1
    refused "jemalloc-$version.tar.bz2: wrong SHA-256"
    fails test -e "$work/empty/zmem/jemalloc-$version.tar.bz2"
}

test_no_such_tarball() {
    JEMALLOC_TARBALL=$work/none.tar.bz2 fails "$jemalloc" >"$work/run" 2>&1
    refused "$work/none.tar.bz2: no such file"
}

test_no_compiler() {
    CC=no-such-compiler fails "$jemalloc" >"$work/run" 2>&1
    refused "missing: a working C compiler (no-such-compiler)"
}

test_relative_prefix() {
    PREFIX=relative fails "$jemalloc" >"$work/run" 2>&1
    refused "PREFIX=relative: not an absolute path"
}

# Root may write everywhere, so another user must try.
test_no_permission() {
    local run=()
    [ "$(id -u)" != 0 ] || run=(setpriv --reuid 65534 --regid 65534 --clear-groups)
    mkdir -m 555 "$work/sealed"
    mkdir "$work/scripts"
    cp "$root"/scripts/{jemalloc,debian}.sh "$work/scripts"
    chmod 755 "$work"
    PREFIX=$work/sealed/prefix fails "${run[@]}" "$work/scripts/jemalloc.sh" >"$work/run" 2>&1
    PREFIX=$work/sealed/prefix refused "cannot write to $work/sealed" "PREFIX=..."
}

# A distribution's unprefixed jemalloc of the same version is not the one that is asked for.
test_unprefixed_is_not_enough() {
    mkdir -p "$work/unprefixed/include/jemalloc" "$work/unprefixed/lib"
    printf '#define JEMALLOC_VERSION "%s-0-g0"\n#  define je_malloc malloc\n' "$version" \
        >"$work/unprefixed/include/jemalloc/jemalloc.h"
    echo background_thread:true,metadata_thp:auto >"$work/unprefixed/lib/libjemalloc.a"
    PREFIX=$work/unprefixed JEMALLOC_TARBALL=$work/none fails "$jemalloc" >"$work/run" 2>&1
    says "no such file" "$work/run"
}

test_install() {
    JEMALLOC_TARBALL=$given "$jemalloc" >"$work/run"
    says "installed jemalloc $version in $prefix" "$work/run"
    says "export CGO_CFLAGS=\"-I$prefix/include\"" "$work/run"
    says "export CGO_LDFLAGS=\"-L$prefix/lib\"" "$work/run"
}

test_installed_files() {
    (cd "$prefix" && find . -type f -o -type l | LC_ALL=C sort) >"$work/files"
    diff - "$work/files" <<'END'
./include/jemalloc/jemalloc.h
./lib/libjemalloc.a
./lib/pkgconfig/jemalloc.pc
END
}

test_options() {
    cat >"$work/options.c" <<'END'
#include <jemalloc/jemalloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* Both allocators in one program: only je_ names are jemalloc's. */
int main(void)
{
    bool background;
    const char *thp, *version;
    size_t n = sizeof background, m = sizeof thp;
    void *ours = je_malloc(100), *libcs = malloc(100);

    je_free(ours);
    free(libcs);
    if (je_mallctl("opt.background_thread", &background, &n, NULL, 0) ||
        je_mallctl("opt.metadata_thp", &thp, &m, NULL, 0) ||
        je_mallctl("version", &version, &m, NULL, 0))
        return 1;
    printf("%.5s background_thread:%d metadata_thp:%s\n", version, background, thp);
    return 0;
}
END
    ${CC:-cc} -I"$prefix/include" -o "$work/options" "$work/options.c" \
        -L"$prefix/lib" -Wl,-Bstatic -ljemalloc -Wl,-Bdynamic -lm -pthread
    "$work/options" >"$work/run"
    says "$version background_thread:1 metadata_thp:auto" "$work/run"
    nm "$prefix/lib/libjemalloc.a" >"$work/symbols" 2>/dev/null
    fails grep -E ' T (malloc|free|calloc|_Znwm)$' "$work/symbols"
}

test_second_run_does_nothing() {
    find "$prefix" -printf '%p %T@ %i\n' | sort >"$work/before"
    CC=no-such-compiler JEMALLOC_TARBALL=$work/none "$jemalloc" >"$work/run"
    find "$prefix" -printf '%p %T@ %i\n' | sort | diff "$work/before" -
    [ "$(wc -l <"$work/run")" = 1 ]
    says "jemalloc $version is in $prefix already" "$work/run"
}

check "jemalloc: a wrong checksum stops it" test_wrong_checksum
check "jemalloc: a wrong cached copy stops it" test_wrong_cached_copy
check "jemalloc: a wrong download stops it and is not kept" test_wrong_download
check "jemalloc: a missing JEMALLOC_TARBALL stops it" test_no_such_tarball
check "jemalloc: a missing compiler is named" test_no_compiler
check "jemalloc: a relative PREFIX is refused" test_relative_prefix
check "jemalloc: a PREFIX that it may not write is named" test_no_permission
check "jemalloc: an unprefixed jemalloc is not enough" test_unprefixed_is_not_enough
check "jemalloc: builds and installs" test_install
check "jemalloc: installs three files and no more" test_installed_files
check "jemalloc: has its prefix and options, and only je_ names" test_options
check "jemalloc: a second run does nothing" test_second_run_does_nothing
finish
