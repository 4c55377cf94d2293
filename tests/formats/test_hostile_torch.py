"""torch archives that lie about their entries, their storages or their tensors."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest
import torch

from tests.converter.crafted import (
    call,
    dict_,
    name,
    number,
    pickled,
    tensor,
    text,
    torch_zip,
    tuple_,
    written,
)
from weights_converter.errors import DamagedError, RefusedError
from weights_converter.formats import read

GOOD = pickled(dict_(w=tensor()))
HUGE = 2**40


def storage(*items: bytes) -> bytes:
    """A tensor whose reference to a storage is any tuple."""
    view = tensor()
    good = view[view.index(b"(X\x07\0\0\0storage") : view.index(b"Q") + 1]
    return view.replace(good, tuple_(*items) + b"Q")


KIND, FLOATS = text("storage"), name("torch", "FloatStorage")
KEY, CPU, TWO = text("0"), text("cpu"), number(2)
TENSORS = {
    "reaches out": (tensor((3,)), "for a tensor of shape (3,) that reaches element 2 of"),
    "offset": (tensor((2,), offset=1), "for a tensor of shape (2,) that reaches element 2 of"),
    "stride": (tensor((2,), (2,)), "for a tensor of shape (2,) that reaches element 2 of"),
    "huge stride": (tensor((2,), (2**63,)), "for a tensor of shape (2,) that reaches element"),
    "negative offset": (tensor(offset=-1), "with an odd offset"),
    "negative stride": (tensor((2,), (-1,)), "with odd strides"),
    "negative size": (tensor((-1,)), "with an odd shape"),
    "huge shape": (tensor((HUGE, HUGE), (0, 0)), "with an odd shape"),
    "33 axes": (tensor((1,) * 33, (1,) * 33), "with an odd shape"),
    "ranks differ": (tensor((2,), (1, 1)), "with odd strides"),
}
REFERENCES = {
    "four items": (storage(KIND, FLOATS, KEY, CPU), "in an odd way"),
    "six items": (storage(KIND, FLOATS, KEY, CPU, TWO, b"N"), "in an odd way"),
    "other kind": (storage(text("module"), FLOATS, KEY, CPU, TWO), "in an odd way"),
    "class by text": (storage(KIND, text("FloatStorage"), KEY, CPU, TWO), "of an unknown class"),
    "other class": (
        storage(KIND, name("collections", "OrderedDict"), KEY, CPU, TWO), "of an unknown class"),
    "key steps out": (storage(KIND, FLOATS, text("../data.pkl"), CPU, TWO), "with an odd key"),
    "key is a number": (storage(KIND, FLOATS, number(0), CPU, TWO), "with an odd key"),
    "negative length": (storage(KIND, FLOATS, KEY, CPU, number(-2)), "with an odd key or length"),
    "text as length": (storage(KIND, FLOATS, KEY, CPU, text("2")), "with an odd key or length"),
    "longer": (tensor(numel=3), "0 of 12 bytes, but its entry has 8"),
    "shorter": (tensor(numel=1), "0 of 4 bytes, but its entry has 8"),
}  # fmt: skip


@pytest.mark.parametrize("case", TENSORS)
def test_tensors_that_lie(tmp_path, case):
    bad, fact = TENSORS[case]
    path = written(tmp_path, "evil.pth", torch_zip(pickled(dict_(w=bad))))
    with pytest.raises(RefusedError) as error:
        read(path)
    prefix = f"evil.pth refused: it calls torch._utils._rebuild_tensor_v2 {fact}"
    assert str(error.value).startswith(prefix)


@pytest.mark.parametrize("case", REFERENCES)
def test_references_that_lie(tmp_path, case):
    bad, fact = REFERENCES[case]
    path = written(tmp_path, "evil.pth", torch_zip(pickled(dict_(w=bad))))
    with pytest.raises(RefusedError) as error:
        read(path)
    assert str(error.value).startswith(f"evil.pth refused: it refers to a storage {fact}")


def test_the_stride_of_one_element_is_never_used(tmp_path):
    """torch itself writes such strides; no arithmetic may overflow on them."""
    odd = tensor((1, 2), (2**70, 1))
    path = written(tmp_path, "odd.pth", torch_zip(pickled(dict_(w=odd))))
    assert read(path).tensors["w"].load().shape == (1, 2)


def test_a_missing_storage(tmp_path):
    path = written(tmp_path, "evil.pth", torch_zip(pickled(dict_(w=tensor(key="1")))))
    with pytest.raises(DamagedError, match=r"evil.pth is damaged: its entry 'data/1' is missing"):
        read(path)


@pytest.mark.parametrize("shape", [(10**10,), (10**5, 10**5, 2)])
def test_views_that_grow(tmp_path, shape):
    bad = tensor(shape, (0,) * len(shape))
    path = written(tmp_path, "evil.pth", torch_zip(pickled(dict_(w=bad))))
    with pytest.raises(RefusedError, match=r"evil.pth refused: its arrays would take .* bytes"):
        read(path)


def test_many_views_that_grow_a_little(tmp_path):
    views = {f"w{i}": tensor((10**6,), (0,)) for i in range(20)}
    path = written(tmp_path, "evil.pth", torch_zip(pickled(dict_(**views))))
    with pytest.raises(RefusedError, match=r"its arrays would take 80000000 bytes"):
        read(path)


@pytest.mark.parametrize(
    "bad",
    [
        call("torch._utils", "_rebuild_tensor_v2", b"K\x00"),
        call("torch._utils", "_rebuild_tensor_v2", *[b"N"] * 6),
        call("torch._utils", "_rebuild_tensor_v3", *[b"N"] * 7),
        call("torch._utils", "_rebuild_parameter", b"N"),
        call("torch._utils", "_rebuild_parameter"),
        call("torch", "FloatStorage"),
    ],
)
def test_calls_with_odd_arguments(tmp_path, bad):
    path = written(tmp_path, "evil.pth", torch_zip(pickled(dict_(w=bad))))
    with pytest.raises(RefusedError, match=r"evil\.pth refused: it calls torch\."):
        read(path)


def test_an_item_of_a_tensor(tmp_path):
    """CVE-2026-24747: torch let a pickle set items of what is not a dict."""
    bad = pickled(dict_(w=tensor() + b"K\x00K\x01s"))
    with pytest.raises(RefusedError, match=r"its pickle sets items of a View"):
        read(written(tmp_path, "evil.pth", torch_zip(bad)))


def test_state_of_a_tensor(tmp_path):
    bad = pickled(dict_(w=tensor() + b"}b"))
    with pytest.raises(RefusedError, match=r"its pickle changes the state of a View"):
        read(written(tmp_path, "evil.pth", torch_zip(bad)))


def test_state_of_an_ordered_dict_hides_nothing(tmp_path):
    ordered = call("collections", "OrderedDict") + text("w") + tensor() + b"s"
    shadow = dict_(items=b"K\x01", keys=b"K\x01", w=b"K\x02")
    path = written(tmp_path, "odd.pth", torch_zip(pickled(ordered + shadow + b"b")))
    assert list(read(path).tensors) == ["w"]


def two_entries(first: str, second: str) -> bytes:
    return torch_zip(GOOD, extra=((first, GOOD), (second, GOOD)))


def encrypted() -> bytes:
    raw = bytearray(torch_zip(GOOD))
    central = raw.index(b"PK\x01\x02")
    raw[6] |= 1
    raw[central + 8] |= 1
    return bytes(raw)


def renamed_inside() -> bytes:
    """The directory and the entry disagree about a name."""
    raw = torch_zip(GOOD)
    return raw.replace(b"archive/data/0", b"archive/data/1", 1)


def appended_directory() -> bytes:
    """Two archives in one: readers disagree about which one it is."""
    return torch_zip(pickled(dict_(evil=tensor()))) + torch_zip(GOOD)


def with_comment() -> bytes:
    handle = io.BytesIO(torch_zip(GOOD))
    with zipfile.ZipFile(handle, "a") as archive:
        archive.comment = b"PK"
    return handle.getvalue()


def resized(entry: bytes, stored: int, size: int) -> bytes:
    """The directory gives an entry other sizes."""
    raw = bytearray(torch_zip(GOOD))
    place = raw.index(entry, raw.index(b"PK\x01\x02")) - 46
    struct.pack_into("<II", raw, place + 20, stored, size)
    return bytes(raw)


def second_disk() -> bytes:
    raw = bytearray(torch_zip(GOOD))
    struct.pack_into("<H", raw, len(raw) - 22 + 4, 1)
    return bytes(raw)


ARCHIVES = {
    "overlap": (
        resized(b"archive/data.pkl", 300, 300), "archive/byteorder does not start where"),
    "two sizes": (resized(b"archive/data/0", 8, 9), "data/0 is not compressed and has two sizes"),
    "two disks": (second_disk(), "its archive has several parts"),
    "hidden start": (
        torch_zip(GOOD, before=b"PK\x03\x04hidden"), "archive/data.pkl does not start where"),
    "duplicate": (two_entries("archive/x", "archive/x"), "its archive has two entries archive/x"),
    "second pickle": (
        torch_zip(GOOD, extra=(("archive/data.pkl", GOOD),)), "its archive has two entries"),
    "two roots": (two_entries("a/x", "b/x"), "its archive has 3 roots: a, archive, b"),
    "deflated": (torch_zip(pickled(dict_(w=tensor((500,), numel=500))), {"0": bytes(2000)},
                           compression=zipfile.ZIP_DEFLATED), "is compressed"),
    "encrypted": (encrypted(), "archive/data.pkl is encrypted"),
    "names differ": (renamed_inside(), "archive/data/0 differs between directory and content"),
    "two archives": (appended_directory(), "bytes stand before or after the directory"),
    "prepended": (b"PK\x03\x04" + torch_zip(GOOD), "bytes stand before or after the directory"),
    "steps out": (two_entries("archive/../x", "archive/y"), "its archive has an entry archive/"),
    "absolute": (two_entries("archive//x", "archive/y"), "its archive has an entry archive//x"),
    "backslash": (two_entries("archive/a\\b", "archive/y"), "its archive has an entry archive/a"),
    "drive": (torch_zip(GOOD, root="C:"), "its archive has an entry C:/"),
    "NUL": (torch_zip(GOOD, root="a").replace(b"a/version", b"a/\x00ersion"),
            "its archive has an entry 'a/\\x00ersion'"),
    "no folder": (torch_zip(GOOD, extra=(("archive", b""),)), "its archive has an entry archive"),
}  # fmt: skip


@pytest.mark.parametrize("case", ARCHIVES)
def test_archives_that_lie(tmp_path, case):
    content, fact = ARCHIVES[case]
    with pytest.raises(RefusedError) as error:
        read(written(tmp_path, "evil.pth", content))
    assert str(error.value).startswith("evil.pth refused: ") and fact in str(error.value)


def test_a_comment_hides_the_directory(tmp_path):
    with pytest.raises(DamagedError, match=r"evil.pth is truncated: the directory of its archive"):
        read(written(tmp_path, "evil.pth", with_comment()))


@pytest.mark.parametrize("entry", ["data.pkl", "data/0"])
def test_a_flipped_bit_is_noticed(tmp_path, entry):
    """torch.load does not notice."""
    path = tmp_path / "od.pth"
    torch.save({"w": torch.arange(1000.0), "v": torch.ones(3)}, path)
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(f"od/{entry}")
    raw = bytearray(path.read_bytes())
    lengths = struct.unpack_from("<HH", raw, info.header_offset + 26)
    raw[info.header_offset + 30 + sum(lengths) + 11] ^= 4
    path.write_bytes(raw)
    with pytest.raises(DamagedError) as error:
        [tensor.load() for tensor in read(path).tensors.values()]
    assert str(error.value) == f"od.pth: checksum of '{entry}' does not match (file damaged)"


def test_a_storage_that_is_cut_off(tmp_path):
    """The directory survives, the data does not: what a bad download manager makes."""
    content = resized(b"archive/data/0", 10**6, 10**6)
    with pytest.raises(DamagedError, match=r"evil.pth is truncated: storage 'data/0' ends at byte"):
        read(written(tmp_path, "evil.pth", content))


@pytest.mark.parametrize("order", [b"middle", b"", b"little-endian"])
def test_unknown_byte_order(tmp_path, order):
    with pytest.raises(DamagedError, match=r"'byteorder' is neither little nor big"):
        read(written(tmp_path, "evil.pth", torch_zip(GOOD, order=order)))


NO_METADATA = (b"{", b"[]", b'{"a": 1}', b"[" * 10_000, b"\xff\xfe", "{}".encode("utf-16-be"))


@pytest.mark.parametrize("raw", NO_METADATA)
def test_metadata_that_is_none(tmp_path, raw):
    content = torch_zip(GOOD, extra=(("archive/extra/metadata.json", raw),))
    with pytest.raises(DamagedError, match=r"its entry extra/metadata.json"):
        read(written(tmp_path, "evil.pth", content))
