# make demo, make test: each does its own set-up on a fresh clone. docs/building.md tells more.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
QUIET ?= --quiet
REQUIREMENTS := $(addprefix requirements/,build.txt kilted.txt runtime.txt viz.txt data.txt dev.txt)
# What the compiled messages depend on. Python, config and launch files are used where they lie.
PACKAGE := CMakeLists.txt package.xml setup.py setup.cfg cmake/relocate_python_includes.cmake \
	$(shell find msg srv vendor -type f)

.PHONY: help venv venv-train msgs demo test test-oracle test-colcon check format bench clean
.DEFAULT_GOAL := help

help:
	@echo "make demo         drive through a rendered street and open the report"
	@echo "make test         unit, property, node and bag tests"
	@echo "make test-oracle  metrics beside the official tools (installs those into $(VENV))"
	@echo "make check        formatting, lint, types, layers"
	@echo "make venv         only set up .venv (PYTHON=python3.12 picks an interpreter)"
	@echo "make venv-train   the extra [train] into .venv; without it make test skips what needs torch"
	@echo "make msgs         rebuild the messages after an edit of msg/ or srv/"
	@echo "make format       put the code into the expected format"
	@echo "make bench        time the hops of a frame"
	@echo "make test-colcon  build with colcon and against it from C++ (downloads a second environment)"
	@echo "make clean        remove build outputs and caches (not .venv)"

venv: $(VENV)/.package

$(VENV)/.preflight:
	@command -v $(PYTHON) >/dev/null || { echo "perception_nodes: $(PYTHON) was not found:" \
		"sudo apt install python3 python3-venv python3-dev g++" >&2; exit 1; }
	@$(PYTHON) tools/preflight.py --venv
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.requirements: $(VENV)/.preflight $(REQUIREMENTS)
	@echo "Installing ROS 2 and the Python packages into $(VENV) (minutes, the first time)"
	@$(PIP) install $(QUIET) $(addprefix -r ,$(REQUIREMENTS))
	@touch $@

$(VENV)/.package: $(VENV)/.requirements $(PACKAGE)
	@echo "Building the messages (a minute)"
	@$(PIP) install $(QUIET) --no-build-isolation --no-deps --editable .
	@touch $@

msgs:
	@rm -f $(VENV)/.package
	@$(MAKE) --no-print-directory $(VENV)/.package

demo: venv
	@$(BIN)/perception demo

test: venv
	@$(BIN)/python -m pytest

$(VENV)/.oracle: $(VENV)/.package requirements/oracle.txt requirements/oracle-no-deps.txt
	@echo "Installing the official metric tools into $(VENV)"
	@$(PIP) install $(QUIET) -r requirements/oracle.txt
	@$(PIP) install $(QUIET) --no-deps -r requirements/oracle-no-deps.txt
	@touch $@

$(VENV)/.train: $(VENV)/.package requirements/torch.txt requirements/train.txt
	@echo "Installing torch and what else training needs into $(VENV)"
	@$(PIP) install $(QUIET) -r requirements/torch.txt
	@$(PIP) install $(QUIET) -r requirements/train.txt
	@touch $@

venv-train: $(VENV)/.train

test-oracle: $(VENV)/.oracle
	@OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -m oracle test/oracle

test-colcon:
	@test/colcon/run.sh $(PYTHON)

check: venv
	@$(BIN)/ruff format --check --quiet --output-format concise . || { echo "make format does this for you"; exit 1; }
	@$(BIN)/ruff check --quiet --output-format concise .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo

format: venv
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format .

bench: venv
	@OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest test/bench --benchmark-only --benchmark-columns=median,iqr,rounds

clean:
	rm -rf build install log dist out *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks \
		.import_linter_cache
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
