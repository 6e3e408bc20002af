# The same commands for a person and for CI. Needs Python 3.11, make, and a package index.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
TEST_VENV := .venv-test
BIN := $(VENV)/bin
JOBS ?= 2
PYTEST_ARGS ?=
MEASURE :=
UPGRADE ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo browser matrix rare all test testruns fuzz coverage lint bench pages constraints clean wheel release-check site

help:  ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

$(VENV)/.installed: setup.cfg runtime/setup.cfg constraints.txt
	@echo "Making $(VENV) from constraints.txt; this takes a few minutes once."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable runtime --editable '.[dev]'
	touch $@

# A person who is not root is asked for the password.
browser:  ## Install the programs that the tests of the page need, Chromium and npm, from Debian's packages
	@command -v chromium > /dev/null && command -v npm > /dev/null || { \
	  become=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	  $$become apt-get update --quiet && \
	  $$become env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends chromium \
	    $$(command -v npm > /dev/null || echo npm); }

demo: $(VENV)/.installed  ## Make a data set, train on it, evaluate and draw, in demo/
	$(BIN)/yolact demo --output demo

lint: $(VENV)/.installed  ## Check style, types, the import contract and the Dockerfiles
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint docker/*.Dockerfile

wheel: $(VENV)/.installed
	rm -rf build runtime/build dist
	{ $(BIN)/python -m build --wheel --no-isolation --outdir dist runtime \
	  && $(BIN)/python -m build --wheel --no-isolation --outdir dist .; } > $(VENV)/wheel.log 2>&1 \
	  || { cat $(VENV)/wheel.log; exit 1; }
	rm -rf build runtime/build

# The wheels of the library and of its runtime go into an environment of its own, which borrows the dependencies of .venv through a
# path file: a folder that is added this way has its own path files ignored, the editable install
# among them. The tests run outside the checkout, so that only the wheels can be imported.
$(TEST_VENV): wheel
	rm -rf $(TEST_VENV)
	$(BIN)/python -m venv --without-pip $(TEST_VENV)
	$(BIN)/python -m pip --python $(TEST_VENV)/bin/python install --quiet --no-index --no-deps dist/*.whl
	$(BIN)/python -c "import sysconfig; print(sysconfig.get_paths()['purelib'])" \
	  > "$$($(TEST_VENV)/bin/python -c "import sysconfig; print(sysconfig.get_paths()['purelib'])")/venv.pth"

# One run of pytest after the other, each with new processes: what XLA has compiled stays in memory until its
# process ends, and all the tests in one run would fill 24 GB.
NETWORK_TESTS := $(addprefix tests/,checkpoints configs importing conformance losses modeling ops optimizers)
RUN_TESTS := tests/tasks tests/training
DATA_TESTS := $(filter-out %/__pycache__ $(NETWORK_TESTS) $(RUN_TESTS),$(patsubst %/,%,$(wildcard tests/*/)))

all: PARTS := "$(DATA_TESTS)" "$(NETWORK_TESTS)" "$(RUN_TESTS)"
all: lint  ## What `make test` and `make testruns` do
test: PARTS := "$(DATA_TESTS)" "$(NETWORK_TESTS)"
test: lint  ## Lint, build the wheel, install it, and run all tests on it but those of whole trainings
testruns: PARTS := "$(RUN_TESTS)"
testruns:  ## Run the tests of training steps and whole trainings on the installed wheel
all test testruns: $(TEST_VENV)
	@outside=$$(mktemp -d) && cd "$$outside" && unset PYTHONPATH && status=0 && \
	export OFFICIAL_YOLACT_WHEELS="$(CURDIR)/dist" COVERAGE_FILE="$(CURDIR)/.coverage" && \
	for part in $(PARTS); do \
	  "$(CURDIR)/$(TEST_VENV)/bin/python" -m pytest $$(printf ' $(CURDIR)/%s' $$part) \
	    --config-file="$(CURDIR)/pyproject.toml" --rootdir="$(CURDIR)" --import-mode=importlib \
	    -p no:cacheprovider --numprocesses=$(JOBS) --dist=worksteal --durations=15 \
	    $(MEASURE) $(PYTEST_ARGS) $(if $(PYTEST_ARGS),|| [ $$? -eq 5 ] )|| status=1; \
	done; \
	rm -rf "$$outside"; exit $$status

