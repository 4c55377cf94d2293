"""Warehouses: the cells that the layers of KernelWarehouse share."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod, sqrt
from typing import Any

import keras
from keras import ops

from odconv_keras.layers.spec_config import spec_from_config, spec_to_config
from odconv_spec import WarehouseSpec


@keras.saving.register_keras_serializable(package="odconv")
class Warehouse(keras.layers.Layer):
    """The cells (cells, out, in, *taps) of one warehouse, whatever it is called with.

    Layers that share it are called with its output beside their input, so that a functional model
    shows who takes cells from where. Their specs, and that of the warehouse, are those that
    `odconv_spec.share_warehouses` gives.

    Args:
        spec: of the warehouse.
        initializer: of the cells; None is Kaiming normal for the stretch of each layer.
        regularizer: of the cells.
        constraint: of the cells.
        **kwargs: `name`, `dtype` and `trainable`.

    Example:
        >>> options = {"in_channels": 8, "kernel_size": 3, "warehouse": "a"}
        >>> specs = [KWConvSpec(out_channels=8, **options), KWConvSpec(out_channels=16, **options)]
        >>> (first, second), manager = share_warehouses(specs)
        >>> x = keras.Input((9, 9, 8))
        >>> cells = Warehouse(manager.warehouses[0])(x)
        >>> y = KWConv2D.from_spec(second)(KWConv2D.from_spec(first)(x, cells), cells)
        >>> tuple(cells.shape), y.shape
        ((27, 8, 8, 1, 1), (None, 5, 5, 16))
    """

    def __init__(
        self,
        spec: WarehouseSpec,
        initializer: Any = None,
        regularizer: Any = None,
        constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.spec = spec
        self.initializer = keras.initializers.get(initializer)
        self.regularizer = keras.regularizers.get(regularizer)
        self.constraint = keras.constraints.get(constraint)

    def build(self, input_shape: Sequence[int | None]) -> None:
        self.cells = self.add_weight(
            name="cells",
            shape=self.spec.shape,
            initializer=self.initializer or PerStretch(self.spec.stretches),
            regularizer=self.regularizer,
            constraint=self.constraint,
        )

    def call(self, inputs: Any) -> Any:
        return ops.convert_to_tensor(self.cells)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int, ...]:
        return self.spec.shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "spec": spec_to_config(self.spec),
            "initializer": keras.initializers.serialize(self.initializer),
            "regularizer": keras.regularizers.serialize(self.regularizer),
            "constraint": keras.constraints.serialize(self.constraint),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Warehouse:
        return cls(**config | {"spec": spec_from_config(config["spec"])})


@keras.saving.register_keras_serializable(package="odconv")
class PerStretch(keras.initializers.Initializer):
    """Kaiming normal for the stretch of each layer, as if its cells were one kernel.

    Args:
        stretches: number of cells of each layer, in their order.
    """

    def __init__(self, stretches: Sequence[int]) -> None:
        self.stretches = tuple(stretches)

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        _, out, _, *taps = shape
        fans = [length * out * prod(taps) for length in self.stretches]
        drawn = [
            keras.random.normal((length, *shape[1:]), stddev=sqrt(2 / fan), dtype=dtype)
            for length, fan in zip(self.stretches, fans, strict=True)
            if length
        ]
        return ops.concatenate(drawn)

    def get_config(self) -> dict[str, Any]:
        return {"stretches": list(self.stretches)}
