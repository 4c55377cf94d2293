"""Arrays that a user leaves out of a file by patterns, such as those of the loss."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from weights_converter.arrays.tensor import Checkpoint
from weights_converter.errors import UsageError, legible

Patterns = str | Sequence[str]
_MOST_SHOWN = 4


def without_ignored(checkpoint: Checkpoint, ignore: Patterns) -> Checkpoint:
    """The checkpoint without the arrays that a pattern fits, each of which a note names.

    Args:
        checkpoint: with the names in the file.
        ignore: patterns of a shell, in which `*` stands for dots, too; or a single one.
    """
    for pattern in _listed(ignore):
        names = [name for name in checkpoint.tensors if fnmatchcase(name, pattern)]
        if names:
            reason = f"left out by --ignore {legible(pattern)}"
            note = f"--ignore {legible(pattern)} left out {', '.join(map(legible, names))}"
            checkpoint = checkpoint.without(dict.fromkeys(names, reason), note)
    return checkpoint


def demand_used(ignore: Patterns, *checkpoints: Checkpoint) -> None:
    """Raises UsageError where a pattern fits no array of any of the files.

    A pattern with a slip of the pen in it would otherwise look as if it had been obeyed.
    """
    names = [name for found in checkpoints for name in (*found.left_out, *found.tensors)]
    for pattern in _listed(ignore):
        if not any(fnmatchcase(name, pattern) for name in names):
            files = " and ".join(legible(found.path.name) for found in checkpoints)
            shown = ", ".join(map(legible, names[:_MOST_SHOWN]))
            raise UsageError(
                f"--ignore {legible(pattern)} fits no array of {files}",
                help=f"the names are such as {shown}; `odconv inspect --arrays` lists them",
            )


def _listed(ignore: Patterns) -> Sequence[str]:
    return (ignore,) if isinstance(ignore, str) else ignore
