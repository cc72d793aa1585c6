# The two commands of a newcomer are `make demo` and `make test`; both set up .venv first, once.
VENV ?= .venv
PYTHON := $(VENV)/bin/python
READY := $(VENV)/ready
JOBS ?= auto

SPACE := build/space
MODELS ?= demo/run-bilinear/best demo/run-sapa-g/best
PHOTOS ?= space/photos

.PHONY: demo test quick kernel benchmark site space space-test lint types oldest format clean

demo: $(READY)  ## train, score, publish, load back and draw a small SAPA model on rendered rooms
	$(PYTHON) scripts/demo.py

test: $(READY)  ## the whole suite; SAPA_DATA names a folder of real data sets, if there is one
	$(PYTHON) -m pytest -q -n $(JOBS) --dist worksteal

quick: $(READY)  ## before a commit: the tests that are not slow, with SegFormer for all models and tasks
	$(PYTHON) -m pytest -q -n $(JOBS) --dist worksteal -m "not slow and not repeated"

kernel: $(READY)  ## compile the kernel for this machine (a C++ compiler; CUDA too where torch has it and nvcc is found)
	$(PYTHON) -m sapa_hf.kernels build

benchmark: $(READY)  ## time the operator, the kernel and whole models side by side
	$(PYTHON) scripts/benchmark.py

site: $(READY)  ## the docs site, in build/site; a link that leads nowhere fails
	$(PYTHON) -m mkdocs build --strict  # quiet, it would count no warning

space: $(SPACE)/ready  ## the Space's page on this machine: make space MODELS="FOLDER FOLDER" PHOTOS=FOLDER
	$(SPACE)/bin/python space/app.py --models $(MODELS) --photos $(PHOTOS)

space-test: $(SPACE)/ready  ## drive that page in a headless Chromium, which must be installed
	$(SPACE)/bin/python -m pip install --quiet --disable-pip-version-check playwright pytest
	$(SPACE)/bin/python -m pytest -q -o addopts= tests/space

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(READY)  ## mypy, with the files laid out as they are installed: modeling/ is sapa_hf.modeling
	rm -rf build/types
	mkdir -p build/types/sapa_hf
	ln -s $(CURDIR)/sapa_hf/* $(CURDIR)/modeling $(CURDIR)/scripts build/types/sapa_hf/
	cd build/types && $(abspath $(PYTHON)) -m mypy --config-file $(CURDIR)/pyproject.toml --cache-dir $(CURDIR)/build/mypy

oldest: $(READY)  ## imports and the models' contract with the oldest releases that pyproject.toml allows
	bash .ci/oldest $(PYTHON)

format: $(READY)
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

clean:
	rm -rf $(VENV) build dist demo runs *.egg-info

$(SPACE)/ready: pyproject.toml space/requirements.txt
	test -x $(SPACE)/bin/python || python3 -m venv $(SPACE)
	$(SPACE)/bin/python -m pip install --quiet --disable-pip-version-check -e ".[train]" -r space/requirements.txt \
		$(shell grep '^torch==' constraints.txt)
	touch $@

$(READY): pyproject.toml constraints.txt
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Python 3.10 or newer is needed; python3 here is older." >&2; exit 1; }
	test -x $(PYTHON) || python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[train,kernels,test,docs,dev]"
	touch $@
