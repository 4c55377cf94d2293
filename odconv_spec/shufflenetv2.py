"""ShuffleNetV2, https://arxiv.org/abs/1807.11164, as in the published code of it and of WeightNet.

https://github.com/megvii-model/ShuffleNet-Series has the static networks, and
https://github.com/megvii-model/WeightNet those of WeightNet, which are a little narrower or wider,
have biases that the others lack, and call their layers otherwise. Both keep in a block of stride 1
half of the channels as they are, and convolve the other half.

Which convolutions a kind takes says its spec, see `DynamicConvSpec.takes`: those of a block's
branch are its "block", those beside it, in a block of stride 2, its "shortcut".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any, ClassVar, Final

from odconv_spec.backbone import BackboneSpec, Mapped, Size
from odconv_spec.block import conv_norm
from odconv_spec.conv import ConvSpec
from odconv_spec.evidence import Shapes, UnexplainedError, dimension, possible
from odconv_spec.feature_maps import FeatureInfo
from odconv_spec.geometry import flag, whole
from odconv_spec.linear import LinearSpec
from odconv_spec.parameters import Parameter, under
from odconv_spec.shufflenetv2_blocks import (
    NAMES,
    STATIC_NAMES,
    Names,
    ShuffleSpec,
    UnitSpec,
    depthwise_geometry,
    units_of,
)
from odconv_spec.site import Site
from odconv_spec.stage_table import table

STEM_CHANNELS: Final = 24
LAST_CHANNELS: Final = 1024
DEPTHS: Final = (4, 8, 4)


def _published(*widths: int, **options: Any) -> dict[str, Any]:
    return {"stages": tuple(zip(widths, DEPTHS, strict=True)), **options}


PUBLISHED: Final[Mapping[str, Mapping[str, Any]]] = {
    "shufflenetv2_050": _published(48, 96, 192),
    "shufflenetv2_100": _published(116, 232, 464),
    "shufflenetv2_150": _published(176, 352, 704),
    "shufflenetv2_200": _published(244, 488, 976, last_channels=2048),
}
_BIASED: Final = {"conv_bias": True, "head_bias": True}
WITH_WEIGHTNET: Final[Mapping[str, Mapping[str, Any]]] = {
    "shufflenetv2_050": _published(48, 96, 192, **_BIASED),
    "shufflenetv2_100": _published(112, 224, 448, **_BIASED),
    "shufflenetv2_150": _published(176, 352, 704, **_BIASED),
    "shufflenetv2_200": _published(248, 496, 992, **_BIASED),
}
NORM_SHIFT: Final = 0.0001
"""The start of each norm's shift."""


def start_deviation(spec: ConvSpec, first: bool = False) -> float:
    """Of the normal start of a static convolution, as published; the first of all has another."""
    return 0.01 if first else 1 / spec.kernel_shape[1]


