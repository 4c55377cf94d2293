"""Padding by word, by number and by pairs, in the static and in the dynamic convolution."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import numpy, run

from odconv_keras import ODConv2D
from odconv_keras.layers import StaticConv1D, StaticConv2D, StaticConv3D
from odconv_keras.layers.pooling import max_pool

RANKS = [(1, StaticConv1D), (2, StaticConv2D), (3, StaticConv3D)]
SIZES = [(7, 10), (9, 8)]


def one_kernel(layer, plain):
    """Gives an ODConv2D of one kernel the plain convolution's, with all attentions one half."""
    layer.kernel.assign(numpy(plain.kernel)[None] * 8)


@pytest.mark.parametrize("strides", [1, 2, (3, 2)])
@pytest.mark.parametrize("kernel_size", [3, (2, 5)])
def test_same_and_valid_are_those_of_keras(strides, kernel_size):
    x = np.random.default_rng(0).standard_normal((2, 7, 10, 4))
    for padding in ("same", "valid"):
        options = {"strides": strides, "padding": padding, "dtype": "float64"}
        plain = keras.layers.Conv2D(6, kernel_size, use_bias=False, **options)
        expected = run(plain, x)
        dynamic = ODConv2D(6, kernel_size, kernel_num=1, **options)
        dynamic.build(x.shape)
        one_kernel(dynamic, plain)
        np.testing.assert_allclose(run(dynamic, x), expected, rtol=1e-9, atol=1e-12)
        static = StaticConv2D(6, kernel_size, use_bias=False, **options)
        static.build(x.shape)
        static.kernel.assign(plain.kernel)
        np.testing.assert_allclose(run(static, x), expected, rtol=1e-9, atol=1e-12)
        assert dynamic.compute_output_shape(x.shape) == expected.shape
        assert static.compute_output_shape(x.shape) == expected.shape


@pytest.mark.parametrize(("padding", "pairs"), [(2, ((2, 2), (2, 2))), ((1, 2), ((1, 1), (2, 2)))])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_numbers_are_zeros_on_both_sides(padding, pairs, data_format):
    x = np.random.default_rng(0).standard_normal((2, 6, 7, 4))
    static = StaticConv2D(5, 3, 2, padding=padding, data_format=data_format, dtype="float64")
    last = data_format == "channels_last"
    y = run(static, x if last else np.moveaxis(x, -1, 1))
    y = y if last else np.moveaxis(y, 1, -1)
    padded = np.pad(x, ((0, 0), *pairs, (0, 0)))
    expected = numpy(keras.ops.conv(padded, static.kernel, 2, data_format="channels_last"))
    np.testing.assert_allclose(y, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize(("rank", "layer"), RANKS)
def test_depthwise_and_grouped_static_convolutions(rank, layer, strides):
    x = np.random.default_rng(0).standard_normal((2, *(6, 5, 7)[:rank], 4))
    for groups, filters in ((4, 4), (2, 6)):
        conv = layer(filters, 3, strides, padding=1, groups=groups, dtype="float64")
        y = run(conv, x)
        width, out = 4 // groups, filters // groups
        for group in range(groups):
            part = layer(out, 3, strides, padding=1, dtype="float64")
            part.build((*x.shape[:-1], width))
            part.kernel.assign(numpy(conv.kernel)[..., group * out : (group + 1) * out])
            expected = run(part, x[..., group * width : (group + 1) * width])
            found = y[..., group * out : (group + 1) * out]
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_static_convolution_keeps_the_options_of_keras():
    conv = StaticConv2D(4, 3, padding=((1, 0), (2, 1)), activation="relu", name="c")
    twin = StaticConv2D.from_config(conv.get_config())
    assert twin.get_config() == conv.get_config()
    assert isinstance(conv, keras.layers.Conv2D)
    x = np.random.default_rng(0).standard_normal((2, 6, 7, 3)).astype("float32")
    assert numpy(conv(x)).min() == 0


def test_wrong_padding_raises_at_once():
    with pytest.raises(ValueError, match="padding: expected"):
        StaticConv2D(4, 3, padding=(1, 2, 3))


@pytest.mark.parametrize("size", SIZES)
def test_max_pool_of_negative_values_never_sees_its_padding(size):
    x = -1 - np.random.default_rng(0).random((2, *size, 3))
    y = numpy(max_pool(keras.ops.convert_to_tensor(x), 3, strides=2, padding=1))
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    np.testing.assert_array_equal(y, windows[:, ::2, ::2].max((-2, -1)))
