"""What the backbones have in common: options, parameters, and their form as JSON text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from math import prod
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, TypeAlias, cast

from odconv_spec.choice import ConvChoice
from odconv_spec.cond_conv import CondConvSpec
from odconv_spec.geometry import real, whole
from odconv_spec.layers import ConvSpec, LinearSpec, NormSpec
from odconv_spec.parameters import Parameter, under

Size: TypeAlias = tuple[int, ...]

MOST_DROPOUT = 0.99
MOST_BLOCKS = 1000  # a table may come from a file, and each block takes memory


class BlockSpec(Protocol):
    """One block of a backbone, with the name of the attribute that holds it."""

    @property
    def name(self) -> str: ...

    def parameters(self) -> tuple[Parameter, ...]: ...


@dataclass(frozen=True)
class FeatureInfo:
    """A map that a backbone offers to a detector: its channels, and its stride over the image."""

    name: str
    channels: int
    stride: int


def conv_norm(conv: str, norm: str, spec: ConvSpec) -> tuple[Parameter, ...]:
    """A convolution and the normalisation of its output, under two attribute names."""
    return under(conv, spec.parameters()) + under(norm, NormSpec(spec.out_channels).parameters())


@dataclass(frozen=True, kw_only=True)
class BackboneSpec:
    """Options of every backbone. `conv` is the convolution of the blocks.

    Raises:
        ValueError: an option is out of range.
    """

    family: ClassVar[str]
    last_blocks: ClassVar[Mapping[str, int]] = MappingProxyType({})
    """How many of the last blocks a kind of convolution takes; one that is not here takes all."""

    conv: ConvChoice = field(default_factory=lambda: ConvChoice.of("static"))
    num_classes: int = 1000
    in_channels: int = 3
    dropout: float = 0.0

    def __post_init__(self) -> None:
        whole("num_classes", self.num_classes, 1)
        whole("in_channels", self.in_channels, 1)
        if self.dropout != 0:
            real("dropout", self.dropout, 0, MOST_DROPOUT)

    @property
    def name(self) -> str:
        """The model's name, such as "od_resnet18"; a table of one's own adds "custom"."""
        raise NotImplementedError

    @property
    def head(self) -> LinearSpec | CondConvSpec:
        """The classifier; that of CondConv is a 1x1 convolution of the pooled map."""
        if self.conv.kind == "cond":
            widths = {"in_channels": self.num_features, "out_channels": self.num_classes}
            head = self.conv(kernel_size=1, bias=True, mix_bias=False, **widths)
            return cast(CondConvSpec, head)
        return LinearSpec(self.num_features, self.num_classes)

    @property
    def num_features(self) -> int:
        """Channels of the last map."""
        raise NotImplementedError

    def feature_info(self) -> tuple[FeatureInfo, ...]:
        """The last map of each stride, 2 to 32, as detectors take them."""
        raise NotImplementedError

    def blocks(self) -> Iterator[BlockSpec]:
        raise NotImplementedError

    def maps(self, size: tuple[int, ...]) -> Iterator[tuple[ConvSpec | LinearSpec, Size]]:
        """Every convolution, router and head in order, with the size of the map that it sees.

        Args:
            size: of the image, (height, width).
        """
        raise NotImplementedError

    def parameters(self) -> tuple[Parameter, ...]:
        """Every stored array in the order of the official state dict."""
        raise NotImplementedError

    def trainable_count(self) -> int:
        """Number of trainable scalars."""
        return sum(prod(p.shape) for p in self.parameters() if p.role.trainable)

    def to_dict(self) -> dict[str, Any]:
        """Plain values that `odconv_spec.from_dict` turns back into this spec."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "conv"}
        conv = {"conv": self.conv.kind, "conv_options": dict(self.conv.options)}
        return {"family": self.family, **conv, **own}

    def choices(self, count: int) -> Iterator[ConvChoice]:
        """The convolution of each of `count` blocks."""
        replaced = self.last_blocks.get(self.conv.kind, count)
        for index in range(count):
            yield self.conv if index >= count - replaced else ConvChoice.of("static")

    def _prefixed(self, name: str) -> str:
        return name if self.conv.kind == "static" else f"{self.conv.kind}_{name}"


def routed(choice: ConvChoice, in_channels: int) -> tuple[LinearSpec | None, dict[str, Any]]:
    """The router of a block, which its convolutions share, and what it makes of their options."""
    if choice.kind != "cond":
        return None, {}
    return LinearSpec(in_channels, dict(choice.options)["kernel_num"]), {"router": "shared"}


def table(name: str, rows: Any, columns: int, blocks: int) -> tuple[tuple[int, ...], ...]:
    """A stage table as nested tuples of positive numbers with `columns` numbers a row.

    Column `blocks` has the number of blocks of the stage.
    """
    try:
        found = tuple(tuple(whole(name, value, 1) for value in row) for row in rows)
    except TypeError:
        found = ()
    if not found or any(len(row) != columns for row in found):
        raise ValueError(f"{name}: expected rows of {columns} numbers, received {rows!r}")
    total = sum(row[blocks] for row in found)
    if total > MOST_BLOCKS:
        raise ValueError(f"{name}: expected at most {MOST_BLOCKS} blocks, received {total}")
    return found
