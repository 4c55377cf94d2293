"""Writes safetensors files.

The library's writer (0.8.0) stores other values for an array that is not C-contiguous
(https://github.com/huggingface/safetensors/issues/825); a transposed kernel is just that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from weights_converter.dtypes import itemsize
from weights_converter.formats.safetensors_read import LENGTH_BYTES, METADATA
from weights_converter.tensor import Tensor


def write_safetensors(path: Path, tensors: list[Tensor], metadata: Mapping[str, str]) -> None:
    """The arrays in the library's order: wide elements first, so that all are aligned."""
    with path.open("wb") as handle:
        for part in content(tensors, metadata):
            handle.write(part)


def content(tensors: list[Tensor], metadata: Mapping[str, str]) -> Iterator[bytes | memoryview]:
    """The bytes of the file, of which one array is in memory at a time."""
    ordered = sorted(tensors, key=lambda tensor: (-itemsize(tensor.dtype), tensor.name))
    yield _header(ordered, metadata)
    for tensor in ordered:
        yield tensor.read().data


def _header(tensors: list[Tensor], metadata: Mapping[str, str]) -> bytes:
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
