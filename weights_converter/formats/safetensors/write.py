"""Writes safetensors files.

The library's writer (0.8.0) stores other values for an array that is not C-contiguous
(https://github.com/huggingface/safetensors/issues/825); a transposed kernel is just that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from weights_converter.arrays.dtypes import itemsize
from weights_converter.arrays.tensor import Tensor
from weights_converter.errors import MismatchError, RefusedError
from weights_converter.formats.files.late_metadata import LateMetadata
from weights_converter.formats.files.write_behind import write_each
from weights_converter.formats.safetensors.read import LENGTH_BYTES, METADATA, UNKNOWN


def write_safetensors(path: Path, tensors: list[Tensor], metadata: Mapping[str, str]) -> None:
    """The arrays in the library's order: wide elements first, so that all are aligned.

    Raises:
        RefusedError: the format has no such dtype as an array's.
        MismatchError: `metadata` has another length than its draft.
    """
    ordered = _ordered(tensors)
    with path.open("wb") as handle:
        start = handle.seek(len(_header(ordered, LateMetadata.draft_of(metadata))))
        write_each(ordered, lambda tensor, array: handle.write(array.data))
        header = _header(ordered, metadata)
        if len(header) != start:
            raise MismatchError(f"a header of {len(header)} bytes, {start} were announced")
        handle.seek(0)
        handle.write(header)


def content(tensors: list[Tensor], metadata: Mapping[str, str]) -> Iterator[bytes | memoryview]:
    """The bytes of the file from the first to the last, one array in memory at a time."""
    ordered = _ordered(tensors)
    yield _header(ordered, metadata)
    for tensor in ordered:
        yield tensor.read().data


def _ordered(tensors: list[Tensor]) -> list[Tensor]:
    for tensor in tensors:
        if tensor.dtype in UNKNOWN:
            raise RefusedError(f"{tensor.name}: safetensors cannot hold {tensor.dtype}")
    return sorted(tensors, key=lambda tensor: (-itemsize(tensor.dtype), tensor.name))


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
