#!/usr/bin/env bash
# Tests what README.md, docs/*.md and every other document says: the commands in it are run, and their
# output compared with the one that is shown, as far as it is stable; Go code compiles; links lead
# somewhere. A command that `way_of` does not know fails the test: say there how to run it, or why not.
#
# A command is a line of a block that begins with "$ ", whose output follows; a line of a block of plain
# commands, fenced as sh or indented; and what stands in backticks and begins as a command does.
#
# `scripts/test-docs.sh DOCUMENT...` tests only those.
# shellcheck disable=SC2016  # backticks are the documents' own
set -euo pipefail
# shellcheck source=scripts/testlib.sh
. "$(dirname "${BASH_SOURCE[0]}")/testlib.sh"

"$root/scripts/setup.sh" go cc jemalloc
unset GOFLAGS ZMEM_BACKEND ZMEM_LEAKS
export GOWORK=off
cd "$root"
documents=("$@")
(($#)) || mapfile -t documents < <(git ls-files '*.md')
mkdir -p "$work/commands" "$work/go"

# ---- What the documents have --------------------------------------------------------------------

# Writes each "$ " command of a document to a file of its own in $work/commands: the command first, and
# the output that is shown after it. Those of a block of plain commands have none.
extract_sessions() {
    awk -v out="$work/commands/${1//\//_}" '
        function start(command) {
            file = sprintf("%s-%03d", out, ++n)
            print command >file
        }
        /^```/ { fenced = !fenced; plain = fenced && /^```(sh|bash|shell)$/; file = ""; next }
        !fenced && !/^    / && !/^[ \t]*$/ { file = ""; plain = 0 }
        { line = $0; if (!fenced) sub(/^    /, "", line) }
        (fenced || /^    /) && line ~ /^\$ / { start(substr(line, 3)); next }
        !fenced && /^    ([A-Z_]+=[^ ]+ )*(go|make|git|bash|sudo|apt-get|curl|build\/.*|scripts\/.*|\.\/.*) / && file == "" {
            plain = 1
        }
        plain && line ~ /[^ \t]/ && (fenced || /^    /) {
            sub(/(^| +)#.*/, "", line)
            if (line != "")
                start(line)
            close(file)
            file = ""
            next
        }
        file != "" && (fenced || /^    /) { print line >>file }
    ' "$1"
}

# Prints a document without blocks of code.
prose() { awk '/^```/ { fenced = !fenced; next } !fenced && !/^    / { print }' "$1"; }

# Prints the commands in backticks, one a line; a pair of backticks may span lines of a paragraph.
extract_inline() {
    prose "$1" | tr '\n' ' ' |
        grep -oE '`[^`]+`' | tr -d '`' | tr -s ' ' |
        grep -E '^([A-Z_]+=[^ ]+ )*(go (-C|test|run|build|get|tool|doc|vet|mod|list|env|install|generate) ?|make [a-zA-Z-]|build/|scripts/|sudo |apt-get |curl |pkg-config )' || true
}

# ---- Commands -----------------------------------------------------------------------------------

# way_of COMMAND: prints how it is tested: run, in contrib where it names a package there; a test, which
# is run and has to exist; target, which only has to exist, since it takes long or is tested by another
# step of `make check`; not, with a reason. Nothing where the command is not known.
way_of() {
    case $1 in
    *"go run "*./leakdemo* | *"go tool pprof "*.pb.gz* | "go test "*" ./leakdemo") echo run contrib ;;
    "go test "*-bench*) echo bench ;;
    "go test "*-run*" ./z"*) echo go-test ;;
    "go build" | "go build -tags jemalloc") echo run consumer ;;
    'make -C "$(go list -m'*) echo target consumer ;;
    "make memtest" | "make test" | "make check" | "make lint" | "make fmt" | "make bench" | "make jemalloc" | "make soak") echo target root ;;
    "make -C c") echo target root ;;
    "make -C c help") echo run root ;;
    "go -C contrib run ./memtest "*) echo not takes a minute: TestMemtest_LibcGivesBack runs a smaller one ;;
    "make -C c check "*) echo not is a variant of what the step \"c\" of make check tests ;;
    "scripts/test.sh "* | "scripts/test-docs.sh") echo not is what runs this ;;
    "go get github.com/zmem-go/zmem") echo not fetches the module that is published, rather than this one ;;
    "go tool pprof http://"*) echo not asks a server, which the test of z/zpprof has ;;
    "go test -fuzz" | "go vet" | "go doc" | "go tool pprof") echo not names a tool, and shows nothing of it ;;
    "go mod vendor") echo not is a step of scripts/test-consumer.sh ;;
    "go -C contrib/bench run .") echo not is what make bench runs, a quarter of an hour ;;
    *"build/memtest "*) echo not takes minutes, and is tested with small sizes in contrib/memtest ;;
    esac
}

