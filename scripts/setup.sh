#!/usr/bin/env bash
# setup.sh [go] [cc] [jemalloc] [ctest] [lint]: makes sure that what zmem is built and tested with
# is there, and prints nothing when it is. What is missing is installed where we are root on Debian,
# and named, with the command that installs it, elsewhere.
set -euo pipefail

go_minor=24          # Go 1.24 has #cgo noescape and nocallback
go_release=go1.24.13 # for a Debian whose own Go is older

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/debian.sh
. "$here/debian.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { echo "setup.sh: $*"; }
die() {
    say "$*" >&2
    exit 1
}

can_install() { is_debian && [ "$(id -u)" = 0 ]; }

updated=
apt_update() {
    [ -z "$updated" ] || return 0
    apt-get -qq update >"$work/apt.log" 2>&1 || die "apt-get update: $(tail -n 1 "$work/apt.log")"
    updated=1
}

# apt_install PACKAGE...: lists that are absent or stale are fetched, once.
apt_install() {
    export DEBIAN_FRONTEND=noninteractive
    set -- apt-get -qq -y --no-install-recommends install "$@"
    "$@" >"$work/apt.log" 2>&1 && return
    apt_update
    "$@" >"$work/apt.log" 2>&1 || die "$*: $(tail -n 1 "$work/apt.log")"
}

# need WHAT TEST PACKAGE...: WHAT is missing where the function TEST fails.
need() {
    local what=$1 test=$2
    shift 2
    ! "$test" || return 0
    can_install || die "missing: $what (on Debian: sudo apt-get install $*)"
    say "missing: $what: installing $*"
    apt_install "$@"
    "$test" || die "still missing after installing $*: $what"
}

# compiles FLAG...: the program on standard input.
compiles() {
    # shellcheck disable=SC2086  # CC may carry arguments
    ${CC:-cc} -x c - -o "$work/probe" "$@" 2>/dev/null
}

# In zmem's folder, where go.mod lets a newer Go fetch the one that it asks for.
have_go() {
    local minor
    minor=$(cd "$here/.." && go version 2>/dev/null | sed -n 's/.* go1\.\([0-9]*\).*/\1/p')
    [ "${minor:-0}" -ge "$go_minor" ]
}

have_cc() {
    command -v make >/dev/null && command -v pkg-config >/dev/null &&
        compiles <<<'#include <stdlib.h>
            int main(void) { return 0; }'
}

have_jemalloc() {
    local prefix=${PREFIX:-/usr/local}
    # shellcheck disable=SC2086  # lists of flags
    compiles ${CGO_CFLAGS:-} "-I$prefix/include" ${CGO_LDFLAGS:-} "-L$prefix/lib" \
        -Wl,-Bstatic -ljemalloc -Wl,-Bdynamic -lm -pthread <<<'#define JEMALLOC_NO_DEMANGLE
            #include <jemalloc/jemalloc.h>
            int main(void) { return je_malloc(1) == 0; }'
}

have_bzip2() { command -v bzip2 >/dev/null; }

have_cxx() { command -v "${CXX:-c++}" >/dev/null; }
have_cmocka() {
    compiles -lcmocka <<<'#include <stdarg.h>
        #include <stddef.h>
        #include <stdint.h>
        #include <setjmp.h>
        #include <cmocka.h>
        int main(void) { return cmocka_run_group_tests(((struct CMUnitTest[]){{0}}), 0, 0); }'
}

have_sanitizers() {
    local sanitizer
    for sanitizer in address undefined thread; do
        compiles "-fsanitize=$sanitizer" <<<'int main(void) { return 0; }' || return
    done
}

# The sanitizers come with the compiler's own library, a package for each of its versions.
sanitizer_package() {
    local major
    # shellcheck disable=SC2086  # CC may carry arguments
    major=$(${CC:-cc} -dumpversion | cut -d . -f 1)
    case $(${CC:-cc} --version) in
    *clang*) echo "libclang-rt-$major-dev" ;;
    *) echo "libgcc-$major-dev" ;;
    esac
}

have_lint() {
    local tool
    for tool in clang-format cppcheck shellcheck; do
        command -v "$tool" >/dev/null || return
    done
}

setup_go() {
    local found dir hint="on Debian: sudo $0 go; else go.dev/doc/install"
    ! have_go || return 0
    found=$(cd / && go version 2>/dev/null | cut -d ' ' -f 3) || found=none
    can_install ||
        die "missing: Go >= 1.$go_minor, found $found ($hint)"
    say "missing: Go >= 1.$go_minor, found $found: installing"
    apt_install golang-go ca-certificates
    if ! have_go; then
        # An older Go fetches a newer one as a module, from GOPROXY and against the checksum
        # database. Only the permissions are lost on the way.
        say "Debian's Go is older: fetching $go_release as a Go module"
        dir=/usr/local/lib/$go_release
        (cd "$work" && GOFLAGS='' GOMODCACHE=$work/mod go mod download -json \
            "golang.org/toolchain@v0.0.1-$go_release.$(go env GOOS)-$(go env GOARCH)") \
            >"$work/go.json" || die "cannot fetch $go_release: $(grep '"Error"' "$work/go.json")"
        chmod -R u+w "$work/mod"
        rm -rf "$dir"
        mv "$(sed -n 's/.*"Dir": "\(.*\)".*/\1/p' "$work/go.json")" "$dir"
        chmod +x "$dir"/bin/* "$dir"/pkg/tool/*/*
        ln -sf "$dir"/bin/* /usr/local/bin
        have_go || die "installed $go_release in $dir: put /usr/local/bin first in PATH"
    fi
    say "installed Go: $(command -v go)"
}

for thing in "$@"; do
    case $thing in
    go) setup_go ;;
    cc) need "a C compiler, make or pkg-config" have_cc gcc libc6-dev make pkg-config ;;
    jemalloc)
        if ! have_jemalloc; then
            say "missing: jemalloc"
            need bzip2 have_bzip2 bzip2
            "$here/jemalloc.sh"
        fi
        ;;
    ctest)
        need cmocka have_cmocka libcmocka-dev
        need "a C++ compiler" have_cxx g++
        have_sanitizers || need "the compiler's sanitizers" have_sanitizers "$(sanitizer_package)"
        ;;
    lint) need "clang-format, cppcheck or shellcheck" have_lint clang-format cppcheck shellcheck ;;
    *) die "unknown: $thing (go, cc, jemalloc, ctest, lint)" ;;
    esac
done
