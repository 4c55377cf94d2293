"""The attention of DyConv: how much of each kernel a sample takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from odconv_keras.layers.pointwise import Pointwise
from odconv_keras.layers.pooling import global_mean
from odconv_keras.layers.precision import softmax
from odconv_keras.layers.spec_config import spec_from_config, spec_to_config
from odconv_keras.layers.temperature import Tempered
from odconv_spec import DyConvSpec


@keras.saving.register_keras_serializable(package="odconv")
class DyAttention(Tempered):
    """Global mean, 1x1 convolution, ReLU, 1x1 convolution, softmax of the logits / temperature.

    Takes (batch, *map, in) and gives (batch, kernel_num), which adds up to one in each sample.

    Args:
        spec: of the convolution whose kernels are weighed.
        **kwargs: `name`, `dtype` and `trainable`.

    Example:
        >>> spec = DyConvSpec(in_channels=16, out_channels=32, kernel_size=3)
        >>> keras.ops.convert_to_numpy(DyAttention(spec)(keras.ops.ones((1, 8, 9, 16)))).tolist()
        [[0.25, 0.25, 0.25, 0.25]]
    """

    def __init__(self, spec: DyConvSpec, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spec = spec

    def build(self, input_shape: Sequence[int | None]) -> None:
        self.add_temperature()
        spec, policy = self.spec, self.dtype_policy
        ones = (1,) * spec.rank  # the pooled map
        self.fc1 = Pointwise(spec.fc1(), name="fc1", dtype=policy)
        self.fc1.build((None, *ones, spec.in_channels))
        self.fc2 = Pointwise(spec.fc2(), spec.head_init, name="fc2", dtype=policy)
        self.fc2.build((None, *ones, spec.attention_channels))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        pooled = global_mean(inputs, keepdims=True)  # (batch, *ones, in)
        logits = self.fc2(ops.relu(self.fc1(pooled)))  # (batch, *ones, kernel_num)
        return softmax(ops.reshape(logits, (-1, self.spec.kernel_num)), self.temperature)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"spec": spec_to_config(self.spec)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DyAttention:
        return cls(**config | {"spec": spec_from_config(config["spec"])})
