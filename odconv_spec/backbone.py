"""What the backbones have in common: options, parameters, and their form as JSON text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from math import prod
from typing import Any, ClassVar, Protocol

from odconv_spec.choice import ConvChoice
from odconv_spec.geometry import real, whole
from odconv_spec.layers import ConvSpec, LinearSpec, NormSpec
from odconv_spec.parameters import Parameter, under

MOST_DROPOUT = 0.99
MOST_BLOCKS = 1000  # a table may come from a file, and each block takes memory


class BlockSpec(Protocol):
    """One block of a backbone, with the name of the attribute that holds it."""

    @property
    def name(self) -> str: ...

    def parameters(self) -> tuple[Parameter, ...]: ...


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
    def head(self) -> LinearSpec:
        raise NotImplementedError

    def blocks(self) -> Iterator[BlockSpec]:
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

    def _prefixed(self, name: str) -> str:
        return name if self.conv.kind == "static" else f"{self.conv.kind}_{name}"


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
