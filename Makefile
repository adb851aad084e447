# make run        environment, training, the core notebooks executed, pictures
# make lab        your own copy of the notebooks, in JupyterLab
# make app        the latent explorer as a page, in a browser, for a projector
# make class      the project without solutions and outputs: dist/emoji-vae-class.zip
# make site       the notebooks, the docs and the reference as a website: docs/_build/html
# make check      style, types, the order of the rooms, unit tests: less than a minute
# make test       all of that, and the notebooks, the commands and the browser
# make test-long  what takes longer: 2000 examples for each property, 500 kills, every
#                 configuration (hours)
# make bench      vae_nb beside PyTorch and JAX: step, training, memory (about half an hour)
# make all-styles draw every emoji in seven styles, for configs/all_styles.json; needs the network
# make variants   train every shipped configuration; the table in docs/experiments.md
# make explorers  (maintainers) export the committed pages of the explorer again
# make notebooks  (maintainers) execute the committed notebooks again
# make lock       (maintainers) what the bounds ask for, added to requirements.lock; the newest of
#                 all versions, if that file is deleted first

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The same versions tomorrow as today; pyproject.toml has the bounds. Made by `make lock`.
LOCK := requirements.lock
INSTALL := $(BIN)/python -m pip install --quiet --constraint $(LOCK) --editable
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# As many tests at a time as there are cores.
PYTEST := $(BIN)/python -m pytest --numprocesses=auto

.PHONY: run lab app class site style check test test-long bench all-styles variants explorers \
	notebooks lock clean help

run: $(VENV)/ready
	$(BIN)/vae-nb run

lab: $(VENV)/ready
	$(BIN)/vae-nb lab

app: $(VENV)/ready
	$(BIN)/vae-nb app

class:
	$(PYTHON) tools/pack_class.py

site: $(VENV)/ready-site
	$(BIN)/python tools/build_site.py

style: $(VENV)/ready-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

check: style
	$(PYTEST) -m "not slow and not long" tests/core tests/data

test: style
	$(PYTEST)

test-long: $(VENV)/ready-test
	$(PYTEST) --hypothesis-profile=long -m "not long" tests/data tests/core/test_losses.py
	$(PYTEST) -m long

bench: $(VENV)/ready-bench
	$(BIN)/python -m benchmarks

all-styles: $(VENV)/ready-render
	$(BIN)/python tools/render_emojis.py styles --everything

variants: $(VENV)/ready
	$(BIN)/python tools/train_variants.py
	$(BIN)/python tools/write_docs.py

explorers: $(VENV)/ready
	$(BIN)/python tools/export_explorers.py

notebooks: $(VENV)/ready-test
	$(BIN)/python tools/execute_notebooks.py

lock: $(VENV)/python
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-annotate \
		--custom-compile-command "make lock" --output-file $(LOCK) pyproject.toml

clean:
	rm -rf $(VENV)

help: # the lines at the top of this file
	@awk '!/^#/ {exit} {sub(/^# ?/, ""); print}' Makefile

# The environment is brought up to date when the bounds or the lock change.
$(VENV)/python: Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ echo "Python's venv module is needed; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@touch $@

$(VENV)/ready: pyproject.toml $(LOCK) $(VENV)/python
	@echo "Installing the notebooks and JupyterLab into $(VENV): about 450 MB, half a minute to a few minutes …"
	@$(INSTALL) .
	@touch $@

$(VENV)/ready-test: pyproject.toml $(LOCK) $(VENV)/python
	@echo "Installing what the tests need into $(VENV): about 970 MB, a few minutes …"
	@$(INSTALL) ".[test,site]"
	@touch $@

$(VENV)/ready-site: pyproject.toml $(LOCK) $(VENV)/python
	@echo "Installing what builds the site into $(VENV): about 550 MB, a few minutes …"
	@$(INSTALL) ".[site]"
	@touch $@

$(VENV)/ready-render: pyproject.toml $(LOCK) $(VENV)/python
	@echo "Installing what draws the emojis into $(VENV) …"
	@$(INSTALL) ".[render]"
	@touch $@

$(VENV)/ready-bench: pyproject.toml $(LOCK) $(VENV)/python
	@echo "Installing what the benchmarks need, PyTorch and JAX included, into $(VENV): several minutes …"
	@$(INSTALL) ".[bench]"
	@touch $@
