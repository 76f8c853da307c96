# Two commands for a newcomer: `make demo` and `make test`. Each does all the set-up it needs.
# `make demo CLIP=clip.mp4` also segments a clip of yours. `make docs` builds the documentation.
# `make pretrained` makes the weights that come with the package.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export LGRSEG_DATASETS ?= datasets

.PHONY: demo test docs install lint clean pretrained

demo: install
	$(BIN)/python tools/prepare_dataset.py phantom_demo \
		--raw $(LGRSEG_DATASETS)/raw/phantom_demo --out $(LGRSEG_DATASETS)/phantom_demo
	$(BIN)/python tools/train_net.py --config-file configs/lgrnet/demo.py --resume
	@echo "Open output/demo/eval/phantom_demo_test/report.html in a browser."
ifdef CLIP
	$(BIN)/python tools/predict.py $(CLIP) --output output/my_clip
endif

pretrained: install
	$(BIN)/python tools/prepare_dataset.py phantom_apical --workers 2 \
		--raw $(LGRSEG_DATASETS)/raw/phantom_apical --out $(LGRSEG_DATASETS)/phantom_apical
	$(BIN)/python tools/train_net.py --config-file configs/baselines/apical_simulated.py --resume
	$(BIN)/python tools/export_weights.py --run output/apical_simulated --weights last \
		--output lgrseg/pretrained/apical_simulated

# The tests of a file share what they make, so one process runs them all. Compiled files are kept
# for all starts of Python, even where PYTHONDONTWRITEBYTECODE is set.
test: export PYTHONDONTWRITEBYTECODE :=
test: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

docs: $(VENV)/docs-installed
	$(BIN)/mkdocs build --strict
	@echo "Open output/docs/index.html in a browser."

lint: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

install: $(VENV)/installed

# A half-finished installation is done again: the stamp is written last.
$(VENV)/installed: setup.py constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 14) else \
		"lgrseg needs Python 3.11 to 3.13, not %d.%d; name one: make PYTHON=python3.12 ..." % v)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	touch $@

$(VENV)/docs-installed: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) output
