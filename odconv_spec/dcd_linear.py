"""The classifier of dynamic channel fusion, https://arxiv.org/abs/2103.08756."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from odconv_spec.evidence import Shapes, dimension, possible
from odconv_spec.geometry import flag, whole
from odconv_spec.linear import LinearSpec
from odconv_spec.norm import NormSpec
from odconv_spec.parameters import Parameter, under

FUSION: Final = ("fc.0", "fc.1.fc.0", "fc_phi", "fc_scale")
"""Paths of the layers that compute phi and the scale."""


def fusion_layers(pooled: int, squeeze: int, dim: int, out: int) -> dict[str, LinearSpec]:
    """Path -> each layer of what computes phi, (dim, dim), and the scale of `out` channels."""
    widths = ((pooled, squeeze), (squeeze, squeeze), (squeeze, dim**2), (squeeze, out))
    return {path: LinearSpec(*pair, bias=False) for path, pair in zip(FUSION, widths, strict=True)}


@dataclass(frozen=True)
class DCDLinearSpec(LinearSpec):
    """A linear layer with dynamic channel fusion, https://arxiv.org/abs/2103.08756.

    The output of the linear layer, bias included, is scaled, and a product of low rank is added:
    Q to `dim` channels, a matrix phi of each sample, and P. `squeeze` is the hidden width of what
    computes phi and the scale.

    Example:
        >>> [parameter.shape for parameter in DCDLinearSpec(512, 10).parameters()][:4]
        [(10, 512), (10,), (32, 512), (10, 32)]
    """

    sign: ClassVar[str] = "cls_q.weight"
    """An array that every such layer has, and no other."""

    dim: int = 32
    squeeze: int = 32

    def __post_init__(self) -> None:
        for name in ("in_channels", "out_channels", "dim", "squeeze"):
            object.__setattr__(self, name, whole(name, getattr(self, name), 1))
        flag("bias", self.bias)

    def cls(self) -> LinearSpec:
        """The static layer.

        Returns:
            Its spec, from the features to the classes.
        """
        return LinearSpec(self.in_channels, self.out_channels, self.bias)

    def q(self) -> LinearSpec:
        """Q, from the features to `dim` numbers.

        Returns:
            The spec of a linear layer without a bias.
        """
        return LinearSpec(self.in_channels, self.dim, bias=False)

    def p(self) -> LinearSpec:
        """P, from `dim` numbers to the classes.

        Returns:
            The spec of a linear layer without a bias.
        """
        return LinearSpec(self.dim, self.out_channels, bias=False)

    def fusion(self) -> dict[str, LinearSpec]:
        """Path -> each layer of what computes phi and the scale.

        Returns:
            The linear layers in the order of their arrays.
        """
        return fusion_layers(self.in_channels, self.squeeze, self.dim, self.out_channels)

    def parameters(self) -> tuple[Parameter, ...]:
        """Every stored array.

        Returns:
            Name, role and shape of each array, in the order of the published state dict.
        """
        found: tuple[Parameter, ...] = ()
        layers = {"cls": self.cls(), "cls_q": self.q(), "cls_p": self.p(), **self.fusion()}
        for path, linear in layers.items():
            found += under(path, linear.parameters())
        for norm in ("bn1", "bn2"):
            found += under(norm, NormSpec(self.dim).parameters())
        return found

    def multiply_adds(self, positions: int) -> int:
        """What a sample takes: the mean over the map, and each layer once.

        Args:
            positions: of the map.

        Returns:
            A number of multiply-adds.
        """
        layers = (self.cls(), self.q(), self.p(), *self.fusion().values())
        weights = sum(layer.in_channels * layer.out_channels for layer in layers)
        return self.in_channels * positions + weights + self.dim**2 + self.out_channels

    @classmethod
    def shows(cls, shapes: Shapes) -> bool:
        """Whether arrays are those of a lone layer of this kind.

        Returns:
            True where the static layer's weight is among them.
        """
        return cls.sign in shapes

    @classmethod
    def from_arrays(cls, shapes: Shapes) -> DCDLinearSpec:
        """The spec of the lone layer that has these arrays.

        Returns:
            The spec, whose arrays have exactly these names and shapes.

        Raises:
            UnexplainedError: the arrays contradict each other.
        """
        out, channels = (dimension(shapes, "cls.weight", axis) for axis in (0, 1))
        dim, squeeze = (dimension(shapes, f"{path}.weight", 0) for path in ("cls_q", "fc.0"))
        with possible("layer"):
            return cls(channels, out, "cls.bias" in shapes, dim, squeeze)
