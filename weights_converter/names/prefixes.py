"""Prefixes that all names of a file have in front."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from weights_converter.errors import MismatchError, legible

# Attributes that a training script has put the model into.
MODEL_PREFIXES: Final[Mapping[str, str]] = {
    "model.": "a module around the model, such as Lightning's",
    "net.": "a module around the model, such as Lightning's",
}
_MOST_PREFIXES = 16  # of one name: more are no wrappers, and each takes a pass over all names


def without_prefixes(
    names: Mapping[str, str], prefixes: Iterable[str], targets: Collection[str], file: str
) -> dict[str, str]:
    """Each name -> the short name without the prefixes that all have.

    Args:
        names: each name in the file -> a short one.
        prefixes: that may go.
        targets: canonical names of the model, where it is known. A prefix that they have
            themselves is the name of an attribute, and stays.
        file: for the message.

    Raises:
        MismatchError: a module's prefix is on some names only.
    """
    found = dict(names)
    free = [p for p in prefixes if not any(target.startswith(p) for target in targets)]
    for _ in range(_MOST_PREFIXES):
        prefix = _common(found, free, file)
        if prefix is None:
            break
        found = {name: short.removeprefix(prefix) for name, short in found.items()}
    return found


def without_root(
    names: Collection[str], targets: Collection[str] | None
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The same for the model's own name, with which all of TensorFlow's names begin."""
    roots = {name.partition(".")[0] for name in names}
    wanted = {target.partition(".")[0] for target in targets or ()}
    if len(roots) != 1 or roots == wanted or not all("." in name for name in names):
        return {name: name for name in names}, ()
    root = f"{roots.pop()}."
    return {name: name.removeprefix(root) for name in names}, (f"stripped {root!r}, its name",)


def _common(names: Mapping[str, str], prefixes: Iterable[str], file: str) -> str | None:
    for prefix in prefixes:
        others = [
            n for n, short in names.items() if not short.startswith(prefix) or short == prefix
        ]
        if names and not others:
            return prefix
        if len(others) < len(names) and prefix in MODEL_PREFIXES:
            raise MismatchError(
                f"{file}: {len(names) - len(others)} of {len(names)} names start with {prefix!r} "
                f"({MODEL_PREFIXES[prefix]}), others do not: "
                f"{', '.join(map(legible, sorted(others)[:3]))}",
                help="a wrapper puts its prefix on all names; were two state dicts merged, or are "
                "there arrays beside the model's? Leave those out, such as by --ignore "
                f"{_pattern(min(others))}",
            )
    return None


def _pattern(name: str) -> str:
    """What leaves out the array, and all beside it that belong to the same part."""
    part, dot, _ = name.partition(".")
    return f"'{legible(part)}{dot}*'" if dot else legible(name)
