"""Tar archives as torch made them before 0.1.10, put together by hand: nothing writes them now."""

from __future__ import annotations

import io
import pickle
import struct
import tarfile
from collections import OrderedDict

import torch

from tests.formats.torch_tensors import assert_same
from weights_converter.formats import read


class Reference:
    """Stands for a tensor; the pickle has its key in its place."""

    def __init__(self, key: object) -> None:
        self.key = key


class Pickler(pickle.Pickler):
    def persistent_id(self, value):
        return value.key if isinstance(value, Reference) else None


def old_tar(content: object, storages: dict, tensors: dict, parts=(), protocol: int = 2) -> bytes:
    """`storages`: key -> 1-d tensor. `tensors`: key -> (storage, shape, strides, offset)."""
    handle = io.BytesIO()
    Pickler(handle, protocol).dump(content)
    info = pickle.dumps({"little_endian": True}, protocol)
    entries = {
        "sys_info": info,
        "pickle": handle.getvalue(),
        "tensors": tensors_member(tensors, storages),
        "storages": storages_member(storages, parts),
    }
    return tar_of(entries)


def tar_of(entries: dict[str, bytes]) -> bytes:
    handle = io.BytesIO()
    with tarfile.open(fileobj=handle, mode="w:", format=tarfile.PAX_FORMAT) as archive:
        for name, raw in entries.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(raw), 1480000000.25  # makes an extended header
            archive.addfile(member, io.BytesIO(raw))
    return handle.getvalue()


def storages_member(storages, parts) -> bytes:
    raw = pickle.dumps(len(storages), 2)
    for key, tensor in storages.items():
        cls = getattr(torch, torch.storage._dtype_to_storage_type_map()[tensor.dtype])
        raw += pickle.dumps((key, "cpu", cls), 2)
        raw += struct.pack("<q", tensor.numel()) + tensor.numpy().tobytes()
    return raw + pickle.dumps(list(parts), 2)


def tensors_member(tensors, storages) -> bytes:
    raw = pickle.dumps(len(tensors), 2)
    for key, (storage, shape, strides, offset) in tensors.items():
        raw += pickle.dumps((key, storage, torch.FloatTensor), 2)
        raw += struct.pack("<ii", len(shape), 0)
        raw += struct.pack(f"<{2 * len(shape) + 1}q", *shape, *strides, offset)
    return raw


def example() -> tuple[bytes, dict[str, torch.Tensor]]:
    base, whole = torch.arange(24.0), torch.arange(6)
    tensors = {
        1001: (7001, (2, 3, 4), (12, 4, 1), 0),
        1002: (7001, (4, 3), (1, 4), 12),
        1003: (7002, (6,), (1,), 0),
        1004: (7003, (3,), (2,), 1),
        1005: (7001, (), (), 5),
    }
    content = OrderedDict(
        a=Reference(1001), t=Reference(1002), n=Reference("1003"), p=Reference(1004)
    )
    content["scalar"] = Reference(1005)
    raw = old_tar(content, {7001: base, 7002: whole}, tensors, [(7003, 7001, 3, 8)])
    return raw, {
        "a": base.reshape(2, 3, 4),
        "t": base[12:].reshape(3, 4).T,
        "n": whole,
        "p": base[4:9:2],
        "scalar": base[5],
    }


def test_reads_what_torch_reads(tmp_path):
    raw, expected = example()
    path = tmp_path / "old.pth"
    path.write_bytes(raw)
    assert_same(path, expected)
    assert (read(path).format, read(path).layout) == ("torch-tar", "torch")
    loaded = torch.load(path, weights_only=False)
    for name, value in expected.items():
        assert torch.equal(loaded[name], value) and loaded[name].stride() == value.stride()
