"""The notebooks run, and print what they say."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from itertools import pairwise

import pytest

from docs_site.names import ROOT
from docs_site.notebooks import FOLDER, Cell, cells, printed

NOTEBOOKS = sorted(FOLDER.glob("*.py"))
NUMBER = re.compile(r"\d+(?:\.\d+)?")
ROUNDED = 0.1  # relative, of numbers that follow from a training or from another processor
DIGIT = 0.011  # of numbers with two decimals, the last one


def test_there_are_notebooks():
    assert [path.stem for path in NOTEBOOKS] == ["convert", "fine_tune", "look_inside"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_print_what_they_say(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    known = {"__name__": "notebook"}
    for cell, below in pairwise([*cells(path.read_text(encoding="utf-8")), Cell("", False)]):
        if cell.is_code:
            output = io.StringIO()
            with redirect_stdout(output):
                exec(compile(cell.source, path.name, "exec"), known)
            check(output.getvalue(), printed(below), cell.rounded)


def check(output, expected, rounded):
    if not rounded:
        assert output == expected
        return
    assert NUMBER.sub("#", output) == NUMBER.sub("#", expected)
    numbers = [[float(n) for n in NUMBER.findall(text)] for text in (output, expected)]
    assert numbers[0] == pytest.approx(numbers[1], rel=ROUNDED, abs=DIGIT)
