# `make` lists what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help install demo screenshot test test-slow test-nightly bench lint format lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(READY) ## environment, Java, Spark's jars and Trino (fetched once, cached outside the checkout)

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "Python 3.11 to 3.13 is needed: make PYTHON=python3.11 install")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the packages of requirements.txt …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip install --python $(BIN)/python --compile-bytecode --require-hashes -r requirements.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@$(BIN)/python -m infra.local.toolchain
	@touch $@

demo: $(READY) ## the whole batch path on a simulated city
	@$(BIN)/trafficlake demo

screenshot: $(READY) ## the README's picture of the demo's dashboard (needs chromium)
	$(BIN)/python -m dashboards.screenshot .trafficlake/dashboard/index.html docs/dashboard.png

test: $(READY) ## the quick tests, in two processes
	$(BIN)/python -m pytest -m "not slow and not nightly" --numprocesses 2 --dist loadfile

test-slow: $(READY) ## whole-system runs that take minutes, in two processes
	$(BIN)/python -m pytest -m slow --numprocesses 2 --dist loadfile

test-nightly: $(READY) ## the state machine with its real steps, its roles, kills and replays, recipes, queries for analysts
	$(BIN)/python -m pytest -m nightly

bench: $(READY) ## ratios against independent implementations, measured in one run
	$(BIN)/python -m tests.bench

lint: $(READY) ## ruff and sqlfluff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/sqlfluff lint --processes 2 dbt

format: $(READY) ## put code and SQL in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/sqlfluff fix dbt

lock: ## resolve requirements.txt anew, with hashes and without addresses
	$(BIN)/uv pip compile --all-extras --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
		--quiet pyproject.toml -o requirements.txt

clean: ## stop the local endpoint and remove its state and the environment (downloads stay cached)
	@test ! -x $(BIN)/trafficlake || $(BIN)/trafficlake local stop
	rm -rf .trafficlake $(VENV) dbt/target dbt/logs .pytest_cache .ruff_cache
