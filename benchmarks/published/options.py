"""What the published code can do."""

from __future__ import annotations

from odconv_spec import DynamicConvSpec, ODConvSpec, RecalibrationSpec


def check(spec: DynamicConvSpec | RecalibrationSpec) -> None:
    """Raises ValueError for a layer that the published formulation does not know."""
    if isinstance(spec, RecalibrationSpec):
        return
    known = spec.rank == 2 and all(before == after for before, after in spec.pads)
    if isinstance(spec, ODConvSpec):
        known = known and bool(spec.heads()) and spec.attention_sharing
    if not known:
        raise ValueError(
            "published: expected a convolution over two axes with padding by number and, if it "
            f"is an ODConv, with shared attentions; received {spec}"
        )


def sides(spec: DynamicConvSpec) -> list[int]:
    """Zeros on both sides of each axis."""
    return [before for before, _ in spec.pads]
