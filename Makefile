# `make help` lists what there is. Every target brings its own environment along.

SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
export PYTHON

.DEFAULT_GOAL := help
# No help text: a part of other targets.
.PHONY: programs

.PHONY: image image-test kind kind-down
.PHONY: help setup cluster test sim chaos coverage check fix generate lock clean explore mutants pods bench

help: ## show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## create or update .venv from requirements.lock (the other targets do it by themselves)
	@$(PYTHON) tools/bootstrap.py

cluster: setup ## start five nodes on this machine; Ctrl-C stops them
	@$(BIN)/kvorum dev

test: setup programs ## run all tests (ARGS="tests/unit -k name" for some)
	@$(BIN)/python tools/run_tests.py $(ARGS)

programs: setup
	@$(PYTHON) tools/ensure_programs.py

coverage: setup programs ## run all tests and report the lines that none of them reaches
	@rm -f .coverage .coverage.*
	@$(BIN)/pytest --cov --cov-report=term --cov-report=html $(ARGS)

BOUNDS := TERMS TICKS ENTRIES MESSAGES CRASHES DUPLICATES CHANGES TRANSFERS LEARNERS LED SECONDS
explore: setup ## visit all states of three cores within bounds (TERMS=2 MESSAGES=3 …)
	@$(BIN)/python -m tests.exploration $(foreach bound,$(BOUNDS),$(if $($(bound)),$(bound)=$($(bound))))

chaos: setup ## five real processes under every fault for TIME=300 seconds (as root: partitions too)
	@$(BIN)/python -m tests.chaos --time $(or $(TIME),300) $(CHAOS)

pods: setup programs ## the chart's pods as processes through a release's life, as root (5 minutes)
	@$(BIN)/python -m tests.deploy.pods

sim: setup ## simulate clusters of ever new seeds until one fails (SEED=7 tells the story of one)
	@$(BIN)/python -m kvorum.testing.simulate $(if $(SEED),--seed=$(SEED)) $(ARGS)

bench: setup ## measure kvorum beside etcd, half an hour (QUICK=1: two minutes; ONLY="put get", ROUNDS, SECONDS, TRIALS)
	@$(BIN)/python -m bench run $(if $(QUICK),--quick) $(if $(ROUNDS),--rounds $(ROUNDS)) \
	  $(if $(SECONDS),--seconds $(SECONDS)) $(if $(TRIALS),--trials $(TRIALS)) $(if $(ONLY),--only $(ONLY))

image: ## build the container image with docker, podman or buildah (IMAGE=name:tag)
	@deploy/image/build.sh $(BUILD)

image-test: setup ## build the image on a fresh Debian and run three nodes of it (as root; minutes)
	@$(BIN)/python -m tests.deploy.image.real $(BUILD)

kind: ## three nodes with Prometheus and Grafana on Kubernetes in Docker (kind)
	@PATH="$$PATH:$(CURDIR)/$(BIN)" deploy/kind/up.sh

kind-down: ## remove what `make kind` made
	@deploy/kind/down.sh

mutants: setup ## plant bugs in the code one by one, and see that each is found (MUTANTS="name name" for some)
	@$(BIN)/python -m tests.mutants $(MUTANTS)

check: setup programs ## lint, types, layers, size budget, generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy service tests tools bench
	$(BIN)/lint-imports --no-logo
	$(BIN)/python tools/check_budget.py
	$(BIN)/python tools/generate_proto.py --check
	$(BIN)/python tools/generate_openapi.py --check
	$(BIN)/python tools/generate_client.py --check
	$(BIN)/python tools/generate_chart_docs.py --check
	$(BIN)/python tools/generate_metrics.py --check
	$(BIN)/python -m tools.generate_dashboards --check

fix: setup generate ## mend what can be mended: lint, format, generated files
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

generate: setup ## write the protobuf code, the OpenAPI documents and the list of metrics anew
	$(BIN)/python tools/generate_proto.py
	$(BIN)/python tools/generate_openapi.py
	$(BIN)/python tools/generate_client.py
	$(BIN)/python tools/generate_chart_docs.py
	$(BIN)/python tools/generate_metrics.py
	$(BIN)/python -m tools.generate_dashboards

lock: setup ## resolve requirements*.lock anew from pyproject.toml
	$(BIN)/python tools/lock.py
	@$(PYTHON) tools/bootstrap.py

clean: ## remove the environment, caches and the data of the local cluster
	rm -rf .venv .venv.lock data kvorum-data kvorum-dev build dist htmlcov .coverage .coverage.* service/*.egg-info
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .cache
	find service tests tools bench -name __pycache__ -type d -prune -exec rm -rf {} +
