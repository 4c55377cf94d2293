"""Which layers of KernelWarehouse share cells, and which of the cells are whose."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import prod
from typing import Protocol, TypeVar

from odconv_spec.warehouse import (
    Ratios,
    Stretch,
    WarehouseManagerSpec,
    WarehouseSpec,
    cell_of,
    stretches,
)

Layer = TypeVar("Layer", bound="Sharing")


class Sharing(Protocol):
    """What is used here of a `KWConvSpec`, whose module imports this one."""

    @property
    def warehouse(self) -> str: ...

    @property
    def cell_num_ratio(self) -> float: ...

    @property
    def spatial_partition(self) -> bool: ...

    @property
    def ratios(self) -> Ratios: ...

    @property
    def kernel_shape(self) -> tuple[int, ...]: ...

    def parts_of(self, cell: Sequence[int]) -> tuple[int, int, int]: ...

    def taking(self: Layer, stretch: Stretch) -> Layer: ...


def share_warehouses(
    layers: Sequence[Layer],
) -> tuple[tuple[Layer, ...], WarehouseManagerSpec]:
    """Gives layers that name the same `warehouse` cells to share.

    Args:
        layers: in the order in which the network has them, which is that of their stretches.

    Returns:
        The layers with their stretches, and the warehouses of the network.

    Raises:
        ValueError: cells do not fit, or layers share a warehouse and differ in its options.

    Example:
        >>> options = {"in_channels": 8, "kernel_size": 3, "warehouse": "a"}
        >>> layers = [KWConvSpec(out_channels=8, **options), KWConvSpec(out_channels=16, **options)]
        >>> layers, manager = share_warehouses(layers)
        >>> manager.warehouses[0].shape, [layer.place.start for layer in layers]
        ((27, 8, 8, 1, 1), [0, 9])
    """
    names = list(dict.fromkeys(layer.warehouse for layer in layers))
    groups = ([layer for layer in layers if layer.warehouse == name] for name in names)
    made = dict(zip(names, map(warehouse_of, groups), strict=True))
    ends = {name: accumulate(w.stretches, initial=0) for name, w in made.items()}
    shared = tuple(
        layer.taking(
            Stretch(names.index(name), made[name].cells, made[name].cell, next(ends[name]))
        )
        for name, layer in ((layer.warehouse, layer) for layer in layers)
    )
    return shared, WarehouseManagerSpec(tuple(made.values()))


def warehouse_of(layers: Sequence[Layer]) -> WarehouseSpec:
    """The warehouse that the layers share. Raises ValueError where they cannot."""
    first = layers[0]
    for layer in layers:
        if (layer.ratios, layer.spatial_partition) != (first.ratios, first.spatial_partition):
            raise ValueError(
                f"warehouse {first.warehouse!r}: expected layers with the same ratios and "
                f"partition, received {first.ratios} and {layer.ratios}"
            )
    kernels = [layer.kernel_shape for layer in layers]
    cell = cell_of(kernels, first.ratios, first.spatial_partition)
    mixtures = [prod(layer.parts_of(cell)) for layer in layers]
    return WarehouseSpec(cell, stretches(mixtures, first.cell_num_ratio))
