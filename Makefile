# `make demo` runs the main job on a data set that it makes itself; `make test` passes the tests. Both set up first.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/requirements.txt

.PHONY: demo test test-all lint setup clean
.DEFAULT_GOAL := demo

demo: setup
	$(BIN)/python src/demo.py

# Two processes share the cores; with two threads each they would mostly wait for each other.
test: setup lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

test-all: setup lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# A changed requirements.txt makes the environment anew; an equal one leaves it alone.
setup:
	@cmp -s requirements.txt $(STAMP) || $(MAKE) --no-print-directory environment

.PHONY: environment
environment:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "error: $(PYTHON) is older than Python 3.11: name a newer one with make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@cp requirements.txt $(STAMP)

# Only what can be made again: data and submissions stay.
clean:
	rm -rf .venv runs
