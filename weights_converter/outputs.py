"""Whether models compute the same: the output of every layer, checkpoint against checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite
from pathlib import Path
from typing import Any

import numpy as np

from odconv_spec import BackboneSpec
from weights_converter.arrays.distance import distance
from weights_converter.arrays.dtypes import Array, tag_of
from weights_converter.comparison.changes import ROWS
from weights_converter.comparison.pairs import open_pair
from weights_converter.comparison.verify import compare
from weights_converter.errors import MismatchError, UsageError, legible
from weights_converter.identify.backbones import describe
from weights_converter.identify.model_arrays import Weights
from weights_converter.identify.open_model import open_model
from weights_converter.identify.request import Request
from weights_converter.outputs_runs import RUNTIMES, check_runtime, layer_outputs, usual_runtime

TOLERANCE = 1e-4
SIZE = (64, 48)  # height and width; not equal, so that swapped axes show
_BATCH = 2
_SEED = 0


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


def verify_outputs(
    left: str | Path | Request,
    right: str | Path | Request | None = None,
    *,
    runtimes: Sequence[str] = (),
    size: tuple[int, int] = SIZE,
    tolerance: float = TOLERANCE,
) -> tuple[OutputsComparison, ...]:
    """Runs models on a fixed random probe and compares the output of every layer.

    Each run is a process of its own, in evaluation mode and float32, at the temperature that the
    file tells of. The differences are computed in float64.

    Args:
        left: a checkpoint of any format, the reference, of one of our backbones.
        right: another of the same model; None compares runtimes on the one checkpoint.
        runtimes: "torch", "paddle", "keras-tensorflow", "keras-jax", "keras-torch". For two
            checkpoints, one for both or one for each; the default is that of the file's layout. For
            one checkpoint, the first is the reference; the default is all that are installed.
        size: height and width of the probe.
        tolerance: largest difference of a layer, over the reference's largest value.

    Returns:
        One comparison for each run after the first.

    Raises:
        UsageError: a runtime is unknown or not installed, or there is nothing to compare.
        ConverterError: a file cannot be read or is not of the model, or a run failed.
    """
    if not 0 <= tolerance < inf:
        raise UsageError(f"expected a tolerance of 0 or more, received {tolerance}")
    requests = [Request.of(source) for source in (left, right) if source is not None]
    files = open_pair(*requests) if len(requests) == 2 else (open_model(requests[0]),)
    arrays = _arrays_of(*files) if len(files) == 2 else "the same file"
    spec = files[0].spec
    if not isinstance(spec, BackboneSpec):
        raise UsageError(
            f"{describe(spec)} cannot be run: only whole networks of odconv can",
            help="load both files with load_into() and compare outputs where the model is built",
        )
    runs = list(_runs(requests, files, runtimes))
    for _, runtime in runs:
        check_runtime(runtime)
    probe = _probe(spec, size)
    found = [
        layer_outputs(replace(request, model=spec, stages=None), runtime, probe)
        for request, runtime in runs
    ]
    labels = [f"{legible(Path(request.path).name)} in {runtime}" for request, runtime in runs]
    return tuple(
        replace(
            compare_layers(found[0], found[i], describe(spec), (labels[0], labels[i]), tolerance),
            arrays=arrays,
        )
        for i in range(1, len(runs))
    )


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


def _runs(
    requests: Sequence[Request], files: Sequence[Weights], runtimes: Sequence[str]
) -> Iterator[tuple[Request, str]]:
    if len(requests) == 1:
        chosen = runtimes or [name for name, runtime in RUNTIMES.items() if runtime.installed]
        if len(chosen) < 2:
            raise UsageError(
                f"one checkpoint in one runtime ({', '.join(chosen) or 'none'}) is compared with "
                "nothing",
                help="give a second checkpoint, or at least two runtimes",
            )
        return ((requests[0], runtime) for runtime in chosen)
    if len(runtimes) > 2:
        raise UsageError(f"two checkpoints take one or two runtimes, received {len(runtimes)}")
    usual = [usual_runtime(weights.source.layout) for weights in files]
    chosen = [runtimes[0], runtimes[-1]] if runtimes else usual
    return zip(requests, chosen, strict=True)


def _arrays_of(left: Weights, right: Weights) -> str:
    """What a comparison of the files' arrays gives, in a few words."""
    different = len(compare(left, right).differences)
    return f"{different} of {len(left.tensors)} arrays differ" if different else "all bits equal"


def _probe(spec: BackboneSpec, size: tuple[int, int]) -> Array:
    """The same images on every machine: (batch, channels, height, width)."""
    shape = (_BATCH, spec.in_channels, *size)
    return np.random.Generator(np.random.PCG64(_SEED)).standard_normal(shape, np.float32)


def _difference(layer: str, reference: Array, other: Array) -> LayerDifference:
    tags = [tag_of(array.dtype) or "" for array in (reference, other)]  # outputs are floats
    apart = distance(reference, tags[0], other, tags[1])
    with np.errstate(invalid="ignore"):
        largest = float(np.nanmax(np.abs(reference.astype(np.float64)), initial=0))
    relative = apart.absolute / largest if apart.absolute and largest else apart.absolute
    return LayerDifference(layer, apart.absolute, relative, apart.ulp or 0)
