"""What a run does to a set of files, kept on the disk, so that the next run can clean up."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from weights_converter.formats.destinations.shard_format import ShardFormat
from weights_converter.formats.files.part import Part, leftovers, place, sync, sync_folder

_LONGEST: Final = 1 << 24  # bytes
_KINDS: Final = ("new", "old")


class Journal:
    """Names the files of the new set and of the old one while one takes the other's place.

    It is a temporary file of the index, and so is found with what else a killed process has left.
    Beside each name is the file's number in the file system: a file that somebody else has put
    there is another one.

    Args:
        path: the index.
        format: how the set looks.
        mode: permissions of the files, before the user's umask.
    """

    def __init__(self, path: Path, format: ShardFormat, mode: int) -> None:
        self._path, self._format, self._mode = path, format, mode
        self._part = Part(path, mode)

    def new_file(self, number: int) -> Path:
        """An empty file of the set, under a temporary name."""
        path = self._part.path.with_name(f"{self._part.path.name}{number}")
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, self._mode))
        return path

    def announce(self, new: Mapping[str, Path], old: Iterable[str]) -> None:
        """Before a file gets its name, or loses it.

        Args:
            new: name -> file, which may have the name by now.
            old: names of the set that goes.
        """
        olds = {name: self._path.with_name(name) for name in old}
        numbers = [{name: _number(file) for name, file in files.items()} for files in (new, olds)]
        line = json.dumps(dict(zip(_KINDS, numbers, strict=True)), sort_keys=True)
        with self._part.path.open(
            "a", encoding="utf-8"
        ) as file:  # what was said before counts, too
            file.write(f"{line}\n")
        sync(self._part.path)
        sync_folder(self._path.parent)

    def settle(self) -> None:
        """Leaves the set that the index names, and nothing of the other one.

        What cannot be removed now stays in the journal, for the next run.
        """
        with suppress(OSError):
            _settle(self._part.path, self._path, self._format, is_own=True)
        self._part.release()


def clean_up(path: Path, format: ShardFormat) -> None:
    """Removes what killed runs have left of the set whose index is `path`."""
    for part in leftovers(path):
        with suppress(OSError):  # somebody else's files: the next run tries again
            _settle(part, path, format, is_own=False)


def _settle(journal: Path, path: Path, format: ShardFormat, is_own: bool) -> None:
    """Removes the files of no set.

    Where the index cannot be read, which may be anybody's, a run removes what it has made itself,
    and the journal of another one stays.
    """
    listed = format.listed(path)
    for file in journal.parent.glob(f"{_escaped(journal.name)}[0-9]*"):
        file.unlink(missing_ok=True)
    said = _numbers(journal)
    if listed is None:
        said = {"new": said["new"]} if is_own and "new" in said else {}
    for numbers in said.values():
        for name, number in numbers.items():
            file = path.with_name(name)
            is_same = number is not None and _number(file) == number
            if is_same and name not in (listed or ()) and format.may_be_ours(path, name):
                _remove(file, path, format if listed else None)
    sync_folder(path.parent)
    if listed is not None or is_own:
        journal.unlink(missing_ok=True)


def _remove(file: Path, path: Path, format: ShardFormat | None) -> None:
    """Removes a file of no set. The first of one becomes a placeholder, if its format needs that.

    Args:
        file: what goes.
        path: the index of the set that stands.
        format: of that set, None if there is none.
    """
    is_first = format is not None and file.name == format.names(path, "", 1)[0]
    if format is not None and format.placeholder is not None and is_first:
        part = Part(path, file.stat().st_mode & path.stat().st_mode)
        try:
            format.placeholder(part.path)
            place(part.path, file, overwrite=True)
        finally:
            part.discard()
    else:
        file.unlink(missing_ok=True)


def _number(file: Path) -> int | None:
    """Of the file in its file system, None where there is none."""
    try:
        return file.lstat().st_ino
    except OSError:
        return None


def _numbers(journal: Path) -> dict[str, dict[str, int]]:
    """What the journal says; nothing where it is a temporary file of another kind."""
    try:
        if journal.stat().st_size > _LONGEST:
            return {}
        lines = journal.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return {}
    said = [_line(line) for line in lines]
    return {kind: {n: i for numbers in said for n, i in numbers[kind].items()} for kind in _KINDS}


def _line(line: str) -> dict[str, dict[str, int]]:
    """Kind -> name -> number; nothing for a line that was not completed, or is none."""
    try:
        said = json.loads(line)
        return {kind: {n: i for n, i in said[kind].items() if Path(n).name == n} for kind in _KINDS}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {kind: {} for kind in _KINDS}


def _escaped(name: str) -> str:
    """Letters that `glob` would take for patterns, as they are."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
