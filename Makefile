# Each target sets up what it needs, in a virtual environment of its own.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DATA ?= ../shared/data
BENCHES := add_speed score_reading search_speed long_tracks features audio_fingerprints musicnn_variants

.PHONY: demo test test-all lint bench docs clean

demo: $(VENV)/installed
	$(BIN)/segue demo

test: $(VENV)/dev
	# A thread for each worker: four threads on two cores wait for one another.
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2

test-all: $(VENV)/dev
	HYPOTHESIS_PROFILE=random $(BIN)/pytest -q -m ""

lint: $(VENV)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/vulture

# The reference is made from the program, the benchmarks from bench/tables; then the site, links checked.
docs: $(VENV)/docs
	$(BIN)/python docs/make_reference.py
	$(BIN)/python docs/make_benchmarks.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(VENV)/bench
	for name in $(BENCHES); do $(BIN)/python -m bench.$$name --data $(DATA) || exit 1; done
	$(BIN)/python -m bench.sound_space --data $(DATA) --cache .bench-cache
	$(BIN)/python -m bench.learned_spaces --data $(DATA) --cache .bench-cache --work .bench-cache/learned
	$(BIN)/python -m bench.train_speed --work .bench-cache
	$(BIN)/python -m bench.reconstruction --data $(DATA) --work .bench-cache/learned
	$(BIN)/python -m bench.maps --data $(DATA)
	$(BIN)/python -m bench.version_identification --data $(DATA)
	$(BIN)/python -m bench.autoencoder_variants --data $(DATA) --library .bench-cache/clips

$(VENV)/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/dev: $(VENV)/installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

$(VENV)/docs: $(VENV)/dev
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev,docs]"
	touch $@

$(VENV)/bench: $(VENV)/dev
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev,bench]"
	# Its declared needs are for playing aloud, and want a compiler.
	$(BIN)/pip install --quiet --no-deps tinysoundfont==0.3.7
	touch $@

clean:
	rm -rf $(VENV)
