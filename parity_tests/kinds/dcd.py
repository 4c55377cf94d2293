"""Dynamic channel fusion."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from odconv_spec import DCDConvSpec, DCDLinearSpec
from odconv_spec.dcd_evidence import FORMS
from parity_tests.draw import Draw

_FORMS: Final[Mapping[str, str]] = {
    "conv_basic_dy": "basic",
    "conv_dy": "bottleneck",
    "DYModule": "inverted",
}


def _dcd(widths: tuple[int, int], kernel_size: Any, **options: Any) -> DCDConvSpec:
    return DCDConvSpec(
        in_channels=widths[0], out_channels=widths[1], kernel_size=kernel_size, **options
    )


_bottleneck = partial(_dcd, form="bottleneck", fc_squeeze=4)
_inverted = partial(_dcd, form="inverted", fc_squeeze=8)

LAYERS = (
    # spec, (batch, *map), temperature
    (_dcd((5, 7), 3, padding=1), (3, 6, 9), 1.0),  # an odd and an even axis
    (_dcd((6, 9), (3, 5), stride=2, padding=(1, 2), bias=True), (2, 7, 8), 1.0),
    (_dcd((6, 4), (2, 3), stride=(1, 2), dilation=(2, 1), groups=2), (2, 9, 8), 1.0),
    (_dcd((4, 6), 3, padding=((2, 1), (0, 3)), fc_squeeze=2), (2, 5, 4), 1.0),
    (_bottleneck((12, 7), 1), (3, 5, 4), 1.0),
    (_bottleneck((9, 20), 3, padding=1, stride=2, bias=True), (2, 5, 4), 1.0),
    (_inverted((8, 30), 1), (3, 5, 3), 1.0),  # wider: means over four windows
    (_inverted((30, 8), 1), (2, 4, 5), 1.0),
    (_inverted((40, 40), 1, fc_squeeze=16, head_init="zero"), (2, 3, 4), 1.0),
    (_dcd((5, 7), 3, padding=1), (1, 6, 9), 1.0),
    (_dcd((5, 7), 3, padding=1), (1, 1, 1), 1.0),  # running statistics in training
    (_dcd((4, 6), 3, rank=1, padding="same"), (2, 7), 1.0),
    (_inverted((4, 20), (1, 2, 3), rank=3, stride=2), (2, 3, 4, 5), 1.0),
    (DCDLinearSpec(9, 5), (3,), 1.0),
    (DCDLinearSpec(6, 7, bias=False, dim=4, squeeze=3), (1,), 1.0),  # running statistics
)


def draw(draw: Draw) -> tuple[DCDConvSpec, tuple[int, ...]]:
    """A random layer, and (batch, *map)."""
    form, rank = draw.one_of(FORMS), draw.one_of((1, 2, 2, 3))
    groups = draw.one_of((1, 1, 1, 2))
    kernel = draw.per_axis(rank, 1, 3)
    same = tuple(((taps - 1) // 2, taps // 2) for taps in kernel)
    pairs = tuple((draw.number(0, 2), draw.number(0, 2)) for _ in range(rank))
    spec = DCDConvSpec(
        in_channels=groups * draw.number(2, 12),
        out_channels=groups * draw.number(1, 12),
        kernel_size=kernel,
        stride=draw.per_axis(rank, 1, 2),
        padding=draw.one_of((same, pairs)),
        dilation=draw.one_of((1, draw.per_axis(rank, 1, 2))),
        groups=groups,
        bias=draw.flag(0.3),
        rank=rank,
        form=form,
        fc_squeeze=draw.number(1, 2) if form == "bottleneck" else draw.one_of((4, 8, 16)),
    )
    # The gradient through a norm of two values is zero but for its epsilon: `LAYERS` has such.
    batch, *sizes = draw.shape(spec)
    return spec, (max(batch, 2), *(size + 3 for size in sizes))


def golden(config: Mapping[str, Any]) -> DCDConvSpec | DCDLinearSpec:
    """The spec of a golden file's configuration."""
    if config["form"] == "DYCls":
        return DCDLinearSpec(config["inp"], config["oup"], dim=config["dim"])
    taps = 3 if config["form"] == "conv_basic_dy" else 1
    return DCDConvSpec(
        in_channels=config["inplanes"] if "inplanes" in config else config["inp"],
        out_channels=config["planes"] if "planes" in config else config["oup"],
        kernel_size=taps,
        stride=config.get("stride", 1),
        padding=taps // 2,
        form=_FORMS[config["form"]],
        fc_squeeze=config.get("fc_squeeze", 16),
    )
