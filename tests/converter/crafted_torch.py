"""Files that torch wrote before 1.6, put together byte by byte."""

from __future__ import annotations

import io
import struct
import tarfile

from tests.converter.crafted import (
    call,
    dict_,
    name,
    number,
    pickled,
    text,
    tuple_,
)

MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
VERSION = b"\x80\x02M\xe9\x03."
SYSTEM = pickled(dict_(little_endian=b"\x88"))


def count(value: int) -> bytes:
    return struct.pack("<q", value)


def listed(*items: bytes) -> bytes:
    return pickled(b"](" + b"".join(items) + b"e")


def legacy_tensor(
    *more: bytes, key: str = "7", numel: int = 2, storage: str = "FloatStorage", shape: int = 2
) -> bytes:
    """A tensor of the stream, whose reference has a sixth item."""
    kind, view = (name("torch", storage), more[0] if more else b"N")
    reference = tuple_(text("storage"), kind, text(key), text("cpu"), number(numel), view)
    return call(
        "torch._utils",
        "_rebuild_tensor_v2",
        reference + b"Q",
        number(0),
        tuple_(number(shape)),
        tuple_(number(1)),
        b"\x89",
        call("collections", "OrderedDict"),
    )


def legacy(
    content: bytes = pickled(dict_(w=legacy_tensor())),
    keys: bytes = listed(text("7")),
    data: bytes = count(2) + bytes(8),
    start: bytes = MAGIC + VERSION + SYSTEM,
) -> bytes:
    return start + content + keys + data


def tar_storages(*storages: bytes, parts: bytes = listed(), announced: int | None = None) -> bytes:
    total = len(storages) if announced is None else announced
    return pickled(number(total)) + b"".join(storages) + parts


def tar_storage(
    key: int = 1, numel: int = 2, data: bytes = bytes(8), storage: str = "FloatStorage"
) -> bytes:
    header = tuple_(number(key), text("cpu"), name("torch", storage))
    return pickled(header) + count(numel) + data


def tar_tensor(
    key: int = 5,
    storage: int = 1,
    shape: tuple[int, ...] = (2,),
    strides: tuple[int, ...] = (1,),
    offset: int = 0,
    cls: str = "FloatTensor",
    axes: int | None = None,
) -> bytes:
    raw = pickled(tuple_(number(key), number(storage), name("torch", cls)))
    raw += struct.pack("<ii", len(shape) if axes is None else axes, 0)
    return raw + b"".join(map(count, (*shape, *strides, offset)))


def tar_tensors(*tensors: bytes, announced: int | None = None) -> bytes:
    return pickled(number(len(tensors) if announced is None else announced)) + b"".join(tensors)


TAR_MEMBERS = {
    "storages": tar_storages(tar_storage()),
    "tensors": tar_tensors(tar_tensor()),
    "pickle": pickled(dict_(w=number(5) + b"Q")),
}


def tar(*more: tarfile.TarInfo, **members: bytes) -> bytes:
    """An archive by torch with other contents, or none where they are empty."""
    handle = io.BytesIO()
    with tarfile.open(fileobj=handle, mode="w:", format=tarfile.USTAR_FORMAT) as archive:
        for file_name, raw in (TAR_MEMBERS | members).items():
            member = tarfile.TarInfo(file_name)
            member.size = len(raw)
            if raw:
                archive.addfile(member, io.BytesIO(raw))
        for member in more:
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    return handle.getvalue()


def special_member(
    file_name: str, kind: bytes = tarfile.REGTYPE, link: str = ""
) -> tarfile.TarInfo:
    member = tarfile.TarInfo(file_name)
    member.type, member.linkname = kind, link
    return member
