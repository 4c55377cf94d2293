"""Streams and tar archives as torch wrote them before 1.6, that lie or attack."""

from __future__ import annotations

import tarfile

import pytest

from tests.converter.crafted import call, dict_, name, number, pickled, text, tuple_, written
from tests.converter.crafted_torch import (
    MAGIC,
    SYSTEM,
    VERSION,
    count,
    legacy,
    legacy_tensor,
    listed,
    special_member,
    tar,
    tar_storage,
    tar_storages,
    tar_tensor,
    tar_tensors,
)
from weights_converter.errors import ConverterError, DamagedError, RefusedError
from weights_converter.formats import read

EVIL = call("posix", "system", text("touch canary"))


def content(*more: bytes, **options: object) -> bytes:
    return pickled(dict_(w=legacy_tensor(*more, **options)))


STORAGE = "refused: it refers to a storage"
STREAMS = {
    "version": (legacy(start=MAGIC + pickled(number(1002)) + SYSTEM), RefusedError,
                "is a torch file of an unknown version"),
    "system": (legacy(start=MAGIC + VERSION + pickled(b"N")), DamagedError,
               "is damaged: it does not tell which system wrote it"),
    "evil system": (legacy(start=MAGIC + VERSION + pickled(EVIL)), RefusedError,
                    "refused: it calls posix.system"),
    "evil content": (legacy(pickled(dict_(w=legacy_tensor(), x=EVIL))), RefusedError,
                     "refused: it calls posix.system"),
    "evil keys": (legacy(keys=pickled(EVIL)), RefusedError, "refused: it calls posix.system"),
    "keys are text": (legacy(keys=pickled(text("7"))), DamagedError,
                      "is damaged: it does not list its storages"),
    "keys are numbers": (legacy(keys=listed(number(7))), DamagedError,
                         "is damaged: it does not list its storages"),
    "unknown key": (legacy(keys=listed(text("7"), text("8"))), RefusedError,
                    "refused: it lists a storage 8 that no tensor has, or twice"),
    "key twice": (legacy(keys=listed(text("7"), text("7")), data=(count(2) + bytes(8)) * 2),
                  RefusedError, "refused: it lists a storage 7 that no tensor has, or twice"),
    "key missing": (legacy(keys=listed(), data=b""), DamagedError,
                    "is damaged: its storage '7' is missing"),
    "more elements": (legacy(data=count(3) + bytes(12)), RefusedError,
                      "refused: the storage '7' has 12 bytes, its tensors were told 8"),
    "negative count": (legacy(data=count(-2)), RefusedError, "refused: the storage '7' has -8 b"),
    "truncated": (legacy(data=count(2) + bytes(7)), DamagedError,
                  "is truncated: storage '7' ends at byte"),
    "no data": (legacy(data=b""), DamagedError, "is truncated: its pickle needs byte"),
    "1 TiB": (legacy(content(numel=2**38), data=count(2**38)), DamagedError,
              "is truncated: storage '7' ends at byte"),
    "something behind": (legacy() + b"evil", RefusedError,
                         "refused: 4 bytes follow its last storage"),
    "two sizes": (legacy(pickled(dict_(a=legacy_tensor(), b=legacy_tensor(numel=3)))),
                  RefusedError, f"{STORAGE} 7 of two sizes or types"),
    "two types": (legacy(pickled(dict_(a=legacy_tensor(), b=legacy_tensor(storage="IntStorage")))),
                  RefusedError, f"{STORAGE} 7 of two sizes or types"),
    "odd view": (legacy(content(b"K\x01")), RefusedError, f"{STORAGE} with an odd view of it"),
    "short view": (legacy(content(tuple_(text("v"), number(0)))), RefusedError,
                   f"{STORAGE} with an odd view of it"),
    "negative view": (legacy(content(tuple_(text("v"), number(-1), number(1)))), RefusedError,
                      f"{STORAGE} with an odd view of it"),
    "long view": (legacy(content(tuple_(text("v"), number(1), number(2)))), RefusedError,
                  f"{STORAGE} with a view to element 3 of 2"),
    "tensor out of its view": (
        legacy(content(tuple_(text("v"), number(1), number(1)))), RefusedError,
        "refused: it calls torch._utils._rebuild_tensor_v2 for a tensor of shape (2,) that"),
    "module by text": (
        legacy(pickled(tuple_(text("module"), text("os"), b"N", b"N") + b"Q")), RefusedError,
        f"{STORAGE} in an odd way"),
    "module that is called": (
        legacy(pickled(dict_(w=legacy_tensor(), x=tuple_(
            text("module"), name("posix", "system"), b"N", b"N") + b"Q)R"))), RefusedError,
        "refused: it calls posix.system"),
    "quantised": (legacy(content(storage="QInt8Storage"), data=count(2) + bytes(2)), RefusedError,
                  "refused: it calls torch._utils._rebuild_tensor_v2 over a quantised storage"),
}  # fmt: skip
ODD = "refused: it has a tensor or a storage"
ARCHIVES = {
    "no tensors": (tar(tensors=b""), DamagedError, "is damaged: its archive lacks tensors"),
    "link": (tar(special_member("x", tarfile.SYMTYPE, "/etc/passwd")), RefusedError,
             "refused: its archive has x, which is not a regular file"),
    "hard link": (tar(special_member("pickle", tarfile.LNKTYPE, "/etc/passwd")), RefusedError,
                  "refused: its archive has pickle, which is not a regular file"),
    "device": (tar(special_member("x", tarfile.CHRTYPE)), RefusedError,
               "refused: its archive has x, which is not a regular file"),
    "folder": (tar(special_member("x", tarfile.DIRTYPE)), RefusedError, "refused: its archive has"),
    "steps out": (tar(special_member("../../x")), RefusedError,
                  "is a tar archive with ../../x, not a torch file"),
    "absolute": (tar(special_member("/x")), RefusedError, "is a tar archive with /x, not a torch"),
    "twice": (tar(special_member("pickle")), RefusedError,
              "refused: its archive has two members pickle"),
    "evil pickle": (tar(pickle=pickled(EVIL)), RefusedError, "refused: it calls posix.system"),
    "evil tensors": (tar(tensors=pickled(EVIL)), RefusedError, "refused: it calls posix.system"),
    "evil storage": (tar(storages=tar_storages(pickled(EVIL))), RefusedError,
                     "refused: it calls posix.system"),
    "evil parts": (tar(storages=tar_storages(tar_storage(), parts=pickled(EVIL))), RefusedError,
                   "refused: it calls posix.system"),
    "evil class": (
        tar(storages=tar_storages(pickled(name("posix", "system")))), RefusedError,
        "refused: it calls posix.system"),
    "count is text": (tar(tensors=pickled(text("1"))), DamagedError,
                      "is damaged: it does not count its tensors"),
    "negative count": (tar(tensors=pickled(number(-1))), DamagedError, "is damaged: it does not"),
    "too many": (tar(tensors=tar_tensors(tar_tensor(), announced=2**60)), DamagedError,
                 "is truncated: its pickle needs byte"),
    "too few": (tar(tensors=tar_tensors(tar_tensor(), announced=0)), RefusedError,
                "refused: 62 bytes follow its last tensor"),
    "odd storage": (tar(storages=tar_storages(pickled(b"N"))), RefusedError, f"{ODD} in an odd"),
    "storage twice": (tar(storages=tar_storages(tar_storage(), tar_storage())), RefusedError,
                      f"{ODD} 1 twice"),
    "storage of 1 TiB": (tar(storages=tar_storages(tar_storage(numel=2**38))), DamagedError,
                         "is truncated: storage '1' needs 1099511627776 bytes"),
    "negative storage": (tar(storages=tar_storages(tar_storage(numel=-1))), RefusedError,
                         f"{ODD} with an odd key or length"),
    "unknown storage": (tar(storages=tar_storages(tar_storage(storage="Size"))), RefusedError,
                        f"{ODD} of an unknown class"),
    "tensor of no storage": (tar(tensors=tar_tensors(tar_tensor(storage=2))), RefusedError,
                             f"{ODD} with too many axes, twice, or without data"),
    "tensor twice": (tar(tensors=tar_tensors(tar_tensor(), tar_tensor())), RefusedError,
                     f"{ODD} with too many axes, twice, or without data"),
    "2**31 axes": (tar(tensors=tar_tensors(tar_tensor(axes=2**31 - 1))), RefusedError,
                   f"{ODD} with too many axes, twice, or without data"),
    "negative axes": (tar(tensors=tar_tensors(tar_tensor(axes=-1))), RefusedError,
                      f"{ODD} with too many axes, twice, or without data"),
    "class of a tensor": (tar(tensors=tar_tensors(tar_tensor(cls="load"))), RefusedError,
                          "refused: it calls torch.load"),
    "reaches out": (tar(tensors=tar_tensors(tar_tensor(shape=(3,)))), RefusedError,
                    f"{ODD} for a tensor of shape (3,) that reaches element 2 of a storage of 2"),
    "negative stride": (tar(tensors=tar_tensors(tar_tensor(strides=(-1,)))), RefusedError,
                        f"{ODD} with odd strides"),
    "grows": (tar(tensors=tar_tensors(tar_tensor(shape=(10**10,), strides=(0,)))), RefusedError,
              "refused: its arrays would take 40000000000 bytes"),
    "part is text": (tar(storages=tar_storages(tar_storage(), parts=listed(text("x")))),
                     RefusedError, "refused: it has a part of a storage in an odd way"),
    "part of nothing": (
        tar(storages=tar_storages(
            tar_storage(), parts=listed(tuple_(number(2), number(3), number(0), number(1))))),
        RefusedError, "refused: it has a part of a storage twice, or of none"),
    "long part": (
        tar(storages=tar_storages(
            tar_storage(), parts=listed(tuple_(number(2), number(1), number(1), number(2))))),
        RefusedError, "refused: it has a storage with a view to element 3 of 2"),
    "unknown reference": (tar(pickle=pickled(number(6) + b"Q")), RefusedError,
                          f"{STORAGE} that is not among its tensors"),
    "reference to a list": (tar(pickle=pickled(b"]Q")), RefusedError,
                            f"{STORAGE} that is not among its tensors"),
}  # fmt: skip


