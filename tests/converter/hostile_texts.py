"""Files of text and tables that stand for far more objects than bytes, in families.

Each function writes a file into an empty folder and returns it.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.converter.bundles import VALUE, Bundle
from tests.converter.crafted import safetensors, torch_zip, varint, written
from tests.converter.crafted_npz import archive, described, npy
from tests.converter.crafted_torch import tar

Family = Callable[[Path], Path]
LONG = 15_000_000  # bytes
SINGLE = {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}
TEXTS: dict[str, bytes] = {
    "lists": b"[" + b"[]," * (LONG // 3) + b"0]",
    "objects": b"[" + b"{}," * (LONG // 3) + b"0]",
    "nested": b"[" + (b"[" * 900 + b"]" * 900 + b",") * (LONG // 1801) + b"0]",
    "numbers": b"[" + b"1," * (LONG // 2) + b"0]",
    "long numbers": b"[" + b"1" * 4000 + b"," + b"1e4000," * (LONG // 7) + b"0]",
    "texts": b"[" + b'"",' * (LONG // 3) + b"0]",
    "escapes": b'["' + b"\\u1234" * (LONG // 6) + b'"]',
    "wide text": '["\U0001f600{}"]'.format("a" * LONG).encode(),
    "items": b"{" + b",".join(b'"%x":0' % i for i in range(LONG // 10)) + b"}",
}


def header(text: bytes) -> Family:
    return lambda folder: written(folder, "x.safetensors", safetensors(b'{"a":' + text + b"}"))


def index(text: bytes) -> Family:
    raw = b'{"metadata":{"b":"b.safetensors"},"weight_map":' + text + b"}"
    return lambda folder: written(folder, "x.safetensors.index.json", raw)


def keras_index(text: bytes) -> Family:
    raw = b'{"metadata":{"b":"b.weights.h5"},"weight_map":' + text + b"}"
    return lambda folder: written(folder, "x.weights.json", raw)


def npz_text(text: bytes) -> Family:
    def family(folder: Path) -> Path:
        raw = b'{"a":' + text + b"}"
        entry = npy(described(f"'|S{len(raw)}'", shape="()"), raw)
        return written(folder, "x.npz", archive(("__metadata__.npy", entry), deflated=True))

    return family


def program(text: bytes) -> Family:
    def family(folder: Path) -> Path:
        description = b"\x08\x05\x10\x02"
        tensor = struct.pack("<IQIi", 0, 0, 0, len(description)) + description + bytes(8)
        written(folder, "x.json", b'{"program":' + text + b"}")
        return written(folder, "x.pdiparams", tensor * 2)

    return family


def tiny_arrays(folder: Path, name: str = "x.safetensors", count: int = 200_000) -> Path:
    arrays = {f"{name[0]}{i}": SINGLE for i in range(count)}
    return written(folder, name, safetensors(json.dumps(arrays).encode()))


def many_shards(folder: Path) -> Path:
    files = {f"{i}.safetensors": 2000 for i in range(10, 50)}
    for number, (file, count) in enumerate(files.items()):
        arrays = {f"{number}.{i}": SINGLE for i in range(count)}
        written(folder, file, safetensors(json.dumps(arrays).encode()))
    names = {f"{n}.{i}": file for n, (file, c) in enumerate(files.items()) for i in range(c)}
    return written(folder, "x.json", json.dumps({"weight_map": names}).encode())


def npz_entries(folder: Path) -> Path:
    one = npy(described("'|u1'", shape="(0,)"))
    return written(folder, "x.npz", archive(*((f"{i}.npy", one) for i in range(60_000))))


def torch_entries(folder: Path) -> Path:
    return written(folder, "x.pth", torch_zip(b"N.", {str(i): b"" for i in range(60_000)}))


def long_names(folder: Path) -> Path:
    handle = io.BytesIO()
    with zipfile.ZipFile(handle, "w") as file:
        for i in range(600):
            file.writestr(zipfile.ZipInfo(f"{'a' * 60_000}{i}.npy"), b"")
    return written(folder, "x.npz", handle.getvalue())


def variables(folder: Path) -> Path:
    bundle = Bundle()
    for i in range(120_000):
        bundle.add(f"{i:06}{VALUE}", np.empty(0, "u1"), crc=0)
    return bundle.write(folder)


def graph(folder: Path) -> Path:
    bundle = Bundle().add(f"a{VALUE}", np.empty(0, "u1"))
    return bundle.add_graph({f"k{i}": f"n{i}" for i in range(120_000)}).write(folder)


def variables_of_a_program(folder: Path) -> Path:
    def field(number: int, value: bytes) -> bytes:
        return varint(number << 3 | 2) + varint(len(value)) + value

    dense = b"\x08\x07" + field(3, field(1, b"\x08\x05\x10\x02"))
    one = field(3, field(1, b"a") + field(2, dense) + b"\x18\x01")
    path = program(b"0")(folder)
    (folder / "x.json").unlink()
    written(folder, "x.pdmodel", field(1, one * (LONG // len(one))))
    return path


def sizes_of_a_program(folder: Path) -> Path:
    def field(number: int, value: bytes) -> bytes:
        return varint(number << 3 | 2) + varint(len(value)) + value

    dense = b"\x08\x07" + field(3, field(1, b"\x08\x05" + field(2, b"\x01" * LONG)))
    path = program(b"0")(folder)
    (folder / "x.json").unlink()
    written(folder, "x.pdmodel", field(1, field(3, field(1, b"a") + field(2, dense) + b"\x18\x01")))
    return path


def extensions(folder: Path) -> Path:
    """Nine hundred extended headers, each of some five hundred records."""
    raw = bytearray(tar())
    header = raw[:512]
    header[124:136] = b"%011o\0" % 4095
    header[156:157] = b"x"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    records = b"9 uid=12\n" * 455
    return written(
        folder, "x.tar", (bytes(header) + records.ljust(4096, b"\0")) * 900 + bytes(1024)
    )


FAMILIES: dict[str, Family] = {
    **{f"header of {name}": header(text) for name, text in TEXTS.items()},
    **{f"index of {name}": index(TEXTS[name]) for name in ("lists", "wide text")},
    **{f"Keras index of {name}": keras_index(TEXTS[name]) for name in ("lists", "wide text")},
    **{f"npz with {name}": npz_text(text) for name, text in TEXTS.items()},
    **{f"program of {name}": program(text) for name, text in TEXTS.items()},
    "tiny arrays": tiny_arrays,
    "many shards": many_shards,
    "entries of npz": npz_entries,
    "entries of torch": torch_entries,
    "long names": long_names,
    "variables": variables,
    "graph": graph,
    "variables of a program": variables_of_a_program,
    "sizes of a program": sizes_of_a_program,
    "extensions": extensions,
}
