# All that people do with a checkout, one word each. `make help` lists them.
#
# Any setting of `.env.example` can be given on the line: make run PORT=9000

SHELL := /bin/sh
.DEFAULT_GOAL := help

# Which Python makes .venv; unset, the newest one on the PATH from 3.11 up.
export PYTHON
# How many tests run at the same time.
WORKERS ?= 2
# For `make test-browser`: the program `open-webui`, or the address of one that runs with the tests' admin.
export OPEN_WEBUI
# … and 1 for it to take the pictures of integrations/open_webui/README.md anew.
export PICTURES
# Set to 1 to let `make lock` raise what is locked already.
UPGRADE ?=

bin := .venv/bin
pytest := $(bin)/python -m pytest -n $(WORKERS) --dist loadgroup
studio_port := $(or $(PORT),2024)
studio_url := http://127.0.0.1:$(studio_port)
lock := $(bin)/uv pip compile --universal --python-version 3.11 --generate-hashes --quiet \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header $(if $(UPGRADE),--upgrade)

.PHONY: help install run dev check format lint types layers quick fix test faults bench test-model test-browser test-peers compose-check eval studio notebooks lock tools-lock clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

install: ## make .venv and install what the product needs
	@sh bootstrap.sh run

run: install ## start open-agent (the first start installs it); PORT=9000 and other settings may follow
	@exec ./open-agent serve

dev: ## install also what tests and checks need
	@sh bootstrap.sh dev

check: dev ## the quick loop: format, lint, types, layers, fast tests (under a minute)
	@$(MAKE) --no-print-directory -j2 --output-sync=target format lint types layers
	@$(MAKE) --no-print-directory quick

format:
	@$(bin)/ruff format --check --quiet . || { echo "Run make fix."; exit 1; }

lint:
	@$(bin)/ruff check --quiet .

types:
	@$(bin)/mypy --no-error-summary

layers:
	@$(bin)/lint-imports --no-logo

quick:
	@$(pytest) -m "not slow and not exhaustive and not model and not browser and not peers"

fix: dev ## format, and mend what ruff can
	@$(bin)/ruff check --fix --quiet . ; $(bin)/ruff format .

test: dev ## run all tests but those of the embedded model, of the browser, and those that only say it at more length
	@$(pytest) -m "not exhaustive and not model and not browser and not peers"

faults: dev ## break the real server in every way there is a test for, at length: more points, more readers
	@FAULTS_POINTS=$(or $(POINTS),20) FAULTS_READERS=1000 SCHEMATHESIS_EXAMPLES=20 \
		$(pytest) tests/faults tests/http/test_schemathesis.py
	@$(pytest) -m exhaustive --ignore=tests/faults

test-model: dev ## run the embedded model end to end (1.1 GB of weights, fetched once)
	@$(bin)/python -m pytest -m model

test-browser: dev ## chat through a real Open WebUI in Chromium (2.9 GB, fetched once); OPEN_WEBUI names one that is there
	@test -n "$(OPEN_WEBUI)" || test -x .open-webui/bin/open-webui || sh tests/open_webui/browser/install.sh .open-webui
	@$(bin)/python -m pytest -m browser tests/open_webui

test-peers: dev ## run MCP servers and clients of others, from npm and PyPI, with the gateway in between
	@$(bin)/python -m pytest tests/gateway/test_peers.py

bench: dev ## measure what the gateway, redaction, long conversations and the database cost, and hold it to its bounds
	@$(bin)/python -m benchmarks

compose-check: ## run the Docker containers for real: up, chat, kill -9, back again, down (needs an engine)
	@tests/compose/check.sh

eval: dev ## measure how well the router routes
	@./open-agent eval

# Its own words name a web page that needs an account; what is said here first needs none. Nothing is sent anywhere.
studio: dev ## debug the graph with LangGraph's development server, offline; PORT=2025 listens elsewhere
	@echo "The graph, for LangGraph Studio and langgraph-sdk: $(studio_url) (how: docs/studio.md). Ctrl-C ends it."
	@exec env -u LANGSMITH_API_KEY -u LANGCHAIN_API_KEY LANGSMITH_TRACING=false \
		LANGGRAPH_CLI_NO_ANALYTICS=1 LANGGRAPH_NO_VERSION_CHECK=true \
		$(bin)/langgraph dev --no-browser --no-reload --host 127.0.0.1 --port $(studio_port)

notebooks: dev ## run all notebooks with your model, and write what came out to docs/notebooks
	@$(bin)/python -m notebooks.rendering

lock: dev ## write the locks anew after a change of pyproject.toml; UPGRADE=1 raises versions
	@$(lock) pyproject.toml --extra dev --output-file requirements-dev.lock
	@$(lock) pyproject.toml --constraint requirements-dev.lock --output-file requirements.lock
	@printf 'mcp>=2.3,<3\nmcp-types>=2.3,<3\n' | $(lock) - --no-deps --output-file tests/gateway/second_generation.lock
	@$(if $(UPGRADE),$(bin)/python -m tests.gateway.npm_lock)

tools-lock: install ## write the definitions of the shipped tools anew, after a change of them that was looked at
	@$(bin)/python -m server.cli tools lock calculator devops docs fetch git sql time --into mcp_config/tools.lock

clean: ## remove what was installed and cached; your data stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .langgraph_api
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
