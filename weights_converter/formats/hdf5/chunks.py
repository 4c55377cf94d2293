"""Compressed arrays in HDF5 files, measured before the library expands them.

The library expands a chunk to wherever its stream ends, whatever the size of the array: a file of
a megabyte can take a gigabyte of memory. So each chunk is expanded here first, up to its size.
"""

from __future__ import annotations

import zlib
from math import prod

import h5py

from weights_converter.formats.hdf5.file import Hdf5

FILTERS = frozenset({h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32})
_CHECKSUM_BYTES = 4  # of Fletcher's checksum, where it comes before the compression
_STEP = 1 << 20


def check_chunks(hdf5: Hdf5, shown: str, dataset: h5py.Dataset) -> None:
    """Raises RefusedError if a chunk is or becomes larger than the array's chunks are."""
    if dataset.chunks is None:
        return
    most = prod(dataset.chunks) * dataset.dtype.itemsize + _CHECKSUM_BYTES
    for number in range(dataset.id.get_num_chunks()):
        chunk = dataset.id.get_chunk_info(number)
        if chunk.size > hdf5.size:
            raise hdf5.source.refused(f"{shown} has a chunk of {chunk.size} bytes")
        if dataset.compression is not None:
            _, raw = dataset.id.read_direct_chunk(chunk.chunk_offset)
            if _expands_past(raw, most):
                raise hdf5.source.refused(f"{shown} has a chunk of more than {most} bytes")


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
