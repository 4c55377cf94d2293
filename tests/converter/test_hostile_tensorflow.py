"""TensorFlow checkpoints that are damaged, lie about their sizes, or are too large for honest."""

from __future__ import annotations

import struct
import tracemalloc

import numpy as np
import pytest

from tests.converter.bundles import (
    GRAPH,
    MAGIC,
    VALUE,
    Bundle,
    entries,
    entry,
    field,
    header,
    table,
    varint,
)
from weights_converter.errors import (
    ConverterError,
    DamagedError,
    FileError,
    RefusedError,
    UsageError,
)
from weights_converter.formats import read

ARRAY = np.arange(6, dtype="f4").reshape(2, 3)


def reading(folder, index=None, data=None, bundle=None):
    """Reads every array of a checkpoint of which one file is another."""
    bundle = bundle or Bundle().add("a", ARRAY)
    path = bundle.write(folder)
    if index is not None:
        path.write_bytes(index)
    if data is not None:
        (folder / "x.data-00000-of-00001").write_bytes(data)
    for tensor in read(path).tensors.values():
        tensor.load()


def of_entries(*pairs):
    return table(entries([(b"", header()), *pairs]))


def a(**changes):
    """An index with one variable."""
    return table(Bundle().add("a", ARRAY, **changes).content())


