"""ResNet, https://arxiv.org/abs/1512.03385, with a bottleneck's stride on its 3x3.

Which convolutions a kind takes is what gives the parameter counts that were published for it, and
the spec of the kind says it, see `DynamicConvSpec.takes`: ODConv has all in the blocks, DyConv the
projection shortcuts as well, CondConv those of the last three blocks, which share a router each,
and the classifier.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count, groupby, takewhile
from typing import Any, ClassVar, Final

from odconv_spec.backbone import BackboneSpec, Mapped, Size
from odconv_spec.block import conv_norm
from odconv_spec.conv import ConvSpec
from odconv_spec.evidence import Shapes, UnexplainedError, dimension
from odconv_spec.feature_maps import FeatureInfo
from odconv_spec.geometry import one_of, whole
from odconv_spec.parameters import Parameter, under
from odconv_spec.recalibration import RecalibrationSpec
from odconv_spec.shared import SharedSpec
from odconv_spec.site import Site
from odconv_spec.stage_table import table
from odconv_spec.warehouse import WarehouseManagerSpec

EXPANSION: Final[Mapping[str, int]] = {"basic": 1, "bottleneck": 4}
WIDTHS: Final = (64, 128, 256, 512)
_FEWEST_ARRAYS = 5  # of a block, of which none has less than 10; half may be missing


def _published(block: str, *depths: int) -> dict[str, Any]:
    return {"block": block, "stages": tuple(zip(WIDTHS, depths, strict=True))}


PUBLISHED: Final[Mapping[str, Mapping[str, Any]]] = {
    "resnet18": _published("basic", 2, 2, 2, 2),
    "resnet34": _published("basic", 3, 4, 6, 3),
    "resnet50": _published("bottleneck", 3, 4, 6, 3),
    "resnet101": _published("bottleneck", 3, 4, 23, 3),
}


@dataclass(frozen=True)
class ResidualSpec:
    """One residual block: its convolutions in order and the projection of its shortcut, if any.

    `shared` is what the convolutions of the block share, if they do; `recalibration` is what scales
    their map before the shortcut is added. The attributes of both have the names of their kinds.

    Example:
        >>> block = list(model_spec("resnet18").blocks())[2]
        >>> block.name, [conv.kernel_shape for conv in block.in_order()]
        ('layer2.0', [(128, 64, 3, 3), (128, 128, 3, 3), (128, 64, 1, 1)])
    """

    name: str
    convs: tuple[ConvSpec, ...]
    downsample: ConvSpec | None
    shared: SharedSpec | None = None
    recalibration: RecalibrationSpec | None = None

    @property
    def shared_beside(self) -> bool:
        """Whether the projection takes what the block shares, too.

        Returns:
            False without a projection.
        """
        return self.downsample is not None and self.downsample.takes_shared

    def in_order(self) -> tuple[ConvSpec, ...]:
        """The convolutions in the order of their arrays.

        Returns:
            The spec of the projection comes last.
        """
        return (*self.convs, *((self.downsample,) if self.downsample else ()))

    def with_convs(self, convs: Iterator[ConvSpec]) -> ResidualSpec:
        """The block with the next of `convs` in the place of its own, in the same order.

        Returns:
            The spec with other convolutions.
        """
        own = tuple(next(convs) for _ in self.convs)
        return replace(self, convs=own, downsample=next(convs) if self.downsample else None)

    def parameters(self) -> tuple[Parameter, ...]:
        """The arrays of the block.

        Returns:
            Name, role and shape of each array, named as the network names them.
        """
        found = under(self.shared.name, self.shared.parameters()) if self.shared else ()
        for number, conv in enumerate(self.convs, start=1):
            found += conv_norm(f"conv{number}", f"bn{number}", conv)
        if self.recalibration:
            found += under(self.recalibration.kind, self.recalibration.parameters())
        if self.downsample:
            found += conv_norm("downsample.0", "downsample.1", self.downsample)
        return under(self.name, found)


@dataclass(frozen=True, kw_only=True)
class ResNetSpec(BackboneSpec):
    """`stages` rows are (width, number of blocks); every stage but the first halves the map.

    Example:
        >>> spec = ResNetSpec(stages=((8, 2), (12, 1)), stem_channels=8, num_classes=10)
        >>> spec.name, spec.num_features, [block.name for block in spec.blocks()]
        ('resnet_custom', 12, ['layer1.0', 'layer1.1', 'layer2.0'])
    """

    family: ClassVar[str] = "resnet"
    title: ClassVar[str] = "ResNet"
    published: ClassVar[Mapping[str, Mapping[str, Any]]] = PUBLISHED
    stem_path: ClassVar[str] = "conv1"
    head_path: ClassVar[str] = "fc"
    sign: ClassVar[str] = "layer1.0.bn1.weight"  # of a norm, which all kinds have
    shown_by: ClassVar[Mapping[str, str]] = {"stem_channels": "conv1"}
    recalibrates: ClassVar[bool] = True
    unrouted: ClassVar[frozenset[str]] = frozenset({"downsample"})

    block: str = "basic"
    stages: tuple[tuple[int, ...], ...] = PUBLISHED["resnet18"]["stages"]
    stem_channels: int = WIDTHS[0]

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("block", self.block, tuple(EXPANSION))
        whole("stem_channels", self.stem_channels, 1)
        object.__setattr__(self, "stages", table("stages", self.stages, 2, blocks=1))
        if self.recalibration:
            self.recalibration.check_stages(len(self.stages))

    @property
    def stem(self) -> ConvSpec:
        """The first convolution, which reads the image.

        Returns:
            Its spec, 7x7 of stride 2.
        """
        return self.conv.at(
            Site(self.family, "stem"),
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
        return iter(self._made[0])

    @property
    def warehouses(self) -> WarehouseManagerSpec | None:
        return self._made[1]

    @cached_property
    def _made(self) -> tuple[tuple[ResidualSpec, ...], WarehouseManagerSpec | None]:
        """The blocks with what their convolutions share in the whole network, and that."""
        blocks = tuple(self._separate_blocks())
        convs, warehouses = self.conv.spec_class.sharing([c for b in blocks for c in b.in_order()])
        rest = iter(convs)
        return tuple(block.with_convs(rest) for block in blocks), warehouses

    def _separate_blocks(self) -> Iterator[ResidualSpec]:
        channels = self.stem_channels
        count = sum(depth for _, depth in self.stages)
        site = Site(self.family, "block", self.block)
        sites = (site._replace(number=i, behind=count - i - 1) for i in range(count))
        for stage, (width, depth) in enumerate(self.stages, start=1):
            for index in range(depth):
                stride = 2 if index == 0 and stage > 1 else 1
                name = f"layer{stage}.{index}"
                place = next(sites)._replace(stage=stage - 1, within=index)
                block = self._block(name, place, channels, width, stride)
                yield replace(block, recalibration=self._recalibration(stage - 1))
                channels = width * EXPANSION[self.block]

    def maps(self, size: Size) -> Iterator[tuple[Mapped, Size]]:
        yield self.stem, size
        size = tuple((length + 1) // 2 for length in self.stem.output_size(size))  # max-pooling
        for block in self.blocks():
            if block.shared:
                yield block.shared, size
            if block.downsample:
                yield block.downsample, size
            for conv in block.convs:
                yield conv, size
                size = conv.output_size(size)
            if block.recalibration:
                yield block.recalibration, size
        if self.head:
            yield self.head, (1, 1)

    def by_stage(self) -> Iterator[tuple[str, tuple[ResidualSpec, ...]]]:
        """Each stage's attribute name and its blocks.

        Returns:
            Pairs of a name, such as "layer1", and specs of blocks.
        """
        for stage, blocks in groupby(self.blocks(), key=lambda block: block.name.split(".")[0]):
            yield stage, tuple(blocks)

    def parameters(self) -> tuple[Parameter, ...]:
        found = self.warehouse_parameters() + conv_norm(self.stem_path, "bn1", self.stem)
        for block in self.blocks():
            found += block.parameters()
        return found + self.head_parameters()

    @classmethod
    def from_arrays(cls, shapes: Shapes, **untold: Any) -> ResNetSpec:
        bottleneck = "layer1.0.bn3.weight" in shapes
        depths = _depths(shapes)
        widths = [dimension(shapes, f"layer{n}.0.bn1.weight", 0) for n in range(1, len(depths) + 1)]
        return cls._of_arrays(
            shapes,
            block="bottleneck" if bottleneck else "basic",
            stages=tuple(zip(widths, depths, strict=True)),
            stem_channels=dimension(shapes, "conv1.weight", 0),
        )

    def _recalibration(self, stage: int) -> RecalibrationSpec | None:
        """What scales the map of each block of a stage, counted from 0."""
        out = self.stages[stage][0] * EXPANSION[self.block]
        return self.recalibration(stage, out) if self.recalibration else None

    def _block(self, name: str, site: Site, channels: int, width: int, stride: int) -> ResidualSpec:
        shared = self.conv.shared(site, channels)
        site = site._replace(shared=shared)
        geometries = enumerate(self._geometries(channels, width, stride))
        convs = tuple(
            self.conv.at(
                site._replace(place=place), kernel_size=taps, padding=taps // 2, **geometry
            )
            for place, (taps, geometry) in geometries
        )
        return ResidualSpec(name, convs, self._downsample(site, channels, width, stride), shared)

    def _downsample(self, site: Site, channels: int, width: int, stride: int) -> ConvSpec | None:
        """The projection of the shortcut, where the block changes the shape of the map."""
        out = width * EXPANSION[self.block]
        if stride == 1 and channels == out:
            return None
        geometry = {"in_channels": channels, "out_channels": out, "stride": stride}
        return self.conv.at(site._replace(part="shortcut"), kernel_size=1, **geometry)

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


def _depths(shapes: Shapes) -> list[int]:
    """Blocks in layer1, layer2, ..., up to the first stage that is not there."""
    blocks: dict[str, set[str]] = defaultdict(set)
    for name in shapes:
        layer, _, inside = name.partition(".")
        blocks[layer].add(inside.partition(".")[0])
    numbered = (len(blocks.get(f"layer{number}", ())) for number in count(1))
    depths = list(takewhile(bool, numbered))
    if sum(depths) * _FEWEST_ARRAYS > len(shapes):
        raise UnexplainedError(
            f"{len(shapes)} arrays are too few for the {sum(depths)} blocks of a ResNet that their "
            "names are of"
        )
    return depths
