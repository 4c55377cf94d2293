"""Keras, compiled as `predict` compiles it."""

from __future__ import annotations

from collections.abc import Callable

import keras

from odconv_keras.layers import build_conv
from odconv_spec import ConvSpec


def forward(spec: ConvSpec, batch: int, size: int) -> Callable[[], object]:
    inputs = keras.Input((size, size, spec.in_channels))
    model = keras.Model(inputs, build_conv(spec)(inputs))
    x = keras.random.uniform((batch, size, size, spec.in_channels))
    return lambda: model.predict_on_batch(x)
