"""An array that is still in its file, and a file full of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path

import numpy as np

from weights_converter.arrays.dtypes import CARRIERS, Array, itemsize, tag_of
from weights_converter.errors import MismatchError


@dataclass(frozen=True)
class TensorInfo:
    """What is known of an array before it is read: `dtype` is a safetensors tag ("F32", ...)."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def numel(self) -> int:
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.numel * itemsize(self.dtype)

    def checked(self, array: Array) -> Array:
        """`array` in C order, for writing.

        Raises:
            MismatchError: it has another dtype or shape.
        """
        if (array.dtype, array.shape) != (CARRIERS[self.dtype], self.shape):
            raise MismatchError(
                f"{self.name}: expected {self.shape} of {CARRIERS[self.dtype]}, "
                f"received {array.shape} of {array.dtype}"
            )
        return np.require(array, requirements="C")  # unlike ascontiguousarray, keeps 0-d


@dataclass(frozen=True)
class Tensor(TensorInfo):
    """A named array whose values are read when they are asked for.

    `load()` reads the file at that moment and returns a C-contiguous array of the carrier dtype
    (see `weights_converter.arrays.dtypes`) that belongs to the caller; it raises a `ConverterError`
    if the file has changed or proves damaged.
    """

    load: Callable[[], Array] = field(repr=False, compare=False)

    @classmethod
    def of(cls, name: str, array: Array, dtype: str | None = None) -> Tensor:
        """A tensor that is in memory. `dtype` names bits that NumPy cannot ("BF16" for uint16).

        Raises:
            MismatchError: the array's dtype has no tag, or does not carry `dtype`.
        """
        tag = dtype or tag_of(array.dtype)
        if tag is None or CARRIERS[tag] != array.dtype.newbyteorder("<"):
            raise MismatchError(f"{name}: an array of {array.dtype} does not carry {tag or 'any'}")
        own = np.array(array, CARRIERS[tag], order="C")
        return cls(name, tag, array.shape, lambda: own.copy())

    def renamed(self, name: str) -> Tensor:
        return replace(self, name=name)

    def read(self) -> Array:
        """`load()`, checked to be what the tensor says of itself and in C order, for writing.

        Raises:
            MismatchError: the array has another dtype or shape.
        """
        return self.checked(self.load())


@dataclass(frozen=True)
class Checkpoint:
    """What a weights file holds.

    `tensors` has the names in the file, without the key of the state dict that `notes` tells of;
    `layout` says which framework's axis order they have. `metadata` is text that this package
    wrote; `scalars` are the plain values beside the state dict, such as the epoch. `left_out` has
    the names of arrays that are no part of the model, each with the reason. `files` are those that
    the arrays are in, where that is not `path` alone.
    """

    path: Path
    format: str  # the name of a row of `formats.table`, such as "torch"
    layout: str  # a key of `layouts.LAYOUTS`
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str] = field(default_factory=dict)
    scalars: Mapping[str, int | float | str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays together."""
        return sum(tensor.nbytes for tensor in self.tensors.values())

    def without(self, reasons: Mapping[str, str], *notes: str) -> Checkpoint:
        """The checkpoint without the arrays that `reasons` names, and with more notes."""
        return replace(
            self,
            tensors={name: t for name, t in self.tensors.items() if name not in reasons},
            notes=(*self.notes, *notes),
            left_out={**self.left_out, **reasons},
        )
