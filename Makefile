# Thin: every target is one call of the `makalu` command, pytest or a linter. `make help` lists them.
# PYTHON is only for making .venv; everything else runs from there.

PRESET ?= trn2-mini
SIM ?= auto
WORKERS ?= 2
ARGS ?=

NEWEST = import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13 python3.14; do \
	command -v $$p >/dev/null 2>&1 && $$p -c '$(NEWEST)' 2>/dev/null && { echo $$p; exit; }; done)

VENV := .venv
BIN := $(VENV)/bin
MAKALU := $(BIN)/makalu
STAMP := $(VENV)/.installed
# the tests start tools that pip put beside the interpreter
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help install sim smoke test soak mutate bench scaling energy verilog lint clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  variables: PRESET=$(PRESET) SIM=$(SIM) WORKERS=$(WORKERS) ARGS=, PYTHON= for a Python of your choice"
	@echo "  SIM is lanes, verilator or icarus; auto takes lanes for full-size cores, verilator for small ones"

$(STAMP): pyproject.toml
	@test -n "$(PYTHON)" || { echo "makalu needs Python 3.11 or newer: none of python3.11, python3 on PATH is (set PYTHON=)" >&2; exit 1; }
	@$(PYTHON) -c '$(NEWEST)' || { echo "makalu needs Python 3.11 or newer: $(PYTHON) is not" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

sim: $(STAMP) ## the trained digit classifier on the RTL of PRESET with SIM, checked bit for bit
	$(MAKALU) sim --preset "$(PRESET)" --simulator "$(SIM)" $(ARGS)

smoke: $(STAMP) ## fast tests only
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m "not slow" --ignore-glob='*_bench.py' $(ARGS)

test: $(STAMP) lint ## lint, types, every test and bench: what .ci/run calls
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal $(ARGS)

soak: $(STAMP) ## 5,000 random programs and the longest tests, for hours; goes on where it stopped
	$(MAKALU) soak $(ARGS)
	MAKALU_SOAK=1 $(BIN)/python -m pytest -q tests/soak

mutate: $(STAMP) ## faults in each block's Verilog, and how many its bench sees; for an hour; goes on where it stopped
	$(MAKALU) mutate --workers "$(WORKERS)" $(ARGS)

bench: $(STAMP) ## figures into build/results
	$(MAKALU) bench $(ARGS)

scaling: $(STAMP) ## the report of the three generations: kernels by type, rooflines, what each ratio is made of
	$(MAKALU) scaling $(ARGS)

energy: $(STAMP) ## energy a MAC of each generation's PE, by gates of Debian's qflow-tech-osu018
	$(MAKALU) energy $(ARGS)

install: $(STAMP) ## .venv with the command makalu

verilog: $(STAMP) ## Verilog and side file of PRESET into build/verilog
	$(MAKALU) generate --preset "$(PRESET)" $(ARGS)

lint: $(STAMP) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/mypy --strict -p makalu.spec
	$(BIN)/mypy --strict --disable-error-code=import-untyped -p makalu.sim_models
	$(BIN)/mypy --disable-error-code=import-untyped --disable-error-code=annotation-unchecked -p makalu.hw -p makalu.sw

clean: ## everything generated, but not .venv
	rm -rf build .mypy_cache .pytest_cache .ruff_cache .hypothesis
