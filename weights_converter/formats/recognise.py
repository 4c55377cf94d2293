"""Tells the formats of files from their content, never from their names."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

from weights_converter.errors import DamagedError
from weights_converter.formats.archives import zip_read
from weights_converter.formats.files.source import Source
from weights_converter.formats.tensorflow.table import MAGIC

_HEAD: Final = 512  # bytes
_PICKLE: Final = re.compile(rb"\x80[\x02-\x05]", re.DOTALL)
# The first of the pickles that torch wrote before 1.6: its magic number, by LONG1.
_TORCH_LEGACY: Final = re.compile(
    rb"\x80[\x02-\x05](?:\x95.{8})?\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\.", re.DOTALL
)
_SAFETENSORS: Final = re.compile(rb".{4}\0{4}\{", re.DOTALL)  # a length below 4 GiB, then JSON
_SAFETENSORS_INDEX: Final = re.compile(rb"\s*\{.*\.safetensors\"", re.DOTALL)
_KERAS_INDEX: Final = re.compile(rb"\s*\{.*\.weights\.h5\"", re.DOTALL)
# Version 0, no levels of detail, version 0, then a description: its length, its first field.
_PADDLE_BINARY: Final = re.compile(rb"\0{16}[^\0].\0\0\x08", re.DOTALL)
# The version of the format, then a text, the version of the model, the graph or the operators.
_ONNX: Final = re.compile(rb"\x08[\x01-\x40][\x12\x1a\x22\x28\x32\x3a\x42]", re.DOTALL)
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
_HDF5: Final = b"\x89HDF\r\n\x1a\n"
_TAR: Final = (257, b"ustar")
_LFS: Final = b"version https://git-lfs"
_MARKUP: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|head|\?xml|!--)", re.IGNORECASE
)
_LONGEST_INDEX: Final = 1 << 26  # bytes


@dataclass(frozen=True)
class Content:
    """What of a file is looked at to tell its format.

    Raises, where it is made: DamagedError for a file that is empty, a web page, a git-lfs pointer.
    """

    source: Source

    @classmethod
    def of(cls, source: Source) -> Content:
        content = cls(source)
        content.check_weights()
        return content

    @cached_property
    def head(self) -> bytes:
        return self.source.read(0, min(_HEAD, self.source.size))

    @cached_property
    def tail(self) -> bytes:
        length = min(len(MAGIC), self.source.size)
        return self.source.read(self.source.size - length, length)

    @cached_property
    def entries(self) -> frozenset[str]:
        """Names in a zip archive, none in another file."""
        if not self.head.startswith(_ZIP):
            return frozenset()
        return frozenset(entry.name for entry in zip_read.directory(self.source))

    @cached_property
    def json(self) -> bytes:
        """The whole of what may be an index, nothing of another file."""
        if not self.head.lstrip().startswith(b"{") or self.source.size > _LONGEST_INDEX:
            return b""
        return self.source.read(0, self.source.size)

    def check_weights(self) -> None:
        name = self.source.name
        if not self.head:
            raise DamagedError(f"{name} is empty", "download it again")
        if self.head.startswith(_LFS):
            raise DamagedError(f"{name} is a git-lfs pointer, not the weights", "run git lfs pull")
        if _MARKUP.match(self.head):
            raise DamagedError(
                f"{name} looks like an HTML page", "open the link in a browser and download it"
            )


Recognise: TypeAlias = Callable[[Content], bool]


def is_keras_archive(content: Content) -> bool:
    return "model.weights.h5" in content.entries


def is_npz(content: Content) -> bool:
    entries = content.entries
    return content.head.startswith(_ZIP) and all(name.endswith(".npy") for name in entries)


def is_torch(content: Content) -> bool:
    """Any other archive."""
    return content.head.startswith(_ZIP)


def is_tar(content: Content) -> bool:
    return content.head[_TAR[0] :].startswith(_TAR[1])


def is_tensorflow(content: Content) -> bool:
    return content.tail == MAGIC


def is_hdf5(content: Content) -> bool:
    return content.head.startswith(_HDF5)


def is_safetensors(content: Content) -> bool:
    return _SAFETENSORS.match(content.head) is not None


def is_torch_legacy(content: Content) -> bool:
    return _TORCH_LEGACY.match(content.head) is not None


def is_pickle(content: Content) -> bool:
    return _PICKLE.match(content.head) is not None


def is_paddle_binary(content: Content) -> bool:
    return _PADDLE_BINARY.match(content.head) is not None


def is_safetensors_index(content: Content) -> bool:
    return _SAFETENSORS_INDEX.match(content.json) is not None


def is_keras_index(content: Content) -> bool:
    return _KERAS_INDEX.match(content.json) is not None


def is_onnx(content: Content) -> bool:
    """Without any sign of its own, it begins as such a message does."""
    return _ONNX.match(content.head) is not None
