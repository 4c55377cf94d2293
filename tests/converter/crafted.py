"""Files for the tests, good and bad, put together byte by byte."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

STORAGES = {"float32": "FloatStorage", "int64": "LongStorage", "bool": "BoolStorage"}


def pickled(*instructions: bytes, protocol: int = 2) -> bytes:
    return bytes([0x80, protocol]) + b"".join(instructions) + b"."


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value: int) -> bytes:
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def varint(value: int) -> bytes:
    """A number in protobuf."""
    raw = bytearray()
    while value > 0x7F:
        raw.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*raw, value])


def binary(value: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(value)) + value


def tuple_(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def dict_(**items: bytes) -> bytes:
    return b"}(" + b"".join(text(name) + value for name, value in items.items()) + b"u"


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def call(module: str, attribute: str, *arguments: bytes) -> bytes:
    return name(module, attribute) + tuple_(*arguments) + b"R"


def ndarray(array: np.ndarray[Any, Any], core: str = "numpy.core", data: bytes = b"") -> bytes:
    """A NumPy array; `data` replaces its bytes."""
    code = array.dtype.str
    dtype = call("numpy", "dtype", text(code[1:]), b"\x89", b"\x88")
    minus = b"J\xff\xff\xff\xff"
    dtype += tuple_(b"K\x03", text(code[0]), b"NNN", minus, minus, b"K\x00") + b"b"
    shape = tuple_(*map(number, array.shape))
    empty = call(
        f"{core}.multiarray", "_reconstruct", name("numpy", "ndarray"), b"(K\x00t", binary(b"b")
    )
    return empty + tuple_(b"K\x01", shape, dtype, b"\x89", binary(data or array.tobytes())) + b"b"


def tensor(
    shape: tuple[int, ...] = (2,),
    strides: tuple[int, ...] = (1,),
    offset: int = 0,
    numel: int = 2,
    key: str = "0",
    storage: str = "FloatStorage",
) -> bytes:
    """A torch tensor over the storage `key`."""
    persistent = tuple_(
        text("storage"), name("torch", storage), text(key), text("cpu"), number(numel)
    )
    return call(
        "torch._utils",
        "_rebuild_tensor_v2",
        persistent + b"Q",
        number(offset),
        tuple_(*map(number, shape)),
        tuple_(*map(number, strides)),
        b"\x89",
        call("collections", "OrderedDict"),
    )


def torch_zip(
    content: bytes,
    storages: dict[str, bytes] | None = None,
    root: str = "archive",
    compression: int = zipfile.ZIP_STORED,
    order: bytes = b"little",
    extra: tuple[tuple[str, bytes], ...] = (),
    before: bytes = b"",
) -> bytes:
    """An archive as torch.save makes it; `extra` entries have their whole names."""
    storages = {"0": bytes(8)} if storages is None else storages
    entries = [(f"{root}/data.pkl", content), (f"{root}/byteorder", order)]
    entries += [(f"{root}/data/{key}", raw) for key, raw in storages.items()]
    entries += [(f"{root}/version", b"3\n"), *extra]
    handle = io.BytesIO(before)
    handle.seek(len(before))
    with warnings.catch_warnings(), zipfile.ZipFile(handle, "w", compression) as archive:
        warnings.simplefilter("ignore")  # about names given twice
        for entry_name, raw in entries:
            archive.writestr(zipfile.ZipInfo(entry_name), raw, compression)
    return handle.getvalue()


def safetensors(header: bytes, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + data


def written(folder: Path, file_name: str, content: bytes) -> Path:
    path = folder / file_name
    path.write_bytes(content)
    return path


def special_floats(dtype: str) -> np.ndarray[Any, Any]:
    """NaNs with payloads of both signs, infinities, -0.0, subnormals: (2, 4) of `dtype`."""
    bits = {
        "float64": [
            0x7FF8000000000001,
            0xFFF4DEADBEEF0001,
            0x7FF0000000000000,
            0xFFF0000000000000,
            0x8000000000000000,
            1,
            0x800FFFFFFFFFFFFF,
            0x3FF0000000000001,
        ],
        "float32": [
            0x7FC00001,
            0xFFA0BEEF,
            0x7F800000,
            0xFF800000,
            0x80000000,
            1,
            0x807FFFFF,
            0x3F800001,
        ],
        "float16": [0x7E01, 0xFD42, 0x7C00, 0xFC00, 0x8000, 1, 0x83FF, 0x3C01],
    }[dtype]
    width = np.dtype(dtype).itemsize
    return np.array(bits, f"<u{width}").view(dtype).reshape(2, 4)


def every_dtype() -> dict[str, np.ndarray[Any, Any]]:
    """One array for each dtype that NumPy has a name for, in shapes that a swap would show."""
    random = np.random.default_rng(7)
    arrays = {dtype: special_floats(dtype) for dtype in ("float64", "float32", "float16")}
    for dtype in ("int64", "int32", "int16", "int8", "uint8"):
        info = np.iinfo(dtype)
        arrays[dtype] = random.integers(info.min, info.max, (3, 1, 2), dtype, endpoint=True)
    arrays["bool"] = random.random(5) < 0.5
    arrays["scalar"] = np.array(-0.0, "float32")
    arrays["empty"] = np.empty((2, 0, 3), "float32")
    arrays["long"] = random.standard_normal((40, 50)).astype("float32")  # is left in the file
    return arrays
