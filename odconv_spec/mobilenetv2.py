"""MobileNetV2, https://arxiv.org/abs/1801.04381, as in the official ODConv code.

Which convolutions a kind takes is what gives the parameter counts that were published for it, and
the spec of the kind says it, see `DynamicConvSpec.takes`: ODConv and DyConv have all but the stem,
CondConv those of the last six blocks, which share a router each, and the classifier.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Any, ClassVar, Final

from odconv_spec.backbone import BackboneSpec, FeatureInfo, Mapped, Size, conv_norm
from odconv_spec.efficient_channel_attention import EfficientChannelAttentionSpec
from odconv_spec.evidence import Shapes, UnexplainedError, dimension
from odconv_spec.geometry import real
from odconv_spec.layers import ConvSpec
from odconv_spec.parameters import Parameter, under
from odconv_spec.recalibration import RecalibrationSpec
from odconv_spec.recalibrations import RECALIBRATIONS, RecalibrationChoice
from odconv_spec.shared import SharedSpec
from odconv_spec.site import Site
from odconv_spec.stage_table import table
from odconv_spec.warehouse import WarehouseManagerSpec

STAGES = (  # expansion, channels, blocks, stride
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
PUBLISHED: Final[Mapping[str, Mapping[str, Any]]] = {
    "mobilenetv2_050": {"width": 0.5, "stages": STAGES},
    "mobilenetv2_075": {"width": 0.75, "stages": STAGES},
    "mobilenetv2_100": {"width": 1.0, "stages": STAGES},
}
STEM_CHANNELS = 32
MOST_WIDTH = 100.0
LAST_CHANNELS = 1280
_WIDE = 96  # channels of a stage from which on ECA has three taps
_MOST_SHOWN = 24  # blocks in a message


def make_divisible(value: float, divisor: int = 8) -> int:
    """The nearest multiple of `divisor` that does not lose more than a tenth of `value`."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded if rounded >= 0.9 * value else rounded + divisor


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


