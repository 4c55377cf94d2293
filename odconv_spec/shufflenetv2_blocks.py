"""The blocks of ShuffleNetV2: their convolutions, and what both published codes call these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from odconv_spec.block import conv_norm
from odconv_spec.conv import ConvSpec
from odconv_spec.parameters import Parameter, under
from odconv_spec.shared import SharedSpec


class Names(NamedTuple):
    """Paths in a block of each convolution and its norm."""

    branch: tuple[tuple[str, str], ...]
    beside: tuple[tuple[str, str], ...]


STATIC_NAMES: Final = Names(
    (
        ("branch_main.0", "branch_main.1"),
        ("branch_main.3", "branch_main.4"),
        ("branch_main.5", "branch_main.6"),
    ),
    (("branch_proj.0", "branch_proj.1"), ("branch_proj.2", "branch_proj.3")),
)
# WeightNet's code has no sequences, through which no second argument would pass.
NAMES: Final[Mapping[str, Names]] = {
    "weightnet": Names(
        (("wnet1", "bn1"), ("wnet2", "bn2"), ("wnet3", "bn3")),
        (("wnet_proj_1", "bn_proj_1"), ("wnet_proj_2", "bn_proj_2")),
    )
}


@dataclass(frozen=True)
class UnitSpec:
    """A convolution of a block, the paths of it and of its norm, and whether a ReLU follows.

    Example:
        >>> unit = next(model_spec("shufflenetv2_100").blocks()).branch[1]
        >>> unit.path, unit.activated, unit.conv.depthwise
        ('branch_main.3', False, True)
    """

    conv: ConvSpec
    path: str
    norm_path: str
    activated: bool = True

    def parameters(self) -> tuple[Parameter, ...]:
        """The arrays of the convolution and of its norm.

        Returns:
            Name, role and shape of each array, named as the block names them.
        """
        return conv_norm(self.path, self.norm_path, self.conv)


@dataclass(frozen=True)
class ShuffleSpec:
    """One block: the convolutions of its branch, and those beside it in a block of stride 2.

    `shared` is what the convolutions of the block share, if they do.

    Example:
        >>> first, second, *_ = model_spec("shufflenetv2_100").blocks()
        >>> len(first.branch), len(first.beside), len(second.beside)
        (3, 2, 0)
    """

    name: str
    branch: tuple[UnitSpec, ...]
    beside: tuple[UnitSpec, ...] = ()
    shared: SharedSpec | None = None

    def parameters(self) -> tuple[Parameter, ...]:
        """The arrays of the block.

        Returns:
            Name, role and shape of each array, named as the network names them.
        """
        found = under(self.shared.name, self.shared.parameters()) if self.shared else ()
        for unit in (*self.branch, *self.beside):
            found += unit.parameters()
        return under(self.name, found)


def units_of(
    convs: tuple[ConvSpec, ...], paths: tuple[tuple[str, str], ...], depthwise: int
) -> tuple[UnitSpec, ...]:
    """Convolutions with their paths; no ReLU follows the depthwise one, which has that place."""
    pairs = enumerate(zip(convs, paths, strict=True))
    return tuple(UnitSpec(conv, *path, index != depthwise) for index, (conv, path) in pairs)


def depthwise_geometry(channels: int, halves: bool) -> dict[str, int]:
    """Of 3x3 taps; with stride 2 it `halves` the map."""
    geometry = {"in_channels": channels, "out_channels": channels, "groups": channels}
    return {**geometry, "kernel_size": 3, "stride": 2 if halves else 1, "padding": 1}
