# The two commands of the README are `make demo` and `make test`. They need Python 3.11 or newer and make, nothing else.

BIN := .venv/bin
JOBS ?= 2# test processes: on two cores a third costs more to start than it makes up while others wait (569 s; 612 and 641 with three)
ARGS ?=# handed on, as in: make test ARGS="-k hazard"

# The newest Python that is new enough and can make an environment; a pyenv shim may exist and yet not run.
PYTHON ?= $(shell for python in python3.14 python3.13 python3.12 python3.11 python3 python; do \
	$$python -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$python && break; done)

# A process of ours would compile its own modules anew at every start, and the tests start many: here they are kept as read,
# whatever the machine does elsewhere.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test check format bench soak ocel-check pictures audit-pages venv dist dist-check lock clean
.DELETE_ON_ERROR:

help:
	@echo 'make demo        replay a school'"'"'s safety campaign, then serve the result on 127.0.0.1:8000'
	@echo 'make test        everything that must hold: lint, format, types, import contracts, tests (ARGS="-k hazard" for some)'
	@echo 'make check       lint, format, types, import contracts alone'
	@echo 'make format      let ruff mend what it can'
	@echo 'make bench       measure commands beside raw SQL and a bare route, sweeps, cycles and reading, on both databases: some eight minutes (ARGS=--help)'
	@echo 'make soak        kill, cut off and fill up everything 200 times on both databases: above an hour (ARGS=--help)'
	@echo 'make ocel-check  let pm4py, in an environment of its own, read the demo as an object-centric event log (fetches it: some minutes)'
	@echo 'make pictures    a picture of every page at both widths in both languages, in build/pictures (needs a Chromium)'
	@echo 'make audit-pages ask the HTML validator, axe and Lighthouse what they think of every page (needs a Chromium, Java and Node.js)'
	@echo 'make venv        only make or renew .venv from the locks'
	@echo 'make dist        build the wheel into dist/'
	@echo 'make dist-check  install that wheel into an empty environment and play the demo from it'
	@echo 'make lock        compile the locks again (needs uv; ARGS=--upgrade for newer versions)'
	@echo 'make clean       remove .venv and everything else that make made'

demo: venv
	@$(BIN)/bihuan demo $(ARGS)

# What `make check` asks is asked by tests as well, which run beside each other.
test: venv
	@$(BIN)/python -m pytest -n $(JOBS) --dist=worksteal $(ARGS)

check: venv
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: venv
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

bench: venv
	@$(BIN)/python -m tests.bench $(ARGS)

soak: venv
	@$(BIN)/python -m tests.faults $(ARGS)

# pm4py is a tool of its own under a licence of its own: it is installed elsewhere, and never among what we install or import.
ocel-check: venv
	@set -e; place=$$(mktemp -d); trap 'rm -rf "$$place"' EXIT; \
	$(BIN)/python -m venv "$$place/venv"; \
	"$$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check 'pm4py>=2.7.23,<3' jsonschema; \
	$(BIN)/bihuan demo --no-serve --data "$$place/data" > /dev/null; \
	$(BIN)/bihuan audit export --format ocel -o "$$place/log.json" --data "$$place/data"; \
	$(BIN)/bihuan audit export --format jsonl -o "$$place/events.jsonl" --data "$$place/data"; \
	"$$place/venv/bin/python" tests/bench/ocel_check.py "$$place/log.json" "$$place/events.jsonl"

pictures: venv
	@$(BIN)/python -m tests.browser.pictures $(ARGS)

# What others think of the pages: tools from npm, for development only.
audit-pages: venv tests/browser/audit/node_modules
	@$(BIN)/python -m tests.browser.auditing $(ARGS)

tests/browser/audit/node_modules: tests/browser/audit/package-lock.json
	cd tests/browser/audit && npm ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@

venv: .venv/installed

# Written last, so that an interrupted installation is taken up again.
.venv/installed: requirements.txt requirements-dev.txt pyproject.toml
	@if ! $(BIN)/python -c 'import pip' 2>/dev/null; then \
		if [ -z "$(PYTHON)" ]; then \
			echo 'No Python 3.11 or newer with venv found. Install one (Debian, Ubuntu: apt install python3-venv), or say: make PYTHON=/path/to/python' >&2; exit 1; \
		fi; \
		echo "Making .venv with $(PYTHON)"; $(PYTHON) -m venv --clear .venv; \
	fi
	@echo 'Installing what the locks name into .venv: about a minute the first time'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
	@touch $@

dist: venv
	@rm -rf dist
	@$(BIN)/python -m build --wheel --no-isolation --outdir dist

# From an empty directory, so that nothing can be found in the source tree by accident.
dist-check: dist
	@set -e; place=$$(mktemp -d); trap 'rm -rf "$$place"' EXIT; wheel=$$(ls "$$PWD"/dist/bihuan-*.whl); \
	$(BIN)/python -m venv "$$place/venv"; \
	"$$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt; \
	"$$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-index "$$wheel"; \
	mkdir "$$place/empty"; cd "$$place/empty"; \
	"$$place/venv/bin/bihuan" demo --no-serve --json --data "$$place/data" > "$$place/demo.json"; \
	"$$place/venv/bin/python" -m json.tool "$$place/demo.json" > /dev/null; \
	echo "The demo plays from $$(basename "$$wheel") in an empty environment"

# --no-config and no emitted index: the locks name no host and no machine. The second lock holds what testing adds, at versions that agree.
UV := $(shell command -v uv 2>/dev/null || echo $(BIN)/uv)
COMPILE = $(UV) pip compile --quiet --no-config --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 $(ARGS)
lock:
	@$(COMPILE) pyproject.toml --output-file requirements.txt > /dev/null
	@$(COMPILE) --group dev --constraint requirements.txt --output-file requirements-dev.txt > /dev/null

clean:
	rm -rf .venv build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find engine workflows notifications api tests -name __pycache__ -type d -prune -exec rm -rf {} +
