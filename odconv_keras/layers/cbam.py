"""Convolutional block attention."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from odconv_keras.layers.build_static import build_norm, build_static_conv
from odconv_keras.layers.chain import Chain
from odconv_keras.layers.data_format import from_channels_last, to_channels_last
from odconv_keras.layers.pooling import global_max, global_mean, largest
from odconv_keras.layers.precision import at_least_single, mean
from odconv_keras.layers.recalibration import Recalibration, beside, gate, gate_layers, scaled
from odconv_spec import CBAMSpec


@keras.saving.register_keras_serializable(package="odconv")
class CBAM(Recalibration):
    """Convolutional block attention, https://arxiv.org/abs/1807.06521.

    Two small layers see the mean and the maximum over the map and give a factor for each channel;
    a convolution then sees the maximum and the mean over the channels and gives one for each
    position:

        y = x * sigmoid(mlp(mean(x)) + mlp(max(x)))
        z = y * sigmoid(norm(conv([max(y), mean(y)])))

    Keeps the shape of its input. The arrays are those of
    https://github.com/Jongchan/attention-module. The spatial gate starts at a half everywhere.

    Args:
        reduction: channels over the hidden width, which is rounded down, to 1 at least.
        hidden_channels: the hidden width itself.
        mlp_bias: gives the two layers biases, as the published code does and the paper does not.
        spatial: whether there is a factor for each position.
        kernel_size: taps of the convolution along each axis, an odd number.
        rank: number of axes of the map.
        data_format: "channels_last" or "channels_first"; None is the setting of Keras.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: an option is out of range, or does not go with the channels of the input.

    Example:
        >>> tuple(CBAM()(keras.ops.ones((2, 8, 9, 64))).shape)
        (2, 8, 9, 64)
    """

    spec_class = CBAMSpec
    rank: int
    spatial: bool

    def __init__(
        self,
        reduction: int = 16,
        *,
        hidden_channels: int | None = None,
        mlp_bias: bool = True,
        spatial: bool = True,
        kernel_size: int = 7,
        rank: int = 2,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        spec = CBAMSpec(
            reduction=reduction,
            hidden_channels=hidden_channels,
            mlp_bias=mlp_bias,
            spatial=spatial,
            kernel_size=kernel_size,
            rank=rank,
        )
        super().__init__(spec, data_format=data_format, **kwargs)

    def gates(self, inputs: Any) -> dict[str, Any]:
        found = super().gates(inputs)
        if self.spatial:
            x = to_channels_last(ops.convert_to_tensor(inputs), self.data_format)
            found["spatial"] = self.SpatialGate(scaled(x, found["channel"]))
        return found

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        x = to_channels_last(inputs, self.data_format)
        y = scaled(x, self._channel_gate(x))
        y = scaled(y, self.SpatialGate(y, training=training)) if self.spatial else y
        return from_channels_last(y, self.data_format)

    def build(self, input_shape: Any) -> None:
        """Makes the layers of both gates.

        Args:
            input_shape: of the map, the batch included.

        Raises:
            ValueError: the map has another rank.
        """
        if len(input_shape) != self.rank + 2:
            raise ValueError(
                f"CBAM: expected an input of {self.rank + 2} axes for rank={self.rank}, received "
                f"the shape {input_shape}"
            )
        super().build(input_shape)

    def _build_gates(self) -> None:
        options = {"dtype": self.dtype_policy}
        self.ChannelGate = _ChannelGate(self.spec, name="ChannelGate", **options)
        self.ChannelGate.build((None, *[None] * self.rank, self.spec.channels))
        if self.spatial:
            self.SpatialGate = _SpatialGate(self.spec, name="SpatialGate", **options)
            self.SpatialGate.build((None, *[None] * self.rank, self.spec.channels))

    def _channel_gate(self, x: Any) -> Any:
        return self.ChannelGate(x)


class _ChannelGate(keras.layers.Layer):
    """(batch, *map, channels) to a factor for each channel, (batch, *ones, channels)."""

    def __init__(self, spec: CBAMSpec, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        policy = self.dtype_policy
        layers = gate_layers(spec.squeeze(), spec.excite(), policy, zero_bias=True)
        first = keras.layers.Identity(dtype=policy)  # the published code flattens first
        self.mlp = Chain((first, *layers), name="mlp", dtype=policy)

    def build(self, input_shape: Any) -> None:
        self.mlp.build((None, input_shape[-1]))

    def call(self, inputs: Any) -> Any:
        logits = self.mlp(global_mean(inputs)) + self.mlp(global_max(inputs))
        return beside(inputs, gate(logits))


class _SpatialGate(keras.layers.Layer):
    """(batch, *map, channels) to a factor for each position, (batch, *map, 1)."""

    def __init__(self, spec: CBAMSpec, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spatial = _ConvNorm(spec, name="spatial", dtype=self.dtype_policy)

    def build(self, input_shape: Any) -> None:
        self.spatial.build((*input_shape[:-1], 2))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        maximum = largest(inputs, -1)
        average = ops.cast(mean(at_least_single(inputs), (-1,), keepdims=True), inputs.dtype)
        return gate(self.spatial(ops.concatenate([maximum, average], -1), training=training))


class _ConvNorm(keras.layers.Layer):
    """The convolution of the spatial gate, and its norm."""

    def __init__(self, spec: CBAMSpec, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.conv = build_static_conv(spec.spatial_conv(), name="conv", dtype=policy)
        # As published: a half everywhere at the start.
        start = {"gamma_initializer": "zeros"}
        self.bn = build_norm(spec.spatial_norm(), name="bn", dtype=policy, **start)

    def build(self, input_shape: Any) -> None:
        self.conv.build(input_shape)
        self.bn.build((*input_shape[:-1], 1))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return self.bn(self.conv(inputs), training=training)
