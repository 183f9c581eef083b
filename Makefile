# `make demo` needs Python 3.11 and nothing else, `make test` Chromium and PostgreSQL too (.ci/system); each makes .venv
# when it is not there.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
RUN ?= runs/demo
MODEL ?= models/tiny

.PHONY: help demo demo-train test check docs audit licences format bench clean

help:
	@echo "make demo    build specs/exa-data.yaml: offline, or on a real endpoint when OPENAI_API_KEY or OPENAI_BASE_URL is set"
	@echo "make demo-train  train, merge, evaluate and ask the tiny recipe's model, on dialogues of the offline simulator"
	@echo "make test    run the tests (as root on Debian it installs the browser and the database server that they start)"
	@echo "make check   format check, lint, types, documentation, audit, tests: what CI runs"
	@echo "make docs    build the documentation into build/site, every link checked"
	@echo "make audit   ask an index for known holes in what is pinned"
	@echo "make licences  write docs/licences.md anew from what is installed"
	@echo "make format  format the code and mend what lint can mend"
	@echo "make bench   print the table of figures (benchmarks/README.md)"

# The stamp, not the folder, is the target: an install that was cut off is done again.
.venv/base: pyproject.toml requirements/base.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version)'
	$(PYTHON) -m venv .venv
	$(PIP) --require-hashes --no-deps --requirement requirements/base.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	touch $@

.venv/dev: .venv/train requirements/dev.lock
	$(PIP) --require-hashes --no-deps --requirement requirements/dev.lock
	touch $@

# torch by itself and first: asked for by another package it may come with several GB for CUDA.
.venv/train: .venv/base requirements/train.lock
	$(PIP) --constraint constraints.txt torch==2.13.0
	$(PIP) --require-hashes --no-deps --requirement requirements/train.lock
	touch $@

# With a key or an address in the environment the demo asks a real model, and pays for it.
demo: .venv/base
	@if [ -n "$$OPENAI_API_KEY$$OPENAI_BASE_URL" ]; then \
		$(BIN)/damhwa build specs/exa-data.yaml --out $(RUN); \
	else \
		echo "no OPENAI_API_KEY or OPENAI_BASE_URL: asking the offline simulator" >&2; \
		$(BIN)/damhwa build specs/exa-data.yaml --out $(RUN) --offline; \
	fi
	@$(BIN)/damhwa status $(RUN)
	@echo "open $(RUN)/curated/report.html"

# The same command goes on where it was stopped. The data is the simulator's, unless it is there already.
demo-train: .venv/train
	@[ -f runs/demo/curated/report.html ] || $(BIN)/damhwa build specs/exa-data.yaml --out runs/demo --offline
	@[ -f runs/demo-gf/curated/report.html ] || $(BIN)/damhwa build specs/gf-persona-data.yaml --out runs/demo-gf --offline
	$(BIN)/damhwa train specs/recipes/tiny.yaml --out $(MODEL)
	$(BIN)/damhwa evaluate $(MODEL) --data runs/demo
	@[ -f $(MODEL)/merged/lineage.json ] || $(BIN)/damhwa merge $(MODEL)
	printf '오늘 하루 어땠어?\n나 요즘 잠을 잘 못 자.\n' | $(BIN)/damhwa chat $(MODEL)/merged
	@echo "open $(MODEL)/evaluation/report.html"

test: .venv/dev
	@.ci/system
	PYTHONWARNDEFAULTENCODING=1 $(BIN)/python -m pytest $(ARGS)

check: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(MAKE) --no-print-directory docs audit
	$(MAKE) --no-print-directory test

docs: .venv/dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "open build/site/index.html"

audit: .venv/dev
	@$(BIN)/python .ci/audit.py

licences: .venv/dev
	$(BIN)/python .ci/licences.py

format: .venv/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/dev
	$(BIN)/python -m benchmarks.generation
	$(BIN)/python -m benchmarks.curation
	$(BIN)/python -m benchmarks.speech_level
	$(BIN)/python -m benchmarks.duplicates truth edits growth lookup live template
	$(BIN)/python -m benchmarks.review
	$(BIN)/python -m benchmarks.training runs/demo runs/demo-gf

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
