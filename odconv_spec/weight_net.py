"""The vector that a WeightNet makes kernels of, and that a block may share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from odconv_spec.conv import ConvSpec
from odconv_spec.parameters import Parameter
from odconv_spec.shared import SharedSpec


@dataclass(frozen=True)
class ReduceSpec(SharedSpec):
    """A 1x1 convolution of a map's mean, over `rank` axes: the vector that kernels are made of.

    Example:
        >>> layer = WeightNetConvSpec(in_channels=64, out_channels=32, kernel_size=3).reduce()
        >>> isinstance(layer, ReduceSpec), layer.conv().kernel_shape
        (True, (16, 64, 1, 1))
    """

    name: ClassVar[str] = "reduce"

    rank: int = 2

    def conv(self) -> ConvSpec:
        """The layer as a convolution of the mean.

        Returns:
            The spec of a 1x1 convolution with a bias.
        """
        return ConvSpec(
            in_channels=self.in_channels,
            out_channels=self.out_channels,
            kernel_size=1,
            bias=True,
            rank=self.rank,
        )

    def parameters(self) -> tuple[Parameter, ...]:
        return self.conv().parameters()
