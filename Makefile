# The commands of this repository: what people run and what CI runs are the same.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.NOTPARALLEL:

VENV   := .venv
BIN    := $(VENV)/bin
PYTHON ?= python3
CORE   := runtime/core
CARGO  := cargo --color auto
MANIFEST := --manifest-path $(CORE)/Cargo.toml
CORE_SOURCES := $(shell find $(CORE)/src proto -type f) $(CORE)/Cargo.toml $(CORE)/Cargo.lock $(CORE)/pyproject.toml
# Kept between builds; in a debug build, for it works for a second and is built in one.
DENY_VERSION := 0.20.2
DENY := target/tools/bin/cargo-deny
# Every Python package in the version that was tested; PINS= takes the newest that fit pyproject.toml.
PINS ?= --constraint constraints.txt
# One target directory for tests, lints and wheels: what one has built the next need not build again.
export CARGO_TARGET_DIR ?= $(CURDIR)/target

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

serve: $(VENV)/.release $(VENV)/.serve ## Serve the photo model on Ray, on 127.0.0.1:8000 (HTTP) and :8001 (gRPC)
	@exec $(BIN)/headrace serve examples/photos $(SERVE_OPTIONS)

# What starts no server: two processes at once disturb each other in nothing but their time.
ALONE := tests/unit tests/kernels tests/fuzz tests/load
# Servers of one process, on ports that no other test has: two files of tests at once.
LOCAL := tests/local tests/seam tests/hooks tests/wire tests/stores tests/embeddings
# Simulated worlds and threads in every order need minutes of a processor and no clock, and the tests of servers wait
# most of their time.
test: $(VENV)/.dev ready check ## Run every test: Rust, Python, wire, integration
	@echo "== Rust tests"; $(CARGO) test $(MANIFEST) --quiet -- --skip simulation::
	@nice -n 19 $(MAKE) --no-print-directory simulate loom >target/beside.log 2>&1 & beside=$$!; \
	echo "== Python unit tests, and kernels; beside them simulated worlds, and every order of threads"; \
	if $(BIN)/pytest -q -n 2 $(ALONE) && echo "== the seam, and servers of one process" && \
	  $(BIN)/pytest -q -n 2 --dist loadfile $(LOCAL) --durations 15 && echo "== the wire, and the whole server" && \
	  $(BIN)/pytest -q tests $(addprefix --ignore ,$(ALONE) $(LOCAL)) --durations 15; then ended=0; else ended=1; fi; \
	wait $$beside || ended=1; cat target/beside.log; exit $$ended

# What is compiled and what comes over the network do not wait for each other.
.PHONY: ready clippy built
ready: $(VENV)/.dev
	@mkdir -p target; $(MAKE) --no-print-directory $(DENY) clippy built >target/ready.log 2>&1 & compiling=$$!; \
	$(MAKE) --no-print-directory $(VENV)/.test; \
	wait $$compiling || { cat target/ready.log; exit 1; }

clippy:
	@echo "== clippy"; $(CARGO) clippy $(MANIFEST) --all-targets --features python --quiet -- -D warnings
	@$(CARGO) clippy --manifest-path $(CORE)/bench/Cargo.toml --all-targets --quiet -- -D warnings

built:
	@$(CARGO) test $(MANIFEST) --quiet --no-run

