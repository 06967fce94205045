# Two commands from nothing: `make align` and `make test`. `make help` lists the rest.

# Settings, all of which may be given on the command line or in the environment.
PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
PROOFS ?= tests/recipes/test_gold.py
# On Linux without an NVIDIA GPU the CPU build is a tenth of the download:
#   make TORCH="torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu"
TORCH ?= torch==2.13.0

BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Tests run as many processes as there are cores, each with one thread, and without the network.
TEST_ENV := OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false HF_HUB_OFFLINE=1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup align test lint format bench docs organism kill-test proofs clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY)  ## make the virtual environment (every target below does this first, once)
	@echo "ready: $(VENV)"

# Not made again until pyproject.toml changes; the stamp comes last, so an interrupted set-up is taken up again.
$(READY): pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: truenorth needs Python 3.11 or later;" \
	  "install one, or name one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.exit(None if sys.version_info >= (3, 11) else \
	  "$(PYTHON) is Python " + v + ": truenorth needs 3.11 or later; name one: make PYTHON=/path/to/python3.12")'
	@echo "set-up 1 of 3: a virtual environment in $(VENV), from $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@echo "set-up 2 of 3: $(TORCH) (the large one: 0.2 GB for the CPU, a few GB with CUDA)"
	@$(BIN)/python -m pip install $$([ -t 1 ] || echo --quiet --quiet) $(TORCH)
	@echo "set-up 3 of 3: truenorth and what it stands on, with its tests' and docs' tools"
	@$(BIN)/python -m pip install --quiet --quiet -e '.[test,docs]'
	@touch $@
	@echo "set-up done; it is not repeated until pyproject.toml changes"

align: $(READY)  ## the main job on the embedded model organism: align it, measure it, write the report
	@$(BIN)/truenorth align $(ARGS) || { s=$$?; [ $$s -eq 1 ] && echo "(done; status 1 says that not every goal was reached)" || exit $$s; }

test: $(READY)  ## the test suite
	@echo "running the tests in $(JOBS) processes"
	@$(TEST_ENV) $(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal --durations 10 $(ARGS)

lint: $(READY)  ## ruff (lint and format) and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(READY)  ## put the code into the house's format
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

bench: $(READY)  ## every benchmark beside its peer (see benchmarks/README.md)
	@for script in benchmarks/[a-z]*.py; do \
	  echo "== $$script"; OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false $(BIN)/python "$$script" || exit 1; done

docs: $(READY)  ## the documentation, into site/
	@$(BIN)/mkdocs build --strict  # with --quiet it would count no warning, and let every one pass
	@echo "open site/index.html"

organism: $(READY)  ## build the world that ships again and pretrain its models, from seed 0 (long)
	@$(BIN)/truenorth world build --seed 0 --size nano --size micro --size mini \
	  --variant sycophant --variant backdoored --out src/truenorth/worlds/harbour/shipped $(ARGS)

kill-test: $(READY)  ## kill the main job at ten random moments, resume it, compare the weights bit for bit
	@$(TEST_ENV) $(BIN)/python -m pytest -q -m kill --timeout 7200 $(ARGS)

proofs: $(READY)  ## three seeds of the main job, pooled, where the truth is known (PROOFS=tests for every method's: hours)
	@$(BIN)/python -m pytest -q -m gold --timeout 7200 $(PROOFS) $(ARGS)

clean:  ## remove what the other targets made (runs/ stays)
	rm -rf $(VENV) site build dist src/*.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
