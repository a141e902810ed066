# Every task a person needs; `make` lists them.
#
#   PREFIX=dir             where `make jemalloc` installs (default /usr/local)
#   JEMALLOC_TARBALL=file  jemalloc's source archive, where it cannot be downloaded

SHELL := /bin/bash
PREFIX ?= /usr/local
export PREFIX JEMALLOC_TARBALL

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
TAG_SETS := "" jemalloc leak "jemalloc leak"

.PHONY: help
help: ## list the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

.PHONY: setup
setup: ## install whatever is missing: Go, a C compiler, jemalloc, test and lint tools
	@scripts/setup.sh go cc jemalloc ctest lint

.PHONY: jemalloc
jemalloc: ## build jemalloc 5.3.0 and install it into PREFIX
	@scripts/setup.sh cc
	@scripts/jemalloc.sh

.PHONY: demo
demo: ## the linked list, on the Go heap and on manual memory
	@scripts/setup.sh go cc jemalloc
	go -C contrib run ./demo
	go -C contrib run -tags jemalloc ./demo

.PHONY: memtest
memtest: ## resident memory of Go's, libc's and jemalloc's allocator, as a table and a chart
	@scripts/setup.sh go cc jemalloc
	go -C contrib build -tags jemalloc -o ../build/memtest ./memtest
	build/memtest -compare -lo 128MiB -hi 2GiB -cycles 4 -max 16MiB -chart docs/memtest.svg

.PHONY: test
test: ## everything: Go in every tag set, C under sanitizers, scripts, consumers, demos
	@scripts/setup.sh go cc jemalloc ctest
	@scripts/test.sh

.PHONY: lint
lint: ## gofmt, go vet, staticcheck, clang-format, cppcheck
	@scripts/setup.sh go cc jemalloc lint
	@test -z "$$(gofmt -l . | tee /dev/stderr)" || { echo "lint: run 'make fmt'"; exit 1; }
	@for tags in $(TAG_SETS); do for dir in . contrib; do \
		echo "go vet, staticcheck: $$dir, tags '$$tags'" && \
		go -C $$dir vet -tags "$$tags" ./... && \
		go -C $$dir run $(STATICCHECK) -tags "$$tags" ./... || exit 1; done; done
	clang-format --dry-run --Werror c/*.[ch] c/test/*.[ch] contrib/*/*.c
	cppcheck --quiet --std=c11 --enable=warning,style,performance,portability --inline-suppr \
		--suppress=missingIncludeSystem --error-exitcode=1 -D_GNU_SOURCE -D__linux__ c contrib/memtestc
	@echo "lint: clean"

.PHONY: fmt
fmt: ## format all Go and C code
	gofmt -w .
	clang-format -i c/*.[ch] c/test/*.[ch] contrib/*/*.c

.PHONY: clean
clean: ## remove what was built
	rm -rf build
	$(MAKE) -C c clean
