"""ResNet, https://arxiv.org/abs/1512.03385, with a bottleneck's stride on its 3x3.

The stem, the projection shortcuts and the classifier are static, as in the official code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import ClassVar

from odconv_spec.backbone import BackboneSpec, conv_norm, table
from odconv_spec.geometry import one_of, whole
from odconv_spec.layers import ConvSpec, LinearSpec
from odconv_spec.parameters import Parameter, under

EXPANSION = MappingProxyType({"basic": 1, "bottleneck": 4})
WIDTHS = (64, 128, 256, 512)


def _stages(*depths: int) -> tuple[tuple[int, int], ...]:
    return tuple(zip(WIDTHS, depths, strict=True))


DEPTHS = MappingProxyType(
    {
        18: ("basic", _stages(2, 2, 2, 2)),
        34: ("basic", _stages(3, 4, 6, 3)),
        50: ("bottleneck", _stages(3, 4, 6, 3)),
        101: ("bottleneck", _stages(3, 4, 23, 3)),
    }
)


@dataclass(frozen=True)
class ResidualSpec:
    """One residual block: its convolutions in order and the projection of its shortcut, if any."""

    name: str
    convs: tuple[ConvSpec, ...]
    downsample: ConvSpec | None

    def parameters(self) -> tuple[Parameter, ...]:
        found: tuple[Parameter, ...] = ()
        for number, conv in enumerate(self.convs, start=1):
            found += conv_norm(f"conv{number}", f"bn{number}", conv)
        if self.downsample:
            found += conv_norm("downsample.0", "downsample.1", self.downsample)
        return under(self.name, found)


@dataclass(frozen=True, kw_only=True)
class ResNetSpec(BackboneSpec):
    """`stages` rows are (width, number of blocks); every stage but the first halves the map."""

    family: ClassVar[str] = "resnet"

    block: str = "basic"
    stages: tuple[tuple[int, ...], ...] = DEPTHS[18][1]
    stem_channels: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("block", self.block, tuple(EXPANSION))
        whole("stem_channels", self.stem_channels, 1)
        object.__setattr__(self, "stages", table("stages", self.stages, 2, blocks=1))

    @property
    def name(self) -> str:
        for depth, published in DEPTHS.items():
            if (self.block, self.stages, self.stem_channels) == (*published, WIDTHS[0]):
                return self._prefixed(f"resnet{depth}")
        return self._prefixed("resnet_custom")

    @property
    def stem(self) -> ConvSpec:
        return ConvSpec(
            in_channels=self.in_channels,
            out_channels=self.stem_channels,
            kernel_size=7,
            stride=2,
            padding=3,
        )

    @property
    def head(self) -> LinearSpec:
        return LinearSpec(self.stages[-1][0] * EXPANSION[self.block], self.num_classes)

    def blocks(self) -> Iterator[ResidualSpec]:
        channels = self.stem_channels
        for stage, (width, depth) in enumerate(self.stages, start=1):
            for index in range(depth):
                stride = 2 if index == 0 and stage > 1 else 1
                yield self._block(f"layer{stage}.{index}", channels, width, stride)
                channels = width * EXPANSION[self.block]

    def by_stage(self) -> Iterator[tuple[str, tuple[ResidualSpec, ...]]]:
        """Each stage's attribute name and its blocks."""
        for stage, blocks in groupby(self.blocks(), key=lambda block: block.name.split(".")[0]):
            yield stage, tuple(blocks)

    def parameters(self) -> tuple[Parameter, ...]:
        found = conv_norm("conv1", "bn1", self.stem)
        for block in self.blocks():
            found += block.parameters()
        return found + under("fc", self.head.parameters())

    def _block(self, name: str, channels: int, width: int, stride: int) -> ResidualSpec:
        out = width * EXPANSION[self.block]
        convs = self._basic if self.block == "basic" else self._bottleneck
        shortcut = ConvSpec(in_channels=channels, out_channels=out, kernel_size=1, stride=stride)
        project = stride != 1 or channels != out
        return ResidualSpec(name, convs(channels, width, stride), shortcut if project else None)

    def _basic(self, channels: int, width: int, stride: int) -> tuple[ConvSpec, ...]:
        return (self._conv3x3(channels, width, stride), self._conv3x3(width, width, 1))

    def _bottleneck(self, channels: int, width: int, stride: int) -> tuple[ConvSpec, ...]:
        return (
            self.conv(in_channels=channels, out_channels=width, kernel_size=1),
            self._conv3x3(width, width, stride),
            self.conv(in_channels=width, out_channels=width * 4, kernel_size=1),
        )

    def _conv3x3(self, in_channels: int, out_channels: int, stride: int) -> ConvSpec:
        return self.conv(
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=3,
            stride=stride,
            padding=1,
        )
