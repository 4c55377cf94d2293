"""Complex numbers, which no backbone has and networks of one's own may: looked at as pairs."""

from __future__ import annotations

import numpy as np
import pytest

from weights_converter.arrays.casting import cast_tag
from weights_converter.arrays.distance import distance
from weights_converter.conversion.survey import values_of

TAGS = {"C64": "c8", "C128": "c16"}


@pytest.mark.parametrize(("tag", "code"), TAGS.items())
def test_values(tag, code):
    found = values_of(np.array([[1 - 7j], [2 + 3j]], code), tag)
    assert (found.minimum, found.maximum) == (-7, 3)
    found = values_of(np.array([1, complex(0, np.inf), complex(np.nan, -2)], code), tag)
    assert (found.nan, found.inf, found.minimum, found.maximum) == (1, 1, -2, 1)


@pytest.mark.parametrize(("tag", "code"), TAGS.items())
def test_distances(tag, code):
    left = np.array([1 + 2j, 3j], code)
    right = left + np.array([0, 0.5j], code)
    found = distance(left, tag, right, tag)
    assert (found.size, found.unequal, found.absolute) == (4, 1, 0.5)
    assert found.ulp and not distance(left, tag, left, tag).unequal


def test_distances_between_types():
    left = np.array([1, 2 + 0.25j], "c8")
    found = distance(left, "C64", np.array([1, 2], "f4"), "F32")
    assert (found.unequal, found.absolute) == (1, 0.25)
    assert not distance(left, "C64", left.astype("c16"), "C128").unequal


def test_they_are_not_cast():
    assert cast_tag("C64", "float16") == "C64"
