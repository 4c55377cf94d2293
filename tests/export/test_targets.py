"""The table of targets: each has a default form of its own, and an extra that installs it."""

from __future__ import annotations

import pytest

from odconv.exporting.targets import TARGETS
from tests.documents import text_of


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
@pytest.mark.parametrize("batch", [None, 1, 8])
@pytest.mark.parametrize("integers", [False, True])
def test_the_default_form_is_one_of_its_own(target, batch, integers):
    if target.int8 or not integers:
        assert target.default_form(integers, batch)[0] in target.forms


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_the_extra_installs_the_framework(target):
    """As pyproject.toml has it: those of other frameworks bring no PyTorch."""
    (row,) = (
        r for r in text_of("pyproject.toml").splitlines() if r.startswith(f"{target.extra} =")
    )
    framework = {"torch": "odconv[torch]", "keras": "odconv[", "paddle": "paddlepaddle"}
    assert framework[target.framework] in row
    assert ("[torch]" in row) == (target.framework == "torch")
