"""How far a runtime may be from the reference, and how the distance is measured."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

# (group of cases, dtype) -> largest relative error, see `relative_error`.
TOLERANCES: Mapping[tuple[str, str], float] = MappingProxyType(
    {
        ("golden", "float64"): 1e-9,
        ("layer", "float64"): 1e-9,
        ("layer", "float32"): 5e-5,
        ("sweep", "float64"): 1e-8,
        ("backbone", "float64"): 1e-8,
        ("backbone", "float32"): 1e-3,
        ("steps", "float64"): 1e-8,
    }
)
# A gradient that is zero but for rounding, such as that of a bias before a batch norm, has no
# relative error; below this part of the case's largest value it counts as absolute.
FLOOR = 1e-4


def relative_error(actual: npt.ArrayLike, expected: npt.ArrayLike, scale: float) -> float:
    """Largest absolute difference over the largest expected value.

    Values below FLOOR * `scale` (the largest value of all arrays of the kind) do not lower the
    divisor further. Shapes must be equal: another shape, or a NaN, is infinitely far away.
    """
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    if actual.shape != expected.shape or not np.isfinite(actual).all():
        return float("inf")
    if not expected.size:
        return 0.0
    largest = max(float(np.abs(expected).max()), FLOOR * scale, np.finfo(np.float64).tiny)
    return float(np.abs(actual - expected).max()) / largest
