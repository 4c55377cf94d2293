"""Files that are read and written at once, which a conversion must not do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from weights_converter.arrays.tensor import Checkpoint
from weights_converter.errors import FileError, UsageError, legible
from weights_converter.formats.files.part import EVERYBODY
from weights_converter.formats.paddle.sidecar import sidecar
from weights_converter.identify.request import Request


def files_read(request: Request, checkpoint: Checkpoint) -> tuple[Path, ...]:
    """Every file that a conversion reads: of the arrays, of a folder, of the model's spec."""
    folder = Path(request.path)
    inside = tuple(folder.rglob("*")) if folder.is_dir() else ()
    model = (Path(request.model),) if isinstance(request.model, (str, Path)) else ()
    specs = tuple(path for path in model if path.suffix == ".json")
    beside = (sidecar(checkpoint.path),)
    return (checkpoint.path, *checkpoint.files, *beside, *inside, *specs)


def check_apart(read: Iterable[Path], written: Iterable[Path]) -> None:
    """Raises UsageError where a file is both, by whatever name."""
    sources = set(_identities(read))
    for path in written:
        if sources & set(_identities([path])):
            raise UsageError(
                f"{legible(path.name)} is the source itself, or a part of it",
                help="write to another name",
            )


def mode_of(paths: Iterable[Path]) -> int:
    """Permissions for a copy that nobody may read who may not read each of the files."""
    mode = EVERYBODY
    for path in paths:
        if path.is_file():
            mode &= path.stat().st_mode
    return mode


def _identities(paths: Iterable[Path]) -> Iterator[tuple[int, int]]:
    """Device and number of those files that exist, links followed."""
    for path in paths:
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:  # such as a name that is too long, or a NUL in it
            raise FileError(f"{legible(str(path))}: {error}") from error
        yield status.st_dev, status.st_ino
