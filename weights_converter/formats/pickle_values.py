"""What the pickle machine builds instead of objects."""

from __future__ import annotations

from dataclasses import dataclass


class BadCall(Exception):
    """A recognised name used in a way that no checkpoint does; the text goes after the name."""


@dataclass(frozen=True)
class Global:
    """The name of something in some module. It is compared with names, never looked up."""

    name: str


@dataclass(frozen=True)
class Span:
    """A long string of the pickle, left in the file.

    `length` counts the bytes in the file. Text is UTF-8 there; `latin1` says that the text stands
    for bytes, one for each character, which is how protocol 2 stores bytes.
    """

    offset: int
    length: int
    text: bool
    latin1: bool = False


class Buildable:
    """A value that the BUILD instruction may complete."""

    def build(self, state: object) -> None:
        """Raises BadCall if the state is not the one that such a value has."""
        raise NotImplementedError


@dataclass(frozen=True)
class Inert(Buildable):
    """An object of a known, harmless class, of which only the class is kept."""

    name: str

    def build(self, state: object) -> None:
        """Its state is of no interest."""
