"""The workflow on GitHub runs what CI runs elsewhere, and CI runs every test within ten commits."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.run import suites

ROOT = Path(__file__).parents[2]
WORKFLOW = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
INSTALLS = {"install"}  # each target sets up its environment
FOLDERS = sorted({path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")})
QUICK, PART = "-m 'not slow'", "--part $(PART)"  # which tests/spec/test_parts.py proves to be all


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
    rules = re.findall(r"^([\w-]+):", MAKEFILE, re.MULTILINE)
    assert set(targets_of_ci()) <= set(rules)


def commands_of_ci() -> list[str]:
    """What the targets run, without those that set up an environment."""
    names = "|".join(targets_of_ci())
    recipes = re.findall(rf"^(?:{names}):.*\n((?:\t.*\n)*)", MAKEFILE, re.MULTILINE)
    return [line.strip() for recipe in recipes for line in recipe.splitlines()]


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_suite_is_left_out(folder):
    """Its quick tests each time and a tenth of the slow ones, or all."""
    of_a_suite = any(f"tests/{folder}" in suite.folders for suite in suites())
    runner = "-m tests.run " if of_a_suite else rf"-m pytest (?:-q )?tests/{folder}\b"
    found = [re.split(runner, line)[1] for line in commands_of_ci() if re.search(runner, line)]
    found = [options for options in found if "--smoke" not in options]
    slow = ["--slow " + PART] if of_a_suite else [" -m slow -p tests.parts " + PART]
    quick = ["-- " + QUICK] if of_a_suite else [" " + QUICK]
    assert sorted(found) == sorted(quick + slow) or set(found) == {""}


def test_a_part_of_the_slow_tests_is_drawn_by_the_run():
    assert "PART: ${{ github.run_number }}" in WORKFLOW
