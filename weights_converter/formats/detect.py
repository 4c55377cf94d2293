"""Tells the format of a file from its first bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from weights_converter.errors import DamagedError
from weights_converter.formats.source import Source

_HEAD = 512
_PICKLE = re.compile(rb"\x80[\x02-\x05]", re.DOTALL)
# The first of five pickles that torch wrote before 1.6: protocol 2, LONG1, its magic number.
_LEGACY_TORCH = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
_SAFETENSORS = re.compile(rb".{4}\0{4}\{", re.DOTALL)  # a length below 4 GiB, then JSON
_TAR = (257, b"ustar")
_LFS = b"version https://git-lfs"
_MARKUP = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|head|\?xml|!--)", re.IGNORECASE)

_STARTS: Mapping[bytes, str] = MappingProxyType(
    {b"PK\x03\x04": "torch", b"\x89HDF\r\n\x1a\n": "keras-h5"}
)


def detect(source: Source) -> str:
    """One of "torch", "pdparams", "keras-h5", "safetensors".

    Raises:
        DamagedError: the file is empty, a web page, a git-lfs pointer, or unknown.
        RefusedError: the format is known and too old.
    """
    head = source.read(0, min(_HEAD, source.size))
    _check_weights(source, head)
    _check_age(source, head)
    for start, format in _STARTS.items():
        if head.startswith(start):
            return format
    if _SAFETENSORS.match(head):  # first: its length may look like the start of a pickle
        return "safetensors"
    if _PICKLE.match(head):
        return "pdparams"
    raise DamagedError(
        f"{source.name} is not a weights file of a known format",
        "known: torch (.pth, .pt), Paddle (.pdparams), Keras (.weights.h5), safetensors",
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


def _check_age(source: Source, head: bytes) -> None:
    place, magic = _TAR
    if head.startswith(_LEGACY_TORCH) or head[place:].startswith(magic):
        raise source.unsupported(
            "is in the format that torch wrote before 1.6",
            "load it with torch.load(path, weights_only=True) and torch.save it again",
        )
