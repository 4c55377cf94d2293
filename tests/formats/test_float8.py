"""The numbers that the bits of float8 stand for, against torch: every pattern of every kind."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.formats.torch_tensors import TAGS
from weights_converter.arrays.dtypes import FLOAT8
from weights_converter.arrays.precision import numbers

KINDS = {tag: dtype for dtype, tag in TAGS.items() if tag in FLOAT8}


def test_every_kind_is_compared():
    assert set(KINDS) == FLOAT8


@pytest.mark.parametrize("tag", KINDS)
def test_every_pattern(tag):
    bits = np.arange(256, dtype="u1")
    expected = torch.from_numpy(bits).view(KINDS[tag]).to(torch.float32).numpy()
    found = numbers(bits, tag)
    assert found.dtype == np.float32
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    kept = ~np.isnan(expected)
    assert np.array_equal(found[kept].view("u4"), expected[kept].view("u4"))
