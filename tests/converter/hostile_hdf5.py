"""HDF5 files of a few megabytes that stand for gigabytes, or for minutes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

_LARGEST_CHUNK = 1 << 24


def one_text_of_many_attributes(path: Path, scale: int) -> None:
    with h5py.File(path, "w") as file:
        file["a/vars/0"] = np.ones(2)
        file.attrs["long"] = "q" * (scale << 18)
        for i in range(300):
            file.attrs[f"y{i}"] = f"{i}"
    raw = bytearray(path.read_bytes())
    texts = {}  # place of a reference to a text -> its length
    for heap in places(raw, b"GCOL\1"):
        for place in places(raw, struct.pack("<Q", heap)):
            length, _, number = struct.unpack_from("<IQI", raw, place - 4)
            if 0 < length <= scale << 18 and 0 < number <= 301:
                texts[place - 4] = length
    assert len(texts) == 301
    longest = max(texts, key=lambda place: texts[place])
    for place in texts:
        raw[place : place + 16] = raw[longest : longest + 16]
    path.write_bytes(raw)


def names_that_are_ends_of_one(path: Path, scale: int) -> None:
    longest = b"z" * 60_000
    with h5py.File(path, "w") as file:
        group = file.create_group("a")
        for i in range(300 * scale):
            group.create_group(f"n{i:06}")
        group.create_group(longest.decode())
    raw = bytearray(path.read_bytes())
    (text,) = (place for place in places(raw, longest) if raw[place - 1] == 0)
    heaps = [struct.unpack_from("<QQQ", raw, place + 8) for place in places(raw, b"HEAP")]
    (segment,) = (start for size, _, start in heaps if start <= text < start + size)
    for table in places(raw, b"SNOD"):
        (count,) = struct.unpack_from("<H", raw, table + 6)
        for entry in range(table + 8, table + 8 + 40 * count if count > 1 else 0, 40):
            (old,) = struct.unpack_from("<Q", raw, entry)
            if raw[segment + old : segment + old + 1] == b"n":
                struct.pack_into("<Q", raw, entry, text - segment + entry % 1000)
    path.write_bytes(raw)


def deep_groups(path: Path, scale: int) -> None:
    with h5py.File(path, "w", libver="latest") as file:
        group: h5py.Group = file
        for _ in range(300 * scale):
            group = group.create_group("g")
        group["0"] = np.ones(2)


def wide_and_deep_layers(path: Path, scale: int) -> None:
    with h5py.File(path, "w", libver="latest") as file:
        file.attrs["layer_names"] = [b"a"]
        group: h5py.Group = file
        for _ in range(90):
            group = group.create_group("g")
        for i in range(200 * scale):
            group[f"{i}/0"] = np.int8(1)


def second_names(path: Path, scale: int) -> None:
    with h5py.File(path, "w", libver="latest") as file:
        file["a/vars/0"] = np.ones(2)
        for i in range(1, 500 * scale):
            file[f"a/vars/{i}"] = file["a/vars/0"]


def chunks_of_nothing(path: Path, scale: int) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("a/vars/0", (scale * 10**6,), "i1", chunks=(1,))


def small_arrays_in_large_chunks(path: Path, scale: int) -> None:
    content = zlib.compress(bytes(_LARGEST_CHUNK), 9)
    with h5py.File(path, "w") as file:
        for i in range(10 * scale):
            options = {"chunks": (_LARGEST_CHUNK,), "maxshape": (None,), "compression": "gzip"}
            dataset = file.create_dataset(f"a/vars/{i}", (1,), "u1", **options)
            dataset.id.write_direct_chunk((0,), content)


def a_column_of_large_chunks(path: Path, scale: int) -> None:
    content = zlib.compress(bytes(_LARGEST_CHUNK), 9)
    with h5py.File(path, "w") as file:
        options = {"chunks": (1, _LARGEST_CHUNK), "maxshape": (None, None), "compression": "gzip"}
        dataset = file.create_dataset("a/vars/0", (50 * scale, 1), "u1", **options)
        for i in range(50 * scale):
            dataset.id.write_direct_chunk((i, 0), content)


def arrays_of_one_long_chunk(path: Path, scale: int) -> None:
    long = zlib.compress(bytes(4)) + bytes(scale << 18)
    with h5py.File(path, "w") as file:
        file["b/vars/0"] = np.frombuffer(long, "u1")
        place = file["b/vars/0"].id.get_offset()
        for i in range(100):
            options = {"chunks": (1,), "compression": "gzip"}
            dataset = file.create_dataset(f"a/vars/{i}", (1,), "i4", **options)
            dataset.id.write_direct_chunk((0,), long[:200])
        stored = [file[f"a/vars/{i}"].id.get_chunk_info(0).byte_offset for i in range(100)]
    raw = bytearray(path.read_bytes())
    for chunk in stored:
        entry = raw.index(struct.pack("<Q", chunk))
        struct.pack_into("<Q", raw, entry, place)
        struct.pack_into("<I", raw, entry - 24, len(long))
    path.write_bytes(raw)


def more_chunks_than_the_array_has(path: Path, scale: int) -> None:
    length = 1000 * scale + 9
    with h5py.File(path, "w") as file:
        file.create_dataset("a/vars/0", data=np.zeros(length, "i1"), chunks=(1,), fletcher32=True)
    raw = path.read_bytes()
    shape = struct.pack("<QQ", length, length)
    assert raw.count(shape) == 1
    path.write_bytes(raw.replace(shape, struct.pack("<QQ", 8, 8)))


FAMILIES: dict[Callable[[Path, int], None], str] = {
    one_text_of_many_attributes: r"refused: y\d+ and others are longer than the file",
    names_that_are_ends_of_one: r"refused: the names in a group are longer than its \d+ bytes",
    deep_groups: r"refused: an array has a name of more than 100 parts, g/g/g/",
    wide_and_deep_layers: r"read",
    second_names: r"refused: the array a/vars/1 is linked twice",
    chunks_of_nothing: r"refused: it describes more objects than its \d+ bytes can hold",
    small_arrays_in_large_chunks: r"refused: its arrays would take \d+ bytes, the file has \d+",
    a_column_of_large_chunks: r"refused: its arrays would take \d+ bytes, the file has \d+",
    arrays_of_one_long_chunk: r"refused: a/vars/0 has a chunk of \d+ bytes",
    more_chunks_than_the_array_has: r"refused: a/vars/0 has more than the 8 chunks",
}


def places(raw: bytes | bytearray, what: bytes) -> list[int]:
    found, place = [], raw.find(what)
    while place >= 0:
        found.append(place)
        place = raw.find(what, place + 1)
    return found
