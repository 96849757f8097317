# Every command of the project; `make` alone lists them. Each installs what it needs and reuses it the next time.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3# any Python from 3.11 on; it only makes the virtual environment
CONTAINERS ?= docker# or podman
BUILD_OPTIONS ?=
IMAGE ?= keyferry:dev
BASE ?=# the image that the operator's image stands on; without it, what the Dockerfile pins
CLUSTER ?= keyferry# the name of kind's cluster

VENV := .venv
BIN := $(VENV)/bin
# Cluster tests wait for two thirds of their time, so three workers keep two cores busy (docs/decisions/164).
PYTEST := $(BIN)/pytest --numprocesses=3 --dist=loadfile --no-loadscope-reorder
INSTALLED := $(VENV)/.installed
UV := $(BIN)/python .ci/uv.py

.PHONY: help setup controlplane servers fmt lint types imports generate check static format-check generated
.PHONY: docs docs-serve
.PHONY: test test-unit test-cluster e2e image-test image-for-tests demo up bench image kind kind-down lock clean

help: ## List these commands
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

## Set-up

setup: $(INSTALLED) ## Make the virtual environment .venv from requirements.lock

# A changed lock makes the environment anew, so that nothing lingers in it. pip installs uv alone, which installs the
# rest ten times faster; .ci/uv.py tells it what pip knows of this machine's index, proxy and certificates.
$(VENV)/.locked: requirements.lock
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "$(PYTHON) is not Python 3.11 or newer with its venv module. Install it (Debian: python3-venv), or name another: make PYTHON=python3.12 …" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	awk '/^[^ ]/ {uv = /^uv==/} uv' requirements.lock > $(VENV)/uv.lock
	$(BIN)/python -m pip install --disable-pip-version-check --require-hashes --no-deps --requirement $(VENV)/uv.lock
	$(UV) pip sync --python $(BIN)/python --require-hashes requirements.lock
	@touch $@

$(INSTALLED): $(VENV)/.locked pyproject.toml
	$(UV) pip install --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

controlplane: $(INSTALLED) ## Get etcd, kube-apiserver, kubectl, helm … (download, or a build of some 10 minutes, once)
	$(BIN)/python -m tests.controlplane build

# After the control plane: two builds at once would take twice as long each.
servers: controlplane ## Get the servers that tests need: Vault (built in some 5 minutes, once), SQL, Elasticsearch, Prometheus
	$(BIN)/python -m tests.servers

## Checks

fmt: $(INSTALLED) ## Format the code
	$(BIN)/ruff check --select I --fix --quiet
	$(BIN)/ruff format

lint: $(INSTALLED) ## Lint the code
	$(BIN)/ruff check

types: $(INSTALLED) ## Check the types
	$(BIN)/mypy

imports: $(INSTALLED) ## Check that every import goes down the layers
	$(BIN)/lint-imports

generate: $(INSTALLED) ## Write what is generated: the CRDs, also in the chart, their reference, and the dashboard
	$(BIN)/python -m keyferry.api.crds --write
	$(BIN)/python helm/dashboard.py --write
	$(BIN)/python helm/values.py --write

format-check: $(INSTALLED)
	$(BIN)/ruff format --check

generated: $(INSTALLED)
	$(BIN)/python -m keyferry.api.crds --check
	$(BIN)/python helm/dashboard.py --check
	$(BIN)/python helm/values.py --check

static: format-check lint types imports generated

check: static test-unit ## Everything that needs no server: format, lint, types, imports, generated files, unit tests

## Tests

test: static controlplane servers image-for-tests ## Everything: the checks, and all tests in one run
	$(PYTEST)

test-unit: $(INSTALLED) ## Only the tests of what is pure, and of the pages
	$(BIN)/pytest tests/unit tests/controlplane tests/site

MODE ?=# cluster or namespaces: run cluster tests only where the operator works so; without it in both

test-cluster: controlplane servers ## Only the tests on a real Kubernetes API (MODE=cluster or MODE=namespaces to choose)
	$(PYTEST) tests/cluster $(if $(MODE),--mode=$(MODE))

