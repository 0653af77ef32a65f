PYTHON ?= python3
BIN := .venv/bin
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench lock browser clean

help: ## what can be made
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do printf '  make %-8s %s\n' "$$name" "$$text"; done

setup: .venv/installed ## install everything into this folder; run nothing
	@$(BIN)/python -m infra.parts
	@$(BIN)/python -m infra.java_classes & $(BIN)/python -m streams.warm & $(BIN)/python -m producers.gateway.quick & wait

demo: setup ## start everything with simulated sensors; Ctrl-C stops it
	@exec $(BIN)/powermon up --demo

test: setup browser ## all tests, on the real parts
	@$(BIN)/python -m pytest -m "not bench" --numprocesses 2 --dist loadfile --no-loadscope-reorder

check: .venv/installed ## lint, format, types, and who may import whom
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup ## measure, side by side with others
	@$(BIN)/python -m pytest -m bench -s tests/bench

lock: ## renew requirements.lock from pyproject.toml
	$(LOCK) pyproject.toml --upgrade --group dev --group bench --group build -o requirements.lock
	$(LOCK) pyproject.toml --constraint requirements.lock --group build -o infra/docker/requirements.lock
	$(LOCK) pyproject.toml --constraint requirements.lock --extra meter --group build -o infra/docker/meter.lock
	$(LOCK) --constraint requirements.lock --group pyproject.toml:tic -o infra/systemd/requirements.lock

clean: ## remove what setup made; data folders stay
	rm -rf .venv .cache *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# Made again when the lock or the project changes; otherwise nothing is asked of the network.
.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is older than 3.11; install a newer Python, or name one: make PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing Python packages …" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing Chromium for the browser tests …" >&2; \
		{ apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends chromium; } >/dev/null; \
	else \
		echo "the browser tests need Chromium; install it (package chromium) and run make test again" >&2; exit 1; \
	fi
