"""Which cells of a warehouse the kernel of a layer of KernelWarehouse is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import TypeVar

from odconv_spec.dynamic import DynamicConvSpec
from odconv_spec.geometry import flag, real
from odconv_spec.kw_sharing import warehouse_of
from odconv_spec.warehouse import Ratios, Stretch, WarehouseManagerSpec, WarehouseSpec, own_cells

Spec = TypeVar("Spec", bound="KWCellsSpec")

MOST_RATIO = 1024.0


@dataclass(frozen=True, kw_only=True)
class KWCellsSpec(DynamicConvSpec):
    """How the kernel is cut into parts, and where the cells stand that the parts are mixtures of.

    `KWAttentionSpec` says how they are weighed, `KWConvSpec` what the options are.
    """

    cell_num_ratio: float = 1.0
    cell_inplane_ratio: float = 1.0
    cell_outplane_ratio: float = 1.0
    spatial_partition: bool = True
    stretch: Stretch | None = None
    warehouse: str = field(default="", metadata={"backbone": True})

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("cell_num_ratio", "cell_inplane_ratio", "cell_outplane_ratio"):
            self._normal(name, real(name, getattr(self, name), 0, MOST_RATIO))
        flag("spatial_partition", self.spatial_partition)
        if self.stretch is not None:
            number, cells, cell, start = self.stretch
            self._normal("stretch", Stretch(number, cells, tuple(cell), start))
        elif not self.warehouse:
            warehouse_of([self])  # raises where no cells fit

    def taking(self: Spec, stretch: Stretch) -> Spec:
        """The layer with that place in a warehouse that it shares.

        Returns:
            The spec with that `stretch`.
        """
        return replace(self, stretch=stretch)

    @property
    def shares(self) -> bool:
        """Whether the warehouse is a network's.

        Returns:
            False where the layer has a warehouse of its own.
        """
        return self.stretch is not None

    @property
    def place(self) -> Stretch:
        """The layer's stretch, in a warehouse of the network or of its own.

        Returns:
            Number of the warehouse, its cells, their shape, and the layer's first cell.
        """
        return self.stretch or Stretch(0, self._own.cells, self._own.cell, 0)

    @cached_property
    def _own(self) -> WarehouseSpec:
        return warehouse_of([self])

    @property
    def manager(self) -> WarehouseManagerSpec | None:
        """The layer's own warehouse, None where it shares one.

        Returns:
            The spec of one warehouse, or None.
        """
        return None if self.shares else WarehouseManagerSpec((self._own,))

    @property
    def ratios(self) -> Ratios:
        """What the shape and the number of cells follow from.

        Returns:
            The ratios of cells, input and output channels.
        """
        return Ratios(self.cell_num_ratio, self.cell_inplane_ratio, self.cell_outplane_ratio)

    def parts_of(self, cell: Sequence[int]) -> tuple[int, int, int]:
        """How many cells make up the kernel: along its taps, its outputs and its inputs.

        Returns:
            Three numbers, whose product is the number of mixtures.
        """
        out, inputs, *taps = self.kernel_shape
        spatial = prod(taps) // prod(cell[2:])
        return spatial, out // cell[0], inputs // cell[1]

    @property
    def mixtures(self) -> int:
        """Cells that make up the kernel, each of them a mixture of all in the warehouse.

        Returns:
            A number of cells.
        """
        return prod(self.parts_of(self.place.cell))

    def start_cells(self) -> tuple[int, ...]:
        """The cell that each mixture starts as, in an annealing; the zero cell is the last.

        Returns:
            A number for each mixture.
        """
        _, cells, _, start = self.place
        own = own_cells(self.mixtures, self.cell_num_ratio)
        return tuple(cells if cell is None else start + cell for cell in own)
