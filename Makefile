# The two commands of the README, and what a contributor needs beside them.
BIN := .venv/bin
# The tests on lab hosts in four parts of about the same length, each with a lab of its own.
PART1 := $(wildcard tests/lab/test_[a-d]*.py) $(wildcard tests/scenarios/test_one_*.py)
PART2 := $(wildcard tests/lab/test_[e-l]*.py) $(wildcard tests/scenarios/test_ollama*.py)
PART4 := $(filter-out $(PART1) $(PART2),$(wildcard tests/scenarios/test_*.py))
PART3 := $(filter-out $(PART1) $(PART2),$(wildcard tests/lab/test_*.py))
# What the tests of pages look at them with.
CHROMIUM := chromium fonts-dejavu-core

.PHONY: demo demo-down test test-1 test-2 test-3 test-4 soak lint lock bench

# A lab of two hosts, deployed and proven.
demo: .venv/installed
	$(BIN)/llmrack lab up 2
	$(BIN)/pyinfra inventory deploy.py -y
	$(BIN)/llmrack curl

# Removes everything that `make demo` made.
demo-down: .venv/installed
	$(BIN)/llmrack lab down --all

# Formatter, linter, type checker, unit tests (seconds), tests on lab hosts (minutes; root).
test: lint
	$(BIN)/pytest tests/unit tests/contract
	command -v chromium || { apt-get -q update && \
		apt-get install -y -q --no-install-recommends $(CHROMIUM); }
	$(BIN)/pytest tests/page
	$(MAKE) -j 4 test-1 test-2 test-3 test-4

test-1:
	$(BIN)/pytest $(PART1)
test-2 test-3 test-4: test-%:
	LLMRACK_TEST_LAB=test$* LLMRACK_TEST_SUBNET=10.7$*.0.0/24 $(BIN)/pytest $(PART$*)

# What takes long: a fleet under load while it is changed, while instances die, drills; refusals, drivers,
# several instances a host, hosts without the internet, models copied from host to host.
soak: .venv/installed
	$(BIN)/pytest tests/soak

lint: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy llmrack

bench: .venv/installed
	$(BIN)/python -m bench.noop
	$(BIN)/python -m bench.fleet_pull

# Upgrade what is pinned: edit pyproject.toml or templates/gateway/requirements.in, then `make lock`.
lock: .venv/installed
	$(BIN)/uv pip compile -q --no-header --generate-hashes --universal --python-version 3.11 \
		--all-extras -o requirements.lock pyproject.toml
	cd templates/gateway && ../../$(BIN)/uv pip compile -q --no-header --generate-hashes --universal \
		--python-version 3.10 --only-binary :all: -o requirements.txt requirements.in
	cd templates/gateway && ../../$(BIN)/uv pip compile -q --no-header --generate-hashes --universal \
		--python-version 3.10 --only-binary :all: -o uv.txt uv.in

# The environment, from the lock file; Debian keeps venv in a package of its own.
.venv/installed: requirements.lock pyproject.toml
	python3 -c 'import ensurepip, venv' || { apt-get -q update && \
		apt-get install -y -q --no-install-recommends python3-venv; }
	test -x $(BIN)/python || python3 -m venv .venv
	$(BIN)/pip install --disable-pip-version-check --progress-bar off --require-hashes -r requirements.lock
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	# pyinfra runs without writing bytecode, so llmrack is compiled here.
	$(BIN)/python -m compileall -q llmrack
	touch $@
