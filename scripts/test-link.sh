#!/usr/bin/env bash
# Tests -tags jemalloc where `make jemalloc` has not run: with no jemalloc at all, and with the one
# of a distribution, Debian's libjemalloc-dev or the package that LIBJEMALLOC_DEB names.
set -euo pipefail
# shellcheck source=scripts/testlib.sh
. "$(dirname "${BASH_SOURCE[0]}")/testlib.sh"
# shellcheck source=scripts/debian.sh
. "$root/scripts/debian.sh"

"$root/scripts/setup.sh" go cc
unset GOFLAGS ZMEM_BACKEND CPATH C_INCLUDE_PATH LIBRARY_PATH
export GOWORK=off
consumer=$work/consumer
new_consumer "$consumer"
cd "$consumer"
go mod tidy

# Prints the flags that leave the compiler its own include folders, without any jemalloc in them.
flags_without_jemalloc() {
    local dir shadow n=0
    printf -- '-nostdinc'
    # shellcheck disable=SC2046  # the compiler may carry arguments
    $(go env CC) -E -v -x c /dev/null 2>&1 >/dev/null |
        sed -n '/^#include <...>/,/^End of search/s/^ \([^ ]*\).*/\1/p' >"$work/includes"
    while read -r dir; do
        if [ -e "$dir/jemalloc" ]; then
            n=$((n + 1))
            shadow=$work/include$n
            mkdir "$shadow"
            find "$dir" -mindepth 1 -maxdepth 1 ! -name jemalloc -exec ln -s -t "$shadow" {} +
            dir=$shadow
        fi
        printf -- ' -isystem %s' "$dir"
    done <"$work/includes"
}

test_without_jemalloc() {
    CGO_CFLAGS=$(flags_without_jemalloc)
    export CGO_CFLAGS
    go build -o "$work/program" . # the flags are good for everything else
    fails go build -tags jemalloc -o "$work/program" . >"$work/run" 2>&1
    cat "$work/run"
    grep 'error:' "$work/run" >"$work/errors"
    [ "$(wc -l <"$work/errors")" = 1 ]
    says "make jemalloc" "$work/errors"
    [ "$(wc -l <"$work/run")" -le 6 ]
}

# Sets `deb` to a libjemalloc-dev.
fetch_deb() {
    local uri suite
    deb=${LIBJEMALLOC_DEB:-}
    [ -z "$deb" ] || return 0
    is_debian || {
        echo "not Debian: name a libjemalloc-dev package in LIBJEMALLOC_DEB"
        return 1
    }
    read -r uri suite < <(debian_archives)
    debian_private "$work/apt" deb "$uri" "$suite"
    (cd "$work/apt" && apt-get -qq -c apt.conf download libjemalloc-dev)
    deb=$(echo "$work"/apt/libjemalloc-dev_*.deb)
}

# Its malloc has no prefix: that name in the program shows which library was linked.
test_distribution() {
    local lib
    fetch_deb
    dpkg-deb -x "$deb" "$work/distribution"
    lib=$(dirname "$(find "$work/distribution" -name libjemalloc.a)")
    export CGO_CFLAGS="-I$work/distribution/usr/include" CGO_LDFLAGS="-L$lib"
    go build -tags jemalloc -o "$work/program" .
    "$work/program" >"$work/run"
    says jemalloc "$work/run"
    go tool nm "$work/program" >"$work/symbols"
    grep -E ' T (je_)?(malloc|mallctl)$' "$work/symbols"
    grep -q ' T malloc$' "$work/symbols"
    fails grep -q ' T je_malloc$' "$work/symbols"
}

check "link: without jemalloc, one error that says make jemalloc" test_without_jemalloc
check "link: a distribution's libjemalloc-dev" test_distribution
finish
