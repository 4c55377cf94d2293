"""A run that a folder holds is replaced only where the user says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from odconv_training.checkpoints import BEST, LAST
from odconv_training.errors import TrainingError
from odconv_training.log import TABLES
from odconv_training.options import Options


def check_output(options: Options, framework: str, from_first: Callable[[bool], bool]) -> None:
    """Raises TrainingError where a training would replace what an earlier one has left.

    A run of another framework in the same folder is one, too: it would lose its tables. Before
    anything is read or written; `from_first` gives all processes what the first of them has seen,
    as other machines may not have the folder.
    """
    if options.evaluate or options.overwrite:
        return
    folder, name = options.output, LAST[framework]
    goes_on = options.resume and (folder / name).exists()
    if not from_first(not goes_on and _holds_work(folder)):
        return
    if options.resume:
        raise TrainingError(
            f"{folder} holds a run, but no {name} for --resume to go on from: give --overwrite to "
            "replace it, or --output another folder"
        )
    raise TrainingError(
        f"{folder} holds a run already: give --resume to go on with it, --overwrite to replace "
        "it, or --output another folder"
    )


def remove_earlier(folder: Path, framework: str) -> None:
    """Removes what an earlier run has left beside the new one's own checkpoint and tables.

    Its best network would otherwise pass for that of the new run until this has one.
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
