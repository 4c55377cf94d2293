"""The attention of KernelWarehouse: a linear mixture of cells for each part of a kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from odconv_keras.layers.build_static import build_norm
from odconv_keras.layers.init import kaiming_normal
from odconv_keras.layers.linear import Linear
from odconv_keras.layers.pooling import global_mean
from odconv_keras.layers.spec_config import spec_from_config, spec_to_config
from odconv_keras.layers.temperature import Tempered
from odconv_spec import KWConvSpec, LinearSpec
from odconv_spec.schedule import BLEND

_LEAST_SIZE = 1e-3  # of the weights of a mixture together


@keras.saving.register_keras_serializable(package="odconv")
class KWAttention(Tempered):
    """Global mean, two linear layers with a batch norm and a ReLU between, weights of all cells.

    The weights of a mixture may be negative, and their absolute values add up to one. At
    temperature T they give way, by the share T, to the cell that the mixture starts as.

    Takes (batch, *map, in) and gives (batch * mixtures, cells).

    Args:
        spec: of the convolution.
        **kwargs: `name`, `dtype` and `trainable`.

    Example:
        >>> spec = KWConvSpec(in_channels=16, out_channels=32, kernel_size=3)
        >>> tuple(KWAttention(spec)(keras.ops.ones((2, 8, 9, 16))).shape)
        (18, 9)
    """

    annealing = BLEND
    basis_bias: keras.Variable | None = None

    def __init__(self, spec: KWConvSpec, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spec = spec

    def build(self, input_shape: Sequence[int | None]) -> None:
        self.add_temperature()
        spec, fc3 = self.spec, self.spec.fc3()
        if fc3:
            self.basis_bias = self.add_weight(
                name="basis_bias", shape=(spec.logits,), initializer="zeros"
            )
        self.fc1 = self._linear(spec.fc1(), "fc1")
        self.norm1 = build_norm(spec.norm1(), name="norm1", dtype=self.dtype_policy)
        self.norm1.build((None, spec.hidden_channels))
        self.fc2 = self._linear(spec.fc2(), "fc2")
        self.fc3: Any = self._linear(fc3, "fc3") if fc3 else None

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        count = self.spec.place.cells + 1
        hidden = ops.relu(self.norm1(self.fc1(global_mean(inputs)), training=training))
        logits = self.fc2(hidden) if self.basis_bias is None else self._basis_logits(hidden)
        z = ops.reshape(logits, (-1, count))  # (batch * mixtures, cells and the zero cell)
        sizes = ops.sum(ops.abs(z), axis=1, keepdims=True) + _LEAST_SIZE
        return self._blended(z / sizes)[:, : count - 1]

    def _basis_logits(self, hidden: Any) -> Any:
        """The layer's own cells one by one, those of others through a basis, in their order."""
        local, basis, start = self.spec.local_cells, self.spec.basis, self.spec.place.start
        found = ops.reshape(self.fc2(hidden), (-1, local + basis + 1))
        own, few, zero = found[:, :local], found[:, local:-1], found[:, -1:]
        far = self.fc3(few)  # (batch * mixtures, cells of others)
        columns = ops.concatenate([far[:, :start], own, far[:, start:], zero], axis=1)
        return ops.reshape(columns, (-1, self.spec.logits)) + self.basis_bias

    def _blended(self, weights: Any) -> Any:
        """The weights, and by the share T the cells that the mixtures start as."""
        count = weights.shape[1]
        temperature = ops.cast(self.temperature, weights.dtype)
        start = ops.cast(self.start(), weights.dtype)
        own = ops.reshape(weights, (-1, *start.shape)) * (1 - temperature)
        return ops.reshape(own + temperature * start, (-1, count))

    def start(self) -> Any:
        """(mixtures, cells + 1): one at the cell that a mixture starts as.

        It follows from the spec, so that no file has it.

        Returns:
            Zeros and ones.
        """
        return ops.one_hot(list(self.spec.start_cells()), self.spec.place.cells + 1)

    def _linear(self, spec: LinearSpec, name: str) -> Linear:
        """Kaiming normal over the fan-out, a bias of zeros."""
        layer = Linear(
            spec.out_channels,
            use_bias=spec.bias,
            kernel_initializer=kaiming_normal(),
            name=name,
            dtype=self.dtype_policy,
        )
        layer.build((None, spec.in_channels))
        return layer

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"spec": spec_to_config(self.spec)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> KWAttention:
        return cls(**config | {"spec": spec_from_config(config["spec"])})
