"""Tells the format of a file from its content, never from its name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from weights_converter.errors import DamagedError
from weights_converter.formats.archives import zip_read
from weights_converter.formats.files.source import Source
from weights_converter.formats.tensorflow.table import MAGIC

_HEAD = 512
_PICKLE = re.compile(rb"\x80[\x02-\x05]", re.DOTALL)
# The first of the pickles that torch wrote before 1.6: its magic number, by LONG1.
_LEGACY_TORCH = re.compile(
    rb"\x80[\x02-\x05](?:\x95.{8})?\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\.", re.DOTALL
)
_SAFETENSORS = re.compile(rb".{4}\0{4}\{", re.DOTALL)  # a length below 4 GiB, then JSON
_SAFETENSORS_INDEX = re.compile(rb"\s*\{.*\.safetensors\"", re.DOTALL)
_KERAS_INDEX = re.compile(rb"\s*\{.*\.weights\.h5\"", re.DOTALL)
# Version 0, no levels of detail, version 0, then a description: its length, its first field.
_PADDLE_BINARY = re.compile(rb"\0{16}[^\0].\0\0\x08", re.DOTALL)
_TAR = (257, b"ustar")
_LFS = b"version https://git-lfs"
_MARKUP = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|head|\?xml|!--)", re.IGNORECASE)
_LONGEST_INDEX = 1 << 26

_STARTS: Mapping[bytes, str] = MappingProxyType({b"\x89HDF\r\n\x1a\n": "keras-h5"})
_PATTERNS: Mapping[re.Pattern[bytes], str] = MappingProxyType(
    {
        _SAFETENSORS: "safetensors",  # first: its length may look like the start of a pickle
        _LEGACY_TORCH: "torch-legacy",
        _PICKLE: "pdparams",
        _PADDLE_BINARY: "paddle-binary",
    }
)


def detect(source: Source) -> str:
    """The name of the format, for which `formats.files` has a reader.

    Raises:
        DamagedError: the file is empty, a web page, a git-lfs pointer, or unknown.
        RefusedError: the format is known and not supported.
    """
    head = source.read(0, min(_HEAD, source.size))
    _check_weights(source, head)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _archive_format(source)
    if head[_TAR[0] :].startswith(_TAR[1]):
        return "torch-tar"
    if source.read(max(0, source.size - len(MAGIC)), min(len(MAGIC), source.size)) == MAGIC:
        return "tensorflow"
    for start, format in _STARTS.items():
        if head.startswith(start):
            return format
    for pattern, format in _PATTERNS.items():
        if pattern.match(head):
            return format
    if head.lstrip().startswith(b"{") and source.size <= _LONGEST_INDEX:
        return _json_format(source)
    raise _unknown(source)


def _archive_format(source: Source) -> str:
    names = {entry.name for entry in zip_read.directory(source)}
    if "model.weights.h5" in names:
        return "keras"
    return "npz" if all(name.endswith(".npy") for name in names) else "torch"


def _json_format(source: Source) -> str:
    content = source.read(0, source.size)
    if _SAFETENSORS_INDEX.match(content):
        return "safetensors-index"
    if _KERAS_INDEX.match(content):
        return "keras-index"
    raise _unknown(source)


def _unknown(source: Source) -> DamagedError:
    return DamagedError(
        f"{source.name} is not a weights file of a known format",
        "known: torch (.pth, .pt), Paddle (.pdparams), Keras (.weights.h5), safetensors, .npz",
    )


def _check_weights(source: Source, head: bytes) -> None:
    if not head:
        raise DamagedError(f"{source.name} is empty", "download it again")
    if head.startswith(_LFS):
        raise DamagedError(
            f"{source.name} is a git-lfs pointer, not the weights", "run git lfs pull"
        )
    if _MARKUP.match(head):
        raise DamagedError(
            f"{source.name} looks like an HTML page", "open the link in a browser and download it"
        )
