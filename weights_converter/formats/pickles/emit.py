"""Writes pickles instruction by instruction: the same bytes always, and names of our choosing.

Python's pickler would write the module names of the NumPy that is installed (`numpy._core`), which
older ones do not have.
"""

from __future__ import annotations

import struct

_BINARY_32 = 2**32


class Emitter:
    """Collects the bytes of a pickle; `take()` hands over what has come since the last time."""

    def __init__(self, protocol: int) -> None:
        self._parts = bytearray([0x80, protocol])

    def take(self) -> bytes:
        taken = bytes(self._parts)
        self._parts.clear()
        return taken

    def instruction(self, code: str) -> None:
        """One that has no argument, or several of them."""
        self._parts += code.encode("latin-1")

    def global_(self, module: str, name: str) -> None:
        self._parts += f"c{module}\n{name}\n".encode()

    def text(self, text: str) -> None:
        raw = text.encode("utf-8")
        self._parts += b"X" + struct.pack("<I", len(raw)) + raw

    def boolean(self, value: bool) -> None:
        self._parts += b"\x88" if value else b"\x89"

    def number(self, number: int) -> None:
        """A size or an offset, which is never negative."""
        if number < 2**8:
            self._parts += b"K" + struct.pack("<B", number)
        elif number < 2**31:
            self._parts += b"J" + struct.pack("<i", number)
        else:
            raw = number.to_bytes(number.bit_length() // 8 + 1, "little")
            self._parts += b"\x8a" + struct.pack("<B", len(raw)) + raw

    def numbers(self, numbers: tuple[int, ...]) -> None:
        """A tuple."""
        self._parts += b"("
        for number in numbers:
            self.number(number)
        self._parts += b"t"

    def bytes_header(self, length: int) -> None:
        """What stands before `length` bytes, which the caller writes."""
        if length < _BINARY_32:
            self._parts += b"B" + struct.pack("<I", length)
        else:
            self._parts += b"\x8e" + struct.pack("<Q", length)
