#!/usr/bin/env bash
# Tests zmem from outside: a module of its own that imports z by `replace`, built and run in several
# tag sets, then again from its vendor folder.
set -euo pipefail
# shellcheck source=scripts/testlib.sh
. "$(dirname "${BASH_SOURCE[0]}")/testlib.sh"

"$root/scripts/setup.sh" go cc jemalloc
unset GOFLAGS ZMEM_BACKEND
export GOWORK=off
consumer=$work/consumer
new_consumer "$consumer"
cd "$consumer"

# runs BACKEND FLAG...
runs() {
    local backend=$1
    shift
    go run "$@" . >"$work/run"
    [ "$(cat "$work/run")" = "$backend" ] || {
        echo "backend: $(cat "$work/run"), not $backend"
        return 1
    }
}

in_each_tag_set() {
    check "consumer: $1, no tag" runs libc "${@:2}"
    check "consumer: $1, -tags jemalloc" runs jemalloc "${@:2}" -tags jemalloc
    check "consumer: $1, -tags \"jemalloc leak\"" runs jemalloc "${@:2}" -tags "jemalloc leak"
}

# go mod vendor copies packages, not folders: every C file must be in one that z needs.
test_vendored_c() {
    local vendored=vendor/github.com/zmem-go/zmem/c
    (cd "$root/c" && ls ./*.[ch]) >"$work/ours"
    (cd "$vendored" && ls ./*.[ch]) >"$work/vendored"
    diff "$work/ours" "$work/vendored"
}

# A program that uses zmem is built from one other module, which writes profiles.
test_one_other_module() {
    go list -mod=mod -deps -f '{{with .Module}}{{.Path}}{{end}}' . | sort -u | sed '/^$/d' >"$work/modules"
    diff - "$work/modules" <<END
example.com/consumer
github.com/google/pprof
github.com/zmem-go/zmem
END
}

in_each_tag_set replace -mod=mod
check "consumer: takes one other module" test_one_other_module
check "consumer: go mod vendor" go mod vendor
check "consumer: the C files are vendored" test_vendored_c
in_each_tag_set vendor -mod=vendor
finish
