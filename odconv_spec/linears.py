"""Linear layers that compute more than a product: which of them arrays show."""

from __future__ import annotations

from typing import Final

from odconv_spec.dcd_linear import DCDLinearSpec
from odconv_spec.evidence import Shapes
from odconv_spec.kw_conv import KWLinearSpec
from odconv_spec.linear import LinearSpec

LINEARS: Final = (DCDLinearSpec, KWLinearSpec)


def lone_linear(shapes: Shapes) -> LinearSpec | None:
    """The spec of the lone layer that has these arrays, None if they are of no such layer.

    Raises:
        UnexplainedError: it is one, and its arrays contradict each other.

    Example:
        >>> spec = DCDLinearSpec(512, 10)
        >>> lone_linear({p.name: p.shape for p in spec.parameters()}) == spec
        True
    """
    kind = next((spec for spec in LINEARS if spec.shows(shapes)), None)
    return kind.from_arrays(shapes) if kind else None
