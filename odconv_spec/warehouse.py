"""Warehouses of cells, which the layers of KernelWarehouse put their kernels together from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import Final, NamedTuple

from odconv_spec.parameters import Parameter, Role

MANAGER: Final = "warehouse_manager"
"""The attribute of a network, or of a layer that shares nothing, that holds its warehouses."""
LIST: Final = "weights"
"""The attribute of the manager that lists them."""


class Stretch(NamedTuple):
    """What a layer knows of the warehouse that it takes cells from.

    Attributes:
        warehouse: its number in the manager.
        cells: how many it has.
        cell: shape of one, (out, in, *taps).
        start: the first cell of the layer's own stretch. Layers follow each other in the order in
            which the network has them.
    """

    warehouse: int
    cells: int
    cell: tuple[int, ...]
    start: int


class Ratios(NamedTuple):
    """How a warehouse follows from its layers, see `KWConvSpec`."""

    cells: float = 1.0
    inplane: float = 1.0
    outplane: float = 1.0


@dataclass(frozen=True)
class WarehouseSpec:
    """Cells of one shape. `stretches` are the numbers of cells of each layer, in their order.

    Example:
        >>> spec = WarehouseSpec(cell=(16, 16, 1, 1), stretches=(36, 72))
        >>> spec.cells, spec.shape
        (108, (108, 16, 16, 1, 1))
    """

    cell: tuple[int, ...]
    stretches: tuple[int, ...]

    @property
    def cells(self) -> int:
        """Cells of all layers.

        Returns:
            A number of cells.
        """
        return sum(self.stretches)

    @property
    def shape(self) -> tuple[int, ...]:
        """(cells, out, in, *taps)

        Returns:
            The shape of the stored array.
        """
        return (self.cells, *self.cell)


@dataclass(frozen=True)
class WarehouseManagerSpec:
    """All warehouses of a network, or the only one of a layer that shares none.

    Example:
        >>> manager = model_spec("kw_resnet18").warehouses
        >>> [p.shape for p in manager.parameters()][:2]
        [(56, 64, 64, 1, 1), (47, 128, 128, 1, 1)]
    """

    warehouses: tuple[WarehouseSpec, ...]

    def own_parameters(self) -> tuple[Parameter, ...]:
        """The cells, an array for each warehouse.

        Returns:
            Name, role and shape of each array.
        """
        return tuple(
            Parameter(f"{LIST}.{number}", Role.CELLS, warehouse.shape)
            for number, warehouse in enumerate(self.warehouses)
        )

    def parameters(self) -> tuple[Parameter, ...]:
        """The cells, an array for each warehouse.

        Returns:
            Name, role and shape of each array.
        """
        return self.own_parameters()


def cell_of(kernels: list[tuple[int, ...]], ratios: Ratios, partition: bool) -> tuple[int, ...]:
    """The shape of a cell, (out, in, *taps), for layers with these kernels.

    Args:
        kernels: (out, in // groups, *kernel) of each layer.
        ratios: of the cell's channels to the greatest common divisor of those of the layers.
        partition: whether a cell has one tap, or all taps of a kernel.

    Raises:
        ValueError: cells have all taps and the kernels differ in these; or a cell's channels do not
            divide those of a layer.
    """
    taps = {kernel[2:] for kernel in kernels}
    if not partition and len(taps) > 1:
        raise ValueError(
            "spatial_partition: expected True where kernels of several sizes share a warehouse, "
            f"received False beside {sorted(taps)}"
        )
    ones = (1,) * (len(kernels[0]) - 2)
    channels = (
        _channels("cell_outplane_ratio", [kernel[0] for kernel in kernels], ratios.outplane),
        _channels("cell_inplane_ratio", [kernel[1] for kernel in kernels], ratios.inplane),
    )
    return (*channels, *(ones if partition else taps.pop()))


def _channels(option: str, widths: list[int], ratio: float) -> int:
    common = gcd(*widths)
    found = max(int(common * ratio), 1)
    if common % found:
        divisors = (number for number in range(1, common + 1) if common % number == 0)
        nearest = min(divisors, key=lambda number: abs(number - found))
        raise ValueError(
            f"{option}: expected cells whose channels divide those of their layers, {widths}, "
            f"received {ratio} for {found} channels; the nearest is {nearest / common:g}, for "
            f"{nearest}"
        )
    return found


def own_cells(mixtures: int, ratio: float) -> tuple[int | None, ...]:
    """Which cell of its layer's stretch each mixture starts as; None for the zero cell.

    With a ratio of cells to mixtures below one, most mixtures start as nothing, in a pattern in
    which each row and each column of a square of mixtures has one that does not.

    Args:
        mixtures: that make up the kernel.
        ratio: of the cells.

    Example:
        >>> own_cells(3, 2.0), own_cells(4, 0.5)
        ((0, 2, 4), (0, None, None, 1))
    """
    if ratio >= 1:
        return tuple(index * int(ratio) for index in range(mixtures))
    period = int(1 / ratio)
    found: list[int | None] = []
    taken = 0
    for index in range(mixtures):
        starts = index % period == index // period % period
        found.append(taken if starts else None)
        taken += starts
    return tuple(found)


def stretches(mixtures: Sequence[int], ratio: float) -> tuple[int, ...]:
    """How many cells the stretch of each layer has.

    Args:
        mixtures: of each layer.
        ratio: of the cells of all to their mixtures.

    Raises:
        ValueError: there would be cells that no mixture starts as, or too few.
    """
    found = _stretches(mixtures, ratio)
    if sum(found) != _cells(mixtures, ratio):
        ratios = [1 / number for number in range(1, 17)] + [float(n) for n in range(2, 17)]
        legal = (r for r in ratios if sum(_stretches(mixtures, r)) == _cells(mixtures, r))
        nearest = min(legal, key=lambda other: abs(other - ratio))
        raise ValueError(
            "cell_num_ratio: expected a whole number, or one over it with which each of the "
            f"{_cells(mixtures, ratio)} cells is one that a mixture starts as, received {ratio:g} "
            f"for {sum(mixtures)} mixtures, of which {sum(found)} start as a cell; the nearest is "
            f"{nearest:g}"
        )
    return found


def _cells(mixtures: Sequence[int], ratio: float) -> int:
    return max(int(sum(mixtures) * ratio), 1)


def _stretches(mixtures: Sequence[int], ratio: float) -> tuple[int, ...]:
    if ratio >= 1:
        return tuple(count * int(ratio) for count in mixtures)
    starts = (own_cells(count, ratio) for count in mixtures)
    return tuple(sum(cell is not None for cell in own) for own in starts)
