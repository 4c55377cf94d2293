"""The frequency bands of a map, each scaled at each position.

A low-pass is a circular convolution along both axes, and is computed as products with matrices.
Channels are last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from odconv_keras.layers.chain import Chain
from odconv_keras.layers.conv import conv
from odconv_keras.layers.padding import Window
from odconv_keras.layers.precision import at_least_single
from odconv_keras.layers.sizes import map_sizes
from odconv_keras.layers.spec_config import spec_from_config, spec_to_config
from odconv_spec import FDConvSpec
from odconv_spec.fd_conv import BAND_LIMITS, BAND_MASK

_BANDS = len(BAND_LIMITS)


@keras.saving.register_keras_serializable(package="odconv")
class BandWeight(keras.layers.Layer):
    """The arrays of a 3x3 convolution that gives a band's weights, (3, 3, in, 1) and (1,).

    It is no `keras.layers.Conv2D`, as code that replaces or quantises those shall leave it.

    Args:
        of: the spec of the convolution that sees the map.
        **kwargs: `name`, `dtype` and `trainable`.
    """

    kernel: Any
    bias: Any

    def __init__(self, of: FDConvSpec, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.of, self.spec = of, of.band_weight()

    def build(self, input_shape: Sequence[int | None] | None = None) -> None:
        near = keras.initializers.RandomNormal(stddev=1e-6)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*self.spec.kernel, self.spec.in_channels, 1),
            initializer=near if self.of.head_init == "published" else "zeros",
        )
        self.bias = self.add_weight(name="bias", shape=(1,), initializer="zeros")
        self.built = True

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"of": spec_to_config(self.of)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> BandWeight:
        return cls(**config | {"of": spec_from_config(config["of"])})


@keras.saving.register_keras_serializable(package="odconv")
class FrequencyBands(keras.layers.Layer):
    """Cuts a map into four bands and scales all but the lowest by a factor at each position.

    Args:
        of: the spec of the convolution that sees the map.
        **kwargs: `name`, `dtype` and `trainable`.

    Example:
        >>> spec = FDConvSpec(in_channels=4, out_channels=8, kernel_size=3)
        >>> tuple(FrequencyBands(spec)(keras.ops.ones((2, 8, 9, 4))).shape)
        (2, 8, 9, 4)
    """

    def __init__(self, of: FDConvSpec, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.of = of
        self.window = Window.of_spec(of.band_weight())

    def build(self, input_shape: Sequence[int | None]) -> None:
        policy = self.dtype_policy
        layers = [BandWeight(self.of, name=f"band_{i}", dtype=policy) for i in range(_BANDS)]
        for layer in layers:
            layer.build()
        self.freq_weight_conv_list = Chain(layers, name="freq_weight_conv_list", dtype=policy)
        self.freq_weight_conv_list.built = True  # it holds the layers, and is not called

    def call(self, inputs: Any) -> Any:
        """(batch, height, width, in) to the same."""
        layers = self.freq_weight_conv_list.in_order()
        kernel = ops.concatenate([layer.kernel for layer in layers], axis=-1)
        bias = ops.concatenate([layer.bias for layer in layers])
        logits = conv(inputs, ops.cast(kernel, inputs.dtype), self.window)
        logits = at_least_single(logits + ops.cast(bias, logits.dtype))
        # (batch, height, width, 1) of each band, of which the last passes as it is
        gates = [*ops.split(2 * ops.sigmoid(logits), _BANDS, axis=-1), 1.0]
        x = at_least_single(inputs)
        y = x * gates[0]
        for low, above, below in zip(_lows(x), gates, gates[1:], strict=False):
            y = y + low * (below - above)
        return ops.cast(y, inputs.dtype)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"of": spec_to_config(self.of)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> FrequencyBands:
        return cls(**config | {"of": spec_from_config(config["of"])})


def _lows(x: Any) -> list[Any]:
    """The map without the frequencies above each limit."""
    height, width = map_sizes(x)  # may be tensors
    rows, columns = _counted(height), _counted(width // 2 + 1)
    # How many columns each stands for, of the half of the spectrum that a real map has.
    shares = ops.cast(columns > 0, x.dtype) + ops.cast(2 * columns < width, x.dtype)
    wide = _stretched(BAND_MASK[1], columns, width // 2 + 1)
    high = _stretched(BAND_MASK[0], rows, height)
    high = ops.minimum(high, BAND_MASK[0] - high)  # as the rows behind the middle are negative
    found = []
    for limit in BAND_LIMITS:
        even, odd = _circulants(ops.cast(wide <= limit, x.dtype) * shares, columns, width)
        upright, skew = _circulants(ops.cast(high <= limit, x.dtype), rows, height)
        # The cosine of a sum; the sines cancel where both of each pair of rows pass.
        low = _along_rows(upright, even @ x) - _along_rows(skew, odd @ x)
        found.append(low)
    return found


def _circulants(shares: Any, numbers: Any, length: Any) -> tuple[Any, Any]:
    """Sums over frequencies k of cos(k * (i - j)) and of sin(k * (i - j)), by the share of each.

    Both are (length, length).
    """
    dtype = shares.dtype
    size = ops.cast(length, dtype)
    # Not `ops.cos` and `ops.sin`, which take float64 for float32 on JAX.
    one = ops.cast(ops.expand_dims(numbers, 1) == _counted(length), dtype)
    right, below = ops.fft((one, ops.zeros_like(one)))  # (frequencies, length)
    up = -below
    weighed, turned = (ops.transpose(part) * shares / size for part in (right, up))
    # Operators, because `ops.matmul` takes float64 for float32 on PyTorch.
    even = weighed @ right + turned @ up
    return even, turned @ right - weighed @ up


def _along_rows(matrix: Any, x: Any) -> Any:
    """The product of (height, height) with each column of (batch, height, width, channels)."""
    shape = ops.shape(x)
    flat = ops.reshape(x, (shape[0], shape[1], shape[2] * shape[3]))
    return ops.reshape(matrix @ flat, shape)


def _stretched(source: int, places: Any, length: Any) -> Any:
    """Which of `source` elements stands at each of `length` places, as in F.interpolate."""
    scale = ops.cast(source, "float32") / ops.cast(length, "float32")
    return ops.minimum(ops.floor(ops.cast(places, "float32") * scale), float(source - 1))


def _counted(length: Any) -> Any:
    return ops.arange(length, dtype="int32")
