"""The examples of the documents run as they stand, and their links lead somewhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("*.md", "docs/*.md", "examples/*.md")
    for path in ROOT.glob(pattern)
)
WITH_EXAMPLES = [page for page in PAGES if page == "README.md" or page.startswith("docs/")]
BLOCK = re.compile(r"<!-- run: (\w+) -->\n```python\n(.*?)```", re.DOTALL)


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


BLOCKS = [
    (framework, f"{page}, example {number}", code)
    for page in WITH_EXAMPLES
    for number, (framework, code) in enumerate(BLOCK.findall(text_of(page)), start=1)
]
# One process for each framework, as importing it takes longer than its examples.
RUN_ALL = """
import json, sys
for title, code in json.load(sys.stdin):
    exec(compile(code, title, "exec"), {})
"""


@pytest.mark.parametrize("page", WITH_EXAMPLES)
def test_every_block_of_python_is_run(page):
    assert len(BLOCK.findall(text_of(page))) == text_of(page).count("```python")


def test_the_readme_shows_every_framework():
    assert {framework for framework, _ in BLOCK.findall(text_of("README.md"))} == {
        "torch",
        "paddle",
        "keras",
    }


@pytest.mark.parametrize(
    ("framework", "backend"),
    [
        ("torch", ""),
        ("paddle", ""),
        ("keras", "torch"),  # the quickest: it compiles nothing
        pytest.param("keras", "tensorflow", marks=pytest.mark.slow),
    ],
)
def test_examples_run(framework, backend):
    run = subprocess.run(
        [sys.executable, "-c", RUN_ALL],
        input=json.dumps([block[1:] for block in BLOCKS if block[0] == framework]),
        cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]


@pytest.mark.parametrize("page", PAGES)
def test_links_to_files(page):
    for target in re.findall(r"\]\(([^)#]+)", text_of(page)):
        if not target.startswith("http"):
            assert ((ROOT / page).parent / target).exists(), target