FUZZ_TESTS := images/test_pictures_at_every_door.py files/test_json_text.py data/test_mutated_texts.py \
  data/test_check_laws.py cli/test_command_line_fuzz.py configs/test_mutated_configurations.py \
  checkpoints/test_mutated_records.py importing/test_torch_fuzz.py dataloaders/test_mutated_shards.py
MUTATIONS ?= 20000

fuzz: $(VENV)/.installed  ## Try MUTATIONS=20000 mutated inputs of each kind; prints a table of counts and bounds
	@report=$$(mktemp) && status=0 && \
	OFFICIAL_YOLACT_MUTATIONS=$(MUTATIONS) OFFICIAL_YOLACT_FUZZ_REPORT="$$report" $(BIN)/python -m pytest \
	  $(addprefix tests/,$(FUZZ_TESTS)) -k 'mutated or damaged or command_line or faults' \
	  --numprocesses=$(JOBS) -q $(PYTEST_ARGS) || status=1; \
	$(BIN)/python tests/fuzzing.py "$$report"; rm -f "$$report"; exit $$status

rare: $(VENV)/.installed  ## Run the tests that the others leave out: the rarest faults, further variants
	$(BIN)/python -m pytest -m rare -p no:cacheprovider --numprocesses=$(JOBS) $(PYTEST_ARGS)

matrix: $(VENV)/.installed  ## Train in a cover of all pairs of what can be combined, on whole backbones (hours)
	OFFICIAL_YOLACT_MATRIX=pairs $(BIN)/python -m pytest tests/training/test_matrix.py -p no:cacheprovider \
	  --numprocesses=$(JOBS) $(PYTEST_ARGS)

# Measuring makes tests that trace networks a third slower, so the other targets leave it out.
coverage:  ## Do what `make all` does, and report which branches no test has run, against the floor
	rm -f .coverage
	$(MAKE) all MEASURE="--cov --cov-append --cov-config='$(CURDIR)/pyproject.toml' --cov-report= --cov-fail-under=0"
	$(TEST_VENV)/bin/python -m coverage report --rcfile=pyproject.toml

bench: $(VENV)/.installed  ## Run every benchmark; each prints JSON
	@for file in $(wildcard benchmarks/*.py); do $(BIN)/python $$file || exit 1; done

pages: $(VENV)/.installed  ## Write what is made from the code: docs/codes.md, docs/zoo.md and the tables of docs/config.md
	$(BIN)/python docs/write_codes.py
	$(BIN)/python docs/write_config.py
	$(BIN)/python docs/write_zoo.py

constraints: wheel  ## Compile constraints.txt from setup.cfg (UPGRADE=--upgrade for newer versions)
	CUSTOM_COMPILE_COMMAND="make constraints" $(BIN)/pip-compile --quiet $(UPGRADE) --extra dev \
	  --find-links dist --strip-extras --allow-unsafe --no-emit-index-url --no-emit-trusted-host \
	  --no-emit-find-links --no-emit-options --output-file constraints.txt setup.cfg

# TAG=vX.Y.Z: of a release. What was built before is removed.
release-check: $(VENV)/.installed clean  ## Build both distributions, look at them, install and run them elsewhere (minutes)
	$(BIN)/python .ci/release_check.py $(if $(TAG),--tag $(TAG))

site: $(VENV)/.installed  ## Write the documentation as a site to build/site, and fail at links that lead nowhere
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

clean:  ## Remove what was built; .venv and demo stay
	rm -rf build runtime/build dist *.egg-info runtime/*.egg-info $(TEST_VENV) .coverage* .pytest_cache
	rm -rf .mypy_cache .ruff_cache .import_linter_cache
	find official_yolact runtime tests benchmarks -name __pycache__ -prune -exec rm -rf {} +
