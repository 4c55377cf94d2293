"""Between the shapes of a runtime and those of the reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from odconv_spec import BackboneSpec, ConvSpec, ODConvSpec


def attention_shapes(
    found: Mapping[str, npt.NDArray[Any] | None], spec: ConvSpec | BackboneSpec
) -> dict[str, npt.NDArray[Any]]:
    """The attentions that exist, in the shapes in which the reference gives them.

    Each attention is a vector for each sample; where its axes of one stand is a matter of each
    framework's broadcasting.
    """
    if not isinstance(spec, ODConvSpec):
        return {}
    ones = (1,) * spec.rank
    shapes = {
        "channel": (spec.in_channels, *ones),
        "filter": (spec.out_channels, *ones),
        "spatial": (1, 1, 1, *spec.kernel),
        "kernel": (spec.kernel_num, 1, 1, *ones),
    }
    return {
        name: np.reshape(array, (-1, *shapes[name]))
        for name, array in found.items()
        if array is not None
    }


def running(arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """The running statistics among a model's arrays."""
    return {n: a for n, a in arrays.items() if n.rpartition(".")[2].startswith("running_")}
