"""Dynamic layers that start with the function of a static convolution."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import LAYERS, channels_first, fill, run

from odconv_keras import DyConv2D, ODConv2D
from odconv_keras.layers import StaticConv2D

CONVS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)


def static(conv, shape, **options):
    layer = conv(**{"padding": "same", "dtype": "float64"} | options)
    layer.build(shape)
    return fill(layer)


def maps(*shape):
    return np.random.default_rng(2).standard_normal(shape)


def agree(dynamic, conv, x):
    expected = run(conv, x)
    for temperature in (1.0, 30.0):
        dynamic.set_temperature(temperature)
        for training in (False, True):
            y = run(dynamic, x, training=training)
            np.testing.assert_allclose(y, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("kind", "rank"), [("od", 3), ("dy", 2), ("cond", 1)])
def test_the_geometry_is_kept(kind, rank):
    x = maps(2, *(7, 6, 8)[:rank], 4)
    conv = static(
        CONVS[rank - 1],
        x.shape,
        filters=6,
        kernel_size=(2, 3, 1)[:rank],
        dilation_rate=(2, 1, 2)[:rank],
        padding="valid",
        use_bias=False,
        activation="relu",
        name="place",
    )
    layer = LAYERS[kind][rank - 1].from_static(conv, kernel_num=2)
    agree(layer, conv, x)
    assert (layer.name, layer.dtype_policy.name) == ("place", "float64")
    assert layer.bias is None


@pytest.mark.parametrize(
    ("kind", "rank", "multiplier"), [("od", 2, 1), ("dy", 1, 2), ("cond", 2, 2)]
)
def test_a_depthwise_convolution_has_a_group_for_each_channel(kind, multiplier, rank):
    x = maps(2, *(7, 6)[:rank], 3)
    depthwise = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)[rank - 1]
    conv = static(depthwise, x.shape, kernel_size=3, strides=2, depth_multiplier=multiplier)
    layer = LAYERS[kind][rank - 1].from_static(conv, kernel_num=2)
    assert (layer.groups, layer.filters) == (3, 3 * multiplier)
    agree(layer, conv, x)


def test_other_static_convolutions():
    x = maps(2, 7, 6, 4)
    numbers = static(StaticConv2D, x.shape, filters=3, kernel_size=3, padding=((1, 0), (2, 1)))
    agree(ODConv2D.from_static(numbers), numbers, x)
    causal = static(
        keras.layers.Conv1D, (2, 7, 4), filters=3, kernel_size=3, padding="causal", dilation_rate=2
    )
    agree(LAYERS["dy"][0].from_static(causal), causal, maps(2, 7, 4))
    pointwise = static(keras.layers.Conv2D, x.shape, filters=3, kernel_size=1)
    agree(ODConv2D.from_static(pointwise), pointwise, x)


def test_channels_first():
    x = maps(2, 7, 6, 4)
    options = {"filters": 6, "kernel_size": 3, "strides": 2}
    last = static(keras.layers.Conv2D, x.shape, **options)
    first = static(
        keras.layers.Conv2D, channels_first(x).shape, data_format="channels_first", **options
    )
    layer = DyConv2D.from_static(first)
    assert layer.data_format == "channels_first"
    y = run(layer, channels_first(x))
    # Keras on TensorFlow has no such convolution on a CPU to compare with.
    np.testing.assert_allclose(y, channels_first(run(last, x)), rtol=1e-9, atol=1e-12)


def test_regularizers_trainable_and_precision_are_kept():
    decay = keras.regularizers.L2(1e-3)
    conv = keras.layers.DepthwiseConv2D(
        3, depthwise_regularizer=decay, bias_regularizer=decay, dtype="mixed_bfloat16"
    )
    conv.build((None, None, None, 4))
    conv.trainable = False
    layer = ODConv2D.from_static(conv)
    assert layer.kernel_regularizer is layer.bias_regularizer is decay
    assert layer.dtype_policy.name == "mixed_bfloat16"
    assert not layer.trainable


class _OwnCall(keras.layers.Conv2D):
    def call(self, inputs):
        return 2 * super().call(inputs)


class _OwnConvolution(keras.layers.Conv2D):
    def convolution_op(self, inputs, kernel):
        return super().convolution_op(inputs, kernel - 1)


class _OtherDefaults(keras.layers.Conv2D):
    pass


def test_a_subclass_that_computes_the_same():
    x = maps(2, 7, 6, 4)
    conv = static(_OtherDefaults, x.shape, filters=3, kernel_size=3)
    agree(DyConv2D.from_static(conv), conv, x)


@pytest.mark.parametrize(
    ("conv", "message"),
    [
        (keras.layers.Conv2DTranspose(3, 3), "expected one of Conv1D, .* received Conv2DTranspose"),
        (keras.layers.SeparableConv2D(3, 3), "expected one of Conv1D, .* received SeparableConv2D"),
        (keras.layers.Dense(3), "received Dense"),
        (_OwnCall(3, 3), "received _OwnCall, which computes in its own way"),
        (_OwnConvolution(3, 3), "received _OwnConvolution, which computes in its own way"),
        (keras.layers.Conv1D(3, 3), "expected a convolution over 2 axes, received Conv1D"),
        (keras.layers.Conv2D(3, 3, kernel_constraint="non_neg"), "kernel_constraint: expected No"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_plain_convolution(conv, message):
    rank = 1 if isinstance(conv, keras.layers.Conv1D) else 2
    conv.build((2, *(7, 6)[:rank], 4))
    with pytest.raises(ValueError, match=message):
        ODConv2D.from_static(conv)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strides": 2}, r"ODConv2D has the options .* received \['strides'\]"),
    ],
)
def test_unknown_options(options, message):
    conv = static(keras.layers.Conv2D, (2, 7, 6, 4), filters=6, kernel_size=3)
    with pytest.raises(ValueError, match=message):
        ODConv2D.from_static(conv, **options)


def test_a_convolution_without_weights():
    with pytest.raises(ValueError, match="expected a built convolution, received 'c'"):
        ODConv2D.from_static(keras.layers.Conv2D(3, 3, name="c"))
