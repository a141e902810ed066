#!/usr/bin/env bash
# test.sh quick|rest|all [PATTERN]: runs the tests of the project, step by step, each with its own log,
# and ends with a table and the sum of what the test runners counted. "quick" is what a person waits
# for, "rest" everything else. With a PATTERN, only the steps whose name matches it run.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

gotestsum=gotest.tools/gotestsum@v1.13.0
logs=build/test
part=${1:-all}
pattern=${2:-}
case $part in
quick | rest | all) ;;
*)
    echo "usage: $0 quick|rest|all [PATTERN]" >&2
    exit 2
    ;;
esac
passed=0 failed=0 skipped=0 broken=0
mkdir -p "$logs"
summary=$logs/summary
: >"$summary"

# step NAME COMMAND...: runs it, shows its output, and counts by the runner's closing line.
step() {
    local name=$1 log=$logs/${1// /_}.log start=$SECONDS status=ok p=0 f=0 s=0
    shift
    [[ $name =~ $pattern ]] || return 0
    printf '\n==> %s: %s\n' "$name" "$*"
    if ! "$@" 2>&1 | tee "$log"; then
        status=FAILED
        broken=$((broken + 1))
    fi
    # gotestsum: "DONE 12 tests, 1 skipped, 2 failures in 1.2s"; the others: "12 passed, 2 failed"
    local line
    if line=$(grep -E '^DONE [0-9]+ tests' "$log" | tail -n 1) && [[ -n $line ]]; then
        [[ $line =~ ([0-9]+)\ skipped ]] && s=${BASH_REMATCH[1]}
        [[ $line =~ ([0-9]+)\ failure ]] && f=${BASH_REMATCH[1]}
        [[ $line =~ DONE\ ([0-9]+) ]] && p=$((BASH_REMATCH[1] - s - f))
    elif [[ $(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1) =~ ([0-9]+)\ passed,\ ([0-9]+) ]]; then
        p=${BASH_REMATCH[1]} f=${BASH_REMATCH[2]}
    fi
    if ((p + f == 0)); then
        echo "$name: no test was run" && status=FAILED broken=$((broken + 1))
    fi
    ((passed += p, failed += f, skipped += s))
    printf '%-34s %-7s %5d passed %3d failed %3d skipped %5d s\n' \
        "$name" "$status" "$p" "$f" "$s" $((SECONDS - start)) >>"$summary"
}

# gotest NAME DIR ARGS...: go test through gotestsum, in a module's folder.
gotest() {
    local name=$1 dir=$2
    shift 2
    step "$name" go -C "$dir" run $gotestsum --format pkgname -- -count=1 "$@" ./...
}

# Each main tag set once, and C under AddressSanitizer and UBSan.
if [[ $part != rest ]]; then
    gotest "go" .
    gotest "go jemalloc" . -tags "jemalloc zmem_crossings"
    gotest "go jemalloc leak" . -tags "jemalloc leak"
    step "c asan" make --no-print-directory -C c check SANITIZE=asan
fi

if [[ $part != quick ]]; then
    gotest "go leak" . -tags leak
    gotest "go nolinkname" . -tags zmem_nolinkname
    gotest "go musl" . -tags musl
    # With all invariants verified: what allocates, frees, drains, or does so from many goroutines.
    checked="Check|Cache_|Parked|Return|Allocator|Cursor|Window|Fuzz|Buffer|Mmap|TestSetLimit_"
    gotest "go check" . -tags zmem_check -run "$checked"
    gotest "go check jemalloc leak" . -tags "zmem_check jemalloc leak" -run "$checked"
    ZMEM_BACKEND=libc gotest "go jemalloc, on libc" . -tags jemalloc
    gotest "go race jemalloc" . -race -tags jemalloc
    # What depends on how caches are found; the rest has been there.
    gotest "go race nolinkname" . -race -tags "jemalloc zmem_nolinkname" -run "Cache|Calloc|Parked|Profile|Guard|Limit|Return"
    GOEXPERIMENT=cgocheck2 gotest "go cgocheck2" .
    GOEXPERIMENT=cgocheck2 gotest "go cgocheck2 jemalloc leak" . -tags "jemalloc leak"
    ASAN_OPTIONS=allocator_may_return_null=1 gotest "go asan" . -asan
    gotest "contrib" contrib
    gotest "contrib jemalloc" contrib -tags jemalloc
    gotest "contrib bench" contrib/bench -tags jemalloc
    # What crosses between C and Go, in the tag sets that contrib is not tested in.
    for tags in leak "jemalloc leak" zmem_nolinkname; do
        step "boundary $tags" go -C contrib run $gotestsum --format pkgname -- -count=1 -tags "$tags" ./internal/boundary
    done
    step "c" make --no-print-directory -C c test
    step "jemalloc script" bash scripts/test-jemalloc.sh
    step "consumer" bash scripts/test-consumer.sh
    step "link" bash scripts/test-link.sh
    step "docs" bash scripts/test-docs.sh
fi

{
    echo
    echo "$passed passed, $failed failed, $skipped skipped"
} >>"$summary"
echo
cat "$summary"
((failed + broken == 0))
