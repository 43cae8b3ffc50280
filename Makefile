# The two commands of the README, and what a contributor needs beside them.
BIN := .venv/bin
# Modules of tests on lab hosts that `make test` leaves to `make soak`, with their minutes in README.md.
SOAK := $(wildcard tests/soak/test_*.py) tests/scenarios/test_operations_centre.py
# Every fault of docs/reliability.md.
FAULTS := $(wildcard tests/lab/faults/test_*.py) tests/lab/test_failover.py tests/soak/test_faults_under_load.py
# These have one lab of their own between them: one after the other.
OF_LABS := $(wildcard tests/lab/test_lab*.py)
# Those that take longest begin first, so that no lab works on alone at the end.
FIRST := $(addprefix tests/lab/faults/test_,engine_upgrade.py rollback.py swap_cut_off.py killed.py power.py safety.py)
FIRST += $(addprefix tests/lab/test_,trixie.py deploy.py docs_long.py docs.py refusals.py secrets_failing.py secrets_commands.py)
FIRST += tests/scenarios/test_shared_gateway.py
ON_HOSTS := $(wildcard $(addsuffix /test_*.py,tests/scenarios tests/lab tests/lab/faults tests/soak))
first = $(filter $(FIRST),$(1)) $(filter-out $(FIRST),$(1))
# Four labs at once; each takes the next module when it has done one.
in_labs = printf '%s\n' $(1) | \
	LLMRACK_TEST_KEEP=1 xargs -P 4 -d '\n' -n 1 --process-slot-var=SLOT sh -c \
	'LLMRACK_TEST_LAB=test$$SLOT LLMRACK_TEST_SUBNET=10.7$$SLOT.0.0/24 $(BIN)/pytest $$0'; \
	ended=$$?; for slot in 0 1 2 3; do for lab in test$$slot test$${slot}13; do \
	$(BIN)/llmrack lab --lab $$lab down; done; done; exit $$ended
# What runs in a shell, on hosts and for CI.
SCRIPTS := $(shell find templates llmrack_lab -name '*.sh') templates/gpu/gpu-devices templates/gpu/gpu-resume .ci/run
JOBS := deploy.py verify.py remove.py config.py
# What tests share.
HELPERS := $(shell find tests -name '*.py' ! -name 'test_*')
LOCKS := requirements.lock templates/gateway/requirements.txt templates/gateway/uv.txt
AUDIT := $(BIN)/uv tool run --from pip-audit==2.10.1 pip-audit --disable-pip --require-hashes \
	--progress-spinner off
# What the tests of pages look at them with.
CHROMIUM := chromium fonts-dejavu-core

.PHONY: demo demo-down test test-quick test-commands test-rest test-page test-hosts test-cluster \
	test-kube kube-programs faults soak lint lock gateway-contract bench audit

# A lab of two hosts, deployed and proven.
demo: .venv/installed
	$(BIN)/llmrack lab up 2
	$(BIN)/pyinfra inventory deploy.py -y
	$(BIN)/llmrack curl

# Removes everything that `make demo` made.
demo-down: .venv/installed
	$(BIN)/llmrack lab down --all

# Formatter, linter, type checker, unit tests (seconds), tests on lab hosts (minutes; root). Tests
# run in another order each time, on lab hosts in that of their module; what fails names its seed.
test: lint
	command -v chromium || { apt-get -q update && \
		apt-get install -y -q --no-install-recommends $(CHROMIUM); }
	$(MAKE) -j 3 test-quick test-page
	$(MAKE) -j 2 test-hosts test-cluster

# In halves, which take the same time: what starts a process for each command, and all else.
COMMANDS := tests/unit/commands tests/unit/backup tests/unit/test_cli.py
test-quick: test-commands test-rest
test-commands:
	$(BIN)/pytest $(COMMANDS)
test-rest:
	$(BIN)/pytest tests/unit $(addprefix --ignore=,$(COMMANDS))
test-page:
	$(BIN)/pytest tests/page tests/contract
test-hosts:
	$(call in_labs,"$(OF_LABS)" $(call first,$(filter-out $(OF_LABS) $(SOAK),$(ON_HOSTS))))

# On a real cluster, if its programs are there; test-kube builds them first: minutes, once.
test-cluster:
	$(BIN)/pytest tests/kube
test-kube: .venv/installed
	LLMRACK_TEST_CLUSTER=1 $(BIN)/pytest tests/kube
kube-programs: .venv/installed
	$(BIN)/llmrack lab kube programs

# Every fault that llmrack promises to outlive, and the table of them in docs/reliability.md.
faults: .venv/installed
	rm -rf .lab/faults
	$(call in_labs,$(call first,$(FAULTS)))
	$(BIN)/python -m tests.lab.faults.table

# What `make test` leaves out, since it takes long by nature.
soak: .venv/installed
	$(call in_labs,$(SOAK))

lint: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy llmrack llmrack_lab tools $(JOBS) bench $(HELPERS)
	$(BIN)/mypy --python-version 3.10 llmrack/shipped
	$(BIN)/shellcheck $(SCRIPTS)
	$(BIN)/lint-imports

# Known vulnerabilities of what is pinned, by pypi.org; it fails where that has no word of a package.
audit: .venv/installed
	$(AUDIT) --strict $(addprefix -r ,$(LOCKS))

bench: .venv/installed
	$(BIN)/python -m bench.noop
	$(BIN)/python -m bench.fleet_pull

# Upgrade what is pinned: edit pyproject.toml or templates/gateway/requirements.in, then `make lock`.
# `make gateway-contract LITELLM=VERSION` says before what another LiteLLM breaks. A release that is too
# young, yanked, or has a known vulnerability is refused (tools/lock.py). What the new LiteLLM knows of
# providers and settings is noted, too, for llmrack check (tools/providers.py, tools/litellm_names.py).
lock: .venv/installed
	$(BIN)/python -m tools.lock $(AUDIT)
	$(BIN)/python -m tools.providers
	$(BIN)/python -m tools.litellm_names

# What the gateway expects of LiteLLM (docs/litellm.md); LITELLM=VERSION tries another release.
gateway-contract: .venv/installed
	$(BIN)/python -m tools.gateway_contract $(LITELLM)

# The environment, from the lock file; Debian keeps venv in a package of its own.
.venv/installed: requirements.lock pyproject.toml
	python3 -c 'import ensurepip, venv' || { apt-get -q update && \
		apt-get install -y -q --no-install-recommends python3-venv; }
	test -x $(BIN)/python || python3 -m venv .venv
	$(BIN)/pip install --disable-pip-version-check --progress-bar off --require-hashes -r requirements.lock
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	# pyinfra runs without writing bytecode, so llmrack is compiled here.
	$(BIN)/python -m compileall -q llmrack llmrack_lab
	touch $@
