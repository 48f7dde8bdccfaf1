# Needs make, Python 3.11 or newer and a package index. `make run` is the place to start.
PYTHON ?= python3
VENV ?= .venv
ORACLE_VENV ?= .venv-oracle
CORTEX ?= results/cortex
PEERS = --peers-python $(ORACLE_VENV)/bin/python
PIP = -m pip install --quiet --disable-pip-version-check

.PHONY: run test test-oracle reproducible docs lint format bench clean help

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: $(VENV)/.installed  ## Build a mouse cortex of 9000 neurons in results/cortex, run it, draw it
	$(VENV)/bin/isocortex build cortex --scale 0.001 -o $(CORTEX)
	$(VENV)/bin/isocortex run $(CORTEX)/simulation_config.json --pictures
	$(VENV)/bin/isocortex rates $(CORTEX)/output -o $(CORTEX)/output/rates.csv

test: $(VENV)/.installed-dev  ## All tests that need no other simulator
	$(VENV)/bin/python -m pytest -n auto --maxprocesses 4

test-oracle: $(ORACLE_VENV)/.installed  ## Validation against NEURON and BMTK, in their own environment
	PATH="$(abspath $(ORACLE_VENV))/bin:$$PATH" $(ORACLE_VENV)/bin/python -m pytest tests/validation

reproducible: $(VENV)/.installed  ## The same spikes whatever BLAS, instructions, threads and compile target
	$(VENV)/bin/python tests/reproducible.py

docs: $(VENV)/.installed-docs  ## The documentation as a site, build/docs/index.html; runs its tutorials
	$(VENV)/bin/sphinx-build -q -W --keep-going -d build/doctrees -c docs . build/docs

lint: $(VENV)/.installed-dev  ## Style, types and the one-way imports
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: $(VENV)/.installed-dev  ## Let ruff mend what it can
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bench: $(VENV)/.installed $(ORACLE_VENV)/.installed  ## Compare with a C kernel, NEURON, CoreNEURON, Arbor and BioNet
	$(ORACLE_VENV)/bin/python $(PIP) -e '.[bench]'
	$(VENV)/bin/python benchmarks/limit.py
	$(VENV)/bin/python benchmarks/events.py
	$(VENV)/bin/python benchmarks/memory.py
	$(VENV)/bin/python benchmarks/accuracy.py $(PEERS)
	$(VENV)/bin/python benchmarks/precision.py
	$(VENV)/bin/python benchmarks/compartments.py
	$(VENV)/bin/python benchmarks/set_up.py $(PEERS)
	$(VENV)/bin/python benchmarks/network.py $(PEERS)
	$(VENV)/bin/python benchmarks/cortex.py
	$(VENV)/bin/python benchmarks/cells.py $(PEERS)
	$(VENV)/bin/python benchmarks/bionet.py $(PEERS)
	$(VENV)/bin/python benchmarks/bionet.py $(PEERS) --cells 100 500 --connections 200 --tstop 200

clean:  ## Remove the environments and the results
	rm -rf $(VENV) $(ORACLE_VENV) $(CORTEX) build viewer/node_modules src/isocortex/viewer/static

# Stamps: an environment is installed again only when pyproject.toml or the viewer's page changes.
PAGE = hatch_build.py $(wildcard viewer/src/* viewer/*.js viewer/*.json)

$(VENV)/.installed: pyproject.toml $(PAGE)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python $(PIP) -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml $(PAGE)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python $(PIP) -e '.[test,dev,mpi,nwb,neo]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: pyproject.toml $(PAGE)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python $(PIP) -e '.[docs]'
	@touch $@

$(ORACLE_VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(ORACLE_VENV)
	$(ORACLE_VENV)/bin/python $(PIP) -e '.[test,oracle]'
	@touch $@