@dataclass(frozen=True, kw_only=True)
class MobileNetV2Spec(BackboneSpec):
    """`width` multiplies all channels; `stages` rows are (expansion, channels, blocks, stride).

    Layers that scale maps stand where the published ECA does, at the end of each block; for SE and
    CBAM, of which no MobileNetV2 is published, this place is our choice.
    """

    family: ClassVar[str] = "mobilenetv2"
    title: ClassVar[str] = "MobileNetV2"
    published: ClassVar[Mapping[str, Mapping[str, Any]]] = PUBLISHED
    stem_path: ClassVar[str] = "features.0.0"
    head_path: ClassVar[str] = "classifier.1"
    sign: ClassVar[str] = "features.0.1.weight"  # of a norm, which all kinds have
    untold: ClassVar[tuple[str, ...]] = ("stages",)  # no array shows a stride
    recalibrates: ClassVar[bool] = True

    width: float = 1.0
    stages: tuple[tuple[int, ...], ...] = STAGES

    def __post_init__(self) -> None:
        super().__post_init__()
        real("width", self.width, 0, MOST_WIDTH)
        object.__setattr__(self, "stages", table("stages", self.stages, 4, blocks=2))
        if self.recalibration:
            self.recalibration.check_stages(len(self.stages))

    @property
    def stem(self) -> ConvNormSpec:
        return self._made[0]

    @property
    def last(self) -> ConvNormSpec:
        return self._made[2]

    def blocks(self) -> Iterator[InvertedResidualSpec]:
        return iter(self._made[1])

    @property
    def warehouses(self) -> WarehouseManagerSpec | None:
        return self._made[3]

    @cached_property
    def _made(
        self,
    ) -> tuple[
        ConvNormSpec,
        tuple[InvertedResidualSpec, ...],
        ConvNormSpec,
        WarehouseManagerSpec | None,
    ]:
        """Stem, blocks and last convolution with what all of them share, and that."""
        stem, last = self._stem(), self._last()
        blocks = tuple(self._separate_blocks(stem.conv.out_channels))
        separate: tuple[ConvNormSpec | InvertedResidualSpec, ...] = (stem, *blocks, last)
        convs, warehouses = self.conv.spec_class.sharing(
            [c for x in separate for c in x.in_order()]
        )
        rest = iter(convs)
        stem, blocks = stem.with_convs(rest), tuple(block.with_convs(rest) for block in blocks)
        return stem, blocks, last.with_convs(rest), warehouses

    def _stem(self) -> ConvNormSpec:
        conv = self.conv.at(
            Site(self.family, "stem"),
            in_channels=self.in_channels,
            out_channels=make_divisible(STEM_CHANNELS * self.width),
            kernel_size=3,
            stride=2,
            padding=1,
        )
        return ConvNormSpec("features.0", conv)

    def _last(self) -> ConvNormSpec:
        conv = self.conv.at(
            Site(self.family, "last", stage=len(self.stages) - 1),
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

    def _separate_blocks(self, channels: int) -> Iterator[InvertedResidualSpec]:
        index = 1
        count = sum(row[2] for row in self.stages)
        site = Site(self.family, "block", "inverted")
        sites = (site._replace(number=i, behind=count - i - 1) for i in range(count))
        for stage, (expansion, base, repeats, first_stride) in enumerate(self.stages):
            out = make_divisible(base * self.width)
            scaling = self.recalibration(stage, out) if self.recalibration else None
            for repeat in range(repeats):
                stride = first_stride if repeat == 0 else 1
                name = f"features.{index}"
                place = next(sites)._replace(expansion=expansion, stage=stage, within=repeat)
                block = self._block(name, place, channels, expansion, out, stride)
                yield replace(block, recalibration=scaling)
                channels, index = out, index + 1

    def maps(self, size: Size) -> Iterator[tuple[Mapped, Size]]:
        yield self.stem.conv, size
        size = self.stem.conv.output_size(size)
        for block in self.blocks():
            if block.shared:
                yield block.shared, size
            for conv in (*block.activated, block.project):
                yield conv, size
                size = conv.output_size(size)
            if block.recalibration:
                yield block.recalibration, size
        yield self.last.conv, size
        if self.head:
            yield self.head, (1, 1)

    def parameters(self) -> tuple[Parameter, ...]:
        found = self.warehouse_parameters() + self.stem.parameters()
        for block in self.blocks():
            found += block.parameters()
        found += self.last.parameters()
        return found + self.head_parameters()

    def spare_layers(self) -> tuple[str, ...]:
        return (self.last.name,)

    @classmethod
    def recalibration_defaults(cls, kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """ECA sees one channel in narrow stages, https://github.com/BangguWu/ECANet."""
        if kind != EfficientChannelAttentionSpec.kind:
            return {}
        rows = table("stages", options.get("stages", STAGES), 4, blocks=2)
        return {"kernel_size": tuple(1 if row[1] < _WIDE else 3 for row in rows)}

    def _block(
        self, name: str, site: Site, channels: int, expansion: int, out: int, stride: int
    ) -> InvertedResidualSpec:
        hidden = channels * expansion
        shared = self.conv.shared(site, channels)
        site = site._replace(shared=shared)
        expand, depthwise, project = (
            self.conv.at(site._replace(place=place), **geometry)
            for place, geometry in enumerate(_geometries(channels, hidden, out, stride))
        )
        return InvertedResidualSpec(
            name,
            expand if expansion != 1 else None,
            depthwise,
            project,
            residual=stride == 1 and channels == out,
            shared=shared,
        )

    @classmethod
    def from_arrays(cls, shapes: Shapes, **untold: Any) -> MobileNetV2Spec:
        width = _infer_width(shapes)
        rows = table("stages", untold.get("stages", STAGES), 4, blocks=2)
        scaling = _infer_recalibration(shapes, [row[2] for row in rows])
        spec = cls._of_arrays(shapes, width=width, recalibration=scaling, **untold)
        found = list(_block_widths(shapes))
        published = [(b.depthwise.out_channels, b.project.out_channels) for b in spec.blocks()]
        if not untold and found != published:
            raise UnexplainedError(
                "this MobileNetV2 has a stage table of its own, and a checkpoint stores no "
                f"strides; its {len(found)} blocks have (hidden, out) channels {_some(found)}",
                help="give the table: --stages 'expansion,channels,blocks,stride ...'",
            )
        return spec


def _geometries(channels: int, hidden: int, out: int, stride: int) -> tuple[dict[str, int], ...]:
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


def _infer_width(shapes: Shapes) -> float:
    widths: list[float] = [options["width"] for options in PUBLISHED.values()]
    by_stem = {make_divisible(STEM_CHANNELS * width): width for width in widths}
    stem = dimension(shapes, "features.0.1.weight", 0)
    if stem not in by_stem:
        raise UnexplainedError(
            f"features.0.1.weight: expected one of {sorted(by_stem)} channels, found {stem}",
            help="a MobileNetV2 of another width needs its spec: --model spec.json",
        )
    return by_stem[stem]


def _block_widths(shapes: Shapes) -> Iterator[tuple[int, int]]:
    """(hidden, out) channels of each block, by its norms: every kind has other kernels."""
    index = 1
    while f"features.{index}.conv.0.1.weight" in shapes:
        prefix = f"features.{index}.conv"
        last = 3 if f"{prefix}.1.1.weight" in shapes else 2  # behind an expansion, or without
        hidden = dimension(shapes, f"{prefix}.0.1.weight", 0)
        yield hidden, dimension(shapes, f"{prefix}.{last}.weight", 0)
        index += 1


def _infer_recalibration(shapes: Shapes, depths: Sequence[int]) -> RecalibrationChoice | None:
    """What stands behind the projections' norms of stages with so many blocks, None for nothing."""
    blocks = _behind_norms(shapes)
    layers = [next(blocks, {}) for _ in range(sum(depths))]
    kinds = (kind for kind, spec in RECALIBRATIONS.items() if layers and spec.shows(layers[0]))
    kind = next(kinds, None)
    if kind is None:
        return None
    rest = iter(layers)
    stages = [list(islice(rest, depth)) for depth in depths]
    return RecalibrationChoice.of_stages(kind, stages)


def _behind_norms(shapes: Shapes) -> Iterator[Shapes]:
    """The arrays of each block behind the projection's norm, by their names in that layer."""
    found: dict[str, dict[str, tuple[int, ...]]] = defaultdict(dict)
    for name, shape in shapes.items():
        block, _, inside = name.partition(".conv.")
        place, _, leaf = inside.partition(".")
        if place == ("4" if f"{block}.conv.1.1.weight" in shapes else "3"):
            found[block][leaf] = shape
    index = 1
    while f"features.{index}.conv.0.1.weight" in shapes:
        yield found[f"features.{index}"]
        index += 1


def _some(found: list[tuple[int, int]]) -> str:
    """The text of the list, whose end is left out where it is long."""
    more = len(found) - _MOST_SHOWN
    return f"{found[:_MOST_SHOWN]} and {more} more" if more > 0 else f"{found}"
