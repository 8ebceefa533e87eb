# `make demo` runs the main job on a data set that it makes itself; `make test` passes the tests. Both set up first.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/requirements.txt
PYTHON312 ?= python3.12
IMAGE := .venv-image

.PHONY: demo app test test-all test-image lint setup clean
.DEFAULT_GOAL := demo

demo: setup
	$(BIN)/python src/demo.py

# The page on the demo's model, http://127.0.0.1:7860; PORT=8000 for another.
app: setup
	@test -f runs/demo/blend.json || $(BIN)/python src/demo.py
	$(BIN)/python src/app.py --runs runs/demo --data input/demo --port $(or $(PORT),7860)

# Two processes share the cores; with two threads each they would mostly wait for each other.
test: setup lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

test-all: setup lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

# The quick tests on the versions of Kaggle's image: Python 3.12, and torch with some GB of CUDA.
test-image:
	@cmp -s tests/kaggle_image.txt $(IMAGE)/versions.txt || { $(PYTHON312) -m venv --clear $(IMAGE) \
	  && $(IMAGE)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/kaggle_image.txt \
	  && cp tests/kaggle_image.txt $(IMAGE)/versions.txt; }
	OMP_NUM_THREADS=1 $(IMAGE)/bin/python -m pytest -n 2 --dist loadfile -m "not slow"

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
	rm -rf .venv $(IMAGE) runs
