"""What can go wrong with a checkpoint: one tree of exceptions, one exit code for each branch."""

from __future__ import annotations

from typing import ClassVar

_LONGEST = 120


class ConverterError(ValueError):
    """The root of every error that this package raises on purpose.

    `str(error)` is one line of fact; `help` is one line of advice, where there is some.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, fact: str, help: str | None = None) -> None:
        super().__init__(fact)
        self.help = help


class MismatchError(ConverterError):
    """The arrays are not those of the model."""

    exit_code = 1


class UsageError(ConverterError):
    """What was asked for does not make sense."""

    exit_code = 2


class RefusedError(ConverterError):
    """The file holds something unsafe or unsupported."""

    exit_code = 3


class DamagedError(ConverterError):
    """The file is truncated, corrupt, or not a checkpoint at all."""

    exit_code = 4


class FileError(ConverterError):
    """The file system says no: missing, not readable, exists already, disk full."""

    exit_code = 5


def legible(text: str) -> str:
    """`text` as it can go into a one-line message, whatever a file has put into it."""
    if text.isprintable() and 0 < len(text) <= _LONGEST:
        return text
    return ascii(text[:_LONGEST]) + ("..." if len(text) > _LONGEST else "")
