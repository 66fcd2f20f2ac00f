# What needs a virtual environment makes it; nothing has to be installed by hand but Python 3.11 or newer.
# Modules are compiled then, as an installer does it, also where Python is told to write no bytecode of its own.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := $(VENV)/demo
DOCS_VENV ?= .venv-docs

.DEFAULT_GOAL := help
.PHONY: help demo test test-all remote check format format-check lint types imports spelling cov lowest oracles browser faults fuzz golden golden-pictures ci docs docs-serve docs-source docs-figures screens wheel-test release-check bench bench-cores bench-remote bench-capture bench-docs torch test-torch recipes gallery samples clean

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/installed ## Run stats and apply on the sample data.
	$(BIN)/gradclip stats sample_data/char_lstm
	rm -rf $(DEMO)
	$(BIN)/gradclip apply sample_data/char_lstm/step_00009.safetensors -o $(VENV)/clipped.safetensors --overwrite \
		-s clip-by-global-norm -t "$$($(BIN)/gradclip stats sample_data/char_lstm -s clip-by-global-norm --rule auto --print-threshold)"
	$(BIN)/gradclip apply sample_data/char_lstm_hdf5 -o $(DEMO) -s ClipL2PerLayer -t mean -q
	$(BIN)/gradclip apply sample_data/dl4j_lstm -o $(DEMO) -s ClipElementWiseAbsoluteValue -t 1 -q

test: $(VENV)/tested ## Run the tests, and print what was slow.
	$(BIN)/python -m pytest -n auto --dist worksteal --durations=15 --durations-min=1

test-all: $(VENV)/tested ## Run the heavy tests, too: every cell of the matrices of which `make test` takes a sample.
	$(BIN)/python -m pytest -n auto --dist worksteal --durations=15 --durations-min=1 -m ""

# In an environment of their own: moto and azurite take 300 MB, and node.
check: format-check lint types imports test docs ## Do everything that has to pass before a commit.

format: $(VENV)/linted ## Format the code, and mend what the linter can mend.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# To be written anew only where what is summed, or how, is meant to change.
golden: $(VENV)/tested ## Write the sums that every machine has to find.
	PYTHONPATH=tests $(BIN)/python -m golden.sums

golden-pictures: $(VENV)/tested ## Write the pictures of fixed reports as the data that draws them.
	PYTHONPATH=tests $(BIN)/python -m golden.pictures

format-check: $(VENV)/linted ## See whether the code is formatted.
	$(BIN)/ruff format --check .

lint: format-check imports spelling ## Run the linter, check pyproject.toml, the imports and the spelling.
	$(BIN)/ruff check .
	$(BIN)/validate-pyproject pyproject.toml

types: $(VENV)/linted $(VENV)/tested ## Check the types, of the tests too.
	$(BIN)/mypy

imports: $(VENV)/linted ## See whether imports go down the floors only.
	$(BIN)/lint-imports

spelling: $(VENV)/linted ## Look for misspelt words.
	$(BIN)/codespell

cov: $(VENV)/covered ## Run the tests and fail where they reach too little of the code.
	$(BIN)/python -m pytest -n auto --dist worksteal --cov --cov-report=term --ignore tests/faults --ignore tests/fuzz

# The fast part of the tests: the units and the laws.
lowest: $(VENV)/lowest/installed ## Test with the oldest dependencies that pyproject.toml allows.
	$(VENV)/lowest/bin/python -m pytest -q -n auto --dist worksteal tests/unit tests/laws

SERVERS := MOTO=$(VENV)/servers/bin/moto_server AZURITE=$(VENV)/servers/node_modules/azurite/dist/src/blob/main.js

remote: $(VENV)/remote/installed $(VENV)/servers/installed ## Test with a Dask cluster, and with servers of S3 and Azure that others wrote.
	$(SERVERS) $(VENV)/remote/bin/python -m pytest -q -m remote tests/remote tests/cluster

oracles: $(VENV)/oracles/installed ## Hold the readers of logs against the libraries that write logs, and adaptive-clip against timm.
	$(VENV)/oracles/bin/python -m pytest -q -W ignore tests/oracles

