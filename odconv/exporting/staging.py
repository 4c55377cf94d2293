"""An exported file and what belongs beside it, which appear when they are proven or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from weights_converter.errors import FileError, legible
from weights_converter.formats.files.part import file_errors, sync_folder

_LONGEST = 100  # letters of the destination's name in that of the folder beside it


def check_free(path: Path, overwrite: bool) -> None:
    """Raises FileError where nothing may be written at `path`, a file or a folder."""
    shown = legible(str(path))
    if not path.parent.is_dir():
        raise FileError(f"cannot write {shown}: its folder does not exist", "create it first")
    if not overwrite and os.path.lexists(path):
        raise FileError(f"{shown} exists already", "--overwrite replaces it")


@contextmanager
def staged(path: Path, overwrite: bool) -> Iterator[Path]:
    """Yields the path of a draft in an empty folder; all in it takes its place at the end.

    After any exception, an interrupt included, the destination is as it was.

    Args:
        path: of the file or folder that is opened later.
        overwrite: whether something may be replaced.

    Raises:
        FileError: something exists and `overwrite` is false, or the disk is full or not writable.
    """
    check_free(path, overwrite)
    with file_errors(path):
        prefix = f".{path.name[:_LONGEST]}."
        folder = Path(tempfile.mkdtemp(prefix=prefix, suffix=".part", dir=path.parent))
    try:
        yield folder / path.name
        with file_errors(path):
            _place(folder, path, overwrite)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _place(folder: Path, path: Path, overwrite: bool) -> None:
    """Moves everything beside `path`, the file itself last."""
    drafts = sorted(folder.iterdir(), key=lambda draft: draft.name == path.name)
    for draft in drafts:
        check_free(path.with_name(draft.name), overwrite)
    old = folder / "replaced"
    for draft in drafts:
        place = path.with_name(draft.name)
        if place.is_dir():  # a folder takes no folder's place
            old.mkdir(exist_ok=True)
            place.rename(old / place.name)
        draft.replace(place)
    sync_folder(path.parent)
