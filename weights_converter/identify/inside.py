"""A known network inside the file of a larger one, such as the backbone of a detector."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice

from weights_converter.arrays.tensor import Checkpoint
from weights_converter.errors import MismatchError, legible
from weights_converter.names.dialects import renamed
from weights_converter.names.prefixes import MODEL_PREFIXES
from weights_converter.names.wrappers import WRAPPERS

_PART = re.compile(r"[^./]*[./]")  # with the separator of torch and Paddle, or of Keras
_MOST_PARTS = 64  # in front of the network
_MOST_SHOWN = 6


def found_inside(checkpoint: Checkpoint, stored: Collection[str]) -> Checkpoint:
    """The arrays of the network alone, where the file has them below a prefix of its own.

    A file that has them at the top, or below what a wrapper puts on all names, stays as it is.

    Args:
        checkpoint: with the names in the file.
        stored: the names that files of the network have.

    Raises:
        MismatchError: the file has several such networks.
    """
    names = {name: _unwrapped(name) for name in checkpoint.tensors}
    prefixes = _prefixes(names.values(), frozenset(stored))
    if not prefixes or any(set(_parts(prefix)) <= MODEL_PREFIXES.keys() for prefix in prefixes):
        return checkpoint
    if len(prefixes) > 1:
        raise _ambiguous(checkpoint, prefixes, names)
    return _below(checkpoint, next(iter(prefixes)), names)


def _prefixes(names: Iterable[str], stored: Collection[str]) -> dict[str, int]:
    """What stands before most names of the network -> how many of them are below it."""
    counts = Counter(prefix for name in names for prefix in _before(name, stored))
    found = {prefix: count for prefix, count in counts.items() if 2 * count >= len(stored)}
    outermost: list[str] = []  # of a network with blocks like its start
    for prefix in sorted(found):
        if not (outermost and prefix.startswith(outermost[-1])):
            outermost.append(prefix)
    return {prefix: found[prefix] for prefix in outermost}


def _before(name: str, stored: Collection[str]) -> Iterator[str]:
    """Each start of the name behind which one of `stored` follows."""
    ends = (match.end() for match in islice(_PART.finditer(name), _MOST_PARTS))
    return (name[:start] for start in (0, *ends) if name[start:] in stored)


def _below(checkpoint: Checkpoint, prefix: str, names: Mapping[str, str]) -> Checkpoint:
    """The arrays below the prefix, without it; a note counts the others by their first part."""
    inside = {
        n: short.removeprefix(prefix) for n, short in names.items() if short.startswith(prefix)
    }
    others = [name for name in names if name not in inside]
    counts = Counter(_first(names[name]) for name in others)
    shown = [f"{legible(part)} ({count})" for part, count in counts.most_common(_MOST_SHOWN)]
    more = [f"{len(counts) - _MOST_SHOWN} more"] if len(counts) > _MOST_SHOWN else []
    beside = f"; left out {', '.join([*shown, *more])} beside them" if others else ""
    note = f"took the {len(inside)} arrays below {legible(prefix)!r}{beside}"
    reasons = dict.fromkeys(others, f"beside the network below {legible(prefix)!r}")
    return renamed(checkpoint.without(reasons, note), inside, ())


def _ambiguous(
    checkpoint: Checkpoint, prefixes: Mapping[str, int], names: Mapping[str, str]
) -> MismatchError:
    found = [f"{legible(prefix)} ({n} arrays)" for prefix, n in prefixes.items()][:_MOST_SHOWN]
    first = next(iter(prefixes))
    name, short = next(pair for pair in names.items() if pair[1].startswith(first))
    in_file = name.removesuffix(short.removeprefix(first))[:-1]
    return MismatchError(
        f"{legible(checkpoint.path.name)} has such a network {len(prefixes)} times: below "
        f"{' and '.join(found)}",
        help=f"say which one: Request(path, prefix={legible(in_file)!r})",
    )


def _first(name: str) -> str:
    """The part of a larger network that an array is of, or the array itself."""
    return name.replace("/", ".").partition(".")[0]


def _parts(prefix: str) -> list[str]:
    """The parts of a path, each with the separator behind it."""
    return _PART.findall(prefix)


def _unwrapped(name: str) -> str:
    return _PART.sub(lambda match: "" if match[0][:-1] in WRAPPERS else match[0], name)