browser: $(VENV)/browser/installed ## Look at reports in a Chromium, which is installed on Debian if there is none.
	PYTHONPATH=tests $(VENV)/browser/bin/python -m browser.chromium
	$(VENV)/browser/bin/python -m pytest -q -n auto --dist worksteal tests/browser

# Every system call of every way of writing fails once, and is the last one once; takes half an hour.
faults: $(VENV)/tested ## Let every system call fail once.
	FAULTS=all $(BIN)/python -m pytest -m "" tests/faults

# FORMAT="npz hdf5" for some formats only, FIRST=7 COUNT=1 for a dump that was found.
fuzz: $(VENV)/tested ## Read damaged dumps for MINUTES minutes a format.
	PYTHONPATH=tests $(BIN)/python -m fuzz $(FORMAT) --minutes $(or $(MINUTES),1) $(if $(FIRST),--first $(FIRST)) $(if $(COUNT),--count $(COUNT))

ci: test lint types docs ## Do what CI does.

docs: $(DOCS_VENV)/installed $(VENV)/tested ## Build the documentation, a warning of which is an error, and run all its examples.
	$(BIN)/python -m pytest -q -m "" tests/docs
	$(DOCS_VENV)/bin/python -m sphinx -W --keep-going -n -q -b html docs docs/_build/html

docs-serve: docs ## Build the documentation and serve it on http://localhost:8000.
	$(DOCS_VENV)/bin/python -m http.server --directory docs/_build/html 8000

screens: $(VENV)/tested ## Write the pages that show every screen.
	PYTHONPATH=tests $(BIN)/python -m docs docs/reference/screens-of-a-run.md docs/reference/screens-of-small-dumps.md

docs-source: $(VENV)/tested ## Write what README, docs and manual page take from the program, and the pictures.
	PYTHONPATH=tests $(BIN)/python -m docs

docs-figures: $(VENV)/browser/installed ## Write the figures of a report that README and docs show.
	PYTHONPATH=tests $(VENV)/browser/bin/python -m browser.chromium
	PYTHONPATH=tests $(VENV)/browser/bin/python -m docs.figures

# The wheel as others will have it: in a virtual environment of its own, tested from a folder that is not this one.
wheel-test: $(VENV)/python ## Build the wheel, install it and test it elsewhere.
	rm -rf $(VENV)/wheel
	$(BIN)/python -m pip wheel --quiet --no-deps -w $(VENV)/wheel .
	$(PYTHON) -m venv $(VENV)/wheel/venv
	$(VENV)/wheel/venv/bin/python -m pip install --quiet "$$(ls $(VENV)/wheel/*.whl)[test]"
	test -s $(VENV)/wheel/venv/share/man/man1/gradclip.1
	ls $(VENV)/wheel/venv/lib/python*/site-packages/gradclip_cli-*.dist-info/licenses/LICENSE
	cp -r tests pyproject.toml $(VENV)/wheel/
	cd $(VENV)/wheel && venv/bin/python -P -m pytest -q -p no:cacheprovider tests/cli

release-check: $(VENV)/released ## See whether version, changelog, tag, wheel and sdist agree.
	rm -rf $(VENV)/dist
	$(BIN)/python -m build --outdir $(VENV)/dist . > $(VENV)/build.log
	$(BIN)/python .ci/release_check.py $(VENV)/dist

# Under ten minutes; compares with PyTorch where the virtual environment has it (`make torch`). ONLY=stats for some rows, SCALE=0.1 for small dumps.
BENCH = PYTHONPATH=tests $(BIN)/python -m benchmarks $(if $(ONLY),--only='$(ONLY)') $(if $(SCALE),--scale $(SCALE))

bench: $(VENV)/tested ## Measure times and memory.
	$(BENCH) --json $(VENV)/benchmarks.json

bench-cores: $(VENV)/tested ## Measure times and memory by jobs, up to all processors.
	$(BENCH) --cores --json $(VENV)/benchmarks-cores.json

bench-remote: $(VENV)/remote/installed ## Measure remote work, on a server of this machine that is as slow as one elsewhere.
	$(subst $(BIN),$(VENV)/remote/bin,$(BENCH)) --remote --json $(VENV)/benchmarks-remote.json

