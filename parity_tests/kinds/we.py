"""Weight excitation: what is compared of it."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from odconv_spec import WEConvSpec
from parity_tests.draw import Draw

_FORMS: Mapping[str, Mapping[str, Any]] = {
    "lwe": {},
    "ws_lwe_mwe": {"standardize": True, "magnitude": True},
}
_ALL = {"standardize": True, "location": True, "magnitude": True}


def _we(widths: tuple[int, int], kernel_size: Any, **options: Any) -> WEConvSpec:
    return WEConvSpec(
        in_channels=widths[0], out_channels=widths[1], kernel_size=kernel_size, **options
    )


LAYERS = (
    (_we((5, 7), 3, padding=1), (3, 6, 9), 1.0),
    (_we((8, 12), (3, 2), groups=4, reduction=2, stride=(1, 2), **_ALL), (2, 9, 8), 1.0),
    (_we((6, 6), 3, groups=6, padding=1, reduction=2, bias=True, stride=2), (1, 8, 7), 1.0),
    (_we((4, 6), (2, 3), location=False, standardize=True, padding="same"), (2, 5, 4), 1.0),
    (_we((4, 6), 3, location=False, magnitude=True, dilation=(2, 1), bias=True), (2, 7, 4), 1.0),
    (_we((9, 4), 1, padding=((1, 0), (0, 2)), reduction=3, **_ALL), (2, 3, 4), 1.0),
    (_we((5, 4), 3, rank=1, padding="same", magnitude=True, bias=True), (2, 7), 1.0),
    (_we((5, 4), (1, 2, 3), rank=3, standardize=True, stride=(1, 2, 1)), (2, 3, 4, 5), 1.0),
)


def draw(draw: Draw) -> tuple[WEConvSpec, tuple[int, ...]]:
    """A random layer and (batch, *map)."""
    rank, groups = draw.one_of((1, 2, 2, 3)), draw.one_of((1, 1, 2, 3))
    kernel = draw.per_axis(rank, 1, 4 if rank < 3 else 3)
    depthwise = draw.flag(0.2)
    inputs = groups * draw.number(1, 5)
    filters = 1 if depthwise else inputs // groups
    # Two standardised weights are alike but for their signs, so that neither is the largest.
    standardize = draw.flag(0.5) and filters * prod(kernel) > 2
    location, same = draw.flag(0.7) or not standardize, draw.flag(0.15)
    pairs = tuple((draw.number(0, 2), draw.number(0, 2)) for _ in range(rank))
    spec = WEConvSpec(
        in_channels=inputs,
        out_channels=inputs if depthwise else groups * draw.number(1, 5),
        kernel_size=kernel,
        stride=1 if same else draw.per_axis(rank, 1, 3),
        padding="same" if same else draw.one_of((pairs, draw.number(0, 2))),
        dilation=draw.per_axis(rank, 1, 2),
        groups=inputs if depthwise else groups,
        bias=draw.flag(0.5),
        rank=rank,
        standardize=standardize,
        location=location,
        magnitude=draw.flag(0.5),
        reduction=draw.one_of((1, 2, 4, 16)),
    )
    return spec, draw.shape(spec)


def golden(config: Mapping[str, Any]) -> WEConvSpec:
    """The spec of a golden file's configuration."""
    geometry = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "bias")
    return WEConvSpec(**{name: config[name] for name in geometry}, **_FORMS[config["form"]])
