"""The parts of MobileNetV2: a convolution with its norm, and the inverted block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from odconv_spec.block import conv_norm
from odconv_spec.conv import ConvSpec
from odconv_spec.parameters import Parameter, under
from odconv_spec.recalibration import RecalibrationSpec
from odconv_spec.shared import SharedSpec


@dataclass(frozen=True)
class ConvNormSpec:
    """A convolution, a batch normalisation and a ReLU6, in a sequence.

    Example:
        >>> stem = model_spec("mobilenetv2_050").stem
        >>> stem.name, stem.conv.kernel_shape
        ('features.0', (16, 3, 3, 3))
    """

    name: str
    conv: ConvSpec

    def in_order(self) -> tuple[ConvSpec, ...]:
        """The convolution, as the blocks have their several.

        Returns:
            One spec.
        """
        return (self.conv,)

    def with_convs(self, convs: Iterator[ConvSpec]) -> ConvNormSpec:
        """The same with the next of `convs` in the place of its own.

        Returns:
            The spec with another convolution.
        """
        return replace(self, conv=next(convs))

    def parameters(self) -> tuple[Parameter, ...]:
        """The arrays of the convolution and of its norm.

        Returns:
            Name, role and shape of each array, named as the network names them.
        """
        return under(self.name, conv_norm("0", "1", self.conv))


@dataclass(frozen=True)
class InvertedResidualSpec:
    """Expansion (none where the ratio is 1), depthwise convolution and linear projection.

    `shared` is what the convolutions of the block share, if they do; `recalibration` is what scales
    the map behind the projection's norm, before the shortcut is added.

    Example:
        >>> block = list(model_spec("mobilenetv2_050").blocks())[1]
        >>> [conv.kernel_shape for conv in block.in_order()], block.residual
        ([(48, 8, 1, 1), (48, 1, 3, 3), (16, 48, 1, 1)], False)
    """

    name: str
    expand: ConvSpec | None
    depthwise: ConvSpec
    project: ConvSpec
    residual: bool
    shared: SharedSpec | None = None
    recalibration: RecalibrationSpec | None = None

    @property
    def activated(self) -> tuple[ConvSpec, ...]:
        """The convolutions that are followed by an activation.

        Returns:
            The expansion, where there is one, and the depthwise convolution.
        """
        return tuple(conv for conv in (self.expand, self.depthwise) if conv)

    def in_order(self) -> tuple[ConvSpec, ...]:
        """The convolutions in the order of their arrays.

        Returns:
            Two or three specs.
        """
        return (*self.activated, self.project)

    def with_convs(self, convs: Iterator[ConvSpec]) -> InvertedResidualSpec:
        """The block with the next of `convs` in the place of its own, in the same order.

        Returns:
            The spec with other convolutions.
        """
        expand = next(convs) if self.expand else None
        return replace(self, expand=expand, depthwise=next(convs), project=next(convs))

    def parameters(self) -> tuple[Parameter, ...]:
        """The arrays of the block.

        Returns:
            Name, role and shape of each array, named as the network names them.
        """
        found: tuple[Parameter, ...] = ()
        for index, conv in enumerate(self.activated):
            found += conv_norm(f"conv.{index}.0", f"conv.{index}.1", conv)
        last = len(self.activated)
        found += conv_norm(f"conv.{last}", f"conv.{last + 1}", self.project)
        if self.recalibration:
            found += under(f"conv.{last + 2}", self.recalibration.parameters())
        shared = under(self.shared.name, self.shared.parameters()) if self.shared else ()
        return under(self.name, (*shared, *found))


def geometries(channels: int, hidden: int, out: int, stride: int) -> tuple[dict[str, int], ...]:
    """Of the expansion, the depthwise convolution and the projection of a block."""
    return (
        {"in_channels": channels, "out_channels": hidden, "kernel_size": 1},
        {
            "in_channels": hidden,
            "out_channels": hidden,
            "kernel_size": 3,
            "stride": stride,
            "padding": 1,
            "groups": hidden,
        },
        {"in_channels": hidden, "out_channels": out, "kernel_size": 1},
    )
