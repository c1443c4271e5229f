# The commands of a working day. Each installs what it lacks first (.ci/prepare.sh says what),
# and what it makes stays inside this folder; a bare Debian with git and make is enough.

.DEFAULT_GOAL := help
.PHONY: help demo test lint type fmt openapi clean prepare
MAKEFLAGS += --no-builtin-rules --no-print-directory

PYTHON := .venv/bin/python
SCRATCH := sh .ci/scratch.sh
# Arguments for pytest, as in: make test ARGS="tests/hsm -k cmac"
ARGS ?=

help: ## list these commands
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/make \1|\2/p' Makefile | while IFS='|' read -r name what; \
		do printf '%-13s %s\n' "$$name" "$$what"; done

demo: prepare ## show the whole system at work, on virtual tokens and a software HSM
	@$(SCRATCH) $(PYTHON) -m tests.demo

test: prepare ## run every test; ARGS="…" is handed to pytest
	@$(SCRATCH) $(PYTHON) -m pytest $(ARGS)

lint: prepare ## check style and format, change nothing
	@$(PYTHON) -m ruff check --quiet
	@$(PYTHON) -m ruff format --check --quiet

type: prepare ## check the types
	@$(PYTHON) -m mypy

fmt: prepare ## format the code and sort its imports
	@$(PYTHON) -m ruff check --select I --fix --quiet
	@$(PYTHON) -m ruff format

openapi: prepare ## write docs/openapi.json, as a running daemon serves it
	@$(PYTHON) -c "$$PRINT_OPENAPI" >.cache/openapi.json
	@mv .cache/openapi.json docs/openapi.json

define PRINT_OPENAPI
import json
from tmsd.api.openapi import document
from tmsd.api.tks import ROUTES
print(json.dumps(document(ROUTES), indent=2))
endef
export PRINT_OPENAPI

clean: ## remove what these commands made here: .venv, .cache, byte code
	@rm -rf .venv .cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

prepare:
	@sh .ci/prepare.sh