bench-docs: $(VENV)/tested ## Put what was measured last into README and docs.
	for name in benchmarks benchmarks-cores benchmarks-remote; do test ! -f $(VENV)/$$name.json || cp $(VENV)/$$name.json docs/development/; done
	PYTHONPATH=tests $(BIN)/python -m docs README.md docs/development/benchmarks.md

bench-capture: $(VENV)/trained ## Measure what capturing gradients costs a training step.
	PYTHONPATH=tests $(BIN)/python -m benchmarks.capture

torch: $(VENV)/trained ## Install PyTorch into the virtual environment.

# In a virtual environment of its own: JAX, Flax, Keras and TensorFlow take 2 GB.
recipes: $(VENV)/recipes/installed ## Save gradients with other frameworks, and hold norms against theirs.
	$(VENV)/recipes/bin/python -m pytest -q -rs tests/recipes

test-torch: $(VENV)/trained ## Install PyTorch, and run the tests of what captures gradients in a training loop.
	$(BIN)/python -m pytest -q tests/unit/torch

gallery: $(VENV)/trained ## Train small models with planted faults, and see which rules find them.
	PYTHONPATH=tests $(BIN)/python -m gallery

samples: $(VENV)/trained ## Train the small models of sample_data/ again.
	$(BIN)/python sample_data/make_samples.py

clean: ## Delete the virtual environments and what was built.
	rm -rf $(VENV) $(DOCS_VENV) docs/_build

$(VENV)/python:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/installed: $(VENV)/python pyproject.toml
	$(BIN)/python -m pip install --quiet -e .
	$(BIN)/python -m compileall -q gradclip_cli
	touch $@

$(VENV)/tested: $(VENV)/python pyproject.toml
	$(BIN)/python -m pip install --quiet -e '.[test]'
	$(BIN)/python -m compileall -q gradclip_cli
	touch $@

$(VENV)/linted: $(VENV)/python pyproject.toml
	$(BIN)/python -m pip install --quiet -e '.[lint]'
	touch $@

$(VENV)/trained: $(VENV)/python pyproject.toml
	$(BIN)/python -m pip install --quiet -e '.[test,torch]'
	touch $@

$(VENV)/recipes/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)/recipes
	$(VENV)/recipes/bin/python -m pip install --quiet -e '.[test]' jax optax flax keras tensorflow-cpu
	touch $@

$(VENV)/servers/installed: Makefile
	$(PYTHON) -m venv $(VENV)/servers
	$(VENV)/servers/bin/python -m pip install --quiet 'moto[s3]==5.2.5' flask flask-cors
	cd $(VENV)/servers && npm install --silent azurite@3.35.0
	touch $@

$(VENV)/covered: $(VENV)/tested
	$(BIN)/python -m pip install --quiet -e '.[test,cov]'
	touch $@

$(VENV)/released: $(VENV)/python
	$(BIN)/python -m pip install --quiet build
	touch $@

$(VENV)/lowest/installed: pyproject.toml .ci/lowest.py
	rm -rf $(VENV)/lowest
	$(PYTHON) -m venv $(VENV)/lowest
	$(PYTHON) .ci/lowest.py > $(VENV)/lowest/requirements.txt
	$(VENV)/lowest/bin/python -m pip install --quiet -r $(VENV)/lowest/requirements.txt
	$(VENV)/lowest/bin/python -m pip install --quiet --no-deps -e .
	$(VENV)/lowest/bin/python -m compileall -q gradclip_cli
	touch $@

$(VENV)/remote/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)/remote
	$(VENV)/remote/bin/python -m pip install --quiet -e '.[test,cluster]'
	$(VENV)/remote/bin/python -m compileall -q gradclip_cli
	touch $@

$(VENV)/oracles/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)/oracles
	$(VENV)/oracles/bin/python -m pip install --quiet -e '.[test]' torch==2.13.0 transformers accelerate lightning mlflow-skinny tensorboard tensorboardX
	$(VENV)/oracles/bin/python -m pip install --quiet --no-deps timm
	touch $@

$(VENV)/browser/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)/browser
	$(VENV)/browser/bin/python -m pip install --quiet -e '.[test,report]' playwright
	$(VENV)/browser/bin/python -m compileall -q gradclip_cli
	touch $@

$(DOCS_VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(DOCS_VENV)
	$(DOCS_VENV)/bin/python -m pip install --quiet -e '.[docs]'
	touch $@
