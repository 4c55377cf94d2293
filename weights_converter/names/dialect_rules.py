"""What a dialect is: rules that turn names of some code into canonical ones, and back."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from weights_converter.names.layouts import owner_of

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
# What a placeholder stands for: owners with their dots, or none; a number; one part; all the rest.
_STANDS_FOR = {"path": r"(?:[^.]+\.)*", "n": r"\d+", "leaf": r"[^.]+", "rest": r".+"}


@dataclass(frozen=True)
class Rule:
    """A name in the wild and the canonical one; a placeholder stands for the same text in both.

    `alias` marks a second spelling of what another rule writes: it is read and never written.
    """

    wild: str
    canonical: str
    alias: bool = False

    def read(self, name: str) -> str | None:
        return _rewritten(name, self.wild, self.canonical)

    def write(self, name: str) -> str | None:
        return None if self.alias else _rewritten(name, self.canonical, self.wild)


@dataclass(frozen=True)
class Zeros:
    """An array that the code does not have and that changes nothing when it is zero.

    Its length is that of one axis of the array `like`.
    """

    name: str
    like: str
    axis: int


@dataclass(frozen=True)
class Dialect:
    """How one code calls its arrays.

    Attributes:
        name: the code, for notes.
        signs: patterns of names that only this code gives.
        beside: patterns of which one must fit as well, where a sign alone is not enough.
        rules: the first that fits a name counts; a name that none fits stays.
        left_out: first parts of names of arrays that no backbone has.
        zeros: arrays to add.
        layout: of the arrays, where the names tell it.
        separator: between the parts of a name.
    """

    name: str
    signs: tuple[str, ...]
    rules: tuple[Rule, ...]
    left_out: tuple[str, ...] = ()
    zeros: tuple[Zeros, ...] = ()
    layout: str | None = None
    separator: str = "."
    beside: tuple[str, ...] = ()

    def spoken(self, names: Collection[str]) -> bool:
        """Whether one of the names is of this dialect."""
        wanted = (self.signs, self.beside) if self.beside else (self.signs,)
        return all(self._fits(patterns, names) for patterns in wanted)

    def canonical(self, name: str, owners: Collection[str] = ()) -> str:
        """The canonical name, of a layer among `owners` where one of the rules gives such a name.

        `owners` are the paths of the layers that the model has, if it is known.
        """
        dotted = self._dotted(name)
        found = [read for rule in self.rules if (read := rule.read(dotted))] or [dotted]
        known = (read for read in (*found, dotted) if owner_of(read) in owners)
        return next(known, found[0])

    def wild(self, name: str) -> str:
        """The way back."""
        found = next((found for rule in self.rules if (found := rule.write(name))), name)
        return found.replace(".", self.separator)

    def leaves_out(self, name: str) -> bool:
        return name.partition(self.separator)[0] in self.left_out

    def _fits(self, signs: tuple[str, ...], names: Collection[str]) -> bool:
        patterns = [_pattern(sign) for sign in signs]
        return any(p.fullmatch(self._dotted(name)) for name in names for p in patterns)

    def _dotted(self, name: str) -> str:
        return name.replace(self.separator, ".")


def _rewritten(name: str, source: str, target: str) -> str | None:
    match = _pattern(source).fullmatch(name)
    return match and target.format(**match.groupdict())


@lru_cache(maxsize=256)
def _pattern(text: str) -> re.Pattern[str]:
    """The regular expression of a name with placeholders."""
    parts = _PLACEHOLDER.split(text)  # text and placeholders in turn
    for index, part in enumerate(parts):
        named = index % 2 == 1
        parts[index] = f"(?P<{part}>{_STANDS_FOR[part]})" if named else re.escape(part)
    return re.compile("".join(parts))
