"""What a layer shows of its attentions, by the names of the reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy.typing as npt

from odconv_spec import RecalibrationSpec


def attentions(
    layer: Any, call: Callable[[Any], Any], numpy: Callable[[Any], npt.NDArray[Any]]
) -> dict[str, npt.NDArray[Any]]:
    """The attentions that exist, in whatever shape the framework gives them.

    Args:
        layer: a layer of any kind, or a network, which shows none.
        call: runs the sub-layer or method that it is given on the case's input, in inference mode.
        numpy: turns a tensor of the framework into an array.
    """
    scales = isinstance(getattr(layer, "spec", None), RecalibrationSpec)
    shown = getattr(layer, "gates" if scales else "attentions", None)
    found = {} if shown is None else call(shown)
    return {name: numpy(value) for name, value in found.items()}


def running(arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """The running statistics among a model's arrays."""
    return {n: a for n, a in arrays.items() if n.rpartition(".")[2].startswith("running_")}
