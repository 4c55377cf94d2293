"""Warehouses: the cells that the layers of KernelWarehouse share."""

from __future__ import annotations

from math import prod, sqrt
from typing import Any

import paddle
from paddle import ParamAttr, nn
from paddle.nn.initializer import Normal

from odconv_paddle.layers.init import refuse_lazy
from odconv_spec import WarehouseManagerSpec, WarehouseSpec


class WarehouseManager(nn.Layer):
    """The cells of all warehouses of a network, one parameter (cells, out, in, *taps) for each.

    Layers are made of the specs that `odconv_spec.share_warehouses` gives, and read the cells here
    once `serve` told them to. They do not register them a second time.

    Args:
        spec: of the warehouses.
        weight_attr: `paddle.ParamAttr` of the cells.

    Example:
        >>> options = {"in_channels": 8, "kernel_size": 3, "warehouse": "a"}
        >>> specs = [KWConvSpec(out_channels=8, **options), KWConvSpec(out_channels=16, **options)]
        >>> specs, spec = share_warehouses(specs)
        >>> net = nn.Sequential(*map(KWConv2D.from_spec, specs))
        >>> net.warehouse_manager = WarehouseManager(spec).serve(net)
        >>> [tuple(cells.shape) for cells in net.warehouse_manager.weights]
        [(27, 8, 8, 1, 1)]
    """

    def __init__(self, spec: WarehouseManagerSpec, weight_attr: Any = None) -> None:
        super().__init__()
        self.spec = spec
        attr = ParamAttr._to_attr(weight_attr)
        self.weights = nn.ParameterList(
            [
                self.create_parameter(
                    list(warehouse.shape), attr=attr, default_initializer=Normal(0.0, 1.0)
                )
                for warehouse in spec.warehouses
            ]
        )
        if attr.initializer is None:
            with paddle.no_grad():
                for cells, warehouse in zip(self.weights, spec.warehouses, strict=True):
                    refuse_lazy(cells, type(self).__name__)
                    cells.set_value(cells * _deviations(warehouse, cells))

    def serve(self, network: nn.Layer) -> WarehouseManager:
        """Lets every layer in `network` that shares a warehouse read the cells of this manager.

        Returns:
            This manager.
        """
        for layer in network.sublayers(include_self=True):
            take = getattr(layer, "take_cells_from", None)
            if take is not None:
                take(self)
        return self

    def extra_repr(self) -> str:
        return f"cells={[warehouse.shape for warehouse in self.spec.warehouses]}"


def _deviations(spec: WarehouseSpec, like: paddle.Tensor) -> paddle.Tensor:
    """(cells, 1, 1, *ones): Kaiming normal for each stretch, as if it were a kernel."""
    out, _, *taps = spec.cell
    lengths = [length for length in spec.stretches for _ in range(length)]
    found = [sqrt(2 / (length * out * prod(taps))) for length in lengths]
    return paddle.to_tensor(found, dtype=like.dtype).reshape([-1, *[1] * (like.ndim - 1)])