@pytest.mark.parametrize("case", STREAMS)
def test_streams_that_lie(tmp_path, case):
    refuse(tmp_path, *STREAMS[case])


@pytest.mark.parametrize("case", ARCHIVES)
def test_archives_that_lie(tmp_path, case):
    refuse(tmp_path, *ARCHIVES[case])


def refuse(folder, raw, kind, fact):
    with pytest.raises(ConverterError) as error:
        read(written(folder, "evil.pth", raw))
    assert type(error.value) is kind
    assert str(error.value).startswith(f"evil.pth {fact}")


@pytest.mark.parametrize("raw", [legacy(), tar(), tar(sys_info=pickled(EVIL))])
def test_the_good_ones_are_good(tmp_path, raw):
    """What is never read, as `sys_info`, cannot do harm."""
    assert read(written(tmp_path, "good.pth", raw)).tensors["w"].load().tolist() == [0, 0]


def test_views_of_storages(tmp_path):
    part = legacy_tensor(tuple_(text("v"), number(1), number(2)), numel=4)
    raw = legacy(pickled(dict_(w=part)), data=count(4) + bytes(8) + b"\0\0\x80\x3f" + bytes(4))
    assert read(written(tmp_path, "good.pth", raw)).tensors["w"].load().tolist() == [0, 1]


