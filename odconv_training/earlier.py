"""A folder that holds a run: the run is replaced only where the user says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from odconv_training.checkpoints import BEST, LAST
from odconv_training.errors import TrainingError
from odconv_training.log import TABLES
from odconv_training.options import Options


def check_output(options: Options, framework: str, from_first: Callable[[bool], bool]) -> None:
    """Refuses a training that would replace an earlier one, before anything is read or written.

    A run of another framework in the same folder is refused, too: it would lose its tables.

    Args:
        options: of the command.
        framework: "torch", "paddle" or "keras".
        from_first: gives all processes the value of the first one, as other machines may not have
            the folder.

    Raises:
        TrainingError: the folder holds a run that is neither to be resumed nor overwritten.

    Example:
        >>> from odconv_training import TrainingError, parse
        >>> options = parse(["--output", "earlier"], "torch")
        >>> options.output.mkdir()
        >>> size = (options.output / LAST["torch"]).write_bytes(b"arrays")
        >>> try:
        ...     check_output(options, "torch", lambda value: value)
        ... except TrainingError as error:
        ...     print(str(error).partition(":")[0])
        earlier holds a run already
    """
    if options.evaluate or options.overwrite:
        return
    folder, name = options.output, LAST[framework]
    continues = options.resume and (folder / name).exists()
    if not from_first(not continues and _holds_work(folder)):
        return
    if options.resume:
        raise TrainingError(
            f"{folder} holds a run, but no {name} for --resume to continue from: give --overwrite "
            "to replace it, or --output another folder"
        )
    raise TrainingError(
        f"{folder} holds a run already: give --resume to continue it, --overwrite to replace "
        "it, or --output another folder"
    )


def remove_earlier(folder: Path, framework: str) -> None:
    """Removes what an earlier run has left beside the new one's own checkpoint and tables.

    Its best network would otherwise be taken for the best of the new run.
    """
    others = {name for other, name in LAST.items() if other != framework}
    for name in (*BEST.values(), *others):
        (folder / name).unlink(missing_ok=True)


def _holds_work(folder: Path) -> bool:
    """Whether a training has left more than its start, which it saves before the first step."""
    if any(_has_rows(folder / name) for name in TABLES):
        return True
    if any((folder / name).exists() for name in BEST.values()):
        return True
    logged = (folder / TABLES[0]).exists()
    return not logged and any((folder / name).exists() for name in LAST.values())


def _has_rows(table: Path) -> bool:
    """Whether there is anything below the head of a table."""
    if not table.exists():
        return False
    with table.open("rb") as file:
        return len(file.readlines(1 << 12)) > 1
