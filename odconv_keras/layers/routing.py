"""The router of CondConv: one linear layer on the sample's mean, and a sigmoid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from odconv_keras.layers.attributes import serialized
from odconv_keras.layers.data_format import data_format_or_default, to_channels_last
from odconv_keras.layers.pooling import global_mean
from odconv_keras.layers.precision import unquantised
from odconv_spec import LinearSpec
from odconv_spec.geometry import whole


@keras.saving.register_keras_serializable(package="odconv")
class Routing(keras.layers.Layer):
    """Routing weights of CondConv, https://arxiv.org/abs/1904.04971, eq. 2.

    One router may serve several `CondConv2D(..., router="shared")`, as in the published blocks,
    where it sees the input of the block:

        >>> x = keras.ops.ones((2, 8, 9, 16))
        >>> weights = Routing(8)(x)
        >>> tuple(CondConv2D(32, 1, router="shared")(x, weights).shape)
        (2, 8, 9, 32)

    Takes (batch, *map, in), or (batch, in, *map) with `data_format="channels_first"`, and gives
    (batch, units), each weight between 0 and 1. As the layers of attentions it is no
    `keras.layers.Dense`, see `Pointwise`, but takes its arguments and stores what it stores.

    Args:
        units: number of kernels, `kernel_num` of the convolutions.
        activation: what makes weights of the logits.
        use_bias: adds an offset to the logits.
        kernel_initializer: of the kernel, (in, units).
        bias_initializer: of the bias, (units,).
        kernel_regularizer: of the kernel.
        bias_regularizer: of the bias.
        activity_regularizer: of the output.
        kernel_constraint: of the kernel.
        bias_constraint: of the bias.
        data_format: "channels_last" or "channels_first"; None is the setting of Keras.
        **kwargs: `name`, `dtype` and `trainable`.
    """

    def __init__(
        self,
        units: int,
        activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        *,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        unquantised(self)
        self.units = whole("units", units, 1)
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.data_format = data_format_or_default(data_format)
        self.input_spec = keras.InputSpec(min_ndim=3)
        self.supports_masking = True

    def build(self, input_shape: Sequence[int | None]) -> None:
        axis = -1 if self.data_format == "channels_last" else 1
        width: Any = input_shape[axis]
        self.spec = LinearSpec(width, self.units)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(width, self.units),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.units,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.input_spec = keras.InputSpec(min_ndim=3, axes={axis: width})

    def call(self, inputs: Any) -> Any:
        pooled = global_mean(to_channels_last(inputs, self.data_format))  # (batch, in)
        # The operator, because `ops.matmul` takes float64 for float32 on PyTorch.
        logits = pooled @ self.kernel
        logits = logits if self.bias is None else logits + self.bias  # (batch, units)
        return logits if self.activation is None else self.activation(logits)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (input_shape[0], self.units)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config |= {name: getattr(self, name) for name in ("units", "use_bias", "data_format")}
        return config | serialized(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Routing:
        """The router of a configuration, also of one of earlier versions, where it was a `Dense`.

        Args:
            config: what `get_config` gave.

        Returns:
            A router that is not built.

        Raises:
            ValueError: the `Dense` was quantised or had LoRA.
        """
        # Files of earlier versions, where the router was a Dense, name the options of that.
        dense = {"lora_rank", "lora_alpha", "quantization_config"}
        if given := sorted(key for key in dense if config.get(key) is not None):
            raise ValueError(f"expected a plain router, received a config with {given}")
        return cls(**{key: value for key, value in config.items() if key not in dense})