# stable FILE COMMAND: prints an output without what differs from run to run and from Go to Go.
stable() {
    sed -E -e 's/0x[0-9a-f]+/ADDRESS/g' -e 's/[+]ADDRESS.*//' -e 's/\([0-9.]+s\)/(TIME)/' \
        -e 's/^(Time: ).*/\1T/' -e 's/(proc|testing)\.go:[0-9]+/\1.go:LINE/' \
        -e 's/(\t)[0-9.]+s$/\1TIME/' -e 's/[ \t]+$//' -e '/^exit status/d' "$1" |
        case $2 in
        # Estimates: who holds most, and next to most.
        *"-nodefraction=0 leaks.pb.gz"*) sed -nE 's/^.*(main\.\(\*store\)\.(reload|parse))$/\1/p' ;;
        *) sed -e '/^$/d' ;;
        esac
}

test_output() { # FILE DIR
    local command
    command=$(head -n 1 "$1")
    cd "$2"
    # A command that fails on purpose is shown with its output, too: what counts is what is printed.
    bash -c "$command" >"$work/run" 2>&1 || [ -s "$work/run" ]
    sed 1d "$1" >"$work/shown"
    if grep -q '[^ ]' "$work/shown"; then
        diff <(stable "$work/shown" "$command") <(stable "$work/run" "$command")
    fi
}

test_run() { # COMMAND DIR
    cd "$2"
    bash -c "$1"
}

test_go_test() { # COMMAND
    bash -c "$1" >"$work/run" 2>&1 || {
        cat "$work/run"
        return 1
    }
    fails grep "no tests to run" "$work/run"
}

test_bench() { # COMMAND
    bash -c "$1 -benchtime 1x" >"$work/run" 2>&1
    says "Benchmark" "$work/run"
}

# make -n says what would be done, and fails where there is no such target.
test_target() { # COMMAND DIR
    cd "$2"
    bash -c "${1/#make /make -n }"
}

test_unknown() {
    echo "$1: scripts/test-docs.sh does not know how to run it, or why not"
    return 1
}

# test_command DOCUMENT COMMAND [FILE]
test_command() {
    local way dir name="docs: $1: $2"
    way=$(way_of "$2")
    case ${way#* } in
    contrib) dir=$work/contrib ;;
    consumer) dir=$work/consumer ;;
    *) dir=$root ;;
    esac
    case $way in
    run*)
        if [ -n "${3:-}" ]; then
            check "$name" test_output "$3" "$dir"
        else
            check "$name" test_run "$2" "$dir"
        fi
        ;;
    go-test) check "$name" test_go_test "$2" ;;
    bench) check "$name" test_bench "$2" ;;
    target*) check "$name" test_target "$2" "$dir" ;;
    not*) echo "-    $name: not run: ${way#not }" ;;
    *) check "$name" test_unknown "$2" ;;
    esac
}

# ---- Go code ------------------------------------------------------------------------------------

