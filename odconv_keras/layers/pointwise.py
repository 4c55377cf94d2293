"""The 1x1 convolutions of attentions, which see maps of one position."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from odconv_keras.layers.init import kaiming_normal
from odconv_keras.layers.spec_config import spec_from_config, spec_to_config
from odconv_spec import ConvSpec


@keras.saving.register_keras_serializable(package="odconv")
class Pointwise(keras.layers.Layer):
    """A 1x1 convolution of maps of one position: (batch, *ones, in) to (batch, *ones, out).

    It stores what Keras' convolutions store and is none, nor a `keras.layers.Dense`: code that goes
    over a model's convolutions to start, adapt, prune or quantise them shall not take an attention
    for one. Its start is what dynamic convolutions train from.

    Args:
        spec: a convolution of one tap, whose `rank` is the number of axes of the map.
        head_init: "published" starts at Kaiming normal over the fan-out, "zero" at zero.
        **kwargs: `name`, `dtype` and `trainable`.

    Example:
        >>> spec = ConvSpec(in_channels=16, out_channels=4, kernel_size=1, bias=True)
        >>> tuple(Pointwise(spec)(keras.ops.ones((2, 1, 1, 16))).shape)
        (2, 1, 1, 4)
    """

    def __init__(self, spec: ConvSpec, head_init: str = "published", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spec = spec
        self.head_init = head_init

    def build(self, input_shape: Sequence[int | None]) -> None:
        out, inputs, *ones = self.spec.kernel_shape
        self._widths, self._ones = (inputs, out), tuple(ones)
        start, bias_start = self._starts()
        # (*ones, in, out)
        self.kernel = self.add_weight(name="kernel", shape=(*ones, inputs, out), initializer=start)
        self.bias = None
        if self.spec.bias:
            self.bias = self.add_weight(name="bias", shape=(out,), initializer=bias_start)

    def call(self, inputs: Any) -> Any:
        width, out = self._widths
        # The operator, because `ops.matmul` takes float64 for float32 on PyTorch.
        y = ops.reshape(inputs, (-1, width)) @ ops.reshape(self.kernel, (width, out))
        y = y if self.bias is None else y + self.bias  # (batch, out)
        return ops.reshape(y, (-1, *self._ones, out))

    def _starts(self) -> tuple[Any, Any]:
        """Of the kernel and of the bias."""
        return "zeros" if self.head_init == "zero" else kaiming_normal(), "zeros"

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.spec.out_channels)

    def get_config(self) -> dict[str, Any]:
        own = {"spec": spec_to_config(self.spec), "head_init": self.head_init}
        return super().get_config() | own

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Pointwise:
        return cls(**config | {"spec": spec_from_config(config["spec"])})
