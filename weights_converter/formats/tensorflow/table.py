"""The sorted table of names that TensorFlow's `.index` is, in the format of LevelDB.

Blocks of entries, each entry without what its key shares with the one before; then a block that
tells where they are; then a footer that tells where that is.
https://github.com/google/leveldb/blob/main/doc/table_format.md
"""

from __future__ import annotations

from collections.abc import Iterator

from weights_converter.formats.files.protobuf import varint
from weights_converter.formats.files.source import Source
from weights_converter.formats.tensorflow.crc32c import masked_crc32c

MAGIC = bytes.fromhex("57fb808b247547db")
_FOOTER = 48  # bytes
_TRAILER = 5  # how the block is compressed, and its checksum
_NUMBER = 4  # of each restart point, and of their count
_LONGEST_TABLE = 1 << 24
_COPIES = 4  # of the table, which the budget is charged for
_LONGEST_KEY = 4096


def table(source: Source) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) of each entry, in the order of the keys.

    Raises:
        DamagedError: the file is not such a table, or a checksum is wrong.
        RefusedError: it is compressed or unreasonably large.
    """
    if not _FOOTER <= source.size <= _LONGEST_TABLE:
        raise source.refused(f"it is a table of {source.size} bytes")
    footer = source.read(source.size - _FOOTER, _FOOTER)
    if not footer.endswith(MAGIC):
        raise source.damaged("it does not end as a table")
    place = 0
    for _ in range(2):  # a block for other purposes, which is empty
        _, place = _number(source, footer, place)
    last: bytes | None = None
    reached = 0
    source.budget.charge_objects(0, text=_COPIES * source.size)
    for _, handle in _entries(source, _block(source, *_span(source, footer[place:]))):
        begin, length = _span(source, handle)
        if begin < reached:  # one block could be read a million times
            raise source.refused(f"its table has blocks that overlap at byte {begin}")
        reached = begin + length
        for key, value in _entries(source, _block(source, begin, length)):
            if last is not None and key <= last:
                raise source.damaged("the names of its table are not in order")
            yield key, value
            last = key


def _number(source: Source, raw: bytes, place: int) -> tuple[int, int]:
    try:
        return varint(raw, place)
    except ValueError:
        raise source.damaged("a number of its table does not end") from None


def _span(source: Source, handle: bytes) -> tuple[int, int]:
    """(first byte, length) of the block that `handle` tells of."""
    begin, place = _number(source, handle, 0)
    length, _ = _number(source, handle, place)
    return begin, length


def _block(source: Source, begin: int, length: int) -> bytes:
    """The entries of the block."""
    if length < _NUMBER or begin + length + _TRAILER > source.size - _FOOTER:
        raise source.damaged(f"its table has a block of {length} bytes at {begin}")
    raw = source.array(begin, length + _TRAILER)
    if raw[length]:
        raise source.unsupported(
            "has a compressed table", "load it in TensorFlow and write it with tf.train.Checkpoint"
        )
    if masked_crc32c(raw[: length + 1]) != int.from_bytes(raw[length + 1 :].tobytes(), "little"):
        raise source.damaged(f"the checksum of the block at {begin} does not match")
    content = raw[:length].tobytes()
    restarts = _NUMBER * (1 + int.from_bytes(content[-_NUMBER:], "little"))
    if restarts > length:
        raise source.damaged(f"the block at {begin} has no entries")
    return content[: length - restarts]


def _entries(source: Source, block: bytes) -> Iterator[tuple[bytes, bytes]]:
    key, place = b"", 0
    while place < len(block):
        shared, place = _number(source, block, place)
        fresh, place = _number(source, block, place)
        length, place = _number(source, block, place)
        if shared > len(key) or fresh + length > len(block) - place:
            raise source.damaged("an entry of its table is cut off")
        if shared + fresh > _LONGEST_KEY:
            raise source.refused(f"its table has a name of {shared + fresh} bytes")
        key = key[:shared] + block[place : place + fresh]
        place += fresh
        yield key, block[place : place + length]
        place += length
