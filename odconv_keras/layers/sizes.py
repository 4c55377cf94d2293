"""Lengths of axes, of which a graph knows some only when it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops


def sizes_of(x: Any, axes: Sequence[int]) -> list[Any]:
    """The length of each axis: a number where it is known, else a tensor.

    `ops.shape` records all unknown ones. OpenVINO makes outputs of those that nothing uses, such as
    the batch beside a map of known size.
    """
    known = [x.shape[axis] for axis in axes]
    if None not in known:
        return known
    shape = ops.shape(x)
    return [shape[axis] for axis in axes]


def map_sizes(x: Any) -> list[Any]:
    """`sizes_of` the map of x, (batch, *map, channels)."""
    return sizes_of(x, range(1, len(x.shape) - 1))
