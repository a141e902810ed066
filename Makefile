# Every task a person needs; `make` lists them.
#
#   PREFIX=dir             where `make jemalloc` installs (default /usr/local)
#   JEMALLOC_TARBALL=file  jemalloc's source archive, where it cannot be downloaded
#   PART=rest              `make check` without what `make test` runs
#   SOAK=10m, STRESS=50    how long, and how many rounds, `make soak` takes

SHELL := /bin/bash
PREFIX ?= /usr/local
SOAK ?= 10m
STRESS ?= 50
export PREFIX JEMALLOC_TARBALL

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
C_FILES = $(shell git ls-files '*.c' '*.h')
TAG_SETS := "" jemalloc leak "jemalloc leak" zmem_nolinkname "jemalloc zmem_crossings" \
	zmem_check "zmem_check jemalloc leak" \
	"jemalloc allocator"

.PHONY: help
help: ## list the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

.PHONY: setup
setup: ## install whatever is missing: Go, a C compiler, jemalloc, test and lint tools
	@bash scripts/setup.sh go cc jemalloc ctest lint

.PHONY: jemalloc
jemalloc: ## build jemalloc 5.3.0 and install it into PREFIX
	@bash scripts/setup.sh cc
	@bash scripts/jemalloc.sh

.PHONY: demo
demo: ## the linked list, on the Go heap, on manual memory and on an Allocator
	@bash scripts/setup.sh go cc jemalloc
	go -C contrib run ./demo
	go -C contrib run -tags jemalloc ./demo
	go -C contrib run -tags jemalloc,allocator ./demo

.PHONY: memtest
memtest: ## resident memory of Go's, libc's and jemalloc's allocator, as a table and a chart
	@bash scripts/setup.sh go cc jemalloc
	go -C contrib build -tags jemalloc -o ../build/memtest ./memtest
	build/memtest -compare -lo 128MiB -hi 1GiB -chart docs/memtest.svg

.PHONY: bench
bench: ## every benchmark, against every peer, into docs/benchmarks.md; a quarter of an hour
	@bash scripts/setup.sh go cc jemalloc
	go -C contrib/bench run .

.PHONY: soak
soak: ## fuzzing and stress for long: SOAK=10m, STRESS=50 rounds
	@bash scripts/setup.sh go cc jemalloc ctest
	go test -tags jemalloc -run '^$$' -fuzz FuzzCalloc -fuzztime $(SOAK) ./z
	go test -race -tags jemalloc -run 'Cache|ManyGoroutines' -count $(STRESS) -timeout 0 ./z
	$(MAKE) -C c test ITERATIONS=100000

.PHONY: test
test: ## what a person waits for: Go in the main tag sets, C under AddressSanitizer
	@bash scripts/setup.sh go cc jemalloc ctest
	@bash scripts/test.sh quick

PART ?= all
.PHONY: check
check: ## everything: every tag set, C in every variant, scripts, consumers, documents; PART=rest leaves out `make test`
	@bash scripts/setup.sh go cc jemalloc ctest
	@bash scripts/test.sh $(PART)

.PHONY: lint
lint: ## gofmt, go vet, staticcheck, clang-format, cppcheck, shellcheck
	@bash scripts/setup.sh go cc jemalloc lint
	@test -z "$$(gofmt -l . | tee /dev/stderr)" || { echo "lint: run 'make fmt'"; exit 1; }
	@for tags in $(TAG_SETS); do for dir in . contrib contrib/bench; do \
		echo "go vet, staticcheck: $$dir, tags '$$tags'" && \
		go -C $$dir vet -tags "$$tags" ./... && \
		go -C $$dir run $(STATICCHECK) -tags "$$tags" ./... || exit 1; done; done
	clang-format --dry-run --Werror $(C_FILES)
	cppcheck --quiet --std=c11 --enable=warning,style,performance,portability --inline-suppr \
		--suppress=missingIncludeSystem --suppress=unusedStructMember \
		--suppress='*:$(PREFIX)/*' --error-exitcode=1 \
		-D_GNU_SOURCE -D__linux__ -Ic -I$(PREFIX)/include \
		$(filter %.c,$(C_FILES))
	shellcheck -x scripts/*.sh .ci/run
	@echo "lint: clean"

.PHONY: fmt
fmt: ## format all Go and C code
	gofmt -w .
	clang-format -i $(C_FILES)

.PHONY: clean
clean: ## remove what was built
	rm -rf build
	$(MAKE) -C c clean
