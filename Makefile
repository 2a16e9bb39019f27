# Everything below runs in .venv, which is made from a lock file with hashes and made again only when that changes.
# PYTHON chooses the Python to make it with; VENV the place.

.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

PYTHON ?= python3
VENV ?= .venv
LAB_VENV ?= .venv-lab
OUTPUT ?= reports
# Further arguments for `pyassay report`, such as ARGUMENTS="uv:3.12 --interactive".
ARGUMENTS ?=
# For `make lock UPGRADE=1`: take the newest release of everything.
UPGRADE ?=

BIN := $(VENV)/bin
# A stamp's name holds the hash of what the environment was made from (the lock, and the project's own metadata,
# which is all of pyproject.toml before the first [tool] table): where it is, pip is asked nothing.
hash_of = $(shell { cat requirements/$(1).txt; sed '/^\[tool\./,$$d' pyproject.toml; } | sha256sum | cut -c1-16)
TEST_STAMP := $(VENV)/pyassay-test-$(call hash_of,test)
REPORT_STAMP := $(VENV)/pyassay-report-$(call hash_of,report)
LAB_STAMP := $(LAB_VENV)/pyassay-lab-$(call hash_of,lab)
NOTEBOOKS = $(wildcard notebooks/*.ipynb)

.PHONY: help report test proofs check lab bench record lock environment dist clean distclean

help: ## Show what can be made
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/make \1\t\2/' | expand -t 20

report: $(REPORT_STAMP) ## Assay the Pythons of this machine and write reports/index.html
	@# 3 says that some subject could not be assayed: the report tells which, so it is no failure here.
	@$(BIN)/pyassay report $(ARGUMENTS) --output $(OUTPUT) || { code=$$?; test $$code -eq 3 || exit $$code; }

test: check ## Run ruff, mypy, nbval on the notebooks, and pytest
	$(if $(NOTEBOOKS),$(BIN)/python -m pytest --nbval -p no:cacheprovider -p no:hypothesispytest --durations=5 $(NOTEBOOKS))
	$(BIN)/python -m pytest --durations=15

proofs: $(TEST_STAMP) ## Run the long tests: every packager, installer and backend put to work
	PYASSAY_BUILD_SLOW=1 $(BIN)/python -m pytest -m proof --timeout 1800 --durations=15

check: $(TEST_STAMP) ## Run only what needs no test: ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lab: $(LAB_STAMP) ## Open the notebooks in JupyterLab (an environment of its own: .venv-lab)
	$(LAB_VENV)/bin/pyassay lab

bench: $(TEST_STAMP) ## Measure against peers
	@for benchmark in benchmarks/*.py; do \
	    if test -e "$$benchmark"; then echo "== $$benchmark"; $(BIN)/python "$$benchmark"; fi; done

record: $(TEST_STAMP) ## Record this machine's evidence for the committed notebooks, and run them on it
	$(BIN)/python -m pyassay.reports.recording $(ARGUMENTS)

dist: $(TEST_STAMP) ## Build the source distribution and the wheel
	$(BIN)/python -m build --no-isolation --outdir dist .

environment: $(TEST_STAMP) ## Write environment.yml from pyproject.toml
	$(BIN)/pyproject2conda yaml --name pyassay --channel conda-forge --python-include infer --extra lab --extra docker --extra quirks --extra sbom --extra advisories \
	    --dep pip --pip-dep "-e ." \
	    --custom-command "make environment" --overwrite force --output environment.yml

lock: $(TEST_STAMP) ## Write the lock files anew (UPGRADE=1: newest releases)
	requirements/lock.sh $(BIN)/uv $(if $(UPGRADE),--upgrade)

clean: ## Remove what was built and cached, but not the environments
	rm -rf dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find lib tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## The same, and the environments
	rm -rf $(VENV) $(LAB_VENV)

# The Python must be new enough and able to make an environment; anything else is said in one line.
define make_environment
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else "pyassay needs Python 3.11 or newer; %s is %d.%d. Name another one: make PYTHON=/path/to/python3.12" % (sys.executable, v[0], v[1]))'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make environments: install its venv module (Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@echo "Making $(1) from requirements/$(2).txt with $$($(PYTHON) --version) (once; a minute or two)" >&2
	@$(PYTHON) -m venv --clear $(1)
	@$(1)/bin/python -m pip install -qq --disable-pip-version-check --require-hashes --requirement requirements/$(2).txt
	@$(1)/bin/python -m pip install -qq --disable-pip-version-check --no-index --no-deps --no-build-isolation --editable .
endef

# What the tests need includes what a report needs, so either environment serves `make report`.
$(TEST_STAMP):
	$(call make_environment,$(VENV),test)
	@touch $(REPORT_STAMP) $@

$(REPORT_STAMP):
	$(call make_environment,$(VENV),report)
	@touch $@

$(LAB_STAMP):
	$(call make_environment,$(LAB_VENV),lab)
	@touch $@
