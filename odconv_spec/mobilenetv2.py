"""MobileNetV2, https://arxiv.org/abs/1801.04381, as in the official ODConv code.

The stem is static. Which other convolutions a kind replaces is what gives the parameter counts that
ODConv's paper states: ODConv and DyConv all, CondConv those of the last six blocks, which share a
router each, and the classifier.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

from odconv_spec.backbone import BackboneSpec, FeatureInfo, Size, conv_norm, routed, table
from odconv_spec.choice import ConvChoice
from odconv_spec.geometry import real
from odconv_spec.layers import ConvSpec, LinearSpec
from odconv_spec.parameters import Parameter, under

STAGES = (  # expansion, channels, blocks, stride
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
WIDTHS = MappingProxyType({"050": 0.5, "075": 0.75, "100": 1.0})
STEM_CHANNELS = 32
MOST_WIDTH = 100.0
LAST_CHANNELS = 1280


def make_divisible(value: float, divisor: int = 8) -> int:
    """The nearest multiple of `divisor` that does not lose more than a tenth of `value`."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded if rounded >= 0.9 * value else rounded + divisor


@dataclass(frozen=True)
class ConvNormSpec:
    """A convolution, a batch normalisation and a ReLU6, in a sequence."""

    name: str
    conv: ConvSpec

    def parameters(self) -> tuple[Parameter, ...]:
        return under(self.name, conv_norm("0", "1", self.conv))


@dataclass(frozen=True)
class InvertedResidualSpec:
    """Expansion (none where the ratio is 1), depthwise convolution and linear projection.

    `routing` is the router that the convolutions of the block share, if they do.
    """

    name: str
    expand: ConvSpec | None
    depthwise: ConvSpec
    project: ConvSpec
    residual: bool
    routing: LinearSpec | None = None

    @property
    def activated(self) -> tuple[ConvSpec, ...]:
        """The convolutions that are followed by an activation."""
        return tuple(conv for conv in (self.expand, self.depthwise) if conv)

    def parameters(self) -> tuple[Parameter, ...]:
        found: tuple[Parameter, ...] = ()
        for index, conv in enumerate(self.activated):
            found += conv_norm(f"conv.{index}.0", f"conv.{index}.1", conv)
        last = len(self.activated)
        found += conv_norm(f"conv.{last}", f"conv.{last + 1}", self.project)
        routing = under("routing", self.routing.parameters()) if self.routing else ()
        return under(self.name, (*routing, *found))


@dataclass(frozen=True, kw_only=True)
class MobileNetV2Spec(BackboneSpec):
    """`width` multiplies all channels; `stages` rows are (expansion, channels, blocks, stride)."""

    family: ClassVar[str] = "mobilenetv2"
    last_blocks: ClassVar[Mapping[str, int]] = MappingProxyType({"cond": 6})

    width: float = 1.0
    stages: tuple[tuple[int, ...], ...] = STAGES

    def __post_init__(self) -> None:
        super().__post_init__()
        real("width", self.width, 0, MOST_WIDTH)
        object.__setattr__(self, "stages", table("stages", self.stages, 4, blocks=2))

    @property
    def name(self) -> str:
        for label, width in WIDTHS.items():
            if (self.width, self.stages) == (width, STAGES):
                return self._prefixed(f"mobilenetv2_{label}")
        return self._prefixed("mobilenetv2_custom")

    @property
    def stem(self) -> ConvNormSpec:
        conv = ConvSpec(
            in_channels=self.in_channels,
            out_channels=make_divisible(STEM_CHANNELS * self.width),
            kernel_size=3,
            stride=2,
            padding=1,
        )
        return ConvNormSpec("features.0", conv)

    @property
    def last(self) -> ConvNormSpec:
        choice = ConvChoice.of("static") if self.conv.kind == "cond" else self.conv
        conv = choice(
            in_channels=make_divisible(self.stages[-1][1] * self.width),
            out_channels=self.num_features,
            kernel_size=1,
        )
        return ConvNormSpec(f"features.{1 + sum(row[2] for row in self.stages)}", conv)

    @property
    def num_features(self) -> int:
        return make_divisible(LAST_CHANNELS * max(1.0, self.width))

    def feature_info(self) -> tuple[FeatureInfo, ...]:
        found: dict[int, FeatureInfo] = {}
        stride = 2  # of the stem
        for block in self.blocks():
            stride *= block.depthwise.strides[0]
            found[stride] = FeatureInfo(block.name, block.project.out_channels, stride)
        return tuple(found.values())

    def blocks(self) -> Iterator[InvertedResidualSpec]:
        channels, index = self.stem.conv.out_channels, 1
        choices = self.choices(sum(row[2] for row in self.stages))
        for expansion, base, repeats, first_stride in self.stages:
            out = make_divisible(base * self.width)
            for repeat in range(repeats):
                stride = first_stride if repeat == 0 else 1
                name = f"features.{index}"
                yield _block(name, next(choices), channels, expansion, out, stride)
                channels, index = out, index + 1

    def maps(self, size: Size) -> Iterator[tuple[ConvSpec | LinearSpec, Size]]:
        yield self.stem.conv, size
        size = self.stem.conv.output_size(size)
        for block in self.blocks():
            if block.routing:
                yield block.routing, size
            for conv in (*block.activated, block.project):
                yield conv, size
                size = conv.output_size(size)
        yield self.last.conv, size
        yield self.head, (1, 1)

    def parameters(self) -> tuple[Parameter, ...]:
        found = self.stem.parameters()
        for block in self.blocks():
            found += block.parameters()
        found += self.last.parameters()
        return found + under("classifier.1", self.head.parameters())


def _block(
    name: str, choice: ConvChoice, channels: int, expansion: int, out: int, stride: int
) -> InvertedResidualSpec:
    hidden = channels * expansion
    routing, options = routed(choice, channels)
    expand = choice(in_channels=channels, out_channels=hidden, kernel_size=1, **options)
    depthwise = choice(
        in_channels=hidden,
        out_channels=hidden,
        kernel_size=3,
        stride=stride,
        padding=1,
        groups=hidden,
        **options,
    )
    return InvertedResidualSpec(
        name,
        expand if expansion != 1 else None,
        depthwise,
        project=choice(in_channels=hidden, out_channels=out, kernel_size=1, **options),
        residual=stride == 1 and channels == out,
        routing=routing,
    )
