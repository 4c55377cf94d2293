"""What the blocks of a backbone have in common."""

from __future__ import annotations

from typing import Protocol

from odconv_spec.conv import ConvSpec
from odconv_spec.norm import NormSpec
from odconv_spec.parameters import Parameter, under


class BlockSpec(Protocol):
    """What every block of a backbone has: a path, and the arrays of its layers.

    Example:
        >>> block = next(model_spec("od_resnet18").blocks())
        >>> block.name, block.parameters()[0].name
        ('layer1.0', 'layer1.0.conv1.weight')
    """

    @property
    def name(self) -> str:
        """Path of the block.

        Returns:
            The attribute of the network that holds it, such as "layer1.0".
        """

    def parameters(self) -> tuple[Parameter, ...]:
        """Every stored array of the block.

        Returns:
            The arrays in the order of the official state dict, named as the network names them.
        """


def conv_norm(conv: str, norm: str, spec: ConvSpec) -> tuple[Parameter, ...]:
    """A convolution and the normalisation of its output, under two attribute names."""
    return under(conv, spec.parameters()) + under(norm, NormSpec(spec.out_channels).parameters())
