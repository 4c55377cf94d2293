"""The parts of MobileNetV2: a convolution with its norm, and the inverted block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from odconv_spec.backbone import conv_norm
from odconv_spec.layers import ConvSpec
from odconv_spec.parameters import Parameter, under
from odconv_spec.recalibration import RecalibrationSpec
from odconv_spec.shared import SharedSpec


@dataclass(frozen=True)
class ConvNormSpec:
    """A convolution, a batch normalisation and a ReLU6, in a sequence."""

    name: str
    conv: ConvSpec

    def in_order(self) -> tuple[ConvSpec, ...]:
        return (self.conv,)

    def with_convs(self, convs: Iterator[ConvSpec]) -> ConvNormSpec:
        """The same with the next of `convs` in the place of its own."""
        return replace(self, conv=next(convs))

    def parameters(self) -> tuple[Parameter, ...]:
        return under(self.name, conv_norm("0", "1", self.conv))


@dataclass(frozen=True)
class InvertedResidualSpec:
    """Expansion (none where the ratio is 1), depthwise convolution and linear projection.

    `shared` is what the convolutions of the block share, if they do; `recalibration` is what scales
    the map behind the projection's norm, before the shortcut is added.
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
        """The convolutions that are followed by an activation."""
        return tuple(conv for conv in (self.expand, self.depthwise) if conv)

    def in_order(self) -> tuple[ConvSpec, ...]:
        """The convolutions in the order of their arrays."""
        return (*self.activated, self.project)

    def with_convs(self, convs: Iterator[ConvSpec]) -> InvertedResidualSpec:
        """The block with the next of `convs` in the place of its own, in the same order."""
        expand = next(convs) if self.expand else None
        return replace(self, expand=expand, depthwise=next(convs), project=next(convs))

    def parameters(self) -> tuple[Parameter, ...]:
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
