"""Arrays that a user leaves out of a file by patterns, such as those of the loss."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from weights_converter.arrays.tensor import Checkpoint
from weights_converter.errors import UsageError, legible
from weights_converter.identify.request import Request

_MOST_SHOWN = 4


def without_ignored(checkpoint: Checkpoint, request: Request) -> Checkpoint:
    """The checkpoint without the arrays that a pattern fits, each of which a note names.

    A pattern is one of a shell, in which `*` stands for dots, too.
    """
    for pattern in request.patterns:
        names = [name for name in checkpoint.tensors if fnmatchcase(name, pattern)]
        if names:
            reason = f"left out by --ignore {legible(pattern)}"
            note = f"--ignore {legible(pattern)} left out {', '.join(map(legible, names))}"
            checkpoint = checkpoint.without(dict.fromkeys(names, reason), note)
    return checkpoint


def demand_used(requests: Sequence[Request], checkpoints: Sequence[Checkpoint]) -> None:
    """Raises UsageError where a pattern fits no array of any of the files that it was given for.

    A pattern with a slip of the pen in it would otherwise look as if it had been obeyed.
    """
    for pattern in dict.fromkeys(p for request in requests for p in request.patterns):
        asked = [
            found
            for request, found in zip(requests, checkpoints, strict=True)
            if pattern in request.patterns
        ]
        names = [name for found in asked for name in (*found.left_out, *found.tensors)]
        if not any(fnmatchcase(name, pattern) for name in names):
            files = " and ".join(legible(found.path.name) for found in asked)
            shown = ", ".join(map(legible, names[:_MOST_SHOWN]))
            raise UsageError(
                f"--ignore {legible(pattern)} fits no array of {files}",
                help=f"the names are such as {shown}; `odconv inspect --arrays` lists them",
            )
