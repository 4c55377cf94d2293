"""MobileNetV2, https://arxiv.org/abs/1801.04381, as in the official ODConv code.

Which convolutions a kind takes is what gives the parameter counts that were published for it, and
the spec of the kind says it, see `DynamicConvSpec.takes`: ODConv and DyConv have all but the stem,
CondConv those of the last six blocks, which share a router each, and the classifier.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Final

from odconv_spec.backbone import BackboneSpec, Mapped, Size
from odconv_spec.efficient_channel_attention import EfficientChannelAttentionSpec
from odconv_spec.evidence import Shapes, UnexplainedError, dimension
from odconv_spec.feature_maps import FeatureInfo
from odconv_spec.geometry import real
from odconv_spec.mobilenetv2_blocks import ConvNormSpec, InvertedResidualSpec, geometries
from odconv_spec.mobilenetv2_evidence import block_widths, infer_recalibration, listed
from odconv_spec.parameters import Parameter
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


def make_divisible(value: float, divisor: int = 8) -> int:
    """The nearest multiple of `divisor` that does not lose more than a tenth of `value`."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded if rounded >= 0.9 * value else rounded + divisor


@dataclass(frozen=True, kw_only=True)
class MobileNetV2Spec(BackboneSpec):
    """`width` multiplies all channels; `stages` rows are (expansion, channels, blocks, stride).

    Layers that scale maps stand where the published ECA does, at the end of each block; for SE and
    CBAM, of which no MobileNetV2 is published, this place is our choice.

    Example:
        >>> spec = MobileNetV2Spec(width=0.5, conv=ConvChoice.of("dy"))
        >>> spec.name, [info.channels for info in spec.feature_info()]
        ('dy_mobilenetv2_050', [8, 16, 16, 48, 160])
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
        """The first convolution, which reads the image.

        Returns:
            Its spec, with its norm.
        """
        return self._made[0]

    @property
    def last(self) -> ConvNormSpec:
        """The convolution behind the blocks.

        Returns:
            Its spec, with its norm.
        """
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

    def further_maps(self) -> tuple[FeatureInfo, ...]:
        """The map that the classifier pools, which the detectors of the ODConv paper take."""
        return (FeatureInfo(self.last.name, self.num_features, self.feature_info()[-1].stride),)

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
            for place, geometry in enumerate(geometries(channels, hidden, out, stride))
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
        scaling = infer_recalibration(shapes, [row[2] for row in rows])
        spec = cls._of_arrays(shapes, width=width, recalibration=scaling, **untold)
        found = list(block_widths(shapes))
        published = [(b.depthwise.out_channels, b.project.out_channels) for b in spec.blocks()]
        if not untold and found != published:
            raise UnexplainedError(
                "this MobileNetV2 has a stage table of its own, and a checkpoint stores no "
                f"strides; its {len(found)} blocks have (hidden, out) channels {listed(found)}",
                help="give the table: --stages 'expansion,channels,blocks,stride ...'",
            )
        return spec


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
