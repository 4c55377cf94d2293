"""Writes `.npz` files that `numpy.load` reads, without dates: the same bytes always."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from weights_converter.arrays.dtypes import CARRIERS, Array, tag_of
from weights_converter.arrays.tensor import Tensor
from weights_converter.errors import UsageError
from weights_converter.formats.archives.zip_write import ZipWriter
from weights_converter.formats.files.write_behind import write_each
from weights_converter.formats.npz.read import DTYPES, ENDING, MAGIC, METADATA

_ALIGNMENT = 64  # of the data after its header, as in numpy.lib.format


def write_npz(path: Path, tensors: list[Tensor], metadata: Mapping[str, str]) -> None:
    """One entry per array. What NumPy has no dtype for is stored as unsigned integers of its width.

    `metadata`, and the dtypes of such arrays, are arrays of one byte string with JSON in it.

    Raises:
        UsageError: an array has the name of one of those.
    """
    for tensor in tensors:
        if tensor.name in (METADATA, DTYPES):
            raise UsageError(f"an .npz file has no place for an array called {tensor.name}")
    nameless = {t.name: t.dtype for t in tensors if tag_of(CARRIERS[t.dtype]) != t.dtype}
    with path.open("wb") as handle:
        archive = ZipWriter(handle)

        def add(tensor: Tensor, array: Array) -> None:
            header = _header(CARRIERS[tensor.dtype].str, tensor.shape)
            archive.add(tensor.name + ENDING, header, array.data)

        write_each(tensors, add)
        for name, text in ((METADATA, metadata), (DTYPES, nameless)):
            if text:
                raw = json.dumps(dict(text), sort_keys=True, ensure_ascii=True).encode()
                archive.add(name + ENDING, _header(f"|S{len(raw)}", ()), raw)
        archive.close()


def _header(descr: str, shape: tuple[int, ...]) -> bytes:
    """Version 1.0, which every NumPy reads."""
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    length = len(MAGIC) + 4 + len(text) + 1
    text += b" " * (-length % _ALIGNMENT) + b"\n"
    return MAGIC + b"\x01\x00" + len(text).to_bytes(2, "little") + text
