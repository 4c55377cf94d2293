"""ResNet, https://arxiv.org/abs/1512.03385, with a bottleneck's stride on its 3x3.

The stem is static. Which other convolutions a kind replaces is what gives the parameter counts that
ODConv's paper states: ODConv all in the blocks, DyConv the projection shortcuts as well, CondConv
those of the last three blocks, which share a router each, and the classifier.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import ClassVar

from odconv_spec.backbone import BackboneSpec, FeatureInfo, Size, conv_norm, routed, table
from odconv_spec.choice import ConvChoice
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
    """One residual block: its convolutions in order and the projection of its shortcut, if any.

    `routing` is the router that the convolutions of the block share, if they do.
    """

    name: str
    convs: tuple[ConvSpec, ...]
    downsample: ConvSpec | None
    routing: LinearSpec | None = None

    def parameters(self) -> tuple[Parameter, ...]:
        found = under("routing", self.routing.parameters()) if self.routing else ()
        for number, conv in enumerate(self.convs, start=1):
            found += conv_norm(f"conv{number}", f"bn{number}", conv)
        if self.downsample:
            found += conv_norm("downsample.0", "downsample.1", self.downsample)
        return under(self.name, found)


@dataclass(frozen=True, kw_only=True)
class ResNetSpec(BackboneSpec):
    """`stages` rows are (width, number of blocks); every stage but the first halves the map."""

    family: ClassVar[str] = "resnet"
    last_blocks: ClassVar[Mapping[str, int]] = MappingProxyType({"cond": 3})

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
    def num_features(self) -> int:
        return self.stages[-1][0] * EXPANSION[self.block]

    def feature_info(self) -> tuple[FeatureInfo, ...]:
        stem = FeatureInfo("bn1", self.stem_channels, 2)  # before the max-pooling
        stages = (
            FeatureInfo(f"layer{number}", width * EXPANSION[self.block], 2 ** (number + 1))
            for number, (width, _) in enumerate(self.stages, start=1)
        )
        return (stem, *stages)

    def blocks(self) -> Iterator[ResidualSpec]:
        channels = self.stem_channels
        choices = self.choices(sum(depth for _, depth in self.stages))
        for stage, (width, depth) in enumerate(self.stages, start=1):
            for index in range(depth):
                stride = 2 if index == 0 and stage > 1 else 1
                name = f"layer{stage}.{index}"
                yield self._block(name, next(choices), channels, width, stride)
                channels = width * EXPANSION[self.block]

    def maps(self, size: Size) -> Iterator[tuple[ConvSpec | LinearSpec, Size]]:
        yield self.stem, size
        size = tuple((length + 1) // 2 for length in self.stem.output_size(size))  # max-pooling
        for block in self.blocks():
            if block.routing:
                yield block.routing, size
            if block.downsample:
                yield block.downsample, size
            for conv in block.convs:
                yield conv, size
                size = conv.output_size(size)
        yield self.head, (1, 1)

    def by_stage(self) -> Iterator[tuple[str, tuple[ResidualSpec, ...]]]:
        """Each stage's attribute name and its blocks."""
        for stage, blocks in groupby(self.blocks(), key=lambda block: block.name.split(".")[0]):
            yield stage, tuple(blocks)

    def parameters(self) -> tuple[Parameter, ...]:
        found = conv_norm("conv1", "bn1", self.stem)
        for block in self.blocks():
            found += block.parameters()
        return found + under("fc", self.head.parameters())

    def _block(
        self, name: str, choice: ConvChoice, channels: int, width: int, stride: int
    ) -> ResidualSpec:
        out = width * EXPANSION[self.block]
        routing, options = routed(choice, channels)
        convs = tuple(
            choice(kernel_size=taps, padding=taps // 2, **geometry, **options)
            for taps, geometry in self._geometries(channels, width, stride)
        )
        shortcut = choice if choice.kind == "dy" else ConvChoice.of("static")
        downsample = shortcut(in_channels=channels, out_channels=out, kernel_size=1, stride=stride)
        project = stride != 1 or channels != out
        return ResidualSpec(name, convs, downsample if project else None, routing)

    def _geometries(
        self, channels: int, width: int, stride: int
    ) -> tuple[tuple[int, dict[str, int]], ...]:
        """Taps, widths and stride of each convolution of a block."""
        if self.block == "basic":
            return (
                (3, {"in_channels": channels, "out_channels": width, "stride": stride}),
                (3, {"in_channels": width, "out_channels": width}),
            )
        return (
            (1, {"in_channels": channels, "out_channels": width}),
            (3, {"in_channels": width, "out_channels": width, "stride": stride}),
            (1, {"in_channels": width, "out_channels": width * EXPANSION[self.block]}),
        )
