"""Derivatives by central differences, and errors relative to the largest element."""

from collections.abc import Callable

import numpy as np
import pytest

from parity_tests.reference.tape import Array, Value, backward

STEP = 1e-5


def relative_error(found: Array, expected: Array) -> float:
    assert found.shape == expected.shape, f"{found.shape} instead of {expected.shape}"
    return float(np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-30))


def slope(function: Callable[[Array], float], at: Array, direction: Array) -> float:
    ahead, behind = function(at + STEP * direction), function(at - STEP * direction)
    return (ahead - behind) / (2 * STEP)


def numeric_gradient(function: Callable[[Array], float], at: Array) -> Array:
    directions = np.eye(at.size).reshape(at.size, *at.shape)
    return np.array([slope(function, at, one) for one in directions]).reshape(at.shape)


def assert_gradients(
    function: Callable[..., Value], *arrays: Array, tolerance: float = 1e-8
) -> None:
    """`backward` gives the gradients of `function` of values that central differences give."""
    variables = [Value(array, variable=True) for array in arrays]
    output = function(*variables)
    weight = np.random.default_rng(99).standard_normal(output.shape)
    found = backward(output, weight)
    for index, variable in enumerate(variables):

        def weighted(array: Array, index: int = index) -> float:
            moved = [*arrays[:index], array, *arrays[index + 1 :]]
            return float((function(*map(Value, moved)).data * weight).sum())

        expected = numeric_gradient(weighted, arrays[index])
        assert np.abs(expected).max() > 1e-3, "the test does not see this argument"
        assert relative_error(found[variable], expected) < tolerance, f"argument {index}"


# Fixtures, because tests cannot import one another's modules.
@pytest.fixture(name="relative_error")
def _relative_error() -> Callable[[Array, Array], float]:
    return relative_error


@pytest.fixture(name="slope")
def _slope() -> Callable[..., float]:
    return slope


@pytest.fixture(name="assert_gradients")
def _assert_gradients() -> Callable[..., None]:
    return assert_gradients
