"""The linear layer: its options, and what it stores."""

from __future__ import annotations

from dataclasses import dataclass

from odconv_spec.parameters import Parameter, Role


@dataclass(frozen=True)
class LinearSpec:
    """A fully connected layer.

    Example:
        >>> classifier = LinearSpec(512, 10)
        >>> [(p.name, p.shape) for p in classifier.parameters()]
        [('weight', (10, 512)), ('bias', (10,))]
    """

    in_channels: int
    out_channels: int
    bias: bool = True

    def parameters(self) -> tuple[Parameter, ...]:
        """The weight, (out, in), and the bias, (out,).

        Returns:
            Two arrays, or one without a bias.
        """
        kernel = Parameter("weight", Role.LINEAR_KERNEL, (self.out_channels, self.in_channels))
        return (kernel, Parameter("bias", Role.BIAS, (self.out_channels,)))[: 1 + self.bias]

    def multiply_adds(self, positions: int) -> int:
        """What a sample takes: the mean over the map, and each weight once.

        Args:
            positions: of the map.

        Returns:
            A number of multiply-adds.
        """
        return self.in_channels * (positions + self.out_channels)

    @property
    def layer_name(self) -> str:
        """What messages call the layer.

        Returns:
            Such as "Linear".
        """
        return type(self).__name__.removesuffix("Spec")
