"""Arrays in HDF5 files that are stored in chunks, measured before the library reads them.

The library expands a chunk to wherever its stream ends, whatever the size of the array: a file of
a megabyte can take a gigabyte of memory. So each chunk is expanded here first, up to its size.
"""

from __future__ import annotations

import zlib
from math import prod

import h5py

from weights_converter.formats.files.source import Source
from weights_converter.formats.hdf5.file import Hdf5

FILTERS = frozenset({h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32})
_FREE_CHUNK = 1 << 24  # bytes; a larger chunk may not exceed its array
_OF_A_CHUNK = 64  # objects: the library takes 4 KB for each while it reads the array
_CHECKSUM_BYTES = 4  # of Fletcher's checksum, where it comes before the compression
_STEP = 1 << 20


def charge_chunks(source: Source, shown: str, dataset: h5py.Dataset) -> None:
    """Charges what chunks take beyond the array's bytes, which is charged with all arrays.

    Raises:
        RefusedError: a chunk is much larger than the array, or the chunks are too many.
    """
    size, number = _size(dataset), _number(dataset)
    if size > max(_FREE_CHUNK, dataset.nbytes):
        raise source.refused(f"{shown} is stored in chunks of {size} bytes")
    source.budget.charge_objects(_OF_A_CHUNK * number)
    source.budget.charge_bytes(max(0, size * number - dataset.nbytes))


def check_chunks(hdf5: Hdf5, shown: str, dataset: h5py.Dataset) -> None:
    """Raises RefusedError if a chunk is or becomes larger than the array's chunks are."""
    if dataset.chunks is None:
        return
    most = _size(dataset) + _CHECKSUM_BYTES
    for place, stored in _chunks(hdf5.source, shown, dataset):
        if stored > most + most // 1000 + 64:  # as much as compression can add
            raise hdf5.source.refused(f"{shown} has a chunk of {stored} bytes")
        if dataset.compression is not None:
            _, raw = dataset.id.read_direct_chunk(place)
            if _expands_past(raw, most):
                raise hdf5.source.refused(f"{shown} has a chunk of more than {most} bytes")


def _size(dataset: h5py.Dataset) -> int:
    """Bytes of one chunk, at the edges of the array, too."""
    size: int = prod(dataset.chunks) * dataset.dtype.itemsize
    return size


def _number(dataset: h5py.Dataset) -> int:
    """How many chunks cover the array."""
    return prod(
        -(-size // chunk) for size, chunk in zip(dataset.shape, dataset.chunks, strict=True)
    )


def _chunks(source: Source, shown: str, dataset: h5py.Dataset) -> list[tuple[tuple[int, ...], int]]:
    """(place in the array, stored bytes) of each chunk; a table may list more than there can be."""
    found: list[tuple[tuple[int, ...], int]] = []
    most = _number(dataset)

    def enough(chunk: h5py.h5d.StoreInfo) -> bool | None:
        found.append((chunk.chunk_offset, chunk.size))
        return True if len(found) > most else None  # anything but None ends the iteration

    dataset.id.chunk_iter(enough)
    if len(found) > most:
        raise source.refused(f"{shown} has more than the {most} chunks that it is made of")
    return found


def _expands_past(raw: bytes, most: int) -> bool:
    """Whether the stream has more than `most` bytes. One that is broken is HDF5's to report."""
    machine, size = zlib.decompressobj(), 0
    try:
        while not machine.eof and size <= most:
            piece = machine.decompress(raw, _STEP)
            raw = machine.unconsumed_tail
            size += len(piece)
            if not piece:
                break
    except zlib.error:
        return False
    return size > most
