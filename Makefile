# make run      installs into .venv and runs the demonstration
# make test     installs the test tools too and runs the tests
# make lint     style, types and layers
# make bench    times the kernels; leave the machine otherwise idle
# make clean    removes the environment and what the tools left behind
#
# Needs Python 3.11 or later with venv. Another interpreter: make PYTHON=/path/to/python3.12 run

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := run

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONSTRAINTS := requirements/constraints.txt
UV := $(shell command -v uv 2>/dev/null)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

ifdef UV
# An index that only pip has been told of is unknown to uv: pip is then the second try.
install = uv pip install -q --python $(BIN)/python -c $(CONSTRAINTS) -e '.[$(1)]' || \
  $(BIN)/python -m pip install -qq -c $(CONSTRAINTS) -e '.[$(1)]'
else
install = $(BIN)/python -m pip install -qq -c $(CONSTRAINTS) -e '.[$(1)]'
endif

.PHONY: run test lint bench clean

run: $(VENV)/.demo
	$(BIN)/gpu-pipeline demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p gpu_pipeline
	$(BIN)/lint-imports

bench: $(VENV)/.dev
	$(BIN)/python -m pytest benchmarks -n0 --benchmark-enable --benchmark-only

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .benchmarks

$(VENV)/.python:
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) was not found; install Python 3.11 or later" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = "%d.%d" % sys.version_info[:2]; sys.version_info >= (3, 11) or sys.exit("make: $(PYTHON) is Python " + v + ", 3.11 or later is needed; name another one: make PYTHON=python3.12 ...")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "make: $(PYTHON) has no venv module; install it (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.demo: $(VENV)/.python pyproject.toml $(CONSTRAINTS)
	$(call install,demo)
	@touch $@

$(VENV)/.dev: $(VENV)/.python pyproject.toml $(CONSTRAINTS)
	$(call install,dev)
	@touch $@ $(VENV)/.demo
