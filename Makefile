# The two commands: `make lab` to work through the course, `make test` to check it. `make` alone lists all.
# Works with GNU make 3.81 (macOS) and later. Everything runs in .venv, which tools/environment.py makes and repairs.

PYTHON ?= python3
JOBS ?= 2
KILLS ?= 50

ifeq ($(OS),Windows_NT)
VENV_PYTHON := .venv/Scripts/python.exe
else
VENV_PYTHON := .venv/bin/python
endif

# A Python that was asked for by name must be the environment's; otherwise an existing environment is kept.
THIS_PYTHON = $(if $(filter file,$(origin PYTHON)),,--this-python)

.PHONY: help environment lab test browser stress lint chapters exercises site format lock clean

help:
	@echo "make lab       open the course in JupyterLab   ROUTE=both|pytorch|tensorflow  PORT=8888  LAB_ARGS=..."
	@echo "make test      check everything: lint, types, tests, notebooks, pages   TEST_ARGS=...  JOBS=$(JOBS)"
	@echo "make browser   of these, only the tests in a real browser (needs Chromium or Chrome)   TEST_ARGS=..."
	@echo "make stress    kill trainings at random moments and resume them   KILLS=$(KILLS)"
	@echo "make chapters  run the chapters and save their outputs   ONLY=01_basic_block"
	@echo "make exercises make exercises/ from solutions/, with nbgrader"
	@echo "make site      make build/site, the chapters as pages to read, from their saved outputs"
	@echo "make format    format the code, notebooks included"
	@echo "make lock      raise the packages and write requirements.txt"
	@echo "make clean     remove the environment and caches; never work/"
	@echo "Each prepares .venv by itself. PYTHON=python3.12 chooses the Python (3.11 to 3.13) that it is made from."

# Only a Python 3 can read so far as to say which one it takes.
environment:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info[0] != 3)" || \
	  (echo "environment: $(PYTHON) is no Python 3. Install Python 3.11 to 3.13, then name it: make lab PYTHON=python3.13" && exit 1)
	@$(PYTHON) tools/environment.py $(THIS_PYTHON) $(FOR_ROUTE)

# A route of one framework does without the other; all else that is made here needs both.
lab: FOR_ROUTE = "--route=$(ROUTE)"
lab: environment
	@$(VENV_PYTHON) -m resnet_lessons.cli lab \
	  $(if $(ROUTE),--route "$(ROUTE)") $(if $(PORT),--port "$(PORT)") $(if $(LAB_ARGS),-- $(LAB_ARGS))

# pytest comes last, so that its summary ends the output; it is not reached when lint or types fail.
test: lint
	@$(VENV_PYTHON) -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(TEST_ARGS)

# The part of `test` that looks at what people see.
browser: environment
	@$(VENV_PYTHON) -m pytest -n $(JOBS) --dist loadfile tests/browser $(TEST_ARGS)

stress: environment
	@$(VENV_PYTHON) tools/stress.py --kills $(KILLS)

lint: environment
	@$(VENV_PYTHON) -m ruff check
	@$(VENV_PYTHON) -m ruff format --check
	@$(VENV_PYTHON) -m mypy

chapters: environment
	@$(VENV_PYTHON) tools/run_chapters.py $(ONLY)

exercises: environment
	@$(VENV_PYTHON) tools/exercises.py

site: environment
	@$(VENV_PYTHON) tools/site.py

format: environment
	@$(VENV_PYTHON) -m ruff check --fix
	@$(VENV_PYTHON) -m ruff format

lock: environment
	@$(VENV_PYTHON) tools/lock.py --upgrade

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find resnet_lessons tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
