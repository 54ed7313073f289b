# Everything a developer or an operator types. `make help` lists it. Needs make and a Python of at least 3.12.

SHELL := /bin/bash
.DEFAULT_GOAL := help
UV_VERSION := 0.13.9
BIN := .venv/bin
# Absolute, so that uv takes this environment whatever Python .python-version names; it downloads no interpreter.
export UV_PYTHON := $(abspath $(BIN)/python)
export UV_PYTHON_DOWNLOADS := never
export UV_PROJECT_ENVIRONMENT := $(abspath .venv)
WORKERS ?= 2
# Python keeps what it compiled: the tests and the worker start many processes, each of which would compile the same again.
unexport PYTHONDONTWRITEBYTECODE
# One folder of compile caches for everything that is run from here.
export PILOTLIGHT_CACHE_DIR ?= $(abspath var/cache)

.PHONY: help setup run test check format slow chaos browser bench audit lock clean

help: ## What there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

setup: .venv/.ready ## Make .venv with everything the lock file names

.venv/.ready: pyproject.toml uv.lock .python-version
	@python=""; for p in $$PYTHON python3 python3.13 python3.14 python3.12; do \
	  if $$p -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then python=$$p; break; fi; done; \
	if [ -z "$$python" ]; then \
	  echo "No Python of at least 3.12 was found (tried python3, python3.13, python3.14, python3.12)."; \
	  echo "Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.13"; exit 1; fi; \
	echo "setup: making .venv with $$($$python --version)"; \
	[ -x $(BIN)/python ] || $$python -m venv .venv
	@echo "setup: installing uv $(UV_VERSION)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"
	@echo "setup: installing the locked dependencies and compiling them to bytecode (a minute or two)"
	@# Bytecode now makes every start later three times as fast, also where Python is told to write none.
	@$(BIN)/uv sync --frozen --inexact --compile-bytecode --quiet
	@touch $@

run: setup ## Serve API, Swagger UI and worker on SQLite, with the demonstration
	@exec $(BIN)/pilotlight serve --demo

test: setup ## The tests, on SQLite and PostgreSQL
	@echo "test: the models compile first where no cache is there; a few minutes in all"
	PILOTLIGHT_TEST_BOTH=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not slow and not chaos and not browser"

check: setup ## Format, lint, types, import contracts, migrations
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -q tests/app/test_schema.py

format: setup ## Put the code into the common format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

slow: setup ## Calibration and other proofs that take long
	PILOTLIGHT_TEST_BOTH=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m slow

chaos: setup ## What is killed, cut off or overrun, and what became of it; half an hour
	$(BIN)/python -m pytest -m chaos

browser: setup ## A pilot entered by hand in Swagger UI; needs chromium, PILOTLIGHT_PICTURES=folder keeps the pictures
	$(BIN)/python -m pytest -m browser tests/browser

bench: setup ## Measure what the README and the methods claim
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.engine
	$(BIN)/python -m benchmarks.api
	$(BIN)/python -m benchmarks.api postgresql
	$(BIN)/python -m benchmarks.workers
	$(BIN)/python -m benchmarks.designs
	$(BIN)/python -m benchmarks.webhooks
	$(BIN)/python -m benchmarks.imports

audit: setup ## Known vulnerabilities of the locked dependencies; asks an advisory database on the internet
	@# Strict: a registry without advisories must not read as "no known vulnerabilities".
	$(BIN)/uv export --frozen --no-dev --no-emit-project --quiet --output-file var/requirements.txt
	$(BIN)/uv tool run pip-audit --strict --require-hashes --disable-pip --requirement var/requirements.txt

lock: setup ## Resolve the dependencies anew
	$(BIN)/uv lock

clean: ## Remove the environment and caches, never the data under var/
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
