"""Convolutions of Keras whose padding may be given by number.

A stride-2 convolution with padding "same" pads more after the map than before it, while PyTorch,
PaddlePaddle and the published networks pad the same number on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from odconv_keras.layers.conv import conv
from odconv_keras.layers.data_format import (
    from_channels_last,
    shape_from_channels_last,
    shape_to_channels_last,
    to_channels_last,
)
from odconv_keras.layers.padding import Window
from odconv_spec.geometry import per_axis


class _StaticConv(keras.layers.Layer):
    """Goes before a convolution of Keras in the bases; takes over its padding and arithmetic."""

    def __init__(
        self, *args: Any, padding: Any = "valid", dilation_rate: Any = 1, **kwargs: Any
    ) -> None:
        super().__init__(*args, padding="valid", **kwargs)
        self.padding = padding
        # Keras refuses dilations beside strides, which the arithmetic here has on every backend.
        self.dilation_rate = per_axis("dilation_rate", dilation_rate, self.rank, 1)
        self.window = Window.of(self.kernel_size, self.strides, padding, self.dilation_rate)

    def call(self, inputs: Any) -> Any:
        y = conv(to_channels_last(inputs, self.data_format), self.kernel, self.window)
        y = from_channels_last(y if self.bias is None else y + self.bias, self.data_format)
        return y if self.activation is None else self.activation(y)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        shape = shape_to_channels_last(input_shape, self.data_format)
        shape = self.window.output_shape(shape, self.filters)
        return shape_from_channels_last(shape, self.data_format)


@keras.saving.register_keras_serializable(package="odconv")
class StaticConv1D(_StaticConv, keras.layers.Conv1D):
    """`keras.layers.Conv1D` with padding "valid", "same", a number or (before, after) pairs.

    Example:
        >>> tuple(StaticConv1D(32, 3, 2, padding=1)(keras.ops.ones((1, 9, 16))).shape)
        (1, 5, 32)
    """


@keras.saving.register_keras_serializable(package="odconv")
class StaticConv2D(_StaticConv, keras.layers.Conv2D):
    """`keras.layers.Conv2D` with padding "valid", "same", a number or (before, after) pairs.

    Example:
        >>> tuple(StaticConv2D(32, 3, 2, padding=1)(keras.ops.ones((1, 8, 9, 16))).shape)
        (1, 4, 5, 32)
    """


@keras.saving.register_keras_serializable(package="odconv")
class StaticConv3D(_StaticConv, keras.layers.Conv3D):
    """`keras.layers.Conv3D` with padding "valid", "same", a number or (before, after) pairs.

    Example:
        >>> tuple(StaticConv3D(32, 3, 2, padding=1)(keras.ops.ones((1, 7, 8, 9, 16))).shape)
        (1, 4, 4, 5, 32)
    """
