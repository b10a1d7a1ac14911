# Everything a newcomer, a developer and CI need. `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
# Made anew when the lock or the package changes; nothing here needs root or Docker.
STAMP := .venv/.installed
ENTERPRISES ?= 2000
SEED ?= 1

.PHONY: help setup demo test test-unit test-integration faults faults-selftest overload lint types check up down clean lock

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

setup: $(STAMP) ## Make .venv, install everything, fetch Kafka's jars
	@$(BIN)/python -m deploy.local.fetch_kafka

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed: apt-get install python3 python3-venv"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "python3-venv is missing: apt-get install python3-venv"; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $(STAMP)

demo: setup ## Run a synthetic region through every service on real servers; fails unless the money balances
	$(BIN)/relief demo --enterprises $(ENTERPRISES) --seed $(SEED)

test: setup ## All tests: those without a server, and beside them those that start their own; each tells at its end
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target test-unit test-integration

test-unit: setup ## The tests that need no server
	$(BIN)/pytest -m "not integration"

test-integration: setup ## The tests on real Kafka, Redis and PostgreSQL
	$(BIN)/pytest -m integration

faults: setup ## Every fault into a running stream, with one and two replicas: a table, which fails unless it is zeros
	$(BIN)/python -m tests.faults.matrix

faults-selftest: setup ## Plant bugs in a copy of the checkout, one at a time; fails unless each is caught
	$(BIN)/python -m tests.faults.selftest

overload: setup ## Ten times what this machine can take for two minutes, then its recovery; fails unless every promise holds
	$(BIN)/python -m tests.faults.overload

lint: setup ## Style, layers, generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m shared.contracts.generate --check

types: setup ## mypy, strict
	$(BIN)/mypy

check: lint types test ## What CI runs

up: setup ## Start the local stack and the services
	$(BIN)/relief up

down: ## Stop what `make up` started
	$(BIN)/relief down

clean: ## Remove what setup and runs made
	@if test -x $(BIN)/relief; then $(BIN)/relief down --wipe; fi
	rm -rf .venv .local .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

lock: setup ## Pin the newest allowed versions anew, with hashes and without index addresses
	$(BIN)/pip install --quiet --upgrade uv
	$(BIN)/uv pip compile --quiet --upgrade --all-extras --generate-hashes --no-emit-index-url --no-annotate --no-header \
	  --python-version 3.11 --universal pyproject.toml --output-file requirements.lock
	@sed -i '1i # Made by `make lock`: versions and hashes only, no index addresses.' requirements.lock
