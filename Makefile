# The commands of a developer. `make demo` and `make test` work from a bare clone: they install what is missing.

SHELL := /bin/bash
.DEFAULT_GOAL := help

BIN := .venv/bin
PACKAGES := twin runtime ingest stream alerting storage api outlets cities simulators cli
PYTHON_CLIENT := clients/python

# More options for `livetwin up`: make demo ARGS="--port 8090 --mqtt-port 0"
ARGS ?=
# The folder of the official rulesets of the NLGov REST API Design Rules: nlgov-linter-2.1.yaml, nlgov-linter-2.2rc1.yaml
NLGOV_RULESETS ?= ../shared/standards
# More options for pytest: make test TESTS="tests/unit -k decoders"
TESTS ?=
# The duration of `make fuzz`, and the seed that repeats a run.
SECONDS ?= 600
SEED ?=

.PHONY: help setup setup-tests demo test test-core test-services test-page test-systems test-cli test-docker check docs audit sbom release format bench screenshots fuzz clean

help:
	@echo 'make demo   set up what is missing, run the simulated city: http://localhost:8080/'
	@echo 'make test   set up what is missing, run all tests'
	@echo 'make test-docker  the tests with containers; starts a Docker engine if none runs'
	@echo 'make check  format, lint, types, import layers, dependencies, documentation'
	@echo 'make docs   build the site of docs/ into docs/_build/html'
	@echo 'make audit  ask the advisory services about known vulnerabilities of dependencies'
	@echo 'make sbom   write the software bills of materials (CycloneDX) to dist/sbom; IMAGE=livetwin:local asks the image'
	@echo 'make release  build the release of this commit twice, compare, sign with KEY=FILE: dist/livetwin-VERSION'
	@echo 'make bench  measure rates, delays and cost beside the raw limits; ARGS=reach for one case'
	@echo 'make screenshots  pictures of every view, into docs/images/tour'
	@echo 'make fuzz   mutated inputs for SECONDS=600; SEED=N repeats a run'
	@echo 'make setup  only set up; the programs are then in .venv/bin'
	@echo 'make clean  remove everything that set-up and runs created in this folder'

setup:
	@deploy/setup.sh

setup-tests:
	@deploy/setup.sh --tests

demo: setup
	@exec $(BIN)/livetwin up $(ARGS)

# All tests are five runs, two at a time: one for each core of a small machine. The output of each is shown at its end.
test: setup-tests
ifeq ($(TESTS),)
	@$(MAKE) --no-print-directory --jobs=2 --output-sync test-core test-services test-page test-systems test-cli
else
	$(BIN)/pytest $(TESTS)
endif

PYTEST := $(BIN)/pytest -p no:cacheprovider --durations=10

# Tests that start whole systems, or several workers of a role, and kill them.
SYSTEMS := tests/integration/stream tests/e2e
# Tests of the pages in a browser, on one system.
PAGE := tests/e2e/page
# Tests of the commands, mainly `livetwin up`.
CLI := tests/integration/cli
# The tests of the database run with the core, so that both halves end at about the same time.
DATABASE := tests/integration/storage

SERVICES := $(filter-out $(DATABASE) $(SYSTEMS) $(CLI),$(wildcard tests/integration/*))

# The doctests are in the docstrings of the packages; the first line is of the page and the TypeScript client.
test-core:
	cd web && npm run --silent test
	$(PYTEST) $(patsubst %,--ignore=%,$(SERVICES) $(SYSTEMS) $(CLI) tests/docker) --doctest-modules tests $(PACKAGES) $(PYTHON_CLIENT)

test-services:
	$(PYTEST) tests/integration $(patsubst %,--ignore=%,$(DATABASE) $(SYSTEMS) $(CLI))

test-page:
	$(PYTEST) $(PAGE)

test-systems:
	$(PYTEST) $(SYSTEMS) --ignore=$(PAGE)

test-cli:
	$(PYTEST) $(CLI)

# Storage, roles and outlets with their services in containers, and the compose file as an operator runs it.
# IMAGES=official pulls the services' images instead of building them.
test-docker: setup-tests
	@deploy/setup.sh --docker
	@deploy/with-docker.sh tests/docker/run.sh

check:
	@NLGOV_RULESETS=$(NLGOV_RULESETS) deploy/setup.sh --checks
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PYTHONPATH=$(PYTHON_CLIENT) $(BIN)/lint-imports
	$(BIN)/deptry .
	cd $(PYTHON_CLIENT) && $(CURDIR)/$(BIN)/deptry .
	$(SPHINX)
	cd web && npm run --silent check
	$(BIN)/python -m tests.standards.lint_openapi $(NLGOV_RULESETS)
	$(BIN)/python -m tests.standards.lint_asyncapi
	$(BIN)/python -m tests.standards.client_types

# A warning is an error: a broken link, a page without a place, a docstring that cannot be rendered.
SPHINX := $(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --jobs auto docs docs/_build/html

docs: setup
	$(SPHINX)
	@echo 'the site is docs/_build/html/index.html'

audit:
	@deploy/audit.sh

# An image of LiveTwin that is asked what is in it, by Docker; the key that signs a release: see docs/how-to/release.md.
IMAGE ?=
KEY ?=
ABOUT_IMAGE = $(if $(IMAGE),--image $(IMAGE))

sbom: setup
	$(BIN)/python -m release sbom dist/sbom $(ABOUT_IMAGE)

release: setup
	$(BIN)/python -m release build dist $(if $(KEY),--key $(KEY)) $(ABOUT_IMAGE)

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup
	$(BIN)/python -m benchmarks $(ARGS)

screenshots: setup-tests
	$(BIN)/python -m tests.e2e.page.tour

fuzz: setup-tests
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

clean:
	@deploy/clean.sh
