# Everything here works in a fresh clone: what is needed is made first, and made once.
PYTHON ?= python3
ENGINE := .venv/engine/bin/python

.PHONY: help demo test zip lint format bench engine environments blender clean

help: ## show this help
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

demo: ## color the demo shot: .blend, frames and preview video under out/demo
	@$(PYTHON) tools/run_demo.py

test: ## run every test that this machine can run, and say what was skipped and why
	@$(PYTHON) tools/run_tests.py $(ARGS)

zip: ## build dist/shiage-<version>.zip, the extension
	@$(PYTHON) tools/make_zip.py

lint: ## check format, style, types and import rules
	@$(PYTHON) tools/environments.py engine
	$(ENGINE) -m ruff format --check --quiet .
	$(ENGINE) -m ruff check --quiet .
	$(ENGINE) -m pyright --pythonpath $(ENGINE)
	$(ENGINE) tools/check_imports.py

format: ## bring the code into shape
	@$(PYTHON) tools/environments.py engine
	$(ENGINE) -m ruff check --fix --quiet .
	$(ENGINE) -m ruff format .

bench: ## measure, and write docs/benchmarks.md
	@$(PYTHON) tools/environments.py engine bpy-5.2
	@$(ENGINE) -m lab bench $(ARGS)

engine: ## make the engine's environment only
	@$(PYTHON) tools/environments.py engine

environments: ## make the virtual environments under .venv
	@$(PYTHON) tools/environments.py

blender: ## install a real Blender with its window into a chroot (Debian, root)
	@tools/install_blender.sh

clean: ## remove what was built, but not the environments
	rm -rf dist out .ruff_cache
