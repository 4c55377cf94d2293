"""The examples of the documents that export, in a process that has the exporters anyway."""

from __future__ import annotations

import pytest

from tests.documents import BLOCKS

EXAMPLES = [pytest.param(code, id=title) for name, title, code in BLOCKS if name == "export"]


def test_there_is_one():
    assert EXAMPLES


@pytest.mark.parametrize("code", EXAMPLES)
def test_it_runs(code):
    exec(compile(code, "an example", "exec"), {})
