"""A batch norm folded into the dynamic convolution before it."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import LAYERS, channels_first, fill, numpy, run
from test_dynamic import made, maps

from odconv_keras import BatchNormalization, ODConv2D, fuse


def pair(kind, norm_class=BatchNormalization, **options):
    conv = made(kind, **options)
    first = conv.data_format == "channels_first"
    conv.build((None, 4, None, None) if first else (None, None, None, 4))
    norm = norm_class(axis=1 if first else -1, dtype="float64")
    norm.build((None, 8, None, None) if first else (None, None, None, 8))
    return fill(conv), fill(norm, seed=2)


@pytest.mark.parametrize("kind", LAYERS)
def test_a_norm_of_keras_and_channels_first(kind):
    options = {"mix_bias": False} if kind == "cond" else {}
    conv, norm = pair(
        kind, keras.layers.BatchNormalization, data_format="channels_first", **options
    )
    x = channels_first(maps(2))
    expected = run(norm, run(conv, x))
    np.testing.assert_allclose(run(fuse(conv, norm), x), expected, rtol=1e-6, atol=1e-7)


def test_layers_that_share_a_router():
    conv, norm = pair("cond", router="shared", use_bias=False, kernel_num=3)
    x, weights = maps(2), np.random.default_rng(3).random((2, 3))
    expected = run(norm, numpy(conv(x, weights)))
    np.testing.assert_allclose(numpy(fuse(conv, norm)(x, weights)), expected, rtol=1e-9, atol=1e-12)


def norm_of(channels, **options):
    norm = BatchNormalization(**options)
    norm.build((None, channels, channels, channels))
    return norm


@pytest.mark.parametrize(
    ("norm", "message"),
    [
        (lambda: keras.layers.Dense(8), "norm: expected .* received Dense"),
        (lambda: norm_of(8, axis=2), "norm: expected axis -1 .* received 2"),
        (lambda: BatchNormalization(name="n"), "expected built layers, received 'n'"),
    ],
)
def test_other_norms(norm, message):
    layer = ODConv2D(8, 3)
    layer.build((None, 9, 9, 4))
    with pytest.raises(ValueError, match=message):
        fuse(layer, norm())


def test_an_activation_before_the_norm():
    layer = ODConv2D(8, 3, activation="relu")
    layer.build((None, 9, 9, 4))
    with pytest.raises(ValueError, match="expected no activation before the norm, received 'relu'"):
        fuse(layer, norm_of(8))
