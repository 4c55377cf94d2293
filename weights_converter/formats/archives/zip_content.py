"""The content of entries of a zip archive: inflated where it is deflated, checked against its sum.

torch.load never compares checksums; a flipped bit would go unnoticed.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from weights_converter.errors import DamagedError, legible
from weights_converter.formats.archives import zip_records as zr
from weights_converter.formats.archives.zip_read import Entry
from weights_converter.formats.files.source import CHUNK, Source

_RAW_DEFLATE = -15  # zlib's way to say: no header


def check_sum(source: Source, name: str, entry: Entry) -> None:
    """Raises DamagedError if the content is not the one that was stored."""
    if entry.crc == 0:
        return  # nothing to compare with
    crc = 0
    for part in parts(source, entry):
        crc = zlib.crc32(part, crc)
    compare_sum(source, name, entry, crc)


def start(source: Source, entry: Entry, length: int) -> bytes:
    """The first `length` bytes of the content, or all of it if it is shorter."""
    if entry.method == zr.STORED:
        return source.read(entry.data, min(length, entry.size))
    taken = bytearray()
    for part in parts(source, entry):
        taken += part
        if len(taken) >= length:
            break
    return bytes(taken[:length])


def content(source: Source, name: str, entry: Entry) -> NDArray[np.uint8]:
    """All of the content, checked; the caller has made sure that its size is reasonable."""
    if entry.method == zr.STORED:
        stored = source.array(entry.data, entry.size)
        compare_sum(source, name, entry, zlib.crc32(stored.data))
        return stored
    whole = np.empty(entry.size, np.uint8)
    place, crc = 0, 0
    for part in parts(source, entry):
        whole[place : place + len(part)] = np.frombuffer(part, np.uint8)
        place, crc = place + len(part), zlib.crc32(part, crc)
    compare_sum(source, name, entry, crc)
    return whole


def parts(source: Source, entry: Entry) -> Iterator[bytes]:
    """The content in pieces, `entry.size` bytes in all.

    Raises:
        DamagedError: it does not inflate to that size.
    """
    if entry.method == zr.STORED:
        for begin in range(0, entry.size, CHUNK):
            yield source.read(entry.data + begin, min(CHUNK, entry.size - begin))
        return
    left = entry.size
    try:
        for part in _inflated(source, entry):
            left -= len(part)
            if left < 0:
                raise source.damaged(f"{legible(entry.name)} inflates to more than its size")
            yield part
    except zlib.error:
        raise source.damaged(f"{legible(entry.name)} cannot be inflated") from None
    if left:
        raise source.damaged(f"{legible(entry.name)} inflates to less than its size")


def _inflated(source: Source, entry: Entry) -> Iterator[bytes]:
    """However well zeros are packed, never more than a chunk at a time."""
    inflater = zlib.decompressobj(_RAW_DEFLATE)
    for begin in range(0, entry.stored, CHUNK):
        waiting = source.read(entry.data + begin, min(CHUNK, entry.stored - begin))
        while waiting:
            yield inflater.decompress(waiting, CHUNK)
            waiting = inflater.unconsumed_tail
    if inflater.unused_data or not inflater.eof:
        raise zlib.error("the data does not end where it should")


def compare_sum(source: Source, name: str, entry: Entry, crc: int) -> None:
    """Raises DamagedError if `crc` is not the sum that was stored."""
    # torch.serialization.set_crc32_options(False) leaves them out.
    if entry.crc not in (0, crc):
        raise DamagedError(
            f"{source.name}: checksum of {legible(name)!r} does not match (file damaged)",
            "get it again from where it is from",
        )
