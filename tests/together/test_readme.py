"""The examples of the README run as they stand, and its links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"<!-- run: (\w+) -->\n```python\n(.*?)```", README, re.DOTALL)


def test_every_block_of_python_is_run():
    assert len(BLOCKS) == README.count("```python")
    assert {framework for framework, _ in BLOCKS} == {"torch", "paddle", "keras"}


@pytest.mark.parametrize(("framework", "code"), BLOCKS)
def test_block(framework, code):
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "examples/README.md"])
def test_links_to_files(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)", text):
        if not target.startswith("http"):
            assert ((ROOT / name).parent / target).exists(), target