LIES = {
    "past the end": (a(offset=1), DamagedError, "x.data-00000-of-00001 is truncated: a ends at"),
    "far past the end": (a(offset=1 << 50), DamagedError, "is truncated: a ends at byte"),
    "another shape": (a(shape=(2, 4)), RefusedError, r"a has the shape \(2, 4\) and 24 bytes"),
    "another size": (a(size=20), RefusedError, r"a has the shape \(2, 3\) and 20 bytes"),
    "another type": (a(kind=2), RefusedError, "and 24 bytes"),
    "negative": (a(shape=(2, 2**64 - 3)), DamagedError, "a has an impossible shape or place"),
    "too large": (a(shape=(2**40, 2**40)), DamagedError, "a has an impossible shape or place"),
    "many axes": (a(shape=(1,) * 40), DamagedError, "a has an impossible shape or place"),
    "another file": (a(shard=1), DamagedError, "it speaks of file 1 of 1"),
    "many files": (a(shard=2**40), DamagedError, "it speaks of file"),
    "quantised": (a(kind=11), RefusedError, "stores a as type 11, which is not supported"),
    "resource": (a(kind=20), RefusedError, "stores a as type 20"),
    "slices": (a(more=field(7, b"")), RefusedError, "stores variables in slices"),
    "a slice": (of_entries((b"\0a\0\x01\xff", entry(1, (2,), 0, 8, 0))), RefusedError, "in slices"),
    "wrong sum": (a(crc=7), DamagedError, "checksum of 'a' does not match"),
    "shared": (
        of_entries((b"a", entry(1, (2,), 0, 8, 0)), (b"b", entry(1, (2,), 4, 8, 0))),
        RefusedError,
        "b shares bytes with another variable",
    ),
    "not in order": (
        of_entries((b"b", entry(1, (1,), 0, 4, 0)), (b"a", entry(1, (1,), 4, 4, 0))),
        DamagedError,
        "the names of its table are not in order",
    ),
    "twice": (
        of_entries((b"a", entry(1, (1,), 0, 4, 0)), (b"a", entry(1, (1,), 4, 4, 0))),
        DamagedError,
        "the names of its table are not in order",
    ),
    "same dots": (
        of_entries((b"a.b", entry(1, (1,), 0, 4, 0)), (b"a/b", entry(1, (1,), 4, 4, 0))),
        RefusedError,
        "two of its variables are called a.b",
    ),
    "odd name": (of_entries((b"a\n", entry(1, (1,), 0, 4, 0))), RefusedError, "array is called"),
    "no text": (of_entries((b"\xff", entry(1, (1,), 0, 4, 0))), DamagedError, "is not a variable"),
    "no message": (of_entries((b"a", b"\x0b")), DamagedError, "the entry a of its table is not"),
    "cut message": (of_entries((b"a", b"\x12\x7f")), DamagedError, "the entry a of its table"),
    "number as text": (of_entries((b"a", field(1, b"x"))), DamagedError, "the entry a of"),
    "text as number": (of_entries((b"a", field(1, 1) + field(2, 3))), DamagedError, "entry a"),
    "endless number": (of_entries((b"a", b"\xff" * 20)), DamagedError, "the entry a of"),
    "no header": (table(entries([(b"a", header())])), DamagedError, "does not start as a"),
    "no files": (table(entries([(b"", header(0))])), DamagedError, "does not start as a"),
    "too many files": (table(entries([(b"", header(10**9))])), DamagedError, "does not start"),
    "odd order": (table(entries([(b"", header(1, 2))])), DamagedError, "does not start"),
    "new version": (table(entries([(b"", header(version=2))])), RefusedError, "version 2"),
    "nothing": (table(), DamagedError, "its table is empty"),
    "no entries": (table(b""), DamagedError, "its table is empty"),
    "snappy": (table(entries([(b"", header())]), kind=1), RefusedError, "has a compressed table"),
    "long name": (of_entries((b"a" * 5000, b"")), RefusedError, "a name of 5000 bytes"),
    "shares too much": (table(b"\x01\x00\x00"), DamagedError, "an entry of its table is cut off"),
    "cut entry": (table(b"\x00\x05\x00ab"), DamagedError, "an entry of its table is cut off"),
    "cut number": (table(b"\xff"), DamagedError, "a number of its table does not end"),
    "only a footer": (bytes(40) + MAGIC, DamagedError, "its table has a block of 0 bytes at 0"),
    "only the magic": (MAGIC, RefusedError, "it is a table of 8 bytes"),
    "block elsewhere": (
        (varint(0) + varint(0) + varint(2**60) + varint(9)).ljust(40, b"\0") + MAGIC,
        DamagedError,
        "its table has a block of 9 bytes at",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LIES)
def test_lies(tmp_path, case):
    index, error, message = LIES[case]
    with pytest.raises(error, match=message) as raised:
        reading(tmp_path, index)
    assert type(raised.value) is error and str(raised.value).isprintable()


def test_every_bit_of_the_table_counts(tmp_path):
    bundle = Bundle().add("a", ARRAY)
    whole = table(bundle.content())
    unused = len(bundle.content()) + 13  # where a block stands that nobody reads
    for place in {*range(len(whole) - 48)} - {*range(unused, unused + 13)}:
        raw = bytearray(whole)
        raw[place] ^= 1 << place % 8
        with pytest.raises(ConverterError):
            reading(tmp_path, bytes(raw))


def test_every_bit_of_the_data_counts(tmp_path):
    for place in range(ARRAY.nbytes):
        raw = bytearray(ARRAY.tobytes())
        raw[place] ^= 1 << place % 8
        with pytest.raises(DamagedError, match=r"x\.data-00000-of-00001: checksum of 'a'"):
            reading(tmp_path, data=bytes(raw))


def test_truncated_everywhere(tmp_path):
    files = Bundle().add("a", ARRAY).add(f"b{VALUE}", ARRAY).files()
    for end in range(len(files["x.index"])):
        with pytest.raises(DamagedError):
            reading(tmp_path, files["x.index"][:end])
    for end in range(ARRAY.nbytes):
        with pytest.raises(DamagedError, match="is truncated"):
            reading(tmp_path, data=ARRAY.tobytes()[:end])


def test_a_restart_count_past_the_block(tmp_path):
    good = Bundle().add("a", ARRAY)
    raw = bytearray(table(good.content()))
    content = len(good.content())
    assert raw[content + 4 : content + 8] == struct.pack("<I", 1)
    for count in (2**32 - 1, content):
        with pytest.raises(DamagedError):
            reading(
                tmp_path, bytes(raw[: content + 4] + struct.pack("<I", count) + raw[content + 8 :])
            )


@pytest.mark.parametrize("text", [b"\x0a\xff", b"\x08\x01" * 3 + b"\x0b", b"\x0a\x02\x12\x7f"])
def test_graphs_that_are_none(tmp_path, text):
    bundle = Bundle().add("a", ARRAY).add_text(GRAPH, text)
    with pytest.raises(DamagedError, match="its graph of objects is none"):
        reading(tmp_path, bundle=bundle)


def test_a_graph_of_another_length(tmp_path):
    bundle = Bundle().add("a", ARRAY).add_text(GRAPH, b"")
    bundle.data = bundle.data[:24] + b"\x7f" + bundle.data[25:]
    with pytest.raises(DamagedError, match="its graph of objects is not as long as it says"):
        reading(tmp_path, bundle=bundle)


def test_a_graph_with_a_flipped_bit(tmp_path):
    bundle = Bundle().add("a", ARRAY).add_graph({"a": "kernel"})
    raw = bytearray(bundle.data)
    raw[-3] ^= 4
    bundle.data = bytes(raw)
    with pytest.raises(DamagedError, match=f"checksum of '{GRAPH}' does not match"):
        reading(tmp_path, bundle=bundle)


def test_booleans_that_are_not(tmp_path):
    bundle = Bundle().add("a", np.array([0, 1, 2], "u1"), kind=10)
    with pytest.raises(RefusedError, match="a stores the boolean 2, expected 0 or 1"):
        reading(tmp_path, bundle=bundle)


def test_names_that_grow_do_not_take_memory(tmp_path):
    """Each name shares four kilobytes with the last: a file of 700 kB would take 400 MB."""
    start = [(b"", header()), (b"a" * 4090, entry(1, (0,), 0, 0, 0))]
    value = entry(1, (0,), 0, 0, 0)
    rest = (varint(4085) + varint(5) + varint(len(value)) + b"%05d" % n + value
            for n in range(20_000))  # fmt: skip
    path = tmp_path / "x.index"
    path.write_bytes(table(entries(start) + b"".join(rest)))
    tracemalloc.start()
    with pytest.raises(ConverterError):
        read(path)
    assert tracemalloc.get_traced_memory()[1] < 150 << 20
    tracemalloc.stop()


def test_a_file_of_data_that_is_missing(tmp_path):
    path = Bundle().add("a", ARRAY).write(tmp_path)
    (tmp_path / "x.data-00000-of-00001").unlink()
    with pytest.raises(FileError, match=r"x\.data-00000-of-00001: No such file"):
        read(path)


def test_a_file_of_data_in_another_folder(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    path = Bundle().add("a", ARRAY).write(folder)
    (folder / "x.data-00000-of-00001").rename(tmp_path / "secret")
    (folder / "x.data-00000-of-00001").symlink_to("../secret")
    with pytest.raises(RefusedError, match="is a link to another folder"):
        read(path)


def test_an_index_under_another_name(tmp_path):
    path = Bundle().add("a", ARRAY).write(tmp_path).rename(tmp_path / "x.bin")
    with pytest.raises(RefusedError, match="under another name") as error:
        read(path)
    assert error.value.help == "call it NAME.index, beside NAME.data-00000-of-00001"


def test_a_folder_of_several_checkpoints(tmp_path):
    for stem in "xy":
        for name, content in Bundle().add("a", ARRAY).files(stem).items():
            (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match="holds several checkpoints") as error:
        read(tmp_path)
    assert error.value.help == "name one: x.index, y.index"


def test_a_file_that_changes_meanwhile(tmp_path):
    tensor = read(Bundle().add("a", ARRAY).write(tmp_path)).tensors["a"]
    (tmp_path / "x.data-00000-of-00001").write_bytes(bytes(25))
    with pytest.raises(DamagedError, match="has changed while it was being read"):
        tensor.load()


def test_there_is_no_key_to_choose(tmp_path):
    with pytest.raises(UsageError, match="there is no key to choose from"):
        read(Bundle().add("a", ARRAY).write(tmp_path), key="model")
