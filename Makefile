# make demo   train a forecaster on bundled weather data      make test    run the tests
# make setup  prepare .venv (nothing to do when up to date)   make check   ruff and pyright
# make bench  the benchmarks that need no further data

PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test check bench clean
.DEFAULT_GOAL := setup

setup: .venv/.ready

.venv/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "unrolled needs Python 3.11 or later; set PYTHON=/path/to/python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup
	$(BIN)/unrolled demo

test: setup
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal

check: setup
	$(BIN)/ruff check src tests benchmarks examples
	$(BIN)/ruff format --check src tests benchmarks examples
	$(BIN)/pyright

bench: setup
	$(BIN)/python benchmarks/forecast.py air
	$(BIN)/python benchmarks/forecast.py nyc
	$(BIN)/python benchmarks/engines.py
	$(BIN)/python benchmarks/layers.py

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis .kernels runs
