# Kanhu. `make` prints this page's targets; each one may be called on a fresh clone, and costs little the second time.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
WEB := services/console/web
# Workers, whole modules each, in the order of tests/conftest.py: one's waiting is the others' time. One more than there are
# processors is quickest on a quiet machine; as many leave room for timing on a busy one. JOBS=0 runs all in one process.
JOBS ?= 2
export PYTHONUNBUFFERED := 1

.PHONY: help setup box test lint fmt bench docs servers server-binaries lock clean

help:            ## print this page
	@sed -n 's/^\([a-z-]*\): .*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | awk -F'\t' '{ printf "  make %-16s %s\n", $$1, $$2 }'

setup:           ## make .venv from the hashed locks and build the console's page
	@deploy/local/setup.sh

box: setup       ## start the product on this machine; ARGS="--camera door=rtsp://..." points it at a camera
	@exec $(BIN)/kanhu box $(ARGS)

test: setup server-binaries lint   ## lint, then every test tier against real servers (what CI runs); ARGS="-k name" narrows it
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadscope --no-loadscope-reorder $(ARGS)

lint: setup      ## ruff, mypy --strict, import layers, and the page's eslint and tsc
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo 'lint: run make fmt'; exit 1; }
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@if [[ -f $(WEB)/package-lock.json ]]; then npm --prefix $(WEB) run --silent lint; fi

fmt: setup       ## put the code into its one format
	@$(BIN)/ruff check --fix --quiet --exit-zero .
	@$(BIN)/ruff format --quiet .

bench: setup server-binaries   ## measure; prints JSON, one object a line
	@$(BIN)/python -m bench $(ARGS)

docs: setup      ## write docs/reference anew from the types
	@$(BIN)/python -m docs.build

servers: setup server-binaries   ## start Kafka, MinIO, PostgreSQL, Mosquitto and an RTSP camera; print their addresses; Ctrl-C stops
	@exec $(BIN)/python -m deploy.local.servers $(ARGS)

server-binaries: setup   ## fetch and build the servers into the cache (KANHU_CACHE) and install missing Debian packages
	@deploy/local/debian-packages.sh
	@$(BIN)/python -m deploy.local.obtain

lock:            ## resolve the locks anew from pyproject.toml, locks/tools.in and locks/bench.in
	@deploy/local/setup.sh
	@$(BIN)/uv pip compile --quiet pyproject.toml --extra dev --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url -o locks/dev.txt
	@$(BIN)/uv pip compile --quiet locks/tools.in --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url -o locks/tools.txt
	@$(BIN)/uv pip compile --quiet locks/bench.in --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url -o locks/bench.txt

clean:           ## remove what was built and cached in the work tree; .venv and the server cache stay
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build $(WEB)/dist
	@find services tests bench deploy docs -name __pycache__ -type d -prune -exec rm -rf {} +
