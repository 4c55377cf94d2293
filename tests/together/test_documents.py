"""The examples of the documents run as they stand, and their links lead somewhere."""

from __future__ import annotations

import re

import pytest

from tests.documents import BLOCK, BLOCKS, PAGES, ROOT, WITH_EXAMPLES, run_examples, text_of


@pytest.mark.parametrize("page", WITH_EXAMPLES)
def test_every_block_of_python_is_run(page):
    assert len(BLOCK.findall(text_of(page))) == text_of(page).count("```python")


def test_every_example_has_an_environment():
    """Those of "ppdet" are run by tests/paddle, the others by the folder of tests of their name."""
    environments = {"torch", "paddle", "keras", "vision", "export", "keras_hub", "ppdet"}
    assert {block[0] for block in BLOCKS} == environments


def test_the_readme_shows_every_framework():
    assert {framework for framework, _ in BLOCK.findall(text_of("README.md"))} == {
        "torch",
        "paddle",
        "keras",
    }


@pytest.mark.slow  # each framework's suite runs them in its own process each time
@pytest.mark.parametrize(
    ("framework", "backend"),
    [("torch", ""), ("paddle", ""), ("keras", "torch"), ("keras", "tensorflow")],
)
def test_examples_run_in_a_fresh_process(framework, backend):
    run_examples(framework, KERAS_BACKEND=backend)


@pytest.mark.parametrize("page", PAGES)
def test_links_to_files(page):
    for target in re.findall(r"\]\(([^)#]+)", text_of(page)):
        if not target.startswith("http"):
            assert ((ROOT / page).parent / target).exists(), target
