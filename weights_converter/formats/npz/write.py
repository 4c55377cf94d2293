"""Writes `.npz` files that `numpy.load` reads, without dates: the same bytes always."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from weights_converter.arrays.dtypes import CARRIERS, Array, tag_of
from weights_converter.arrays.tensor import TensorInfo
from weights_converter.errors import UsageError
from weights_converter.formats.archives.zip_write import ZipWriter
from weights_converter.formats.destinations.writer import RestingFile
from weights_converter.formats.npz.read import DTYPES, ENDING, MAGIC, METADATA

_ALIGNMENT = 64  # of the data after its header, as in numpy.lib.format


class NpzWriter:
    """One entry per array. What NumPy has no dtype for is stored as unsigned integers of its width.

    Metadata, and the dtypes of such arrays, are arrays of one byte string with JSON in it.

    Raises:
        UsageError: an array has the name of one of those.
    """

    def __init__(self, path: Path, tensors: Sequence[TensorInfo], draft: Mapping[str, str]) -> None:
        for tensor in tensors:
            if tensor.name in (METADATA, DTYPES):
                raise UsageError(f"an .npz file has no place for an array called {tensor.name}")
        self._nameless = {t.name: t.dtype for t in tensors if tag_of(CARRIERS[t.dtype]) != t.dtype}
        self._file = RestingFile(path)
        self._archive = ZipWriter(self._file.open())

    def add(self, tensor: TensorInfo, array: Array) -> None:
        header = _header(CARRIERS[tensor.dtype].str, tensor.shape)
        self._archive.add(tensor.name + ENDING, header, array.data)

    def close(self, metadata: Mapping[str, str]) -> None:
        for name, text in ((METADATA, metadata), (DTYPES, self._nameless)):
            if text:
                raw = json.dumps(dict(text), sort_keys=True, ensure_ascii=True).encode()
                self._archive.add(name + ENDING, _header(f"|S{len(raw)}", ()), raw)
        self._archive.close()
        self._file.rest()

    def abandon(self) -> None:
        self._file.abandon()


def _header(descr: str, shape: tuple[int, ...]) -> bytes:
    """Version 1.0, which every NumPy reads."""
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    length = len(MAGIC) + 4 + len(text) + 1
    text += b" " * (-length % _ALIGNMENT) + b"\n"
    return MAGIC + b"\x01\x00" + len(text).to_bytes(2, "little") + text
