"""What the arrays of an FDConv, or of a network with some, show of its options."""

from __future__ import annotations

from contextlib import suppress
from math import prod
from typing import Any, Final

from odconv_spec.evidence import (
    Shapes,
    UnexplainedError,
    dimension,
    no_reduction,
    owners,
    reduction_of,
    widths,
)
from odconv_spec.frequencies import FrequencyOrderSpec

SPECTRUM: Final = "dft_weight"
SQUEEZE: Final = "KSM_Global.fc.weight"
GROUPS: Final = "KSM_Global.kernel_fc.weight"
LEAST_HIDDEN: Final = 16
_TAPS = "KSM_Global.spatial_fc.weight"  # which a kernel of one tap has not
_OUTPUTS = "KSM_Global.filter_fc.weight"
_ORDER = "frequency_order.indices"


def options(shapes: Shapes) -> dict[str, Any]:
    """Those that all layers have in common.

    Raises:
        UnexplainedError: there are none.
    """
    found = {_groups_of(shapes, owner) for owner in owners(shapes, SQUEEZE)}
    if len(found) != 1:
        raise UnexplainedError(
            "the layers have different numbers of groups: (kernel_num, param_ratio) "
            f"{sorted(found)}"
        )
    hidden = widths(shapes, SQUEEZE)
    reduction = reduction_of(hidden, LEAST_HIDDEN)
    if reduction is None:
        raise no_reduction(hidden, f"max(int(width * reduction), {LEAST_HIDDEN})")
    kernel_num, param_ratio = found.pop()
    return {"kernel_num": kernel_num, "param_ratio": param_ratio, "reduction": reduction}


def geometry(shapes: Shapes) -> dict[str, Any]:
    """That of a lone layer."""
    return {
        "in_channels": dimension(shapes, SQUEEZE, 1),
        "out_channels": dimension(shapes, _OUTPUTS, 0),
        "kernel_size": _taps_of(shapes, ""),
        "bias": "bias" in shapes,
    }


def orders(shapes: Shapes) -> dict[str, FrequencyOrderSpec]:
    """The name of each layer's array of indices, and what makes it; stored or not."""
    found = ((f"{owner}{_ORDER}", _order_of(shapes, owner)) for owner in owners(shapes, SQUEEZE))
    return {name: order for name, order in found if order}


def _order_of(shapes: Shapes, owner: str) -> FrequencyOrderSpec | None:
    """Of a layer in its arrays; None where they contradict each other."""
    with suppress(ValueError):
        kernel_num, param_ratio = _groups_of(shapes, owner)
        rows = dimension(shapes, f"{owner}{SPECTRUM}", 1)
        columns = dimension(shapes, f"{owner}{SQUEEZE}", 1) * _taps_of(shapes, owner)
        order = FrequencyOrderSpec((rows, columns), kernel_num, param_ratio)
        fits = shapes[f"{owner}{SPECTRUM}"] == (param_ratio, *order.spectrum, 2)
        return order if fits and kernel_num > 0 and prod(order.spectrum) % kernel_num == 0 else None
    return None


def _taps_of(shapes: Shapes, owner: str) -> int:
    """Along each axis of a layer's kernel."""
    return 3 if f"{owner}{_TAPS}" in shapes else 1


def _groups_of(shapes: Shapes, owner: str) -> tuple[int, int]:
    """`kernel_num` and `param_ratio` of a layer."""
    spectrum, head = f"{owner}{SPECTRUM}", f"{owner}{GROUPS}"
    if spectrum not in shapes and f"{owner}weight" in shapes:
        raise UnexplainedError(
            f"{owner}weight is a kernel: the layer was made with convert_param=False",
            help="make it with convert_param=True, whose dft_weight is the kernel's spectrum "
            "over min(in, out) // 2, and save it again",
        )
    ratio, groups = dimension(shapes, spectrum, 0), dimension(shapes, head, 0)
    if ratio == 0 or groups % ratio:
        raise UnexplainedError(
            f"{spectrum} {shapes[spectrum]} has {ratio} spectra, but {head} {shapes[head]} "
            "weighs no multiple of that many groups"
        )
    return groups // ratio, ratio
