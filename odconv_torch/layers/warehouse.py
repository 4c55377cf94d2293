"""Warehouses: the cells that the layers of KernelWarehouse share."""

from __future__ import annotations

from collections.abc import Callable
from math import prod, sqrt
from typing import TypeVar

import torch
from torch import nn

from odconv_spec import WarehouseManagerSpec
from odconv_torch.layers.memory_format import passing_by

Device = torch.device | str | None
Module = TypeVar("Module", bound="WarehouseManager")


class WarehouseManager(nn.Module):
    """The cells of all warehouses of a network, one parameter (cells, out, in, *taps) for each.

    Layers are made of the specs that `odconv_spec.share_warehouses` gives, and read the cells here
    once `serve` told them to. They do not register them a second time.

    Args:
        spec: of the warehouses.
        device: where the parameters live.
        dtype: of the parameters.

    Example:
        >>> options = {"in_channels": 8, "kernel_size": 3, "warehouse": "a"}
        >>> specs = [KWConvSpec(out_channels=8, **options), KWConvSpec(out_channels=16, **options)]
        >>> specs, spec = share_warehouses(specs)
        >>> net = nn.Sequential(*map(KWConv2d.from_spec, specs))
        >>> net.warehouse_manager = WarehouseManager(spec).serve(net)
        >>> [tuple(cells.shape) for cells in net.warehouse_manager.weights]
        [(27, 8, 8, 1, 1)]
    """

    def __init__(
        self, spec: WarehouseManagerSpec, device: Device = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.spec = spec
        self.weights = nn.ParameterList(
            nn.Parameter(torch.empty(warehouse.shape, device=device, dtype=dtype))
            for warehouse in spec.warehouses
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Kaiming normal for the stretch of each layer, as if it were one kernel."""
        for cells, warehouse in zip(self.weights, self.spec.warehouses, strict=True):
            out, _, *taps = warehouse.cell
            for stretch in cells.split(list(warehouse.stretches)):
                if len(stretch):
                    nn.init.normal_(stretch, std=sqrt(2 / (len(stretch) * out * prod(taps))))

    def serve(self, network: nn.Module) -> WarehouseManager:
        """Lets every layer in `network` that shares a warehouse read the cells of this manager.

        Returns:
            This manager.
        """
        for module in network.modules():
            take = getattr(module, "take_cells_from", None)
            if take is not None:
                take(self)
        return self

    def _apply(self: Module, fn: Callable[..., torch.Tensor], recurse: bool = True) -> Module:
        """Lets `to(memory_format=torch.channels_last)` pass by the cells, which have five axes."""
        return super()._apply(passing_by(self.weights, fn), recurse)

    def extra_repr(self) -> str:
        return f"cells={[warehouse.shape for warehouse in self.spec.warehouses]}"
