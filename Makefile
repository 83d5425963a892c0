PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test test-thorough test-all lint format bench clean
setup: .venv/.ready

.venv/.ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: setup
	$(BIN)/kilograd demo

test: setup
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow and not thorough"

# What is too long for every change, and what continuous integration runs besides.
test-thorough: setup
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "thorough and not slow"

test-all: setup
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	git ls-files "src/*.c" "src/*.h" "tests/*.c" "tests/*.h" | xargs $(BIN)/clang-format --dry-run -Werror

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	git ls-files "src/*.c" "src/*.h" "tests/*.c" "tests/*.h" | xargs $(BIN)/clang-format -i

bench: setup
	$(BIN)/python -m experiments.foundation.run
	$(BIN)/python -m experiments.memory.run sram optimizations accuracy

clean:
	rm -rf .venv build
