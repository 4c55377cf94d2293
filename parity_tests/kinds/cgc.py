"""Context-gated convolution: what is compared of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from odconv_spec import CGConvSpec
from parity_tests.draw import Draw


def _cgc(widths: tuple[int, int], kernel_size: Any, **options: Any) -> CGConvSpec:
    return CGConvSpec(
        in_channels=widths[0], out_channels=widths[1], kernel_size=kernel_size, **options
    )


LAYERS = (
    (_cgc((5, 7), 3, padding=1, bias=True), (3, 6, 9), 1.0),
    (_cgc((32, 6), (3, 5), padding=((1, 2), (0, 3)), stride=(1, 2)), (2, 7, 9), 1.0),
    (_cgc((16, 4), (3, 2), dilation=(2, 1), bias=True), (1, 7, 8), 1.0),  # which trains
    (_cgc((48, 9), 3, padding=2), (2, 2, 1), 1.0),  # a map smaller than the kernel
    (_cgc((3, 8), 7, padding=3, stride=2), (2, 13, 10), 1.0),
    (_cgc((2, 3), (1, 2), padding="same"), (3, 4, 5), 1.0),
    (_cgc((6, 4), 1, groups=2, bias=True), (2, 4, 5), 1.0),  # one tap, no gate
    (_cgc((4, 5), 3, rank=1, stride=2, padding=2, bias=True), (3, 8), 1.0),
    (_cgc((32, 4), (2, 1, 3), rank=3, padding=((1, 0), (0, 0), (1, 1))), (2, 3, 4, 5), 1.0),
)


def draw(draw: Draw) -> tuple[CGConvSpec, tuple[int, ...]]:
    """A random layer and (batch, *map)."""
    rank = draw.one_of((1, 2, 2, 3))
    kernel = draw.per_axis(rank, 1, 4 if rank < 3 else 3)
    sixteens = draw.one_of((1, 1, 1, 2, 3))
    same = draw.flag(0.15)
    pairs = tuple((draw.number(0, 2), draw.number(0, 2)) for _ in range(rank))
    spec = CGConvSpec(
        in_channels=draw.number(1, 16) if sixteens == 1 else 16 * sixteens,
        out_channels=sixteens * draw.number(1, 6),
        kernel_size=kernel,
        stride=1 if same else draw.per_axis(rank, 1, 3),
        padding="same" if same else draw.one_of((pairs, draw.number(0, 2))),
        dilation=draw.per_axis(rank, 1, 2),
        bias=draw.flag(0.5),
        rank=rank,
    )
    return spec, draw.shape(spec)


def golden(config: Mapping[str, Any]) -> CGConvSpec:
    """The spec of a golden file's configuration."""
    return CGConvSpec(**{k: v for k, v in config.items() if k not in ("kind", "reference")})
