"""Every operation of the tape against central differences, and the rules of `backward`."""

import numpy as np
import pytest

from parity_tests.reference import ops
from parity_tests.reference.tape import Value, backward

RANDOM = np.random.default_rng(0)
MATRIX = RANDOM.standard_normal((3, 4))
MAP = RANDOM.standard_normal((2, 3, 5, 4))

UNARY = {
    "negation": lambda x: -x,
    "power": lambda x: (x**2.0 + 1.0) ** -0.5,
    "number minus": lambda x: 2.0 - x,
    "number over": lambda x: 2.0 / (x**2 + 1.0),
    "array plus": lambda x: np.ones((5, 1, 1)) + x,
    "array times": lambda x: RANDOM_ROW * x,
    "sum": lambda x: x.sum() * x,
    "sum over axes": lambda x: x.sum((0,)),
    "sum kept": lambda x: x.sum((1,), keepdims=True) * x,
    "mean": lambda x: x.mean() * x,
    "mean over axes": lambda x: x.mean((1,)),
    "mean kept": lambda x: x.mean((0,), keepdims=True) * x,
    "reshape": lambda x: x.reshape(2, -1) * MATRIX.reshape(2, 6),
    "reversed axes": lambda x: x.T * MATRIX.T,
    "used twice": lambda x: x * x + x,
    "exp": ops.exp,
    "log": lambda x: ops.log(x**2 + 0.5),
    "sigmoid": ops.sigmoid,
    "clip": lambda x: ops.clip(x, -0.5, 0.7),
}
RANDOM_ROW = RANDOM.standard_normal(4)

BINARY = {
    "sum": lambda x, y: x + y,
    "difference": lambda x, y: x - y,
    "product": lambda x, y: x * y,
    "quotient": lambda x, y: x / (y**2 + 1.0),
}

OF_MAPS = {
    "pad": lambda x: ops.pad(x, [(1, 2), (0, 3)], value=2.0) ** 2,
    "largest": lambda x: ops.largest(x, axis=2),
    "windows": lambda x: ops.windows(x, (2, 3), (2, 1), (1, 1)),
    "windows apart": lambda x: ops.windows(x, (3, 2), (1, 1), (2, 3)),
}


@pytest.mark.parametrize("operation", UNARY.values(), ids=UNARY)
def test_gradient_of_one_argument(operation, assert_gradients) -> None:
    assert_gradients(operation, MATRIX)


@pytest.mark.parametrize("operation", OF_MAPS.values(), ids=OF_MAPS)
def test_gradient_of_maps(operation, assert_gradients) -> None:
    assert_gradients(operation, MAP)


@pytest.mark.parametrize("shapes", [((3, 4), (3, 4)), ((3, 1), (4,)), ((2, 1, 4), (3, 1))])
@pytest.mark.parametrize("operation", BINARY.values(), ids=BINARY)
def test_gradient_of_two_arguments_with_broadcasting(operation, shapes, assert_gradients) -> None:
    assert_gradients(operation, *(RANDOM.standard_normal(shape) for shape in shapes))


@pytest.mark.parametrize(
    "shapes", [((2, 3), (3, 4)), ((5, 2, 3), (3, 4)), ((1, 2, 2, 3), (5, 2, 3, 1))]
)
def test_gradient_of_matrix_products(shapes, assert_gradients) -> None:
    left, right = (RANDOM.standard_normal(shape) for shape in shapes)
    assert_gradients(lambda x, y: x @ y, left, right)


def test_windows_are_the_taps_in_row_major_order() -> None:
    x = np.arange(20.0).reshape(1, 1, 4, 5)
    found = ops.windows(Value(x), (2, 2), (2, 3), (1, 1)).data
    # (batch, channels, taps, rows, columns); the windows start in rows 0, 2 and columns 0, 3
    assert found.shape == (1, 1, 4, 2, 2)
    assert found[0, 0, :, 0, 1].tolist() == [3, 4, 8, 9]
    assert found[0, 0, :, 1, 0].tolist() == [10, 11, 15, 16]


def test_windows_larger_than_the_map_are_an_error() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        ops.windows(Value(np.ones((1, 1, 4, 4))), (3, 3), (1, 1), (1, 2))


def test_of_equal_values_the_first_is_the_largest() -> None:
    x = Value([[1.0, 3.0, 3.0]], variable=True)
    assert backward(ops.largest(x, axis=1), [1.0])[x].tolist() == [[0, 1, 0]]


def test_at_the_limits_of_clip_the_gradient_is_zero() -> None:
    x = Value([-1.0, 0.0, 3.0, 6.0, 7.0], variable=True)
    assert backward(ops.clip(x, 0.0, 6.0), np.ones(5))[x].tolist() == [0, 0, 1, 0, 0]


def test_sigmoid_of_large_logits() -> None:
    with np.errstate(over="raise"):
        found = ops.sigmoid(Value([-1000.0, -30.0, 0.0, 1000.0])).data
    np.testing.assert_allclose(found, [0.0, np.exp(-30) / (1 + np.exp(-30)), 0.5, 1.0], rtol=1e-14)


def test_constants_remember_nothing() -> None:
    constant, variable = Value(MATRIX), Value(MATRIX, variable=True)
    assert ops.exp(constant * 2.0).sources == ()
    assert [source for source, _ in (constant * variable).sources] == [variable]


def test_backward_gives_the_variables_only() -> None:
    x, y = Value(MATRIX, variable=True), Value(MATRIX, variable=True)
    hidden = x * 2.0
    assert set(backward(ops.exp(hidden) + hidden * y, MATRIX)) == {x, y}


def test_backward_refuses_a_gradient_of_another_shape() -> None:
    with pytest.raises(ValueError, match=r"\(3, 4\), received \(4,\)"):
        backward(Value(MATRIX, variable=True) * 2.0, np.ones(4))
