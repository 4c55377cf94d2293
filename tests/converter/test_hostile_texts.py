"""Texts and tables that ask for gigabytes or for hours: each is refused soon and within bounds."""

from __future__ import annotations

import pytest

from tests.converter.hostile_texts import FAMILIES
from tests.converter.measuring import measuring
from tests.quick import quick

SECONDS = 5
MOST = 192 << 20  # bytes: what describes arrays takes 128 MiB, and a piece that is read beside it

# Files of a hundred thousand parts take seconds to write; two of their kind stay in `make test`.
LARGE = {"variables", "variables of a program", "graph", "entries of npz", "many shards"}
# One reader of JSON is behind all of them: every text is in the header of a file.
ALIKE = {family for family in FAMILIES if family.startswith(("npz with", "program of"))}
KEPT = {"npz with wide text", "npz with items", "program of lists", "program of texts"}
CASES = quick(FAMILIES.keys() - LARGE - (ALIKE - KEPT), FAMILIES)


@pytest.fixture(scope="module")
def measure():
    with measuring() as measure:
        yield measure


@pytest.mark.parametrize("family", CASES)
def test_bounds(tmp_path, family, measure):
    figures = measure(FAMILIES[family](tmp_path))
    assert figures["seconds"] < SECONDS
    assert figures["grown"] < MOST
    assert figures["fate"].startswith(("RefusedError: ", "DamagedError: ")), figures["fate"]
    assert figures["deeds"] == []
