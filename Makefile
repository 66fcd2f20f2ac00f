# What needs a virtual environment makes it; nothing has to be installed by hand but Python 3.11 or newer.
# Modules are compiled then, as an installer does it, also where Python is told to write no bytecode of its own.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := $(VENV)/demo

.PHONY: demo test test-all faults fuzz golden lint types ci docs man wheel-test bench torch samples clean

demo: $(VENV)/installed
	$(BIN)/gradclip stats sample_data/char_lstm --by layer --by total
	rm -rf $(DEMO)
	$(BIN)/gradclip apply sample_data/char_lstm/step_00009.safetensors -o $(VENV)/clipped.safetensors --overwrite \
		-s clip-by-global-norm -t "$$($(BIN)/gradclip stats sample_data/char_lstm -s clip-by-global-norm --print-threshold)"
	$(BIN)/gradclip apply sample_data/char_lstm_hdf5 -o $(DEMO) -s ClipL2PerLayer -t mean -q
	$(BIN)/gradclip apply sample_data/dl4j_lstm -o $(DEMO) -s ClipElementWiseAbsoluteValue -t 1 -q

test: $(VENV)/tested
	$(BIN)/python -m pytest -n auto --dist worksteal --durations=15 --durations-min=1

# The heavy ones, too: every cell of the matrices of which `make test` takes a sample.
test-all: $(VENV)/tested
	$(BIN)/python -m pytest -n auto --dist worksteal --durations=15 --durations-min=1 -m ""

# Every system call of every way of writing fails once, and is the last one once; takes half an hour.
faults: $(VENV)/tested
	FAULTS=all $(BIN)/python -m pytest -m "" tests/faults

# Damaged dumps for so many minutes a format; FORMAT="npz hdf5" for some only, FIRST=7 COUNT=1 for one that was found.
fuzz: $(VENV)/tested
	PYTHONPATH=tests $(BIN)/python -m fuzz $(FORMAT) --minutes $(or $(MINUTES),1) $(if $(FIRST),--first $(FIRST)) $(if $(COUNT),--count $(COUNT))

# The sums that every machine has to find: to be written anew only where what is summed, or how, is meant to change.
golden: $(VENV)/tested
	PYTHONPATH=tests $(BIN)/python -m golden.sums

lint: $(VENV)/linted
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/linted
	$(BIN)/mypy

ci: test lint types

# What the README and the manual page take from the program.
docs: man
	$(BIN)/python tests/docs/readme.py

man: $(VENV)/installed
	$(BIN)/python tests/docs/man.py

# The wheel as others will have it: in a virtual environment of its own, tested from a folder that is not this one.
wheel-test: $(VENV)/python
	rm -rf $(VENV)/wheel
	$(BIN)/python -m pip wheel --quiet --no-deps -w $(VENV)/wheel .
	$(PYTHON) -m venv $(VENV)/wheel/venv
	$(VENV)/wheel/venv/bin/python -m pip install --quiet "$$(ls $(VENV)/wheel/*.whl)[test]"
	test -s $(VENV)/wheel/venv/share/man/man1/gradclip.1
	ls $(VENV)/wheel/venv/lib/python*/site-packages/gradclip_cli-*.dist-info/licenses/LICENSE
	cp -r tests pyproject.toml $(VENV)/wheel/
	cd $(VENV)/wheel && venv/bin/python -P -m pytest -q -p no:cacheprovider tests/cli

# Under ten minutes; compares with PyTorch where the virtual environment has it (`make torch`).
bench: $(VENV)/tested
	$(BIN)/python tests/benchmarks/run.py --json $(VENV)/bench.json

torch: $(VENV)/trained

# Trains the two small models again; needs the `torch` extra.
samples: $(VENV)/trained
	$(BIN)/python sample_data/make_samples.py

clean:
	rm -rf $(VENV)

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
