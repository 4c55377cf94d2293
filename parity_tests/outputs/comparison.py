"""The outputs of layers side by side, as values and as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from weights_converter.arrays.distance import distance
from weights_converter.arrays.dtypes import Array, tag_of
from weights_converter.comparison.changes import ROWS
from weights_converter.errors import MismatchError, legible

TOLERANCE = 1e-4


@dataclass(frozen=True)
class LayerDifference:
    """How far a layer's output is from the reference's.

    Attributes:
        layer: its attribute path; "(output)" is the whole model's.
        absolute: largest absolute difference.
        relative: the same over the reference's largest absolute value.
        ulp: largest number of steps, from one float to the next, between two values. It is large
            where values are close to zero.
    """

    layer: str
    absolute: float
    relative: float
    ulp: int


@dataclass(frozen=True)
class OutputsComparison:
    """Every layer of one run against those of a reference, in order of execution.

    Attributes:
        model: in a few words.
        reference: file and runtime.
        other: the same of the run that is compared.
        tolerance: largest relative difference that is none.
        layers: that both have.
        missing: layers that only one of the two shows as modules of their own.
        arrays: what is known of the arrays of both, such as "all bits equal".
    """

    model: str
    reference: str
    other: str
    tolerance: float
    layers: tuple[LayerDifference, ...]
    missing: tuple[str, ...]
    arrays: str = ""

    @property
    def diverging(self) -> LayerDifference | None:
        """The first layer that is further away than the tolerance."""
        return next((row for row in self.layers if not row.relative <= self.tolerance), None)

    @property
    def equal(self) -> bool:
        return self.diverging is None

    @property
    def verdict(self) -> str:
        """What the numbers say, in one line."""
        diverging = self.diverging
        if diverging is not None:
            outputs = f"outputs differ from {legible(diverging.layer)} on"
        elif any(row.absolute for row in self.layers):
            outputs = (
                f"outputs differ by rounding: every layer agrees to {self.tolerance:g} of its "
                "largest value"
            )
        else:
            outputs = "outputs are equal"
        return f"{self.arrays}; {outputs}" if self.arrays else outputs

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; a difference that is no number is null."""
        diverging = self.diverging
        return {
            "model": self.model,
            "reference": self.reference,
            "other": self.other,
            "tolerance": self.tolerance,
            "equal": self.equal,
            "verdict": self.verdict,
            "first_diverging_layer": diverging and diverging.layer,
            "layers": [
                {
                    "layer": row.layer,
                    "absolute": row.absolute if isfinite(row.absolute) else None,
                    "relative": row.relative if isfinite(row.relative) else None,
                    "ulp": row.ulp,
                }
                for row in self.layers
            ],
            "missing": list(self.missing),
        }

    def __str__(self) -> str:
        return self.text()

    def text(self, rows: int | None = ROWS) -> str:
        """A table of layers in order of execution, and the verdict.

        Args:
            rows: how many layers are shown, those that differ most; None shows all.
        """
        shown = self._worst(rows)
        names = [legible(row.layer) for row in shown]
        width = max(map(len, names), default=0)
        lines = [
            f"{self.other} against {self.reference}: {self.model}, {len(self.layers)} layers",
            f"  {'layer':<{width}}  {'absolute':>9}  {'relative':>9}  {'ulp':>11}",
        ]
        for name, row in zip(names, shown, strict=True):
            numbers = f"{row.absolute:>9.2g}  {row.relative:>9.2g}  {row.ulp:>11,}"
            mark = "  <- first beyond the tolerance" if row is self.diverging else ""
            lines.append(f"  {name:<{width}}  {numbers}{mark}")
        if len(shown) < len(self.layers):
            more = len(self.layers) - len(shown)
            lines.append(f"  ... and {more} more, which differ less; --all shows them")
        return "\n".join([*lines, f"  {self.verdict}"])

    def _worst(self, count: int | None) -> list[LayerDifference]:
        """The layers that differ most, in order, and the first that is beyond the tolerance."""
        if count is None or count >= len(self.layers):
            return list(self.layers)
        ranked = sorted(self.layers, key=lambda row: (row is not self.diverging, -row.relative))
        chosen = {row.layer for row in ranked[:count]}
        return [row for row in self.layers if row.layer in chosen]


def compare_layers(
    reference: Mapping[str, Array],
    other: Mapping[str, Array],
    model: str,
    labels: tuple[str, str],
    tolerance: float = TOLERANCE,
) -> OutputsComparison:
    """Compares outputs by layer. Raises MismatchError where a layer's have other shapes."""
    common = [layer for layer in reference if layer in other]
    for layer in common:
        if reference[layer].shape != other[layer].shape:
            raise MismatchError(
                f"{layer}: {labels[0]} gives {reference[layer].shape}, {labels[1]} gives "
                f"{other[layer].shape}"
            )
    rows = tuple(_difference(layer, reference[layer], other[layer]) for layer in common)
    missing = tuple(sorted(reference.keys() ^ other.keys()))
    return OutputsComparison(model, *labels, tolerance, rows, missing)


def _difference(layer: str, reference: Array, other: Array) -> LayerDifference:
    tags = [tag_of(array.dtype) or "" for array in (reference, other)]  # outputs are floats
    apart = distance(reference, tags[0], other, tags[1])
    with np.errstate(invalid="ignore"):
        largest = float(np.nanmax(np.abs(reference.astype(np.float64)), initial=0))
    relative = apart.absolute / largest if apart.absolute and largest else apart.absolute
    return LayerDifference(layer, apart.absolute, relative, apart.ulp or 0)
