"""Arrays of files that have channels last, in the order of our face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from odconv.runtimes.exported import Array, Images


def to_last(images: Images) -> Images:
    """(batch, channels, height, width) to (batch, height, width, channels), in one piece."""
    return np.ascontiguousarray(np.moveaxis(images, 1, -1))


def shape_to_first(shape: Sequence[int | None]) -> tuple[int | None, ...]:
    """(batch, height, width, channels) to (batch, channels, height, width)."""
    batch, *sizes, channels = shape
    return (batch, channels, *sizes)


def outputs_to_first(found: Mapping[str, Array]) -> tuple[Array, ...]:
    """The outputs of a TensorFlow signature, "output_0" and so on, maps with channels first."""
    ordered = sorted(found.items(), key=lambda item: int(item[0].rpartition("_")[2]))
    return tuple(np.moveaxis(y, -1, 1) if y.ndim > 2 else y for _, y in ordered)
