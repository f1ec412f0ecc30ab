# Everything a developer does, by name. `make help` prints the list.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# Of the tests: more than two cores, because many of them wait for something.
WORKERS ?= 3
.DEFAULT_GOAL := help
.PHONY: help install provision lint test chaos demo bench bench-chart peers soak install-sql schema-dump clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/installed ## make .venv with pg-tasks and all that its tests need

$(VENV)/installed: pyproject.toml
	@# Debian packs the half of venv that brings pip on its own.
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { apt-get update && apt-get install --yes python3-venv; } >/dev/null </dev/null
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[embedded,migrate,dev]'
	touch $@

provision: # Debian packages that the tests want, where they can be had
	@tests/provision.sh

lint: install ## ruff, mypy, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: install provision lint ## the whole test suite; ARGS='-k name' goes to pytest
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

chaos: install provision ## faults at random upon five nodes; MINUTES=10 SEED=1 for a certain run
	$(BIN)/python -m tests.chaos $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) $(ARGS)

demo: install ## real work from SQL rows to finished processes, on an embedded PostgreSQL
	$(BIN)/python examples/demo/demo.py

bench: install peers ## how fast and how small, beside other tools; ARGS='throughput --small'
	$(BIN)/python -m benchmarks $(ARGS)

peers: install # what is compared with, where it can be had; the benchmarks say what is absent
	@$(BIN)/python -c 'import hyperqueue' 2>/dev/null || $(BIN)/python -m pip install --quiet \
	  --disable-pip-version-check --editable '.[bench]' || true

bench-chart: install ## docs/throughput.svg from the latest results, or from JSON=file
	$(BIN)/python -m benchmarks.chart $(JSON) $(ARGS)

soak: install ## half an hour at full rate; MINUTES=30 SLOTS=16: nothing grows, nothing slows down
	$(BIN)/python -m benchmarks.soak $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SLOTS),--slots $(SLOTS)) $(ARGS)

install-sql: install ## write db/install.sql anew from db/changelog.xml
	$(BIN)/python -m tests.install.golden install-sql

schema-dump: install ## write the committed dump of the schema anew
	$(BIN)/python -m tests.install.golden schema-dump

clean: ## remove what was made here, except the data of embedded servers
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
