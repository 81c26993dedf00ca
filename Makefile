# `make demo` and `make test` are the two commands of a newcomer. Both call `make setup` first, which alone downloads.

SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= /usr/bin/python3
BENCH ?=
VENV := .venv
export PYTHON

.PHONY: help
help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

.PHONY: setup
setup: ## Install what is missing and build the package into .venv
	@tools/setup.sh

.PHONY: setup-dev
setup-dev: ## Also install what lint, bench and the heavy test legs need
	@tools/setup.sh dev

.PHONY: test
test: setup ## Run the unit, property, quick stress and Python tests
	@tools/build.sh dev
	@$(VENV)/bin/python tools/run_tests.py --ctest dev --label 'unit|property|stress' --pytest

.PHONY: demo
demo: setup ## Run real graphs and a blocked Cholesky; pictures and traces go to build/demo
	@tools/build.sh release
	@tools/demo.sh

.PHONY: bench
bench: setup-dev ## Measure beside the peers; BENCH="--quick" and other options go to bench/compare
	@cmake build/release >/dev/null
	@tools/build.sh release
	@$(VENV)/bin/python bench/compare $(BENCH)

.PHONY: lint
lint: setup-dev ## Check format, clang-tidy, ruff, mypy and the layering
	@tools/build.sh dev
	@tools/lint.sh

.PHONY: format
format: setup-dev ## Format the C++ and Python sources in place
	@git ls-files -z -- '*.cpp' '*.hpp' | xargs -0 -r $(VENV)/bin/clang-format -i
	@$(VENV)/bin/ruff format --quiet .
	@$(VENV)/bin/ruff check --quiet --fix .

.PHONY: clean
clean: ## Remove everything that was built, .venv too
	rm -rf build $(VENV) .venv-3.13t
