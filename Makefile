# make run    starts the gateway; make test    passes all tests.
# Both install what they need where it is missing: Debian packages when root, Rust tools with cargo.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.NOTPARALLEL:
.DEFAULT_GOAL := help

export CARGO_INCREMENTAL := 0
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin
# Where cargo puts what it builds; `cargo metadata` would take a second to say the same.
TARGET := $(or $(CARGO_TARGET_DIR),target)
# Seconds of fuzzing for each target.
FUZZ_SECONDS ?= 20

# $(call install,COMMANDS,PACKAGES): the packages, if one of the commands is missing.
define install
missing=""; for command in $(1); do command -v "$$command" >/dev/null || missing="$$missing $$command"; done; \
if [ -n "$$missing" ]; then \
    if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
        echo "missing:$$missing (on Debian: apt-get install $(2))" >&2; exit 1; \
    fi; \
    apt-get update -qq; \
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(2); \
fi
endef

# Built without optimisation: that takes a third of the time, and they run for seconds.
cargo-install = cargo install --locked --debug

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

.PHONY: run
run: compiler ## build and start the gateway on 127.0.0.1:3000
	cargo run --release --locked -- $(ARGS)

.PHONY: test
test: tools fmt lint build unit doc deny table sdk openapi http2 fuzz icount ## all tests
	@echo; echo "All tests passed. The test runner said:"; grep -E '^ +Summary|^test result' $(TARGET)/tests.log | tail -n 1

.PHONY: check
check: compiler fmt lint unit ## what to run before a commit

.PHONY: fmt
fmt:
	cargo fmt --check

.PHONY: lint
lint:
	cargo clippy --locked --all-targets -- -D warnings

.PHONY: build
build:
	cargo build --locked

# Unit tests, the black-box suite and the contract suite.
.PHONY: unit
unit:
	mkdir -p $(TARGET)
	if cargo nextest --version >/dev/null 2>&1; then cargo nextest run --locked; else cargo test --locked --no-fail-fast --tests; fi \
	    2>&1 | tee $(TARGET)/tests.log

.PHONY: doc
doc:
	cargo test --locked --doc

# Advisories need a database that is fetched over the network; `cargo deny check advisories` reads it.
.PHONY: deny
deny:
	cargo deny --locked check --hide-inclusion-graph bans licenses sources

.PHONY: sdk
sdk: build ## the vendors' SDKs against the gateway
	tests/sdk/run.sh $(TARGET)/debug/aisix

.PHONY: openapi
openapi: build ## the Admin API against its own OpenAPI document
	tests/openapi/run.sh $(TARGET)/debug/aisix

# The README shows what was measured last.
.PHONY: table
table:
	load-tests/table.py --check

.PHONY: http2
http2: build ## the HTTP/2 door against curl, h2load and frames no client would send
	tests/http2/run.sh $(TARGET)/debug/aisix

.PHONY: fuzz
fuzz: ## each fuzz target for FUZZ_SECONDS
	fuzz/run.sh $(FUZZ_SECONDS)

# Counted, not timed: the numbers do not move with the load of the machine.
.PHONY: icount
icount: ## instruction counts of the benches against their bounds
	benches/icount.sh

.PHONY: reference
reference: ## write docs/reference and the tables of docs/architecture.md
	UPDATE=1 cargo test --locked --test contract generated

.PHONY: compiler
compiler:
	@command -v cargo >/dev/null || { echo "missing: cargo (see https://rustup.rs)" >&2; exit 1; }
	@$(call install,cc c++ make cmake protoc,build-essential cmake protobuf-compiler libprotobuf-dev)
	@[ -e "$$(dirname "$$(command -v protoc)")/../include/google/protobuf/descriptor.proto" ] || \
	    { $(call install,libprotobuf-dev,libprotobuf-dev); }

.PHONY: tools
tools: compiler
	@cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
	@cargo clippy --version >/dev/null 2>&1 || rustup component add clippy
	@$(call install,curl h2load nghttp valgrind node npm,curl ca-certificates nghttp2-client valgrind nodejs npm)
	@$(call install,etcd etcdctl,etcd-server etcd-client)
	@python3 -c 'import ensurepip, venv' 2>/dev/null || { $(call install,python3-venv,python3 python3-venv); }
	@cargo nextest --version >/dev/null 2>&1 || $(cargo-install) cargo-nextest || echo "cargo test runs in its place"
	@cargo deny --version >/dev/null 2>&1 || $(cargo-install) cargo-deny
