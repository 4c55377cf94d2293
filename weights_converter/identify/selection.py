"""Which arrays of a file are taken: those below a prefix, without those that are to be ignored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from weights_converter.arrays.tensor import Checkpoint
from weights_converter.errors import UsageError, legible
from weights_converter.identify.request import Request

_MOST_SHOWN = 8
_SEPARATORS = "./"  # of torch and Paddle, of Keras and TensorFlow


def selected(checkpoint: Checkpoint, request: Request) -> Checkpoint:
    """The arrays that are asked for; a note says what is left out, and `left_out` names each.

    Patterns are those of a shell, in which `*` stands for dots, too, and fit the names in the file.
    The prefix is taken off the names. Where no array has it, all are taken: see `demand_used`.
    """
    for pattern in request.patterns:
        names = [name for name in checkpoint.tensors if fnmatchcase(name, pattern)]
        checkpoint = _without(checkpoint, names, f"--ignore {legible(pattern)}")
    return checkpoint if request.prefix is None else _below(checkpoint, request.prefix)


def demand_used(requests: Sequence[Request], files: Sequence[Checkpoint]) -> None:
    """Checks that each pattern and prefix fits in one of the files that it is given for.

    One with a slip of the pen in it would otherwise look as if it had been obeyed.

    Args:
        requests: what was asked of each file.
        files: as they were read, with all of their arrays.

    Raises:
        UsageError: a pattern or a prefix fits nothing.
    """
    pairs = list(zip(requests, files, strict=True))
    for pattern in dict.fromkeys(p for request in requests for p in request.patterns):
        asked = [file for request, file in pairs if pattern in request.patterns]
        names = [name for file in asked for name in file.tensors]
        if not any(fnmatchcase(name, pattern) for name in names):
            raise UsageError(
                f"--ignore {legible(pattern)} fits no array of {_files(asked)}",
                help=f"the names are such as {_some(names)}; `odconv inspect --arrays` lists them",
            )
    for prefix in dict.fromkeys(r.prefix for r in requests if r.prefix is not None):
        asked = [file for request, file in pairs if request.prefix == prefix]
        if not any(_has(name, prefix) for file in asked for name in file.tensors):
            raise UsageError(
                f"--prefix {legible(prefix)}: no array of {_files(asked)} is below it",
                help=f"the prefixes are {_prefixes(asked)}",
            )


def _below(checkpoint: Checkpoint, prefix: str) -> Checkpoint:
    others = [name for name in checkpoint.tensors if not _has(name, prefix)]
    if len(others) == len(checkpoint.tensors):
        return checkpoint
    inside = _without(checkpoint, others, f"--prefix {legible(prefix)}")
    length = len(prefix.rstrip(_SEPARATORS)) + 1
    tensors = {name[length:]: t.renamed(name[length:]) for name, t in inside.tensors.items()}
    return replace(inside, tensors=tensors)


def _has(name: str, prefix: str) -> bool:
    owner = prefix.rstrip(_SEPARATORS)
    return name.startswith(owner) and name[len(owner) : len(owner) + 1] in set(_SEPARATORS)


def _without(checkpoint: Checkpoint, names: Sequence[str], by: str) -> Checkpoint:
    if not names:
        return checkpoint
    reasons = dict.fromkeys(names, f"left out by {by}")
    return checkpoint.without(reasons, f"{by} left out {_some(names)}")


def _files(files: Iterable[Checkpoint]) -> str:
    return " and ".join(legible(file.path.name) for file in files)


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MOST_SHOWN
    shown = ", ".join(map(legible, names[:_MOST_SHOWN]))
    return f"{shown} and {more} more" if more > 0 else shown or "none"


def _prefixes(files: Iterable[Checkpoint]) -> str:
    """The first parts of the names, the most frequent first."""
    names = (name.replace("/", ".") for file in files for name in file.tensors)
    counts = Counter(owner for owner, dot, _ in (name.partition(".") for name in names) if dot)
    return _some([f"{owner} ({count} arrays)" for owner, count in counts.most_common()])
