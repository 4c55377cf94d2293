"""Data from fixed seeds, and float64 where a test asks for it."""

from __future__ import annotations

import paddle
import pytest

from tests.training.folders import folder  # noqa: F401  # a fixture


@pytest.fixture(autouse=True)
def _seed():
    paddle.seed(0)


@pytest.fixture
def float64():
    """Layers and random tensors are made in float64."""
    before = paddle.get_default_dtype()
    paddle.set_default_dtype("float64")
    yield
    paddle.set_default_dtype(before)
