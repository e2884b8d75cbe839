# Two commands do everything on a fresh machine: `make demo` and `make test`.
# On a machine without a GPU, PIP_EXTRA_INDEX_URL may name PyTorch's CPU wheels to save gigabytes.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# For each kind of input; KINDS names some of them (tests/fuzz/kinds.py), nothing all.
FUZZ_SECONDS ?= 60
KINDS  ?=
EXTRA  ?= $(shell command -v nvidia-smi >/dev/null 2>&1 && echo gpu || echo cpu)

.PHONY: demo test test-slow test-triggers fuzz lint format bench clean

demo: $(VENV)/installed
	$(BIN)/xray-gate demo

# Two at a time, since much of the suite waits for servers; a file stays together with what it starts.
test: $(VENV)/installed lint
	$(BIN)/pytest -m "not slow" -n 2 --dist loadfile

# The registry's tests once more, in databases that have the gate's triggers.
test-triggers: $(VENV)/installed
	$(BIN)/pytest --with-triggers tests/registry

test-slow: $(VENV)/installed
	$(BIN)/pytest -m slow -n 2 --dist loadfile

# Readers of foreign input, by a fuzzer that follows coverage; what it finds is left in .fuzz/.
fuzz: $(VENV)/fuzz-installed
	$(BIN)/python -m tests.fuzz.run --seconds $(FUZZ_SECONDS) $(KINDS)

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/installed
	$(BIN)/python -m benchmarks.speed scan xray_gate/data/demo/clean.onnx \
		--probes xray_gate/data/demo/probes.npz --planes 2 --out speed.json

# The stamp is written last, so that an interrupted install is done again.
$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable ".[$(EXTRA),lab,dev]"
	touch $@

$(VENV)/fuzz-installed: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable ".[fuzz]"
	touch $@

clean:
	rm -rf $(VENV) .fuzz .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