# Writes each ```go block of a document to a file in $work/go.
extract_go() {
    awk -v out="$work/go/${1//\//_}" '
        /^```go$/ { inside = 1; file = sprintf("%s-%03d", out, ++n); next }
        /^```/ { inside = 0 }
        inside { print >file }
    ' "$1"
}

# A block that is a program: it prints something.
test_program() {
    mkdir -p "$work/program"
    cp "$work/consumer/go.mod" "$work/consumer/go.sum" "$work/program"
    cp "$1" "$work/program/main.go"
    cd "$work/program"
    go run . >"$work/run"
    [ -s "$work/run" ]
}

# A block that is a test is one that contrib has.
test_is_in_contrib() {
    local file text
    text=$(cat "$1")
    for file in contrib/*/*_test.go; do
        [[ $(cat "$file") != *"$text"* ]] || return 0
    done
    echo "no test of contrib has:"
    cat "$1"
    return 1
}

# Any other block is compiled in a function, with names declared that it takes for granted. It need not
# use what it declares, and "..." stands for code.
test_fragment() {
    local dir=$work/fragment
    rm -rf "$dir"
    mkdir -p "$dir"
    cp "$work/consumer/go.mod" "$work/consumer/go.sum" "$dir"
    {
        cat <<'END'
package fragment

import (
	"encoding/binary"
	"unsafe"

	"github.com/zmem-go/zmem/z"
)

type node struct {
	val  int
	next *node
}

var (
	a    *z.Allocator
	key  uint64
	name []byte
	root *node
)

func _() {
END
        sed -E -e 's/\{ \.\.\. \}/{}/' -e 's/^([[:space:]]*)\.\.\.$/\1_ = 0/' "$1"
        echo "}"
    } >"$dir/fragment.go"
    cd "$dir"
    go build -gcflags=-e . 2>&1 | grep -v -e '^#' -e 'declared and not used' -e 'imported and not used' >"$work/errors" || true
    [ ! -s "$work/errors" ] || {
        cat "$work/errors" "$dir/fragment.go"
        return 1
    }
}

# ---- Links and names ----------------------------------------------------------------------------

# The anchors of a document, as GitHub makes them of its headings.
anchors() {
    sed -nE 's/^#+ +//p' "$1" | tr '[:upper:]' '[:lower:]' | sed -E 's/[^a-z0-9 _-]//g; s/ /-/g'
}

test_links() { # DOCUMENT
    local link path anchor bad=0
    while read -r link; do
        path=${link%%#*}
        anchor=
        [[ $link != *"#"* ]] || anchor=${link#*#}
        if [ -n "$path" ]; then
            path=$(dirname "$1")/$path
        else
            path=$1
        fi
        if [ ! -e "$path" ]; then
            echo "$1: $link leads nowhere"
            bad=1
        elif [ -n "$anchor" ] && ! anchors "$path" | grep -qxF -- "$anchor"; then
            echo "$1: $link: there is no such heading"
            bad=1
        fi
    done < <(prose "$1" | sed 's/`[^`]*`//g' | grep -oE '\]\([^)]+\)' | sed -E 's/^\]\(//; s/\)$//' |
        grep -vE '^(https?|mailto):' || true)
    [ "$bad" = 0 ]
}

# The files that README.md, docs/design.md and comments name by their whole name; but for Go's own, and
# those of programs in examples.
test_named_files() {
    local name bad=0
    git ls-files | sed 's,.*/,,' | sort -u >"$work/files"
    while read -r name; do
        grep -qxF -- "$name" "$work/files" || {
            echo "there is no $name, which is named in:"
            grep -lF -- "$name" README.md docs/*.md z/*.go c/*.[ch] c/*.go
            bad=1
        }
    done < <(grep -hoE '(^|[^a-zA-Z0-9_./*<-])[a-z][a-z0-9_]*\.(go|c|h|sh)\b' README.md docs/design.md \
        <(grep -hE '^[[:space:]]*(//|\*|/\*)' z/*.go c/*.[ch] c/*.go) |
        sed -E 's/^[^a-z]//' | grep -vxE '(proc|preempt|load|add|a)\.go' | sort -u)
    [ "$bad" = 0 ]
}

# design.md names what z lacks of ristretto/v2's memory part; nothing else is lacking.
test_missing_names() {
    local dir
    go -C contrib/bench mod download github.com/dgraph-io/ristretto/v2
    dir=$(go -C contrib/bench list -m -f '{{.Dir}}' github.com/dgraph-io/ristretto/v2)
    names_of() { # of the functions, methods, types, variables and constants in files
        sed -nE -e 's/^func ([A-Z][A-Za-z0-9]*).*/\1/p' \
            -e 's/^func \([a-z]+ \*?([A-Z][A-Za-z]*)\) ([A-Z][A-Za-z]*)\(.*/\1.\2/p' \
            -e 's/^(type|var|const) ([A-Z][A-Za-z0-9]*).*/\2/p' \
            -e 's/^\t([A-Z][A-Za-z0-9]*) +(BufferType +)?= .*/\1/p' \
            -e '/^const/,/^\)/s/^\t(Use[A-Z][A-Za-z]*).*/\1/p' "$@" | sort -u
    }
    names_of "$dir"/z/{calloc*,allocator,buffer,file*,mmap*}.go | grep -v -e ^Test -e ^Benchmark >"$work/theirs"
    # shellcheck disable=SC2046
    names_of $(git ls-files 'z/*.go' | grep -v _test.go | grep -v '/.*/') >"$work/ours"
    grep -q '^	sync.Mutex$' "$dir/z/allocator.go" &&
        printf 'Allocator.%s\n' Lock TryLock Unlock >>"$work/theirs"
    comm -23 <(sort "$work/theirs") "$work/ours" | sed 's/^Allocator\.//' | sort >"$work/missing"
    # A type's methods go with it.
    grep -v '^BufferType\.' "$work/missing" >"$work/lacking"
    tr '\n' ' ' <docs/design.md | grep -oE 'but it lacks [^.]*' | grep -oE '`[A-Z][A-Za-z]+`' |
        tr -d '`' | sort >"$work/named"
    diff "$work/named" "$work/lacking"
}

