"""Writes `.weights.h5` as Keras 3 lays it out, so that `model.load_weights` reads it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import h5py

from weights_converter.arrays.dtypes import COMPLEX, FLOAT8, Array
from weights_converter.arrays.tensor import Tensor
from weights_converter.errors import RefusedError, UsageError, legible
from weights_converter.formats.files.write_behind import write_each
from weights_converter.formats.hdf5.arrays import BF16_MARK
from weights_converter.formats.keras.read import NAME

_UNKNOWN = FLOAT8 | COMPLEX


def write_keras(path: Path, tensors: list[Tensor], metadata: Mapping[str, str]) -> None:
    """One dataset per array under its name; `metadata` goes to the attributes of the root.

    Raises:
        UsageError: a name is not "path/vars/number".
        RefusedError: Keras has no way to store an array's dtype.
    """
    check_writable(tensors)
    with h5py.File(path, "w") as file:
        # Looking a long path up takes longer than most arrays do.
        group = cache(file.require_group)

        def add(tensor: Tensor, array: Array) -> None:
            folder, _, number = tensor.name.rpartition("/")
            _write(group(folder), number, tensor.dtype, array)

        write_each(tensors, add)
        for name in sorted(metadata):
            file.attrs[name] = metadata[name]


def check_writable(tensors: list[Tensor]) -> None:
    """Raises the errors of `write_keras` before anything is written."""
    for tensor in tensors:
        if not NAME.fullmatch(tensor.name) or {"", ".", ".."} & set(tensor.name.split("/")):
            raise UsageError(
                f"{legible(tensor.name)} is not the name of a Keras variable",
                "expected path/vars/number, for example layer1/0/conv1/vars/0",
            )
        if tensor.dtype in _UNKNOWN:
            raise RefusedError(f"{tensor.name}: a .weights.h5 file cannot hold {tensor.dtype}")


def _write(group: h5py.Group, number: str, dtype: str, array: Array) -> None:
    if dtype == "BF16":
        array = array.view("V2")
    # Without times, the same arrays make the same bytes.
    dataset = group.create_dataset(number, data=array, track_times=False)
    if dtype == "BF16":
        dataset.attrs["dtype"] = BF16_MARK
