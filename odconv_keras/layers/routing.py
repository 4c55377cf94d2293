"""The router of CondConv: one linear layer on the sample's mean, and a sigmoid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from odconv_keras.layers.data_format import data_format_or_default, to_channels_last
from odconv_keras.layers.linear import Linear
from odconv_keras.layers.pooling import global_mean


@keras.saving.register_keras_serializable(package="odconv")
class Routing(Linear):
    """Routing weights of CondConv, https://arxiv.org/abs/1904.04971, eq. 2.

    One router may serve several `CondConv2D(..., router="shared")`, as in the published blocks,
    where it sees the input of the block:

        >>> weights = Routing(8)(x)
        >>> y = CondConv2D(32, 1, router="shared")(x, weights)

    Takes (batch, *map, in), or (batch, in, *map) with `data_format="channels_first"`, and gives
    (batch, units), each weight between 0 and 1.

    Args:
        units: number of kernels, `kernel_num` of the convolutions.
        activation: what makes weights of the logits.
        data_format: "channels_last" or "channels_first"; None is the setting of Keras.
        **kwargs: those of `keras.layers.Dense`.
    """

    def __init__(
        self,
        units: int,
        activation: Any = "sigmoid",
        *,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, activation=activation, **kwargs)
        self.data_format = data_format_or_default(data_format)
        self.input_spec = keras.InputSpec(min_ndim=3)

    def build(self, input_shape: Sequence[int | None]) -> None:
        axis = -1 if self.data_format == "channels_last" else 1
        super().build((None, input_shape[axis]))
        self.input_spec = keras.InputSpec(min_ndim=3, axes={axis: input_shape[axis]})

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        pooled = global_mean(to_channels_last(inputs, self.data_format))  # (batch, in)
        return super().call(pooled)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (input_shape[0], self.units)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"data_format": self.data_format}