# ---- All of it ----------------------------------------------------------------------------------

new_consumer "$work/consumer"
(cd "$work/consumer" && go mod tidy)
# A copy, since commands write files; of the module's other programs none is named.
mkdir -p "$work/contrib"
cp contrib/go.sum "$work/contrib"
sed "s,=> \.\.,=> $root," contrib/go.mod >"$work/contrib/go.mod"
cp -r contrib/leakdemo "$work/contrib"

for document in "${documents[@]}"; do
    extract_sessions "$document"
    extract_go "$document"
done
for document in "${documents[@]}"; do
    for file in "$work/commands/${document//\//_}"-*; do
        [ ! -e "$file" ] || test_command "$document" "$(head -n 1 "$file")" "$file"
    done
    while read -r command; do
        test_command "$document" "$command"
    done < <(extract_inline "$document" | sort -u)
    for file in "$work/go/${document//\//_}"-*; do
        [ -e "$file" ] || continue
        title="docs: $document: $(grep -m 1 -v -e '^package' -e '^$' "$file")"
        if grep -q '^package main' "$file"; then
            check "$title: runs" test_program "$file"
        elif grep -q '^func Test' "$file"; then
            check "$title: is a test" test_is_in_contrib "$file"
        else
            check "$title: compiles" test_fragment "$file"
        fi
    done
done
for document in "${documents[@]}"; do
    check "docs: links of $document" test_links "$document"
done
check "docs: files that are named exist" test_named_files
check "docs: names that z lacks" test_missing_names
finish
