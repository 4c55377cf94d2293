"""Files with names as they are found in the wild, and what is made of them."""

from __future__ import annotations

import numpy as np

from weights_converter import formats
from weights_converter.arrays.tensor import Tensor


def indexed(shape, start=0):
    """Every element is another number."""
    return np.arange(start, start + np.prod(shape), dtype=np.float32).reshape(shape)


def write(path, arrays):
    formats.write(path, "torch", [Tensor.of(n, a) for n, a in arrays.items()], {})
    return path


def loaded(weights):
    return {name: tensor.load() for name, tensor in weights.tensors.items()}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].tobytes() == array.tobytes(), name
        assert found[name].shape == array.shape
