# The commands of a working day. Each installs what it lacks first (.ci/prepare.sh says what),
# and what it makes stays inside this folder; a bare Debian with git and make is enough.

.DEFAULT_GOAL := help
.PHONY: help demo demo-ceremony test cycles clean-roots bench fuzz lint type fmt openapi clean prepare
MAKEFLAGS += --no-builtin-rules --no-print-directory

PYTHON := .venv/bin/python
SCRATCH := sh .ci/scratch.sh
# Arguments for pytest, as in: make test ARGS="tests/hsm -k cmac"
ARGS ?=
# An empty folder in which demo-ceremony leaves minutes and tokens; .cache/demo-ceremony, made anew, without one.
SITE ?=
# Which clean roots; all of them without any.
CASES ?=
# For how many seconds each target is fuzzed.
FUZZ_SECONDS ?= 60
# How often the HSM is lost, in which order of losses (in another one each time without a SEED), and
# with how many workers; as the daemon has them without WORKERS.
CYCLES ?= 200
SEED ?=
WORKERS ?=

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/make \1|\2/p' Makefile | while IFS='|' read -r name what; \
		do printf '%-19s %s\n' "$$name" "$$what"; done

demo: prepare ## show the whole system at work, on virtual tokens and a software HSM
	@$(SCRATCH) $(PYTHON) -m tests.demo

demo-ceremony: prepare ## show a key ceremony as each person sees it; its site folder stays: SITE=…
	@$(SCRATCH) $(PYTHON) -m tests.demo.ceremony $(SITE)

test: prepare ## run every test; ARGS="…" is handed to pytest
	@$(SCRATCH) $(PYTHON) -m pytest $(ARGS)

cycles: prepare ## lose the HSM CYCLES=… times, with callers at work; SEED=… for the same order again
	@$(SCRATCH) $(PYTHON) -m tests.cycles --cycles $(CYCLES) $(addprefix --seed ,$(SEED)) \
		$(addprefix --workers ,$(WORKERS))

clean-roots: prepare ## run demo and test in clean roots of Debian 12 and 13; CASES="12-root 13-user" for some
	@$(PYTHON) -m tests.clean_roots $(CASES)

fuzz: prepare ## feed mutated inputs to whatever parses; FUZZ_SECONDS=… for each target
	@$(SCRATCH) $(PYTHON) -m tests.fuzz --seconds $(FUZZ_SECONDS) --corpus .cache/fuzz

bench: prepare ## measure what is claimed, as ratios
	@$(SCRATCH) $(PYTHON) -m bench

lint: prepare ## check style and format, change nothing
	@$(PYTHON) -m ruff check --quiet
	@$(PYTHON) -m ruff format --check --quiet

type: prepare ## check the types
	@$(PYTHON) -m mypy

fmt: prepare ## format the code and sort its imports
	@$(PYTHON) -m ruff check --select I --fix --quiet
	@$(PYTHON) -m ruff format

openapi: prepare ## write docs/openapi.json, as a running daemon serves it
	@$(PYTHON) -m tmsd.api.openapi >.cache/openapi.json
	@mv .cache/openapi.json docs/openapi.json

clean: ## remove what these commands made here: .venv, .cache, byte code
	@rm -rf .venv .cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

prepare:
	@sh .ci/prepare.sh
