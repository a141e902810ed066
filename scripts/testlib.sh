# shellcheck shell=bash
# What the test scripts share: a line a check, a folder that goes away, a program that uses zmem.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
passed=0
failed=0

# check NAME COMMAND...: the command runs in a subshell that ends at the first failure, and what it
# printed shows when there is one.
check() {
    local name=$1 code
    shift
    set +e
    (set -e && "$@") >"$work/output" 2>&1
    code=$?
    set -e
    if [ "$code" = 0 ]; then
        passed=$((passed + 1))
        echo "ok   $name"
    else
        failed=$((failed + 1))
        echo "FAIL $name"
        tail -n 30 "$work/output" | sed 's/^/     /'
    fi
}

finish() {
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ]
}

# says TEXT FILE: FILE holds TEXT; shown when it does not.
says() {
    grep -qF -- "$1" "$2" || {
        echo "no \"$1\" in:"
        cat "$2"
        return 1
    }
}

# fails COMMAND...: for `check`, where `!` would not end the subshell.
fails() { if "$@"; then return 1; fi; }

# new_consumer DIR: a module of its own whose program prints the backend's name.
new_consumer() {
    mkdir -p "$1"
    cat >"$1/go.mod" <<END
module example.com/consumer

go 1.24

require github.com/zmem-go/zmem v0.0.0

replace github.com/zmem-go/zmem => $root
END
    cat >"$1/main.go" <<'END'
package main

import (
	"bytes"
	"fmt"
	"log"

	"github.com/zmem-go/zmem/z"
)

func main() {
	log.SetFlags(0)
	b := z.Calloc(128)
	if len(b) != 128 || !bytes.Equal(b, make([]byte, 128)) {
		log.Fatalf("Calloc(128) = %v", b)
	}
	for i := range b {
		b[i] = byte(i)
	}
	if n := z.NumAllocBytes(); n < 128 {
		log.Fatalf("NumAllocBytes before Free: %d", n)
	}
	z.Free(b)
	if n := z.NumAllocBytes(); n != 0 {
		log.Fatalf("NumAllocBytes after Free: %d", n)
	}
	fmt.Println(z.Backend())
}
END
}
