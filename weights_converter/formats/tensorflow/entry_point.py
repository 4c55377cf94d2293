"""Which file to read where a user names a checkpoint as its framework does, and not a file."""

from __future__ import annotations

import re
from pathlib import Path

from weights_converter.errors import ConverterError, FileError, UsageError, legible
from weights_converter.formats.pytorch.distributed import refuse_distributed

_DATA = re.compile(r"(.+)\.data-\d{5}-of-\d{5}")
_INSIDE = (
    "variables/variables.index",  # of a SavedModel
    "variables.index",
    "model.weights.h5",  # of a Keras model that is not zipped
)
_MOST_SHOWN = 8


def entry_point(path: Path) -> Path:
    """The file that `path` means: itself, or the index of a checkpoint of several files.

    Raises:
        UsageError: the folder has several checkpoints of TensorFlow.
        RefusedError: it is a checkpoint that processes have written in parts.
    """
    try:
        refuse_distributed(path)
        if path.is_dir():
            return _inside(path)
        data = _DATA.fullmatch(path.name)
        index = path.with_name(f"{data[1] if data else path.name}.index")
        return index if (data or not path.exists()) and index.is_file() else path
    except ConverterError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL, or no name
        reason = getattr(error, "strerror", None) or str(error)
        raise FileError(f"cannot read {legible(str(path))}: {reason}") from error


def _inside(folder: Path) -> Path:
    for name in _INSIDE:
        if (folder / name).is_file():
            return folder / name
    found = sorted(folder.glob("*.index"))
    if len(found) > 1:
        shown = ", ".join(legible(path.name) for path in found[:_MOST_SHOWN])
        raise UsageError(f"{legible(str(folder))} holds several checkpoints", f"name one: {shown}")
    return found[0] if found else folder
