"""What all convolutions of a block share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from odconv_spec.parameters import Parameter


@dataclass(frozen=True)
class SharedSpec:
    """A layer on the mean of a block's input, whose output each of its convolutions takes.

    A kind brings its own, see `ConvSpec.shared_of_block`.

    Example:
        >>> block = next(model_spec("weightnet_shufflenetv2_100").blocks())
        >>> isinstance(block.shared, SharedSpec), block.shared.name, block.shared.out_channels
        (True, 'reduce', 16)
    """

    name: ClassVar[str]
    """The attribute of the block that holds it, by which its arrays are called."""

    in_channels: int
    out_channels: int

    def parameters(self) -> tuple[Parameter, ...]:
        """The arrays of the layer.

        Returns:
            Name, role and shape of each array.
        """
        raise NotImplementedError

    def multiply_adds(self, positions: int) -> int:
        """What a sample takes: the mean over the map, and each weight once.

        Args:
            positions: of the map.

        Returns:
            A number of multiply-adds.
        """
        return self.in_channels * (positions + self.out_channels)
