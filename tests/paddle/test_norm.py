"""Batch norm: Paddle's own, but for the running variance and for a single value per channel."""

from __future__ import annotations

import copy

import numpy as np
import paddle
import pytest
from canonical import randomised
from paddle import nn

from odconv_paddle.layers import BatchNorm1D, BatchNorm2D, BatchNorm3D

PAIRS = (
    (BatchNorm1D, nn.BatchNorm1D),
    (BatchNorm2D, nn.BatchNorm2D),
    (BatchNorm3D, nn.BatchNorm3D),
)


def filled(norm):
    paddle.seed(1)
    return randomised(norm)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
@pytest.mark.parametrize("shape", [(2, 3, 1, 1, 1), (1, 3, 2, 1, 1), (4, 3, 5, 2, 3)])
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_equals_paddle_but_for_the_running_variance(ours, theirs, shape, mode):
    rank = int(ours.__name__[-2])
    x = paddle.randn(shape[: 2 + rank])
    weights = paddle.randn(x.shape)  # of a loss that is not the same for every input
    first, second = filled(ours(3)), filled(theirs(3))
    results = []
    for norm in (first, second):
        getattr(norm, mode)()
        leaf = x.clone().detach()
        leaf.stop_gradient = False
        y = norm(leaf)
        (y * weights).sum().backward()
        results.append((y, leaf.grad, norm.weight.grad, norm.bias.grad))
    # Paddle's kernel rounds epsilon and momentum to float32.
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(first._mean, second._mean, rtol=1e-6, atol=1e-6)
    if mode == "eval":
        np.testing.assert_array_equal(first._variance, second._variance)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("shape", [(2, 3, 1, 1), (1, 3, 2, 1), (4, 3, 5, 2)])
@pytest.mark.parametrize("data_format", ["NCHW", "NHWC"])
def test_running_statistics_against_numpy(shape, data_format):
    norm = filled(BatchNorm2D(3, momentum=0.8, data_format=data_format))
    x = paddle.randn(shape)
    mean, variance = norm._mean.numpy(), norm._variance.numpy()
    y = norm(x if data_format == "NCHW" else x.transpose([0, 2, 3, 1]))
    values = x.numpy().swapaxes(0, 1).reshape(3, -1)
    np.testing.assert_allclose(norm._mean, 0.8 * mean + 0.2 * values.mean(1), rtol=1e-12)
    estimate = values.var(1, ddof=1)
    np.testing.assert_allclose(norm._variance, 0.8 * variance + 0.2 * estimate, rtol=1e-12)
    assert y.shape == (x if data_format == "NCHW" else x.transpose([0, 2, 3, 1])).shape


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_one_value_per_channel_uses_the_running_statistics(ours, theirs):
    rank = int(ours.__name__[-2])
    x = paddle.randn([1, 3, *[1] * rank])
    x.stop_gradient = False
    norm, expected = filled(ours(3)), filled(theirs(3))
    before = copy.deepcopy(norm.state_dict())
    expected.eval()
    np.testing.assert_allclose(norm(x), expected(x), rtol=1e-9, atol=1e-12)
    norm(x).sum().backward()
    scale = norm.weight / (norm._variance + 1e-5).sqrt()
    np.testing.assert_allclose(x.grad.flatten(), scale, rtol=1e-9)
    for name, value in norm.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 1)])
def test_inputs_without_a_map(shape):
    norm = BatchNorm1D(3)
    y = norm(paddle.randn(shape)).numpy().reshape(4, 3)
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(y.std(0), 1, atol=1e-3)


@pytest.mark.parametrize("shape", [(4, 3, 1, 1), (4, 3, 5, 2)])
def test_options_of_paddle(shape):
    x = paddle.randn(shape)
    bare = BatchNorm2D(3, weight_attr=False, bias_attr=False)
    assert list(bare.state_dict()) == ["_mean", "_variance"]
    np.testing.assert_allclose(bare(x), BatchNorm2D(3)(x), rtol=1e-6, atol=1e-6)
    frozen = filled(BatchNorm2D(3, use_global_stats=True))
    before = frozen._variance.numpy()
    y = frozen(x)
    frozen.eval()
    np.testing.assert_array_equal(y, frozen(x))
    np.testing.assert_array_equal(frozen._variance, before)
    with pytest.raises(ValueError, match="4D"):
        BatchNorm2D(3)(paddle.randn([4, 3, 1]))


def test_is_found_by_code_that_looks_for_batch_norms():
    assert isinstance(BatchNorm2D(3), nn.BatchNorm2D)
