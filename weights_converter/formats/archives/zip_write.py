"""Writes zip archives of stored entries: fixed dates, aligned data, the same bytes always.

Python's `zipfile` would repeat the padding of each entry in the directory, and its flags and
attributes depend on the name and the version: files would be larger, and other than they have been.
"""

from __future__ import annotations

import zlib
from typing import BinaryIO

from weights_converter.formats.archives import zip_records as zr

_ALIGNMENT = 64  # of the data, as torch does it; lets torch.load(mmap=True) use it in place
_VERSION = 20
_VERSION64 = 45
_DATE = (0 << 9) | (1 << 5) | 1  # 1980-01-01, the first day there is
_PADDING_EXTRA = int.from_bytes(b"FB", "little")  # torch's own mark for padding


class ZipWriter:
    """Adds entries one after the other; `close()` writes the directory."""

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle
        self._central: list[bytes] = []
        self._place = 0

    def add(self, name: str, *parts: bytes | memoryview) -> None:
        """An entry whose content is the parts one after the other."""
        raw_name, crc, header = name.encode("utf-8"), 0, self._place
        for part in parts:
            crc = zlib.crc32(part, crc)
        size = sum(memoryview(part).nbytes for part in parts)
        wide = _wide_extra(size, size) if size >= zr.SATURATED_32 else b""
        extra = wide + self._padding(zr.LOCAL.size + len(raw_name) + len(wide))
        shown = zr.SATURATED_32 if wide else size
        version = _VERSION64 if wide else _VERSION
        local = (version, zr.UTF8, zr.STORED, 0, _DATE, crc, shown, shown)
        self._write(zr.LOCAL.pack(zr.LOCAL_MAGIC, *local, len(raw_name), len(extra)))
        self._write(raw_name + extra)
        for part in parts:
            self._write(part)
        self._central.append(_central(raw_name, crc, size, header))

    def close(self) -> None:
        start, count = self._place, len(self._central)
        for entry in self._central:
            self._write(entry)
        size, place = self._place - start, self._place
        if count >= zr.SATURATED_16 or self._place >= zr.SATURATED_32:
            counts = (0, 0, count, count, size, start)
            rest = zr.END64.size - 12  # the record counts what follows its first two fields
            self._write(zr.END64.pack(zr.END64_MAGIC, rest, _VERSION64, _VERSION64, *counts))
            self._write(zr.LOCATOR64.pack(zr.LOCATOR64_MAGIC, 0, place, 1))
        short = min(count, zr.SATURATED_16)
        sizes = (min(size, zr.SATURATED_32), min(start, zr.SATURATED_32))
        self._write(zr.END.pack(zr.END_MAGIC, 0, 0, short, short, *sizes, 0))

    def _padding(self, header: int) -> bytes:
        """An extra field that moves the data to a multiple of the alignment."""
        length = -(self._place + header + zr.EXTRA.size) % _ALIGNMENT
        return zr.EXTRA.pack(_PADDING_EXTRA, length) + bytes(length)

    def _write(self, data: bytes | memoryview) -> None:
        self._handle.write(data)
        self._place += data.nbytes if isinstance(data, memoryview) else len(data)


def _central(name: bytes, crc: int, size: int, header: int) -> bytes:
    large = [value for value in (size, size, header) if value >= zr.SATURATED_32]
    extra = _wide_extra(*large) if large else b""
    version = _VERSION64 if large else _VERSION
    sizes = (min(size, zr.SATURATED_32),) * 2
    return (
        zr.CENTRAL.pack(
            zr.CENTRAL_MAGIC,
            *(version, version, zr.UTF8, zr.STORED, 0, _DATE, crc, *sizes),
            *(len(name), len(extra), 0, 0, 0, 0, min(header, zr.SATURATED_32)),
        )
        + name
        + extra
    )


def _wide_extra(*values: int) -> bytes:
    content = b"".join(value.to_bytes(8, "little") for value in values)
    return zr.EXTRA.pack(zr.ZIP64_EXTRA, len(content)) + content
