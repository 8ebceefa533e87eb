# `make demo` runs the main job on a data set that it makes itself; `make test` passes the tests. Both set up first.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/requirements.txt
PYTHON312 ?= python3.12
IMAGE := .venv-image
AUDIT := .venv-audit
PARALLEL := -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0

.PHONY: demo app test test-all test-image lint audit setup clean
.DEFAULT_GOAL := demo

demo: setup
	$(BIN)/python src/demo.py

# The page on the demo's model, http://127.0.0.1:7860; PORT=8000 for another.
app: setup
	@test -f runs/demo/blend.json || $(BIN)/python src/demo.py
	$(BIN)/python src/app.py --runs runs/demo --data input/demo --port $(or $(PORT),7860)

# Two processes share the cores; with two threads each they would mostly wait for each other. The run ends with a
# process that crashes: the tests of a new one would wait for ever.
test: setup lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PARALLEL) -m "not slow"

test-all: setup lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PARALLEL)

# The quick tests on the versions of Kaggle's image: Python 3.12, and torch with some GB of CUDA.
test-image:
	@cmp -s tests/kaggle_image.txt $(IMAGE)/versions.txt || { $(PYTHON312) -m venv --clear $(IMAGE) \
	  && $(IMAGE)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/kaggle_image.txt \
	  && cp tests/kaggle_image.txt $(IMAGE)/versions.txt; }
	OMP_NUM_THREADS=1 $(IMAGE)/bin/python -m pytest $(PARALLEL) -m "not slow"

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Known vulnerabilities of every installed package, as PyPI lists them: needs the internet. What could not be asked for
# is no "none": --strict, and a table is written only when all was asked.
audit: setup
	@test -x $(AUDIT)/bin/pip-audit || { $(PYTHON) -m venv --clear $(AUDIT) \
	  && $(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check pip-audit==2.10.1; }
	@rm -f $(AUDIT)/found.txt
	@packages=$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') && \
	$(AUDIT)/bin/pip-audit --strict --progress-spinner off --path "$$packages" --output $(AUDIT)/found.txt \
	  2>$(AUDIT)/log.txt; status=$$?; \
	if [ $$status -eq 0 ]; then tail -n 1 $(AUDIT)/log.txt; \
	elif [ -s $(AUDIT)/found.txt ]; then cat $(AUDIT)/found.txt; \
	  echo "error: the packages above have known vulnerabilities: raise them in requirements.txt, then make test"; exit 1; \
	else tail -n 1 $(AUDIT)/log.txt; \
	  echo "error: not every package could be asked for, so nothing is known of vulnerabilities: run it with internet"; \
	  exit 2; fi

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
	rm -rf .venv $(IMAGE) $(AUDIT) runs
