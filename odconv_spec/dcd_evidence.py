"""What the arrays of a layer of dynamic channel fusion, or of a network, show of its options."""

from __future__ import annotations

from typing import Any, Final

from odconv_spec.dcd_linear import DCDLinearSpec
from odconv_spec.evidence import Shapes, UnexplainedError, dimension, owners

PHI: Final = "fc_phi.weight"
SQUEEZE: Final = "fc.0.weight"
FORMS: Final = ("basic", "bottleneck", "inverted")
LEAST_SQUEEZE: Final = 4
_USUAL_SQUEEZES = (16, 8)  # of the published models


def paths(form: str) -> tuple[str, str]:
    """What the published code calls Q and P."""
    return ("conv_q", "conv_p") if form == "inverted" else ("q", "p")


def options(shapes: Shapes) -> dict[str, Any]:
    """Those that all layers have in common.

    Raises:
        UnexplainedError: there are none.
    """
    layers = [x for x in owners(shapes, PHI) if f"{x}{DCDLinearSpec.sign}" not in shapes]
    limits = [_squeeze_limits(shapes, layer) for layer in layers]
    least = max((low for low, _ in limits), default=1)
    most = min((high for _, high in limits if high is not None), default=None)
    if most is not None and most < least:
        raise UnexplainedError(
            "no fc_squeeze explains the hidden widths of the layers: expected "
            f"max(in, dim ** 2) // fc_squeeze, found that it is {least} at least and {most} at "
            "most"
        )
    usual = (x for x in _USUAL_SQUEEZES if x >= least and (most is None or x <= most))
    return {"fc_squeeze": next(usual, least if most is None else most)}


def geometry(shapes: Shapes) -> dict[str, Any]:
    """That of a lone layer, with its form."""
    out = dimension(shapes, "conv.weight", 0)
    taps = shapes["conv.weight"][2:]
    channels = dimension(shapes, f"{_q_of(shapes, '')}.weight", 1)
    in_group = dimension(shapes, "conv.weight", 1)
    if in_group == 0 or channels % in_group:
        raise UnexplainedError(
            f"conv.weight {shapes['conv.weight']} has {in_group} input channels in a group, "
            f"but Q reads {channels}"
        )
    return {
        "in_channels": channels,
        "out_channels": out,
        "kernel_size": taps,
        "groups": channels // in_group,
        "bias": any(f"{paths(form)[1]}.bias" in shapes for form in FORMS),
        "rank": len(taps),
        "form": _form_of(shapes, ""),
    }


def _q_of(shapes: Shapes, layer: str) -> str:
    return "conv_q" if f"{layer}conv_q.weight" in shapes else "q"


def _form_of(shapes: Shapes, layer: str) -> str:
    """The form of a layer, whose path has its last dot."""
    q = _q_of(shapes, layer)
    if q == "conv_q":
        return "inverted"
    channels = dimension(shapes, f"{layer}{q}.weight", 1)
    return "basic" if dimension(shapes, f"{layer}{SQUEEZE}", 1) > channels else "bottleneck"


def _squeeze_limits(shapes: Shapes, layer: str) -> tuple[int, int | None]:
    """The least and the largest fc_squeeze that give a layer's hidden width; None for no limit.

    Raises:
        UnexplainedError: an array is missing, or the width is 0.
    """
    squeeze, pooled = (dimension(shapes, f"{layer}{SQUEEZE}", axis) for axis in (0, 1))
    dim = dimension(shapes, f"{layer}{_q_of(shapes, layer)}.weight", 0)
    width = max(pooled, dim**2)
    if squeeze < 1:
        raise UnexplainedError(f"{layer}{SQUEEZE}: expected a hidden width, found (0, {pooled})")
    least = width // (squeeze + 1) + 1
    floored = squeeze == LEAST_SQUEEZE and _form_of(shapes, layer) != "bottleneck"
    return least, None if floored else width // squeeze
