""".npz archives, put together byte by byte."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile


def npy(header: str, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    raw = header.encode("latin-1") + b"\n"
    length = struct.pack("<H" if version[0] == 1 else "<I", len(raw))
    return b"\x93NUMPY" + version + length + raw + data


def described(descr: str = "'<f4'", fortran: str = "False", shape: str = "(2,)") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}"


def archive(*entries: tuple[str, bytes], deflated: bool = False) -> bytes:
    handle = io.BytesIO()
    kind = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
    with warnings.catch_warnings(), zipfile.ZipFile(handle, "w", kind) as file:
        warnings.simplefilter("ignore")  # about names given twice
        for name, raw in entries:
            file.writestr(zipfile.ZipInfo(name), raw, kind)
    return handle.getvalue()
