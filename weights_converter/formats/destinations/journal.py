"""What a run does to a set of files, kept on the disk, so that the next run can clean up."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from weights_converter.formats.destinations.shard_format import ShardFormat
from weights_converter.formats.files.part import Part, leftovers, place, sync

_LONGEST: Final = 1 << 24  # bytes


class Journal:
    """Names the files of the new set and of the old one while one takes the other's place.

    It is a temporary file of the index, and so is found with what else a killed process has left.

    Args:
        path: the index.
        format: how the set looks.
        mode: permissions of the files, before the user's umask.
    """

    def __init__(self, path: Path, format: ShardFormat, mode: int) -> None:
        self._path, self._format, self._mode = path, format, mode
        self._part = Part(path)

    def new_file(self, number: int) -> Path:
        """An empty file of the set, under a temporary name."""
        path = self._part.path.with_name(f"{self._part.path.name}{number}")
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, self._mode))
        return path

    def announce(self, names: Iterable[str]) -> None:
        """Before the first of the files gets its name. `names` are of both sets."""
        self._part.path.write_text(json.dumps(sorted(names)), encoding="utf-8")
        sync(self._part.path)
        sync(self._path.parent)

    def settle(self) -> None:
        """Leaves the set that the index names, and nothing of the other one.

        What cannot be removed now stays in the journal, for the next run.
        """
        with suppress(OSError):
            _settle(self._part.path, self._path, self._format)
        self._part.release()


def clean_up(path: Path, format: ShardFormat) -> None:
    """Removes what killed runs have left of the set whose index is `path`."""
    for part in leftovers(path):
        with suppress(OSError):  # somebody else's files: the next run tries again
            _settle(part, path, format)


def _settle(journal: Path, path: Path, format: ShardFormat) -> None:
    listed = format.listed(path)
    for file in journal.parent.glob(f"{_escaped(journal.name)}[0-9]*"):
        file.unlink(missing_ok=True)
    for name in _names(journal):
        if listed is not None and name not in listed and format.may_be_ours(path, name):
            _remove(path.with_name(name), path, format)
    sync(path.parent)
    journal.unlink(missing_ok=True)


def _remove(file: Path, path: Path, format: ShardFormat) -> None:
    """Removes a file of no set; the first of a set becomes a placeholder where one is needed."""
    is_first = file.name == format.names(path, "", 1)[0]
    if is_first and format.placeholder is not None and path.exists() and file.exists():
        part = Part(path, file.stat().st_mode)
        try:
            format.placeholder(part.path)
            place(part.path, file, overwrite=True)
        finally:
            part.discard()
    else:
        file.unlink(missing_ok=True)


def _names(journal: Path) -> list[str]:
    """What the journal names; nothing where it is a temporary file of another kind."""
    try:
        if journal.stat().st_size > _LONGEST:
            return []
        names = json.loads(journal.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    if not isinstance(names, list):
        return []
    return [name for name in names if isinstance(name, str) and Path(name).name == name]


def _escaped(name: str) -> str:
    """Letters that `glob` would take for patterns, as they are."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
