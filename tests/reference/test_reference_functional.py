"""Convolution against nested loops, and the other operations against their definitions."""

from itertools import product

import numpy as np
import pytest

from odconv_spec import ConvSpec
from parity_tests.reference import functional
from parity_tests.reference.tape import Array, Value, backward

RANDOM = np.random.default_rng(1)

GEOMETRIES = (
    {"rank": 1, "kernel_size": 3, "padding": ((2, 0),), "stride": 2},
    {"rank": 1, "kernel_size": 2, "padding": "same", "stride": 3, "groups": 2},
    {"rank": 2, "kernel_size": (3, 2), "padding": ((1, 0), (0, 2)), "stride": (2, 1)},
    {"rank": 2, "kernel_size": (2, 3), "dilation": (2, 1), "padding": 1, "groups": 2},
    {"rank": 2, "kernel_size": 3, "padding": "same", "stride": (2, 3), "dilation": (1, 2)},
    {"rank": 2, "kernel_size": 1, "stride": 2},
    {"rank": 2, "kernel_size": 3, "padding": 1, "groups": 4, "out_channels": 4},
    {"rank": 3, "kernel_size": (2, 1, 3), "padding": ((0, 1), (0, 0), (1, 2)), "stride": (1, 2, 2)},
    {"rank": 3, "kernel_size": 2, "dilation": (1, 2, 1), "padding": "same", "groups": 2},
)
SIZES = {1: (11,), 2: (7, 8), 3: (4, 5, 6)}


def layer(geometry: dict) -> tuple[ConvSpec, Array, Array]:
    spec = ConvSpec(**{"in_channels": 4, "out_channels": 6} | geometry)
    x = RANDOM.standard_normal((2, spec.in_channels, *SIZES[spec.rank]))
    return spec, x, RANDOM.standard_normal(spec.kernel_shape)


def convolved_in_loops(x: Array, kernel: Array, spec: ConvSpec) -> Array:
    """One product at a time, each reading the unpadded map where it can."""
    pairs = functional.padding_of(spec, x.shape[2:])
    reach = [(k - 1) * d + 1 for k, d in zip(spec.kernel, spec.dilations, strict=True)]
    sizes = [
        (size + sum(pair) - extent) // step + 1
        for size, pair, extent, step in zip(x.shape[2:], pairs, reach, spec.strides, strict=True)
    ]
    y = np.zeros((len(x), spec.out_channels, *sizes))
    inputs, outputs = spec.in_channels // spec.groups, spec.out_channels // spec.groups
    for position, tap in product(np.ndindex(*sizes), np.ndindex(*spec.kernel)):
        place = [
            at * step + offset * apart - before
            for at, step, offset, apart, (before, _) in zip(
                position, spec.strides, tap, spec.dilations, pairs, strict=True
            )
        ]
        if any(not 0 <= at < size for at, size in zip(place, x.shape[2:], strict=True)):
            continue
        for out, channel in product(range(spec.out_channels), range(inputs)):
            source = out // outputs * inputs + channel
            y[(slice(None), out, *position)] += (
                kernel[(out, channel, *tap)] * x[(slice(None), source, *place)]
            )
    return y


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_convolution_is_the_nested_loops(geometry, relative_error) -> None:
    spec, x, kernel = layer(geometry)
    found = functional.conv(Value(x), Value(kernel), spec).data
    assert relative_error(found, convolved_in_loops(x, kernel, spec)) < 1e-14


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_gradients_of_a_convolution(geometry, assert_gradients) -> None:
    spec, x, kernel = layer(geometry)
    assert_gradients(lambda x, kernel: functional.conv(x, kernel, spec), x, kernel)


@pytest.mark.parametrize("geometry", GEOMETRIES[2:5], ids=str)
def test_a_kernel_for_each_sample(geometry, relative_error, assert_gradients) -> None:
    spec, x, _ = layer(geometry)
    kernels = RANDOM.standard_normal((2, *spec.kernel_shape))
    found = functional.conv(Value(x), Value(kernels), spec).data
    alone = [convolved_in_loops(x[i : i + 1], kernels[i], spec) for i in range(2)]
    assert relative_error(found, np.concatenate(alone)) < 1e-14
    assert_gradients(lambda x, kernel: functional.conv(x, kernel, spec), x, kernels)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "expected"),
    [
        (7, 3, 1, 1, (1, 1)),
        (7, 2, 1, 1, (0, 1)),
        (8, 3, 2, 1, (0, 1)),
        (7, 3, 2, 1, (1, 1)),
        (7, 3, 1, 2, (2, 2)),
        (9, 1, 2, 1, (0, 0)),
        (5, 4, 3, 1, (1, 1)),
    ],
)
def test_same_padding_is_that_of_tensorflow(size, kernel, stride, dilation, expected) -> None:
    spec = ConvSpec(
        in_channels=1,
        out_channels=1,
        kernel_size=kernel,
        stride=stride,
        dilation=dilation,
        padding="same",
        rank=1,
    )
    assert list(functional.padding_of(spec, (size,))) == [expected]


