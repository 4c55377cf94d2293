"""What the pickle machine builds instead of objects."""

from __future__ import annotations

from dataclasses import dataclass, field

from weights_converter.errors import ConverterError


class BadCall(Exception):
    """A recognised name used in a way that no checkpoint does; the text goes after the name."""


class Unsupported(Exception):
    """A call that checkpoints do make, for something that is not supported.

    Args:
        fact: goes after the name of the file.
        help: what to do.
    """

    def __init__(self, fact: str, help: str) -> None:
        super().__init__(fact)
        self.help = help


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A tensor of a legal kind that is no array of plain numbers.

    Attributes:
        kind: goes after "holds".
        help: how to save plain numbers in its place.
    """

    kind: str
    help: str


@dataclass(frozen=True, slots=True)
class Global:
    """The name of something in some module. It is compared with names, never looked up.

    `error` is what to raise where an array should be; None for the names of the vocabulary.
    """

    name: str
    error: ConverterError | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
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

    __slots__ = ()

    def build(self, state: object) -> None:
        """Raises BadCall if the state is not the one that such a value has."""
        raise NotImplementedError


@dataclass(slots=True)
class Inert(Buildable):
    """An object that is only looked at: the name of its class, and the state it was pickled with.

    The state of a set is the list of its items. Items that are put into it are dropped. `error` is
    what to raise where an array should be: the object is made by a call that we do not know, so
    that it could be one. It is None for objects of which only their state is of interest.
    """

    name: str
    state: object = field(default=None, compare=False, repr=False)
    error: ConverterError | None = field(default=None, compare=False, repr=False)

    def build(self, state: object) -> None:
        """Keeps the state; no class is asked what to do with it."""
        self.state = state


@dataclass(frozen=True, eq=False, slots=True)
class OddKey:
    """A key of a dict that is no name and no small number. Each is a key of its own."""

    key: object

    def __str__(self) -> str:
        return f"a {type(self.key).__name__}"
