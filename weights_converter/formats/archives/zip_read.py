"""Reads the directory and the entries of a zip archive, and refuses what no framework writes.

Python's `zipfile` and torch's reader disagree about archives with duplicate names, a second
directory or bytes before the first entry. Such a file could show one content to a scanner and
another one to the program that loads it, so it is refused here.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

from weights_converter.errors import legible
from weights_converter.formats.archives import zip_records as zr
from weights_converter.formats.files.source import Source

_MOST_ENTRIES = 200_000
_LONGEST_DIRECTORY = 1 << 26
_OF_AN_ENTRY = 20  # objects that the budget counts one as
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True)
class Entry:
    """One file of the archive. A `crc` of 0 means that its writer made no checksum."""

    name: str
    flags: int
    method: int
    crc: int
    stored: int
    size: int
    header: int  # offset of the local header
    data: int = 0  # offset of the content


def directory(source: Source) -> list[Entry]:
    """The entries as the archive's directory lists them.

    Raises:
        DamagedError: there is no complete directory.
        RefusedError: something follows it.
    """
    count, start, end = _directory_span(source)
    if not 0 <= end - start <= _LONGEST_DIRECTORY or count > _MOST_ENTRIES:
        raise source.damaged(f"its directory of {count} entries cannot be right")
    source.budget.charge_objects(0, text=2 * (end - start))
    entries = list(_central(source, source.read(start, end - start)))
    if len(entries) != count:
        raise source.damaged(f"its directory has {len(entries)} entries, {count} announced")
    return entries


def located(source: Source, entries: list[Entry]) -> dict[str, Entry]:
    """The entries of a torch archive by their names in its one folder, with `data` filled in.

    Raises:
        RefusedError: the archive is not laid out as torch.save does it.
    """
    roots = {entry.name.partition("/")[0] for entry in entries}
    if len(roots) != 1:
        shown = ", ".join(map(legible, sorted(roots)[:3]))
        raise source.refused(f"its archive has {len(roots)} roots: {shown}")
    for entry in entries:
        if "/" not in entry.name:
            raise source.refused(f"its archive has an entry {legible(entry.name)}")
        if entry.method != zr.STORED:
            raise source.refused(
                f"{legible(entry.name)} is compressed, which torch.save never does"
            )
    found = without_folder(source, entries)
    return {name.partition("/")[2]: entry for name, entry in found.items()}


def without_folder(source: Source, entries: list[Entry]) -> dict[str, Entry]:
    """The entries by name, in their order in the file, with `data` filled in.

    Raises:
        RefusedError: an entry overlaps another, has its name twice, is encrypted or compressed by
            anything but deflate, or has a name that steps out of a folder.
    """
    found: dict[str, Entry] = {}
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.header):
        _check_kind(source, entry)
        if entry.name in found:
            raise source.refused(f"its archive has two entries {legible(entry.name)}")
        # Writers pad between entries, but the first one starts the file.
        if entry.header < end or (entry.header and not found):
            raise source.refused(f"{legible(entry.name)} does not start where it should")
        found[entry.name] = _with_data(source, entry)
        end = found[entry.name].data + entry.stored
    return found


def _directory_span(source: Source) -> tuple[int, int, int]:
    """(number of entries, start of the directory, its end)"""
    place = source.size - zr.END.size
    if place < 0:
        raise source.truncated("the directory of its archive should follow")
    magic, disk, start_disk, here, count, size, start, comment = zr.END.unpack(
        source.read(place, zr.END.size)
    )
    if magic != zr.END_MAGIC or comment:
        raise source.truncated("the directory of its archive should follow")
    if disk or start_disk or here != count:
        raise source.refused("its archive has several parts")
    locator = place - zr.LOCATOR64.size
    if locator >= 0 and source.read(locator, 4) == zr.LOCATOR64_MAGIC:
        place, count, size, start = _zip64_end(source, locator)
    if start + size != place:
        raise source.refused("bytes stand before or after the directory of its archive")
    return count, start, place


def _zip64_end(source: Source, locator: int) -> tuple[int, int, int, int]:
    """(where the directory ends, number of entries, size of the directory, its start)"""
    _, disk, place, disks = zr.LOCATOR64.unpack(source.read(locator, zr.LOCATOR64.size))
    if disk or disks > 1 or place + zr.END64.size != locator:
        raise source.refused("the end of its archive is not where it should be")
    fields = zr.END64.unpack(source.read(place, zr.END64.size))
    if fields[0] != zr.END64_MAGIC:
        raise source.damaged("the end of its archive is not where it should be")
    return place, fields[7], fields[8], fields[9]


def _central(source: Source, raw: bytes) -> Iterator[Entry]:
    place = 0
    while place < len(raw):
        if len(raw) - place < zr.CENTRAL.size:
            raise source.damaged("its directory ends within an entry")
        fields = zr.CENTRAL.unpack_from(raw, place)
        if fields[0] != zr.CENTRAL_MAGIC:
            raise source.damaged(f"its directory has no entry at byte {place}")
        name = place + zr.CENTRAL.size
        extra = name + fields[10]
        comment = extra + fields[11]
        source.budget.charge_objects(_OF_AN_ENTRY, text=2 * fields[10])
        yield _entry(source, fields, raw[name:extra], raw[extra:comment])
        place = comment + fields[12]


def _entry(source: Source, fields: tuple[int, ...], raw_name: bytes, extra: bytes) -> Entry:
    flags, method, crc, stored, size, header = *fields[3:5], *fields[7:10], fields[16]
    try:
        name = raw_name.decode("utf-8")
    except UnicodeDecodeError:
        raise source.damaged("an entry's name is not UTF-8") from None
    # The extra field holds those values, in this order, that are too large for the header.
    wide = iter(_zip64_values(extra))
    sizes = [
        next(wide, -1) if value == zr.SATURATED_32 else value for value in (size, stored, header)
    ]
    if min(sizes) < 0:
        raise source.damaged(f"the size of {legible(name)} is missing")
    return Entry(name, flags, method, crc, stored=sizes[1], size=sizes[0], header=sizes[2])


def _zip64_values(extra: bytes) -> Iterator[int]:
    place = 0
    while len(extra) - place >= zr.EXTRA.size:
        kind, length = zr.EXTRA.unpack_from(extra, place)
        place += zr.EXTRA.size
        if kind == zr.ZIP64_EXTRA:
            content = extra[place : place + length]
            yield from struct.unpack(f"<{len(content) // 8}Q", content[: len(content) // 8 * 8])
        place += length


def _check_kind(source: Source, entry: Entry) -> None:
    shown = legible(entry.name)
    if not entry.name.isprintable() or "\\" in entry.name or _DRIVE.match(entry.name):
        raise source.refused(f"its archive has an entry {shown}")
    if any(part in ("", ".", "..") for part in entry.name.split("/")):
        raise source.refused(f"its archive has an entry {shown}")
    if entry.flags & zr.ENCRYPTED:
        raise source.refused(f"{shown} is encrypted")
    known = zr.DESCRIPTOR | zr.UTF8 | (zr.LEVEL if entry.method == zr.DEFLATED else 0)
    if entry.flags & ~known:
        raise source.refused(f"{shown} has the flags {entry.flags:#x}")
    if entry.method not in (zr.STORED, zr.DEFLATED):
        raise source.refused(f"{shown} is compressed in an unknown way")
    if entry.method == zr.STORED and entry.stored != entry.size:
        raise source.refused(f"{shown} is not compressed and has two sizes")


def _with_data(source: Source, entry: Entry) -> Entry:
    name = entry.name.encode()
    header = source.read(entry.header, zr.LOCAL.size + len(name))
    fields = zr.LOCAL.unpack_from(header)
    named = fields[9] == len(name) and header[zr.LOCAL.size :] == name
    if fields[0] != zr.LOCAL_MAGIC or not named or fields[3] != entry.method:
        raise source.refused(f"{legible(entry.name)} differs between directory and content")
    data = entry.header + len(header) + fields[10]
    if data + entry.stored > source.size:
        raise source.truncated(f"{_shown_content(entry)} ends at byte {data + entry.stored}")
    return replace(entry, data=data)


def _shown_content(entry: Entry) -> str:
    name = entry.name.partition("/")[2]
    return f"storage {legible(name)!r}" if name.startswith("data/") else legible(name)
