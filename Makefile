# Everything a person or a machine runs here. `make` alone lists it.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

VENV := .venv
PY := $(VENV)/bin/python
PYTHON ?= python3.13 python3.12 python3.11 python3 python3.14
ARGS ?=
# Tests wait for processes and servers of their own for much of their time.
WORKERS ?= $(shell $(PY) -c 'import os; print(min(6, len(os.sched_getaffinity(0)) + 2))' 2>/dev/null || echo 3)

# Another environment's settings must not leak into ours.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV PIP_USER PIP_TARGET PIP_PREFIX PIP_REQUIRE_VIRTUALENV
unexport SLACK_BOT_TOKEN SLACK_APP_TOKEN SLACK_SIGNING_SECRET SLACK_API_URL
unexport COUNTERSIGN_CONFIG COUNTERSIGN_DATABASE_URL COUNTERSIGN_DATA_DIR COUNTERSIGN_MASTER_KEY_FILE
unexport COUNTERSIGN_HTTP COUNTERSIGN_METRICS

# A .venv whose Python has gone (an upgrade of the system, an interrupted start) is built again.
ifneq ($(shell $(PY) -c 'import sys, pip; print(sys.version_info >= (3, 11))' 2>/dev/null),True)
.PHONY: $(VENV)/ready $(VENV)/ready-dev
endif

.PHONY: help
help: ## List what can be made (this list)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: sandbox
sandbox: $(VENV)/ready ## A Slack of its own in your browser, to try everything (ARGS=--story plays the story first)
	@$(PY) -m bot sandbox $(ARGS)

.PHONY: test
test: $(VENV)/ready-dev ## Set up what the tests need and run all of them
	@$(PY) -m pytest -n $(WORKERS) --dist loadgroup $(ARGS)

.PHONY: kill-matrix
kill-matrix: $(VENV)/ready-dev ## Kill at every moment on every pair of databases (docs/kill-matrix.md; some 20 minutes)
	@KILL_MATRIX=all $(PY) -m pytest -n auto --maxprocesses 4 --dist loadgroup tests/stories/test_kill_matrix.py tests/stories/test_objects.py tests/stories/test_crowded.py tests/stories/test_own_uninstall.py tests/stories/test_teardown.py tests/stories/test_whole_restore.py tests/unit/operations/test_postgresql_cut.py tests/unit/operations/test_statement_faults.py tests/unit/operations/test_writers_beside.py tests/unit/targets/test_mysql_server_dies.py $(ARGS)

.PHONY: model-check
model-check: $(VENV)/ready-dev ## Every life of a request, one event longer than the tests look (some 15 minutes)
	@MODEL_CHECK=deep $(PY) -m pytest -n auto --maxprocesses 4 -rP --timeout 3600 tests/unit/approvals/test_model_check.py $(ARGS)

.PHONY: check
check: lint types layers test ## Lint, types, import layers and tests: what CI runs

.PHONY: lint
lint: $(VENV)/ready-dev ## Style and formatting (ruff)
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

.PHONY: types
types: $(VENV)/ready-dev ## Types (mypy, strict)
	@$(PY) -m mypy

.PHONY: layers
layers: $(VENV)/ready-dev ## Which room may import which (import-linter)
	@$(PY) $(VENV)/bin/lint-imports

.PHONY: fix
fix: $(VENV)/ready-dev ## Repair what ruff can repair, and format
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

.PHONY: bench
bench: $(VENV)/ready-dev ## Measure speed and memory, each beside a peer (needs PostgreSQL, MariaDB and age; ARGS="--only archive")
	@$(PY) -m benchmarks $(ARGS)

.PHONY: real-systems
real-systems: $(VENV)/ready-dev ## Raise real CRMs, delete and restore in each (docs/real-systems.md; REAL_SYSTEMS=folder of their scripts; some 20 minutes)
	@$(PY) -m tests.real $(ARGS)

.PHONY: page
page: ## Build the sandbox's page again from bot/sandbox/page/src (needs node and npm)
	@cd bot/sandbox/page && npm ci --no-audit --no-fund --silent && npm run --silent build

.PHONY: docs
docs: $(VENV)/ready-dev ## Draw docs/states.md again from the table in bot/approvals/states.py
	@$(PY) -c 'from bot.approvals.picture import page; print(page(), end="")' > docs/states.md

.PHONY: setup
setup: $(VENV)/ready-dev ## Only set up .venv, with everything for development

.PHONY: clean
clean: ## Remove .venv and caches (never data or keys)
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# The first Python that is new enough and can make an environment; one sentence when there is none.
.PHONY: interpreter
interpreter:
	@for name in $(PYTHON); do \
	  "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	  if "$$name" -c 'import venv, ensurepip' 2>/dev/null; then echo "$$name"; exit 0; fi; \
	  bare=$${bare:-$$name}; \
	done; \
	if [ -n "$$bare" ]; then \
	  echo "$$bare cannot make an environment: run \"sudo apt-get install python3-venv\", then try again." >&2; \
	else \
	  echo "Python 3.11 or newer is needed: install it, or name it, as in \"make sandbox PYTHON=/opt/python3.13/bin/python3\"." >&2; \
	fi; \
	exit 1

define INSTALL
@set -e; python=$$($(MAKE) --no-print-directory --silent interpreter); \
if ! $(PY) -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
  echo "Making $(VENV) with $$python …"; \
  "$$python" -m venv --clear $(VENV); \
fi; \
echo "Installing what Countersign needs into $(VENV) (about a minute the first time) …"; \
$(PY) -m pip install -qq --disable-pip-version-check --editable "$(1)" || { \
  echo "The installation did not finish: see pip's message above, then run the same command again." >&2; exit 1; }
endef

$(VENV)/ready: pyproject.toml
	$(call INSTALL,.)
	@touch $@

$(VENV)/ready-dev: pyproject.toml
	$(call INSTALL,.[dev])
	@touch $(VENV)/ready $@
