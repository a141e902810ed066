#!/usr/bin/env bash
# run.sh LIST|SCRIPT...: runs the programs of each LIST, whose lines are "BACKEND PROGRAM ARGUMENT...",
# and each SCRIPT, which counts as one test. Ends with the sum of what cmocka reported; a test that
# it did not get to, since the program died, has failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

passed=0
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# The runtime libraries of sanitizers need a memory layout that a kernel which randomizes addresses
# over more bits than they were made for does not always give them.
layout=()
if setarch -R true 2>/dev/null; then layout=(setarch -R); fi

# run BACKEND PROGRAM ARGUMENT...
run() {
    local backend=$1 ran ok bad status
    shift
    printf '\n==> %s (%s)\n' "$*" "$backend"
    ZMEM_BACKEND=$backend timeout 300 "${layout[@]}" "$@" 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    ran=$(awk '/^\[=+\].* Running [0-9]+ test/ { sub(/.* Running /, ""); n += $1 } END { print n + 0 }' "$log")
    ok=$(grep -c '^\[       OK \]' "$log")
    bad=$((ran - ok))
    if [ "$status" != 0 ] || [ "$ran" = 0 ]; then
        echo "FAILED: $* ($backend): exit code $status"
        if [ "$bad" = 0 ]; then bad=1; fi
    fi
    passed=$((passed + ok))
    failed=$((failed + bad))
}

for arg in "$@"; do
    case $arg in
    *.sh)
        printf '\n==> %s\n' "$arg"
        if "$arg"; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            echo "FAILED: $arg"
        fi
        ;;
    *)
        while read -r -a line; do
            run "${line[@]}" </dev/null
        done <"$arg"
        ;;
    esac
done
echo
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
