#!/usr/bin/env bash
# run.sh LIST|SCRIPT...: runs the programs of each LIST, whose lines are "BACKEND PROGRAM
# ARGUMENT...", and each SCRIPT, which counts as one test; a few at once, their output one after the
# other. Ends with the sum of what cmocka reported. A test that it did not get to, since the program
# died, has failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

jobs=$(getconf _NPROCESSORS_ONLN)
passed=0
failed=0
skipped=0
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# The runtime libraries of sanitizers need a memory layout that a kernel which randomizes addresses
# over more bits than they were made for does not always give them.
layout=()
if setarch -R true 2>/dev/null; then layout=(setarch -R); fi

# What runs: a line of a LIST each, or "- SCRIPT".
runs=()
for arg in "$@"; do
    case $arg in
    *.sh) runs+=("- $arg") ;;
    *)
        [ -s "$arg" ] || {
            echo "$arg: no programs to run" >&2
            exit 1
        }
        mapfile -t -O ${#runs[@]} runs <"$arg"
        ;;
    esac
done

# start N: the Nth run, in the background.
pids=()
start() {
    local line
    read -r -a line <<<"${runs[$1]}"
    if [ "${line[0]}" = - ]; then
        "${line[@]:1}"
    else
        # A check that fails, or a fault, in another thread than the test's ends the program: cmocka
        # says why only where it aborts.
        CMOCKA_TEST_ABORT=1 ZMEM_BACKEND=${line[0]} timeout 300 "${layout[@]}" "${line[@]:1}"
    fi </dev/null >"$logs/$1" 2>&1 &
    pids[$1]=$!
}

# finish N: waits for the Nth run, shows what it printed and counts.
finish() {
    local run=${runs[$1]} log=$logs/$1 status ran ok bad left=0
    wait "${pids[$1]}"
    status=$?
    printf '\n==> %s\n' "$run"
    cat "$log"
    if [ "${run%% *}" = - ]; then
        ran=1
        ok=$((status == 0))
    else
        ran=$(awk '/^\[=+\].* Running [0-9]+ test/ { sub(/.* Running /, ""); n += $1 }
            END { print n + 0 }' "$log")
        ok=$(grep -c '^\[       OK \]' "$log")
        left=$(grep '^\[  SKIPPED \] [a-z_0-9]*$' "$log" | sort -u | wc -l) # listed twice
    fi
    bad=$((ran - ok - left))
    if [ "$left" != 0 ]; then echo "SKIPPED: $run: $left"; fi
    if [ "$status" != 0 ] || [ "$ran" = 0 ]; then
        echo "FAILED: $run: exit code $status"
        if [ "$bad" = 0 ]; then bad=1; fi
    fi
    passed=$((passed + ok))
    failed=$((failed + bad))
    skipped=$((skipped + left))
    rm "$log"
}

started=0
for ((i = 0; i < ${#runs[@]}; i++)); do
    while ((started < ${#runs[@]} && started < i + jobs)); do
        start $((started++))
    done
    finish "$i"
done
echo
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
