"""Tensors as views of storages, and how the elements of a view are read from a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from weights_converter.arrays.dtypes import CARRIERS, Array, decode, itemsize
from weights_converter.errors import legible
from weights_converter.formats.files.budget import Budget
from weights_converter.formats.files.source import CHUNK, Source

_BLOCK = 1 << 14  # bytes that reading the smallest piece counts as


@dataclass(frozen=True, slots=True)
class Storage:
    """A piece of memory that torch saved; `start` counts bytes from where the key's data starts.

    `quantised` says that its integers are no numbers without the scale of their tensor.
    """

    key: str
    tag: str
    nbytes: int
    start: int = 0
    quantised: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """A tensor: elements of a storage. `offset` and `strides` count elements, as torch does.

    The stride of an axis with one element or none is never used; it is 0 here.
    """

    storage: Storage
    tag: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def extent(self) -> int:
        """Elements from the first to the last one, both included."""
        if 0 in self.shape:
            return 0
        return 1 + sum(self.reaches)

    @property
    def reaches(self) -> list[int]:
        """Elements from the first to the last one, along each axis."""
        steps = zip(self.shape, self.strides, strict=True)
        return [(size - 1) * stride for size, stride in steps]


def elements(
    source: Source,
    name: str,
    view: View,
    place: int,
    big_endian: bool = False,
    read: Callable[[int, int], NDArray[np.uint8]] | None = None,
) -> Array:
    """The array that a view stands for; its storage's key has its data at byte `place`.

    Args:
        name: For messages.
        read: Takes the place of `source.array`, where reading includes checking.

    Raises:
        RefusedError: a boolean is stored as something else than 0 or 1, or the view goes over the
            storage again and again.
    """
    if not view.extent:
        return np.empty(view.shape, CARRIERS[view.tag])
    reading = Budget(source.size, source.refused)  # of one array: it may be read again

    def span(part: View) -> Array:
        """The elements from the first one of the part to its last, all of them."""
        size = itemsize(part.tag)
        start = place + part.storage.start + part.offset * size
        reading.charge_bytes(max(_BLOCK, part.extent * size))
        raw = (read or source.array)(start, part.extent * size)
        try:
            return decode(raw, part.tag, big_endian)
        except ValueError as error:
            raise source.refused(f"{legible(name)} {error}") from None

    if _is_contiguous(view):
        return span(view).reshape(view.shape)
    picked = np.empty(view.shape, CARRIERS[view.tag])
    _fill(picked, view, span)
    return picked


def _is_contiguous(view: View) -> bool:
    step = 1
    for size, stride in zip(view.shape[::-1], view.strides[::-1], strict=True):
        if size > 1 and stride != step:
            return False
        step *= size
    return view.extent == prod(view.shape)


def _fill(target: Array, view: View, span: Callable[[View], Array]) -> None:
    """A view of a few elements far apart is read in pieces: what lies between takes no memory."""
    nbytes = view.extent * itemsize(view.tag)
    if nbytes <= max(CHUNK, target.nbytes):
        target[...] = _picked(span(view), view)
        return
    axis = view.reaches.index(max(view.reaches))
    half = view.shape[axis] // 2
    for start, end in ((0, half), (half, view.shape[axis])):
        shape = (*view.shape[:axis], end - start, *view.shape[axis + 1 :])
        part = replace(view, offset=view.offset + start * view.strides[axis], shape=shape)
        _fill(target[(*[slice(None)] * axis, slice(start, end))], part, span)


def _picked(flat: Array, view: View) -> Array:
    strides = [stride * flat.itemsize for stride in view.strides]
    return as_strided(flat, view.shape, strides, writeable=False)
