"""Rules for the convolutions of a network, in words: what they see, and how they combine."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Final, NamedTuple, TypeAlias

from odconv_spec.conv import ConvSpec

# Convolutions that are called fc1 and fc2 are those of torchvision and Paddle.
_SQUEEZE_EXCITE = re.compile(
    r"(?:^|[._/])(?:se|se_?(?:module|block|layer)|se_(?:reduce|expand)|squeeze\w*)(?:[._/]|$)"
    r"|_se_|(?<!mlp[._])\bfc[12]$",
    re.IGNORECASE,
)
_SHORTCUT = re.compile(r"downsample|shortcut|(?:^|[._/])skip|block\d+_0_conv", re.IGNORECASE)
_STEM = re.compile(r"(?:^|[._/])stem(?:[._/\d]|$)", re.IGNORECASE)
_AND = re.compile(r"\s*,\s*(?:and\s+)?|\s+and\s+")


class Candidate(NamedTuple):
    """What a rule sees of a convolution.

    Attributes:
        path: in the network.
        spec: its geometry; None where it is no plain convolution, such as a transposed one.
        stage: of the network, see `odconv_spec.stages`.
        first: whether it is the first convolution of the network.
    """

    path: str
    spec: ConvSpec | None
    stage: int = 0
    first: bool = False


class Rule:
    """A choice among the convolutions of a network: `&`, `|` and `~` make others of it.

    Args:
        text: the rule in words.
        chooses: says of a candidate whether it is chosen.

    Example:
        >>> wide = rule("3x3") & ~rule("depthwise")
        >>> conv = ConvSpec(in_channels=4, out_channels=4, kernel_size=3)
        >>> wide, wide.chooses(Candidate("a", conv))
        (3x3 & ~depthwise, True)
    """

    def __init__(self, text: str, chooses: Callable[[Candidate], bool]) -> None:
        self._text = text
        self.chooses = chooses

    def __and__(self, other: Rule) -> Rule:
        return Rule(f"{self} & {other}", lambda c: self.chooses(c) and other.chooses(c))

    def __or__(self, other: Rule) -> Rule:
        return Rule(f"({self} | {other})", lambda c: self.chooses(c) or other.chooses(c))

    def __invert__(self) -> Rule:
        text = f"({self})" if " & " in self._text else self._text
        return Rule(f"~{text}", lambda c: not self.chooses(c))

    def __repr__(self) -> str:
        return self._text


Chooses: TypeAlias = Callable[[Candidate], bool]
Where: TypeAlias = "str | Rule | Sequence[str | Rule]"


class _Word(NamedTuple):
    shown: str
    pattern: str
    chooses: Callable[[Sequence[str]], Chooses]  # given the groups of the pattern


_WORDS: Final = (
    _Word("all", "all", lambda _: lambda c: True),
    _Word("3x3", r"(\d+(?:x\d+)*)", lambda given: _of_kernel(given[0])),
    _Word("spatial", "spatial", lambda _: _of_spec(lambda spec: max(spec.kernel) > 1)),
    _Word("pointwise", "pointwise", lambda _: _of_spec(lambda spec: max(spec.kernel) == 1)),
    _Word("depthwise", "depthwise", lambda _: _of_spec(lambda s: s.groups == s.in_channels > 1)),
    _Word("grouped", "grouped", lambda _: _of_spec(lambda spec: spec.groups > 1)),
    _Word("strided", "strided", lambda _: _of_spec(lambda spec: max(spec.strides) > 1)),
    _Word("channels >= 64", r"channels >= ?(\d+)", lambda given: _as_wide_as(int(given[0]))),
    _Word("stem", "stem", lambda _: lambda c: c.first or bool(_STEM.search(c.path))),
    _Word("stage 2", r"stage (\d+)", lambda given: _of_stages(given[0], given[0])),
    _Word("stages 3-4", r"stages (\d+) ?(?:-|to) ?(\d+)", lambda given: _of_stages(*given)),
    _Word("shortcut", "shortcut", lambda _: lambda c: bool(_SHORTCUT.search(c.path))),
    _Word("squeeze-excite", "squeeze-excite", lambda _: _is_squeeze_excite),
    _Word("name PATTERN", r"name (\S+)", lambda given: lambda c: fnmatchcase(c.path, given[0])),
)


def rule(where: Where) -> Rule:
    """The rule of words, such as "3x3", "not depthwise" or "all but the stem and squeeze-excite".

    Args:
        where: one word of a rule, behind "not" if the others are meant; "all but A, B and C"; a
            rule; or a list of these, all of which must hold.

    Returns:
        The rule.

    Raises:
        ValueError: there is no such word, or an empty list.

    Example:
        >>> rule(["3x3", "not depthwise"]), rule("all but the stem and squeeze-excite")
        (3x3 & ~depthwise, ~(stem | squeeze-excite))
    """
    if isinstance(where, Rule):
        return where
    if isinstance(where, str):
        return _said(where)
    if not isinstance(where, Iterable):
        raise ValueError(f"where: expected words, a rule or a list of them, received {where!r}")
    rules = [rule(one) for one in where]
    if not rules:
        raise ValueError("where: expected at least one rule, received an empty list")
    found = rules[0]
    for other in rules[1:]:
        found &= other
    return found


def _said(text: str) -> Rule:
    words = " ".join(text.split()).removeprefix("the ")
    if words.startswith("not "):
        return ~_said(words.removeprefix("not "))
    if words.startswith("all but "):
        first, *others = map(_said, _AND.split(words.removeprefix("all but ")))
        for other in others:
            first |= other
        return ~first
    for word in _WORDS:
        if match := re.fullmatch(word.pattern, words):
            return Rule(words, word.chooses(match.groups()))
    known = ", ".join(repr(word.shown) for word in _WORDS)
    raise ValueError(
        f"where: expected {known}, 'not' before one of these, or 'all but A, B and C'; received "
        f"{text!r}"
    )


def _of_spec(holds: Callable[[ConvSpec], bool]) -> Chooses:
    return lambda c: c.spec is not None and holds(c.spec)


def _of_kernel(text: str) -> Chooses:
    taps = tuple(map(int, text.split("x")))
    return _of_spec(lambda spec: spec.kernel == taps)


def _as_wide_as(least: int) -> Chooses:
    return _of_spec(lambda spec: min(spec.in_channels, spec.out_channels) >= least)


def _of_stages(first: str, last: str) -> Chooses:
    return lambda c: int(first) <= c.stage <= int(last)


def _is_squeeze_excite(candidate: Candidate) -> bool:
    """By the name, for a layer has no other sign; one with several taps is none."""
    spec = candidate.spec
    pointwise = spec is not None and max(spec.kernel) == 1
    return pointwise and bool(_SQUEEZE_EXCITE.search(candidate.path))
