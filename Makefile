# From a fresh clone with Python 3.11 or newer, Go and make: everything else is fetched or built by the targets.
PYTHON ?= python3
# local: the cluster of `make up`. current: that of your kubeconfig, for demo, env and their down.
CLUSTER ?= local
export CLUSTER

BIN := .venv/bin
VENV := .venv/.complete
# They look at the whole machine, where nothing else may come and go meanwhile.
ALONE = tests/images/ tests/localcluster/
# The quick ones first, the two of faults in their short form. Backends, bench and incluster have targets of their own.
ELSEWHERE = $(ALONE) tests/backends/ tests/bench/ tests/incluster/
SUITES = tests/unit $(filter-out tests/unit/ $(ELSEWHERE) %__pycache__/,$(sort $(wildcard tests/*/)))
# Each of two processes has a cluster of its own and takes file by file.
IN_TWO = --numprocesses=2 --dist=loadfile --no-loadscope-reorder
SHELL_SCRIPTS = $(shell find . -path ./.venv -prune -o -name '*.sh' -print) .ci/run

.PHONY: help tools up down demo env test test-incluster test-faults bench test-unit check lock image local-cluster-only

help: ## show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

# An environment without the stamp was never completed and is made anew; an outdated one is brought up to date.
$(VENV): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12")'
	test -e $@ || $(PYTHON) -m venv --clear .venv
	$(BIN)/pip install --disable-pip-version-check --progress-bar off --require-hashes -r requirements.lock >&2
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e . >&2
	touch $@

tools: $(VENV) ## install Pulumi, Kubernetes and Debian packages (20 minutes the first time)
	$(BIN)/python -m toolchain install

up: local-cluster-only tools ## start the local cluster, or repair it
	$(BIN)/python -m localcluster up

down: $(VENV) ## stop the demo's reconciler and remove the local cluster
	$(BIN)/python -m demo down

demo: $(VENV) ## show a DevServer from kubectl apply to SSH, and one that expires
	$(BIN)/python -m demo

env: $(VENV) ## print the environment for kubectl and pulumi, as the README shows
	@$(BIN)/python -m demo env

test: tools ## run the tests, as root: they start clusters, and leave those called test and test-1 (20 minutes)
	$(BIN)/pytest $(ALONE)
	$(BIN)/pytest $(IN_TWO) $(SUITES)

test-incluster: tools ## build the image, run it from deploy/ in a cluster; a small form of the bench (5 minutes)
	$(BIN)/pytest tests/incluster tests/bench

test-faults: tools ## kill, stop and cut off all that can be, in two clusters at a time (20 minutes)
	$(BIN)/pytest --full $(IN_TWO) tests/faults tests/engine_speed tests/backends

bench: $(VENV) ## measure rates, latencies, logins and memory, as JSON lines (17 minutes; PARTS="rates login")
	@$(BIN)/python -m toolchain install >&2
	@$(BIN)/python -m bench $(PARTS)

test-unit: $(VENV) ## run the tests that need nothing else, in seconds
	$(BIN)/pytest tests/unit

check: $(VENV) ## format, lint, types, import rules, generated files, scripts, unit tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m crds --check
	$(BIN)/shellcheck $(SHELL_SCRIPTS)
	@unformatted=$$(gofmt -l toolchain); test -z "$$unformatted" || { echo "gofmt -w $$unformatted" >&2; exit 1; }
	$(BIN)/pytest tests/unit

# The second file is for the image, which needs no tools of development.
lock: $(VENV) ## bring the lock files up to date with pyproject.toml
	$(BIN)/pip install --quiet --upgrade --target build/uv uv
	build/uv/bin/uv pip compile pyproject.toml --group dev --universal --generate-hashes \
		--no-emit-index-url --no-header -q -o requirements.lock
	build/uv/bin/uv pip compile pyproject.toml --universal --generate-hashes --constraint requirements.lock \
		--no-annotate --no-emit-index-url --no-header -q -o requirements-runtime.lock

image: tools ## build the operator's container image, without a Docker engine
	$(BIN)/python -m container

local-cluster-only:
	@test "$(CLUSTER)" = local || { echo "CLUSTER=$(CLUSTER) is for demo, env and down" >&2; exit 1; }