image-for-tests: controlplane
	$(BIN)/python -m tests.image

image-test: image-for-tests ## Only the tests of the image, built and run as its Deployment says (root; podman, which apt-get gets)
	$(BIN)/pytest tests/image

## Read about it

# What it says of MkDocs' future is in docs/decisions/180; it would say so at every build.
docs docs-serve: export NO_MKDOCS_2_WARNING = 1

docs: $(INSTALLED) ## The pages as a site in build/site; a link that leads nowhere is an error
	$(BIN)/mkdocs build --strict --quiet
	@echo "build/site/index.html"

docs-serve: $(INSTALLED) ## The same at http://127.0.0.1:8000, built anew when a page changes, until Ctrl-C
	$(BIN)/mkdocs serve --strict

## See it work

demo: $(INSTALLED) ## Real values from a backend through a real Kubernetes API into Secrets, told as it happens
	$(BIN)/python -m tests.demo

up: $(INSTALLED) ## The same, left running to be played with, until Ctrl-C
	$(BIN)/python -m tests.demo --keep

## Measure it

N ?= 1000# ExternalSecrets
ONLY ?=# some of the scenarios, as in ONLY=refresh,restart; without it all, and docs/benchmarks.md is written anew
LONG ?=# 1: nothing is shortened, which takes some minutes more
DOCS ?=# 1: write docs/benchmarks.md also with ONLY

bench: controlplane servers ## Cost and speed against their goals (N=10000, ONLY=refresh,restart and LONG=1 to choose)
	$(BIN)/python -m tests.bench --n $(N) $(if $(ONLY),--only $(ONLY)) $(if $(LONG),--long) $(if $(DOCS),--docs)

## With a container engine

# Behind a mirror: make image BUILD_OPTIONS='--secret id=pip.conf,src=… --secret id=ca,src=…' (see the Dockerfile).
image: ## Build the operator's image, and write its SBOM to build/ (CONTAINERS=podman, BASE=… to choose)
	$(CONTAINERS) build $(BUILD_OPTIONS) $(if $(BASE),--build-arg BASE=$(BASE)) --tag $(IMAGE) .
	@mkdir -p build
	@made=$$($(CONTAINERS) create $(IMAGE)); trap "$(CONTAINERS) rm $$made > /dev/null" EXIT; \
		$(CONTAINERS) cp $$made:/usr/share/keyferry/sbom.cdx.json build/sbom.cdx.json; echo "its SBOM: build/sbom.cdx.json"

kind: image ## A kind cluster with Keyferry in it (needs Docker, kind, kubectl and helm)
	kind get clusters | grep --quiet --line-regexp $(CLUSTER) || kind create cluster --name $(CLUSTER) --config kind-config.yaml
	kind load docker-image $(IMAGE) --name $(CLUSTER)
	helm upgrade --install keyferry helm/keyferry --kube-context kind-$(CLUSTER) --namespace keyferry-system \
		--create-namespace --set image.repository=$(firstword $(subst :, ,$(IMAGE))) \
		--set image.tag=$(lastword $(subst :, ,$(IMAGE))) --set persistence.enabled=true --wait --timeout 3m

e2e: $(INSTALLED) ## Keyferry installed, used, upgraded and uninstalled in a kind cluster of the tests' own (needs the same)
	$(BIN)/python -m tests.e2e
	$(BIN)/pytest tests/e2e --where=kind

kind-down: ## Delete that cluster
	kind delete cluster --name $(CLUSTER)

## Housekeeping

# No address of an index gets into the files.
COMPILE = $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

lock: $(VENV)/.locked ## Renew the locks of all dependencies, with their hashes
	$(COMPILE) --all-extras --group dev --output-file requirements.lock pyproject.toml
	$(COMPILE) --extra all --constraint requirements.lock --output-file requirements-runtime.lock pyproject.toml
	printf 'hatchling\ncyclonedx-bom\n' | $(COMPILE) --constraint requirements.lock --output-file requirements-build.lock -

clean: ## Remove what the commands above made in this folder (the control plane's programs stay in their cache)
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
