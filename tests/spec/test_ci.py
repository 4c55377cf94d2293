"""The workflow on GitHub runs what CI runs elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORKFLOW = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
INSTALLS = {"install"}  # each target sets up its environment


def targets_of_ci() -> list[str]:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    return re.findall(r"^make ([\w-]+)", script, re.MULTILINE)


def targets_of_workflow() -> list[str]:
    (matrix,) = re.findall(r"^ +target: \[(.*)\]$", WORKFLOW, re.MULTILINE)
    return matrix.split(", ")


def test_each_target_of_ci_has_a_job():
    assert targets_of_workflow() == [name for name in targets_of_ci() if name not in INSTALLS]
    assert "- run: make ${{ matrix.target }}\n" in WORKFLOW


def test_the_makefile_has_each_target():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    rules = re.findall(r"^([\w-]+):", makefile, re.MULTILINE)
    assert set(targets_of_ci()) <= set(rules)


def test_a_part_of_the_slow_tests_is_drawn_by_the_run():
    assert "PART: ${{ github.run_number }}" in WORKFLOW
