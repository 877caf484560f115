# `make` alone lists the targets. Every target installs what it needs into .venv first.
#
#   make test WORKERS=8      as many processes, each of one thread; make book, too. The
#                            default is one for each processor, at most four (3 GB each)
#   make test PYTHON=python3.12 VENV=.venv312    another Python
#   make test CONSTRAINTS= VENV=.venv-newest     the newest releases, not constraints.txt
# An environment that exists keeps its Python and its packages.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup lab book check test

PYTHON ?= python3
VENV ?= .venv
CONSTRAINTS ?= -c constraints.txt
CORES := $(shell env -u OMP_NUM_THREADS nproc 2>/dev/null || sysctl -n hw.ncpu)
WORKERS ?= $(shell echo $$(($(CORES) < 4 ? $(CORES) : 4)))

# glibc keeps freed memory: to get it from the system again takes a fifth of the time.
export MALLOC_MMAP_MAX_ := 0
export MALLOC_TRIM_THRESHOLD_ := 1000000000000

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
UV := $(shell command -v uv 2>/dev/null)
INSTALL := $(if $(UV),$(UV) pip install --python $(BIN)/python,$(BIN)/python -m pip install)

define CHECK_PYTHON
import sys
if sys.version_info < (3, 11):
    sys.exit("This project needs Python 3.11 or newer, and $(PYTHON) is "
             + sys.version.split()[0] + ": name another one, as in PYTHON=python3.12")
endef
export CHECK_PYTHON

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s  %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(INSTALLED)  ## create .venv and install everything into it

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c "$$CHECK_PYTHON"
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(INSTALL) $(CONSTRAINTS) -e ".[all]"
	@touch $@

lab: $(INSTALLED)  ## open JupyterLab at chapter 00
	JUPYTER_CONFIG_PATH="$(CURDIR)/.jupyter" $(BIN)/jupyter-lab book/00_start.md

book: $(INSTALLED)  ## run the chapters that changed and build the HTML
	WORKERS=$(WORKERS) $(BIN)/jupyter-book build -W --keep-going --all .
	@echo "The book: $(CURDIR)/_build/html/index.html"

check: $(INSTALLED)  ## lint, formatting, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check  ## check, then the unit tests and every chapter
	OMP_NUM_THREADS=1 $(BIN)/pytest --nbval -n $(WORKERS)
