#!/usr/bin/env bash
# install.sh: installs each variant into a folder of its own, and builds and runs a user's programs
# with nothing but what pkg-config says, in C and in C++.
set -euo pipefail
cd "$(dirname "$0")/.."

CC=${CC:-cc}
CXX=${CXX:-c++}
PKG_CONFIG=${PKG_CONFIG:-pkg-config}
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES DESTDIR ZMEM_BACKEND # of a make that calls us

for tool in "$CC" "$CXX" "$PKG_CONFIG"; do
    # shellcheck disable=SC2086  # it may carry arguments
    command -v ${tool%% *} >/dev/null || {
        echo "$tool is missing: run 'make setup' in zmem's folder" >&2
        exit 1
    }
done

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
search=${PKG_CONFIG_PATH:-}

# expect WANT COMMAND...: the command prints WANT and succeeds.
expect() {
    local want=$1 got
    shift
    got=$("$@") || {
        echo "failed: $*" >&2
        exit 1
    }
    [ "$got" = "$want" ] || {
        echo "$*: expected '$want', got '$got'" >&2
        exit 1
    }
    [ -z "$got" ] || echo "  $got"
}

# build SOURCE LANGUAGE COMPILER...: makes $tmp/program.
build() {
    local source=$1 language=$2 flags
    shift 2
    flags=$($PKG_CONFIG --cflags --libs --static zmem)
    # shellcheck disable=SC2086  # a list of flags
    "$@" -x "$language" "$source" -x none -o "$tmp/program" $flags
}

version=$(sed -n 's/^#define ZM_VERSION "\(.*\)"/\1/p' zmem.h)

# try PREFIX BACKENDS LEAK
try() {
    local prefix=$tmp/$1 backends=$2 leak=$3 backend list=${2// /,}
    echo "install: BACKENDS=\"$backends\" LEAK=$leak"
    ${MAKE:-make} -s install PREFIX="$prefix" BACKENDS="$backends" LEAK="$leak" CC="$CC" >/dev/null
    expect "include/zm_debug.h include/zm_layout.h include/zmem.h lib/libzmem.a lib/pkgconfig/zmem.pc" \
        sh -c "cd '$prefix' && find * -type f | LC_ALL=C sort | paste -sd ' ' -"
    export PKG_CONFIG_PATH=$prefix/lib/pkgconfig${search:+:$search}
    expect "$version" "$PKG_CONFIG" --modversion zmem

    for language in c c++; do
        # shellcheck disable=SC2086  # the compilers may carry arguments
        if [ "$language" = c ]; then
            build test/consumer.c c $CC -std=c99 -Wall -Wextra -Wpedantic -Werror
        else
            build test/consumer.c c++ $CXX -std=c++11 -Wall -Wextra -Wpedantic -Werror
        fi
        expect "${backends%% *} of $list, zmem $version" "$tmp/program"
        for backend in $backends; do
            expect "$backend of $list, zmem $version" env ZMEM_BACKEND="$backend" "$tmp/program"
        done
        if ZMEM_BACKEND=nonsense "$tmp/program" 2>"$tmp/errors"; then
            echo "a wrong ZMEM_BACKEND went through" >&2
            exit 1
        fi
        grep -q ZMEM_BACKEND "$tmp/errors"
        # shellcheck disable=SC2086
        if [ "$leak" = 1 ]; then
            if [ "$language" = c ]; then
                build test/consumer_leak.c c $CC -Wall -Wextra -Werror
            else
                build test/consumer_leak.c c++ $CXX -Wall -Wextra -Werror
            fi
            expect "LEAK: 128 at kept" "$tmp/program"
        fi
    done

    ${MAKE:-make} -s uninstall PREFIX="$prefix" BACKENDS="$backends" LEAK="$leak" >/dev/null
    expect "" find "$prefix" ! -type d
}

try both "jemalloc libc" 0
try libc libc 0
try leak "jemalloc libc" 1
try libc-leak libc 1

# DESTDIR is a place to pack from; the paths inside are those of PREFIX.
${MAKE:-make} -s install DESTDIR="$tmp/root" PREFIX=/opt/zmem BACKENDS=libc CC="$CC" >/dev/null
expect "prefix=/opt/zmem" head -n 1 "$tmp/root/opt/zmem/lib/pkgconfig/zmem.pc"
