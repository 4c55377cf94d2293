"""The bytes of a pickle, and the instructions that are nothing but a value."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import BinaryIO, Final, TypeAlias

from weights_converter.errors import ConverterError
from weights_converter.formats.files.source import Source
from weights_converter.formats.pickles.values import Span

INLINE = 4096  # longer strings stay in the file; names are shorter, arrays are not worth a copy
_LONGEST_LINE = 256
_BLOCK = 1 << 13
_NO_CODE = "Nothing was executed."
_ADVICE = (
    "a weights file never needs this. "
    "Do not open it with paddle.load or torch.load(weights_only=False)."
)


class Stream:
    """Reads forward through bytes `start` to `end` of a file, a block of them at a time."""

    def __init__(self, source: Source, handle: BinaryIO, start: int, end: int) -> None:
        self.source = source
        self._handle, self._start, self._length = handle, start, end - start
        self.begun = 0  # bytes from the start of the pickle to the last instruction
        # The block begins at byte `_base` of the pickle; its first `_used` bytes were taken.
        self._block, self._base, self._used = b"", 0, 0

    @property
    def position(self) -> int:
        """Bytes from the start of the pickle to the next one."""
        return self._base + self._used

    @property
    def left(self) -> int:
        return self._length - self.position

    def refused(self, fact: str) -> ConverterError:
        """The error for an instruction that a checkpoint has no need of."""
        return self.source.refused(f"{fact} (byte {self.begun}). {_NO_CODE}", _ADVICE)

    def damaged(self, fact: str) -> ConverterError:
        """The error for an instruction that makes no sense."""
        return self.source.damaged(f"{fact} (byte {self.begun} of its pickle)")

    def instruction(self) -> int:
        """The next byte."""
        if self._used == len(self._block):
            self._refill(1)
        self.begun = self._base + self._used
        self._used += 1
        return self._block[self._used - 1]

    def take(self, length: int) -> bytes:
        end = self._used + length
        if end > len(self._block):
            self._refill(length)
            end = length
        taken = self._block[self._used : end]
        self._used = end
        return taken

    def skip(self, length: int) -> int:
        """Leaves `length` bytes out and returns where in the file they are."""
        self._check_left(length)
        place = self.position
        self._block, self._base, self._used = b"", place + length, 0
        return self._start + place

    def number(self, code: struct.Struct) -> int:
        value: int = code.unpack(self.take(code.size))[0]
        return value

    def line(self) -> str:
        if self._block.find(b"\n", self._used) < 0:
            self._refill(min(_LONGEST_LINE, self.left))
        length = self._block.find(b"\n", self._used, self._used + _LONGEST_LINE) - self._used
        if length < 0:
            raise self.source.damaged(f"the name at byte {self.position} has no end")
        return self.decoded(self.take(length + 1)[:-1])

    def decoded(self, raw: bytes) -> str:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            raise self.source.damaged(
                f"the text before byte {self.position} is not UTF-8"
            ) from None

    def _refill(self, length: int) -> None:
        """Makes the next `length` bytes, or more, the block."""
        self._check_left(length)
        self._base, self._used = self.position, 0
        self._handle.seek(self._start + self._base)
        self._block = self._handle.read(min(max(length, _BLOCK), self._length - self._base))
        if len(self._block) < length:
            raise self.source.truncated(f"byte {self._start + self._base + length} is needed")

    def _check_left(self, length: int) -> None:
        if length > self.left:
            end = self._start + self.position + length
            raise self.source.truncated(f"its pickle needs byte {end}")


Literal: TypeAlias = Callable[[Stream], object]


def _constant(value: object) -> Literal:
    return lambda stream: value


def _number(code: str) -> Literal:
    parser = struct.Struct(code)
    return lambda stream: stream.number(parser)


def _string(length_code: str, text: bool) -> Literal:
    parser = struct.Struct(length_code)

    def read(stream: Stream) -> object:
        length = stream.number(parser)
        if length > INLINE:
            return Span(stream.skip(length), length, text)
        raw = stream.take(length)
        return stream.decoded(raw) if text else raw

    return read


def _python2_string(length_code: str) -> Literal:
    """Python 2 had one type for text and bytes: ASCII is read as text here, the rest as bytes."""
    parser = struct.Struct(length_code)

    def read(stream: Stream) -> object:
        length = stream.number(parser)
        if length < 0:
            raise stream.source.damaged(
                f"the string at byte {stream.position} has a length below 0"
            )
        if length > INLINE:
            return Span(stream.skip(length), length, text=False)
        raw = stream.take(length)
        return raw.decode("ascii") if raw.isascii() else raw

    return read


def _long(stream: Stream) -> int:
    return int.from_bytes(stream.take(stream.take(1)[0]), "little", signed=True)


LITERALS: Final[Mapping[int, Literal]] = {
    ord("N"): _constant(None),
    0x88: _constant(True),
    0x89: _constant(False),
    ord("K"): _number("<B"),
    ord("M"): _number("<H"),
    ord("J"): _number("<i"),
    0x8A: _long,
    ord("G"): _number(">d"),
    ord("X"): _string("<I", text=True),
    0x8C: _string("<B", text=True),
    0x8D: _string("<Q", text=True),
    ord("C"): _string("<B", text=False),
    ord("B"): _string("<I", text=False),
    0x8E: _string("<Q", text=False),
    0x96: _string("<Q", text=False),  # a bytearray
    ord("U"): _python2_string("<B"),
    ord("T"): _python2_string("<i"),
    ord(")"): _constant(()),
    ord("]"): lambda stream: [],
    ord("}"): lambda stream: {},
}
