"""Writes safetensors files.

The library's writer (0.8.0) stores other values for an array that is not C-contiguous
(https://github.com/huggingface/safetensors/issues/825); a transposed kernel is just that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path

from weights_converter.arrays.dtypes import Array, itemsize
from weights_converter.arrays.tensor import TensorInfo
from weights_converter.errors import MismatchError, RefusedError
from weights_converter.formats.destinations.writer import RestingFile
from weights_converter.formats.safetensors.read import LENGTH_BYTES, METADATA, UNKNOWN


class SafetensorsWriter:
    """The arrays in the library's order: wide elements first, so that all are aligned.

    They may be added in any other order: where each goes is known from the start.

    Raises:
        RefusedError: the format has no such dtype as an array's.
    """

    def __init__(self, path: Path, tensors: Sequence[TensorInfo], draft: Mapping[str, str]) -> None:
        for tensor in tensors:
            if tensor.dtype in UNKNOWN:
                raise RefusedError(f"{tensor.name}: safetensors cannot hold {tensor.dtype}")
        self._ordered = sorted(tensors, key=lambda t: (-itemsize(t.dtype), t.name))
        self._start = len(_header(self._ordered, draft))
        ends = accumulate(tensor.nbytes for tensor in self._ordered)
        self._places = {t.name: end - t.nbytes for t, end in zip(self._ordered, ends, strict=True)}
        self._file = RestingFile(path)

    def add(self, tensor: TensorInfo, array: Array) -> None:
        handle = self._file.open()
        handle.seek(self._start + self._places[tensor.name])
        handle.write(array.data)

    def rest(self) -> None:
        self._file.rest()

    def close(self, metadata: Mapping[str, str]) -> None:
        """Raises MismatchError if `metadata` has another length than its draft."""
        header = _header(self._ordered, metadata)
        if len(header) != self._start:
            raise MismatchError(f"a header of {len(header)} bytes, {self._start} were announced")
        handle = self._file.open()
        handle.seek(0)
        handle.write(header)
        self._file.rest()

    def abandon(self) -> None:
        self._file.abandon()


def _header(tensors: Sequence[TensorInfo], metadata: Mapping[str, str]) -> bytes:
    header: dict[str, object] = {METADATA: dict(sorted(metadata.items()))} if metadata else {}
    place = 0
    for tensor in tensors:
        offsets = [place, place + tensor.nbytes]
        header[tensor.name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": offsets,
        }
        place = offsets[1]
    raw = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    raw += b" " * (-len(raw) % LENGTH_BYTES)  # the data starts at a multiple of eight
    return len(raw).to_bytes(LENGTH_BYTES, "little") + raw
