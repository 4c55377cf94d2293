# Every target sets up its virtual environment on demand and uses it again afterwards.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
# torchvision and what needs it want a torch that the other frameworks share no environment with.
VISION := .venv-vision/.installed
# KerasHub brings all of TensorFlow, a second one beside the one that the other tests have.
KERAS_HUB := .venv-keras-hub/.installed
# The oldest versions that pyproject.toml allows.
LOWEST := .venv-lowest/.installed
# The site needs no framework: it is made from the source.
DOCS := .venv-docs/.installed
RELEASE := .venv-release/.installed
# Which tenth of the slow tests: a number that rises by one with each run, or the count of commits.
PART ?= commit

.PHONY: help install demo test slow slow-part vision vision-slow vision-slow-part keras-hub lowest docs links dist lint format bench clean

help:
	@echo "make install  set up .venv"
	@echo "make demo     convert the shipped checkpoint, run it in five runtimes, show the result"
	@echo "make test     run the tests"
	@echo "make slow     run the slow sweeps"
	@echo "make slow-part  run a tenth of them, drawn by the commit or by PART=N"
	@echo "make vision   run the tests with torchvision, timm, Lightning, ..., in .venv-vision"
	@echo "make vision-slow  run the slow ones of these"
	@echo "make vision-slow-part  run a tenth of them"
	@echo "make keras-hub  run the tests with KerasHub, on two backends, in .venv-keras-hub"
	@echo "make lowest   run a smoke test with the lowest versions, in .venv-lowest"
	@echo "make docs     build the documentation site in site/, and check it, in .venv-docs"
	@echo "make links    fetch every address that documents and docstrings name"
	@echo "make dist     build sdist and wheel in dist/, and check them, in .venv-release"
	@echo "make lint     ruff, mypy, and zizmor on the workflow"
	@echo "make format   let ruff change the files"
	@echo "make bench    measure speed and memory, in ten minutes"
	@echo "make clean    remove .venv"

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[all]'
	@touch $@

demo: install
	$(BIN)/python examples/demo.py

test: install
	$(BIN)/python -m tests.run -- -m 'not slow'

slow: install
	$(BIN)/python -m tests.run --slow

slow-part: install
	$(BIN)/python -m tests.run --slow --part $(PART)

$(VISION): pyproject.toml constraints-vision.txt
	$(PYTHON) -m venv .venv-vision
	.venv-vision/bin/python -m pip install --quiet --constraint constraints-vision.txt \
		--editable '.[vision]'
	@touch $@

vision: $(VISION)
	.venv-vision/bin/python -m pytest tests/vision -m 'not slow'

vision-slow: $(VISION)
	.venv-vision/bin/python -m pytest tests/vision -m slow

vision-slow-part: $(VISION)
	.venv-vision/bin/python -m pytest tests/vision -m slow -p tests.parts --part $(PART)

$(KERAS_HUB): pyproject.toml constraints.txt constraints-keras-hub.txt
	$(PYTHON) -m venv .venv-keras-hub
	.venv-keras-hub/bin/python -m pip install --quiet --constraint constraints.txt \
		--constraint constraints-keras-hub.txt --editable '.[keras-hub,test,torch]'
	@touch $@

keras-hub: $(KERAS_HUB)
	KERAS_BACKEND=tensorflow .venv-keras-hub/bin/python -m pytest tests/keras_hub
	KERAS_BACKEND=torch .venv-keras-hub/bin/python -m pytest tests/keras_hub

$(LOWEST): pyproject.toml constraints-lowest.txt
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --constraint constraints-lowest.txt \
		--editable '.[torch,paddle,tensorflow,jax,train,test]'
	@touch $@

lowest: $(LOWEST)
	.venv-lowest/bin/python -m parity_tests --cases 'golden/*'
	.venv-lowest/bin/python -m tests.run --smoke -- -m 'not slow'

$(DOCS): pyproject.toml constraints-docs.txt
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --constraint constraints-docs.txt --editable '.[docs]'
	@touch $@

docs: $(DOCS)
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/python -m mkdocs build --quiet --strict
	.venv-docs/bin/python -m pytest -q tests/docs

# Not in CI: links of others break without a change here.
links: $(DOCS)
	.venv-docs/bin/python -m docs_site.links

$(RELEASE): pyproject.toml constraints-release.txt
	$(PYTHON) -m venv .venv-release
	.venv-release/bin/python -m pip install --quiet --constraint constraints-release.txt \
		build check-wheel-contents twine
	@touch $@

# The wheel is built of the sdist, so that both are known to be whole.
dist: $(RELEASE)
	rm -rf build dist
	.venv-release/bin/python -m build --outdir dist
	.venv-release/bin/twine check --strict dist/*
	.venv-release/bin/check-wheel-contents dist/*.whl

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/zizmor --offline --no-progress .github

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: install
	$(BIN)/python -m benchmarks

clean:
	rm -rf .venv .venv-vision .venv-keras-hub .venv-lowest .venv-release .venv-docs site bench_output demo_output runs