check: $(VENV)/.dev $(VENV)/.test $(DENY) ## Run linters, type checks, import rules, licences
	@echo "== formats and lints"; $(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(CARGO) fmt $(MANIFEST) --check
	@echo "== types"; $(BIN)/mypy
	@echo "== layers"; $(BIN)/lint-imports
	@$(MAKE) --no-print-directory clippy
	@echo "== supply chain"; $(BIN)/pip-licenses --format csv >/dev/null
	@$(DENY) --offline $(MANIFEST) check bans licenses sources

# Asks the network for what has become known since, so that it may fail without a change here.
audit: $(VENV)/.test $(DENY) ## Look for known weaknesses in the Rust and Python packages that are used
	@$(DENY) $(MANIFEST) check advisories
	@$(BIN)/pip -q install $(PINS) pip-audit && $(BIN)/pip-audit --requirement constraints.txt --no-deps --disable-pip

simulate: ## Run gateways, hosts and links under thousands of seeds of one virtual clock
	@echo "== simulated worlds"; $(CARGO) test $(MANIFEST) --lib --quiet simulation::

# With a folder of its own: the flag makes other crates of all that it meets.
loom: ## Check what threads share in every order in which they can meet
	@echo "== every order of threads"
	@CARGO_TARGET_DIR=$(CARGO_TARGET_DIR)/loom RUSTFLAGS="--cfg headrace_loom" $(CARGO) test $(MANIFEST) --lib --quiet models::

# Only what makes no system calls, and few throws of the dice: an interpreter is slow.
MIRI ?= decide:: sync:: base:: wire::frame wire::json wire::oip_proto host::room host::settle gateway::memory::admission gateway::queue::carriers
miri: ## Run the decisions and codecs in an interpreter that sees undefined behaviour; needs a nightly compiler
	@CARGO_TARGET_DIR=$(CARGO_TARGET_DIR)/miri MIRIFLAGS=-Zmiri-disable-isolation PROPTEST_CASES=4 cargo +nightly miri test $(MANIFEST) --lib -- $(MIRI)

bench: ## Time what a request costs in the core's decisions and codecs
	$(CARGO) bench --manifest-path $(CORE)/bench/Cargo.toml

# Asked first: what is installed to run on one has gigabytes.
.PHONY: gpu
gpu:
	@$(PYTHON) tests/kernels/gpu.py

test-gpu: gpu $(VENV)/.dev $(VENV)/.cuda ## Run kernels and versions on this machine's GPU; fails where there is none
	@$(BIN)/python -c 'import sys; from tests.kernels.implementations import no_device; sys.exit(no_device())'
	@$(BIN)/pytest -q tests/kernels tests/gpu -m gpu

test-registry: $(VENV)/.dev $(VENV)/.mlflow ## Run what takes models from MLflow's registry; `make test` skips it, for its time
	@$(BIN)/pytest -q tests/registry tests/unit/test_mlflow_signature.py

test-stores: $(VENV)/.dev $(VENV)/.stores ## Run what takes models from object stores on a server of S3; `make test` has none
	@$(BIN)/pytest -q tests/stores tests/unit/test_stores.py

bench-gpu: gpu $(VENV)/.release $(VENV)/.cuda ## Time the kernels and a network on this machine's GPU; fails where there is none
	@$(BIN)/python -m tests.kernels.bench
	@$(BIN)/python load_tests/bare/resnet.py
	@$(BIN)/python load_tests/bare/idle.py

KILLS ?= 100
SEED  ?= 1
chaos: $(VENV)/.release $(VENV)/.test ## Kill processes of a server under load, KILLS times: what callers notice, into target/chaos
	@mkdir -p target/chaos
	@$(BIN)/python -m tests.chaos --kills $(KILLS) --seed $(SEED) --json target/chaos/$(SEED).json --picture target/chaos/$(SEED).png

MINUTES ?= 60
soak: $(VENV)/.release $(VENV)/.test ## Load a server for an hour: whether memory and latency stay flat, into target/soak
	@mkdir -p target/soak
	@$(BIN)/python -m tests.soak --minutes $(MINUTES) --json target/soak/soak.json --picture target/soak/soak.png

fuzz: $(VENV)/.fuzz ## Fuzz what reads bytes of others, FUZZ_SECONDS (60) each; READERS="json http" for some
	@FUZZ_PYTHON=$(CURDIR)/$(BIN)/python $(CORE)/fuzz/run $(READERS)

wheels: $(VENV)/.venv ## Build both wheels into dist/
	$(BIN)/maturin build --release $(MANIFEST) --out dist
	$(BIN)/pip -q wheel --no-deps --wheel-dir dist .

clean: ## Remove what was built and installed here
	rm -rf $(VENV) dist target

$(VENV)/.venv:
	@echo "== making $(VENV)"; $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Headrace needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	@$(PYTHON) -m venv $(VENV) && $(BIN)/pip -q install --upgrade $(PINS) pip maturin
	@touch $@

# The core is installed in one of two builds: `release` serves; `dev` is tested, for it checks overflows and
# asserts, and shares what cargo built for the Rust tests. To install one makes the other's stamp stale.
$(VENV)/.release: $(VENV)/.venv $(CORE_SOURCES)
	@command -v cargo >/dev/null || { echo "Rust is needed: cargo was not found"; exit 1; }
	@echo "== building the core (some minutes the first time)"
	@rm -rf target/release-wheel && $(BIN)/maturin build --release $(MANIFEST) --out target/release-wheel
	@$(BIN)/pip -q install --force-reinstall --no-deps target/release-wheel/*.whl && rm -f $(VENV)/.dev && touch $@

$(VENV)/.dev: $(VENV)/.venv $(CORE_SOURCES)
	@command -v cargo >/dev/null || { echo "Rust is needed: cargo was not found"; exit 1; }
	@echo "== building the core with its checks on"
	@rm -rf target/dev-wheel && $(BIN)/maturin build --profile dev $(MANIFEST) --out target/dev-wheel
	@$(BIN)/pip -q install --force-reinstall --no-deps target/dev-wheel/*.whl && rm -f $(VENV)/.release && touch $@

SERVE_EXTRAS := ray,photos
TEST_EXTRAS := ray,photos,embeddings,onnx,test,chaos,load
INSTALL = $(BIN)/pip install $(PINS) --progress-bar on -e '.[$(1)]' | grep --line-buffered -E '^(Downloading|Installing|Successfully)'

$(VENV)/.serve: pyproject.toml constraints.txt | $(VENV)/.venv
	@echo "== installing headrace, Ray and PyTorch (about 6 GB the first time)"
	@$(call INSTALL,$(SERVE_EXTRAS)) && touch $@

$(VENV)/.test: $(VENV)/.serve
	@echo "== installing what the tests need"
	@$(call INSTALL,$(TEST_EXTRAS)) && touch $@

$(VENV)/.cuda: $(VENV)/.test
	@echo "== installing CuPy"
	@$(call INSTALL,cuda) && touch $@

$(VENV)/.mlflow: $(VENV)/.test
	@echo "== installing MLflow"
	@$(call INSTALL,test-mlflow) && touch $@

$(VENV)/.stores: $(VENV)/.test
	@echo "== installing a server of S3"
	@$(call INSTALL,test-stores) && touch $@

$(VENV)/.fuzz: pyproject.toml constraints.txt $(VENV)/.dev
	@echo "== installing what fuzzing needs"
	@$(call INSTALL,fuzz) && touch $@

$(DENY):
	@echo "== building cargo-deny $(DENY_VERSION)"
	@cargo install --quiet --debug --locked cargo-deny --version $(DENY_VERSION) --root target/tools --target-dir target/tools/build
	@rm -rf target/tools/build

# A pin that fits pyproject.toml no more is told by pip: take its line out.
pins: $(VENV)/.dev ## Pin what constraints.txt has no version of yet; PINS= chooses the newest of all
	@$(BIN)/pip install $(PINS) --dry-run --ignore-installed --quiet --find-links target/dev-wheel --report target/pins.json \
	  -e '.[ray,torch,photos,embeddings,onnx,mlflow,postgres,cuda,nvimgcodec,triton,test,test-stores,chaos,load,fuzz]' pip maturin pip-audit
	@$(BIN)/python -c "$$WRITE_PINS" < target/pins.json > constraints.txt

define WRITE_PINS
import json, sys
packages = [item["metadata"] for item in json.load(sys.stdin)["install"]]
print("# Written by `make pins`: what everything was tested with.")
for name, version in sorted((package["name"].lower(), package["version"]) for package in packages):
    if not name.startswith("headrace"):
        print(f"{name}=={version}")
endef
export WRITE_PINS

.PHONY: help serve test test-gpu test-stores bench-gpu check audit pins simulate loom miri bench chaos soak fuzz wheels clean
