"""Writes a state dict as `torch.save` does, so that `torch.load(weights_only=True)` reads it.

The records `.format_version` and `.storage_alignment` are left out: with them and the option
`torch.utils.serialization.config.load.calculate_storage_offsets`, torch computes where the data
should be instead of looking it up, and silently reads other bytes. A state dict without module
versions (`_metadata`) loads under `strict=True` with and without `num_batches_tracked`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Final

from weights_converter.arrays.dtypes import Array
from weights_converter.arrays.tensor import TensorInfo
from weights_converter.formats.archives.zip_write import ZipWriter
from weights_converter.formats.destinations.writer import RestingFile
from weights_converter.formats.pickles.emit import Emitter
from weights_converter.formats.pytorch.calls import DTYPES, STORAGES, UNTYPED
from weights_converter.formats.pytorch.read import METADATA

_ROOT = "archive"
_CLASSES: Final = {tag: name for name, tag in STORAGES.items()}
_DTYPES: Final = {tag: name for name, tag in DTYPES.items()}


class TorchWriter:
    """An OrderedDict of contiguous tensors on the CPU; metadata goes to the archive's extras."""

    def __init__(self, path: Path, tensors: Sequence[TensorInfo], draft: Mapping[str, str]) -> None:
        self._file = RestingFile(path)
        self._archive = ZipWriter(self._file.open())
        self._archive.add(f"{_ROOT}/data.pkl", _pickle(tensors))
        self._archive.add(f"{_ROOT}/byteorder", b"little")
        self._keys = count()

    def add(self, tensor: TensorInfo, array: Array) -> None:
        self._archive.add(f"{_ROOT}/data/{next(self._keys)}", array.data)

    def close(self, metadata: Mapping[str, str]) -> None:
        if metadata:  # last, as it may tell of the arrays
            text = json.dumps(dict(metadata), sort_keys=True, ensure_ascii=True)
            self._archive.add(f"{_ROOT}/{METADATA}", text.encode())
        self._archive.add(f"{_ROOT}/version", b"3\n")
        self._archive.close()
        self._file.rest()

    def abandon(self) -> None:
        self._file.abandon()


def _pickle(tensors: Sequence[TensorInfo]) -> bytes:
    emit = Emitter(protocol=2)
    _ordered_dict(emit)
    emit.instruction("(")
    for index, tensor in enumerate(tensors):
        emit.text(tensor.name)
        _rebuild(emit, str(index), tensor)
    emit.instruction("u.")
    return emit.take()


def _ordered_dict(emit: Emitter) -> None:
    emit.global_("collections", "OrderedDict")
    emit.instruction(")R")


def _rebuild(emit: Emitter, key: str, tensor: TensorInfo) -> None:
    """_rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())

    Types without a storage class go through _rebuild_tensor_v3, which takes their dtype last.
    """
    typed = tensor.dtype in _CLASSES
    emit.global_("torch._utils", "_rebuild_tensor_v2" if typed else "_rebuild_tensor_v3")
    emit.instruction("((")
    emit.text("storage")
    if typed:
        emit.global_("torch", _CLASSES[tensor.dtype])
    else:
        emit.global_("torch.storage", UNTYPED)
    emit.text(key)
    emit.text("cpu")
    emit.number(tensor.numel if typed else tensor.nbytes)
    emit.instruction("tQ")
    emit.number(0)
    emit.numbers(tensor.shape)
    emit.numbers(_strides(tensor.shape))
    emit.boolean(False)
    _ordered_dict(emit)
    if not typed:
        emit.global_("torch", _DTYPES[tensor.dtype])
    emit.instruction("tR")


def _strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """In elements, for C order."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))