@pytest.mark.parametrize("end", [0, 1, 20, 100, 511, 512, 600, 1030, 1500, 2100])
def test_truncated_archives(tmp_path, end):
    with pytest.raises(DamagedError):
        read(written(tmp_path, "evil.pth", tar()[:end]))


def test_truncated_streams(tmp_path):
    raw = legacy()
    for end in range(len(raw)):
        with pytest.raises(DamagedError):
            read(written(tmp_path, "evil.pth", raw[:end]))


def test_a_header_that_does_not_fit_its_checksum(tmp_path):
    raw = bytearray(tar())
    raw[100] ^= 1
    with pytest.raises(DamagedError, match=r"a header of its archive does not fit its checksum"):
        read(written(tmp_path, "evil.pth", bytes(raw)))


@pytest.mark.parametrize(
    ("record", "kind", "fact"),
    [
        (b"13 path=evil\n", RefusedError, "its archive changes the path of one"),
        (b"11 size=99\n", RefusedError, "its archive changes the size of one"),
        (b"999 mtime=1\n", DamagedError, "an extended header of its archive makes no sense"),
        (b"0 mtime=1\n", DamagedError, "an extended header of its archive makes no sense"),
        (b"mtime=1\n", DamagedError, "an extended header of its archive makes no sense"),
    ],
)
def test_extended_headers(tmp_path, record, kind, fact):
    member = special_member("x", tarfile.XHDTYPE)
    member.size = len(record)
    raw = tar(member)
    place = raw.index(b"x" + bytes(99)) + 512
    with pytest.raises(kind, match=fact):
        read(written(tmp_path, "evil.pth", raw[:place] + record + raw[place + len(record) :]))
