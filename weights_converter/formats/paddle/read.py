"""Reads `.pdparams`: one pickle of NumPy arrays, without ever unpickling it.

`paddle.load` runs whatever a file asks it to run
(https://github.com/PaddlePaddle/Paddle/blob/develop/SECURITY.md), so it is never used here.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from math import prod

import numpy as np

from weights_converter.arrays.dtypes import CARRIERS, Array
from weights_converter.arrays.tensor import Checkpoint, Tensor
from weights_converter.errors import legible
from weights_converter.formats.files.source import Source
from weights_converter.formats.paddle.calls import (
    NAME_TABLE,
    PADDLE,
    SplitArray,
    array_in,
    joined,
)
from weights_converter.formats.paddle.sidecar import read_sidecar, sidecar
from weights_converter.formats.pickles import state_dict
from weights_converter.formats.pickles.found_arrays import loaded
from weights_converter.formats.pickles.machine import Machine
from weights_converter.formats.pickles.numpy_arrays import Contents
from weights_converter.formats.pickles.stream import Stream

_DISTRIBUTED = {".distcp", ".metadata"}
# Of batch norms, which Paddle calls otherwise.
_LEAVES_OF_TORCH = frozenset({"running_mean", "running_var", "num_batches_tracked"})


def read_paddle(source: Source, key: str | None) -> Checkpoint:
    """The state dict in the pickle; long arrays stay in the file until they are loaded.

    Raises:
        RefusedError: the pickle does anything else than describe arrays and plain values.
        DamagedError: it is truncated or makes no sense.
    """
    if source.path.suffix in _DISTRIBUTED:
        raise source.unsupported(
            "is a part of a distributed checkpoint",
            "load it with paddle.distributed.load_state_dict, then paddle.save the state dict",
        )
    with source.kept() as handle:
        content = Machine(Stream(source, handle, 0, source.size), PADDLE).run()
    notes: tuple[str, ...] = ()
    told = False  # whether something in the pickle is Paddle's alone
    if array_in(content) is not None:  # a tensor alone, which may know its name
        name = content[0] if isinstance(content, tuple) else source.path.name.partition(".")[0]
        content = {name: content}
    if isinstance(content, dict):
        if content.pop(NAME_TABLE, None) is not None:
            notes, told = ("left out the table of Paddle's own parameter names",), True
        content = joined(source, content)
    found = state_dict.find(source, content, lambda value: array_in(value) is not None, key)
    tensors = {
        name: _tensor(source, name, array)
        for name, value in found.values.items()
        if (array := array_in(value)) is not None
    }
    layout, by = ("paddle", ()) if told else _layout(tensors)
    metadata = read_sidecar(source)
    beside = (f"its metadata are those of {legible(sidecar(source.path).name)}",)
    notes = (*notes, *found.notes, *by, *(beside if metadata else ()))
    scalars, left_out = found.scalars, found.left_out
    return Checkpoint(source.path, "pdparams", layout, tensors, metadata, scalars, notes, left_out)


def _layout(names: Collection[str]) -> tuple[str, tuple[str, ...]]:
    """Whose arrays a bare pickle of NumPy arrays has, and a note where they are not Paddle's."""
    if {name.rpartition(".")[2] for name in names} & _LEAVES_OF_TORCH:
        return "torch", ("a pickle of NumPy arrays with the names of a PyTorch model",)
    return "paddle", ()


def _tensor(source: Source, name: str, array: Contents | SplitArray) -> Tensor:
    # Paddle has no uint16 tensors: it stores bfloat16 that way.
    tag = "BF16" if array.tag == "U16" else array.tag
    return Tensor(name, tag, array.shape, partial(_load, source, name, array))


def _load(source: Source, name: str, array: Contents | SplitArray) -> Array:
    if isinstance(array, SplitArray):
        return _joined(source, name, array)
    return loaded(source, name, array)


def _joined(source: Source, name: str, array: SplitArray) -> Array:
    whole = np.empty(prod(array.shape), CARRIERS[array.tag])
    place = 0
    for part in array.parts:
        size = prod(part.shape)
        whole[place : place + size] = _load(source, name, part).reshape(-1)
        place += size
    return whole.reshape(array.shape)
