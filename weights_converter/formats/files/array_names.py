"""Names of arrays, which a file may abuse."""

from __future__ import annotations

from collections.abc import Iterable

from weights_converter.errors import legible
from weights_converter.formats.files.source import Source

_LONGEST = 1024
_MOST_PARTS = 100  # between dots or slashes; code that looks at each prefix of a name relies on it


def check_name(source: Source, name: object) -> str:
    """`name` if it can be the name of an array in every format and in a message.

    Raises:
        RefusedError: it is not text, has control characters or unpaired surrogates, is empty or
            overlong, has too many parts, or steps out of a folder.
    """
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= _LONGEST:
        shown = legible(name) if isinstance(name, str) else f"a {type(name).__name__}"
        raise source.refused(f"an array is called {shown}")
    if {".", ".."} & set(name.split("/")) or "\\" in name or name.startswith("/"):
        raise source.refused(f"an array is called {legible(name)}")
    if name.count(".") + name.count("/") >= _MOST_PARTS:
        raise source.refused(
            f"an array has a name of more than {_MOST_PARTS} parts, {legible(name)}"
        )
    return name


def repeated(names: Iterable[str]) -> str | None:
    """The first name that comes twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
