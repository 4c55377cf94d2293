"""Whether models compute the same: the output of every layer, checkpoint against checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np

from odconv_spec import BackboneSpec
from parity_tests.outputs.comparison import TOLERANCE, OutputsComparison, compare_layers
from parity_tests.outputs.runs import check_runtime, layer_outputs, usual_runtime
from parity_tests.runtimes import RUNTIMES
from weights_converter.arrays.dtypes import Array
from weights_converter.comparison.pairs import open_pair
from weights_converter.comparison.verify import compare
from weights_converter.errors import UsageError, legible
from weights_converter.identify.backbones import describe
from weights_converter.identify.model_arrays import Weights
from weights_converter.identify.open_model import open_model
from weights_converter.identify.request import Request

SIZE = (64, 48)  # height and width; not equal, so that swapped axes show
_BATCH = 2
_SEED = 0


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

    Example:
        >>> checkpoint = Request("odconv_demo/digits.pth.tar", "odconv_demo/digits.json")
        >>> file = convert(checkpoint, "outputs.npz").destination
        >>> other = Request(file, "odconv_demo/digits.json")
        >>> (found,) = verify_outputs(checkpoint, other, runtimes=["torch"], size=(32, 40))
        >>> len(found.layers), found.diverging is None
        (87, True)
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