def normalised(x: Value, scale: Value, shift: Value, training: bool) -> functional.Normalised:
    mean, variance = np.array([0.3, -0.2, 1.0]), np.array([0.5, 1.5, 2.0])
    return functional.batch_norm(x, scale, shift, mean, variance, training=training)


@pytest.mark.parametrize("shape", [(4, 3), (3, 3, 2, 4), (3, 3, 1, 1)], ids=str)
@pytest.mark.parametrize("training", [False, True])
def test_gradients_of_batch_norm(shape, training, assert_gradients) -> None:
    x, scale, shift = (RANDOM.standard_normal(size) for size in (shape, 3, 3))
    assert_gradients(lambda *values: normalised(*values, training=training).output, x, scale, shift)


def test_batch_norm_in_training_stores_the_unbiased_variance() -> None:
    x = RANDOM.standard_normal((2, 3, 2, 4))
    output, mean, variance = normalised(Value(x), Value(np.ones(3)), Value(np.zeros(3)), True)
    of_batch, spread = x.mean((0, 2, 3)), x.var((0, 2, 3), ddof=1)
    np.testing.assert_allclose(mean, 0.9 * np.array([0.3, -0.2, 1.0]) + 0.1 * of_batch)
    np.testing.assert_allclose(variance, 0.9 * np.array([0.5, 1.5, 2.0]) + 0.1 * spread)
    # The output itself has the biased one.
    np.testing.assert_allclose(
        output.data.var((0, 2, 3)), x.var((0, 2, 3)) / (x.var((0, 2, 3)) + 1e-5)
    )


def test_one_value_for_each_channel_uses_the_running_statistics() -> None:
    x, scale, shift = (Value(RANDOM.standard_normal(size)) for size in ((1, 3, 1, 1), 3, 3))
    training, inference = (normalised(x, scale, shift, mode) for mode in (True, False))
    for found, expected in zip(training[1:], inference[1:], strict=True):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(training.output.data, inference.output.data)


def test_max_pool_ignores_padding_and_prefers_the_first_of_equals() -> None:
    x = Value(np.full((1, 1, 4, 3), -5.0), variable=True)
    pooled = functional.max_pool(x, size=3, stride=2, padding=1)
    assert pooled.data.tolist() == [[[[-5, -5], [-5, -5]]]]
    # The windows start at rows and columns -1 and 1; their first elements inside the map win.
    expected = [[1, 2, 0], [3, 4, 0], [0, 0, 0], [0, 0, 0]]
    assert backward(pooled, [[[[1, 2], [3, 4]]]])[x][0, 0].tolist() == expected


def test_gradient_of_max_pool(assert_gradients) -> None:
    x = RANDOM.standard_normal((2, 3, 7, 6))
    assert_gradients(lambda x: functional.max_pool(x, size=3, stride=2, padding=1), x)


def test_relu_and_relu6() -> None:
    x = Value([-1.0, 0.5, 7.0])
    assert functional.relu(x).data.tolist() == [0, 0.5, 7]
    assert functional.relu6(x).data.tolist() == [0, 0.5, 6]


def test_linear_and_global_mean(assert_gradients) -> None:
    x, kernel, bias = (RANDOM.standard_normal(size) for size in ((2, 4), (3, 4), 3))
    found = functional.linear(Value(x), Value(kernel), Value(bias)).data
    np.testing.assert_allclose(found, np.einsum("bi,oi->bo", x, kernel) + bias)
    assert_gradients(functional.linear, x, kernel, bias)
    assert_gradients(functional.global_mean, RANDOM.standard_normal((2, 3, 2, 4)))
    x = RANDOM.standard_normal((2, 3, 5))
    np.testing.assert_allclose(functional.global_mean(Value(x)).data, x.mean(2)[:, :, None])


def test_softmax(assert_gradients) -> None:
    logits = np.array([[1000.0, 1000.0 + np.log(3.0)], [0.0, -2000.0]])
    np.testing.assert_allclose(
        functional.softmax(Value(logits)).data, [[0.25, 0.75], [1, 0]], rtol=1e-12
    )
    assert_gradients(functional.softmax, RANDOM.standard_normal((2, 4, 1, 1)))


def test_cross_entropy(assert_gradients) -> None:
    logits = np.array([[np.log(1.0), np.log(3.0)], [900.0, 900.0]])
    found = functional.cross_entropy(Value(logits), [0, 1]).data
    np.testing.assert_allclose(found, (np.log(4.0) + np.log(2.0)) / 2, rtol=1e-12)
    labels = np.array([3, 0, 3])
    assert_gradients(lambda x: functional.cross_entropy(x, labels), RANDOM.standard_normal((3, 5)))


@pytest.mark.parametrize("labels", [[0, 5], [-1, 0]])
def test_labels_that_are_no_class_are_an_error(labels) -> None:
    with pytest.raises(ValueError, match="expected 0 to 4"):
        functional.cross_entropy(Value(np.zeros((2, 5))), labels)
