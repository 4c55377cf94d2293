"""How a layer of KernelWarehouse weighs the cells that the parts of its kernel are mixtures of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from odconv_spec.geometry import real
from odconv_spec.kw_cells import MOST_RATIO, KWCellsSpec
from odconv_spec.kw_evidence import REDUCTION, hidden_width
from odconv_spec.linear import LinearSpec
from odconv_spec.norm import NormSpec
from odconv_spec.parameters import Parameter, Role, under

_LEAST_BASIS = 16


@dataclass(frozen=True, kw_only=True)
class KWAttentionSpec(KWCellsSpec):
    """The options and arrays of what weighs the cells of a kernel.

    Two linear layers on the mean over the map weigh all cells for each mixture. In the non-local
    form the second weighs the layer's own cells and a basis, which a third turns into weights of
    the cells of other layers.
    """

    sign: ClassVar[str] = "attention.norm1.weight"
    reads: ClassVar[str] = "attention.fc1.weight"
    linear: ClassVar[tuple[str, ...]] = ("attention.fc1", "attention.fc2", "attention.fc3")
    inner_roles: ClassVar[Mapping[str, tuple[Role, ...]]] = {"attention": (Role.BASIS_BIAS,)}
    has_temperature: ClassVar[bool] = True

    reduction: float = REDUCTION
    nonlocal_basis_ratio: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("reduction", "nonlocal_basis_ratio"):
            self._normal(name, real(name, getattr(self, name), 0, MOST_RATIO))

    @property
    def hidden_channels(self) -> int:
        """Hidden width of the attention.

        Returns:
            A number of channels.
        """
        return hidden_width(self.in_channels, self.reduction)

    @property
    def local_cells(self) -> int:
        """Cells that the non-local form weighs one by one.

        Returns:
            A number of cells.
        """
        return int(self.cell_num_ratio * self.mixtures)

    @property
    def basis(self) -> int:
        """Width of the basis that stands for the cells of other layers; 0 in the local form.

        Without such cells there is nothing to stand for, and the form is the local one.

        Returns:
            A number of hidden units, or 0.
        """
        others = self.place.cells - self.local_cells
        if self.nonlocal_basis_ratio >= 1 or others < 1:
            return 0
        return max(int(others * self.nonlocal_basis_ratio), _LEAST_BASIS)

    @property
    def logits(self) -> int:
        """Weights of all mixtures, that of the zero cell included.

        Returns:
            A number of weights.
        """
        return self.mixtures * (self.place.cells + 1)

    def fc1(self) -> LinearSpec:
        """The first layer of the attention.

        Returns:
            From the channels of the input to the hidden width, without a bias.
        """
        return LinearSpec(self.in_channels, self.hidden_channels, bias=False)

    def norm1(self) -> NormSpec:
        """The batch normalisation behind `fc1`.

        Returns:
            Its spec, of the hidden width.
        """
        return NormSpec(self.hidden_channels)

    def fc2(self) -> LinearSpec:
        """The layer that weighs the cells, in the non-local form those of the layer and the basis.

        Returns:
            From the hidden width to a weight for each mixture and cell, the zero cell included.
        """
        if not self.basis:
            return LinearSpec(self.hidden_channels, self.logits)
        outputs = (self.local_cells + self.basis + 1) * self.mixtures
        return LinearSpec(self.hidden_channels, outputs, bias=False)

    def fc3(self) -> LinearSpec | None:
        """From the basis to the cells of other layers, in the non-local form.

        Returns:
            Its spec without a bias, None in the local form.
        """
        others = self.place.cells - self.local_cells
        return LinearSpec(self.basis, others, bias=False) if self.basis else None

    def own_parameters(self) -> tuple[Parameter, ...]:
        basis_bias = Parameter("attention.basis_bias", Role.BASIS_BIAS, (self.logits,))
        return (*self._bias(), *((basis_bias,) if self.basis else ()))

    def attention_parameters(self) -> tuple[Parameter, ...]:
        fc3 = self.fc3()
        found = (
            *under("fc1", self.fc1().parameters()),
            *under("norm1", self.norm1().parameters()),
            *under("fc2", self.fc2().parameters()),
            *(under("fc3", fc3.parameters()) if fc3 else ()),
        )
        return under("attention", found)
