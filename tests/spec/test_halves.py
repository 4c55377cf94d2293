"""Two halves of the slow tests are all of them."""

from __future__ import annotations

import pytest

from tests.halves import half


@pytest.mark.parametrize("count", [2, 7, 10])
def test_both_halves_are_all(count):
    first, second = half(range(count), 0), half(range(count), 1)
    assert sorted([*first, *second]) == list(range(count))
    assert abs(len(first) - len(second)) <= 1


def test_a_single_one_is_never_left_out():
    assert half(["one"], 0) == half(["one"], 1) == ["one"]
