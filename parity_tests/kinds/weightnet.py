"""WeightNet: plain and depthwise, as published and with other numbers for each filter."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from odconv_spec import WeightNetConvSpec
from parity_tests.draw import Draw


def _of(widths: tuple[int, int], kernel_size: Any, **options: Any) -> WeightNetConvSpec:
    return WeightNetConvSpec(
        in_channels=widths[0], out_channels=widths[1], kernel_size=kernel_size, **options
    )


_dw = partial(_of, (6, 6), groups=6)
_EVERY_AXIS = {"stride": (1, 2), "dilation": (2, 1), "padding": ((1, 2), (0, 3))}

LAYERS = (
    # spec, (batch, *map), temperature
    (_of((6, 7), 3, padding=1, bias=True), (3, 6, 9), 1.0),
    (_of((5, 4), (2, 3), **_EVERY_AXIS), (2, 9, 8), 1.0),  # a half ends within a channel
    (_of((4, 6), 1, min_channels=3), (1, 5, 4), 1.0),
    (_of((1, 2), 2, hidden_channels=5), (2, 3, 3), 1.0),
    (_of((32, 3), 1, reduction=4, min_channels=2), (2, 3, 2), 1.0),
    (_of((3, 4), 3, multiplier=3, fc_groups=3), (2, 4, 5), 1.0),
    (_of((3, 4), 3, fc_groups=1, padding=1, bias=True), (2, 4, 5), 1.0),  # a kernel each
    (_of((4, 3), (3, 2), multiplier=6, stride=2), (3, 7, 6), 1.0),
    (_of((5, 4), 3, multiplier=1, fc_groups=1), (2, 4, 5), 1.0),
    (_dw(kernel_size=(3, 2), stride=2, padding="valid", bias=True), (3, 7, 8), 1.0),
    (_dw(kernel_size=3, **_EVERY_AXIS), (1, 9, 8), 1.0),
    (_dw(kernel_size=3, multiplier=4, padding=1), (2, 5, 4), 1.0),
    (_of((4, 6), 3, rank=1, padding="same", bias=True), (2, 7), 1.0),
    (_of((4, 6), (1, 2, 3), rank=3, head_init="zero"), (2, 3, 4, 5), 1.0),
    (_dw(kernel_size=(2, 1, 3), rank=3, padding=((1, 0), (0, 0), (1, 1))), (2, 3, 4, 5), 1.0),
)


def draw(draw: Draw) -> tuple[WeightNetConvSpec, tuple[int, ...]]:
    """A random layer; widths are multiples of the groups that their taps are cut into."""
    rank = draw.number(1, 3)
    fc_groups = draw.number(1, 3)
    depthwise = draw.flag(0.3)
    channels = fc_groups * draw.number(1, 3)
    spec = WeightNetConvSpec(
        in_channels=channels,
        out_channels=channels if depthwise else draw.number(1, 6),
        kernel_size=draw.per_axis(rank, 1, 3),
        stride=draw.per_axis(rank, 1, 2),
        padding=tuple((draw.number(0, 2), draw.number(0, 2)) for _ in range(rank)),
        dilation=draw.per_axis(rank, 1, 2),
        groups=channels if depthwise else 1,
        bias=draw.flag(0.5),
        rank=rank,
        multiplier=fc_groups * draw.one_of((1, 1, 2, 3)),
        fc_groups=fc_groups,
        reduction=draw.number(1, 4),
        min_channels=draw.number(1, 8),
    )
    return spec, draw.shape(spec)


def golden(config: Mapping[str, Any]) -> WeightNetConvSpec:
    depthwise = config.get("depthwise", False)
    return WeightNetConvSpec(
        in_channels=config["inp"],
        out_channels=config["inp" if depthwise else "oup"],
        kernel_size=config["ksize"],
        stride=config["stride"],
        padding=config["padding"],
        groups=config["inp"] if depthwise else 1,
        multiplier=config["M"],
        fc_groups=config["G"],
    )


PATHS = {"wnet.": ""}
