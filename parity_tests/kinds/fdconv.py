"""Frequency dynamic convolution: what is compared of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from odconv_spec import FDConvSpec
from parity_tests.draw import Draw

# Arguments of the published class that are none of ours.
_OTHERS = ("kind", "reference", "use_fdconv_if_c_gt", "kernel_temp", "temp")


def _fd(widths: tuple[int, int], kernel_size: int, **options: Any) -> FDConvSpec:
    return FDConvSpec(
        in_channels=widths[0], out_channels=widths[1], kernel_size=kernel_size, **options
    )


LAYERS = (
    (_fd((6, 8), 3, padding=1), (3, 7, 5), 1.0),
    (_fd((4, 6), 3, stride=(1, 2), padding=((1, 0), (2, 1)), kernel_num=2), (2, 6, 9), 1.0),
    (_fd((8, 4), 3, dilation=(2, 1), bias=True, param_ratio=2, kernel_num=6), (2, 9, 14), 1.0),
    (_fd((10, 3), 1, bias=True, temperature=2.5, kernel_num=6), (3, 4, 5), 1.0),
    (
        _fd((34, 4), 1, reduction=0.5, stride=2, param_ratio=3, padding=((0, 1), (2, 0))),
        (4, 3, 4),
        1.0,
    ),
    (_fd((2, 2), 3, padding=1), (1, 1, 1), 1.0),  # one sample: running statistics in training
    (_fd((4, 4), 3, padding="same"), (1, 5, 16), 1.0),
)


def draw(draw: Draw) -> tuple[FDConvSpec, tuple[int, ...]]:
    """A random layer and (batch, *map)."""
    taps, inputs, outputs = draw.one_of((1, 3, 3)), 2 * draw.number(1, 8), draw.number(2, 9)
    count = outputs * taps * (inputs * taps // 2 + 1)
    groups = [number for number in range(2, 17) if count % number == 0]
    same = draw.flag(0.15)
    pairs = tuple((draw.number(0, 2), draw.number(0, 2)) for _ in range(2))
    spec = FDConvSpec(
        in_channels=inputs,
        out_channels=outputs,
        kernel_size=taps,
        stride=1 if same else draw.per_axis(2, 1, 3),
        padding="same" if same else draw.one_of((pairs, draw.number(0, 2))),
        dilation=draw.per_axis(2, 1, 2),
        bias=draw.flag(0.5),
        kernel_num=draw.one_of(groups or [count]),
        reduction=draw.one_of((0.0625, 0.5, 1.0)),
        param_ratio=draw.one_of((1, 1, 2, 3)),
        temperature=draw.one_of((1.0, 1.0, 4.5)),
    )
    return spec, draw.shape(spec)


def golden(config: Mapping[str, Any]) -> FDConvSpec:
    """The spec of a golden file's configuration."""
    options = {name: value for name, value in config.items() if name not in _OTHERS}
    return FDConvSpec(**options, temperature=config.get("kernel_temp", 1.0))


# The published layer does not save them.
PATHS = {"buffer/indices": "weights/frequency_order.indices"}
