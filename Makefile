# Two words are enough: `make demo` shows the main job on this machine, `make test` passes the tests.
PYTHON ?= python3
export PYTHON
# Caches of the tools stay in the checkout, where `make clean` finds them.
export PIP_CACHE_DIR := $(CURDIR)/.benchfly/cache/pip
export MPLCONFIGDIR := $(CURDIR)/.benchfly/cache/matplotlib
export ANSIBLE_HOME := $(CURDIR)/.benchfly/cache/ansible

.PHONY: help demo test fleet-test ec2-test kubernetes-test faults pairs figures evidence tuning-evidence perf rollout-evidence lint docs setup lock dist clean

help:
	@echo 'make demo   moves a stand-in bench to other stores and back on this machine, and shows the report'
	@echo 'make test   runs the tests (skipped ones say why)'
	@echo 'make fleet-test  makes real hosts on this machine and tests on them (Linux, root)'
	@echo 'make ec2-test  runs the tests of EC2 against a server of its own that speaks for AWS, and times the inventory'
	@echo 'make faults  breaks moves on purpose on such hosts, for hours; goes on where it stopped (FAULTS="kill sweep")'
	@echo 'make evidence  what the verdicts of benchmarks rest on, measured here (hours; TOPICS="verdicts", EVIDENCE=--short)'
	@echo 'make tuning-evidence  what tuning finds and does when killed, and how soon schedules see a change (TOPICS, EVIDENCE)'
	@echo 'make perf   what a move costs, and a converge that changes nothing (PEER_ROLE=folder of the most used role)'
	@echo 'make pairs  moves a stand-in bench between every pair of engines, both ways (DRAGONFLY=its binary)'
	@echo 'make kubernetes-test  moves a release of the chart erpnext in a stand-in for a cluster (needs kubectl)'
	@echo 'make figures  writes docs/figures.md and docs/evidence.md from what these have measured'
	@echo 'make rollout-evidence  moves 50 small stand-in benches with one command, and one by one (BENCHES=50)'
	@echo 'make lint   ruff, mypy, ansible-lint, and that roles say what they take'
	@echo 'make docs   writes docs/stores.md, docs/gate.md and docs/tuning.md from what the code itself says of keys, gate and tuning'
	@echo 'make dist   builds the Python package and the Ansible collection into dist/'
	@echo 'make lock   resolves every lock file anew: requirements.lock and those of the stand-in bench'
	@echo 'make clean  removes what all of these made'

setup:
	@./setup.sh

demo: setup
	@.venv/bin/python -m demo

test: export ANSIBLE_REMOTE_TEMP := $(CURDIR)/.benchfly/cache/ansible/tmp
# TESTS="not pairs" leaves out tests with that word in their names, as pytest's -k does.
test: setup
	@.venv/bin/pytest --ignore=tests/lint -k '$(TESTS)'

# DRAGONFLY=its binary takes the stand-in's place, with DRAGONFLY_OLDER=an older one to go back to.
# FLEET_TESTS="not ubuntu" leaves out the tests with that word in their names, as pytest's -k does; FLEET_TESTS= leaves
# out none. Broken moves have a command of their own, `make faults`.
FLEET_TESTS ?= not test_faults
fleet-test: setup
	@.venv/bin/pytest -m fleet -k '$(FLEET_TESTS)'
	@.venv/bin/python -m tests.fleet.table

ec2-test: setup
	@.venv/bin/pytest tests/ec2
	@.venv/bin/python -m tests.perf.ec2_inventory

# FAULTS="kill sweep" takes the cases with these words in their names; FAULTS_RATE=50 makes less load than 200 jobs/s;
# DRAGONFLY=its binary adds those that move to a Dragonfly.
faults: setup
	@.venv/bin/python -m tests.faults $(FAULTS)

# Goes on where it was cut short; .benchfly/evidence has what is done of it.
evidence: setup
	@.venv/bin/python -m tests.evidence $(TOPICS) $(EVIDENCE); code=$$?; $(MAKE) --no-print-directory figures; exit $$code

tuning-evidence: setup
	@.venv/bin/python -m tests.tuning $(TOPICS) $(EVIDENCE); code=$$?; $(MAKE) --no-print-directory figures; exit $$code

# PERF=sweep takes one of them alone; ROUNDS says how often, HOSTS="20 100" with how many hosts one converges, and APART=1
# has a cutover with CPUs of their own for the web and for the rest.
PERF ?= converge cutover sweep stops
perf: setup
	@for topic in $(PERF); do .venv/bin/python -m tests.perf.$$topic || exit 1; done
	@$(MAKE) --no-print-directory figures

kubernetes-test: setup
	@KUBERNETES=1 .venv/bin/pytest tests/kubernetes

pairs: setup
	@PAIRS=1 .venv/bin/pytest tests/bench/test_pairs.py
	@$(MAKE) --no-print-directory figures

figures: setup
	@.venv/bin/python -m tests.perf.figures
	@.venv/bin/python -m tests.evidence.page

rollout-evidence: setup
	@.venv/bin/python -m tests.perf.rollout $(BENCHES)
	@$(MAKE) --no-print-directory figures

lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/mypy --config-file tests/mypy.ini
	.venv/bin/yamllint --strict .
	.venv/bin/ansible-lint --offline --profile production --strict
	.venv/bin/pytest -q tests/lint

docs: setup
	@.venv/bin/python -m tests.store_reference
	@.venv/bin/python -m tests.gate_reference
	@.venv/bin/python -m tests.tuning_reference

dist: setup
	@rm -rf dist && .venv/bin/pip wheel --quiet --no-deps --wheel-dir dist .
	@.venv/bin/ansible-galaxy collection build --force --output-path dist .

COMPILE := .venv/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --upgrade

lock: setup
	@.venv/bin/pip install --quiet uv
	$(COMPILE) pyproject.toml --all-extras -o requirements.lock
	for name in requirements-v14 requirements-v15 requirements-v16 redis-server; do \
	    $(COMPILE) demo/standin/$$name.in -o demo/standin/$$name.lock || exit 1; done

clean:
	@[ ! -x .venv/bin/python ] || .venv/bin/python -m demo --stop
	@[ ! -d .benchfly/fleet ] || .venv/bin/python -m tests.fleet.hosts down --all --fast
	@rm -rf .venv .benchfly .ansible .mypy_cache .ruff_cache .pytest_cache dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