@dataclass(frozen=True, kw_only=True)
class ShuffleNetV2Spec(BackboneSpec):
    """`stages` rows are (width, number of blocks); the first block of each halves the map.

    `conv_bias` gives the first and the last convolution a bias, `head_bias` the classifier.

    Raises:
        ValueError: besides what every backbone raises, a stage whose width is odd, or not greater
        than that before it.

    Example:
        >>> spec = ShuffleNetV2Spec(stages=((32, 2), (48, 1)), last_channels=64, num_classes=10)
        >>> spec.name, spec.num_features, len(list(spec.blocks()))
        ('shufflenetv2_custom', 64, 3)
    """

    family: ClassVar[str] = "shufflenetv2"
    title: ClassVar[str] = "ShuffleNetV2"
    published: ClassVar[Mapping[str, Mapping[str, Any]]] = PUBLISHED
    stem_path: ClassVar[str] = "first_conv.0"
    head_path: ClassVar[str] = "classifier.0"
    sign: ClassVar[str] = "first_conv.0.weight"
    shown_by: ClassVar[Mapping[str, str]] = {
        "stem_channels": "first_conv.0",
        "last_channels": "conv_last.0",
    }
    unrouted: ClassVar[frozenset[str]] = frozenset({"branch_proj"})

    stages: tuple[tuple[int, ...], ...] = PUBLISHED["shufflenetv2_100"]["stages"]
    stem_channels: int = STEM_CHANNELS
    last_channels: int = LAST_CHANNELS
    conv_bias: bool = False
    head_bias: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("stem_channels", "last_channels"):
            whole(name, getattr(self, name), 1)
        for name in ("conv_bias", "head_bias"):
            flag(name, getattr(self, name))
        object.__setattr__(self, "stages", table("stages", self.stages, 2, blocks=1))
        before = self.stem_channels
        for width, _ in self.stages:
            if width % 2 or width <= before:
                even = max(width + width % 2, before + 1 + (before + 1) % 2)
                raise ValueError(
                    f"stages: expected an even width of more than the {before} channels before it, "
                    f"because halves of them part in each block, received {width}; the nearest is "
                    f"{even}"
                )
            before = width

    @classmethod
    def published_with(cls, kind: str) -> Mapping[str, Mapping[str, Any]]:
        return WITH_WEIGHTNET if kind == "weightnet" else cls.published

    @property
    def names(self) -> Names:
        """What the published code of the convolution calls the layers of the network.

        Returns:
            The paths of a kind, those of the static network where it has none of its own.
        """
        return NAMES.get(self.conv.kind, STATIC_NAMES)

    @property
    def stem(self) -> ConvSpec:
        """The first convolution, which reads the image.

        Returns:
            Its spec, 3x3 of stride 2.
        """
        return self.conv.at(
            Site(self.family, "stem"),
            in_channels=self.in_channels,
            out_channels=self.stem_channels,
            kernel_size=3,
            stride=2,
            padding=1,
            bias=self.conv_bias,
        )

    @property
    def last(self) -> ConvSpec:
        """The convolution behind the blocks.

        Returns:
            Its spec, 1x1 to `last_channels`.
        """
        return self.conv.at(
            Site(self.family, "last"),
            in_channels=self.stages[-1][0],
            out_channels=self.last_channels,
            kernel_size=1,
            bias=self.conv_bias,
        )

    @property
    def head(self) -> LinearSpec | ConvSpec | None:
        head = super().head
        return replace(head, bias=self.head_bias) if isinstance(head, LinearSpec) else head

    @property
    def num_features(self) -> int:
        return self.last_channels

    def feature_info(self) -> tuple[FeatureInfo, ...]:
        found = [
            FeatureInfo("first_conv", self.stem_channels, 2),
            FeatureInfo("maxpool", self.stem_channels, 4),
        ]
        last = -1
        for stage, (width, depth) in enumerate(self.stages):
            last += depth
            found.append(FeatureInfo(f"features.{last}", width, 2 ** (stage + 3)))
        return tuple(found)

    def blocks(self) -> Iterator[ShuffleSpec]:
        channels, index = self.stem_channels, 0
        count = sum(depth for _, depth in self.stages)
        site = Site(self.family, "block", "shuffle")
        for width, depth in self.stages:
            for repeat in range(depth):
                place = site._replace(number=index, behind=count - index - 1)
                yield self._block(f"features.{index}", place, channels, width, repeat == 0)
                channels, index = width, index + 1

    def maps(self, size: Size) -> Iterator[tuple[Mapped, Size]]:
        yield self.stem, size
        size = tuple((length + 1) // 2 for length in self.stem.output_size(size))  # max-pooling
        for block in self.blocks():
            if block.shared:
                yield block.shared, size
            for units in (block.beside, block.branch):
                now = size
                for unit in units:
                    yield unit.conv, now
                    now = unit.conv.output_size(now)
            size = now
        yield self.last, size
        if self.head:
            yield self.head, (1, 1)

    def parameters(self) -> tuple[Parameter, ...]:
        found = under("first_conv", conv_norm("0", "1", self.stem))
        for block in self.blocks():
            found += block.parameters()
        found += under("conv_last", conv_norm("0", "1", self.last))
        return found + self.head_parameters()

    def spare_layers(self) -> tuple[str, ...]:
        return ("conv_last",)

    def _block(self, name: str, site: Site, channels: int, width: int, halves: bool) -> ShuffleSpec:
        """A block that halves the map, or one that keeps half of its channels."""
        seen, middle = channels if halves else channels // 2, width // 2
        shared = self.conv.shared(site, seen)
        site = site._replace(shared=shared)
        convs = (
            self.conv.at(site, in_channels=seen, out_channels=middle, kernel_size=1),
            self.conv.at(site._replace(place=1), **depthwise_geometry(middle, halves)),
            self.conv.at(
                site._replace(place=2), in_channels=middle, out_channels=width - seen, kernel_size=1
            ),
        )
        beside = self._beside(site._replace(part="shortcut"), seen) if halves else ()
        return ShuffleSpec(name, units_of(convs, self.names.branch, 1), beside, shared)

    def _beside(self, site: Site, channels: int) -> tuple[UnitSpec, ...]:
        convs = (
            self.conv.at(site, **depthwise_geometry(channels, halves=True)),
            self.conv.at(
                site._replace(place=1), in_channels=channels, out_channels=channels, kernel_size=1
            ),
        )
        return units_of(convs, self.names.beside, 0)

    @classmethod
    def from_arrays(cls, shapes: Shapes, **untold: Any) -> ShuffleNetV2Spec:
        common = cls._infer_common(shapes)
        conv = common["conv"]
        names = NAMES.get(conv.kind, STATIC_NAMES)
        head = cls._classifier(conv, 1, 1)
        stem = dimension(shapes, "first_conv.0.weight", 0)
        # Without a classifier, as published: either all three have a bias, or none has.
        bias = f"{cls.head_path if common['num_classes'] else cls.stem_path}.bias"
        with possible():
            return cls(
                **common,
                stages=tuple(_infer_stages(shapes, names, stem)),
                stem_channels=stem,
                last_channels=dimension(shapes, "conv_last.1.weight", 0),
                conv_bias="first_conv.0.bias" in shapes,
                head_bias=isinstance(head, LinearSpec) and bias in shapes,
            )


def _infer_stages(shapes: Shapes, names: Names, channels: int) -> Iterator[tuple[int, int]]:
    """(width, blocks) of each stage, which begins with a block that has a branch beside."""
    (*_, (_, last)), ((_, beside), *_) = names
    numbers = takewhile(lambda n: f"features.{n}.{last}.weight" in shapes, range(len(shapes)))
    count = len(list(numbers))
    firsts = [n for n in range(count) if f"features.{n}.{beside}.weight" in shapes]
    if firsts[:1] != [0]:
        raise UnexplainedError(
            f"features.0.{beside}.weight: expected the norm beside the branch of the first block, "
            "found no such array"
        )
    for first, end in zip(firsts, [*firsts[1:], count], strict=True):
        channels += dimension(shapes, f"features.{first}.{last}.weight", 0)
        yield channels, end - first
