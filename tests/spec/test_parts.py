"""The parts of the slow tests are all of them together."""

from __future__ import annotations

import pytest

from tests.parts import PARTS, part


@pytest.mark.parametrize("count", [3, 7, 10])
def test_the_parts_are_all(count):
    parts = [part(range(count), which) for which in range(PARTS)]
    assert sorted(number for items in parts for number in items) == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("items", [["one"], ["one", "two"]])
def test_few_are_never_left_out(items):
    assert {item for which in range(PARTS) for item in part(items, which)} == set(items)
    assert all(part(items, which) for which in range(PARTS))
